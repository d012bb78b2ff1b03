"""Moments of the ions' displacements over a lag, by the layer where they began.

They are what equation 4 of Kozdra et al., PCCP 27, 24918 (2025) is made of: Var_k(Δr) = ⟨Δr²⟩_k − ⟨Δr⟩_k²,
over the time origins at which an ion is in layer k. Positions are taken in the frame of the slab and rounded to
whole numbers of 1/GRID Å, so that every sum is exact and two pieces of a production add up to the whole, bit for
bit. The rounding adds 2/12 GRID⁻² = 2 × 10⁻⁷ Å² to a variance. Sums of squares cannot overflow, because
:attr:`~aiida_cse.reduction.config.ReductionConfig.displacement_range` bounds the positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.blocks import join_blocks
from aiida_cse.reduction.config import GRID, ReductionConfig
from aiida_cse.reduction.kernels.displacements import PairSums, Ring, add_pairs, follow_samples
from aiida_cse.reduction.kernels.layout import Layout
from aiida_cse.reduction.readers.base import Frames
from aiida_cse.reduction.scratch import Scratch, release

__all__ = ["DisplacementMoments", "DisplacementPass", "Displacements", "FarIonError", "Samples"]


#: displacement frames of the longest lag stay in memory up to this size
_NEAR_BYTES = 2**24
#: of displacement frames so many are copied between two releases
_RELEASE_ROWS = 64


@dataclass(frozen=True)
class DisplacementMoments:
    """Moments of the displacements of one species; L layers, K lags, axes x, y, z.

    Attributes
    ----------
    layers
        Names of the layers at the origin.
    lags_ps
        The lags, ps.
    counts
        (blocks, L, K) int64, number of displacements that began in each block.
    sums, squares
        (blocks, L, K, 3) sum of the displacements, Å, and of their squares, Å².
    """

    layers: tuple[str, ...]
    lags_ps: tuple[float, ...]
    counts: NDArray[np.int64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """The ions at consecutive displacement frames.

    Attributes
    ----------
    frames
        (S,) numbers of the frames.
    positions
        (S, 3, ions) int32, from the slab's mid-plane and centre, unwrapped, in 1/GRID Å.
    layers
        (S, ions) int16, the layer of each ion, counted over all species.
    """

    frames: NDArray[np.int64]
    positions: NDArray[np.int32]
    layers: NDArray[np.int16]

    @classmethod
    def empty(cls, ions: int) -> Samples:
        """Return samples of no frame."""
        return cls(np.zeros(0, np.int64), np.zeros((0, 3, ions), np.int32), np.zeros((0, ions), np.int16))

    def last(self, number: int) -> Samples:
        """Return the last ``number`` of these samples, or all where there are fewer."""
        kept = slice(max(len(self.frames) - number, 0), None)
        return Samples(self.frames[kept], self.positions[kept], self.layers[kept])

    def join_last(self, later: Samples, number: int, scratch: Scratch) -> Samples:
        """Return the last ``number`` of these samples followed by ``later``, or all where there are fewer."""
        others = later.last(number)
        mine = self.last(number - len(others.frames))
        return Samples(
            scratch.join(mine.frames, others.frames),
            scratch.join(mine.positions, others.positions),
            scratch.join(mine.layers, others.layers),
        )


@dataclass
class Displacements:
    """Sums over all displacements that begin and end within a state, and what a seam needs.

    Layers are counted over all species; the blocks are those of the state, by the frame where a displacement
    began.

    Attributes
    ----------
    counts
        (blocks, layers, lags) int64.
    sums, squares
        (blocks, layers, lags, 3) int64, in 1/GRID Å and 1/GRID² Å².
    head
        (H, 3, ions) int32, positions at the first displacement frames, as many as the longest lag has.
    tail
        The last displacement frames, as many as the longest lag has.
    """

    counts: NDArray[np.int64]
    sums: NDArray[np.int64]
    squares: NDArray[np.int64]
    head: NDArray[np.int32]
    tail: Samples

    @classmethod
    def empty(cls, config: ReductionConfig, blocks: int, ions: int) -> Displacements:
        """Return the displacements of frames that are still to be counted."""
        shape = (blocks, sum(len(species.layers) for species in config.ions.values()), len(config.lags))
        return cls(
            counts=np.zeros(shape, np.int64),
            sums=np.zeros((*shape, 3), np.int64),
            squares=np.zeros((*shape, 3), np.int64),
            head=np.zeros((0, 3, ions), np.int32),
            tail=Samples.empty(ions),
        )

    def merge(
        self, later: Displacements, config: ReductionConfig, first_block: int, shift: int, scratch: Scratch
    ) -> Displacements:
        """Return these displacements, those of ``later`` and those from here to there.

        ``first_block`` is the number of the first block here, ``shift`` how many later the first one there is.
        """
        longest = max(config.lag_samples, default=0)
        merged = Displacements(
            counts=join_blocks(self.counts, later.counts, shift, scratch),
            sums=join_blocks(self.sums, later.sums, shift, scratch),
            squares=join_blocks(self.squares, later.squares, shift, scratch),
            head=scratch.join(self.head, later.head[: longest - len(self.head)]),
            tail=self.tail.join_last(later.tail, longest, scratch),
        )
        add_pairs(
            scratch.join(self.tail.positions, later.head),
            self.tail.layers,
            self.tail.frames // config.block_frames - first_block,
            np.array(config.lag_samples, dtype=np.int64),
            len(self.tail.frames),
            merged.pair_sums,
        )
        return merged

    @property
    def pair_sums(self) -> PairSums:
        """The sums as the kernels take them."""
        return PairSums(self.counts, self.sums, self.squares)

    def moments(self, config: ReductionConfig, name: str) -> DisplacementMoments:
        """Return the moments of the species ``name`` in Å and Å²."""
        species = list(config.ions)
        starts = np.cumsum([0, *(len(config.ions[one].layers) for one in species)])
        index = species.index(name)
        rows = slice(int(starts[index]), int(starts[index + 1]))
        return DisplacementMoments(
            layers=config.ions[name].layers,
            lags_ps=tuple(lag * config.frame_ps for lag in config.lags),
            counts=self.counts[:, rows].copy(),
            sums=self.sums[:, rows] / GRID,
            squares=self.squares[:, rows] / GRID**2,
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return everything as arrays by name."""
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
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Displacements:
        """Return what :meth:`arrays` was made from; raises KeyError where an array is missing."""
        return cls(
            counts=arrays["displacement_counts"],
            sums=arrays["displacement_sums"],
            squares=arrays["displacement_squares"],
            head=arrays["displacement_head"],
            tail=Samples(*(arrays[f"displacement_tail_{name}"] for name in ("frames", "positions", "layers"))),
        )


