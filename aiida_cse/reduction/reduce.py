"""Reduction of the segments of a production to one state, in several threads and from file to file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock, Thread

import numpy as np

from aiida_cse.reduction.config import GRID, ReductionConfig
from aiida_cse.reduction.continuity import refuse_other_history
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.checked import Entrance, TrajectoryChecks
from aiida_cse.reduction.readers.wrapping import FEW_MOVES
from aiida_cse.reduction.segments import SegmentPlan, file_sha256, plan_segments
from aiida_cse.reduction.selection import Selection
from aiida_cse.reduction.state import State, TrajectorySource
from aiida_cse.reduction.streaming import stream

__all__ = [
    "Progress",
    "ReductionInterrupted",
    "ReductionSummary",
    "reduce_in_pieces",
    "reduce_plan",
    "reduce_segments",
    "run_reduction",
    "sources_of",
]

#: called with the number of frames done and the number of frames in all
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ReductionSummary:
    """Frames and steps of a state, number of frames that were read, and notes about the files."""

    frames: int
    first_step: int
    last_step: int
    frames_read: int
    notes: tuple[str, ...]


def run_reduction(
    segments: Sequence[str | Path],
    config: ReductionConfig,
    out: str | Path,
    previous: str | Path | None = None,
    progress: Progress | None = None,
    *,
    until_step: int | None = None,
    threads: int = 1,
    checksums: Mapping[str, str] | None = None,
    hash_sources: bool = False,
    entrance: Entrance | None = None,
    increment: bool = False,
) -> ReductionSummary:
    """Reduce segments and write the state to ``out``.

    ``previous`` is the file of the state that the segments continue; with ``increment`` only the state of the
    frames after it is written. All other parameters are those of :func:`reduce_segments`. The file ``out`` appears
    only when it is complete.

    Raises
    ------
    ValueError
        As :func:`reduce_segments`, or ``previous`` is no state.
    """
    earlier = None if previous is None else State.load(previous)
    plan = plan_segments(segments, config, until_step, checksums, entrance)
    state = reduce_plan(
        plan,
        config,
        earlier,
        progress,
        threads=threads,
        checksums=checksums,
        hash_sources=hash_sources,
        increment=increment,
    )
    state.save(out)
    notes = plan.notes if plan.checks is None else (*plan.notes, *plan.checks.notes())
    return ReductionSummary(state.frames, state.first_step, state.last_step, plan.frames, notes)


def reduce_segments(
    paths: Sequence[str | Path],
    config: ReductionConfig,
    previous: State | None = None,
    progress: Progress | None = None,
    *,
    until_step: int | None = None,
    threads: int = 1,
    checksums: Mapping[str, str] | None = None,
    hash_sources: bool = False,
    entrance: Entrance | None = None,
) -> State:
    """Reduce the segments of a production.

    Parameters
    ----------
    paths
        Files in the order of time: DCD sorted by atom ID, XTC, or text dumps of LAMMPS, unwrapped unless
        ``entrance`` says that they are to be unwrapped.
    config
        The system, its regions and the sampling.
    previous
        State of earlier frames, which the segments must continue. Frames that it already holds are compared with
        it and not counted again.
    progress
        Called after each chunk of frames.
    until_step
        Leave out the frames at or after this step.
    threads
        Number of parts that are reduced at the same time, limited to the cores available to this process. It does
        not change the state.
    checksums
        As for :func:`~aiida_cse.reduction.segments.plan_segments`. The state keeps those of its files.
    hash_sources
        Compute the SHA-256 of the other files as well, which reads them once more.
    entrance
        As for :func:`~aiida_cse.reduction.segments.plan_segments`.

    Raises
    ------
    TrajectoryError
        A file is damaged or of another system, box or stride; coordinates are wrapped, or slab or molecules torn;
        frames are missing; or the segments do not continue ``previous``.
    ValueError
        ``previous`` was made with another configuration.
    """
    plan = plan_segments(paths, config, until_step, checksums, entrance)
    return reduce_plan(
        plan, config, previous, progress, threads=threads, checksums=checksums, hash_sources=hash_sources
    )


def reduce_plan(
    plan: SegmentPlan,
    config: ReductionConfig,
    previous: State | None = None,
    progress: Progress | None = None,
    *,
    threads: int = 1,
    checksums: Mapping[str, str] | None = None,
    hash_sources: bool = False,
    complete: bool = True,
    increment: bool = False,
) -> State:
    """Reduce the frames of a plan; parameters and errors as for :func:`reduce_segments`.

    ``complete`` is false if more frames of the same run follow in another call with the checks of this plan. With
    ``increment`` the state of the frames after ``previous`` is returned, not merged with it.
    """
    if threads < 1:
        raise ValueError(f"threads = {threads}: must be at least 1")
    if previous is not None:
        previous = replace(previous, config=previous.joined_config(config))
    state = _reduce_plan(plan, config, previous, progress, threads, complete=complete, increment=increment)
    earlier = () if previous is None or increment else previous.sources
    return replace(
        state, sources=TrajectorySource.joined(*earlier, *sources_of(plan, checksums, hash_all=hash_sources))
    )


def sources_of(
    plan: SegmentPlan, checksums: Mapping[str, str] | None = None, *, hash_all: bool = False
) -> list[TrajectorySource]:
    """Return the files of a plan, with the checksums that were verified or, with ``hash_all``, those of all."""
    verified = {Path(path): value.lower() for path, value in (checksums or {}).items()}
    found = []
    for segment in plan.segments:
        sha256 = verified.get(segment.path)
        if sha256 is None and hash_all:
            sha256 = file_sha256(segment.path)
        name, size = segment.path.name, segment.file_bytes
        found.append(TrajectorySource(name, size, sha256, segment.first_step, segment.count))
    return found


def _reduce_plan(
    plan: SegmentPlan,
    config: ReductionConfig,
    previous: State | None,
    progress: Progress | None,
    threads: int,
    *,
    complete: bool,
    increment: bool,
) -> State:
    if not plan.segments:
        if previous is None or increment:
            raise TrajectoryError(
                f"there is no complete frame to reduce: {'; '.join(plan.notes) or 'no segments'}"
            )
        return previous
    if plan.checks is None:
        plan = replace(plan, checks=TrajectoryChecks(config, Entrance()))
    state = _reduce_checked(plan, config, previous, progress, threads, increment=increment)
    assert plan.checks is not None
    plan.checks.files |= {segment.start - segment.first: segment.path for segment in plan.segments}
    # the moves of a few frames say little while others follow
    plan.checks.refuse_wrapped(least_moves=0 if complete else FEW_MOVES)
    plan.checks.reduced_to = state.stop
    return state


def _reduce_checked(
    plan: SegmentPlan,
    config: ReductionConfig,
    previous: State | None,
    progress: Progress | None,
    threads: int,
    *,
    increment: bool,
) -> State:
    """Reduce the frames of a plan that has some, after ``previous``, and merge them with it or not."""
    assert plan.checks is not None
    if plan.checks.unwraps:
        threads = 1
        plan.checks.refuse_unknown_images(plan.segments[0].path, plan.start, previous is not None)
    repeated, fresh = plan.split(plan.start if previous is None else previous.stop)
    selection, report = Selection.from_config(config), _Reporter(progress, plan.frames)
    parts = min(threads, _cores())
    if previous is None:
        return _reduce_parts(fresh, selection, config, report, parts)
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
    if repeated.segments:
        again = _reduce_parts(repeated, selection, config, report, parts)
        refuse_other_history(again, previous, repeated.segments[0].path)
    if not fresh.segments and increment:
        raise TrajectoryError(f"{path}: has no frame after step {previous.last_step}, where the state ends")
    if not fresh.segments:
        return previous
    later = _reduce_parts(fresh, selection, config, report, parts)
    if plan.checks.reduced_to != previous.stop:
        _refuse_other_images(previous, later, fresh)
    return later if increment else previous.merge(later)


def _cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _StoppedError(Exception):
    """Another thread has failed."""


class _Reporter:
    """Sum of the frames that all threads have done, and the switch that stops them."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0
        self._lock = Lock()
        self._stopped = False

    def __call__(self, frames: int) -> None:
        with self._lock:
            if self._stopped:
                raise _StoppedError
            self._done += frames
            if self._progress is not None:
                self._progress(self._done, self._total)

    def stop(self) -> None:
        """Make every thread end after its current chunk."""
        self._stopped = True


