"""The interface by LAMMPS itself: the phases as data files, and the script that appends one to the other.

They lie as :func:`~aiida_cse.building.interface.assembly.assemble` puts them, without the wall. Nothing is
computed, so the script needs no force field.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.interface.assembly import place
from aiida_cse.building.interface.verify import RESULT
from aiida_cse.lammps.files.data import TOPOLOGY, DataFile
from aiida_cse.lammps.files.system import System

__all__ = ["ARGUMENTS", "FILES", "PROGRAM", "append_files"]

PROGRAM = "LAMMPS"
#: the files that are written: the phases, and the script that joins them
FILES = ("ceramic.data", "electrolyte.data", "join.in")
#: what follows ``lmp``
ARGUMENTS = ("-in", FILES[-1], "-log", "none", "-nb")


def append_files(ceramic: System, electrolyte: System, gap: float) -> dict[str, str]:
    """Return the text of each file of :data:`FILES`.

    Parameters
    ----------
    ceramic, electrolyte, gap
        As for :func:`~aiida_cse.building.interface.assembly.assemble`.

    Raises
    ------
    ValueError
        As :func:`~aiida_cse.building.interface.assembly.assemble`.
    """
    placement = place(ceramic, electrolyte, gap)
    # IDs of an appended file, those of molecules too, count on from what is there
    alone = replace(placement.liquid, molecules=placement.liquid.molecules - placement.solid.molecules.max())
    # as far down as it is shifted up: LAMMPS would let the box grow until it holds that of the file
    below = placement.box - [[0.0], [0.0], [placement.shift]]
    labels = [entry.label for entry in ceramic.info.types]
    texts = (
        _in_box(placement.solid, placement.box).format("ceramic"),
        _in_box(alone, below).format("electrolyte"),
        _script(placement.liquid, labels, placement.shift),
    )
    return dict(zip(FILES, texts, strict=True))


def _in_box(data: DataFile, box: NDArray[np.float64]) -> DataFile:
    moved = replace(data, box=box)
    moved.set_unwrapped(data.unwrapped)
    return moved


def _script(liquid: DataFile, labels: list[str], shift: float) -> str:
    """Give the script; an atom of the first file gets room for the terms of one of the second."""
    solid_file, liquid_file, _ = FILES
    room = " ".join(f"extra/{kind[:-1]}/per/atom {_most_terms(liquid.topology[kind])}" for kind in TOPOLOGY)
    names = " ".join(f"{number} {label}" for number, label in enumerate(labels, 1))
    lines = (
        "units real",
        "atom_style full",
        "boundary p p p",
        f"read_data {solid_file} {room}",
        f"labelmap atom {names}",
        f"read_data {liquid_file} add append shift 0 0 {shift:.17g}",
        f"write_data {RESULT} nocoeff",
    )
    return "\n".join(lines) + "\n"


def _most_terms(terms: NDArray[np.int64]) -> int:
    """Return in how many of the terms an atom is at most."""
    return int(np.bincount(terms[:, 1:].ravel()).max()) if len(terms) else 0
