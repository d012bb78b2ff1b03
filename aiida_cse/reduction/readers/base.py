"""Common interface of the trajectory readers, and the frames that they deliver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

__all__ = ["FrameByFrame", "Frames", "Source", "TrajectoryError", "TrajectoryReader", "time_between"]


class TrajectoryError(ValueError):
    """A trajectory is damaged or does not fit; the message names the file and the frame or step."""


@dataclass(frozen=True)
class Frames:
    """Equally spaced frames, as views into a buffer of the reader that are valid until the next read.

    Attributes
    ----------
    table
        (F, columns) float32, one frame per row.
    natoms
        N, the number of atoms.
    columns
        First columns of the x, y and z of the atoms, −1 for an axis that was not read.
    boxes
        (F, 3) float64, edges of the box, Å.
    """

    table: NDArray[np.float32]
    natoms: int
    columns: tuple[int, int, int]
    boxes: NDArray[np.float64]

    def along(self, axis: int) -> NDArray[np.float32]:
        """Return the coordinates (F, N) along an axis that was read, Å."""
        start = self.columns[axis]
        return self.table[:, start : start + self.natoms]


class Source(NamedTuple):
    """Layout of the frames in an open file, and a buffer for them, as compiled loops take it.

    Attributes
    ----------
    descriptor, start, frame_bytes
        The open file, the offset of its first frame, and the size of a frame.
    skipped, sample
        Bytes behind the cell, x and y, that are only looked at in frames whose numbers in the production are
        multiples of ``sample``; in none if that is 0. If ``skipped`` is 0, all frames are read completely.
    pieces
        (P, 2) first byte of a frame and first beyond, of those parts of x and y that are read in these frames:
        the lengths of the records, and the atoms whose x and y are needed.
    table
        (F, frame_bytes) uint8, buffer for F frames as they lie in the file.
    natoms, columns
        Number of atoms, and the columns of 4 bytes at which x, y and z begin.
    """

    descriptor: int
    start: int
    frame_bytes: int
    skipped: int
    sample: int
    pieces: NDArray[np.int64]
    table: NDArray[np.uint8]
    natoms: int
    columns: tuple[int, int, int]


class TrajectoryReader(ABC):
    """An open trajectory of equally spaced frames.

    Attributes
    ----------
    path
        The file.
    natoms, frames, first_step, frame_steps
        Atoms per frame, complete frames, step of the first frame and steps between frames. A file that ends before
        its first frame has 0 frames; ``frame_steps`` is 0 if it is unknown.
    leftover_bytes
        Bytes behind the last complete frame.
    timestep_fs
        Timestep, None if the file does not contain it.
    atom_types
        (N,) LAMMPS types of the atoms, None if the file does not contain them.
    ids
        (N,) atom IDs in the order in which atoms are delivered, ascending; they may be a subset of those of the
        system. None if the file does not contain them.
    units
        LAMMPS units named in the file (``real``, ``metal``, …), None if there are none.
    unwrapped
        True if coordinates are unwrapped, by their columns or by image flags that the reader applies; False if the
        file declares them wrapped; None if it does not say.
    frame_ps, first_ps
        Time between frames and time of the first frame according to the file, ps; None if it does not say. Many
        programs count frames where others count steps. If ``frame_ps`` is given, it decides, not ``frame_steps``.
    notes
        Limits of the format that a user should know, one sentence each.

    Raises
    ------
    TrajectoryError
        The file cannot be opened, is not of its format, or its frames are not equally spaced.
    """

    timestep_fs: float | None = None
    atom_types: NDArray[np.int64] | None = None
    ids: NDArray[np.int64] | None = None
    units: str | None = None
    unwrapped: bool | None = None
    frame_ps: float | None = None
    first_ps: float | None = None
    notes: tuple[str, ...] = ()

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.natoms = self.frames = self.first_step = self.frame_steps = self.leftover_bytes = 0
        try:
            self._open()
        except OSError as error:
            raise TrajectoryError(f"{self.path}: cannot be opened: {error.strerror}") from error
        try:
            self._read_header()
        except OSError as error:
            self.close()
            raise TrajectoryError(f"{self.path}: cannot be read: {error.strerror}") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _open(self) -> None:
        """Open the file; an OSError is reported as such."""

    @abstractmethod
    def _read_header(self) -> None:
        """Set the attributes."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    @property
    def frame_bytes(self) -> int:
        """Size of what :meth:`read_xyz` reads of a frame."""
        return 12 * self.natoms

    @property
    def z_bytes(self) -> int:
        """Size of what :meth:`read` reads of a frame."""
        return self.frame_bytes

    def read(self, first: int, count: int) -> Frames:
        """Read z and the box of ``count`` consecutive frames, and x and y if that costs no more.

        Raises
        ------
        TrajectoryError
            A frame is damaged, its box is tilted, or the file has changed since it was opened.
        """
        return self.read_xyz(first, count)

    @abstractmethod
    def read_xyz(self, first: int, count: int, stride: int = 1) -> Frames:
        """Read all coordinates of ``count`` frames that are ``stride`` apart; raises as :meth:`read`."""

    def source(self, size: int, sample: int = 0, atoms: NDArray[np.int64] | None = None) -> Source | None:
        """Return the file's layout for compiled loops, None if they cannot read it.

        They read about ``size`` bytes at a time: z, and x and y in every ``sample``-th frame; in none if it is 0.
        ``atoms`` (R, 2) are ranges, first and first beyond, in which x and y are needed; all without it.
        """
        return None


