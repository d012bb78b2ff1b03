"""Compiled loop over the moves of some atoms from frame to frame, by their length."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.kernels.compiled import compiled, copy, gather, uncounted

__all__ = ["QUARTERS", "Moves", "add_frame", "add_frames"]

#: moves up to two boxes are counted in quarters of the box, longer ones by whether they are near a multiple of it
QUARTERS = 10
#: boxes; a longer move, or one that is not a number, is near no multiple of the box
_LONGEST = 1e9


class Moves(NamedTuple):
    """Moves of P atoms, of which the first I are ions and the others the framework, in a sequence of frames.

    Attributes
    ----------
    atoms, ions
        (P,) the atoms; number of ions.
    frames
        (3,) numbers of the first and the last frame, −1 before the first, and the number of frames.
    quarters
        (2, 3, 10) moves of ions and of the framework along each axis by their length: in quarters of the box up to
        two boxes, of which the first is not counted, then longer ones near a multiple of the box, and others.
    largest, remainders
        (2, 3) largest move, and largest distance of a move from a multiple of the box, of ions and of the
        framework, in boxes.
    jumps
        (3, P) number of moves of more than half the box.
    low, high
        (3, I) range of each ion, Å.
    jump, jump_size
        (3, 2) number of the frame and atom (0 to P − 1) of the first move of more than half the box, −1 for none;
        (3,) its size, in boxes.
    head, head_box, last
        (3, P) positions in the first frame, (3,) its box and (3, P) positions in the last frame, Å.
    now
        (P,) buffer.
    """

    atoms: NDArray[np.int32]
    ions: int
    frames: NDArray[np.int64]
    quarters: NDArray[np.int64]
    largest: NDArray[np.float64]
    remainders: NDArray[np.float64]
    jumps: NDArray[np.int32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    jump: NDArray[np.int64]
    jump_size: NDArray[np.float64]
    head: NDArray[np.float32]
    head_box: NDArray[np.float64]
    last: NDArray[np.float32]
    now: NDArray[np.float32]

    @classmethod
    def none(cls, atoms: NDArray[np.int32], ions: int) -> Moves:
        """Return the moves before the first frame."""
        count = len(atoms)
        return cls(
            atoms=atoms,
            ions=ions,
            frames=np.array([-1, -1, 0]),
            quarters=np.zeros((2, 3, QUARTERS), np.int64),
            largest=np.zeros((2, 3)),
            remainders=np.zeros((2, 3)),
            jumps=np.zeros((3, count), np.int32),
            low=np.full((3, ions), np.inf, np.float32),
            high=np.full((3, ions), -np.inf, np.float32),
            jump=np.full((3, 2), -1, np.int64),
            jump_size=np.zeros(3),
            head=np.zeros((3, count), np.float32),
            head_box=np.zeros(3),
            last=np.zeros((3, count), np.float32),
            now=np.zeros(count, np.float32),
        )


@compiled
def add_frames(
    table: NDArray[np.float32],
    columns: tuple[int, int, int],
    rows: NDArray[np.int64],
    numbers: NDArray[np.int64],
    boxes: NDArray[np.float64],
    moves: Moves,
) -> None:
    """Add the moves to each of the ``rows`` of a table, which are the frames ``numbers`` of the production.

    ``columns`` are those at which x, y and z begin, ``boxes`` (F, 3) the edges of the box, Å.
    """
    for index in range(rows.shape[0]):
        add_frame(table[rows[index]], columns, numbers[index], boxes[rows[index]], moves)


@uncounted
def add_frame(
    values: NDArray[np.float32], columns: tuple[int, int, int], number: int, box: NDArray[np.float64], moves: Moves
) -> None:
    """Add the moves to one frame."""
    now, frames = moves.now, moves.frames
    for axis in range(3):
        gather(values[columns[axis] :], moves.atoms, now)
        if frames[2] == 0:
            copy(now, moves.head[axis])
            moves.head_box[axis] = box[axis]
        else:
            drift = np.float32(_drift(now, moves.last[axis], moves.ions, box[axis]))
            _add_group(0, axis, 0, moves.ions, box[axis], drift, number, moves)
            _add_group(1, axis, moves.ions, now.shape[0], box[axis], drift, number, moves)
        copy(now, moves.last[axis])
        low, high = moves.low[axis], moves.high[axis]
        for ion in range(moves.ions):
            low[ion] = now[ion] if now[ion] < low[ion] else low[ion]
            high[ion] = now[ion] if now[ion] > high[ion] else high[ion]
    frames[0] = number if frames[2] == 0 else frames[0]
    frames[1] = number
    frames[2] += 1


@uncounted
def _drift(now: NDArray[np.float32], last: NDArray[np.float32], ions: int, length: float) -> Any:
    """Return the mean move of the framework, Å, from the nearest images of the moves relative to one atom."""
    anchor = np.float64(now[ions]) - last[ions]
    inverse, total = 1 / length, 0.0
    for k in range(ions, now.shape[0]):
        move = np.float64(now[k]) - last[k] - anchor
        total += move - length * np.floor(move * inverse + 0.5)
    return anchor + total / (now.shape[0] - ions)


@uncounted
def _add_group(
    kind: int, axis: int, start: int, stop: int, length: float, drift: np.float32, number: int, moves: Moves
) -> None:
    """Add the moves of the ions (``kind`` 0) or of the framework (1) along an axis, without the drift."""
    now, last, quarter = moves.now[start:stop], moves.last[axis, start:stop], np.float32(length / 4)
    bits = np.int32(_largest_bits(now, last, drift))
    small = bits.view(np.float32)
    if not small < quarter:
        small = np.float32(0)
        for k in range(stop - start):
            size = abs(now[k] - last[k] - drift)
            if size < quarter:
                small = max(small, size)
            else:
                _add_long(kind, axis, start + k, size / length, number, moves)
    moves.largest[kind, axis] = max(moves.largest[kind, axis], small / length)
    moves.remainders[kind, axis] = max(moves.remainders[kind, axis], small / length)


@uncounted
def _largest_bits(now: NDArray[np.float32], last: NDArray[np.float32], drift: np.float32) -> Any:
    """Return the bits of the largest move.

    The bits of positive numbers ascend as the numbers do, and whole numbers are compared several at a time.
    """
    largest = np.int32(0)
    for k in range(now.shape[0]):
        move = np.float32(now[k] - last[k] - drift)
        largest = max(largest, np.int32(move.view(np.int32) & np.int32(0x7FFFFFFF)))
    return largest


@uncounted
def _add_long(kind: int, axis: int, atom: int, share: float, number: int, moves: Moves) -> None:
    """Add a move of at least a quarter of the box; ``share`` is its size in boxes."""
    moves.quarters[kind, axis, _quarter(share)] += 1
    moves.largest[kind, axis] = max(moves.largest[kind, axis], share)
    moves.remainders[kind, axis] = max(moves.remainders[kind, axis], abs(share - np.round(share)))
    moves.jumps[axis, atom] += share > 0.5
    if share > 0.5 > moves.jump_size[axis]:
        moves.jump[axis, 0], moves.jump[axis, 1], moves.jump_size[axis] = number, atom, share


@uncounted
def _quarter(size: float) -> Any:
    """Return the place of a move of ``size`` boxes among the quarters of :class:`Moves`."""
    if not size < _LONGEST:
        return QUARTERS - 1
    place = int(4 * size)
    if place >= 8:
        return 8 + ((place + 1) % 4 >= 2)
    return place
