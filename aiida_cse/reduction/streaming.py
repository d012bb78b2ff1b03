"""Streaming pass over the frames of a plan.

DCD files whose positions are needed for z alone are read and counted in one compiled loop, a few frames at a
time, which stay in the cache in between. All other frames go through the reader of their format.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.displacements import DisplacementPass, FarIonError
from aiida_cse.reduction.kernels.compiled import compiled
from aiida_cse.reduction.kernels.exchange import count_stream, sweep
from aiida_cse.reduction.kernels.layout import Cadence, Chunk, Layout, Memory, StreamSums, Sums
from aiida_cse.reduction.kernels.shape import Shape, inspect
from aiida_cse.reduction.readers.base import Frames, Source, TrajectoryError
from aiida_cse.reduction.readers.checked import CheckedTrajectory, Entrance, TrajectoryChecks
from aiida_cse.reduction.readers.dcd import CELL_BYTES, check_records, read_bytes, read_pieces
from aiida_cse.reduction.readers.wrapping import WATCH_FRAMES, MoveWatch
from aiida_cse.reduction.segments import Segment, SegmentPlan
from aiida_cse.reduction.selection import Selection
from aiida_cse.reduction.state import State

__all__ = ["stream"]

#: bytes per chunk if frames go through a reader
_CHUNK_BYTES = 2**22
#: bytes per chunk of the compiled loop, and bytes that it reads before it counts them: more than that leaves the
#: cache before it is counted
_DIRECT_CHUNK_BYTES, _DIRECT_BYTES = 2**24, 2**20
#: largest number of frames per chunk
_CHUNK_FRAMES = 4096
#: events that are held at once, besides those of one frame
_EVENTS = 4096
#: moves are watched at least so many times in a pass, if there are as many displacement frames
_LEAST_WATCHED = 256
#: how the compiled loop ends: after all frames, at frames that need a closer look, or at one that is not finite
_USUAL, _UNUSUAL, _NOT_FINITE = 0, 1, 2


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
            direct = (
                config.displacement_frames is None
                and len(config.streams) == 1
                and config.shared_stream is not None
            )
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
        self._checks, self._shape = checks, checks.shape()
        self._watch = MoveWatch(checks.tracers)
        self._selection = selection
        self._config = config
        self._state = State.empty(config, plan.start, plan.start + plan.frames, selection.ions)
        self._memory = Memory.empty(selection.layout, len(config.labels))
        self._sums, self._limits = _sums(self._state), np.array(config.box_limits)
        self._streams = _stream_sums(self._state)
        self._events = np.zeros((_EVENTS + self._memory.last_labels.size, 5), dtype=np.int64)
        self._found: list[list[NDArray[np.int64]]] = [
            [np.zeros((0, 4), np.int64)] for _ in self._memory.last_labels
        ]
        self._displacements: DisplacementPass | None = None
        #: number of displacement frames between two at which moves are watched
        self._watch_stride = 1
        if config.displacement_frames is not None:
            often = plan.frames // config.displacement_frames // _LEAST_WATCHED
            self._watch_stride = max(1, min(WATCH_FRAMES // config.displacement_frames, often))
            self._displacements = DisplacementPass(
                config, selection.layout, self._state.displacements, self._state.first_block, plan.frames
            )

    def take(self, file: CheckedTrajectory, segment: Segment, offset: int, count: int) -> None:
        """Read and count ``count`` frames, the first of which is ``offset`` in the segment."""
        done = self._take_directly(file, segment, offset, count)
        if done < count:
            self._take_frames(file, segment, offset + done, count - done)

    def _take_directly(self, file: CheckedTrajectory, segment: Segment, offset: int, count: int) -> int:
        """Count frames in the compiled loop, up to one that needs a closer look; return how many."""
        alone = self._displacements is None and not self._streams
        source = file.source(_DIRECT_BYTES) if alone else None
        if source is None:
            return 0
        done, how = 0, _USUAL
        while how == _USUAL and done < count:
            counted, found, how = _sweep_source(
                source,
                segment.first + offset + done,
                count - done,
                segment.start + offset + done,
                self._limits,
                self._selection.layout,
                self._selection.cadence,
                self._shape,
                self._memory,
                self._sums,
                self._events,
            )
            self._keep_events(found)
            done += counted
        if how == _NOT_FINITE:
            self._refuse_infinite(segment, offset + done)
        return done

    def _take_frames(self, file: CheckedTrajectory, segment: Segment, offset: int, count: int) -> None:
        """Count frames that the reader of the file's format delivers."""
        stride, first = self._config.displacement_frames, segment.first + offset
        frames = file.read_xyz(first, count) if stride == 1 else file.read(first, count)
        start = segment.start + offset
        _check_boxes(frames, self._config, segment, offset)
        wrong, problem = inspect(frames.table, frames.columns[2], frames.boxes, start, self._shape)
        if wrong >= 0:
            file.refuse_shape(first + wrong, problem, frames.along(2)[wrong])
        samples = np.zeros(0, np.int64)
        if stride is not None:
            samples = np.arange(-(-start // stride) * stride, start + count, stride, dtype=np.int64)
        layers = np.empty((len(samples), self._selection.ions), np.int16)
        self._sweep(frames, segment, offset, layers)
        if self._displacements is None or stride is None or not len(samples):
            return
        row, skipped = int(samples[0]) - start, -(int(samples[0]) // stride) % self._watch_stride
        if frames.columns[0] < 0:
            frames, row, stride = file.read_xyz(first + row, len(samples), stride), 0, 1
        rows = range(row, row + len(samples) * stride, stride)[skipped :: self._watch_stride]
        watched = samples[skipped :: self._watch_stride]
        file.refuse_torn(frames, rows, watched - segment.start + segment.first)
        self._watch.add(frames.table, frames.columns, rows, watched, frames.boxes)
        try:
            self._displacements.follow(frames, row, stride, samples, layers)
        except FarIonError as error:
            frame = _frame(error.number - segment.start, segment, self._config)
            raise TrajectoryError(
                f"{segment.path}: {frame} has an ion at {error.distance:g} Å from the slab along "
                f"{'xyz'[error.axis]}, its displacements can be summed up to {self._config.displacement_range:g} Å"
            ) from error

    def _sweep(self, frames: Frames, segment: Segment, offset: int, layers: NDArray[np.int16]) -> None:
        chunk = Chunk(frames.table, frames.columns[2], np.ascontiguousarray(frames.boxes), segment.start + offset)
        row, finite = 0, True
        while finite and row < len(frames.table):
            row, found, finite = sweep(
                chunk,
                row,
                self._selection.layout,
                self._selection.cadence,
                self._memory,
                self._sums,
                layers,
                self._events,
            )
            self._keep_events(found)
        if not finite:
            self._refuse_infinite(segment, offset + row)
        for sums in self._streams:
            row = count_stream(chunk, self._selection.layout, sums)
            if row >= 0:
                self._refuse_infinite(segment, offset + row)

    def _refuse_infinite(self, segment: Segment, offset: int) -> NoReturn:
        frame = _frame(offset, segment, self._config)
        raise TrajectoryError(f"{segment.path}: {frame} has a coordinate that is not finite")

    def _keep_events(self, number: int) -> None:
        """Copy the first ``number`` events to the tracks that they belong to."""
        events = self._events[:number]
        for track, found in enumerate(self._found):
            own = events[events[:, 0] == track, 1:]
            if len(own):
                found.append(own)

    def finish(self) -> State:
        """Return the state of all frames."""
        state = self._state
        shared = self._config.shared_stream
        for index, species in enumerate(self._config.ions.values()):
            if species.point == "atom" and shared is not None:
                types = [one - 1 for one in sorted(set(species.types))]
                state.point_histograms[:, index] = state.streams[shared][:, types].sum(axis=1)
        for number, track in enumerate((*state.tracks.values(), *state.core_tracks.values())):
            track.first_labels = self._memory.first_labels[number]
            track.first_frames = self._memory.first_frames[number]
            track.last_labels = self._memory.last_labels[number]
            track.events = np.concatenate(self._found[number])
        if self._displacements is not None:
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


def _stream_sums(state: State) -> list[StreamSums]:
    """Return views of the streams whose atoms are not counted together with the ions."""
    config, found = state.config, []
    types = np.array(config.atom_types, np.int64) - 1
    for name, histograms in state.streams.items():
        if name == config.shared_stream:
            continue
        grid = config.stream_grid(name)
        found.append(
            StreamSums(
                every=config.streams[name].every_frames,
                per=config.streams[name].per,
                block=config.block_frames,
                first_block=state.first_block,
                bins=grid.bins,
                width=grid.width if grid.fixed else 0.0,
                rows=(types * grid.bins).astype(np.int32),
                indices=np.zeros(config.natoms, np.int32),
                histograms=histograms.reshape(state.blocks, -1),
            )
        )
    return found


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


# -- compiled loop over a file -------------------------------------------------------------------------------


@compiled
def _read_rows(source: Source, frame: int, table: NDArray[np.uint8]) -> Any:
    """Fill the rows of a table with frames from ``frame`` on; return whether all could be read."""
    offset, flat = source.start + frame * source.frame_bytes, table.reshape(-1)
    if source.skipped == 0:
        return read_bytes(source.descriptor, flat, offset)
    if not read_bytes(source.descriptor, flat[:CELL_BYTES], offset):
        return False
    offset += CELL_BYTES + source.skipped
    pieces = flat[CELL_BYTES:]
    return read_pieces(source.descriptor, pieces, table.shape[1], offset, source.frame_bytes) < 0


@compiled
def _differ(boxes: NDArray[np.float64], limits: NDArray[np.float64]) -> Any:
    """Return whether one of the boxes (F, 3) is not within the limits (2, 3)."""
    for row in range(boxes.shape[0]):
        for axis in range(3):
            if not limits[0, axis] <= boxes[row, axis] <= limits[1, axis]:
                return True
    return False


@compiled
def _sweep_source(
    source: Source,
    first: int,
    count: int,
    number: int,
    limits: NDArray[np.float64],
    layout: Layout,
    cadence: Cadence,
    shape: Shape,
    memory: Memory,
    sums: Sums,
    events: NDArray[np.int64],
) -> Any:
    """Count ``count`` frames of a file from frame ``first`` on, without displacements and streams of their own.

    The loop ends early if ``events`` is full or a frame is damaged. ``number`` is that of the first frame in the
    production; ``limits`` (2, 3) are the smallest and the largest box that a frame may have, Å.

    Returns the number of frames that were counted, the number of events, and how the loop ended. Unless it ended
    as usual, the frame with the reason is the next one or comes soon after.
    """
    done, found, most = 0, 0, memory.last_labels.size
    boxes, no_layers = np.empty((source.table.shape[0], 3)), np.empty((0, 0), np.int16)
    while done < count and events.shape[0] - found >= most:
        rows = min(source.table.shape[0], count - done)
        table = source.table[:rows]
        if not _read_rows(source, first + done, table):
            return done, found, _UNUSUAL
        words, cells = table.view(np.int32), table[:, 4:52].copy().view(np.float64)
        wrong, _ = check_records(words, cells, source.natoms, source.blocks, boxes[:rows])
        if wrong >= 0 or _differ(boxes[:rows], limits):
            return done, found, _UNUSUAL
        chunk = Chunk(table.view(np.float32), source.column, boxes[:rows], number + done)
        wrong, _ = inspect(chunk.table, chunk.column, boxes[:rows], number + done, shape)
        if wrong >= 0:
            return done, found, _UNUSUAL
        row, new, finite = sweep(chunk, 0, layout, cadence, memory, sums, no_layers, events[found:])
        done, found = done + row, found + new
        if not finite:
            return done, found, _NOT_FINITE
    return done, found, _USUAL
