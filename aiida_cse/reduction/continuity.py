"""Comparison of frames that are reduced again with the state that already holds them.

A run that continues from a checkpoint writes the frame of the checkpoint once more, and a run that was resumed
earlier repeats the frames since. What both states hold of these frames must agree: the slab's centre, the bins of
the ions in the snapshots and their positions in the displacement frames, the ions per region, and the histograms
of blocks of which both hold the same frames. Differences as large as the rounding of a trajectory format are
allowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import GRID
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.selection import Selection
from aiida_cse.reduction.state import State

__all__ = ["refuse_other_history", "refuse_other_run"]

#: largest difference (Å) between the slab's centres in two reductions of one frame
_CENTRE = 1e-4
#: Å by which an ion, or the atoms of a type on average, may differ: XTC rounds to 0.01 Å
_PLACE = 0.05
#: share of the ions of a species that rounding may put into another region, beside one ion
_REGION_SHARE = 0.01


def refuse_other_history(repeated: State, previous: State, path: Path) -> None:
    """Refuse frames that differ from those in the state: the run was not resumed exactly, or is another one.

    Parameters
    ----------
    repeated
        Frames of ``path``, all of which ``previous`` holds.
    previous
        The state that is continued.
    path
        First file of the frames, for the message.

    Raises
    ------
    TrajectoryError
        They differ by more than rounding; names the first difference.
    """
    for differences in (_centres, _snapshots, _displacement_frames, _regions, _histograms):
        for frame, words in differences(repeated, previous):
            step = frame * previous.config.frame_steps
            raise TrajectoryError(
                f"{path}: at step {step} {words}; the run continued from step {repeated.first_step} with other "
                "coordinates, so the earlier segments must be reduced up to that step only (until_step), or the "
                "file is of another run"
            )


def refuse_other_run(ions: State, atoms: State, path: Path, ions_path: Path) -> None:
    """Refuse a trajectory of all atoms that differs from that of the ions at the steps of both.

    Parameters
    ----------
    ions, atoms
        States of the frames of the ions and of all atoms.
    path, ions_path
        A file of all atoms and one of the ions, for the message.

    Raises
    ------
    TrajectoryError
        The slab, the box or the ions are not at the same places, each ion in snapshots of both; names the step.
    """
    own, others = ions.config.frame_steps, atoms.config.frame_steps
    steps = np.arange(atoms.start, atoms.stop, dtype=np.int64) * others
    steps = steps[(steps % own == 0) & (steps >= ions.first_step) & (steps <= ions.last_step)]
    rows, other_rows = steps // own - ions.start, steps // others - atoms.start
    moved = np.abs(ions.centres[rows] - atoms.centres[other_rows])
    moved = np.maximum(moved, np.abs(ions.edges[rows] - atoms.edges[other_rows]).max(axis=1))
    counts, expected = ions.region_counts[rows], atoms.region_counts[other_rows]
    allowed = 1 + _REGION_SHARE * expected.sum(axis=2)
    elsewhere = (np.abs(counts - expected).max(axis=2) > allowed).any(axis=1)
    wrong = (moved > _CENTRE) | elsewhere
    if wrong.any():
        row = int(np.argmax(wrong))
        words = f"ions are in other regions than in {ions_path}"
        if moved[row] > _CENTRE:
            words = f"the slab is {moved[row]:.3g} Å from where {ions_path} has it"
        raise TrajectoryError(f"{path}: at step {steps[row]} {words}; the two files are not of the same run")
    shared, rows, other_rows = np.intersect1d(ions.snapshots * own, atoms.snapshots * others, return_indices=True)
    for step, row, other_row in zip(shared, rows, other_rows, strict=True):
        apart = _apart(ions.snapshot_bins[row], atoms.snapshot_bins[other_row], ions)
        if (apart > _PLACE).any():
            raise TrajectoryError(
                f"{path}: at step {step} {_moved_ions(ions, apart, str(ions_path))}; the two files are not of the "
                "same run, or their atoms are not in the same order"
            )


def _centres(repeated: State, previous: State) -> Iterator[tuple[int, str]]:
    rows = slice(repeated.start - previous.start, repeated.stop - previous.start)
    differs = np.abs(repeated.centres - previous.centres[rows]) > _CENTRE
    if differs.any():
        yield repeated.start + int(np.argmax(differs)), "the slab is not where the state has it"


def _snapshots(repeated: State, previous: State) -> Iterator[tuple[int, str]]:
    rows = np.searchsorted(previous.snapshots, repeated.snapshots)
    for frame, bins, row in zip(repeated.snapshots, repeated.snapshot_bins, rows, strict=True):
        moved = _apart(bins, previous.snapshot_bins[row], previous)
        if (moved > _PLACE).any():
            yield int(frame), _moved_ions(previous, moved)


def _apart(bins: NDArray[np.integer], others: NDArray[np.integer], state: State) -> NDArray[np.float64]:
    """Return the least distances (Å) between ions in these bins; rounding moves an ion at most to the next bin."""
    grid = state.config.grid
    apart = np.abs(bins.astype(np.int64) - others)
    found: NDArray[np.float64] = np.maximum(np.minimum(apart, grid.bins - apart) - 1, 0) * grid.width
    return found


def _displacement_frames(repeated: State, previous: State) -> Iterator[tuple[int, str]]:
    """Compare positions, apart from whole edges of the box, by which unwrapping may differ."""
    mine, others = repeated.displacements.tail, previous.displacements.tail
    frames, own_rows, rows = np.intersect1d(mine.frames, others.frames, return_indices=True)
    box = np.array(previous.config.box)[:, None]
    for frame, own_row, row in zip(frames, own_rows, rows, strict=True):
        apart = (mine.positions[own_row].astype(np.float64) - others.positions[row]) / GRID
        moved = np.abs(apart - np.round(apart / box) * box).max(axis=0)
        if (moved > _PLACE).any():
            yield int(frame), _moved_ions(previous, moved)


def _moved_ions(state: State, moved: NDArray[np.float64], there: str = "the state") -> str:
    """Return how many ions of the species that moved most are elsewhere, from distances (ions,) in Å."""
    species, config = Selection.from_config(state.config).ion_species, state.config
    index = int(species[np.argmax(moved)])
    own = moved[species == index]
    return (
        f"{int((own > _PLACE).sum())} of {len(own)} {list(config.ions)[index]} are not where {there} has them, "
        f"{own.max():.2f} Å or more apart"
    )


def _regions(repeated: State, previous: State) -> Iterator[tuple[int, str]]:
    rows = slice(repeated.start - previous.start, repeated.stop - previous.start)
    counts, others = repeated.region_counts, previous.region_counts[rows]
    allowed = 1 + _REGION_SHARE * others.sum(axis=2)
    for row, index in np.argwhere(np.abs(counts - others).max(axis=2) > allowed):
        numbers = " and ".join(str(one[row, index].tolist()) for one in (counts, others))
        name = list(previous.config.ions)[index]
        yield (
            repeated.start + int(row),
            f"the numbers of {name} per region differ from those of the state, {numbers}",
        )


def _histograms(repeated: State, previous: State) -> Iterator[tuple[int, str]]:
    """Compare blocks of which both states hold the same frames, by the distance along z between their atoms.

    The distance is the least one by which the atoms of a type must be moved, on average, to turn one histogram
    into the other (Wasserstein's, on the circle of the periodic box).
    """
    config = previous.config
    for block in range(repeated.first_block, repeated.first_block + repeated.blocks):
        first, stop = block * config.block_frames, (block + 1) * config.block_frames
        held = [(max(first, state.start), min(stop, state.stop)) for state in (repeated, previous)]
        if held[0] != held[1]:
            continue
        for name, own in repeated.streams.items():
            counts = own[block - repeated.first_block]
            others = previous.streams[name][block - previous.first_block]
            flow = np.cumsum(counts - others, axis=1)
            flow = np.abs(flow - np.median(flow, axis=1, keepdims=True)).sum(axis=1)
            moved = flow * (config.box[2] / counts.shape[1]) / np.maximum(others.sum(axis=1), 1)
            if (moved > _PLACE).any():
                label = config.labels[int(np.argmax(moved))]
                yield (
                    held[0][0],
                    f"the atoms of type {label} are on average {moved.max():.2f} Å from where the state has them",
                )
