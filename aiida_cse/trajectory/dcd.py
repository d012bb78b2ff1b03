"""Reader of LAMMPS DCD files that takes one axis at a time and never maps the file into memory.

Layout (little endian; each record between two 4-byte lengths): 84 bytes ``CORD`` and 20 integers (frames, first
step, steps between frames, last step, …, 10th: unit cell given); the title; the number of atoms; then per frame
the unit cell (A, γ, B, β, α, C as float64) and the x, y and z of all atoms as float32.

The number of frames follows from the size of the file, not from the header, which is rewritten after each frame
and can be late or early in a file that a killed program left. A last frame that is not whole is not counted.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

__all__ = ["DcdFile", "Frames", "TrajectoryError"]

_CELL_BYTES = 48
_MARKERS = 8
#: below this size of a frame all of it is read at once, above only the block that is asked for
_SMALL_FRAME = 64 * 1024


class TrajectoryError(ValueError):
    """A trajectory is not what it should be; the message names the file and the frame or step."""


@dataclass(frozen=True)
class Frames:
    """Equally spaced frames along one axis: ``coordinates`` (F, N) float32 and ``lengths`` (F,) float64, in Å.

    Both are views into a buffer of the reader and hold until the next read.
    """

    coordinates: NDArray[np.float32]
    lengths: NDArray[np.float64]


class DcdFile:
    """An open DCD file.

    Attributes
    ----------
    path
        The file.
    natoms, frames, first_step, frame_steps
        Atoms per frame, whole frames, step of the first frame and steps between frames. A file that ends
        before its first frame has 0 frames.
    leftover_bytes
        Bytes behind the last whole frame.
    timestep_fs
        As LAMMPS wrote it, None for a file that another program wrote.

    Raises
    ------
    TrajectoryError
        The file is no DCD file of the layout that LAMMPS writes.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.natoms = self.frames = self.first_step = self.frame_steps = self.leftover_bytes = 0
        self.timestep_fs: float | None = None
        try:
            self._descriptor = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise TrajectoryError(f"{self.path}: cannot be opened: {error.strerror}") from error
        try:
            self._read_header()
        except BaseException:
            self.close()
            raise
        self._buffer = np.empty(0, dtype=np.uint8)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def block_bytes(self) -> int:
        """Size of the coordinates along one axis in a frame."""
        return 4 * self.natoms

    @property
    def frame_bytes(self) -> int:
        """Size of a frame."""
        return _CELL_BYTES + _MARKERS + 3 * (self.block_bytes + _MARKERS)

    def step(self, frame: int) -> int:
        """Return the step of a frame."""
        return self.first_step + frame * self.frame_steps

    # -- frames ----------------------------------------------------------------------------------------

    def read(self, first: int, count: int, axis: int = 2, stride: int = 1) -> Frames:
        """Read the coordinates and the box length along ``axis`` of ``count`` frames that are ``stride`` apart.

        Raises
        ------
        TrajectoryError
            A frame is damaged, its box is tilted, or the file has shrunk since it was opened.
        """
        rows = range(first, first + count * stride, stride)
        if stride == 1 and self.frame_bytes <= _SMALL_FRAME:
            cells, blocks = self._read_whole(rows, axis)
        else:
            cells, blocks = self._read_blocks(rows, axis)
        lengths = self._lengths(rows, cells, axis)
        self._check_markers(rows, blocks)
        coordinates = blocks[:, 4:-4].view("<f4")
        return Frames(coordinates, lengths)

    def _read_whole(self, rows: range, axis: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        table = self._table(len(rows), self.frame_bytes)
        self._fill(table, self._offset(rows.start), rows.start)
        start = _CELL_BYTES + _MARKERS + axis * (self.block_bytes + _MARKERS)
        return table[:, : _CELL_BYTES + _MARKERS], table[:, start : start + self.block_bytes + _MARKERS]

    def _read_blocks(self, rows: range, axis: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        cell_bytes, block_bytes = _CELL_BYTES + _MARKERS, self.block_bytes + _MARKERS
        table = self._table(len(rows), cell_bytes + block_bytes)
        for row, frame in zip(table, rows, strict=True):
            offset = self._offset(frame)
            self._fill(row[:cell_bytes], offset, frame)
            self._fill(row[cell_bytes:], offset + cell_bytes + axis * block_bytes, frame)
        return table[:, :cell_bytes], table[:, cell_bytes:]

    def _table(self, rows: int, columns: int) -> NDArray[np.uint8]:
        if len(self._buffer) < rows * columns:
            self._buffer = np.empty(rows * columns, dtype=np.uint8)
        return self._buffer[: rows * columns].reshape(rows, columns)

    def _fill(self, target: NDArray[np.uint8], offset: int, frame: int) -> None:
        view = target.reshape(-1).data
        done = 0
        while done < len(view):
            got = os.preadv(self._descriptor, [view[done:]], offset + done)
            if got == 0:
                raise TrajectoryError(
                    f"{self.path}: ends within or after frame {frame}; it shrank while it was read"
                )
            done += got

    def _offset(self, frame: int) -> int:
        return self._header_bytes + frame * self.frame_bytes

    def _lengths(self, rows: range, cells: NDArray[np.uint8], axis: int) -> NDArray[np.float64]:
        markers = cells[:, :4].copy().view("<i4")[:, 0]
        self._refuse(markers != _CELL_BYTES, rows, "its unit cell is damaged")
        cell = cells[:, 4:-4].copy().view("<f8")
        angles = cell[:, [1, 3, 4]]
        # LAMMPS writes cosines, others degrees
        tilted = ~((np.abs(angles) < 1e-6) | (np.abs(angles - 90) < 1e-4)).all(axis=1)
        self._refuse(tilted, rows, "its box is tilted")
        lengths: NDArray[np.float64] = cell[:, [0, 2, 5][axis]]
        self._refuse(~(np.isfinite(lengths) & (lengths > 0)), rows, "its box has no length")
        return lengths

    def _check_markers(self, rows: range, blocks: NDArray[np.uint8]) -> None:
        for part in (blocks[:, :4], blocks[:, -4:]):
            self._refuse(part.copy().view("<i4")[:, 0] != self.block_bytes, rows, "its coordinates are damaged")

    def _refuse(self, wrong: NDArray[np.bool_], rows: range, why: str) -> None:
        if wrong.any():
            frame = rows[int(np.argmax(wrong))]
            raise TrajectoryError(f"{self.path}: frame {frame} (step {self.step(frame)}): {why}")

    # -- header ----------------------------------------------------------------------------------------

    def _read_header(self) -> None:
        size = os.fstat(self._descriptor).st_size
        head = os.pread(self._descriptor, 96, 0)
        if head[:8] != struct.pack("<i4s", 84, b"CORD")[: len(head)]:
            raise TrajectoryError(f"{self.path}: is no little-endian DCD file of 4-byte records")
        self.leftover_bytes = size
        self._header_bytes = 0
        if len(head) < 96:
            return
        numbers = struct.unpack("<20i", head[8:88])
        title_bytes = struct.unpack("<i", head[92:96])[0]
        end = 92 + title_bytes + _MARKERS + 4 + _MARKERS
        tail = os.pread(self._descriptor, end - 92, 92)
        if not 4 <= title_bytes < 2**20 or (len(tail) == end - 92 and tail[-12:-8] != struct.pack("<i", 4)):
            raise TrajectoryError(f"{self.path}: the header is damaged")
        if len(tail) < end - 92:
            return
        self._take_header(numbers, head, tail)
        self._header_bytes = end
        self.frames, self.leftover_bytes = divmod(size - end, self.frame_bytes)

    def _take_header(self, numbers: tuple[int, ...], head: bytes, tail: bytes) -> None:
        self.natoms = struct.unpack("<i", tail[-8:-4])[0]
        self.first_step, self.frame_steps = numbers[1], numbers[2]
        for problem, wrong in (
            ("has fixed atoms", numbers[8] != 0),
            ("has no unit cell", numbers[10] != 1),
            ("has a fourth dimension", numbers[11] != 0),
            (f"says {self.natoms} atoms", self.natoms < 1),
            (f"says {self.frame_steps} steps between frames", self.frame_steps < 1),
        ):
            if wrong:
                raise TrajectoryError(f"{self.path}: the header {problem}")
        if b"Written by LAMMPS" in tail:
            self.timestep_fs = float(struct.unpack("<f", head[44:48])[0])
