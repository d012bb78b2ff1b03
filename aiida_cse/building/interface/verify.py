"""What a program made of the two phases, read back and held against the built-in assembly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.interface.assembly import assemble
from aiida_cse.lammps.files.data import TOPOLOGY, DataFile, read_contents
from aiida_cse.lammps.files.system import System
from aiida_cse.schema import located

__all__ = ["RESULT", "read_interface"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: the data file that the program makes
RESULT = "system.data"

#: what all digits of a text, and a shift there and back, leave of a number (Å, Å/fs, e or g/mol)
_SAME = 1e-7


def read_interface(text: str, ceramic: System, electrolyte: System, gap: float, program: str) -> System:
    """Return the interface from the data file that a program made of these phases.

    It has the box, positions (and so the image flags), velocities, molecules and types of
    :func:`~aiida_cse.building.interface.assembly.assemble`; bonded terms may stand in another order, and each may
    name its atoms from the other end.

    Parameters
    ----------
    text
        The data file.
    ceramic, electrolyte, gap
        As for :func:`~aiida_cse.building.interface.assembly.assemble`.
    program
        The name of the program, for messages.

    Raises
    ------
    ValueError
        The text is no data file, or not one with the atoms, the types by number and name, the molecules, the
        bonded terms, the box, positions and velocities of the two phases; says what differs.
    """
    with located(f"{program}'s data file"):
        contents = read_contents(text)
    data, expected = contents.data, assemble(ceramic, electrolyte, gap)
    labels = {number: entry.label for number, entry in enumerate(expected.info.types, 1)}
    try:
        _refuse_other("atom types", contents.labels, labels)
        _refuse_other("types of bonded terms", data.topology_types, expected.data.topology_types)
        _refuse_other_rows("atoms", *(_molecules_and_types(system) for system in (data, expected.data)))
        for kind in TOPOLOGY:
            _refuse_other_rows(kind, *(_terms_by_atoms(system, kind) for system in (data, expected.data)))
        _refuse_other_values(data, expected.data)
    except ValueError as error:
        raise ValueError(f"{program}'s data file has {error}") from error
    if expected.data.velocities is None:
        data.velocities = None
    data.set_unwrapped(data.unwrapped)
    return expected.evolved(data)


def _molecules_and_types(data: DataFile) -> Integers:
    return np.column_stack([data.molecules, data.types])


def _terms_by_atoms(data: DataFile, kind: str) -> Integers:
    """Return the terms sorted, each from its end with the lower atom; those of an improper in ascending order."""
    terms = data.topology[kind]
    atoms = terms[:, 1:]
    if kind == "impropers":
        atoms = np.sort(atoms, axis=1)
    else:
        atoms = np.where(atoms[:, :1] <= atoms[:, -1:], atoms, atoms[:, ::-1])
    rows = np.column_stack([terms[:, 0], atoms])
    ordered: Integers = rows[np.lexsort(rows.T[::-1])]
    return ordered


def _refuse_other(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise ValueError(f"other {what} than the two phases: {found}, not {expected}")


def _refuse_other_rows(what: str, found: Integers, expected: Integers) -> None:
    if len(found) != len(expected):
        raise ValueError(f"{len(found)} {what}, the two phases have {len(expected)}")
    differ = np.flatnonzero((found != expected).any(axis=1))
    if len(differ):
        row = int(differ[0])
        columns = "molecule and type" if what == "atoms" else "type and atoms"
        raise ValueError(
            f"other {what} than the two phases: number {row + 1} with the {columns}"
            f" {found[row].tolist()}, not {expected[row].tolist()}"
        )


def _refuse_other_values(data: DataFile, expected: DataFile) -> None:
    _refuse_far("box edges (x, y, z; Å)", data.box, expected.box)
    _refuse_far("masses (g/mol)", data.masses, expected.masses)
    _refuse_far("charges (e)", data.charges, expected.charges)
    _refuse_far("unwrapped positions (Å)", data.unwrapped, expected.unwrapped)
    # LAMMPS writes zeros where there are none
    rest = np.zeros((expected.natoms, 3))
    _refuse_far("velocities (Å/fs)", *(rest if d.velocities is None else d.velocities for d in (data, expected)))


def _refuse_far(what: str, found: Floats, expected: Floats) -> None:
    same = np.abs(found - expected) <= _SAME
    differ = np.flatnonzero(~same.reshape(len(same), -1).all(axis=1))
    if len(differ):
        row = int(differ[0])
        raise ValueError(
            f"other {what} than the two phases: number {row + 1} with {found[row].tolist()},"
            f" not {expected[row].tolist()}"
        )
