"""The ceramic: a periodic crystal, built, equilibrated and cut into a slab."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, while_

from aiida_cse.building.ceramic.surface import has_unlike_edges
from aiida_cse.building.recipe import Recipe
from aiida_cse.calculations.build import BuildCalculation
from aiida_cse.calculations.functions.assembly import cut_slab
from aiida_cse.data.system import CseSystemData
from aiida_cse.workchains.common.builders import Codes, base_inputs, build_inputs, real, recipe_node, velocity_seed
from aiida_cse.workchains.common.phase import BuiltPhaseWorkChain
from aiida_cse.workchains.common.protocol import ProtocolMixin

__all__ = ["CeramicWorkChain"]


class CeramicWorkChain(ProtocolMixin, BuiltPhaseWorkChain):
    """Build the cells of the slab, equilibrate them as a bulk crystal, and cut the slab at the recipe's plane."""

    protocol_name = "ceramic"
    has_both_phases = False

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.expose_inputs(BuildCalculation, namespace="build", exclude=("component", "ceramic"))
        spec.outline(
            cls.build,
            cls.inspect_build,
            cls.plan_jobs,
            while_(cls.has_jobs)(cls.run_job, cls.inspect_job),
            cls.attach_stages,
            cls.cut,
        )
        spec.output("slab", valid_type=CseSystemData, help="The cells of the slab as built.")
        spec.output("ceramic", valid_type=CseSystemData, help="The equilibrated slab with its mid-plane at z = 0.")

    @classmethod
    def get_builder_from_protocol(
        cls,
        codes: Codes,
        recipe: dict[str, Any] | orm.Dict,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> Any:
        """Return a builder with the inputs of a protocol.

        Parameters
        ----------
        codes
            The codes by role: ``lammps`` and ``cse``.
        recipe
            The recipe, or its node.
        protocol
            Name of the protocol; see :meth:`get_available_protocols`.
        overrides
            Changes to the protocol; unknown keys are refused.
        options
            Scheduler options of the LAMMPS jobs.

        Raises
        ------
        ValueError
            The recipe, the protocol or an override is wrong; the message names the place.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        node = recipe_node(recipe)
        builder = cls.get_builder()
        builder.build = build_inputs(codes, node, inputs, options)
        builder.base = base_inputs(codes, inputs.get("base"), options)
        builder.schedule = inputs["schedule"]
        builder.temperature = real("temperature", inputs["temperature"])
        builder.seed = velocity_seed(node)
        return builder

    def build(self) -> dict[str, Any]:
        """Build the cells of the slab from the recipe."""
        inputs = self.exposed_inputs(BuildCalculation, namespace="build")
        inputs["component"] = orm.Str("slab")
        job = self.submit(BuildCalculation, **inputs)
        self.report(f"building the slab of {self.inputs.build.recipe['name']}: <{job.pk}>")
        return ToContext(built=job)

    def accept(self, built: orm.CalcJobNode) -> None:
        """Accept the slab."""
        slab = built.outputs.system
        self.ctx.system = slab
        self.out("slab", slab)
        self.report(
            f"slab of {slab.info.natoms} atoms, {slab.info.slab.initial_cations} Li+, "
            f"charge {slab.info.charge:g} e"
        )
        recipe = Recipe.model_validate(self.inputs.build.recipe.get_dict())
        stages = self.inputs.schedule.get_dict()["stages"]
        coupled = [stage["name"] for stage in stages if stage.get("barostat") in ("xy-z", "iso")]
        if coupled and has_unlike_edges(recipe.ceramic):
            self.report(
                f"warn: x and y are different crystal axes, and stage {coupled[-1]} couples them: their stress "
                "difference remains; with barostat x-y-z, here and in the interface, each relaxes"
            )

    def cut(self) -> ExitCode | None:
        """Cut the equilibrated slab out of the crystal."""
        ceramic: Any
        ceramic, cutting = cut_slab.run_get_node(self.ctx.system, self.ctx.final)
        if not cutting.is_finished_ok:
            return self.exit_codes.ERROR_BUILD.format(reason=cutting.exit_message)
        self.out("ceramic", ceramic)
        (x, y, _), thickness = ceramic.info.box, ceramic.info.slab.thickness
        self.report(f"cut the slab: {x[1] - x[0]:.3f} × {y[1] - y[0]:.3f} Å², {thickness:.2f} Å thick")
        return None
