"""Neighbours and diffusion from a trajectory, with errors from blocks of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.physics.rows import Estimate, block_average
from benchmarks.physics.runs import Track

__all__ = ["Shell", "diffusion", "first_shell"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: blocks of a trajectory, each of which gives a value of its own
BLOCKS = 5
#: Å; width of the bins of g(r)
_BIN = 0.04
#: Å²/ps in cm²/s
_CM2_PER_S = 1e-4


@dataclass(frozen=True)
class Shell:
    """The first maximum of g(r) in Å, and the mean number of neighbours within the requested distance."""

    distance: Estimate
    neighbours: Estimate


def first_shell(track: Track, centres: Mask, others: Mask, reach: float) -> Shell:
    """Return the first shell of the atoms ``others`` (N,) around ``centres`` (N,), two disjoint sets."""
    edges = np.arange(0.5, reach + _BIN, _BIN)
    counts = np.stack(
        [
            np.histogram(_distances(frame, box, centres, others, reach), edges)[0]
            for frame, box in zip(track.positions, track.boxes, strict=True)
        ]
    )
    blocks = np.array([block.mean(axis=0) for block in np.array_split(counts, BLOCKS)])
    return Shell(
        block_average([_maximum(block, edges) for block in blocks]),
        block_average(blocks.sum(axis=1) / np.count_nonzero(centres)),
    )


def _distances(
    frame: NDArray[np.float32], box: Floats, centres: Mask, others: Mask, reach: float
) -> NDArray[np.float64]:
    # a rounding error below zero would land on the box's upper end, which the tree does not take
    wrapped = np.mod(np.mod(frame.astype(np.float64), box), box)
    trees = [cKDTree(wrapped[atoms], boxsize=box) for atoms in (centres, others)]
    pairs = trees[0].sparse_distance_matrix(trees[1], reach, output_type="ndarray")
    distances: Floats = pairs["v"]
    return distances


def _maximum(counts: Floats, edges: Floats) -> float:
    """Return the position of the maximum of counts / r²: top of a parabola through the three highest points."""
    middles = (edges[1:] + edges[:-1]) / 2
    density = counts / middles**2
    top = int(density[1:-1].argmax()) + 1
    before, at, after = density[top - 1 : top + 2]
    curvature = before - 2 * at + after
    return float(middles[top] + _BIN * (before - after) / (2 * curvature) if curvature < 0 else middles[top])


def diffusion(track: Track, moving: Mask, framework: Mask, masses: Floats, lags: tuple[float, float]) -> Estimate:
    """Return the diffusion coefficient in cm²/s of ``moving`` (N,) relative to the centre of ``framework`` (N,).

    The mean squared displacement, over all origins of a block of time, grows by 6 D per time between two lags
    (ps): Einstein's relation. The longer one is cut to four fifths of a block.
    """
    positions = track.positions[:, moving].astype(np.float64)
    weights = masses[framework]
    positions -= np.average(track.positions[:, framework], axis=1, weights=weights)[:, None]
    spacing = float(track.times[1] - track.times[0])
    first, last = (round(lag / spacing) for lag in lags)
    return block_average([_slope(block, first, last, spacing) for block in np.array_split(positions, BLOCKS)])


def _slope(positions: Floats, first: int, last: int, spacing: float) -> float:
    frames = np.arange(first, min(last, len(positions) * 4 // 5) + 1)
    squared = [np.mean(np.sum((positions[lag:] - positions[:-lag]) ** 2, axis=2)) for lag in frames]
    return float(np.polyfit(frames * spacing, squared, 1)[0]) / 6 * _CM2_PER_S
