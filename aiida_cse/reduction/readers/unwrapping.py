"""Unwrapping of coordinates by the nearest image from frame to frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.kernels.compiled import compiled
from aiida_cse.reduction.readers.base import Frames

__all__ = ["AmbiguousMoveError", "Unwrapper", "unwrapping_advice"]

#: largest move of an atom that results depend on, in units of half the box edge; a longer one may be one the other
#: way round
_LARGEST = 0.8
#: how programs write unwrapped coordinates
_LAMMPS = "LAMMPS: dump custom with xu yu zu, or dump_modify unwrap yes for dcd and xtc"
_GROMACS = "GROMACS: gmx trjconv -pbc nojump"
#: the same for the formats that GROMACS writes
_REMEDIES = {".xtc": f"{_GROMACS}; {_LAMMPS}", ".trr": _GROMACS}


class AmbiguousMoveError(ValueError):
    """Atom ``atom`` moves by ``halves`` times half the box along ``axis`` to row ``row``, or the other way."""

    def __init__(self, row: int, atom: int, axis: int, halves: float) -> None:
        super().__init__(f"atom index {atom} moves by {halves:.2f} L/2 along {'xyz'[axis]}")
        self.row, self.atom, self.axis, self.halves = row, atom, axis, halves


class Unwrapper:
    """Box images of all atoms, followed through consecutive frames.

    Parameters
    ----------
    natoms
        N, number of atoms.
    watched
        (N,) whether results depend on the image of an atom; only the moves of these atoms must be unambiguous.
    """

    def __init__(self, natoms: int, watched: NDArray[np.bool_]) -> None:
        self._watched = watched
        self._images = np.zeros((3, natoms), np.int32)
        self._last = np.zeros((3, natoms))
        #: largest move of a watched atom so far, in units of half the box
        self.largest = 0.0
        #: number of the frame that must be next, None before the first
        self.expected: int | None = None

    def follow(self, frames: Frames, number: int, shifts: NDArray[np.int64]) -> None:
        """Unwrap consecutive frames in place, all axes of which were read.

        Parameters
        ----------
        frames
            The frames.
        number
            Number of the first one in the production.
        shifts
            (N, 3) box edges to add in the very first frame.

        Raises
        ------
        AmbiguousMoveError
            A watched atom moves by nearly half the box.
        RuntimeError
            The frames are not the next ones.
        """
        fresh = self.expected is None
        if fresh:
            self._images = np.ascontiguousarray(shifts.T, dtype=np.int32)
        elif number != self.expected:
            raise RuntimeError(f"frame {number} cannot be unwrapped, frame {self.expected} must be the next")
        columns = np.array(frames.columns, np.int64)
        largest, row, axis, atom = _unwrap(
            frames.table, columns, frames.boxes, fresh, self._last, self._images, self._watched
        )
        if largest > _LARGEST:
            raise AmbiguousMoveError(row, atom, axis, largest)
        self.largest = max(self.largest, largest)
        self.expected = number + len(frames.table)


@compiled
def _unwrap(
    table: NDArray[np.float32],
    columns: NDArray[np.int64],
    boxes: NDArray[np.float64],
    fresh: bool,
    last: NDArray[np.float64],
    images: NDArray[np.int32],
    watched: NDArray[np.bool_],
) -> Any:
    """Add images to coordinates; return the largest move of a watched atom, in L/2, and its row, axis and atom."""
    largest, at_row, at_axis, at_atom = 0.0, 0, 0, 0
    for row in range(table.shape[0]):
        for axis in range(3):
            length = boxes[row, axis]
            values = table[row, columns[axis] : columns[axis] + watched.shape[0]]
            for atom in range(watched.shape[0]):
                place = values[atom] / length
                if not (fresh and row == 0):
                    move = place - last[axis, atom]
                    crossed = np.round(move)
                    images[axis, atom] -= np.int32(crossed)
                    size = 2 * abs(move - crossed)
                    if size > largest and watched[atom]:
                        largest, at_row, at_axis, at_atom = size, row, axis, atom
                last[axis, atom] = place
                values[atom] = np.float32((place + images[axis, atom]) * length)
    return largest, at_row, at_axis, at_atom


def unwrapping_advice(path: Path) -> str:
    """Return what to do about wrapped coordinates in a file, by the programs that write its format."""
    programs = _REMEDIES.get(path.suffix.lower(), _LAMMPS)
    return f"write unwrapped ones ({programs}), or unwrap them with --unwrap"
