"""The streaming pass: segments in, state out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aiida_cse.trajectory.config import ReductionConfig
from aiida_cse.trajectory.dcd import DcdFile, Frames, TrajectoryError
from aiida_cse.trajectory.kernels import bin_frames
from aiida_cse.trajectory.segments import Segment, SegmentPlan, plan_segments
from aiida_cse.trajectory.state import State

__all__ = ["Progress", "Selection", "reduce_plan", "reduce_segments"]

#: called with the frames done and the frames in all
Progress = Callable[[int, int], None]

#: coordinates that are held at once, in bytes
_CHUNK_BYTES = 4 * 2**20
#: more frames than this are never taken at once
_CHUNK_FRAMES = 4096
#: how far the box length may be from that of the configuration (relative), from rounding when it was written
_LENGTH_TOLERANCE = 1e-6
#: how far the slab may be from where an earlier reduction saw it in the same frame, Å
_CENTRE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Selection:
    """The configuration as the arrays that the kernels take; see there."""

    type_rows: NDArray[np.int64]
    framework: NDArray[np.int64]
    framework_weights: NDArray[np.float64]
    ion_starts: NDArray[np.int64]
    ion_atoms: NDArray[np.int64]
    ion_weights: NDArray[np.float64]
    ion_species: NDArray[np.int64]
    edges: NDArray[np.float64]
    cores: NDArray[np.float64]

    @property
    def ions(self) -> int:
        """Number of ions of all species."""
        return len(self.ion_species)

    @classmethod
    def from_config(cls, config: ReductionConfig) -> Selection:
        """Select the framework and the ions; ions are numbered species by species, then by atom or molecule."""
        types = np.array(config.atom_types, dtype=np.int64)
        masses = np.array(config.masses)[types - 1]
        framework = np.flatnonzero(np.isin(types, config.framework))
        groups = [_ions(config, name, types) for name in config.ions]
        atoms = [ion for group in groups for ion in group]
        flat = np.concatenate(atoms)
        sizes = np.array([len(ion) for ion in atoms])
        species = list(config.ions.values())
        return cls(
            type_rows=(types - 1) * config.bins,
            framework=framework,
            framework_weights=masses[framework] / masses[framework].sum(),
            ion_starts=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            ion_atoms=flat,
            ion_weights=masses[flat] / np.repeat([masses[ion].sum() for ion in atoms], sizes),
            ion_species=np.repeat(np.arange(len(groups)), [len(group) for group in groups]).astype(np.int64),
            edges=np.array([one.edges[1:-1] for one in species]),
            cores=np.array([_open_ended(one.cores) for one in species]),
        )


def reduce_segments(
    paths: Sequence[str | Path],
    config: ReductionConfig,
    previous: State | None = None,
    progress: Progress | None = None,
    *,
    until_step: int | None = None,
) -> State:
    """Reduce the segments of a production.

    Parameters
    ----------
    paths
        LAMMPS DCD files of unwrapped coordinates sorted by atom ID, in the order of time.
    config
        The system, its regions and the sampling.
    previous
        The state of earlier frames, which the segments must continue. Frames that it already holds are
        compared with it and not counted again.
    progress
        Called after each chunk.
    until_step
        Leave out the frames at or after this step.

    Raises
    ------
    TrajectoryError
        A file is damaged or of another system, box or stride, frames are missing, or the segments do not
        continue ``previous``.
    ValueError
        ``previous`` was made with another configuration.
    """
    return reduce_plan(plan_segments(paths, config, until_step), config, previous, progress)


def reduce_plan(
    plan: SegmentPlan,
    config: ReductionConfig,
    previous: State | None = None,
    progress: Progress | None = None,
) -> State:
    """Reduce the frames of a plan; as :func:`reduce_segments`."""
    if previous is not None:
        previous.check_config(config)
    if not plan.segments:
        if previous is None:
            raise TrajectoryError(f"there is no whole frame to reduce: {'; '.join(plan.notes) or 'no segments'}")
        return previous
    repeated, fresh = plan.split(plan.start if previous is None else previous.stop)
    stream = _Stream(Selection.from_config(config), config, progress, plan.frames)
    if previous is None:
        return stream.reduce(fresh)
    _refuse_unjoined(plan, previous)
    if repeated.segments:
        _compare(stream.reduce(repeated), previous, repeated)
    return previous.merge(stream.reduce(fresh)) if fresh.segments else previous


class _Stream:
    """Reads plans chunk by chunk and counts the frames that are done."""

    def __init__(
        self, selection: Selection, config: ReductionConfig, progress: Progress | None, total: int
    ) -> None:
        self._selection = selection
        self._config = config
        self._progress = progress
        self._total = total
        self._done = 0

    def reduce(self, plan: SegmentPlan) -> State:
        state = State.empty(self._config, plan.start, plan.start + plan.frames, self._selection.ions)
        chunk = min(max(_CHUNK_BYTES // (4 * self._config.natoms), 1), _CHUNK_FRAMES)
        for segment in plan.segments:
            with DcdFile(segment.path) as file:
                for offset in range(0, segment.count, chunk):
                    count = min(chunk, segment.count - offset)
                    frames = file.read(segment.first + offset, count)
                    _check_lengths(frames, self._config, segment, offset)
                    damaged = _take(frames, segment.start + offset, self._selection, state)
                    if damaged >= 0:
                        raise TrajectoryError(
                            f"{segment.path}: {_frame(damaged + offset, segment, self._config)} has a "
                            "coordinate that is not finite"
                        )
                    self._report(count)
        return state

    def _report(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


def _take(frames: Frames, start: int, selection: Selection, state: State) -> int:
    """Count consecutive frames, the first of which is frame ``start`` of the production.

    Returns the index of the first frame that is not finite, −1 if there is none.
    """
    count = len(frames.lengths)
    rows = slice(start - state.start, start - state.start + count)
    numbers = np.arange(start, start + count)
    labels = np.empty((count, selection.ions), dtype=np.int8)
    core_labels = np.empty_like(labels)
    state.lengths[rows] = frames.lengths
    damaged: int = bin_frames(
        frames.coordinates,
        frames.lengths,
        numbers // state.config.block_frames - state.first_block,
        state.config.bins,
        selection.type_rows,
        selection.framework,
        selection.framework_weights,
        state.config.midplane_offset,
        selection.ion_starts,
        selection.ion_atoms,
        selection.ion_weights,
        selection.ion_species,
        selection.edges,
        selection.cores,
        state.histograms.reshape(len(state.histograms), -1),
        state.point_histograms.reshape(len(state.point_histograms), -1),
        state.region_counts[rows],
        state.centres[rows],
        labels,
        core_labels,
    )
    snapshots = numbers % state.config.snapshot_frames == 0
    state.tracks["snapshot"].follow(labels[snapshots], numbers[snapshots])
    state.tracks["core"].follow(core_labels, numbers)
    return damaged


def _ions(config: ReductionConfig, name: str, types: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the atoms of each ion of a species."""
    species = config.ions[name]
    atoms = np.flatnonzero(np.isin(types, species.types))
    if species.point == "atom":
        return list(atoms[:, None])
    molecules = np.array(config.molecules, dtype=np.int64)[atoms]
    order = np.argsort(molecules, kind="stable")
    cuts = np.flatnonzero(np.diff(molecules[order])) + 1
    return np.split(atoms[order], cuts)


