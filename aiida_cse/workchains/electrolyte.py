"""The electrolyte: built on the cross-section of the ceramic above a wall, compressed and relaxed."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, while_
from aiida.orm import to_aiida_type

from aiida_cse.calculations.build import BuildCalculation
from aiida_cse.calculations.emc import EmcCalculation
from aiida_cse.data.system import CseSystemData
from aiida_cse.workchains.common.builders import (
    Codes,
    base_inputs,
    build_inputs,
    real,
    recipe_node,
    single_metadata,
    velocity_seed,
)
from aiida_cse.workchains.common.phase import BuiltPhaseWorkChain, validate_phase
from aiida_cse.workchains.common.ports import BUILT_IN, one_of
from aiida_cse.workchains.common.protocol import ProtocolMixin

__all__ = ["ElectrolyteWorkChain"]

#: the external program that can build the molecules
EMC = "emc"


class ElectrolyteWorkChain(ProtocolMixin, BuiltPhaseWorkChain):
    """Build chains and salt above a wall and equilibrate them."""

    protocol_name = "electrolyte"
    #: the cross-section is that of the ceramic
    barostats = ("z",)
    has_both_phases = False

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.expose_inputs(BuildCalculation, namespace="build", exclude=("component", "ceramic"))
        spec.input("ceramic", valid_type=CseSystemData, help="The equilibrated slab; it gives the cross-section.")
        spec.input(
            "builder",
            valid_type=orm.Str,
            serializer=to_aiida_type,
            default=lambda: orm.Str(BUILT_IN),
            validator=one_of("builder", BUILT_IN, EMC),
            help="The builder of the molecules: built-in, or emc, which needs its codes.",
        )
        spec.expose_inputs(
            EmcCalculation,
            namespace="emc",
            exclude=("recipe", "forcefield", "ceramic"),
            namespace_options={"required": False, "populate_defaults": False},
        )
        spec.inputs.validator = _validate_inputs
        spec.outline(
            cls.build,
            cls.inspect_build,
            cls.plan_jobs,
            while_(cls.has_jobs)(cls.run_job, cls.inspect_job),
            cls.attach_stages,
            cls.attach_electrolyte,
        )
        spec.output("electrolyte", valid_type=CseSystemData, help="The equilibrated electrolyte with its wall.")

    @classmethod
    def get_builder_from_protocol(
        cls,
        codes: Codes,
        recipe: dict[str, Any] | orm.Dict,
        ceramic: CseSystemData | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> Any:
        """Return a builder with the inputs of a protocol; arguments as for the ceramic, plus the slab.

        Raises
        ------
        ValueError
            The recipe, the protocol or an override is wrong; the message names the place.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        node = recipe_node(recipe)
        builder = cls.get_builder()
        builder.build = build_inputs(codes, node, inputs, options)
        builder.base = base_inputs(codes, inputs["base"], options)
        builder.builder = inputs["builder"]
        if inputs["builder"] == EMC and "emc" in codes and "emc_setup" in codes:
            emc = {"code": codes["emc"], "setup_code": codes["emc_setup"]}
            builder.emc = {**emc, "metadata": single_metadata(codes["emc"], inputs, options, "build")}
        builder.schedule = inputs["schedule"]
        builder.temperature = real("temperature", inputs["temperature"])
        builder.seed = velocity_seed(node)
        if ceramic is not None:
            builder.ceramic = ceramic
        return builder

    def build(self) -> dict[str, Any] | ExitCode:
        """Build the electrolyte from the recipe."""
        given, with_emc = self.inputs.build, self.inputs.builder.value == EMC
        if with_emc:
            inputs = self.exposed_inputs(EmcCalculation, namespace="emc")
            inputs |= {name: given[name] for name in ("recipe", "forcefield") if name in given}
            try:
                job = self.submit(EmcCalculation, **inputs, ceramic=self.inputs.ceramic)
            except ValueError as error:
                return self.exit_codes.ERROR_BUILD.format(reason=error)
        else:
            inputs = self.exposed_inputs(BuildCalculation, namespace="build")
            inputs |= {"component": orm.Str("electrolyte"), "ceramic": self.inputs.ceramic}
            job = self.submit(BuildCalculation, **inputs)
        self.report(
            f"building the electrolyte of {given.recipe['name']}{' with EMC' if with_emc else ''}: <{job.pk}>"
        )
        return ToContext(built=job)

    def accept(self, built: orm.CalcJobNode) -> None:
        """Accept the electrolyte."""
        self.ctx.system = built.outputs.system
        info = self.ctx.system.info
        self.report(f"electrolyte of {info.natoms} atoms with its wall, charge {info.charge:g} e")

    def attach_electrolyte(self) -> None:
        """Attach the equilibrated electrolyte."""
        self.out("electrolyte", self.ctx.final)


def _validate_inputs(value: dict[str, Any], ports: Any) -> str | None:
    """Return the error of the schedule, or of a builder without its codes, or None."""
    if "builder" in value and value["builder"].value == EMC and not value.get("emc"):
        return (
            "builder = 'emc': its codes are missing; give codes.emc (EMC itself) and codes.emc_setup (its front "
            "end), or emc.code and emc.setup_code"
        )
    return validate_phase(value, ports)
