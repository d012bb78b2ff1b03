"""Reading and checking the records of DCD frames, compiled by numba."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from aiida_cse.reduction.kernels.compiled import compiled

__all__ = ["CELL_BYTES", "PROBLEMS", "Source", "check_records", "read_bytes", "read_pieces"]

#: of the C library, as POSIX has it: a call from Python would cost as much as a tenth of what is read
_pread: Any = types.ExternalFunction("pread", types.intp(types.intc, types.voidptr, types.uintp, types.int64))

PROBLEMS = (
    "",
    "its unit cell is damaged",
    "its box is tilted",
    "its box has no length",
    "its coordinates are damaged",
)
_CELL_WORDS = 14
#: the record of the unit cell
CELL_BYTES = 4 * _CELL_WORDS


class Source(NamedTuple):
    """Where frames lie in an open file, and where to put them.

    Attributes
    ----------
    descriptor, start, frame_bytes
        The open file, where its first frame begins, and the size of a frame.
    skipped
        Bytes behind the cell that are not read; 0 where frames are read whole.
    table
        (F, columns) uint8, for so many frames at once.
    natoms, blocks, column
        Number of atoms, of blocks of coordinates in a row of ``table``, and the column of 4 bytes where z begins.
    """

    descriptor: int
    start: int
    frame_bytes: int
    skipped: int
    table: NDArray[np.uint8]
    natoms: int
    blocks: int
    column: int


def _is_right(angle: float) -> Any:
    """Whether an angle is right: LAMMPS writes the cosine, others degrees."""
    return abs(angle) < 1e-6 or abs(angle - 90) < 1e-4


_is_right = compiled(_is_right)


def _check_records(
    words: NDArray[np.int32], cells: NDArray[np.float64], natoms: int, axes: int, boxes: NDArray[np.float64]
) -> Any:
    """Check frames of a cell and ``axes`` blocks of ``natoms`` coordinates, and write their ``boxes`` (F, 3).

    ``words`` (F, columns) are the frames, ``cells`` (F, 6) A, γ, B, β, α, C. Returns the first row in which
    something is wrong and what, as an index of :data:`PROBLEMS`; −1 and 0 if all is well.
    """
    width = natoms + 2
    for row in range(words.shape[0]):
        if words[row, 0] != 48 or words[row, _CELL_WORDS - 1] != 48:
            return row, 1
        cell = cells[row]
        if not (_is_right(cell[1]) and _is_right(cell[3]) and _is_right(cell[4])):
            return row, 2
        boxes[row, 0], boxes[row, 1], boxes[row, 2] = cell[0], cell[2], cell[5]
        for edge in boxes[row]:
            if not 0 < edge < np.inf:
                return row, 3
        for block in range(axes):
            start = _CELL_WORDS + block * width
            if words[row, start] != 4 * natoms or words[row, start + width - 1] != 4 * natoms:
                return row, 4
    return -1, 0


check_records = compiled(_check_records)


def _read_bytes(descriptor: int, target: NDArray[np.uint8], offset: int) -> Any:
    """Fill ``target`` with what lies at ``offset`` in a file, and return whether it could be read at once."""
    return _pread(descriptor, target.ctypes, target.shape[0], offset) == target.shape[0]


read_bytes = compiled(_read_bytes)


def _read_pieces(descriptor: int, target: NDArray[np.uint8], width: int, offset: int, step: int) -> Any:
    """Fill ``target`` with pieces of ``width`` bytes that lie ``step`` bytes apart in a file, from ``offset`` on.

    Returns the number of the first piece that could not be read at once, −1 if there is none.
    """
    for start in range(0, target.shape[0], width):
        piece = target[start : start + width]
        if _pread(descriptor, piece.ctypes, piece.shape[0], offset) != piece.shape[0]:
            return start // width
        offset += step
    return -1


read_pieces = compiled(_read_pieces)
