"""Trajectory segments of a production: their headers, checksums, and the frames that count.

A resumed LAMMPS run writes the frame at its restart step again, and a killed run leaves frames beyond the step
from which it is resumed. Of each segment, the frames at or after the first step of the next one are therefore
left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.checked import CheckedTrajectory, Entrance, TrajectoryChecks

__all__ = ["Segment", "SegmentPlan", "file_sha256", "load_checksums", "plan_segments"]

_READ_BYTES = 2**20
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


@dataclass(frozen=True)
class Segment:
    """Frames ``first`` to ``first + count − 1`` of a file; the first is frame ``start`` of the production.

    ``first_step`` is the step of the file's first frame. It identifies the file when it is opened again.
    ``file_bytes`` is its size when it was planned. ``shifts`` (N, 3) are box edges to add to the coordinates of
    all its frames, None for none.
    """

    path: Path
    first: int
    count: int
    start: int
    first_step: int
    file_bytes: int = 0
    shifts: NDArray[np.int64] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class SegmentPlan:
    """Segments to read, in order and without a gap, and notes about their files.

    ``checks`` are what the files are checked against; without them it is the configuration alone.
    """

    segments: tuple[Segment, ...]
    notes: tuple[str, ...]
    checks: TrajectoryChecks | None = field(default=None, compare=False, repr=False)

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
        return replace(self, segments=tuple(before)), replace(self, segments=tuple(after))


@dataclass(frozen=True)
class _Header:
    path: Path
    frames: int
    first_step: int
    leftover_bytes: int
    file_bytes: int
    shifts: NDArray[np.int64]


def plan_segments(
    paths: Sequence[str | Path],
    config: ReductionConfig,
    until_step: int | None = None,
    checksums: Mapping[str, str] | None = None,
    entrance: Entrance | None = None,
) -> SegmentPlan:
    """Check the segments and determine which frames to read.

    Parameters
    ----------
    paths
        Trajectories in the order of time.
    config
        Settings of the reduction.
    until_step
        Leave out the frames at or after this step.
    checksums
        Expected SHA-256 (hexadecimal) of files, by their paths as given; other files are not checked.
    entrance
        How the files come in: what is known of the system besides the configuration, whether to unwrap, and the
        time between frames if the files are wrong.

    Raises
    ------
    TrajectoryError
        A file is not of its format, or differs in system, stride, timestep or checksum; its first frames or its
        last one are wrapped, torn, not finite or not in the order of the atom IDs; or the segments leave a gap or
        are in the wrong order. The message names the file and the step.
    ValueError
        A checksum belongs to none of the files.
    """
    _check_checksums(paths, checksums or {})
    checks = TrajectoryChecks(config, entrance or Entrance())
    notes: list[str] = []
    headers: list[_Header] = []
    for path in map(Path, paths):
        with CheckedTrajectory(path, checks) as file:
            if not file.frames:
                notes.append(f"{path.name}: ends before its first frame is complete")
                continue
            size = path.stat().st_size
            header = _Header(path, file.frames, file.first_step, file.leftover_bytes, size, file.look())
            notes += file.notes
        headers.append(header)
        if header.leftover_bytes:
            notes.append(
                f"{path.name}: frame {header.frames} is incomplete ({header.leftover_bytes} bytes), left out"
            )
    segments = []
    for index, header in enumerate(headers):
        stop = _stop_step(headers, index, until_step, config)
        count = min(header.frames, max(0, -(-(stop - header.first_step) // config.frame_steps)))
        if count < header.frames:
            left_out = header.frames - count
            notes.append(f"{header.path.name}: {left_out} frame(s) from step {stop} on were left out")
        if count:
            start = header.first_step // config.frame_steps
            size, shifts = header.file_bytes, header.shifts
            segments.append(Segment(header.path, 0, count, start, header.first_step, size, shifts))
    for before, after in pairwise(segments):
        end = before.start + before.count
        if after.start != end:
            raise TrajectoryError(
                f"{after.path}: starts at step {after.start * config.frame_steps}, but {before.path} ends before "
                f"step {end * config.frame_steps}; the frames between are missing"
            )
    return SegmentPlan(tuple(segments), tuple(notes), checks)


def _stop_step(headers: Sequence[_Header], index: int, until_step: int | None, config: ReductionConfig) -> int:
    """Return the step before which the frames of a segment count."""
    header = headers[index]
    stop = header.first_step + header.frames * config.frame_steps
    if index + 1 < len(headers):
        later = headers[index + 1]
        # A job that was killed soon after its first frame is followed by one with the same first frame. That one
        # reaches at least as far, or is followed as well; else the files are given twice or in another order.
        shorter = index + 2 == len(headers) and later.frames < header.frames
        misplaced = shorter or later.path == header.path
        if later.first_step < header.first_step + misplaced:
            raise TrajectoryError(
                f"{later.path}: starts at step {later.first_step}, but {header.path} before it at step "
                f"{header.first_step}; segments must be in the order of time"
            )
        stop = min(stop, later.first_step)
    return stop if until_step is None else min(stop, until_step)


# -- checksums -----------------------------------------------------------------------------------------------


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, hexadecimal.

    Raises
    ------
    TrajectoryError
        The file cannot be read.
    """
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_READ_BYTES))
    try:
        with Path(path).open("rb", buffering=0) as file:
            while got := file.readinto(buffer):
                digest.update(buffer[:got])
    except OSError as error:
        raise TrajectoryError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _check_checksums(paths: Sequence[str | Path], checksums: Mapping[str, str]) -> None:
    """Refuse a file whose SHA-256 is not that of ``checksums``, by its path as given."""
    unknown = sorted(set(checksums) - {str(path) for path in paths})
    if unknown:
        raise ValueError(f"checksums: {unknown[0]} is none of the segments {', '.join(map(str, paths))}")
    for path in paths:
        expected = checksums.get(str(path))
        if expected is None:
            continue
        found = file_sha256(path)
        if found != expected.lower():
            raise TrajectoryError(
                f"{path}: its SHA-256 is {found}, it must be {expected.lower()}; "
                "the file was changed or is another one"
            )


def load_checksums(path: str | Path) -> dict[str, str]:
    """Read the output of ``sha256sum``: in each line the checksum, two spaces and the path.

    Raises
    ------
    ValueError
        The file cannot be read or a line is malformed; names the line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error
    found = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"{path}: line {number} is {line!r}, it must be a SHA-256, two spaces and a path")
        found[match[2]] = match[1]
    return found
