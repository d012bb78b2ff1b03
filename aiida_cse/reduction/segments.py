"""Which frames of which segment belong to a production.

A resumed LAMMPS run writes the frame at its restart step again, and a run that was killed has frames beyond the
step it is resumed from. So of each segment the frames at or after the first step of the next one are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from aiida_cse.reduction.checksums import check_checksums
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.open import TrajectoryFile, open_trajectory

__all__ = ["Segment", "SegmentPlan", "plan_segments"]


@dataclass(frozen=True)
class Segment:
    """The frames ``first`` to ``first + count − 1`` of a file; the first is frame ``start`` of the production.

    ``first_step`` is the step of the file's first frame, by which it is known again when it is opened to be read.
    """

    path: Path
    first: int
    count: int
    start: int
    first_step: int


@dataclass(frozen=True)
class SegmentPlan:
    """The segments to read, in order and without a gap, and what is to be said about them."""

    segments: tuple[Segment, ...]
    notes: tuple[str, ...]

    @property
    def frames(self) -> int:
        """Number of frames in all."""
        return sum(segment.count for segment in self.segments)

    @property
    def start(self) -> int:
        """Number of the first frame; 0 for a plan without frames."""
        return self.segments[0].start if self.segments else 0

    def split(self, frame: int) -> tuple[SegmentPlan, SegmentPlan]:
        """Return the plans of the frames before number ``frame`` and from it on."""
        before, after = [], []
        for segment in self.segments:
            count = min(max(frame - segment.start, 0), segment.count)
            if count:
                before.append(replace(segment, count=count))
            if count < segment.count:
                first, start = segment.first + count, segment.start + count
                after.append(replace(segment, first=first, count=segment.count - count, start=start))
        return SegmentPlan(tuple(before), self.notes), SegmentPlan(tuple(after), self.notes)


@dataclass(frozen=True)
class _Header:
    path: Path
    frames: int
    first_step: int
    leftover_bytes: int


def plan_segments(
    paths: Sequence[str | Path],
    config: ReductionConfig,
    until_step: int | None = None,
    checksums: Mapping[str, str] | None = None,
) -> SegmentPlan:
    """Look at the headers of the segments and decide which frames to read.

    Parameters
    ----------
    paths
        Trajectories in the order of time.
    config
        Settings of the reduction.
    until_step
        Leave out the frames at or after this step.
    checksums
        SHA-256 (hexadecimal) that files must have, by their paths as given; files without one are not checked.

    Raises
    ------
    TrajectoryError
        A file is not of its format or of another system, stride, timestep or checksum, or the segments leave a gap
        or are in the wrong order; names the file and the step.
    ValueError
        A checksum is of none of the files.
    """
    check_checksums(paths, checksums or {})
    headers = [_open(Path(path), config) for path in paths]
    notes = [note for header in headers for note in _notes(header)]
    headers = [header for header in headers if header.frames]
    segments = []
    for index, header in enumerate(headers):
        stop = _stop_step(headers, index, until_step, config)
        count = min(header.frames, max(0, -(-(stop - header.first_step) // config.frame_steps)))
        notes += _cut_note(header, count, stop)
        if count:
            start = header.first_step // config.frame_steps
            segments.append(Segment(header.path, 0, count, start, header.first_step))
    _refuse_gaps(segments, config)
    return SegmentPlan(tuple(segments), tuple(notes))


def _open(path: Path, config: ReductionConfig) -> _Header:
    with open_trajectory(path) as file:
        if file.natoms:
            _check(file, config)
        return _Header(path, file.frames, file.first_step, file.leftover_bytes)


def _check(file: TrajectoryFile, config: ReductionConfig) -> None:
    if file.natoms != config.natoms:
        raise TrajectoryError(f"{file.path}: has {file.natoms} atoms, the system has {config.natoms}")
    if file.atom_types is not None and not np.array_equal(file.atom_types, config.atom_types):
        atom = int(np.argmax(file.atom_types != config.atom_types))
        raise TrajectoryError(
            f"{file.path}: atom {atom + 1} is of type {file.atom_types[atom]}, in the system it is of type "
            f"{config.atom_types[atom]}"
        )
    if file.frame_steps and file.frame_steps != config.frame_steps:
        raise TrajectoryError(
            f"{file.path}: has a frame every {file.frame_steps} steps, frame_steps is {config.frame_steps}"
        )
    if file.first_step % config.frame_steps:
        raise TrajectoryError(
            f"{file.path}: starts at step {file.first_step}, no multiple of frame_steps {config.frame_steps}"
        )
    if file.timestep_fs is not None and abs(file.timestep_fs - config.timestep_fs) > 1e-5 * config.timestep_fs:
        raise TrajectoryError(
            f"{file.path}: was written with a timestep of {file.timestep_fs:g} fs, "
            f"timestep_fs is {config.timestep_fs:g}"
        )


def _notes(header: _Header) -> list[str]:
    if not header.frames:
        return [f"{header.path.name}: ends before its first frame is whole"]
    if header.leftover_bytes:
        return [
            f"{header.path.name}: frame {header.frames} is not whole ({header.leftover_bytes} bytes), "
            "it was left out"
        ]
    return []


def _stop_step(headers: Sequence[_Header], index: int, until_step: int | None, config: ReductionConfig) -> int:
    header = headers[index]
    stop = header.first_step + header.frames * config.frame_steps
    if index + 1 < len(headers):
        later = headers[index + 1]
        if later.first_step <= header.first_step:
            raise TrajectoryError(
                f"{later.path}: starts at step {later.first_step}, but {header.path} before it at step "
                f"{header.first_step}; segments must be in the order of time"
            )
        stop = min(stop, later.first_step)
    return stop if until_step is None else min(stop, until_step)


def _cut_note(header: _Header, count: int, stop: int) -> list[str]:
    if count == header.frames:
        return []
    return [f"{header.path.name}: {header.frames - count} frame(s) from step {stop} on were left out"]


def _refuse_gaps(segments: Sequence[Segment], config: ReductionConfig) -> None:
    for before, after in pairwise(segments):
        end = before.start + before.count
        if after.start != end:
            raise TrajectoryError(
                f"{after.path}: starts at step {after.start * config.frame_steps}, but {before.path} ends before "
                f"step {end * config.frame_steps}; the frames between are missing"
            )
