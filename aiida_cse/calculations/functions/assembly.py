"""Slab from an equilibrated crystal, interface from slab and electrolyte, and its initial excess of ions."""

from __future__ import annotations

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.building.ceramic.cut import cut_slab as cut_system
from aiida_cse.building.interface.assembly import assemble as assemble_systems
from aiida_cse.building.interface.excess import transfer_cations as transfer_between_phases
from aiida_cse.building.recipe import Recipe
from aiida_cse.data.system import CseSystemData

__all__ = ["assemble", "cut_slab", "transfer_cations"]

CANNOT_CUT = 332
CANNOT_ASSEMBLE = 333
CANNOT_TRANSFER = 334


@calcfunction
def cut_slab(initial: CseSystemData, equilibrated: CseSystemData) -> CseSystemData | ExitCode:
    """Cut the slab out of the equilibrated periodic crystal, its mid-plane at z = 0.

    :param initial: the crystal as it was built.
    :param equilibrated: the same crystal after its equilibration.
    """
    try:
        return CseSystemData(cut_system(initial.get_system(), equilibrated.get_system().data))
    except ValueError as error:
        return ExitCode(CANNOT_CUT, f"the slab cannot be cut: {error}")


@calcfunction
def assemble(ceramic: CseSystemData, electrolyte: CseSystemData, gap: orm.Float) -> CseSystemData | ExitCode:
    """Join slab and electrolyte with a gap on both sides, and remove the wall.

    :param ceramic: the slab.
    :param electrolyte: the electrolyte, equilibrated on the slab's cross-section.
    :param gap: distance between the outermost atoms of the two phases, in Å.
    """
    try:
        return CseSystemData(assemble_systems(ceramic.get_system(), electrolyte.get_system(), gap.value))
    except ValueError as error:
        return ExitCode(CANNOT_ASSEMBLE, f"slab and electrolyte cannot be joined: {error}")


@calcfunction
def transfer_cations(
    interface: CseSystemData, initial_excess: orm.Int, seed: orm.Int, recipe: orm.Dict | None = None
) -> CseSystemData | ExitCode:
    """Move cations from the salt onto vacant sites of the slab, or out of the slab into the electrolyte.

    :param interface: slab and electrolyte as joined.
    :param initial_excess: number of cations to put into the slab; below zero, to take out of it.
    :param seed: seed of the draw.
    :param recipe: the recipe of the slab, whose crystal has the sites; without it, voids of the slab are used.
    """
    try:
        ceramic = None if recipe is None else Recipe.model_validate(recipe.get_dict()).ceramic
        return CseSystemData(
            transfer_between_phases(interface.get_system(), initial_excess.value, seed.value, ceramic)
        )
    except ValueError as error:
        return ExitCode(CANNOT_TRANSFER, f"the ions cannot be placed: {error}")
