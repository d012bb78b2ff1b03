"""Streaming pass over the frames of a plan.

Frames of DCD files are read and counted in one compiled loop. Frames of other formats, those that are repaired and
those that need a closer look go through the reader of their format.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.displacements import DisplacementPass, FarIonError
from aiida_cse.reduction.kernels.direct import FAR, NOT_FINITE, USUAL, Counted, Watched, sweep_file
from aiida_cse.reduction.kernels.exchange import count_streams, sweep
from aiida_cse.reduction.kernels.layout import Chunk, Memory, StreamSums, Sums
from aiida_cse.reduction.kernels.shape import inspect
from aiida_cse.reduction.readers.base import Frames, TrajectoryError
from aiida_cse.reduction.readers.checked import CheckedTrajectory, Entrance, TrajectoryChecks
from aiida_cse.reduction.readers.wrapping import WATCH_FRAMES, MoveWatch
from aiida_cse.reduction.segments import Segment, SegmentPlan
from aiida_cse.reduction.selection import Selection
from aiida_cse.reduction.state import State

__all__ = ["stream"]

#: bytes per chunk if frames go through a reader
_CHUNK_BYTES = 2**22
#: bytes per chunk of the compiled loop, and bytes that it reads before it counts them: more than that leaves the
#: cache before it is counted
_DIRECT_CHUNK_BYTES, _DIRECT_BYTES = 2**26, 2**20
#: largest number of frames per chunk
_CHUNK_FRAMES = 4096
#: events that are held at once, besides those of one frame
_EVENTS = 4096
#: moves are watched at least so many times in a pass, if there are as many displacement frames
_LEAST_WATCHED = 256
#: number of frames that no file has
_NEVER = 2**40


def stream(
    plan: SegmentPlan, selection: Selection, config: ReductionConfig, report: Callable[[int], None]
) -> State:
    """Read the frames of a plan once and return their state.

    ``report`` is called after each chunk with its number of frames; an exception that it raises ends the pass.

    Raises
    ------
    TrajectoryError
        A file or a frame is damaged, or does not fit the configuration.
    """
    checks = plan.checks or TrajectoryChecks(config, Entrance())
    one = _Pass(plan, selection, config, checks)
    for segment in plan.segments:
        with CheckedTrajectory(segment.path, checks, segment.shifts) as file:
            if (file.natoms, file.first_step) != (config.natoms, segment.first_step):
                raise TrajectoryError(f"{segment.path}: was replaced or cut while it was read")
            if file.frames < segment.first + segment.count:
                raise TrajectoryError(
                    f"{segment.path}: ends within or after frame {file.frames}; it shrank while it was read"
                )
            direct = file.source(1) is not None
            most = _DIRECT_CHUNK_BYTES if direct else _CHUNK_BYTES
            whole = config.displacement_frames == 1
            size = min(max(most // (file.frame_bytes if whole else file.z_bytes), 1), _CHUNK_FRAMES)
            chunks = [(offset, min(size, segment.count - offset)) for offset in range(0, segment.count, size)]
            for offset, count in chunks:
                one.take(file, segment, offset, count)
                report(count)
    return one.finish()


class _Pass:
    """State of the frames that were read so far, and the memory that a frame hands to the next."""

    def __init__(
        self, plan: SegmentPlan, selection: Selection, config: ReductionConfig, checks: TrajectoryChecks
    ) -> None:
        self._checks, self._config, self._selection = checks, config, selection
        self._watch, self._stride = MoveWatch(checks.tracers), config.displacement_frames
        self._state = State.empty(config, plan.start, plan.start + plan.frames, selection.ions)
        memory = Memory.empty(selection.layout, len(config.labels))
        self._found: list[list[NDArray[np.int64]]] = [[np.zeros((0, 4), np.int64)] for _ in memory.last_labels]
        self._displacements = DisplacementPass(
            config,
            selection.layout,
            self._state.displacements,
            self._state.first_block,
            plan.start,
            plan.frames if self._stride is not None else 0,
        )
        #: number of displacement frames between two at which moves are watched
        self._watch_stride = 1
        if self._stride is not None:
            often = plan.frames // self._stride // _LEAST_WATCHED
            self._watch_stride = max(1, min(WATCH_FRAMES // self._stride, often))
        layout, atoms = selection.layout, checks.tracers.atoms
        followed = np.unique(np.concatenate([layout.framework, layout.ion_atoms, checks.links.ravel(), atoms]))
        ends = np.flatnonzero(np.diff(followed) > 1)
        #: (R, 2) ranges of the atoms whose x and y are needed
        self._followed = np.column_stack([followed[np.append(0, ends + 1)], followed[np.append(ends, -1)] + 1])
        self._counted = Counted(
            limits=np.array(config.box_limits),
            shape=checks.shape(),
            layout=selection.layout,
            cadence=selection.cadence,
            memory=memory,
            sums=_sums(self._state),
            streams=_stream_sums(self._state),
            following=self._displacements.following,
            watched=Watched(
                every=self._watch_stride * self._stride if self._stride is not None else _NEVER,
                links=checks.links if self._stride is not None else checks.links[:0],
                axes=np.array(checks.linked_axes, np.int64),
                moves=self._watch.found,
            ),
            events=np.zeros((_EVENTS + memory.last_labels.size, 5), dtype=np.int64),
        )

    def take(self, file: CheckedTrajectory, segment: Segment, offset: int, count: int) -> None:
        """Read and count ``count`` frames, the first of which is ``offset`` in the segment."""
        done, size = self._take_directly(file, segment, offset, count), max(_CHUNK_BYTES // file.z_bytes, 1)
        for first in range(done, count, size):
            self._take_frames(file, segment, offset + first, min(size, count - first))

    def _take_directly(self, file: CheckedTrajectory, segment: Segment, offset: int, count: int) -> int:
        """Count frames in the compiled loop, up to one that needs a closer look; return how many."""
        source, done, how = file.source(_DIRECT_BYTES, self._stride or 0, self._followed), 0, USUAL
        if source is None:
            return 0
        while how == USUAL and done < count:
            first, number = segment.first + offset + done, segment.start + offset + done
            counted, found, how = sweep_file(source, first, count - done, number, self._counted)
            self._keep_events(found)
            done += counted
        if how == NOT_FINITE:
            self._refuse_infinite(segment, offset + done)
        if how == FAR:
            frames = file.read_xyz(segment.first + offset + done, 1)
            self._refuse_far(segment, self._displacements.far_ion(frames, 0, segment.start + offset + done))
        return done

    def _take_frames(self, file: CheckedTrajectory, segment: Segment, offset: int, count: int) -> None:
        """Count frames that the reader of the file's format delivers."""
        stride, first = self._stride, segment.first + offset
        frames = file.read_xyz(first, count) if stride == 1 else file.read(first, count)
        start = segment.start + offset
        _check_boxes(frames, self._config, segment, offset)
        wrong, problem = inspect(frames.table, frames.columns[2], frames.boxes, start, self._counted.shape)
        if wrong >= 0:
            file.refuse_shape(first + wrong, problem, frames.along(2)[wrong])
        samples = np.zeros(0, np.int64)
        if stride is not None:
            samples = np.arange(-(-start // stride) * stride, start + count, stride, dtype=np.int64)
        layers = np.empty((len(samples), self._selection.ions), np.int16)
        self._sweep(frames, segment, offset, layers)
        if stride is None or not len(samples):
            return
        row, skipped = int(samples[0]) - start, -(int(samples[0]) // stride) % self._watch_stride
        if frames.columns[0] < 0:
            frames, row, stride = file.read_xyz(first + row, len(samples), stride), 0, 1
        rows = range(row, row + len(samples) * stride, stride)[skipped :: self._watch_stride]
        watched = samples[skipped :: self._watch_stride]
        file.refuse_torn(frames, rows, watched - segment.start + segment.first)
        self._watch.add(frames.table, frames.columns, rows, watched, frames.boxes)
        try:
            self._displacements.follow(frames, row, stride, int(samples[0]), layers)
        except FarIonError as error:
            self._refuse_far(segment, error)

    def _refuse_far(self, segment: Segment, error: FarIonError) -> NoReturn:
        frame = _frame(error.number - segment.start, segment, self._config)
        raise TrajectoryError(
            f"{segment.path}: {frame} has an ion at {error.distance:g} Å from the slab along "
            f"{'xyz'[error.axis]}, its displacements can be summed up to {self._config.displacement_range:g} Å"
        ) from error

    def _sweep(self, frames: Frames, segment: Segment, offset: int, layers: NDArray[np.int16]) -> None:
        chunk = Chunk(frames.table, frames.columns[2], np.ascontiguousarray(frames.boxes), segment.start + offset)
        to, row, finite = self._counted, 0, True
        while finite and row < len(frames.table):
            row, found, finite = sweep(chunk, row, to.layout, to.cadence, to.memory, to.sums, layers, to.events)
            self._keep_events(found)
        if not finite:
            self._refuse_infinite(segment, offset + row)
        row = count_streams(chunk, to.layout, to.streams)
        if row >= 0:
            self._refuse_infinite(segment, offset + row)

    def _refuse_infinite(self, segment: Segment, offset: int) -> NoReturn:
        frame = _frame(offset, segment, self._config)
        raise TrajectoryError(f"{segment.path}: {frame} has a coordinate that is not finite")

    def _keep_events(self, number: int) -> None:
        """Copy the first ``number`` events to the tracks that they belong to."""
        events = self._counted.events[:number]
        for track, found in enumerate(self._found):
            own = events[events[:, 0] == track, 1:]
            if len(own):
                found.append(own)

    def finish(self) -> State:
        """Return the state of all frames."""
        state, memory, streams = self._state, self._counted.memory, self._counted.streams
        for index, name in enumerate(name for name in state.streams if name != self._config.shared_stream):
            own = streams.histograms[:, streams.starts[index] : streams.starts[index + 1]]
            state.streams[name][:] = own.reshape(state.streams[name].shape)
        shared = self._config.shared_stream
        for index, species in enumerate(self._config.ions.values()):
            if species.point == "atom" and shared is not None:
                types = [one - 1 for one in sorted(set(species.types))]
                state.point_histograms[:, index] = state.streams[shared][:, types].sum(axis=1)
        for number, track in enumerate((*state.tracks.values(), *state.core_tracks.values())):
            track.first_labels = memory.first_labels[number]
            track.first_frames = memory.first_frames[number]
            track.last_labels = memory.last_labels[number]
            track.events = np.concatenate(self._found[number])
        if self._stride is not None:
            self._displacements.finish()
        self._checks.add_moves(self._watch)
        return state


def _sums(state: State) -> Sums:
    """Return views of the state that the kernel writes to."""
    blocks, shared = state.blocks, state.config.shared_stream
    histograms = np.zeros((blocks, 0), np.int64) if shared is None else state.streams[shared]
    return Sums(
        start=state.start,
        first_block=state.first_block,
        first_snapshot=-(-state.start // state.config.snapshot_frames),
        histograms=histograms.reshape(blocks, -1),
        point_histograms=state.point_histograms.reshape(blocks, -1),
        region_counts=state.region_counts,
        centres=state.centres,
        edges=state.edges,
        snapshots=state.snapshot_bins,
    )


def _stream_sums(state: State) -> StreamSums:
    """Return empty sums for the streams whose atoms are not counted together with the ions."""
    config = state.config
    names = [name for name in state.streams if name != config.shared_stream]
    types, grids = np.array(config.atom_types, np.int64) - 1, [config.stream_grid(name) for name in names]
    rows = [types * grid.bins for grid in grids] or np.zeros((0, config.natoms))
    starts = np.cumsum([0, *(len(config.labels) * grid.bins for grid in grids)])
    return StreamSums(
        every=np.array([config.streams[name].every_frames for name in names], np.int64),
        per=np.array([config.streams[name].per for name in names], np.int64),
        block=config.block_frames,
        first_block=state.first_block,
        bins=np.array([grid.bins for grid in grids], np.int64),
        widths=np.array([grid.width if grid.fixed else 0.0 for grid in grids]),
        rows=np.array(rows, np.int32),
        indices=np.zeros(config.natoms, np.int32),
        starts=starts.astype(np.int64),
        histograms=np.zeros((state.blocks, int(starts[-1])), np.int64),
    )


def _check_boxes(frames: Frames, config: ReductionConfig, segment: Segment, offset: int) -> None:
    low, high = np.array(config.box_limits)
    wrong = ~((low <= frames.boxes) & (frames.boxes <= high))
    if wrong.any():
        row, axis = np.argwhere(wrong)[0].tolist()
        expected = (
            f"the system file says {config.box[axis]:.6f} Å; give the file of this run, or for a box that changes "
            "`sampling: {bin_width: 0.2, lags_ps: []}`"
        )
        if config.bin_width is not None:
            expected = f"the cores of the outermost regions need more than {low[axis]:.6f} Å"
        raise TrajectoryError(
            f"{segment.path}: {_frame(row + offset, segment, config)} has a box of "
            f"{frames.boxes[row, axis]:.6f} Å along {'xyz'[axis]}, {expected}"
        )


def _frame(index: int, segment: Segment, config: ReductionConfig) -> str:
    return f"frame {segment.first + index} (step {(segment.start + index) * config.frame_steps})"
