"""Verification of an interface joined by another program against the built-in assembly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.interface.assembly import assemble
from aiida_cse.lammps.files.data import TOPOLOGY, DataFile, DataFileContents, read_contents
from aiida_cse.lammps.files.system import System
from aiida_cse.schema import located

__all__ = ["RESULT", "read_interface"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: name of the data file that the program writes
RESULT = "system.data"

#: Å, Å/fs, e or g/mol; rounding error of numbers that were written with all digits and shifted back and forth
_SAME = 1e-7


def read_interface(text: str, ceramic: System, electrolyte: System, gap: float, program: str) -> System:
    """Return the interface from the data file in which a program joined these phases.

    Box, positions (and so image flags), velocities, molecules and types must be those of
    :func:`~aiida_cse.building.interface.assembly.assemble`. Bonded terms may have another order, and each may list
    its atoms from the other end.

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
        The text is not a data file, or differs from the two phases in atoms, types by number and label, molecules,
        bonded terms, box, positions or velocities; names the difference.
    """
    with located(f"{program}'s data file"):
        contents = read_contents(text)
    data, expected = contents.data, assemble(ceramic, electrolyte, gap)
    try:
        _refuse_other_content(contents, expected)
    except ValueError as error:
        raise ValueError(f"{program}'s data file has {error}") from error
    if expected.data.velocities is None:
        data.velocities = None
    data.set_unwrapped(data.unwrapped)
    return expected.evolved(data)


def _refuse_other_content(contents: DataFileContents, system: System) -> None:
    """Refuse a data file with other types, atoms, terms or values than a system; names the first difference."""
    data, expected = contents.data, system.data
    labels = {number: entry.label for number, entry in enumerate(system.info.types, 1)}
    for what, here, there in (
        ("atom types", contents.labels, labels),
        ("types of bonded terms", data.topology_types, expected.topology_types),
    ):
        if here != there:
            raise ValueError(f"other {what} than the two phases: {here}, not {there}")
    found, wanted = (np.column_stack([each.molecules, each.types]) for each in (data, expected))
    _refuse_other_rows("atoms", found, wanted, columns="the molecule and type ")
    for kind in TOPOLOGY:
        found, wanted = (_terms_by_atoms(each, kind) for each in (data, expected))
        _refuse_other_rows(kind, found, wanted, columns="the type and atoms ")
    # LAMMPS writes zeros for atoms without velocities
    rest = np.zeros((expected.natoms, 3))
    moving, known = (rest if each.velocities is None else each.velocities for each in (data, expected))
    for what, values, right in (
        ("box edges (x, y, z; Å)", data.box, expected.box),
        ("masses (g/mol)", data.masses, expected.masses),
        ("charges (e)", data.charges, expected.charges),
        ("unwrapped positions (Å)", data.unwrapped, expected.unwrapped),
        ("velocities (Å/fs)", moving, known),
    ):
        _refuse_other_rows(what, values, right, tolerance=_SAME)


def _terms_by_atoms(data: DataFile, kind: str) -> Integers:
    """Return the terms sorted, each from its end with the lower atom; those of an improper in ascending order.

    The rows, type and atoms, of two files are then equal if their terms are.
    """
    terms = data.topology[kind]
    atoms = terms[:, 1:]
    if kind == "impropers":
        atoms = np.sort(atoms, axis=1)
    else:
        atoms = np.where(atoms[:, :1] <= atoms[:, -1:], atoms, atoms[:, ::-1])
    rows = np.column_stack([terms[:, 0], atoms])
    ordered: Integers = rows[np.lexsort(rows.T[::-1])]
    return ordered


def _refuse_other_rows(
    what: str, found: NDArray[Any], expected: NDArray[Any], *, columns: str = "", tolerance: float = 0.0
) -> None:
    """Refuse arrays that differ by more than the tolerance; names the first row that does."""
    if len(found) != len(expected):
        raise ValueError(f"{len(found)} {what}, the two phases have {len(expected)}")
    same = np.abs(found - expected) <= tolerance
    differ = np.flatnonzero(~same.all(axis=tuple(range(1, same.ndim))))
    if len(differ):
        row = int(differ[0])
        raise ValueError(
            f"other {what} than the two phases: number {row + 1} with {columns}{found[row].tolist()},"
            f" not {expected[row].tolist()}"
        )
