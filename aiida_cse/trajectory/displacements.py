"""Moments of the ions' displacements over a lag, by the layer where they began.

They are what equation 4 of Kozdra et al., PCCP 27, 24918 (2025) is made of: Var_k(Δr) = ⟨Δr²⟩_k − ⟨Δr⟩_k²,
over the time origins at which an ion is in layer k. Positions are taken in the frame of the slab and rounded to
whole numbers of 1/GRID Å, so that every sum is exact and two pieces of a production add up to the whole, bit for
bit. The rounding adds 2/12 GRID⁻² = 2 × 10⁻⁷ Å² to a variance. Sums of squares cannot overflow, because
:attr:`~aiida_cse.trajectory.config.ReductionConfig.displacement_range` bounds the positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.trajectory.blocks import join_blocks
from aiida_cse.trajectory.config import GRID, ReductionConfig
from aiida_cse.trajectory.kernels import add_pairs

__all__ = ["DisplacementMoments", "Displacements", "Samples"]


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
        (S, ions, 3) int32, from the slab's mid-plane and centre, unwrapped, in 1/GRID Å.
    layers
        (S, ions) int16, the layer of each ion, counted over all species.
    """

    frames: NDArray[np.int64]
    positions: NDArray[np.int32]
    layers: NDArray[np.int16]

    @classmethod
    def empty(cls, ions: int) -> Samples:
        """Return samples of no frame."""
        return cls(np.zeros(0, np.int64), np.zeros((0, ions, 3), np.int32), np.zeros((0, ions), np.int16))

    def join(self, later: Samples) -> Samples:
        """Return these samples followed by ``later``."""
        return Samples(
            np.concatenate([self.frames, later.frames]),
            np.concatenate([self.positions, later.positions]),
            np.concatenate([self.layers, later.layers]),
        )

    def last(self, number: int) -> Samples:
        """Return the last ``number`` samples, or all where there are fewer."""
        rows = slice(max(len(self.frames) - number, 0), None)
        return Samples(self.frames[rows], self.positions[rows], self.layers[rows])


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
        (H, ions, 3) int32, positions at the first displacement frames, as many as the longest lag has.
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
            head=np.zeros((0, ions, 3), np.int32),
            tail=Samples.empty(ions),
        )

    def follow(self, samples: Samples, config: ReductionConfig, first_block: int) -> None:
        """Go on with ``samples``; ``first_block`` is the number of the first block here."""
        window = self.tail.join(samples)
        longest = max(config.lag_samples)
        self._add(window.positions, window, len(self.tail.frames), config, first_block)
        self.head = np.concatenate([self.head, samples.positions])[:longest]
        self.tail = window.last(longest)

    def merge(self, later: Displacements, config: ReductionConfig, first_block: int, shift: int) -> Displacements:
        """Return these displacements, those of ``later`` and those from here to there.

        ``first_block`` is the number of the first block here, ``shift`` how many later the first one there is.
        """
        longest = max(config.lag_samples, default=0)
        merged = Displacements(
            counts=join_blocks(self.counts, later.counts, shift),
            sums=join_blocks(self.sums, later.sums, shift),
            squares=join_blocks(self.squares, later.squares, shift),
            head=np.concatenate([self.head, later.head])[:longest],
            tail=self.tail.join(later.tail).last(longest),
        )
        window = np.concatenate([self.tail.positions, later.head])
        merged._add(window, self.tail, len(self.tail.frames), config, first_block)
        return merged

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

    def _add(
        self,
        positions: NDArray[np.int32],
        origins: Samples,
        first_target: int,
        config: ReductionConfig,
        first_block: int,
    ) -> None:
        """Add the displacements from ``origins``, the first rows, to the rows from ``first_target`` on."""
        add_pairs(
            positions,
            origins.layers,
            origins.frames // config.block_frames - first_block,
            np.array(config.lag_samples, dtype=np.int64),
            first_target,
            self.counts,
            self.sums,
            self.squares,
        )
