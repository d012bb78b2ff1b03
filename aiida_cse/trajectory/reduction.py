"""The streaming pass: segments in, state out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aiida_cse.trajectory.config import GRID, ReductionConfig
from aiida_cse.trajectory.dcd import DcdFile, Frames, TrajectoryError
from aiida_cse.trajectory.displacements import Samples
from aiida_cse.trajectory.kernels import bin_frames
from aiida_cse.trajectory.segments import Segment, SegmentPlan, plan_segments
from aiida_cse.trajectory.selection import Selection
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
        self._range = config.displacement_range

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
                    self._take_displacements(file, frames, segment, offset, state)
                    self._report(count)
        return state

    def _take_displacements(
        self, file: DcdFile, frames: Frames, segment: Segment, offset: int, state: State
    ) -> None:
        """Go on with the displacement frames among ``frames``, the first of which is ``offset`` in the segment."""
        stride = self._config.displacement_frames
        if stride is None:
            return
        start = segment.start + offset
        first = -start % stride
        numbers = np.arange(start + first, start + len(frames.lengths), stride)
        if not len(numbers):
            return
        chosen = Frames(frames.coordinates[first::stride], frames.lengths[first::stride])
        z = self._selection.place(chosen.coordinates, self._config.midplane_offset)
        layers = self._selection.layers(z, chosen.lengths)
        row = segment.first + offset + first
        x, y = (
            self._selection.place(file.read(row, len(numbers), axis, stride).coordinates, 0.0) for axis in (0, 1)
        )
        points = np.stack([x, y, z], axis=-1)
        self._refuse_far(points, segment, numbers)
        positions = np.rint(points * GRID).astype(np.int32)
        state.displacements.follow(Samples(numbers, positions, layers), self._config, state.first_block)

    def _refuse_far(self, points: NDArray[np.float64], segment: Segment, numbers: NDArray[np.int64]) -> None:
        far = ~(np.abs(points) <= self._range)
        if far.any():
            row, ion, axis = np.argwhere(far)[0].tolist()
            frame = _frame(int(numbers[row]) - segment.start, segment, self._config)
            raise TrajectoryError(
                f"{segment.path}: {frame} has an ion at {points[row, ion, axis]:g} Å from the slab along "
                f"{'xyz'[axis]}, its displacements can be summed up to {self._range:g} Å"
            )

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
    core_labels = np.empty((*labels.shape, selection.cores.shape[2]), dtype=np.int8)
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
    for width, track in enumerate((state.tracks["core"], *state.core_tracks.values())):
        track.follow(core_labels[..., width], numbers)
    return damaged


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