#: relative rounding of times that formats store in 24 bits
_TIME_ROUNDING = 2.0**-22
#: largest deviation of the time of a frame from equal spacing, relative to the time between frames
_TIME_TOLERANCE = 1e-3


def time_between(
    first: float, last: float, frames: int, rounding: float = _TIME_ROUNDING
) -> tuple[float, Callable[[int, float], bool]]:
    """Return the time between frames, and a function that tells whether a frame is of its time.

    The times of the first and of the last of the ``frames`` are rounded in the file. Of the values that fit them,
    the one with the fewest digits is returned.
    """
    spacing = (last - first) / (frames - 1)
    error = max(rounding * max(abs(first), abs(last)) / (frames - 1), 1e-7 * abs(spacing))
    rounded = (float(f"{spacing:.{digits}g}") for digits in range(1, 17))
    spacing = next((value for value in rounded if abs(value - spacing) <= error), spacing)

    def fits(frame: int, time: float) -> bool:
        expected = first + frame * spacing
        return abs(time - expected) <= _TIME_TOLERANCE * abs(spacing) + 2 * rounding * max(
            abs(expected), abs(first)
        )

    return spacing, fits


class FrameByFrame(TrajectoryReader):
    """Reader of a format whose frames can only be decoded completely and one by one."""

    def read_xyz(self, first: int, count: int, stride: int = 1) -> Frames:
        """Read all coordinates of ``count`` frames that are ``stride`` apart; raises as :meth:`read`."""
        table, boxes = np.empty((count, 3, self.natoms), np.float32), np.empty((count, 3))
        for row, frame in enumerate(range(first, first + count * stride, stride)):
            positions, boxes[row] = self.read_frame(frame)
            table[row] = positions.T
        return Frames(table.reshape(count, -1), self.natoms, (0, self.natoms, 2 * self.natoms), boxes)

    @abstractmethod
    def read_frame(self, frame: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Return (N, 3) positions and (3,) edges of the box, Å."""

    def check_step(self, frame: int, step: int) -> None:
        """Refuse a frame whose step does not follow from that of the first frame and the stride."""
        expected = self.first_step + frame * self.frame_steps
        if frame and self.frame_steps < 1:
            raise TrajectoryError(
                f"{self.path}: frame {frame}: is of step {step}, which is not later than step {self.first_step} "
                "of frame 0; steps must ascend from frame to frame"
            )
        if step != expected:
            raise TrajectoryError(
                f"{self.path}: frame {frame}: is of step {step}, it must be of step {expected}: the first two are "
                f"{self.frame_steps} steps apart"
            )
