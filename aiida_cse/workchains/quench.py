"""The quench: a hot production, stepwise cooling, a cold production, and their comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext
from aiida.orm import to_aiida_type

from aiida_cse.analysis.comparison import ComparisonSettings, findings
from aiida_cse.calculations.functions.comparison import compare
from aiida_cse.calculations.ports import checked_by
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.lammps.protocol.cooling import CoolingPlan, cooling_error
from aiida_cse.lammps.protocol.schedule import job_plans
from aiida_cse.schema import placed
from aiida_cse.workchains.common.builders import (
    Codes,
    base_inputs,
    builder_inputs,
    located_part,
    real,
    velocity_seed,
)
from aiida_cse.workchains.common.exit_status import ended_normally, failure
from aiida_cse.workchains.common.labels import LabelledOutputs
from aiida_cse.workchains.common.options import walltime_error
from aiida_cse.workchains.common.ports import HIGHEST_TEMPERATURE, positive, validate_neutral, validate_seed
from aiida_cse.workchains.common.protocol import ProtocolMixin, merge, split_overrides
from aiida_cse.workchains.cooling import CoolingWorkChain
from aiida_cse.workchains.production import ProductionWorkChain, validate_production

__all__ = ["QuenchWorkChain"]

_RUNS = ("hot", "cold")
#: inputs of the productions that a quench sets itself
_OF_A_RUN = ("system", "temperature", "seed", "previous")
_plan_error = checked_by(CoolingPlan, "cooling.plan")


class QuenchWorkChain(ProtocolMixin, LabelledOutputs, VersionedWorkChain):
    """Equilibrate an interface hot, cool it in steps, run it cold, and compare the two structures."""

    protocol_name = "quench"

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("system", valid_type=CseSystemData, validator=validate_neutral, help="The relaxed interface.")
        for name, words in (("hot_temperature", "hot"), ("temperature", "cold")):
            spec.input(
                name,
                valid_type=orm.Float,
                serializer=to_aiida_type,
                validator=positive(name, HIGHEST_TEMPERATURE, "number K"),
                help=f"Temperature of the {words} run in K.",
            )
        spec.input(
            "seed", valid_type=orm.Int, serializer=to_aiida_type, validator=validate_seed, help="Seed of the runs."
        )
        spec.input(
            "require_equilibrated",
            valid_type=orm.Bool,
            serializer=to_aiida_type,
            default=lambda: orm.Bool(True),
            help="Stop before the cooling if the hot run has not equilibrated.",
        )
        spec.input(
            "comparison",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            default=lambda: orm.Dict(ComparisonSettings().model_dump()),
            validator=checked_by(ComparisonSettings, "comparison"),
            help="Settings of the comparison: see ComparisonSettings.",
        )
        for run in _RUNS:
            spec.expose_inputs(ProductionWorkChain, namespace=run, exclude=_OF_A_RUN)
        spec.expose_inputs(
            CoolingWorkChain, namespace="cooling", exclude=("system", "schedule", "seed", "temperature")
        )
        spec.input(
            "cooling.plan",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=_plan_error,
            help="Rate, steps, holds and box: see aiida_cse.lammps.protocol.cooling.CoolingPlan.",
        )
        spec.inputs.validator = _validate_inputs
        spec.outline(
            cls.run_hot,
            cls.inspect_hot,
            cls.cool,
            cls.inspect_cooling,
            cls.run_cold,
            cls.inspect_cold,
            cls.compare,
        )
        spec.expose_outputs(ProductionWorkChain, namespace="hot")
        spec.expose_outputs(CoolingWorkChain, namespace="cooling")
        spec.expose_outputs(ProductionWorkChain, namespace="cold")
        spec.output(
            "comparison",
            valid_type=orm.Dict,
            help="Hot against cold: ions per region, peaks, Δz, and charge integrals shifted by Δz, with errors.",
        )
        spec.exit_code(371, "ERROR_HOT_RUN", message="The hot run <{pk}> failed with [{status}] {reason}")
        spec.exit_code(372, "ERROR_COOLING", message="The cooling <{pk}> failed with [{status}] {reason}")
        spec.exit_code(373, "ERROR_COLD_RUN", message="The cold run <{pk}> failed with [{status}] {reason}")
        spec.exit_code(374, "ERROR_COMPARISON", message="The hot and the cold run are complete, but {reason}")
        spec.exit_code(
            511,
            "ERROR_HOT_NOT_EQUILIBRATED",
            message="The hot run <{pk}> has not equilibrated and was not cooled: {reasons}. Its results are in "
            "the outputs hot; to cool its system nevertheless, set `require_equilibrated: false`.",
        )

    @classmethod
    def get_builder_from_protocol(
        cls,
        codes: Codes,
        recipe: dict[str, Any] | orm.Dict,
        system: CseSystemData | None = None,
        temperature: float | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> Any:
        """Return a builder with the inputs of a protocol; arguments as for the production.

        ``temperature`` (K) is that of the cold run. ``overrides`` of the two productions are under ``hot`` and
        ``cold``.

        Raises
        ------
        ValueError
            The protocol or an override is wrong; the message names the place.
        """
        content = cls.get_protocol_inputs(protocol)
        given, parts = split_overrides(
            overrides, {key: value for key, value in content.items() if key not in _RUNS}, _RUNS, cls.__name__
        )
        inputs = cls.get_protocol_inputs(protocol, given)
        builder = cls.get_builder()
        for run in _RUNS:
            with located_part(run):
                changes = {} if parts[run] is None else parts[run]
                if isinstance(changes, Mapping):
                    changes = merge(inputs[run], changes)
                production = ProductionWorkChain.get_builder_from_protocol(
                    codes, recipe, protocol=protocol, overrides=changes, options=options
                )
            builder[run] = builder_inputs(production, cls.spec().inputs[run])
        with located_part("cooling"):
            base = base_inputs(codes, inputs["cooling"]["base"], options)
        builder.cooling = {"base": base, "plan": orm.Dict(inputs["cooling"]["plan"])}
        builder.hot_temperature = real("hot_temperature", inputs["hot_temperature"])
        builder.require_equilibrated = inputs["require_equilibrated"]
        builder.comparison = inputs["comparison"]
        builder.seed = velocity_seed(recipe)
        if system is not None:
            builder.system = system
        if temperature is not None:
            builder.temperature = real("temperature", temperature)
        return builder

    def run_hot(self) -> dict[str, Any]:
        """Run the interface at the hot temperature."""
        return self._produce("hot", self.inputs.system, self.inputs.hot_temperature)

    def inspect_hot(self) -> ExitCode | None:
        """Continue if the hot run has equilibrated or need not; stop with the criteria it misses otherwise."""
        run = self.ctx.hot
        self.out_many(self.exposed_outputs(run, ProductionWorkChain, namespace="hot"))
        if not ended_normally(run):
            return self.exit_codes.ERROR_HOT_RUN.format(**failure(run))
        verdict = run.outputs.equilibration
        if verdict["equilibrated"]:
            return None
        # verdicts without marks are of earlier versions and list only the criteria that are not met
        reasons = "; ".join([reason for reason in verdict["reasons"] if "✗" in reason] or verdict["reasons"])
        if self.inputs.require_equilibrated.value:
            return self.exit_codes.ERROR_HOT_NOT_EQUILIBRATED.format(pk=run.pk, reasons=reasons)
        self.report(f"cooling although the hot run has not equilibrated: {reasons}")
        return None

    def cool(self) -> dict[str, Any]:
        """Cool the last system of the hot run."""
        hot, cold = self.inputs.hot_temperature.value, self.inputs.temperature.value
        plan = CoolingPlan.model_validate(self.inputs.cooling.plan.get_dict())
        inputs = self.exposed_inputs(CoolingWorkChain, namespace="cooling", agglomerate=False)
        inputs.pop("plan", None)
        inputs |= {
            "system": self.ctx.hot.outputs.system,
            "schedule": orm.Dict(plan.schedule(hot, cold)),
            "seed": self.inputs.seed,
            "metadata": {"call_link_label": "cooling"},
        }
        run = self.submit(CoolingWorkChain, **inputs)
        steps = len(plan.temperatures(hot, cold)) - 1
        self.report(f"cooling from {hot:g} to {cold:g} K in {steps} steps: <{run.pk}>")
        return ToContext(cooling=run)

    def inspect_cooling(self) -> ExitCode | None:
        """Accept the cold system; stop with the error of the cooling otherwise."""
        run = self.ctx.cooling
        self.out_many(self.exposed_outputs(run, CoolingWorkChain, namespace="cooling"))
        return None if run.is_finished_ok else self.exit_codes.ERROR_COOLING.format(**failure(run))

    def run_cold(self) -> dict[str, Any]:
        """Run the cooled system at the cold temperature."""
        return self._produce("cold", self.ctx.cooling.outputs.system, self.inputs.temperature)

    def inspect_cold(self) -> ExitCode | None:
        """Accept the cold run, which need not have equilibrated."""
        run = self.ctx.cold
        self.out_many(self.exposed_outputs(run, ProductionWorkChain, namespace="cold"))
        return None if ended_normally(run) else self.exit_codes.ERROR_COLD_RUN.format(**failure(run))

    def compare(self) -> ExitCode | None:
        """Compare the structures of the two runs and report the findings."""
        found: Any
        found, node = compare.run_get_node(
            **{
                key: value
                for run, temperature in (("hot", self.inputs.hot_temperature), ("cold", self.inputs.temperature))
                for key, value in (
                    (run, self.ctx[run].outputs.reduction),
                    (f"{run}_temperature", temperature),
                    (f"{run}_settings", self.inputs[run].analysis.settings),
                )
            },
            settings=self.inputs.comparison,
        )
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_COMPARISON.format(reason=node.exit_message)
        self.out("comparison", found)
        for sentence in findings(found.get_dict()):
            self.report(sentence)
        return None

    def _produce(self, run: str, system: CseSystemData, temperature: orm.Float) -> dict[str, Any]:
        inputs = self.exposed_inputs(ProductionWorkChain, namespace=run, agglomerate=False)
        inputs |= {
            "system": system,
            "temperature": temperature,
            "seed": self.inputs.seed,
            "metadata": {"call_link_label": run},
        }
        made = self.submit(ProductionWorkChain, **inputs)
        self.report(f"{run} run at {temperature.value:g} K: <{made.pk}>")
        return ToContext(**{run: made})


def _validate_inputs(value: dict[str, Any], _: Any) -> str | None:
    """Return the error of the cooling or of a production, with the system and its temperature, or None."""
    wanted = ("hot_temperature", "temperature", "cooling")
    if any(name not in value for name in wanted) or "plan" not in value["cooling"]:
        return None
    if _plan_error(value["cooling"]["plan"], None):
        return None
    plan = CoolingPlan.model_validate(value["cooling"]["plan"].get_dict())
    temperatures = value["hot_temperature"].value, value["temperature"].value
    if error := cooling_error(plan, *temperatures):
        return placed("cooling.plan", str(error))
    if error := walltime_error(value["cooling"], job_plans(plan.schedule(*temperatures), seed=1)):
        return f"cooling.{error}"
    for run, key in zip(_RUNS, ("hot_temperature", "temperature"), strict=True):
        if "system" in value and run in value:
            # the cold run starts from the cooled system, of the same atoms, slab and ions
            inputs = {**value[run], "system": value["system"], "temperature": value[key]}
            if error := validate_production(inputs, None):
                return placed(run, error)
    return None