class DisplacementPass:
    """Goes through the displacement frames of a trajectory, of which it keeps as many as the longest lag has.

    Parameters
    ----------
    config, layout
        The settings, and the same as arrays.
    displacements, first_block
        What is added to, and the number of its first block.
    frames
        How many frames there are at most.
    scratch
        Where arrays are made that grow with the lags.
    """

    def __init__(
        self,
        config: ReductionConfig,
        layout: Layout,
        displacements: Displacements,
        first_block: int,
        frames: int,
        scratch: Scratch,
    ) -> None:
        self._config = config
        self._layout = layout
        self._to = displacements
        self._first_block = first_block
        self._scratch = scratch
        # of a lag longer than the run all samples are kept
        self._longest = min(max(config.lag_samples), frames // (config.displacement_frames or 1) + 1)
        self._reach = config.displacement_range
        self._lags = np.array(config.lag_samples, dtype=np.int64)
        rows, ions = self._longest + 1, len(layout.ion_starts) - 1
        near = Scratch() if 14 * rows * ions < _NEAR_BYTES else scratch
        self._ring = Ring(
            positions=near.zeros((rows, 3, ions), np.int32),
            layers=near.zeros((rows, ions), np.int16),
            blocks=np.zeros(rows, np.int64),
            head=scratch.zeros((rows - 1, 3, ions), np.int32),
        )
        self._done = 0
        self._last = -1

    def follow(
        self,
        frames: Frames,
        first: int,
        stride: int,
        numbers: NDArray[np.int64],
        layers: NDArray[np.int16],
    ) -> None:
        """Go on with consecutive displacement frames: every ``stride``-th of ``frames`` from row ``first`` on.

        ``numbers`` (S,) are those of the frames, ``layers`` (S, ions) those of the ions.

        Raises
        ------
        FarIonError
            An ion is farther from the slab than displacements can be summed, or nowhere.
        """
        row, ion, axis = follow_samples(
            frames.table,
            frames.columns,
            first,
            stride,
            layers,
            numbers // self._config.block_frames - self._first_block,
            self._layout,
            self._lags,
            float(GRID),
            self._reach,
            self._done,
            self._ring,
            self._to.pair_sums,
        )
        if row >= 0:
            raise FarIonError(int(numbers[row]), self._distance(frames, first + row * stride, ion, axis), axis)
        if self._done < self._longest:
            release(self._ring.head)
        self._done += len(numbers)
        self._last = int(numbers[-1])

    def finish(self) -> None:
        """Hand over what a seam needs."""
        count = min(self._done, self._longest)
        rows = np.arange(self._done - count, self._done) % (self._longest + 1)
        stride = self._config.displacement_frames or 1
        numbers = self._last - stride * np.arange(count - 1, -1, -1, dtype=np.int64)
        self._to.head = self._ring.head[:count]
        tail = Samples(
            numbers,
            self._scratch.zeros((count, *self._ring.positions.shape[1:]), np.int32),
            self._scratch.zeros((count, self._ring.layers.shape[1]), np.int16),
        )
        for target, row in enumerate(rows):
            tail.positions[target], tail.layers[target] = self._ring.positions[row], self._ring.layers[row]
            if target % _RELEASE_ROWS == 0:
                self.release()
                release(tail.positions, tail.layers)
        self._to.tail = tail

    def release(self) -> None:
        """Drop from memory what lies in a scratch folder."""
        release(self._ring.positions, self._ring.layers, self._ring.head)

    def _distance(self, frames: Frames, row: int, ion: int, axis: int) -> float:
        values, layout = frames.along(axis)[row].astype(np.float64), self._layout
        own = slice(layout.ion_starts[ion], layout.ion_starts[ion + 1])
        place = values[layout.ion_atoms[own]] @ layout.ion_weights[own]
        offset = layout.offset if axis == 2 else 0.0
        return float(place - values[layout.framework] @ layout.framework_weights - offset)


class FarIonError(ValueError):
    """In frame ``number`` an ion is ``distance`` Å from the slab along ``axis``, too far to sum displacements."""

    def __init__(self, number: int, distance: float, axis: int) -> None:
        super().__init__(f"frame {number}: an ion is {distance:g} Å from the slab along {'xyz'[axis]}")
        self.number, self.distance, self.axis = number, distance, axis
