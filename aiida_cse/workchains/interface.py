"""The interface: slab and electrolyte, joined and relaxed."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, append_, while_
from aiida.orm import to_aiida_type

from aiida_cse.building.interface.excess import excess_error
from aiida_cse.building.recipe import Recipe
from aiida_cse.calculations.functions.assembly import assemble, transfer_cations
from aiida_cse.calculations.join import JoinCalculation
from aiida_cse.calculations.moltemplate import MoltemplateCalculation
from aiida_cse.calculations.ports import checked_by
from aiida_cse.calculations.read_data import ReadDataCalculation
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.log.outcome import did_not_start
from aiida_cse.workchains.common.builders import (
    Codes,
    base_inputs,
    real,
    recipe_node,
    single_metadata,
    velocity_seed,
    whole,
)
from aiida_cse.workchains.common.exit_status import failed_job, failure
from aiida_cse.workchains.common.phase import PhaseWorkChain, validate_phase
from aiida_cse.workchains.common.ports import (
    BUILT_IN,
    MOST_EXCESS,
    one_of,
    positive,
    validate_neutral,
    whole_number,
)
from aiida_cse.workchains.common.protocol import ProtocolMixin

__all__ = ["InterfaceWorkChain"]

#: jobs that join the phases, by the role of their code
ASSEMBLERS: dict[str, type[JoinCalculation]] = {
    "moltemplate": MoltemplateCalculation,
    "lammps": ReadDataCalculation,
}


class InterfaceWorkChain(ProtocolMixin, PhaseWorkChain):
    """Join the equilibrated phases; relax the electrolyte on the held ceramic, then all atoms."""

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
            validator=positive("gap", 100, "distance Å"),
            help="Initial distance between the outermost atoms of the two phases, in Å.",
        )
        spec.input(
            "initial_excess",
            valid_type=orm.Int,
            serializer=to_aiida_type,
            default=lambda: orm.Int(0),
            validator=whole_number("initial_excess", -MOST_EXCESS, MOST_EXCESS),
            help="Number of cations moved from the salt onto vacant sites of the slab; below zero, out of it.",
        )
        spec.input(
            "recipe",
            valid_type=orm.Dict,
            required=False,
            validator=checked_by(Recipe, "recipe"),
            help="The recipe, whose crystal has the sites for an initial excess; without it, voids of the slab.",
        )
        spec.input(
            "assembler",
            valid_type=orm.Str,
            serializer=to_aiida_type,
            default=lambda: orm.Str(BUILT_IN),
            validator=one_of("assembler", BUILT_IN, *ASSEMBLERS),
            help="The program that joins the phases: lammps or moltemplate, each with its code, or built-in.",
        )
        for name, job in ASSEMBLERS.items():
            spec.expose_inputs(
                job,
                namespace=name,
                include=("code", "metadata"),
                namespace_options={
                    "required": False,
                    "populate_defaults": False,
                    "help": f"The job that joins the phases with {job.program}.",
                },
            )
        spec.inputs.validator = _validate_inputs
        spec.outline(
            while_(cls.is_apart)(cls.assemble, cls.inspect_assembly),
            cls.plan_jobs,
            while_(cls.has_jobs)(cls.run_job, cls.inspect_job),
            cls.attach_stages,
            cls.attach_interface,
        )
        spec.output("assembled", valid_type=CseSystemData, help="The interface before its relaxation.")
        spec.output(
            "interface", valid_type=CseSystemData, help="The relaxed interface, the start of a production."
        )

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
        """Return a builder with the inputs of a protocol; arguments as for the ceramic, plus the two phases.

        Raises
        ------
        ValueError
            The protocol or an override is wrong; the message names the place.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        builder = cls.get_builder()
        builder.base = base_inputs(codes, inputs["base"], options)
        builder.schedule = inputs["schedule"]
        builder.gap = real("gap", inputs["gap"])
        excess = whole("initial_excess", inputs["initial_excess"], -MOST_EXCESS, MOST_EXCESS)
        builder.initial_excess = excess
        if excess.value > 0 and "ceramic" in recipe:
            builder.recipe = recipe_node(recipe)
        builder.assembler = inputs["assembler"]
        assembler = inputs["assembler"]
        if assembler in ASSEMBLERS and assembler in codes:
            code: Any = codes[assembler]  # type: ignore[literal-required]
            builder[assembler] = {"code": code, "metadata": single_metadata(code, inputs, options, assembler)}
        builder.seed = velocity_seed(recipe)
        if temperature is not None:
            builder.temperature = real("temperature", temperature)
        for name, value in (("ceramic", ceramic), ("electrolyte", electrolyte)):
            if value is not None:
                builder[name] = value
        return builder

    def is_apart(self) -> bool:
        """Return whether the phases are still to be joined."""
        return "system" not in self.ctx

    def assemble(self) -> dict[str, Any] | ExitCode | None:
        """Join the phases."""
        phases = {name: self.inputs[name] for name in ("ceramic", "electrolyte", "gap")}
        assembler = self.inputs.assembler.value
        if assembler == BUILT_IN:
            self.ctx.joining = [assemble.run_get_node(**phases)[1]]
            return None
        process = ASSEMBLERS[assembler]
        inputs = {**self.exposed_inputs(process, namespace=assembler), **phases}
        inputs["metadata"] = {**inputs["metadata"], "call_link_label": "join"}
        try:
            job = self.submit(process, **inputs)
        except ValueError as error:
            return self.exit_codes.ERROR_BUILD.format(reason=error)
        self.report(f"joining slab and electrolyte with {process.program}: <{job.pk}>")
        return ToContext(joining=append_(job))

    def inspect_assembly(self) -> ExitCode | None:
        """Accept the interface; otherwise repeat an interrupted job, or stop with its error."""
        joining = self.ctx.joining[-1]
        if not joining.is_finished_ok:
            # a program that refuses its input or cannot start does so again; the machine causes other failures
            again = joining.exit_status != JoinCalculation.RESULT_STATUS
            broke = joining.is_failed and again and not did_not_start([joining.exit_message or ""])
            tries_left = len(self.ctx.joining) <= self.inputs.base.max_failures.value
            if self.inputs.assembler.value != BUILT_IN and broke and tries_left:
                self.report("job <{pk}> failed: {reason}; repeating it".format(**failure(joining)))
                return None
            return self.exit_codes.ERROR_BUILD.format(reason=failed_job(joining))
        interface = joining.outputs["result" if self.inputs.assembler.value == BUILT_IN else "system"]
        z = interface.info.box[2]
        self.report(f"joined slab and electrolyte: {interface.info.natoms} atoms, Lz {z[1] - z[0]:.2f} Å")
        # an interface of an earlier version has no such input
        excess = self.inputs.get("initial_excess")
        if excess is not None and excess.value != 0:
            inputs = {name: self.inputs[name] for name in ("seed", "recipe") if name in self.inputs}
            moved: Any
            moved, node = transfer_cations.run_get_node(interface=interface, initial_excess=excess, **inputs)
            if not node.is_finished_ok:
                return self.exit_codes.ERROR_BUILD.format(reason=failed_job(node))
            direction = "from the salt into the slab" if excess.value > 0 else "from the slab into the electrolyte"
            self.report(f"moved {abs(excess.value)} cations {direction}")
            interface = moved
        self.ctx.system = interface
        self.out("assembled", interface)
        return None

    def attach_interface(self) -> None:
        """Attach the relaxed interface."""
        self.out("interface", self.ctx.final)


def _validate_inputs(value: dict[str, Any], ports: Any) -> str | None:
    """Return the error of the schedule, of an assembler without its code, or of the excess, or None."""
    assembler = value["assembler"].value if "assembler" in value else BUILT_IN
    if assembler != BUILT_IN and not value.get(assembler):
        return f"assembler = '{assembler}': its code is missing; give codes.{assembler}, or {assembler}.code"
    excess = value["initial_excess"].value if "initial_excess" in value else 0
    if excess and {"ceramic", "electrolyte"} <= value.keys():
        ceramic, electrolyte = (value[phase].get_system() for phase in ("ceramic", "electrolyte"))
        if error := excess_error(ceramic, electrolyte, excess):
            return error
    return validate_phase(value, ports)
