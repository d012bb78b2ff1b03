"""The validations: ions in an energy landscape with known answers, run and analysed like a study or a crossing."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext
from aiida.orm import to_aiida_type

from aiida_cse.analysis.kinetics import PARTS, KineticsSettings
from aiida_cse.calculations.functions.kinetics import kinetics
from aiida_cse.calculations.functions.landscape import (
    compare_crossing,
    compare_landscape,
    draw_known_landscape,
    expect_landscape,
)
from aiida_cse.calculations.functions.starts import starts
from aiida_cse.calculations.ports import checked_by
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.landscape.checks import start_errors
from aiida_cse.landscape.model import Landscape
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.workchains.common.builders import Codes, base_inputs, builder_inputs, located_part, whole
from aiida_cse.workchains.common.exit_status import failure
from aiida_cse.workchains.common.labels import LabelledOutputs
from aiida_cse.workchains.common.ports import SEEDS, one_of, validate_seed
from aiida_cse.workchains.common.protocol import ProtocolMixin, merge
from aiida_cse.workchains.common.starts import FILLED, run_label
from aiida_cse.workchains.crossing import CrossingWorkChain
from aiida_cse.workchains.production import ProductionWorkChain

__all__ = ["CrossingValidationWorkChain", "KnownLandscapeWorkChain", "ValidationWorkChain"]

#: outputs of a production without which a run is not checked
CHECKED = ("populations", "transitions", "equilibration", "free_energy_profiles", "barrier")
#: those that are attached, and checked where a run has them
RUN_OUTPUTS = (
    *CHECKED,
    "reduction",
    "stages",
    "density_profiles",
    "charge_integral",
    "displacement_variance",
    "depth_populations",
)
#: outputs of a crossing that are attached
_CROSSING_OUTPUTS = ("crossing", "crossing_profile", "transmission")
#: distance between the seeds of the runs, so that validations with successive seeds share none
_STRIDE = 104_729
#: R̂ of two starts that differ by the allowed standard errors in a window of six relaxation times, so that the
#: level of the checks decides; the usual limit of 1.5 refuses 5 % of correct pairs in such a window
_SCALE_REDUCTION = 2.5


class KnownLandscapeWorkChain(ProtocolMixin, LabelledOutputs, VersionedWorkChain):
    """Ions in a drawn landscape, and checks of what was found there against the known answers."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define the inputs, outputs and exit codes of every validation."""
        super().define(spec)
        spec.input(
            "seed",
            valid_type=orm.Int,
            serializer=to_aiida_type,
            validator=validate_seed,
            help="Seed of the landscape, the initial positions and the noise of the runs.",
        )
        spec.input(
            "settings",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=checked_by(ValidationSettings, "settings"),
            help="Ions, temperatures, level of the checks: see aiida_cse.landscape.settings.ValidationSettings. "
            "A crossing runs at the last, lowest of the temperatures.",
        )
        spec.output("landscape", valid_type=orm.Dict, help="The energies of the landscape.")
        spec.output("system", valid_type=CseSystemData, help="The ions as input of LAMMPS.")
        spec.output("checks", valid_type=orm.Dict, help="All checks with their intervals, and those that failed.")
        spec.exit_code(361, "ERROR_VALIDATION", message="{count} of {total} checks failed: {failed}")

    def draw(self) -> None:
        """Draw the landscape and place the ions."""
        self.ctx.drawn = draw_known_landscape(seed=self.inputs.seed, settings=self.inputs.settings)
        self.out("landscape", self.ctx.drawn["landscape"])
        self.out("system", self.ctx.drawn["system"])

    def judge(self) -> ExitCode | None:
        """Report whether all checks hold; stop with the failed ones otherwise."""
        found = self.outputs["checks"]
        failed, total = found["failed"], len(found["checks"])
        if not failed:
            self.report(f"all {total} checks hold")
            return None
        return self.exit_codes.ERROR_VALIDATION.format(count=len(failed), total=total, failed="; ".join(failed))


