"""Compiled loops of displacements: positions of the ions along three axes, and sums over pairs of frames."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.kernels.compiled import compiled, copy, uncounted, weighted_sum, weighted_sums
from aiida_cse.reduction.kernels.layout import Layout

__all__ = ["FRAMES_AT_ONCE", "Following", "PairSums", "Ring", "add_pairs", "follow_samples", "no_pairs", "settle"]

#: number of ions that are checked together for one that is not at home
_IONS_AT_ONCE = 64
#: steps over a lag after which every ion gets a new home
_STEPS_AT_ONCE = 64
#: number of ions that are summed over several frames before the next
_SUMMED_AT_ONCE = 256
#: number of frames that may be added together; the ring has room for these and for all possible origins
FRAMES_AT_ONCE = 8


class PairSums(NamedTuple):
    """Sums over displacements: ``counts`` (B, layers, lags), ``sums`` and ``squares`` (B, layers, lags, 3)."""

    counts: NDArray[np.int64]
    sums: NDArray[np.int64]
    squares: NDArray[np.int64]


class Ring(NamedTuple):
    """The last R displacement frames; number k is in row k mod R.

    ``positions`` (R, 3, ions) are in 1/grid Å, ``layers`` is (R, ions), ``blocks`` (R,) the block of each frame,
    and ``head`` (H, 3, ions) the first positions. The longest lag spans H frames; R = H + :data:`FRAMES_AT_ONCE`.
    """

    positions: NDArray[np.int32]
    layers: NDArray[np.int16]
    blocks: NDArray[np.int64]
    head: NDArray[np.int32]


class Pending(NamedTuple):
    """Displacements over each of K lags that are summed by ion until they move to the sums of the layers.

    Sums by ion need no table, so that the processor adds several ions at once. Each ion has a home, its layer when
    the sums were empty. A displacement that begins in another layer moves from the home to that layer at once.

    Attributes
    ----------
    sums, squares
        (K, 3, ions) sums of the displacements and of their squares.
    homes, away
        (K, ions) home of each ion; (ions + 1,) buffer for the ions that are not at home.
    steps, blocks
        (K,) displacements of each ion that are summed, and the block in which they began.
    """

    sums: NDArray[np.int64]
    squares: NDArray[np.int64]
    homes: NDArray[np.int16]
    away: NDArray[np.int32]
    steps: NDArray[np.int64]
    blocks: NDArray[np.int64]


class Following(NamedTuple):
    """Displacements while frames are read.

    Attributes
    ----------
    lags
        (K,) lags in displacement frames.
    grid, reach
        Positions are in 1/grid Å, and at most ``reach`` (Å) from the slab.
    block, first_block
        Number of frames per block, and number of the first block of the sums.
    done, far, places
        (1,) number of displacement frames so far; (2,) ion and axis of a position beyond ``reach``; a buffer.
    ring, pending, to
        The last displacement frames, and the sums: those that still have to be settled, and all others.
    """

    lags: NDArray[np.int64]
    grid: float
    reach: float
    block: int
    first_block: int
    done: NDArray[np.int64]
    far: NDArray[np.int64]
    places: NDArray[np.float64]
    ring: Ring
    pending: Pending
    to: PairSums


@compiled
def no_pairs(lags: int, ions: int) -> Any:
    """Return empty sums by ion."""
    return Pending(
        np.zeros((lags, 3, ions), np.int64),
        np.zeros((lags, 3, ions), np.int64),
        np.zeros((lags, ions), np.int16),
        np.zeros(ions + 1, np.int32),
        np.zeros(lags, np.int64),
        np.zeros(lags, np.int64),
    )


@uncounted
def settle(lag: int, pending: Pending, to: PairSums) -> None:
    """Move the sums of all ions over a lag to their homes."""
    homes, steps = pending.homes[lag], pending.steps[lag]
    block = pending.blocks[lag]
    counts, sums, squares = to.counts[block, :, lag], to.sums[block, :, lag], to.squares[block, :, lag]
    if steps > 0:
        for ion in range(homes.shape[0]):
            counts[homes[ion]] += steps
            for axis in range(3):
                sums[homes[ion], axis] += pending.sums[lag, axis, ion]
                squares[homes[ion], axis] += pending.squares[lag, axis, ion]
                pending.sums[lag, axis, ion] = 0
                pending.squares[lag, axis, ion] = 0
        pending.steps[lag] = 0


@uncounted
def _find_away(homes: NDArray[np.int16], layers: NDArray[np.int16], away: NDArray[np.int32]) -> Any:
    """Write to ``away`` the ions that are not at home; return how many. Most groups of ions have none."""
    found, ions = np.uint32(0), layers.shape[0]
    for first in range(0, ions, _IONS_AT_ONCE):
        differ = np.int16(0)
        if first + _IONS_AT_ONCE <= ions:
            own, at_home = layers[first : first + _IONS_AT_ONCE], homes[first : first + _IONS_AT_ONCE]
            for k in range(_IONS_AT_ONCE):
                differ |= at_home[k] ^ own[k]
            if differ == 0:
                continue
        for ion in range(np.uint64(first), np.uint64(min(first + _IONS_AT_ONCE, ions))):
            away[found] = ion
            found += np.uint32(homes[ion] != layers[ion])
    return found


@uncounted
def _sum_moves(
    axis: int,
    targets: NDArray[np.int32],
    origins: NDArray[np.int32],
    sums: NDArray[np.int64],
    squares: NDArray[np.int64],
) -> None:
    """Add the displacements from ``origins`` to ``targets`` (F, 3, ions) along an axis to the sums by ion.

    A few ions are summed over all frames before the next, so that their sums stay in the fastest cache.
    """
    for first in range(0, sums.shape[0], _SUMMED_AT_ONCE):
        stop = min(first + _SUMMED_AT_ONCE, sums.shape[0])
        own_sums, own_squares = sums[first:stop], squares[first:stop]
        for frame in range(targets.shape[0]):
            ends, starts = targets[frame, axis][first:stop], origins[frame, axis][first:stop]
            for ion in range(stop - first):
                # a move fits 32 bits, and the product of two such numbers is the fast one
                move = np.int64(np.int32(ends[ion] - starts[ion]))
                own_sums[ion] += move
                own_squares[ion] += move * move


@uncounted
def _move_home(
    target: NDArray[np.int32],
    origin: NDArray[np.int32],
    layers: NDArray[np.int16],
    block: int,
    lag: int,
    pending: Pending,
    to: PairSums,
) -> None:
    """Move the displacements that begin in another layer than the home of the ion from there to that layer."""
    homes = pending.homes[lag]
    for k in range(_find_away(homes, layers, pending.away)):
        ion = np.uint32(pending.away[k])
        home, layer = np.uint32(homes[ion]), np.uint32(layers[ion])
        to.counts[block, home, lag] -= 1
        to.counts[block, layer, lag] += 1
        for axis in range(3):
            move = np.int64(target[axis, ion]) - np.int64(origin[axis, ion])
            to.sums[block, home, lag, axis] -= move
            to.sums[block, layer, lag, axis] += move
            to.squares[block, home, lag, axis] -= move * move
            to.squares[block, layer, lag, axis] += move * move


@uncounted
def _add_steps(
    targets: NDArray[np.int32],
    origins: NDArray[np.int32],
    layers: NDArray[np.int16],
    blocks: NDArray[np.int64],
    lag: int,
    pending: Pending,
    to: PairSums,
) -> None:
    """Add the displacements from the first of ``origins`` to the first of ``targets``, and so on.

    Both are (F, 3, ions) positions; ``layers`` (F, ions) and ``blocks`` (F,) are those of the origins.
    """
    first = 0
    while first < blocks.shape[0]:
        block = blocks[first]
        if block != pending.blocks[lag] or pending.steps[lag] == _STEPS_AT_ONCE:
            settle(lag, pending, to)
        if pending.steps[lag] == 0:
            pending.blocks[lag] = block
            copy(layers[first], pending.homes[lag])
        stop = first
        while stop < blocks.shape[0] and blocks[stop] == block and pending.steps[lag] < _STEPS_AT_ONCE:
            _move_home(targets[stop], origins[stop], layers[stop], block, lag, pending, to)
            pending.steps[lag] += 1
            stop += 1
        for axis in range(3):
            sums, squares = pending.sums[lag, axis], pending.squares[lag, axis]
            _sum_moves(axis, targets[first:stop], origins[first:stop], sums, squares)
        first = stop


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
    pending = no_pairs(lags.shape[0], layers.shape[1])
    for lag in range(lags.shape[0]):
        first = max(first_target - lags[lag], 0)
        stop = min(positions.shape[0] - lags[lag], layers.shape[0])
        if first < stop:
            targets = positions[first + lags[lag] : stop + lags[lag]]
            _add_steps(targets, positions[first:stop], layers[first:stop], blocks[first:stop], lag, pending, to)
        settle(lag, pending, to)


@uncounted
def _place_atoms(
    values: NDArray[np.float32],
    centre: float,
    atoms: NDArray[np.int32],
    grid: float,
    reach: float,
    positions: NDArray[np.int32],
) -> Any:
    """Write the positions of ions that are atoms; return the first that is beyond ``reach``, or −1."""
    count, near = atoms.shape[0], 0
    if atoms[count - 1] - atoms[0] == count - 1:
        own = values[atoms[0] : atoms[0] + count]
        for ion in range(count):
            distance = own[ion] - centre
            near += abs(distance) <= reach
            positions[ion] = np.int32(np.rint(distance * grid))
    else:
        for ion in range(count):
            distance = values[np.uint32(atoms[ion])] - centre
            near += abs(distance) <= reach
            positions[ion] = np.int32(np.rint(distance * grid))
    if near < count:
        for ion in range(count):
            if not abs(values[atoms[ion]] - centre) <= reach:
                return ion
    return -1


@uncounted
def _place_molecules(
    values: NDArray[np.float32],
    centre: float,
    starts: NDArray[np.int32],
    layout: Layout,
    grid: float,
    reach: float,
    places: NDArray[np.float64],
    positions: NDArray[np.int32],
    size: int,
) -> Any:
    """Write the positions of ions that are centres of several atoms; return the first beyond ``reach``, or −1.

    ``places`` (ions,) is a buffer, ``size`` as in :func:`~aiida_cse.reduction.kernels.compiled.weighted_sums`.
    """
    weighted_sums(values, starts, layout.ion_atoms, layout.ion_weights, places, size)
    for ion in range(positions.shape[0]):
        distance = places[ion] - centre
        if not abs(distance) <= reach:
            return ion
        positions[ion] = np.int32(np.rint(distance * grid))
    return -1


@uncounted
def _place_ions(
    values: NDArray[np.float32],
    offset: float,
    layout: Layout,
    grid: float,
    reach: float,
    places: NDArray[np.float64],
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
            sums, size = places[first:stop], layout.sizes[species]
            far = _place_molecules(values, centre, starts, layout, grid, reach, sums, own, size)
        if far >= 0:
            return first + far
    return -1


@uncounted
def follow_samples(
    table: NDArray[np.float32],
    columns: tuple[int, int, int],
    first: int,
    stride: int,
    number: int,
    step: int,
    layers: NDArray[np.int16],
    layout: Layout,
    following: Following,
) -> Any:
    """Add the displacements that end in the next displacement frames.

    The frames are every ``stride``-th row of ``table`` from ``first`` on; x, y and z begin at ``columns`` of it.
    Their numbers are ``step`` apart from ``number`` on; ``layers`` (S, ions) are those of their ions. Returns
    the first of the frames with an ion that is beyond reach or has no finite position, −1 if there is none.
    """
    for row in range(0, layers.shape[0], FRAMES_AT_ONCE):
        stop = min(row + FRAMES_AT_ONCE, layers.shape[0])
        for one in range(row, stop):
            frame = table[first + one * stride]
            if not _place_frame(frame, columns, number + one * step, layers[one], layout, following):
                return one
        _add_last(stop - row, following)
    return -1


@uncounted
def _place_frame(
    values: NDArray[np.float32],
    columns: tuple[int, int, int],
    number: int,
    layers: NDArray[np.int16],
    layout: Layout,
    following: Following,
) -> Any:
    """Put the next displacement frame into the ring; return whether all ions are within reach."""
    ring, done = following.ring, following.done[0]
    slot = done % ring.positions.shape[0]
    for axis in range(3):
        own, offset = values[columns[axis] : columns[axis] + layout.natoms], layout.offset if axis == 2 else 0.0
        positions, grid, reach = ring.positions[slot, axis], following.grid, following.reach
        far = _place_ions(own, offset, layout, grid, reach, following.places, positions)
        if far >= 0:
            following.far[0], following.far[1] = far, axis
            return False
    copy(layers, ring.layers[slot])
    ring.blocks[slot] = number // following.block - following.first_block
    if done < ring.head.shape[0]:
        copy(ring.positions[slot].reshape(-1), ring.head[done].reshape(-1))
    following.done[0] += 1
    return True


@uncounted
def _add_last(frames: int, following: Following) -> None:
    """Add the displacements that end in one of the last frames of the ring."""
    ring, lags, done = following.ring, following.lags, following.done[0]
    size = ring.positions.shape[0]
    for lag in range(lags.shape[0]):
        target = max(done - frames, lags[lag])
        while target < done:
            # as many as follow each other in the ring
            end, begin = target % size, (target - lags[lag]) % size
            count = min(done - target, size - end, size - begin)
            starts = slice(begin, begin + count)
            _add_steps(
                ring.positions[end : end + count],
                ring.positions[starts],
                ring.layers[starts],
                ring.blocks[starts],
                lag,
                following.pending,
                following.to,
            )
            target += count
