"""Input of LAMMPS that joins the phases: their data files, and the script that appends one to the other.

The phases have the positions of :func:`~aiida_cse.building.interface.assembly.assemble`, without the wall. No
forces are computed, so that the script needs no force field.
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
#: the input files: the phases, and the script that joins them
FILES = ("ceramic.data", "electrolyte.data", "join.in")
#: arguments of ``lmp``
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
    # LAMMPS adds the largest IDs present, of molecules too, to those of an appended file
    alone = replace(placement.liquid, molecules=placement.liquid.molecules - placement.solid.molecules.max())
    # shifted down by as much as the script shifts it up, since LAMMPS extends the box to contain that of the file
    below = placement.box - [[0.0], [0.0], [placement.shift]]
    labels = [entry.label for entry in ceramic.info.types]
    solid_file, liquid_file, script_file = FILES
    # an atom of the first file gets room for the terms of one of the second
    most_terms = {
        kind: max(np.bincount(terms[:, 1:].ravel()), default=0)
        for kind, terms in placement.liquid.topology.items()
    }
    room = " ".join(f"extra/{kind[:-1]}/per/atom {most_terms[kind]}" for kind in TOPOLOGY)
    script = (
        "units real",
        "atom_style full",
        "boundary p p p",
        f"read_data {solid_file} {room}",
        "labelmap atom " + " ".join(f"{number} {label}" for number, label in enumerate(labels, 1)),
        f"read_data {liquid_file} add append shift 0 0 {placement.shift:.17g}",
        f"write_data {RESULT} nocoeff",
    )
    return {
        solid_file: _in_box(placement.solid, placement.box).format("ceramic"),
        liquid_file: _in_box(alone, below).format("electrolyte"),
        script_file: "\n".join(script) + "\n",
    }


def _in_box(data: DataFile, box: NDArray[np.float64]) -> DataFile:
    moved = replace(data, box=box)
    moved.set_unwrapped(data.unwrapped)
    return moved
