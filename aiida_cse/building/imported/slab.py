"""Slab and molecules of a box that was not built here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.imported.description import SlabDescription, TypeName
from aiida_cse.building.imported.types import TypeTable
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, WALL_MOLECULE, AtomType, SlabGeometry, System

__all__ = ["number_molecules", "slab_of"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Å by which the framework may reach beyond the surface planes
_VIBRATION = 3.0
#: how far from a whole number a count of ions may come out
_WHOLE = 0.01


def slab_of(
    table: TypeTable, types: tuple[AtomType, ...] | None, built: System | None = None
) -> SlabGeometry | None:
    """Return the geometry of the slab, None if there is none or something of it is missing.

    Parameters
    ----------
    table
        The types of the box, whose problems are added to.
    types
        The complete table, None if it is not complete.
    built
        The slab as a recipe builds it, with the same framework; what is not given is taken from it, stretched
        along z as the framework is.
    """
    if table.box.phase == "electrolyte":
        return None
    given = table.box.slab or SlabDescription()
    reference = None if built is None else built.info.slab
    numbers = _framework(table, given.framework or (() if reference is None else reference.framework))
    if numbers is None:
        return None
    atoms = table.atoms(numbers)
    z = table.data.unwrapped[atoms, 2]
    thickness, offset = given.thickness, given.midplane_offset
    stretch = None if built is None else _stretch(z, built)
    if reference is not None and stretch is not None:
        thickness = reference.thickness * stretch if thickness is None else thickness
        offset = reference.midplane_offset * stretch if offset is None else offset
    if offset is None:
        weights = table.data.masses[table.data.types[atoms] - 1]
        offset = float((z.min() + z.max()) / 2 - np.average(z, weights=weights))
    lithium = given.lithium if given.lithium is not None else _mobile_ions(table, types)
    problem = _thickness_problem(thickness, z)
    if problem is not None:
        table.problems.append(problem)
    if problem is not None or thickness is None or lithium is None:
        return None
    labels = tuple(table.labels.get(number, "") for number in numbers)
    return SlabGeometry(thickness=thickness, framework=labels, midplane_offset=offset, lithium=lithium)


def _framework(table: TypeTable, names: tuple[TypeName, ...]) -> list[int] | None:
    """Return the numbers of the types that do not diffuse, None if there are none or one is not there."""
    if not names:
        table.problems.append("slab.framework is missing: the types that do not diffuse, such as La and Zr")
        return None
    numbers = table.numbers("slab.framework", names)
    if len(numbers) < len(names):
        return None
    if not table.atoms(numbers).any():
        table.problems.append(f"slab.framework: no atom is of the types {', '.join(map(str, names))}")
        return None
    return numbers


def _thickness_problem(thickness: float | None, z: Floats) -> str | None:
    """Return why a slab whose framework is at heights z cannot be so thick, None if it can."""
    extent = float(np.ptp(z))
    if thickness is None:
        return (
            "slab.thickness is missing: the distance of the surface planes; the outermost atoms of the framework "
            f"are {extent:.2f} Å apart"
        )
    if extent > thickness + 2 * _VIBRATION:
        return (
            f"slab.thickness: {thickness:g} Å, but the framework extends over {extent:.1f} Å; it is the distance "
            "of the surface planes, and a slab across the end of the box needs image flags"
        )
    return None


def _stretch(z: Floats, built: System) -> float | None:
    """Return by how much the framework is longer along z than as it was built, None if it has other atoms."""
    if built.info.slab is None:
        return None
    numbers = built.info.type_numbers(labels=built.info.slab.framework)
    places = built.data.unwrapped[np.isin(built.data.types, numbers), 2]
    return float(np.std(z) / np.std(places)) if len(places) == len(z) else None


def _mobile_ions(table: TypeTable, types: tuple[AtomType, ...] | None) -> int | None:
    """Return how many mobile ions make the rest of the ceramic neutral, None if that is not known."""
    if types is None:
        return None
    # of two types by origin either is the same ion
    mobile = sorted({(entry.species, entry.charge) for entry in types if entry.phase == "both"})
    if len(mobile) != 1 or not mobile[0][1]:
        found = ", ".join(f"{species} ({charge:g} e)" for species, charge in mobile) or "none"
        table.problems.append(
            f"types: {found} of the phase both; exactly one charged ion must be, that which moves in both"
        )
        return None
    ceramic = [number for number, entry in enumerate(types, 1) if entry.phase == "ceramic"]
    count = -float(table.data.charges[table.atoms(ceramic)].sum()) / mobile[0][1]
    if abs(count - round(count)) > _WHOLE or round(count) < 0:
        table.problems.append(
            f"slab.lithium is missing: {count:.2f} mobile ions would make the ceramic neutral, no whole number"
        )
        return None
    return round(count)


def number_molecules(table: TypeTable, types: tuple[AtomType, ...], slab: SlabGeometry | None) -> Integers:
    """Return molecule IDs (N,): 0 the wall, 1 what the ceramic holds, from 2 on the electrolyte's.

    They stay as they are where they say so already. Else a mobile ion belongs to the ceramic if it lies between
    the surface planes. IDs that say so already, but of other than the slab's number of mobile ions, are a
    problem of the table.
    """
    data = table.data
    phases = np.array([entry.phase for entry in types])[data.types - 1]
    wall, ceramic, both = phases == "wall", phases == "ceramic", phases == "both"
    electrolyte = phases == "electrolyte"
    lost = int((electrolyte & (data.molecules < 1)).sum())
    if lost:
        table.problems.append(
            f"{lost} atoms of the electrolyte have no molecule ID; number the molecules, as LAMMPS does with "
            "`reset_atoms mol all`"
        )
    mixed = np.intersect1d(data.molecules[electrolyte], data.molecules[ceramic])
    if len(mixed):
        table.problems.append(f"molecule {mixed[0]} has atoms of the ceramic and of the electrolyte")
    if _follows_the_convention(data.molecules, wall, ceramic, both, electrolyte):
        held = int((both & (data.molecules == CERAMIC_MOLECULE)).sum())
        if slab is not None and held != slab.lithium:
            table.problems.append(_other_count(held, slab.lithium))
        return data.molecules
    inside = both & (_depth(table, slab) <= 0)
    numbers = np.full(data.natoms, CERAMIC_MOLECULE)
    numbers[wall] = WALL_MOLECULE
    numbers[electrolyte] = CERAMIC_MOLECULE + 1 + np.unique(data.molecules[electrolyte], return_inverse=True)[1]
    alone = both & ~inside
    numbers[alone] = numbers.max() + 1 + np.arange(int(alone.sum()))
    return numbers


def _other_count(held: int, lithium: int) -> str:
    """Return what is wrong where the ceramic's molecule holds other than the slab's mobile ions."""
    return (
        f"molecule IDs: {held} mobile ions are of molecule {CERAMIC_MOLECULE}, the ceramic's, but slab.lithium is "
        f"{lithium}; ions of the salt have IDs of their own, from {CERAMIC_MOLECULE + 1} on (after `reset_atoms "
        "mol all` they are told by where they lie), or give the slab.lithium that is right"
    )


def _follows_the_convention(molecules: Integers, wall: Mask, ceramic: Mask, both: Mask, electrolyte: Mask) -> bool:
    return bool(
        (molecules[ceramic] == CERAMIC_MOLECULE).all()
        and (molecules[wall] == WALL_MOLECULE).all()
        and (molecules[electrolyte] > CERAMIC_MOLECULE).all()
        and (molecules[both] >= CERAMIC_MOLECULE).all()
    )


def _depth(table: TypeTable, slab: SlabGeometry | None) -> Floats:
    """Return how far each atom is above the nearer surface plane, (N,) Å, negative within the slab."""
    data = table.data
    if slab is None:
        return np.ones(data.natoms)
    framework = table.atoms([number for number, label in table.labels.items() if label in slab.framework])
    weights = data.masses[data.types[framework] - 1]
    middle = np.average(data.unwrapped[framework, 2], weights=weights) + slab.midplane_offset
    height = data.positions[:, 2] - middle
    height -= np.round(height / data.lengths[2]) * data.lengths[2]
    depth: Floats = np.abs(height) - slab.thickness / 2
    return depth
