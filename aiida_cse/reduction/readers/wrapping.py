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

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from aiida_cse.reduction.kernels.moves import Moves, add_frames

__all__ = ["FEW_MOVES", "WATCH_FRAMES", "Jump", "MoveWatch", "Tracers"]

#: moves are watched over this many frames at most, or from one displacement frame to the next
WATCH_FRAMES = 10
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


class MoveWatch:
    """Moves of the tracers between the frames that were seen.

    Parameters
    ----------
    tracers
        The atoms.
    reach
        Largest difference between the numbers of the last frame of a sequence and of the first one of the next.

    Attributes
    ----------
    found
        Counts and positions, as the compiled loops take them.
    moves
        Number of moves of an ion along one axis.
    left
        (3,) whether an ion covers more than the box along each axis, in one of the watches that were merged.
    """

    def __init__(self, tracers: Tracers, reach: int = 1) -> None:
        self.tracers, self.reach = tracers, reach
        self.found = Moves.none(tracers.atoms, tracers.ions)
        self.left = np.zeros(3, bool)
        self._merged = 0
        #: (3, P) positions in the first and in the last frame of each sequence of frames, by the frame's number
        self._heads: dict[int, tuple[NDArray[np.float32], NDArray[np.float64]]] = {}
        self._tails: dict[int, NDArray[np.float32]] = {}

    @property
    def moves(self) -> int:
        """Number of moves of an ion along one axis, over all ions."""
        return self._merged + max(int(self.found.frames[2]) - 1, 0) * self.tracers.ions

    def add(
        self,
        table: NDArray[np.float32],
        columns: tuple[int, int, int],
        rows: range,
        numbers: NDArray[np.int64],
        boxes: NDArray[np.float64],
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
        """
        add_frames(table, columns, np.array(rows, np.int64), numbers, boxes, self.found)

    def merge(self, other: MoveWatch, box: NDArray[np.float64]) -> None:
        """Add what ``other``, which is not used again, has seen of other frames; ``box`` (3,) Å.

        A watch into which others are merged has seen no frames of its own.
        """
        self._sum(other, box)
        self._heads |= other._heads
        self._tails |= other._tails
        first, last, frames = other.found.frames.tolist()
        if frames:
            self._heads[first] = other.found.head, other.found.head_box
            self._tails[last] = other.found.last

    def join(self, box: NDArray[np.float64]) -> None:
        """Add the moves from each sequence of frames that was merged to the next one; ``box`` (3,) Å."""
        for number in sorted(self._tails):
            after = min((head for head in self._heads if head > number), default=None)
            if after is not None and after - number <= self.reach:
                before, (places, edges) = self._tails.pop(number), self._heads.pop(after)
                count, table = before.shape[1], np.stack([before.ravel(), places.ravel()])
                seam = MoveWatch(replace(self.tracers, atoms=np.arange(count, dtype=np.int32)))
                numbers, boxes = np.array([number, after]), np.stack([edges, edges])
                seam.add(table, (0, count, 2 * count), range(2), numbers, boxes)
                self._sum(seam, box)

    def _sum(self, other: MoveWatch, box: NDArray[np.float64]) -> None:
        """Add the numbers and ranges of ``other``."""
        own, new = self.found, other.found
        self._merged += other.moves
        self.left |= other.left | other.beyond(box)
        own.quarters[:] += new.quarters
        own.jumps[:] += new.jumps
        np.maximum(own.largest, new.largest, out=own.largest)
        np.maximum(own.remainders, new.remainders, out=own.remainders)
        np.minimum(own.low, new.low, out=own.low)
        np.maximum(own.high, new.high, out=own.high)
        for axis in range(3):
            if new.jump[axis, 0] >= 0 and not 0 <= own.jump[axis, 0] <= new.jump[axis, 0]:
                own.jump[axis], own.jump_size[axis] = new.jump[axis], new.jump_size[axis]

    def beyond(self, box: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether an ion covers more than the box (3,) along each axis, (3,)."""
        reach = self.found.high - self.found.low - self.tracers.slack > box[:, None]
        return self.left | reach.any(axis=1)

    def largest_move(self) -> tuple[float, int]:
        """Return the largest move of an ion, in units of L/2, and its axis."""
        axis = int(np.argmax(self.found.largest[0]))
        return 2 * float(self.found.largest[0, axis]), axis

    def find_wrap(self, box: NDArray[np.float64], *, least_moves: int = 0) -> Jump | None:
        """Return the evidence that coordinates are wrapped into the box (3,) Å, None if there is none.

        With ``least_moves``, moves of ions are judged only if there are at least so many along an axis.
        """
        beyond = self.beyond(box)
        for axis in range(3):
            why = self._why(axis, bool(beyond[axis]), least_moves)
            if why:
                frame, tracer = self.found.jump[axis].tolist()
                halves = 2 * float(self.found.jump_size[axis])
                return Jump(frame, int(self.tracers.atoms[tracer]), axis, halves, why)
        return None

    def _why(self, axis: int, beyond: bool, least_moves: int) -> str:
        """Return what shows that moves along an axis are no true ones, empty if nothing does."""
        if self.found.jump[axis, 0] < 0:
            return ""
        if self.found.largest[1, axis] > 0.5:
            return "atoms of the framework, which do not diffuse, jump"
        counts = self.found.quarters[0, axis]
        near, far = int(counts[list(_NEAR)].sum()), int(counts[list(_FAR)].sum())
        if self.moves < least_moves:
            return ""
        gap = self.moves >= FEW_MOVES or self.found.remainders[0, axis] < 0.125
        if near and not far and gap and (self.moves >= _FEWEST_MOVES or not beyond):
            moves = "1 move is" if near == 1 else f"{near} moves are"
            return f"{moves} about a box edge, and no other is longer than a quarter of it"
        between, around = int(counts[2]), int(counts[3] + counts[4])
        if special.bdtrc(around - 1, between + around, 2 / 3) < _CHANCE:
            return f"{around} moves are about a box edge, and only {between} lie between a half and three quarters"
        # ions of one atom: how far a molecule may be beyond the box is not known well enough
        jumps = self.found.jumps[axis, : self.tracers.ions][self.tracers.slack <= 2 * _SLACK]
        returns = int(np.maximum(jumps - 1, 0).sum())
        if axis < 2 and not beyond and returns >= _RETURNS:
            return f"{int(jumps.sum())} such jumps, and no ion covers more than the box"
        return ""
