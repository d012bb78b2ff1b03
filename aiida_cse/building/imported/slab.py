"""Slab geometry, molecule IDs and torn molecules of an imported system."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.imported.description import SlabDescription, TypeName
from aiida_cse.building.imported.types import TypeTable
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, WALL_MOLECULE, AtomType, SlabGeometry, System
from aiida_cse.physics.periodic import join_by_gap, whole_molecules

__all__ = ["number_molecules", "repair_molecules", "slab_of"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Å by which the framework may reach beyond each surface plane
_VIBRATION = 3.0
#: Å; a largest gap of the framework that is shorter is one between layers of a crystal that fills the box
_SHORTEST_GAP = 6.0
#: tolerance of a computed number of ions against a whole number
_WHOLE = 0.01


def slab_of(
    table: TypeTable, types: tuple[AtomType, ...] | None, built: System | None = None
) -> SlabGeometry | None:
    """Return the geometry of the slab, None if there is no slab or information is missing.

    Parameters
    ----------
    table
        The types of the system, to whose problems those of the slab are added.
    types
        The complete type table, None if it is incomplete.
    built
        The slab built from a recipe, with the same framework. It provides what the description lacks, scaled along
        z as the framework is.
    """
    if table.description.phase == "electrolyte":
        return None
    given = table.description.slab or SlabDescription()
    reference = None if built is None else built.info.slab
    numbers = _framework(table, given.framework or (() if reference is None else reference.framework))
    if numbers is None:
        return None
    atoms = table.atoms(numbers)
    _join_slab(table, atoms, types)
    z = table.data.unwrapped[atoms, 2]
    thickness, offset = given.thickness, given.midplane_offset
    if built is not None and reference is not None:
        places = built.data.unwrapped[
            np.isin(built.data.types, built.info.type_numbers(labels=reference.framework)), 2
        ]
        if len(places) == len(z):
            stretch = float(np.std(z) / np.std(places))
            thickness = reference.thickness * stretch if thickness is None else thickness
            offset = reference.midplane_offset * stretch if offset is None else offset
    if offset is None:
        weights = table.data.masses[table.data.types[atoms] - 1]
        offset = float((z.min() + z.max()) / 2 - np.average(z, weights=weights))
    mobile_ions = given.lithium if given.lithium is not None else _mobile_ions(table, types)
    extent = float(np.ptp(z))
    if thickness is None:
        table.problems.append(
            "slab.thickness: is missing; give the distance of the surface planes (the outermost atoms of the"
            f" framework are {extent:.2f} Å apart)"
        )
    elif extent > thickness + 2 * _VIBRATION:
        table.problems.append(
            f"slab.thickness = {thickness:g}: the framework extends over {extent:.1f} Å; give the distance of the"
            " surface planes, and image flags if the slab crosses the end of the box"
        )
        return None
    if thickness is None or mobile_ions is None:
        return None
    labels = tuple(table.labels.get(number, "") for number in numbers)
    return SlabGeometry(thickness=thickness, framework=labels, midplane_offset=offset, lithium=mobile_ions)


def _join_slab(table: TypeTable, framework: NDArray[np.bool_], types: tuple[AtomType, ...] | None) -> None:
    """Give the ceramic image flags with which it is one piece, where the end of the box divides its framework."""
    data = table.data
    length = float(data.lengths[2])
    z = data.unwrapped[:, 2]
    shifts, gap = join_by_gap(z[framework], length)
    if gap < _SHORTEST_GAP or not shifts.any():
        return
    ceramic = framework.copy()
    if types is not None:
        ceramic |= np.array([entry.phase == "ceramic" for entry in types])[data.types - 1]
    joined = z[framework] + shifts * length
    middle = (joined.min() + joined.max()) / 2
    data.images[ceramic, 2] -= np.round((z[ceramic] - middle) / length).astype(np.int64)
    table.notes.append(
        "the slab was torn by the end of the box along z: joined opposite the largest gap of its framework,"
        f" {gap:.1f} Å"
    )


def repair_molecules(table: TypeTable, types: tuple[AtomType, ...]) -> None:
    """Give the molecules of the electrolyte image flags with which they are whole.

    A repair is a note of the table, a molecule that cannot be made whole a problem.
    """
    data = table.data
    electrolyte = np.array([entry.phase == "electrolyte" for entry in types])[data.types - 1]
    bonds = data.topology["bonds"][:, 1:] - 1
    found = whole_molecules(data.unwrapped, data.lengths, bonds, data.molecules, electrolyte)
    data.images = data.images + found.shifts
    table.notes += found.notes
    table.problems += found.problems


def _framework(table: TypeTable, names: tuple[TypeName, ...]) -> list[int] | None:
    """Return the numbers of the types that do not diffuse, None if there are none or one is unknown."""
    if not names:
        table.problems.append("slab.framework: is missing; give the types that do not diffuse, such as La and Zr")
        return None
    numbers = table.numbers("slab.framework", names)
    if len(numbers) < len(names):
        return None
    if not table.atoms(numbers).any():
        table.problems.append(f"slab.framework: no atom is of the types {', '.join(map(str, names))}")
        return None
    return numbers


def _mobile_ions(table: TypeTable, types: tuple[AtomType, ...] | None) -> int | None:
    """Return the number of mobile ions that makes the rest of the ceramic neutral, None if it is not known."""
    if types is None:
        return None
    # two types by origin are the same ion
    mobile = sorted({(entry.species, entry.charge) for entry in types if entry.phase == "both"})
    if len(mobile) != 1 or not mobile[0][1]:
        found = ", ".join(f"{species} ({charge:g} e)" for species, charge in mobile) or "none"
        table.problems.append(
            f"types: {found} of the phase both; exactly one charged ion must move in both phases"
        )
        return None
    ceramic = [number for number, entry in enumerate(types, 1) if entry.phase == "ceramic"]
    count = -float(table.data.charges[table.atoms(ceramic)].sum()) / mobile[0][1]
    if abs(count - round(count)) > _WHOLE or round(count) < 0:
        table.problems.append(
            f"slab.lithium: is missing, and {count:.2f} ions would make the ceramic neutral; give their number"
        )
        return None
    return round(count)


def number_molecules(table: TypeTable, types: tuple[AtomType, ...], slab: SlabGeometry | None) -> Integers:
    """Return molecule IDs (N,): 0 for the wall, 1 for the ceramic and its ions, from 2 on for the electrolyte.

    IDs that already follow this convention are kept; if the ceramic then holds another number of mobile ions than
    the slab, that is a problem of the table. Otherwise a mobile ion belongs to the ceramic if it lies between the
    surface planes.
    """
    data = table.data
    molecules = data.molecules
    phases = np.array([entry.phase for entry in types])[data.types - 1]
    wall, ceramic, both = phases == "wall", phases == "ceramic", phases == "both"
    electrolyte = phases == "electrolyte"
    lost = int((electrolyte & (molecules < 1)).sum())
    if lost:
        table.problems.append(
            f"{lost} atoms of the electrolyte have no molecule ID; number the molecules, for example with the"
            " LAMMPS command `reset_atoms mol all`"
        )
    bonds = data.topology["bonds"][:, 1:] - 1
    across = bonds[electrolyte[bonds].any(axis=1) & (molecules[bonds[:, 0]] != molecules[bonds[:, 1]])]
    if len(across):
        first, second = across[0]
        table.problems.append(
            f"{len(across)} bonds join atoms of different molecules, such as {first + 1} of molecule"
            f" {molecules[first]} and {second + 1} of molecule {molecules[second]}; bonded atoms must have one"
            " molecule ID"
        )
    mixed = np.intersect1d(molecules[electrolyte], molecules[ceramic])
    if len(mixed):
        table.problems.append(f"molecule {mixed[0]} has atoms of the ceramic and of the electrolyte")
    if (
        (molecules[ceramic] == CERAMIC_MOLECULE).all()
        and (molecules[wall] == WALL_MOLECULE).all()
        and (molecules[electrolyte] > CERAMIC_MOLECULE).all()
        and (molecules[both] >= CERAMIC_MOLECULE).all()
    ):
        held = int((both & (molecules == CERAMIC_MOLECULE)).sum())
        excess = table.description.initial_excess
        if slab is not None and held != slab.initial_cations + excess:
            moved = f" and initial_excess {excess}" if excess else ""
            table.problems.append(
                f"molecule IDs: {held} mobile ions belong to molecule {CERAMIC_MOLECULE}, the ceramic, but"
                f" slab.lithium is {slab.initial_cations}{moved}; give ions of the salt IDs from"
                f" {CERAMIC_MOLECULE + 1} on (or use `reset_atoms mol all`, after which ions are assigned by"
                " position), or correct slab.lithium"
            )
        return molecules
    alone = both & (_depth(table, slab) > 0)
    numbers = np.full(data.natoms, CERAMIC_MOLECULE)
    numbers[wall] = WALL_MOLECULE
    numbers[electrolyte] = CERAMIC_MOLECULE + 1 + np.unique(molecules[electrolyte], return_inverse=True)[1]
    numbers[alone] = numbers.max() + 1 + np.arange(int(alone.sum()))
    return numbers


def _depth(table: TypeTable, slab: SlabGeometry | None) -> Floats:
    """Return the height of each atom above the nearer surface plane, (N,) Å, negative inside the slab."""
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
