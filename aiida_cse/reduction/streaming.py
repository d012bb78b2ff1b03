"""The streaming pass over the frames of a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import LENGTH_TOLERANCE, ReductionConfig
from aiida_cse.reduction.direct import NOT_FINITE, USUAL, sweep_source
from aiida_cse.reduction.displacements import DisplacementPass, FarIonError
from aiida_cse.reduction.kernels.exchange import sweep
from aiida_cse.reduction.kernels.layout import Chunk, Memory, Sums
from aiida_cse.reduction.readers.base import Frames, TrajectoryError
from aiida_cse.reduction.readers.open import TrajectoryFile, open_trajectory
from aiida_cse.reduction.scratch import Scratch, row_pieces
from aiida_cse.reduction.segments import Segment, SegmentPlan
from aiida_cse.reduction.selection import Selection
from aiida_cse.reduction.state import State

__all__ = ["stream"]

#: what is taken at once, in bytes
_CHUNK_BYTES = 2**22
#: the same where frames are looked at once only, and how much of it is counted before more is read: more than that
#: leaves the cache before it is counted
_DIRECT_CHUNK_BYTES, _DIRECT_BYTES = 2**24, 2**20
#: more frames than this are never taken at once
_CHUNK_FRAMES = 4096
#: so much of what is written to a scratch folder stays in memory
_KEPT_BYTES = 2**22
#: events that are held at once, besides those of one frame
_EVENTS = 4096


def stream(
    plan: SegmentPlan,
    selection: Selection,
    config: ReductionConfig,
    report: Callable[[int], None],
    scratch: Scratch,
) -> State:
    """Read the frames of a plan once and return their state, which is made in ``scratch``.

    ``report`` is called after each chunk with its number of frames; what it raises ends the pass.

    Raises
    ------
    TrajectoryError
        A file or a frame is not what it should be.
    """
    one = _Pass(plan, selection, config, scratch)
    for segment in plan.segments:
        with open_trajectory(segment.path) as file:
            _check_unchanged(file, segment, config)
            for offset, count in _chunks(segment, file, config):
                one.take(file, segment, offset, count)
                report(count)
    return one.finish()


def _check_unchanged(file: TrajectoryFile, segment: Segment, config: ReductionConfig) -> None:
    """Refuse a file that is no longer the one that the plan was made of."""
    if file.natoms == config.natoms and file.first_step == segment.first_step:
        if file.frames >= segment.first + segment.count:
            return
        raise TrajectoryError(
            f"{segment.path}: ends within or after frame {file.frames}; it shrank while it was read"
        )
    raise TrajectoryError(f"{segment.path}: was replaced or cut while it was read")


def _chunks(segment: Segment, file: TrajectoryFile, config: ReductionConfig) -> list[tuple[int, int]]:
    """Return the first frame, counted from that of the segment, and the number of frames of each chunk."""
    most = _DIRECT_CHUNK_BYTES if config.displacement_frames is None else _CHUNK_BYTES
    whole = config.displacement_frames == 1
    size = min(max(most // (file.frame_bytes if whole else file.z_bytes), 1), _CHUNK_FRAMES)
    return [(offset, min(size, segment.count - offset)) for offset in range(0, segment.count, size)]


class _Pass:
    """What has been counted so far, and what goes from frame to frame."""

    def __init__(self, plan: SegmentPlan, selection: Selection, config: ReductionConfig, scratch: Scratch) -> None:
        self._selection = selection
        self._config = config
        self._state = State.empty(config, plan.start, plan.start + plan.frames, selection.ions, scratch)
        self._kept, self._most_kept = 0, _KEPT_BYTES * plan.frames // max(self._state.nbytes, 1)
        self._memory = Memory.empty(selection.layout, len(config.labels))
        self._sums, self._box = _sums(self._state), np.array(config.box)
        self._events = np.zeros((_EVENTS + self._memory.last_labels.size, 5), dtype=np.int64)
        self._found = [scratch.growing(4, np.int64) for _ in self._memory.last_labels]
        self._displacements: DisplacementPass | None = None
        if config.displacement_frames is not None:
            self._displacements = DisplacementPass(
                config,
                selection.layout,
                self._state.displacements,
                self._state.first_block,
                plan.frames,
                scratch,
            )

    def take(self, file: TrajectoryFile, segment: Segment, offset: int, count: int) -> None:
        """Read and count ``count`` frames, the first of which is ``offset`` in the segment."""
        done = self._take_directly(file, segment, offset, count)
        if done < count:
            self._take_frames(file, segment, offset + done, count - done)
        self._kept += count
        if self._kept >= self._most_kept:
            self._release()

    def _take_directly(self, file: TrajectoryFile, segment: Segment, offset: int, count: int) -> int:
        """Count frames whose positions nobody else asks for, up to one that is not as it should be."""
        source = file.source(_DIRECT_BYTES) if self._displacements is None else None
        if source is None:
            return 0
        done, how = 0, USUAL
        while how == USUAL and done < count:
            counted, found, how = sweep_source(
                source,
                segment.first + offset + done,
                count - done,
                segment.start + offset + done,
                self._box,
                self._selection.layout,
                self._selection.cadence,
                self._memory,
                self._sums,
                self._events,
            )
            self._keep_events(self._events[:found])
            done += counted
        if how == NOT_FINITE:
            self._refuse_infinite(segment, offset + done)
        return done

    def _take_frames(self, file: TrajectoryFile, segment: Segment, offset: int, count: int) -> None:
        stride, first = self._config.displacement_frames, segment.first + offset
        frames = file.read_xyz(first, count) if stride == 1 else file.read(first, count)
        start = segment.start + offset
        _check_boxes(frames, self._config, segment, offset)
        samples = _multiples(stride, start, start + count)
        layers = np.empty((len(samples), self._selection.ions), np.int16)
        self._sweep(frames, segment, offset, layers)
        if stride is not None and len(samples):
            row = int(samples[0]) - start
            if frames.columns[0] < 0:
                frames, row, stride = file.read_xyz(first + row, len(samples), stride), 0, 1
            self._follow(frames, row, stride, samples, layers, segment)

    def finish(self) -> State:
        """Return the state of all frames."""
        state, config = self._state, self._config
        for index, species in enumerate(config.ions.values()):
            if species.point == "atom":
                types = [one - 1 for one in sorted(set(species.types))]
                for blocks in row_pieces(state.histograms):
                    state.point_histograms[blocks, index] = state.histograms[blocks, types].sum(axis=1)
                    self._release()
        for number, track in enumerate((*state.tracks.values(), *state.core_tracks.values())):
            track.first_labels = self._memory.first_labels[number]
            track.first_frames = self._memory.first_frames[number]
            track.last_labels = self._memory.last_labels[number]
            track.events = self._found[number].finish()
        if self._displacements is not None:
            self._displacements.finish()
        self._release()
        return state

    def _release(self) -> None:
        self._kept = 0
        self._state.release()
        if self._displacements is not None:
            self._displacements.release()

    def _sweep(self, frames: Frames, segment: Segment, offset: int, layers: NDArray[np.int16]) -> None:
        chunk = Chunk(frames.table, frames.columns[2], frames.boxes[:, 2].copy(), segment.start + offset)
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
            self._keep_events(self._events[:found])
        if not finite:
            self._refuse_infinite(segment, offset + row)

    def _refuse_infinite(self, segment: Segment, offset: int) -> NoReturn:
        frame = _frame(offset, segment, self._config)
        raise TrajectoryError(f"{segment.path}: {frame} has a coordinate that is not finite")

    def _keep_events(self, events: NDArray[np.int64]) -> None:
        for number, found in enumerate(self._found):
            own = events[events[:, 0] == number, 1:]
            if len(own):
                found.append(own)

    def _follow(
        self,
        frames: Frames,
        row: int,
        stride: int,
        numbers: NDArray[np.int64],
        layers: NDArray[np.int16],
        segment: Segment,
    ) -> None:
        assert self._displacements is not None
        try:
            self._displacements.follow(frames, row, stride, numbers, layers)
        except FarIonError as error:
            frame = _frame(error.number - segment.start, segment, self._config)
            raise TrajectoryError(
                f"{segment.path}: {frame} has an ion at {error.distance:g} Å from the slab along "
                f"{'xyz'[error.axis]}, its displacements can be summed up to {self._config.displacement_range:g} Å"
            ) from error


def _sums(state: State) -> Sums:
    """Return views of the state that the kernel writes to."""
    blocks = len(state.histograms)
    return Sums(
        start=state.start,
        first_block=state.first_block,
        first_snapshot=-(-state.start // state.config.snapshot_frames),
        histograms=state.histograms.reshape(blocks, -1),
        point_histograms=state.point_histograms.reshape(blocks, -1),
        region_counts=state.region_counts,
        centres=state.centres,
        lengths=state.lengths,
        snapshots=state.snapshot_bins,
    )


def _multiples(stride: int | None, start: int, stop: int) -> NDArray[np.int64]:
    """Return the multiples of ``stride`` from ``start`` to before ``stop``, none without a stride."""
    if stride is None:
        return np.zeros(0, dtype=np.int64)
    return np.arange(-(-start // stride) * stride, stop, stride, dtype=np.int64)


def _check_boxes(frames: Frames, config: ReductionConfig, segment: Segment, offset: int) -> None:
    box = np.array(config.box)
    wrong = np.abs(frames.boxes - box) > LENGTH_TOLERANCE * box
    if wrong.any():
        row, axis = np.argwhere(wrong)[0].tolist()
        raise TrajectoryError(
            f"{segment.path}: {_frame(row + offset, segment, config)} has a box of "
            f"{frames.boxes[row, axis]:.6f} Å along {'xyz'[axis]}, the configuration {config.box[axis]:.6f} Å"
        )


def _frame(index: int, segment: Segment, config: ReductionConfig) -> str:
    return f"frame {segment.first + index} (step {(segment.start + index) * config.frame_steps})"