def _open_ended(cores: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Let the outermost cores reach to the periodic boundary, wherever it is."""
    bounds = list(cores)
    bounds[0] = (-np.inf, bounds[0][1])
    bounds[-1] = (bounds[-1][0], np.inf)
    return bounds


def _check_lengths(frames: Frames, config: ReductionConfig, segment: Segment, offset: int) -> None:
    wrong = np.abs(frames.lengths - config.box[2]) > _LENGTH_TOLERANCE * config.box[2]
    if wrong.any():
        row = int(np.argmax(wrong))
        raise TrajectoryError(
            f"{segment.path}: {_frame(row + offset, segment, config)} has a box of "
            f"{frames.lengths[row]:.6f} Å along z, the configuration {config.box[2]:.6f} Å"
        )


def _frame(index: int, segment: Segment, config: ReductionConfig) -> str:
    return f"frame {segment.first + index} (step {(segment.start + index) * config.frame_steps})"


def _refuse_unjoined(plan: SegmentPlan, previous: State) -> None:
    path, steps = plan.segments[0].path, previous.config.frame_steps
    if plan.start > previous.stop:
        raise TrajectoryError(
            f"{path}: starts at step {plan.start * steps}, but the state ends at step {previous.last_step}; "
            "the frames between are missing"
        )
    if plan.start < previous.start:
        raise TrajectoryError(
            f"{path}: starts at step {plan.start * steps}, before the state's first step {previous.first_step}"
        )


def _compare(repeated: State, previous: State, plan: SegmentPlan) -> None:
    """Refuse frames that the state holds with other coordinates: the run was not resumed exactly."""
    rows = slice(repeated.start - previous.start, repeated.stop - previous.start)
    difference = np.abs(repeated.centres - previous.centres[rows])
    if (difference > _CENTRE_TOLERANCE).any():
        frame = repeated.start + int(np.argmax(difference > _CENTRE_TOLERANCE))
        steps = previous.config.frame_steps
        raise TrajectoryError(
            f"{plan.segments[0].path}: at step {frame * steps} the slab is not where the state has it; the run "
            f"went on from step {repeated.first_step} with other coordinates, so the earlier segments must be "
            "reduced up to that step only (until_step)"
        )