def _reduce_parts(
    plan: SegmentPlan, selection: Selection, config: ReductionConfig, report: _Reporter, threads: int
) -> State:
    """Cut a plan into parts of about equal length, reduce each in a thread of its own, and merge the states."""
    parts, rest = [], plan
    for left in range(min(threads, plan.frames), 1, -1):
        part, rest = rest.split(rest.start + rest.frames // left)
        parts.append(part)
    parts.append(rest)
    if len(parts) == 1:
        return stream(plan, selection, config, report)
    with ThreadPoolExecutor(len(parts)) as pool:
        try:
            futures = [pool.submit(stream, part, selection, config, report) for part in parts]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                error = future.exception()
                if error is not None:
                    raise error
            states = [future.result() for future in futures][::-1]
            state = states.pop()
            while states:
                state = state.merge(states.pop())
            return state
        except BaseException:
            report.stop()
            raise


def _refuse_other_images(previous: State, later: State, plan: SegmentPlan) -> None:
    """Refuse frames whose ions differ from the state by whole box edges, because image flags were reset."""
    config, tail, head = previous.config, previous.displacements.tail, later.displacements.head
    if not len(tail.frames) or not len(head):
        return
    edges = np.array(config.box)[:, None]
    turns = (head[0].astype(np.float64) - tail.positions[-1]) / GRID / edges
    rest = np.abs(turns - np.round(turns))
    few = turns.shape[1] < FEW_MOVES
    for axis in range(3):
        jumps = np.abs(turns[axis]) > 0.5
        if jumps.any() and rest[axis].max() < (0.125 if few else 0.25):
            step, longest = int(tail.frames[-1]) * config.frame_steps, float(np.abs(turns[axis]).max())
            raise TrajectoryError(
                f"{plan.segments[0].path}: after step {step}, where the state ends, {int(jumps.sum())} ions are "
                f"up to {2 * longest:.2f} L/2 along {'xyz'[axis]} from where they were, and none is between: its "
                "coordinates are wrapped, or unwrapped from another start; reduce all files together with --unwrap"
            )


# -- piece by piece -----------------------------------------------------------------------------------------

#: pieces of a plan: an interruption loses at most one of them
_PIECES = 50


class ReductionInterrupted(KeyboardInterrupt):
    """The reduction was interrupted.

    Attributes
    ----------
    state
        State of the frames that were read before, None if no piece was complete.
    """

    def __init__(self, state: State | None) -> None:
        super().__init__("the reduction was interrupted")
        self.state = state


def reduce_in_pieces(
    plan: SegmentPlan,
    config: ReductionConfig,
    previous: State | None = None,
    progress: Progress | None = None,
    *,
    threads: int = 1,
    hash_sources: bool = False,
) -> State:
    """Reduce the frames of a plan as :func:`~aiida_cse.reduction.reduce.reduce_plan` does, with the same result.

    With ``hash_sources`` the state also has the SHA-256 of each file.

    Raises
    ------
    ReductionInterrupted
        The user pressed Ctrl-C; it holds the state of the frames before.
    TrajectoryError, ValueError
        As :func:`~aiida_cse.reduction.reduce.reduce_plan`.
    """
    state, rest, done = previous, plan, 0
    sources = _SourcesMeanwhile(plan, hash_all=hash_sources)
    try:
        for left in range(max(min(_PIECES, plan.frames), 1), 0, -1):
            piece, rest = rest.split(rest.start + -(-rest.frames // left))
            shown = _shifted(progress, done, plan.frames)
            state = reduce_plan(piece, config, state, shown, threads=threads, complete=left == 1)
            done += piece.frames
    except KeyboardInterrupt as error:
        raise ReductionInterrupted(state if done else None) from error
    assert state is not None
    # each piece counted its own frames of a file
    earlier = () if previous is None else previous.sources
    return replace(state, sources=TrajectorySource.joined(*earlier, *sources.result()))


class _SourcesMeanwhile(Thread):
    """Files of a plan, whose checksums are computed while they are reduced; it does not outlive the program."""

    def __init__(self, plan: SegmentPlan, *, hash_all: bool) -> None:
        super().__init__(daemon=True)
        self._plan, self._hash_all = plan, hash_all
        self._found: list[TrajectorySource] = []
        self._error: Exception | None = None
        self.start()

    def run(self) -> None:
        """Read the files."""
        try:
            self._found = sources_of(self._plan, hash_all=self._hash_all)
        except Exception as error:  # raised again where the result is wanted
            self._error = error

    def result(self) -> list[TrajectorySource]:
        """Return the files, once all have been read."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._found


def _shifted(progress: Progress | None, done: int, total: int) -> Progress | None:
    """Return the progress of a piece as that of the plan."""
    if progress is None:
        return None
    return lambda frames, _: progress(done + frames, total)
