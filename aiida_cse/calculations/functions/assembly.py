"""Slab from an equilibrated crystal, and interface from slab and electrolyte."""

from __future__ import annotations

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.building.ceramic.cut import cut_slab as cut_system
from aiida_cse.building.interface.assembly import assemble as assemble_systems
from aiida_cse.data.system import CseSystemData

__all__ = ["assemble", "cut_slab"]

CANNOT_CUT = 332
CANNOT_ASSEMBLE = 333


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
