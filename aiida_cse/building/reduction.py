"""Description of the system of a trajectory, from the system itself."""

from __future__ import annotations

from aiida_cse.lammps.files.system import System
from aiida_cse.reduction.system import IonDescription, SystemDescription

__all__ = ["describe_system"]


def describe_system(system: System) -> SystemDescription:
    """Return the description of ``system`` for the reduction of its trajectory.

    The cation is the species that both phases share, the anion the species of the electrolyte whose total charge
    is negative.

    Raises
    ------
    ValueError
        The system has no slab, or not exactly one such cation and one such anion.
    """
    info, data = system.info, system.data
    if info.slab is None:
        raise ValueError(f"a system of phase '{info.phase}' without a slab has no interface to analyse")
    cation, anion = info.ion_species()
    x, y, z = (float(length) for length in data.lengths)
    return SystemDescription(
        types=data.types,
        molecules=data.molecules,
        labels=tuple(entry.label for entry in info.types),
        masses=tuple(entry.mass for entry in info.types),
        charges=tuple(entry.charge for entry in info.types),
        box=(x, y, z),
        framework=tuple(info.type_numbers(labels=info.slab.framework)),
        thickness=info.slab.thickness,
        midplane_offset=info.slab.midplane_offset,
        cation=IonDescription(cation, tuple(info.type_numbers(species=cation))),
        anion=IonDescription(anion, tuple(info.type_numbers(species=anion))),
        initial_cations=info.slab.initial_cations,
        bonds=data.topology["bonds"][:, 1:] - 1,
        positions=data.unwrapped,
    )
