"""Moves of atoms from frame to frame, and whether they show that coordinates are wrapped into the box.

Wrapped coordinates jump by a box edge where an atom crosses the end of the box. Four findings tell such jumps from
true moves; d is a move along an axis of length L, relative to the framework:

* An atom of the framework, which does not diffuse, jumps by more than L/2.
* Some moves are near a multiple of L and none is far from all of them. True moves fill the gap between.
* There are many more moves of 3/4 L to 5/4 L than of L/2 to 3/4 L, although the first interval is only twice as
  wide. The lengths of true moves are spread with one maximum, at zero.
* Ions of one atom jump again and again by more than L/2, yet none covers more than L. With each further jump a
  true path has at least an even chance to leave. This one does not apply along z, where the slab confines ions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from aiida_cse.reduction.kernels.compiled import compiled

__all__ = ["FEW_MOVES", "WATCH_FRAMES", "Jump", "MoveWatch", "Tracers"]

#: moves are watched over this many frames at most, or from one displacement frame to the next
WATCH_FRAMES = 10
#: moves up to two boxes are counted in quarters of the box, longer ones by whether they are near a multiple of it
_QUARTERS = 10
#: quarters that are near a multiple of the box, and those that are not
_NEAR, _FAR = (3, 4, 7, 8), (1, 2, 5, 6, 9)
#: number of moves from which a gap between a quarter and three quarters is not due to chance; with fewer it must
#: lie between one and seven eighths
FEW_MOVES = 100
#: with fewer than this, ions must not cover more than the box either
_FEWEST_MOVES = 16
#: chance that sound coordinates are refused, for the last two findings
_CHANCE = 1e-9
#: further jumps of ions that stay within a box for this chance, at one half each
_RETURNS = 30
#: largest number of atoms of the framework that are watched
_FRAMEWORK = 512
#: Å; LAMMPS wraps atoms every few steps, so that wrapped ones may be beyond the box by this much on each side
_SLACK = 2.0


@dataclass(frozen=True)
class Tracers:
    """Atoms whose moves are watched.

    Attributes
    ----------
    atoms
        (P,) indices: one atom of each ion, then those of the framework.
    ions
        Number of ions among them.
    slack
        (ions,) distance by which the atom of an ion may be beyond the box although the ion is wrapped, Å.
    """

    atoms: NDArray[np.int32]
    ions: int
    slack: NDArray[np.float64]

    @classmethod
    def of(
        cls, starts: NDArray[np.int32], atoms: NDArray[np.int32], framework: NDArray[np.int32], widest: float
    ) -> Tracers:
        """Return the first atom of each ion, ``atoms[starts[i]:starts[i + 1]]``, and the framework.

        Ions of several atoms, of at most ``widest`` Å, may be wrapped as a whole. Of a large framework, every so
        many atoms are enough.
        """
        framework = framework[:: -(-len(framework) // _FRAMEWORK)]
        several = np.diff(starts) > 1
        return cls(
            np.concatenate([atoms[starts[:-1]], framework]).astype(np.int32),
            len(starts) - 1,
            2 * (_SLACK + np.where(several, widest, 0.0)),
        )


@dataclass(frozen=True)
class Jump:
    """Evidence for wrapped coordinates.

    Attributes
    ----------
    frame
        Number of the frame in the production.
    atom
        Index of the atom.
    axis
        Axis, 0 to 2.
    halves
        Size in units of L/2.
    why
        What shows that this is no true move.
    """

    frame: int
    atom: int
    axis: int
    halves: float
    why: str


@dataclass
class MoveWatch:
    """Moves of the tracers between the frames that were seen.

    Attributes
    ----------
    tracers
        The atoms.
    reach
        Largest difference between the numbers of the last frame of a sequence and of the first one of the next.
    moves
        Number of moves of an ion along one axis.
    quarters
        (2, 3, 10) moves of ions and of the framework along each axis by their length: in quarters of the box up to
        two boxes, of which the first is not counted, then longer ones near a multiple of the box, and others.
    largest, remainders
        (2, 3) largest move, and largest distance of a move from a multiple of the box, of ions and of the
        framework, in boxes.
    jumps
        (3, P) number of moves of more than half the box.
    low, high
        (3, ions) range of each ion, Å; it exceeds the box along an axis where :attr:`left` is set.
    left
        (3,) whether an ion was seen to cover more than the box.
    first
        (3, 2) number of the frame and tracer of the first move of more than half the box, −1 for none.
    first_size
        (3,) its size, in boxes.
    """

    tracers: Tracers
    reach: int = 1
    moves: int = 0
    quarters: NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, 3, _QUARTERS), np.int64))
    largest: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 3)))
    remainders: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 3)))
    first: NDArray[np.int64] = field(default_factory=lambda: np.full((3, 2), -1, np.int64))
    first_size: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    left: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(3, bool))

    def __post_init__(self) -> None:
        atoms, ions = len(self.tracers.atoms), self.tracers.ions
        self.jumps = np.zeros((3, atoms), np.int32)
        self.low = np.full((3, ions), np.inf, np.float32)
        self.high = np.full((3, ions), -np.inf, np.float32)
        self._last = np.zeros((3, atoms), np.float32)
        self._fresh = True
        #: (3, P) positions in the first and in the last frame of each sequence of frames, by the frame's number
        self._heads: dict[int, tuple[NDArray[np.float32], NDArray[np.float64]]] = {}
        self._tails: dict[int, NDArray[np.float32]] = {}

    def add(
        self,
        table: NDArray[np.float32],
        columns: tuple[int, int, int],
        rows: range,
        numbers: NDArray[np.int64],
        boxes: NDArray[np.float64],
        *,
        tracers_alone: bool = False,
    ) -> None:
        """Add the moves to each of the ``rows`` of a table of frames, with all three axes.

        Parameters
        ----------
        table, columns, boxes
            As in :class:`~aiida_cse.reduction.readers.base.Frames`.
        rows
            The frames to look at.
        numbers
            (rows,) numbers of these frames in the production.
        tracers_alone
            The table has the tracers in place of all atoms.
        """
        if not len(rows):
            return
        atoms = np.arange(len(self.tracers.atoms), dtype=np.int32) if tracers_alone else self.tracers.atoms
        if self._fresh:
            places = [table[rows[0], column + atoms] for column in columns]
            self._heads[int(numbers[0])] = np.array(places), boxes[rows[0]].copy()
        self._add(table, np.array(columns, np.int64), np.array(rows, np.int64), numbers, boxes, atoms)
        self._tails = {int(numbers[-1]): self._last}

    def _add(
        self,
        table: NDArray[np.float32],
        columns: NDArray[np.int64],
        rows: NDArray[np.int64],
        numbers: NDArray[np.int64],
        boxes: NDArray[np.float64],
        atoms: NDArray[np.int32],
    ) -> None:
        """Add the moves to each row; ``atoms`` are the columns of the tracers in each third of the table."""
        _add_moves(
            table,
            columns,
            rows,
            numbers,
            boxes,
            atoms,
            self.tracers.ions,
            self._fresh,
            self._last,
            self.low,
            self.high,
            self.quarters,
            self.largest,
            self.remainders,
            self.jumps,
            self.first,
            self.first_size,
        )
        self.moves += (len(rows) - self._fresh) * self.tracers.ions
        self._fresh = False

    def merge(self, other: MoveWatch, box: NDArray[np.float64]) -> None:
        """Add what ``other`` has seen of other frames; ``box`` (3,) Å."""
        self._sum(other, box)
        self._heads |= other._heads
        self._tails |= other._tails

    def join(self, box: NDArray[np.float64]) -> None:
        """Add the moves from each sequence of frames that was merged to the next one; ``box`` (3,) Å."""
        for number in sorted(self._tails):
            after = min((head for head in self._heads if head > number), default=None)
            if after is not None and after - number <= self.reach:
                before, (places, edges) = self._tails.pop(number), self._heads.pop(after)
                seam, atoms = MoveWatch(self.tracers), np.arange(len(self.tracers.atoms), dtype=np.int32)
                seam._add(
                    np.stack([before.ravel(), places.ravel()]),
                    np.arange(3, dtype=np.int64) * len(atoms),
                    np.arange(2, dtype=np.int64),
                    np.array([number, after]),
                    np.stack([edges, edges]),
                    atoms,
                )
                self._sum(seam, box)

    def _sum(self, other: MoveWatch, box: NDArray[np.float64]) -> None:
        """Add the numbers and ranges of ``other``."""
        self.moves += other.moves
        self.quarters += other.quarters
        self.largest = np.maximum(self.largest, other.largest)
        self.remainders = np.maximum(self.remainders, other.remainders)
        self.jumps += other.jumps
        self.left |= other.left | other.beyond(box)
        np.minimum(self.low, other.low, out=self.low)
        np.maximum(self.high, other.high, out=self.high)
        for axis in range(3):
            if other.first[axis, 0] >= 0 and not 0 <= self.first[axis, 0] <= other.first[axis, 0]:
                self.first[axis], self.first_size[axis] = other.first[axis], other.first_size[axis]

    def beyond(self, box: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether an ion covers more than the box (3,) along each axis, (3,)."""
        reach = self.high - self.low - self.tracers.slack > box[:, None]
        return self.left | reach.any(axis=1)

    def largest_move(self) -> tuple[float, int]:
        """Return the largest move of an ion, in units of L/2, and its axis."""
        axis = int(np.argmax(self.largest[0]))
        return 2 * float(self.largest[0, axis]), axis

    def find_wrap(self, box: NDArray[np.float64], *, least_moves: int = 0) -> Jump | None:
        """Return the evidence that coordinates are wrapped into the box (3,) Å, None if there is none.

        With ``least_moves``, moves of ions are judged only if there are at least so many along an axis.
        """
        beyond = self.beyond(box)
        for axis in range(3):
            why = self._why(axis, bool(beyond[axis]), least_moves)
            if why:
                frame, tracer = self.first[axis].tolist()
                return Jump(frame, int(self.tracers.atoms[tracer]), axis, 2 * float(self.first_size[axis]), why)
        return None

    def _why(self, axis: int, beyond: bool, least_moves: int) -> str:
        """Return what shows that moves along an axis are no true ones, empty if nothing does."""
        if self.first[axis, 0] < 0:
            return ""
        if self.largest[1, axis] > 0.5:
            return "atoms of the framework, which do not diffuse, jump"
        counts = self.quarters[0, axis]
        near, far = int(counts[list(_NEAR)].sum()), int(counts[list(_FAR)].sum())
        if self.moves < least_moves:
            return ""
        gap = self.moves >= FEW_MOVES or self.remainders[0, axis] < 0.125
        if near and not far and gap and (self.moves >= _FEWEST_MOVES or not beyond):
            moves = "1 move is" if near == 1 else f"{near} moves are"
            return f"{moves} about a box edge, and no other is longer than a quarter of it"
        between, around = int(counts[2]), int(counts[3] + counts[4])
        if special.bdtrc(around - 1, between + around, 2 / 3) < _CHANCE:
            return f"{around} moves are about a box edge, and only {between} lie between a half and three quarters"
        # ions of one atom: how far a molecule may be beyond the box is not known well enough
        jumps = self.jumps[axis, : self.tracers.ions][self.tracers.slack <= 2 * _SLACK]
        returns = int(np.maximum(jumps - 1, 0).sum())
        if axis < 2 and not beyond and returns >= _RETURNS:
            return f"{int(jumps.sum())} such jumps, and no ion covers more than the box"
        return ""


