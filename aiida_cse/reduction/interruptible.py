"""Reduction that keeps what is done when it is interrupted: piece by piece, each joined to the state before it."""

from __future__ import annotations

from dataclasses import replace
from threading import Thread

from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import Progress, reduce_plan, sources_of
from aiida_cse.reduction.segments import SegmentPlan
from aiida_cse.reduction.state import State, TrajectorySource

__all__ = ["ReductionInterrupted", "reduce_in_pieces"]

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
            state = reduce_plan(piece, config, state, _shifted(progress, done, plan.frames), threads=threads)
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
