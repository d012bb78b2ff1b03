"""The interface: slab and electrolyte joined, the polymer relaxed on the held ceramic, then all atoms."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, while_
from aiida.orm.nodes.data.base import to_aiida_type

from aiida_cse.calculations.functions.assembly import assemble
from aiida_cse.data.system import CseSystemData
from aiida_cse.workchains.builders import Codes, base_inputs, real, velocity_seed
from aiida_cse.workchains.phase import PhaseWorkChain
from aiida_cse.workchains.protocol import ProtocolMixin
from aiida_cse.workchains.validators import validate_gap, validate_neutral

__all__ = ["InterfaceWorkChain"]


class InterfaceWorkChain(ProtocolMixin, PhaseWorkChain):
    """Join the two equilibrated phases and relax the interface at the temperature of the run."""

    protocol_name = "interface"

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("ceramic", valid_type=CseSystemData, validator=validate_neutral, help="The equilibrated slab.")
        spec.input(
            "electrolyte",
            valid_type=CseSystemData,
            validator=validate_neutral,
            help="The equilibrated electrolyte.",
        )
        spec.input(
            "gap",
            valid_type=orm.Float,
            serializer=to_aiida_type,
            default=lambda: orm.Float(2.5),
            validator=validate_gap,
            help="Distance between the outermost atoms of the two phases at assembly, in Å.",
        )
        spec.outline(
            cls.assemble,
            cls.plan_jobs,
            while_(cls.has_jobs)(cls.run_job, cls.inspect_job),
            cls.attach_stages,
            cls.attach_interface,
        )
        spec.output("assembled", valid_type=CseSystemData, help="The interface before its relaxation.")
        spec.output("interface", valid_type=CseSystemData, help="The relaxed interface; production starts here.")

    @classmethod
    def get_builder_from_protocol(
        cls,
        codes: Codes,
        recipe: dict[str, Any] | orm.Dict,
        ceramic: CseSystemData | None = None,
        electrolyte: CseSystemData | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        temperature: float | None = None,
    ) -> Any:
        """Return a builder with the inputs of a protocol; arguments as for the ceramic, and the two phases.

        Raises
        ------
        ValueError
            The protocol or an override is wrong; says where.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        builder = cls.get_builder()
        builder.base = base_inputs(codes, inputs["base"], options)
        builder.schedule = inputs["schedule"]
        builder.gap = real("gap", inputs["gap"])
        builder.seed = velocity_seed(recipe)
        if temperature is not None:
            builder.temperature = real("temperature", temperature)
        for name, value in (("ceramic", ceramic), ("electrolyte", electrolyte)):
            if value is not None:
                builder[name] = value
        return builder

    def assemble(self) -> ExitCode | None:
        """Join the phases."""
        interface: Any
        interface, joining = assemble.run_get_node(self.inputs.ceramic, self.inputs.electrolyte, self.inputs.gap)
        if not joining.is_finished_ok:
            return self.exit_codes.ERROR_BUILD.format(reason=joining.exit_message)
        self.ctx.system = interface
        self.out("assembled", interface)
        z = interface.info.box[2]
        self.report(f"joined slab and electrolyte: {interface.info.natoms} atoms, Lz {z[1] - z[0]:.2f} Å")
        return None

    def attach_interface(self) -> None:
        """Attach the relaxed interface."""
        self.out("interface", self.ctx.final)