@compiled
def _add_moves(
    table: NDArray[np.float32],
    columns: NDArray[np.int64],
    rows: NDArray[np.int64],
    numbers: NDArray[np.int64],
    boxes: NDArray[np.float64],
    atoms: NDArray[np.int32],
    ions: int,
    fresh: bool,
    last: NDArray[np.float32],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    quarters: NDArray[np.int64],
    largest: NDArray[np.float64],
    remainders: NDArray[np.float64],
    jumps: NDArray[np.int32],
    first: NDArray[np.int64],
    first_size: NDArray[np.float64],
) -> Any:
    """Add the moves to the given rows to the arrays of a :class:`MoveWatch`."""
    for index in range(rows.shape[0]):
        for axis in range(3):
            values = table[rows[index], columns[axis] :]
            before = last[axis]
            length = boxes[rows[index], axis]
            if fresh and index == 0:
                before[:] = values[atoms]
            else:
                drift = np.float32(_drift(values, atoms, ions, length, before))
                for kind in range(2):
                    start, stop = (0, ions) if kind == 0 else (ions, atoms.shape[0])
                    small = np.float32(0)
                    quarter = np.float32(length / 4)
                    for k in range(start, stop):
                        value = values[np.uint32(atoms[k])]
                        size = abs(value - before[k] - drift)
                        before[k] = value
                        if size < quarter:
                            small = max(small, size)
                            continue
                        share = size / length
                        quarters[kind, axis, _quarter(share)] += 1
                        largest[kind, axis] = max(largest[kind, axis], share)
                        remainders[kind, axis] = max(remainders[kind, axis], abs(share - np.round(share)))
                        jumps[axis, k] += share > 0.5
                        if share > 0.5 > first_size[axis]:
                            first[axis, 0], first[axis, 1], first_size[axis] = numbers[index], k, share
                    largest[kind, axis] = max(largest[kind, axis], small / length)
                    remainders[kind, axis] = max(remainders[kind, axis], small / length)
            np.minimum(low[axis], before[:ions], low[axis])
            np.maximum(high[axis], before[:ions], high[axis])


@compiled
def _drift(
    values: NDArray[np.float32], atoms: NDArray[np.int32], ions: int, length: float, last: NDArray[np.float32]
) -> Any:
    """Return the mean move of the framework, Å, from the nearest images of the moves relative to one atom."""
    anchor = np.float64(values[atoms[ions]]) - last[ions]
    inverse, total = 1 / length, 0.0
    for k in range(ions, atoms.shape[0]):
        move = np.float64(values[np.uint32(atoms[k])]) - last[k] - anchor
        total += move - length * np.floor(move * inverse + 0.5)
    return anchor + total / (atoms.shape[0] - ions)


@compiled
def _quarter(size: float) -> Any:
    """Return the place of a move of ``size`` boxes among the quarters of a :class:`MoveWatch`."""
    place = int(4 * size)
    if place >= 8:
        return 8 + ((place + 1) % 4 >= 2)
    return place
