"""The validation of the crossing: an ion in an energy landscape whose F, κ and Γ are known."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext
from aiida.orm import to_aiida_type

from aiida_cse.calculations.functions.landscape import compare_crossing, draw_known_landscape
from aiida_cse.calculations.ports import checked_by
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.landscape.model import Landscape
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.workchains.common.builders import Codes, base_inputs, whole
from aiida_cse.workchains.common.exit_status import failure
from aiida_cse.workchains.common.labels import LabelledOutputs
from aiida_cse.workchains.common.ports import SEEDS, one_of, validate_seed
from aiida_cse.workchains.common.protocol import ProtocolMixin
from aiida_cse.workchains.crossing import CrossingWorkChain

__all__ = ["CrossingValidationWorkChain"]

#: outputs of the crossing that are attached
_RESULTS = ("crossing", "crossing_profile", "transmission")


class CrossingValidationWorkChain(ProtocolMixin, LabelledOutputs, VersionedWorkChain):
    """Run a crossing in a known landscape where no ion crosses by itself, and check its results."""

    protocol_name = "validate_crossing"

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input(
            "seed",
            valid_type=orm.Int,
            serializer=to_aiida_type,
            validator=validate_seed,
            help="Seed of the landscape, of the ions and of the noise.",
        )
        spec.input(
            "settings",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=checked_by(ValidationSettings, "settings"),
            help="Those of a validation; the crossing runs at the last, lowest of its temperatures.",
        )
        spec.input(
            "side",
            valid_type=orm.Str,
            serializer=to_aiida_type,
            validator=one_of("side", "left", "right"),
            help="Side of the slab.",
        )
        spec.expose_inputs(CrossingWorkChain, include=("base", "plan"))
        spec.outline(cls.draw, cls.run_crossing, cls.compare, cls.judge)
        spec.output("landscape", valid_type=orm.Dict, help="The energies of the landscape.")
        spec.output("system", valid_type=CseSystemData, help="The ions as input of LAMMPS.")
        spec.expose_outputs(CrossingWorkChain, include=_RESULTS)
        spec.output("checks", valid_type=orm.Dict, help="All checks with their intervals, and those that failed.")
        spec.exit_code(362, "ERROR_CROSSING", message="The crossing has no rate to check: its run {reason}")
        spec.exit_code(361, "ERROR_VALIDATION", message="{count} of {total} checks failed: {failed}")

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

    def draw(self) -> None:
        """Draw the landscape and place the ions."""
        self.ctx.drawn = draw_known_landscape(seed=self.inputs.seed, settings=self.inputs.settings)
        self.out("landscape", self.ctx.drawn["landscape"])
        self.out("system", self.ctx.drawn["system"])

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
        self.out_many({name: run.outputs[name] for name in _RESULTS if name in run.outputs})
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

    def judge(self) -> ExitCode | None:
        """Report whether all checks hold; stop with the failed ones otherwise."""
        found = self.outputs["checks"]
        failed, total = found["failed"], len(found["checks"])
        if not failed:
            self.report(f"all {total} checks hold")
            return None
        return self.exit_codes.ERROR_VALIDATION.format(count=len(failed), total=total, failed="; ".join(failed))
