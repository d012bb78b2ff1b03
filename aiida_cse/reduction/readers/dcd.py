"""Reader of DCD files that reads z alone if that is enough, and never maps the file into memory.

Layout (little endian; each record between two 4-byte lengths): 84 bytes ``CORD`` and 20 integers (frames, first
step, steps between frames, last step, …, 9th as float32: timestep, 10th: unit cell given); the title; the number
of atoms; then per frame the unit cell (A, γ, B, β, α, C as float64) and the x, y and z of all atoms as float32.

LAMMPS writes the timestep in its own unit of time, other programs (CHARMM, NAMD, OpenMM, MDAnalysis) in units of
CHARMM's, AKMA. Of these, some count frames in place of steps, so that the header says one step between frames.

The number of frames follows from the size of the file. The header is rewritten after each frame and can be late
or early in a file that a killed program left. An incomplete last frame is not counted.
"""

from __future__ import annotations

import os
import struct
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from aiida_cse.reduction.kernels.compiled import compiled
from aiida_cse.reduction.readers.base import Frames, Source, TrajectoryError, TrajectoryReader

__all__ = ["CELL_BYTES", "DcdFile", "check_records", "read_bytes", "read_pieces"]

_CELL_WORDS = 14
#: size of the record of the unit cell
CELL_BYTES = 4 * _CELL_WORDS
#: size of the two lengths around a record
_MARKERS = 8
#: frames up to this size are read completely, many at once; of larger ones only what is needed is read
_SMALL_FRAME = 64 * 1024
#: bytes; reading a shorter gap takes no longer than another call
_LEAST_GAP = 16 * 1024
#: fs; the unit of time of CHARMM, as DCD files of all programs but LAMMPS have it
_AKMA_FS = 48.88821
#: fs; a shorter timestep in a file of LAMMPS is one in ps, of ``units metal``
_SHORTEST_TIMESTEP = 0.05
#: problems that :func:`check_records` finds, by index
_PROBLEMS = (
    "",
    "its unit cell is damaged",
    "its box is tilted",
    "its box has no length",
    "its coordinates are damaged",
)


