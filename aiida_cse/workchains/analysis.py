"""Analysis of a production from its reduction, without reading the trajectory."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, if_
from aiida.orm import to_aiida_type
from aiida.plugins import CalculationFactory

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import observables
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.calculations.ports import checked_by
from aiida_cse.data.reduction import CseReductionData, checked_temperature
from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.schema import placed
from aiida_cse.workchains.common.builders import real
from aiida_cse.workchains.common.labels import LabelledOutputs
from aiida_cse.workchains.common.ports import validate_temperature
from aiida_cse.workchains.common.protocol import ProtocolMixin, with_recipe_values

__all__ = ["AnalysisWorkChain"]


class AnalysisWorkChain(ProtocolMixin, LabelledOutputs, VersionedWorkChain):
    """All registered observables of one production, and the verdict on its equilibration."""

    protocol_name = "analysis"
    OUTLINE_VERSION = 2

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("reduction", valid_type=CseReductionData, help="The reduced production.")
        spec.input(
            "temperature",
            valid_type=orm.Float,
            serializer=to_aiida_type,
            required=False,
            validator=validate_temperature,
            help="Its temperature in K [default: that of its production, which it must not contradict].",
        )
        spec.input(
            "settings",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            default=lambda: orm.Dict(AnalysisSettings().model_dump()),
            validator=checked_by(AnalysisSettings, "settings"),
            help="Range, resolution, counting rule and criteria of the verdict: see AnalysisSettings.",
        )
        spec.inputs.validator = _validate_inputs
        spec.outline(
            cls.populations,
            cls.transitions,
            cls.equilibration,
            cls.say_verdict,
            cls.density_profiles,
            cls.free_energy_profiles,
            cls.charge_integral,
            cls.barrier,
            if_(cls.has_displacements)(cls.displacement_variance),
            cls.other_observables,
        )
        for observable in observables().values():
            spec.output(
                observable.name,
                valid_type=orm.Dict if observable.kind == "Dict" else orm.ArrayData,
                required=observable.need is None,
                help=observable.summary,
            )
        spec.exit_code(342, "ERROR_ANALYSIS", message="{reason}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        reduction: CseReductionData,
        temperature: float | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
    ) -> Any:
        """Return a builder for this reduction at its temperature (K), by default that of its production.

        What a protocol takes from the recipe is null here; the overrides can give it.

        Raises
        ------
        ValueError
            The protocol or an override is wrong, or the temperature is unknown or that of another production; the
            message names the place.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        builder = cls.get_builder()
        builder.reduction = reduction
        given = None if temperature is None else real("temperature", temperature).value
        builder.temperature = orm.Float(checked_temperature(reduction, given))
        # a reduction does not name its recipe
        builder.settings = with_recipe_values(inputs["settings"], None)
        return builder

    # -- steps of the outline: names and positions are stored in checkpoints -----------------------------

    def populations(self) -> ExitCode | None:
        """Average the number of ions in each region."""
        return self._attach("populations")

    def transitions(self) -> ExitCode | None:
        """Count entries and exits."""
        return self._attach("transitions")

    def equilibration(self) -> ExitCode | None:
        """Judge the exchange."""
        return self._attach("equilibration")

    def say_verdict(self) -> None:
        """Report the verdict with its reasons."""
        found = self.outputs["equilibration"]
        self.report("equilibrated" if found["equilibrated"] else "not equilibrated")
        for reason in found["reasons"]:
            self.report(reason)

    def density_profiles(self) -> ExitCode | None:
        """Compute the densities along z."""
        return self._attach("density_profiles")

    def free_energy_profiles(self) -> ExitCode | None:
        """Compute the free energies along z."""
        return self._attach("free_energy_profiles")

    def charge_integral(self) -> ExitCode | None:
        """Integrate the charge from both ends of the box."""
        return self._attach("charge_integral")

    def barrier(self) -> ExitCode | None:
        """Compute the barriers of the ions that cross."""
        return self._attach("barrier")

    def has_displacements(self) -> bool:
        """Return whether the reduction has displacements."""
        return bool(self.inputs.reduction.base.attributes.get("lags_ps", []))

    def displacement_variance(self) -> ExitCode | None:
        """Compute the variance of the displacements."""
        return self._attach("displacement_variance")

    def other_observables(self) -> ExitCode | None:
        """Compute the registered observables that have no step of their own."""
        for name in observables():
            if name in self.outputs:
                continue
            failed = self._attach(name)
            if failed is not None:
                return failed
        return None

    def _attach(self, name: str) -> ExitCode | None:
        """Compute an observable and attach its node, or stop with the reason why there is none.

        Nothing is attached if the reduction does not hold what the observable needs.
        """
        observable = observables()[name]
        if not observable.available(self.inputs.reduction.get_config()):
            return None
        function: Any = CalculationFactory(observable.calculation)
        inputs = dict(self.inputs)
        if "temperature" not in inputs:
            # one node for all calculations
            if "temperature" not in self.ctx:
                self.ctx.temperature = orm.Float(checked_temperature(self.inputs.reduction, None)).store()
            inputs["temperature"] = self.ctx.temperature
        result, node = function.run_get_node(**inputs)
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_ANALYSIS.format(reason=node.exit_message)
        self.out(name, result)
        return None


def _validate_inputs(value: dict[str, Any], ports: Any) -> str | None:
    """Refuse another temperature than that of the reduction, and settings that the reduction does not resolve.

    In a larger WorkChain there is no reduction yet.
    """
    if "reduction" not in ports or any(name not in value for name in ("reduction", "settings")):
        return None
    given = value["temperature"].value if "temperature" in value else None
    try:
        temperature = checked_temperature(value["reduction"], given)
    except ValueError as error:
        return str(error)
    settings = AnalysisSettings.model_validate(value["settings"].get_dict())
    try:
        ReducedProduction(value["reduction"].get_state(), temperature, settings)
    except ValueError as error:
        return placed("settings", str(error))
    return None