class ValidationWorkChain(KnownLandscapeWorkChain):
    """Run ions in a known landscape at several temperatures, analyse the runs, and check the results."""

    protocol_name = "validate"

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.expose_inputs(ProductionWorkChain, namespace="production", exclude=("seed", "system", "temperature"))
        spec.outline(cls.draw, cls.run_productions, cls.attach_runs, cls.kinetics, cls.compare, cls.judge)
        spec.output_namespace(
            "runs", dynamic=True, help="Per temperature, as `T1000_r1`: the outputs of its production."
        )
        spec.output_namespace(
            "second_start",
            dynamic=True,
            help="The outputs of the other start at the highest temperature, and `starts`, the judgement of both.",
        )
        spec.output("expected", valid_type=orm.Dict, help="The known answers, computed without LAMMPS.")
        spec.output("kinetics", valid_type=orm.Dict, required=False, help="The joint kinetics of all runs.")
        spec.exit_code(360, "ERROR_VALIDATION_RUNS", message="{count} of {total} runs failed: {runs}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        codes: Codes,
        seed: int = 1,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> Any:
        """Return a builder with the inputs of a protocol.

        Parameters
        ----------
        codes
            The codes by role: ``lammps`` and ``cse``.
        seed
            Seed of the landscape and of all random choices.
        protocol
            ``full`` or ``quick``.
        overrides
            Changes to ``settings`` and ``production``; unknown keys are refused.
        options
            Scheduler options of all LAMMPS jobs.

        Raises
        ------
        ValueError
            The seed, the protocol or an override is wrong; the message names the place.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        number = whole("seed", seed, 1, SEEDS - 1)
        # the checks use the intervals of the analysis
        own = merge(inputs["production"], {"analysis": {"settings": {"level": inputs["settings"]["level"]}}})
        # streams are no part of the protocols of a production
        streams = own["sampling"].pop("streams", None)
        with located_part("production"):
            production = ProductionWorkChain.get_builder_from_protocol(
                codes=codes, recipe={"seeds": {"velocities": number.value}}, overrides=own, options=options
            )
        if streams is not None:
            production.sampling = dict(production.sampling) | {"streams": streams}
        builder = cls.get_builder()
        builder.seed = number
        builder.settings = inputs["settings"]
        builder.production = builder_inputs(production, cls.spec().inputs["production"])
        return builder

    def draw(self) -> None:
        """Draw the landscape, place the ions and lay out the temperatures."""
        super().draw()
        asked = ValidationSettings.model_validate(self.inputs.settings.get_dict())
        landscape = Landscape.model_validate(self.ctx.drawn["landscape"].get_dict())
        self.ctx.temperatures = {run_label(at, 1): at for at in asked.temperatures(landscape)}
        kelvin = ", ".join(f"{temperature:g}" for temperature in self.ctx.temperatures.values())
        self.report(
            f"seed {self.inputs.seed.value}: barriers of {landscape.barrier_left:.0f} and "
            f"{landscape.barrier_right:.0f} K; runs at {kelvin} K"
        )

    def run_productions(self) -> dict[str, Any]:
        """Run all productions at once."""
        waiting = {}
        for number, (label, temperature) in enumerate(self.ctx.temperatures.items()):
            inputs = self.exposed_inputs(ProductionWorkChain, namespace="production")
            inputs.system = self.ctx.drawn["system"]
            inputs.temperature = orm.Float(temperature)
            inputs.seed = orm.Int((self.inputs.seed.value - 1 + number * _STRIDE) % (SEEDS - 1) + 1)
            inputs.metadata = {"call_link_label": f"production_{label}"}
            waiting[label] = self.submit(ProductionWorkChain, **inputs)
            self.report(f"started {label}: <{waiting[label].pk}>")
            if number == 0 and FILLED in self.ctx.drawn:
                inputs.system = self.ctx.drawn[FILLED]
                inputs.seed = orm.Int((inputs.seed.value + _STRIDE // 2) % (SEEDS - 1) + 1)
                inputs.metadata = {"call_link_label": f"production_{label}_{FILLED}"}
                waiting[FILLED] = self.submit(ProductionWorkChain, **inputs)
                self.report(f"started {label}_{FILLED}: <{waiting[FILLED].pk}>")
        return ToContext(**waiting)

    def attach_runs(self) -> ExitCode | None:
        """Attach the results of all runs; stop if a run lacks results to check."""
        failed = []
        runs = [*self.ctx.temperatures, *([FILLED] if FILLED in self.ctx else [])]
        for label in runs:
            run = self.ctx[label]
            results = {name: run.outputs[name] for name in RUN_OUTPUTS if name in run.outputs}
            if results:
                self.out("second_start.run" if label == FILLED else f"runs.{label}", results)
            # a run that has not equilibrated still has results to check
            if not all(name in results for name in CHECKED):
                failed.append(f"{label} " + "<{pk}> [{status}] {reason}".format(**failure(run)))
        if not failed:
            return None
        return self.exit_codes.ERROR_VALIDATION_RUNS.format(
            count=len(failed), total=len(runs), runs="; ".join(failed)
        )

    def kinetics(self) -> None:
        """Extrapolate the rate from the equilibrated runs to all temperatures."""
        runs = {label: {name: run[name] for name in PARTS} for label, run in self.outputs["runs"].items()}
        # other laws would widen the interval of a landscape whose barriers do not depend on T
        asked = KineticsSettings(temperatures=list(self.ctx.temperatures.values()), laws=["arrhenius"])
        found: Any
        found, node = kinetics.run_get_node(settings=orm.Dict(asked.model_dump()), **runs)
        self.ctx.kinetics = found if node.is_finished_ok else None
        if node.is_finished_ok:
            self.out("kinetics", found)
        else:
            self.report(f"no kinetics: {node.exit_message}")

    def compare(self) -> None:
        """Compare the results with the known answers."""
        landscape, settings = self.ctx.drawn["landscape"], self.inputs.settings
        expected = expect_landscape(
            landscape=landscape,
            settings=settings,
            plan=self.inputs.production.plan,
            analysis=self.inputs.production.analysis.settings,
            seed=self.inputs.seed,
            sampling=self.inputs.production.sampling,
        )
        self.out("expected", expected)
        runs = {label: dict(run) for label, run in self.outputs["runs"].items()}
        joint = orm.Dict({}) if self.ctx.kinetics is None else self.ctx.kinetics
        judged = {} if (both := self._judge_starts()) is None else {"starts": both}
        self.out(
            "checks",
            compare_landscape(
                landscape=landscape,
                settings=settings,
                expected=expected,
                kinetics=joint,
                plan=self.inputs.production.plan,
                **judged,
                **runs,
            ),
        )

    def _judge_starts(self) -> orm.Dict | None:
        """Return and attach the judgement of both starts at the highest temperature; None without a second one."""
        if FILLED not in self.ctx:
            return None
        label, parts = next(iter(self.ctx.temperatures)), ("depth_populations", "equilibration")
        runs = {
            label: {name: self.outputs["runs"][label][name] for name in parts},
            f"{label}_{FILLED}": {name: self.outputs["second_start"]["run"][name] for name in parts},
        }
        level = self.inputs.settings["level"]
        # a drift is tested in the slab and in both its layers
        criteria = {
            "standard_errors": start_errors(level),
            "significance": (1 - level) / 3,
            "maximum_scale_reduction": _SCALE_REDUCTION,
        }
        found: Any
        found, node = starts.run_get_node(settings=orm.Dict(criteria), **runs)
        if not node.is_finished_ok:
            self.report(f"no judgement of both starts: {node.exit_message}")
            return None
        self.out("second_start.starts", found)
        return found


class CrossingValidationWorkChain(KnownLandscapeWorkChain):
    """Run a crossing in a known landscape where no ion crosses by itself, and check its results."""

    protocol_name = "validate_crossing"

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input(
            "side",
            valid_type=orm.Str,
            serializer=to_aiida_type,
            validator=one_of("side", "left", "right"),
            help="Side of the slab.",
        )
        spec.expose_inputs(CrossingWorkChain, include=("base", "plan"))
        spec.outline(cls.draw, cls.run_crossing, cls.compare, cls.judge)
        spec.expose_outputs(CrossingWorkChain, include=_CROSSING_OUTPUTS)
        spec.exit_code(362, "ERROR_CROSSING", message="The crossing has no rate to check: its run {reason}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        codes: Codes,
        seed: int = 1,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> Any:
        """Return a builder with the inputs of a protocol.

        Parameters
        ----------
        codes
            The codes by role: ``lammps``.
        seed
            Seed of the landscape and of all random choices.
        protocol, overrides, options
            As for the crossing; ``settings`` and ``side`` can be overridden as well.

        Raises
        ------
        ValueError
            The seed, the protocol or an override is wrong; the message names the place.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        builder = cls.get_builder()
        builder.seed = whole("seed", seed, 1, SEEDS - 1)
        builder.settings = inputs["settings"]
        builder.side = inputs["side"]
        builder.plan = inputs["plan"]
        builder.base = base_inputs(codes, inputs["base"], options)
        return builder

    def run_crossing(self) -> dict[str, Any]:
        """Run the crossing at the lowest temperature of the validation."""
        landscape = Landscape.model_validate(self.ctx.drawn["landscape"].get_dict())
        asked = ValidationSettings.model_validate(self.inputs.settings.get_dict())
        temperature = asked.temperatures(landscape)[-1]
        inputs = self.exposed_inputs(CrossingWorkChain)
        inputs.systems = {"landscape": self.ctx.drawn["system"]}
        inputs.temperature = orm.Float(temperature)
        inputs.side, inputs.seed = self.inputs.side, self.inputs.seed
        inputs.metadata = {"call_link_label": "crossing"}
        run = self.submit(CrossingWorkChain, **inputs)
        barrier = getattr(landscape, f"barrier_{self.inputs.side.value}")
        self.report(
            f"seed {self.inputs.seed.value}: a barrier of {barrier:.0f} K at {temperature:g} K, "
            f"{self.inputs.side.value}: <{run.pk}>"
        )
        return ToContext(run=run)

    def compare(self) -> ExitCode | None:
        """Attach the results of the crossing, and compare them with the known answers."""
        run = self.ctx.run
        self.out_many({name: run.outputs[name] for name in _CROSSING_OUTPUTS if name in run.outputs})
        # a crossing that is less precise than asked for has all results
        if "crossing" not in run.outputs:
            reason = "<{pk}> failed with [{status}] {reason}".format(**failure(run))
            return self.exit_codes.ERROR_CROSSING.format(reason=reason)
        checks = compare_crossing(
            landscape=self.ctx.drawn["landscape"],
            settings=self.inputs.settings,
            plan=self.inputs.plan,
            crossing=run.outputs.crossing,
            profile=run.outputs.crossing_profile,
        )
        self.out("checks", checks)
        return None
