"""Moments of the ions' displacements over a lag, by the layer in which they began.

They are the terms of equation 4 of Kozdra et al., PCCP 27, 24918 (2025): Var_k(Δr) = ⟨Δr²⟩_k − ⟨Δr⟩_k², averaged
over the time origins at which an ion is in layer k. Positions are relative to the slab and rounded to multiples
of 1/GRID Å, so that all sums are exact integers and two parts of a production add up to the whole, bit for bit.
The rounding adds 2/12 GRID⁻² = 2 × 10⁻⁷ Å² to a variance. Sums of squares cannot overflow, because
:attr:`~aiida_cse.reduction.config.ReductionConfig.displacement_range` bounds the positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import GRID, ReductionConfig
from aiida_cse.reduction.kernels.displacements import (
    FRAMES_AT_ONCE,
    Following,
    PairSums,
    Ring,
    add_pairs,
    follow_samples,
    no_pairs,
    settle,
)
from aiida_cse.reduction.kernels.layout import Layout
from aiida_cse.reduction.readers.base import Frames

__all__ = ["DisplacementMoments", "DisplacementPass", "Displacements", "FarIonError", "Samples", "join_blocks"]


def join_blocks(earlier: NDArray[np.int64], later: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    """Add two stacks of time blocks, the second of which starts ``shift`` blocks after the first."""
    whole = np.zeros((shift + len(later), *earlier.shape[1:]), np.int64)
    whole[: len(earlier)] = earlier
    whole[shift:] += later
    return whole


@dataclass(frozen=True)
class DisplacementMoments:
    """Moments of the displacements of one species; L layers, K lags, axes x, y, z.

    Attributes
    ----------
    layers
        Names of the layers at the origin.
    lags_ps
        Lags, ps.
    counts
        (blocks, L, K) int64, number of displacements that began in each block.
    sums, squares
        (blocks, L, K, 3) sums of the displacements, Å, and of their squares, Å².
    """

    layers: tuple[str, ...]
    lags_ps: tuple[float, ...]
    counts: NDArray[np.int64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """Ions at consecutive displacement frames.

    Attributes
    ----------
    frames
        (S,) numbers of the frames.
    positions
        (S, 3, ions) int32, unwrapped, relative to the slab's mid-plane and centre, in 1/GRID Å.
    layers
        (S, ions) int16, layer of each ion, counted over all species.
    """

    frames: NDArray[np.int64]
    positions: NDArray[np.int32]
    layers: NDArray[np.int16]

    def last(self, number: int) -> Samples:
        """Return the last ``number`` samples, or all if there are fewer."""
        kept = slice(max(len(self.frames) - number, 0), None)
        return Samples(self.frames[kept], self.positions[kept], self.layers[kept])


@dataclass
class Displacements:
    """Sums over all displacements that begin and end within a state, and the samples that a merge needs.

    Layers are counted over all species. Blocks are those of the state; a displacement belongs to the block in
    which it began.

    Attributes
    ----------
    counts
        (blocks, layers, lags) int64.
    sums, squares
        (blocks, layers, lags, 3) int64, in 1/GRID Å and 1/GRID² Å².
    head
        (H, 3, ions) int32, positions at the first displacement frames, at most as many as the longest lag spans.
    tail
        The last displacement frames, at most as many as the longest lag spans.
    """

    counts: NDArray[np.int64]
    sums: NDArray[np.int64]
    squares: NDArray[np.int64]
    head: NDArray[np.int32]
    tail: Samples

    @classmethod
    def empty(cls, config: ReductionConfig, blocks: int, ions: int) -> Displacements:
        """Return sums of zero for frames that are still to be counted."""
        shape = (blocks, sum(len(species.layers) for species in config.ions.values()), len(config.lags))
        return cls(
            counts=np.zeros(shape, np.int64),
            sums=np.zeros((*shape, 3), np.int64),
            squares=np.zeros((*shape, 3), np.int64),
            head=np.zeros((0, 3, ions), np.int32),
            tail=Samples(np.zeros(0, np.int64), np.zeros((0, 3, ions), np.int32), np.zeros((0, ions), np.int16)),
        )

    def merge(self, later: Displacements, config: ReductionConfig, first_block: int, shift: int) -> Displacements:
        """Return the sums of both and of the displacements that begin here and end in ``later``.

        ``first_block`` is the number of this first block; that of ``later`` is ``shift`` blocks behind it.
        """
        longest = max(config.lag_samples, default=0)
        new = later.tail.last(longest)
        old = self.tail.last(longest - len(new.frames))
        merged = Displacements(
            counts=join_blocks(self.counts, later.counts, shift),
            sums=join_blocks(self.sums, later.sums, shift),
            squares=join_blocks(self.squares, later.squares, shift),
            head=np.concatenate([self.head, later.head[: longest - len(self.head)]]),
            tail=Samples(
                np.concatenate([old.frames, new.frames]),
                np.concatenate([old.positions, new.positions]),
                np.concatenate([old.layers, new.layers]),
            ),
        )
        add_pairs(
            np.concatenate([self.tail.positions, later.head]),
            self.tail.layers,
            self.tail.frames // config.block_frames - first_block,
            np.array(config.lag_samples, dtype=np.int64),
            len(self.tail.frames),
            PairSums(merged.counts, merged.sums, merged.squares),
        )
        return merged

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all arrays by the names that they have in the file of a state."""
        return {
            "displacement_counts": self.counts,
            "displacement_sums": self.sums,
            "displacement_squares": self.squares,
            "displacement_head": self.head,
            "displacement_tail_frames": self.tail.frames,
            "displacement_tail_positions": self.tail.positions,
            "displacement_tail_layers": self.tail.layers,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Displacements:
        """Return the sums that :meth:`arrays` was called on; raises KeyError if an array is missing."""
        return cls(
            counts=arrays["displacement_counts"],
            sums=arrays["displacement_sums"],
            squares=arrays["displacement_squares"],
            head=arrays["displacement_head"],
            tail=Samples(*(arrays[f"displacement_tail_{name}"] for name in ("frames", "positions", "layers"))),
        )


class DisplacementPass:
    """One pass over the displacement frames of a trajectory; those that the longest lag spans and a few are kept.

    Parameters
    ----------
    config, layout
        The settings, and the same as arrays.
    displacements, first_block
        Sums to add to, and the number of their first block.
    start, frames
        Number of the first frame, and upper bound on the number of frames.

    Attributes
    ----------
    following
        The same as compiled loops take it.
    """

    def __init__(
        self,
        config: ReductionConfig,
        layout: Layout,
        displacements: Displacements,
        first_block: int,
        start: int,
        frames: int,
    ) -> None:
        self._layout, self._to = layout, displacements
        self._stride = config.displacement_frames or 1
        self._first = -(-start // self._stride) * self._stride
        # if a lag is longer than the run, all samples are kept
        self._longest = min(max(config.lag_samples, default=0), frames // self._stride + 1)
        rows, ions = self._longest + FRAMES_AT_ONCE, len(layout.ion_starts) - 1
        self.following = Following(
            lags=np.array(config.lag_samples, dtype=np.int64),
            grid=float(GRID),
            reach=config.displacement_range,
            block=config.block_frames,
            first_block=first_block,
            done=np.zeros(1, np.int64),
            far=np.full(2, -1, np.int64),
            places=np.empty(ions),
            ring=Ring(
                positions=np.zeros((rows, 3, ions), np.int32),
                layers=np.zeros((rows, ions), np.int16),
                blocks=np.zeros(rows, np.int64),
                head=np.zeros((self._longest, 3, ions), np.int32),
            ),
            pending=no_pairs(len(config.lag_samples), ions),
            to=PairSums(displacements.counts, displacements.sums, displacements.squares),
        )

    def follow(
        self,
        frames: Frames,
        first: int,
        stride: int,
        number: int,
        layers: NDArray[np.int16],
    ) -> None:
        """Add the displacements that end in every ``stride``-th of ``frames`` from row ``first`` on.

        These must be the next displacement frames; ``number`` is that of the first one, ``layers`` (S, ions) are
        the layers of the ions in them.

        Raises
        ------
        FarIonError
            An ion is so far from the slab that sums could overflow, or has no finite position.
        """
        row = follow_samples(
            frames.table, frames.columns, first, stride, number, self._stride, layers, self._layout, self.following
        )
        if row >= 0:
            raise self.far_ion(frames, first + row * stride, number + row * self._stride)

    def far_ion(self, frames: Frames, row: int, number: int) -> FarIonError:
        """Return the error for the ion that was too far in a row of ``frames``, of frame ``number``."""
        (ion, axis), layout = self.following.far.tolist(), self._layout
        values = frames.along(axis)[row].astype(np.float64)
        own = slice(layout.ion_starts[ion], layout.ion_starts[ion + 1])
        place = values[layout.ion_atoms[own]] @ layout.ion_weights[own]
        offset = layout.offset if axis == 2 else 0.0
        distance = float(place - values[layout.framework] @ layout.framework_weights - offset)
        return FarIonError(number, distance, axis)

    def finish(self) -> None:
        """Complete the sums, and store the first and the last samples, which a merge needs."""
        done, ring = int(self.following.done[0]), self.following.ring
        for lag in range(len(self.following.lags)):
            settle(lag, self.following.pending, self.following.to)
        count = min(done, self._longest)
        rows = np.arange(done - count, done)
        numbers = self._first + self._stride * rows.astype(np.int64)
        slots = rows % len(ring.positions)
        self._to.head = ring.head[:count]
        self._to.tail = Samples(numbers, ring.positions[slots], ring.layers[slots])


class FarIonError(ValueError):
    """In frame ``number`` an ion is ``distance`` Å from the slab along ``axis``, too far to sum displacements."""

    def __init__(self, number: int, distance: float, axis: int) -> None:
        super().__init__(f"frame {number}: an ion is {distance:g} Å from the slab along {'xyz'[axis]}")
        self.number, self.distance, self.axis = number, distance, axis
