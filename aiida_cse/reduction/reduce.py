"""The streaming pass: segments in, state out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import reduce
from pathlib import Path
from threading import Lock

import numpy as np

from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.scratch import Scratch
from aiida_cse.reduction.segments import SegmentPlan, plan_segments
from aiida_cse.reduction.selection import Selection
from aiida_cse.reduction.state import State
from aiida_cse.reduction.streaming import stream

__all__ = ["Progress", "reduce_plan", "reduce_segments"]

#: called with the frames done and the frames in all
Progress = Callable[[int, int], None]

#: how far the slab may be from where an earlier reduction saw it in the same frame, Å
_CENTRE_TOLERANCE = 1e-4


def reduce_segments(
    paths: Sequence[str | Path],
    config: ReductionConfig,
    previous: State | None = None,
    progress: Progress | None = None,
    *,
    until_step: int | None = None,
    threads: int = 1,
    checksums: Mapping[str, str] | None = None,
    scratch: str | Path | None = None,
) -> State:
    """Reduce the segments of a production.

    Parameters
    ----------
    paths
        Files of unwrapped coordinates, in the order of time: DCD sorted by atom ID, XTC, or text dumps of LAMMPS.
    config
        The system, its regions and the sampling.
    previous
        The state of earlier frames, which the segments must continue. Frames that it already holds are
        compared with it and not counted again.
    progress
        Called after each chunk.
    until_step
        Leave out the frames at or after this step.
    threads
        How many pieces are reduced at the same time; the state is the same, bit for bit. Never more than there are
        cores for this process.
    checksums
        See :func:`~aiida_cse.reduction.segments.plan_segments`.
    scratch
        A folder with space for files without a name, in which the state lies instead of in memory, so that a
        reduction of any length takes no more memory than a short one. In memory without one.

    Raises
    ------
    TrajectoryError
        A file is damaged or of another system, box or stride, frames are missing, or the segments do not
        continue ``previous``.
    ValueError
        ``previous`` was made with another configuration.
    """
    plan = plan_segments(paths, config, until_step, checksums)
    return reduce_plan(plan, config, previous, progress, threads=threads, scratch=scratch)


def reduce_plan(
    plan: SegmentPlan,
    config: ReductionConfig,
    previous: State | None = None,
    progress: Progress | None = None,
    *,
    threads: int = 1,
    scratch: str | Path | None = None,
) -> State:
    """Reduce the frames of a plan; as :func:`reduce_segments`."""
    if threads < 1:
        raise ValueError(f"threads is {threads}, it must be at least 1")
    if previous is not None:
        previous.check_config(config)
    if not plan.segments:
        if previous is None:
            raise TrajectoryError(f"there is no whole frame to reduce: {'; '.join(plan.notes) or 'no segments'}")
        return previous
    repeated, fresh = plan.split(plan.start if previous is None else previous.stop)
    place = Scratch(scratch)
    selection = Selection.from_config(config)
    reducer = _Reducer(selection, config, progress, plan.frames, min(threads, _cores()), place)
    if previous is None:
        return reducer.reduce(fresh)
    _refuse_unjoined(plan, previous)
    if repeated.segments:
        _compare(reducer.reduce(repeated), previous, repeated)
    return previous.merge(reducer.reduce(fresh), place) if fresh.segments else previous


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Reporter:
    """Adds up the frames that threads have done, and stops them."""

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
        """Let every thread end after its chunk."""
        self._stopped = True


class _StoppedError(Exception):
    """Another thread has failed."""


class _Reducer:
    """Reduces plans, each in as many pieces as there are threads."""

    def __init__(
        self,
        selection: Selection,
        config: ReductionConfig,
        progress: Progress | None,
        total: int,
        threads: int,
        scratch: Scratch,
    ) -> None:
        self._selection = selection
        self._config = config
        self._report = _Reporter(progress, total)
        self._threads = threads
        self._scratch = scratch

    def reduce(self, plan: SegmentPlan) -> State:
        pieces = _pieces(plan, self._threads)
        if len(pieces) == 1:
            return self._stream(plan)
        with ThreadPoolExecutor(len(pieces)) as pool:
            try:
                return self._merge(self._finished([pool.submit(self._stream, piece) for piece in pieces]))
            except BaseException:
                self._report.stop()
                raise

    def _stream(self, plan: SegmentPlan) -> State:
        return stream(plan, self._selection, self._config, self._report, self._scratch)

    def _merge(self, states: list[State]) -> State:
        return reduce(lambda earlier, later: earlier.merge(later, self._scratch), states)

    def _finished(self, futures: list[Future[State]]) -> list[State]:
        """Return the results, or raise what went wrong in the piece that failed first."""
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            error = future.exception()
            if error is not None:
                raise error
        return [future.result() for future in futures]


def _pieces(plan: SegmentPlan, number: int) -> list[SegmentPlan]:
    """Cut a plan into at most ``number`` pieces of about as many frames."""
    pieces, rest = [], plan
    for left in range(min(number, plan.frames), 1, -1):
        piece, rest = rest.split(rest.start + rest.frames // left)
        pieces.append(piece)
    return [*pieces, rest]


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
