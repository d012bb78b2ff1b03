"""Time window of an analysis: its frames, blocks, looks and events."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.exchange.transitions import Rule
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.state import State

__all__ = ["Window"]

Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True)
class Window:
    """The frames ``begin`` to ``stop`` − 1 of a production, from the start of a block or of the state.

    Attributes
    ----------
    config
        Configuration of the reduction.
    origin
        First frame of the state.
    begin, stop
        First frame of the window, and the frame after its last one.
    """

    config: ReductionConfig
    origin: int
    begin: int
    stop: int

    @classmethod
    def of(
        cls, state: State, start_ns: float, end_ns: float | None = None, last_ns: float | None = None
    ) -> Window:
        """Return the window from ``start_ns`` to ``end_ns``, or to the end of the state, in whole blocks.

        The start is rounded up and the end rounded down. Both are times from the first frame of the state. With
        ``last_ns`` the window begins at most this long before its last frame, rounded to whole blocks as well.

        Raises
        ------
        ValueError
            No block is left, ``end_ns`` is after the end of the state, or ``last_ns`` is less than a block.
        """
        block, frame_ns = state.config.block_frames, state.config.frame_ps / 1000
        skipped = int(np.ceil(start_ns / frame_ns - 1e-9))
        begin = state.start if skipped == 0 else -(-(state.start + skipped) // block) * block
        if begin >= state.stop:
            latest = (state.stop - 1) // block * block
            possible = max(latest - state.start, 0) * frame_ns
            raise ValueError(
                f"start_ns = {start_ns:g}: it leaves nothing to analyse; it must be at most {possible:g}, the "
                f"start of the last block of {block * frame_ns:g} ns"
            )
        stop = state.stop
        kept = state.frames if end_ns is None else int(np.floor(end_ns / frame_ns + 1e-9))
        if kept > state.frames:
            raise ValueError(
                f"end_ns = {end_ns:g}: it is after the end of the reduction; it must be at most "
                f"{state.frames * frame_ns:g}"
            )
        if kept < state.frames:
            stop = (state.start + kept) // block * block
        if stop <= begin:
            earliest = min((begin // block + 1) * block, state.stop)
            raise ValueError(
                f"end_ns = {end_ns:g}: it leaves nothing to analyse; it must be at least "
                f"{(earliest - state.start) * frame_ns:g}, the end of the first block of {block * frame_ns:g} ns "
                "after start_ns"
            )
        if last_ns is not None:
            if last_ns < block * frame_ns - 1e-9:
                raise ValueError(f"last_ns = {last_ns:g}: it must be at least one block, {block * frame_ns:g} ns")
            begin = max(begin, -(-(stop - 1 - int(np.floor(last_ns / frame_ns + 1e-9))) // block) * block)
        return cls(state.config, state.start, begin, stop)

    @property
    def sentence(self) -> str:
        """The times of the first and the last frame, and the number of blocks, in words."""
        block, first, last = self.config.block_frames, self.begin - self.origin, self.stop - 1 - self.origin
        blocks = -(-self.stop // block) - self.begin // block
        return (
            f"{first * self.frame_ns:g} to {last * self.frame_ns:g} ns after the first frame "
            f"({blocks} block{'s' * (blocks != 1)} of {block * self.frame_ns:g} ns)"
        )

    @property
    def frame_ns(self) -> float:
        """Time between frames, ns."""
        return self.config.frame_ps / 1000

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.stop - self.begin

    @property
    def facts(self) -> dict[str, Any]:
        """Facts on the window that every result contains; times are from the first frame of the state."""
        return {
            "start_ns": (self.begin - self.origin) * self.frame_ns,
            "end_ns": (self.stop - 1 - self.origin) * self.frame_ns,
            "time_ns": (self.frames - 1) * self.frame_ns,
            "frames": self.frames,
            "frame_ps": self.config.frame_ps,
        }

    @cached_property
    def block_lengths(self) -> NDArray[np.int64]:
        """Frames in each block of the window."""
        blocks = np.arange(self.begin, self.stop) // self.config.block_frames
        lengths: NDArray[np.int64] = np.bincount(blocks - blocks[0])
        return lengths

    def late(self, frames: NDArray[np.int64], last_ns: float) -> NDArray[np.bool_]:
        """Return which frames are at most ``last_ns`` before the last one of the window."""
        return frames >= self.stop - 1 - last_ns / self.frame_ns - 1e-9

    def block_of(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the index of the block of the window to which each frame belongs."""
        return frames // self.config.block_frames - self.begin // self.config.block_frames

    def blocks(self, values: NDArray[Number]) -> NDArray[Number]:
        """Return the blocks of the window out of those of the state (B, ...)."""
        first = self.begin // self.config.block_frames - self.origin // self.config.block_frames
        return values[first:][: len(self.block_lengths)]

    @cached_property
    def whole(self) -> NDArray[np.int64]:
        """Indices of the blocks of the window that have all their frames."""
        return np.flatnonzero(self.block_lengths == self.config.block_frames)

    # -- looks and events ------------------------------------------------------------------------------

    def look_frames(self, rule: Rule) -> int:
        """Return the number of frames between two looks of a counting rule, 1 for ``core``."""
        return self.config.snapshot_frames if rule == "snapshot" else 1

    def looks(self, rule: Rule) -> NDArray[np.int64]:
        """Return the frames at which a counting rule compares the regions of the ions."""
        stride = self.look_frames(rule)
        first = -(-self.begin // stride) * stride
        return np.arange(first, self.stop, stride)

    def events(self, events: NDArray[np.int64], rule: Rule) -> NDArray[np.int64]:
        """Return the events (E, 4) of a rule with both of their looks in the window."""
        looks = self.looks(rule)
        earliest = looks[0] + 1 if len(looks) else self.stop
        return events[(events[:, 0] >= earliest) & (events[:, 0] < self.stop)]

    def observed_ns(self, rule: Rule) -> float:
        """Return the time in which an event of a rule would have been counted, ns."""
        return max(len(self.looks(rule)) - 1, 0) * self.look_frames(rule) * self.frame_ns

    def net_fluxes(self, events: NDArray[np.int64], labels: tuple[int, ...]) -> NDArray[np.int64]:
        """Return entries to minus exits from the regions with these labels, per block of the window."""
        change = np.isin(events[:, 3], labels).astype(np.int64) - np.isin(events[:, 2], labels)
        flux = np.zeros(len(self.block_lengths), dtype=np.int64)
        np.add.at(flux, self.block_of(events[:, 0]), change)
        return flux