class DcdFile(TrajectoryReader):
    """An open DCD file; ``timestep_fs`` is None unless LAMMPS wrote it, for the steps of others may be frames."""

    _descriptor = -1

    def _open(self) -> None:
        self._descriptor = os.open(self.path, os.O_RDONLY)
        self._buffer = np.empty(0, dtype=np.uint8)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def frame_bytes(self) -> int:
        """Size of a frame."""
        return CELL_BYTES + 3 * (4 * self.natoms + _MARKERS)

    @property
    def z_bytes(self) -> int:
        """Size of what :meth:`read` reads of a frame."""
        if self.frame_bytes <= _SMALL_FRAME:
            return self.frame_bytes
        return CELL_BYTES + 4 * self.natoms + _MARKERS

    # -- frames ----------------------------------------------------------------------------------------

    def read(self, first: int, count: int) -> Frames:
        """Read z and the box of ``count`` consecutive frames, and x and y if that costs no more.

        Raises
        ------
        TrajectoryError
            A frame is damaged, its box is tilted, or the file has shrunk since it was opened.
        """
        if self.z_bytes == self.frame_bytes:
            return self.read_xyz(first, count)
        rows = range(first, first + count)
        return self._frames(rows, self._read_z(rows), (2,))

    def read_xyz(self, first: int, count: int, stride: int = 1) -> Frames:
        """Read all coordinates of ``count`` frames that are ``stride`` apart; raises as :meth:`read`."""
        rows = range(first, first + count * stride, stride)
        table = self._table(count, self.frame_bytes)
        if stride == 1:
            self._fill(table.reshape(-1).data, self._header_bytes + first * self.frame_bytes, first)
        else:
            for row, frame in zip(table, rows, strict=True):
                self._fill(row.data, self._header_bytes + frame * self.frame_bytes, frame)
        return self._frames(rows, table, (0, 1, 2))

    def source(self, size: int, sample: int = 0, atoms: NDArray[np.int64] | None = None) -> Source:
        """Return the layout of the file for reads of about ``size`` bytes; parameters as in the base class."""
        saved = self.frame_bytes - self.z_bytes
        pieces = self._pieces([(0, self.natoms)] if atoms is None else atoms.tolist()) if saved and sample else []
        average = self.z_bytes + sum(stop - first for first, stop in pieces) // max(sample, 1)
        if sample == 1 and pieces == [[CELL_BYTES, CELL_BYTES + saved]]:
            saved = 0
        return Source(
            descriptor=self._descriptor,
            start=self._header_bytes,
            frame_bytes=self.frame_bytes,
            skipped=saved,
            sample=sample,
            pieces=np.array(pieces, np.int64).reshape(-1, 2),
            table=self._table(max(size // average, 1), self.frame_bytes),
            natoms=self.natoms,
            columns=(_first_column(0, self.natoms), _first_column(1, self.natoms), _first_column(2, self.natoms)),
        )

    def _pieces(self, ranges: list[tuple[int, int]]) -> list[list[int]]:
        """Return the bytes of a frame with x and y of ranges of atoms, and with the lengths of both records."""
        needed = []
        for block in (0, 1):
            first = 4 * _first_column(block, self.natoms)
            needed.append([first - 4, first])
            needed += [[first + 4 * start, first + 4 * stop] for start, stop in ranges]
            needed.append([first + 4 * self.natoms, first + 4 * self.natoms + 4])
        pieces = needed[:1]
        for start, stop in needed[1:]:
            if start - pieces[-1][1] < _LEAST_GAP:
                pieces[-1][1] = stop
            else:
                pieces.append([start, stop])
        return pieces

    def _read_z(self, rows: range) -> NDArray[np.uint8]:
        """Read the cell and the z of each frame; in the file, the cell of the next frame follows z."""
        width, block_bytes = self.z_bytes, 4 * self.natoms + _MARKERS
        table = self._table(len(rows), width)
        flat = table.reshape(-1)
        offset = self._header_bytes + rows.start * self.frame_bytes
        self._fill(flat[:CELL_BYTES].data, offset, rows.start)
        offset += CELL_BYTES + 2 * block_bytes
        pieces = flat[CELL_BYTES:]
        short = read_pieces(self._descriptor, pieces, width, offset, self.frame_bytes)
        if short >= 0:
            for number, frame in enumerate(rows[short:], short):
                piece = pieces[number * width : (number + 1) * width]
                self._fill(piece.data, offset + number * self.frame_bytes, frame)
        return table

    def _table(self, rows: int, columns: int) -> NDArray[np.uint8]:
        """Return a view of the buffer, which grows if necessary."""
        if len(self._buffer) < rows * columns:
            self._buffer = np.empty(rows * columns, dtype=np.uint8)
        return self._buffer[: rows * columns].reshape(rows, columns)

    def _fill(self, view: memoryview, offset: int, frame: int) -> None:
        done = 0
        while done < len(view):
            try:
                got = os.preadv(self._descriptor, [view[done:]], offset + done)
            except OSError as error:
                raise TrajectoryError(f"{self.path}: frame {frame} cannot be read: {error.strerror}") from error
            if got == 0:
                raise TrajectoryError(
                    f"{self.path}: ends within or after frame {frame}; it shrank while it was read"
                )
            done += got

    def _frames(self, rows: range, table: NDArray[np.uint8], axes: tuple[int, ...]) -> Frames:
        """Check the records of the rows, each of which is a cell and the blocks of ``axes``."""
        boxes = np.empty((len(rows), 3))
        words, cells = table.view("<i4"), table[:, 4:52].view("<f8")
        row, problem = check_records(words, cells, self.natoms, 0, len(axes), boxes)
        if row >= 0:
            frame = rows[row]
            step = self.first_step + frame * self.frame_steps
            raise TrajectoryError(f"{self.path}: frame {frame} (step {step}): {_PROBLEMS[problem]}")
        columns = [-1, -1, -1]
        for number, axis in enumerate(axes):
            columns[axis] = _first_column(number, self.natoms)
        return Frames(table.view("<f4"), self.natoms, (columns[0], columns[1], columns[2]), boxes)

    # -- header ----------------------------------------------------------------------------------------

    def _read_header(self) -> None:
        size = os.fstat(self._descriptor).st_size
        head = os.pread(self._descriptor, 96, 0)
        if head[:8] != struct.pack("<i4s", 84, b"CORD")[: len(head)]:
            why = "is no little-endian DCD file of 4-byte records"
            for layout, name in (
                (">i4s", "is a big-endian DCD file"),
                ("<q4s", "is a DCD file of 8-byte records"),
            ):
                if head.startswith(struct.pack(layout, 84, b"CORD")):
                    why = f"{name}; convert it to a little-endian one of 4-byte records, for example by catdcd"
            raise TrajectoryError(f"{self.path}: {why}")
        self.leftover_bytes = size
        self._header_bytes = 0
        if len(head) < 96:
            return
        numbers = struct.unpack("<20i", head[8:88])
        title_bytes = struct.unpack("<i", head[92:96])[0]
        if not 4 <= title_bytes < 2**20:
            raise TrajectoryError(f"{self.path}: the header is damaged: it has a title of {title_bytes} bytes")
        end = 92 + title_bytes + _MARKERS + 4 + _MARKERS
        tail = os.pread(self._descriptor, end - 92, 92)
        if len(tail) == end - 92 and tail[-12:-8] != struct.pack("<i", 4):
            raise TrajectoryError(f"{self.path}: the header is damaged")
        if len(tail) < end - 92:
            return
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
        self._set_times(float(struct.unpack("<f", head[44:48])[0]), b"Written by LAMMPS" in tail)
        self._header_bytes = end
        self.frames, self.leftover_bytes = divmod(size - end, self.frame_bytes)

    def _set_times(self, timestep: float, lammps: bool) -> None:
        """Set the times from the timestep of the header, unless that is none."""
        if not 0 < timestep < np.inf:
            return
        if lammps:
            if timestep < _SHORTEST_TIMESTEP:
                self.notes = (f"its timestep of {timestep:g} is taken to be in ps (units metal)",)
                timestep *= 1000
            self.timestep_fs = timestep
        elif (timestep, self.frame_steps) == (1.0, 1):
            self.notes = ("its header has no times, only the number 1 in their place",)
            return
        else:
            timestep *= _AKMA_FS
        # the header has 7 significant digits
        self.frame_ps = float(f"{timestep * self.frame_steps / 1000:.6g}")
        self.first_ps = self.first_step / self.frame_steps * self.frame_ps


def _first_column(block: int, natoms: int) -> int:
    """Return the column of 4 bytes at which the coordinates of a block begin."""
    return (CELL_BYTES + block * (4 * natoms + _MARKERS)) // 4 + 1


# -- compiled ------------------------------------------------------------------------------------------------

#: ``pread`` of the C library, as POSIX specifies it; calls from Python would take a tenth of the reading time
_pread: Any = types.ExternalFunction("pread", types.intp(types.intc, types.voidptr, types.uintp, types.int64))


@compiled
def _is_right(angle: float) -> Any:
    """Return whether an angle is right: LAMMPS writes the cosine, others degrees."""
    return abs(angle) < 1e-6 or abs(angle - 90) < 1e-4


@compiled
def check_records(
    words: NDArray[np.int32],
    cells: NDArray[np.float64],
    natoms: int,
    first: int,
    stop: int,
    boxes: NDArray[np.float64],
) -> Any:
    """Check the cells of frames and their blocks ``first`` to ``stop − 1`` of ``natoms`` coordinates.

    ``words`` (F, columns) are the frames, ``cells`` (F, 6) A, γ, B, β, α, C; the ``boxes`` (F, 3) are written.
    Returns the first row in which something is wrong and the index of the problem in :data:`_PROBLEMS`; −1 and 0
    if all is well.
    """
    width = natoms + 2
    for row in range(words.shape[0]):
        if words[row, 0] != 48 or words[row, _CELL_WORDS - 1] != 48:
            return row, 1
        cell = cells[row]
        if not (_is_right(cell[1]) and _is_right(cell[3]) and _is_right(cell[4])):
            return row, 2
        boxes[row, 0], boxes[row, 1], boxes[row, 2] = cell[0], cell[2], cell[5]
        for edge in boxes[row]:
            if not 0 < edge < np.inf:
                return row, 3
        for block in range(first, stop):
            start = _CELL_WORDS + block * width
            if words[row, start] != 4 * natoms or words[row, start + width - 1] != 4 * natoms:
                return row, 4
    return -1, 0


@compiled
def read_bytes(descriptor: int, target: NDArray[np.uint8], offset: int) -> Any:
    """Fill ``target`` from ``offset`` in a file; return whether one call could read all of it."""
    return _pread(descriptor, target.ctypes, target.shape[0], offset) == target.shape[0]


@compiled
def read_pieces(descriptor: int, target: NDArray[np.uint8], width: int, offset: int, step: int) -> Any:
    """Fill ``target`` with pieces of ``width`` bytes that lie ``step`` bytes apart in a file, from ``offset`` on.

    Returns the number of the first piece that one call could not read, −1 if there is none.
    """
    for start in range(0, target.shape[0], width):
        piece = target[start : start + width]
        if _pread(descriptor, piece.ctypes, piece.shape[0], offset) != piece.shape[0]:
            return start // width
        offset += step
    return -1
