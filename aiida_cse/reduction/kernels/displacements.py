"""Compiled loops of displacements: positions of the ions along three axes, and sums over pairs of frames."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.kernels.compiled import compiled, weighted_sum
from aiida_cse.reduction.kernels.layout import Layout

__all__ = ["PairSums", "Ring", "add_pairs", "follow_samples"]


class PairSums(NamedTuple):
    """Sums over displacements: ``counts`` (B, layers, lags), ``sums`` and ``squares`` (B, layers, lags, 3)."""

    counts: NDArray[np.int64]
    sums: NDArray[np.int64]
    squares: NDArray[np.int64]


class Ring(NamedTuple):
    """The last R displacement frames; number k is in row k mod R.

    ``positions`` (R, 3, ions) are in 1/grid Å, ``layers`` is (R, ions), ``blocks`` (R,) the block of each frame,
    and ``head`` (R − 1, 3, ions) the first positions.
    """

    positions: NDArray[np.int32]
    layers: NDArray[np.int16]
    blocks: NDArray[np.int64]
    head: NDArray[np.int32]


@compiled
def _add_step(
    target: NDArray[np.int32],
    origin: NDArray[np.int32],
    layers: NDArray[np.int16],
    lag: int,
    counts: NDArray[np.int64],
    sums: NDArray[np.int64],
    squares: NDArray[np.int64],
) -> None:
    """Add the displacements between two frames, positions (3, ions), to the sums of the origin's block."""
    for ion in range(layers.shape[0]):
        layer = np.uint32(layers[ion])
        x = np.int64(target[0, ion]) - np.int64(origin[0, ion])
        y = np.int64(target[1, ion]) - np.int64(origin[1, ion])
        z = np.int64(target[2, ion]) - np.int64(origin[2, ion])
        counts[layer, lag] += 1
        sums[layer, lag, 0] += x
        sums[layer, lag, 1] += y
        sums[layer, lag, 2] += z
        squares[layer, lag, 0] += x * x
        squares[layer, lag, 1] += y * y
        squares[layer, lag, 2] += z * z


@compiled
def add_pairs(
    positions: NDArray[np.int32],
    layers: NDArray[np.int16],
    blocks: NDArray[np.int64],
    lags: NDArray[np.int64],
    first_target: int,
    to: PairSums,
) -> None:
    """Add the displacements that end in one of the rows from ``first_target`` on.

    ``positions`` (W, 3, ions) of equally spaced frames; ``layers`` (O, ions) and ``blocks`` (O,) of the first O
    of them, which may be origins; ``lags`` (L,) in rows.
    """
    for target in range(first_target, positions.shape[0]):
        for lag in range(lags.shape[0]):
            origin = target - lags[lag]
            if 0 <= origin < layers.shape[0]:
                block = blocks[origin]
                _add_step(
                    positions[target],
                    positions[origin],
                    layers[origin],
                    lag,
                    to.counts[block],
                    to.sums[block],
                    to.squares[block],
                )


@compiled
def _place_atoms(
    values: NDArray[np.float32],
    centre: float,
    atoms: NDArray[np.int32],
    grid: float,
    reach: float,
    positions: NDArray[np.int32],
) -> Any:
    """Write the positions of ions that are atoms; return the first that is beyond ``reach``, or −1."""
    for ion in range(atoms.shape[0]):
        distance = values[np.uint32(atoms[ion])] - centre
        if not abs(distance) <= reach:
            return ion
        positions[ion] = np.int32(np.rint(distance * grid))
    return -1


@compiled
def _place_molecules(
    values: NDArray[np.float32],
    centre: float,
    starts: NDArray[np.int32],
    layout: Layout,
    grid: float,
    reach: float,
    positions: NDArray[np.int32],
) -> Any:
    """Write the positions of ions that are centres of several atoms; return the first beyond ``reach``, or −1."""
    for ion in range(positions.shape[0]):
        place = weighted_sum(values, layout.ion_atoms, layout.ion_weights, starts[ion], starts[ion + 1])
        distance = place - centre
        if not abs(distance) <= reach:
            return ion
        positions[ion] = np.int32(np.rint(distance * grid))
    return -1


@compiled
def _place_ions(
    values: NDArray[np.float32],
    offset: float,
    layout: Layout,
    grid: float,
    reach: float,
    positions: NDArray[np.int32],
) -> Any:
    """Write the ions' distances from the framework's centre plus ``offset`` in whole numbers of 1/grid Å.

    Returns the first ion that is beyond ``reach`` (Å) or has no finite position, −1 if there is none.
    """
    centre = offset + weighted_sum(
        values, layout.framework, layout.framework_weights, 0, layout.framework.shape[0]
    )
    for species in range(layout.single.shape[0]):
        first, stop = layout.species_starts[species], layout.species_starts[species + 1]
        starts, own = layout.ion_starts[first : stop + 1], positions[first:stop]
        if layout.single[species]:
            far = _place_atoms(
                values, centre, layout.ion_atoms[starts[0] : starts[stop - first]], grid, reach, own
            )
        else:
            far = _place_molecules(values, centre, starts, layout, grid, reach, own)
        if far >= 0:
            return first + far
    return -1


@compiled
def follow_samples(
    table: NDArray[np.float32],
    columns: tuple[int, int, int],
    first: int,
    stride: int,
    layers: NDArray[np.int16],
    blocks: NDArray[np.int64],
    layout: Layout,
    lags: NDArray[np.int64],
    grid: float,
    reach: float,
    done: int,
    ring: Ring,
    to: PairSums,
) -> Any:
    """Add the displacements that end in the next displacement frames, the first of which is number ``done``.

    The frames are every ``stride``-th row of ``table`` from ``first`` on; x, y and z begin at ``columns`` of it.
    ``layers`` is (S, ions), ``blocks`` (S,). Returns number, ion and axis of the first ion that is beyond
    ``reach`` (Å) or has no finite position, three times −1 if there is none.
    """
    size, natoms = ring.positions.shape[0], layout.natoms
    for row in range(layers.shape[0]):
        slot = (done + row) % size
        for axis in range(3):
            values = table[first + row * stride, columns[axis] : columns[axis] + natoms]
            offset = layout.offset if axis == 2 else 0.0
            far = _place_ions(values, offset, layout, grid, reach, ring.positions[slot, axis])
            if far >= 0:
                return row, far, axis
        ring.layers[slot] = layers[row]
        ring.blocks[slot] = blocks[row]
        if done + row < ring.head.shape[0]:
            ring.head[done + row] = ring.positions[slot]
        for lag in range(lags.shape[0]):
            if done + row >= lags[lag]:
                origin = (done + row - lags[lag]) % size
                block = ring.blocks[origin]
                _add_step(
                    ring.positions[slot],
                    ring.positions[origin],
                    ring.layers[origin],
                    lag,
                    to.counts[block],
                    to.sums[block],
                    to.squares[block],
                )
    return -1, -1, -1
