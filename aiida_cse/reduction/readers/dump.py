"""Reader of LAMMPS text dumps (``dump custom`` with ``id xu yu zu``), many times slower than that of DCD files.

Atoms may be in any order; they are sorted by their IDs, which must be 1 to N in every frame.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.readers.base import FrameByFrame, TrajectoryError

__all__ = ["DumpFile"]

_START = b"ITEM: TIMESTEP\n"
_SCAN_BYTES = 2**22
#: upper bound on the length of a header
_HEADER_BYTES = 4096
_COLUMNS = ("id", "xu", "yu", "zu")


@dataclass(frozen=True)
class _Header:
    """Header of one frame; ``begin`` is the offset of its atoms from the start of the frame."""

    step: int
    natoms: int
    lengths: tuple[float, float, float]
    columns: tuple[str, ...]
    begin: int


class DumpFile(FrameByFrame):
    """An open text dump.

    ``frame_steps`` is 0 if there is only one frame. ``atom_types`` are those of the first frame, None if the dump
    has no column ``type``.
    """

    def _open(self) -> None:
        self._file: BinaryIO = self.path.open("rb")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read_frame(self, frame: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (N, 3) positions, sorted by ID, and (3,) edges of the box, Å."""
        content = self._content(frame)
        header = self._header(content, frame)
        if header.step != self.first_step + frame * self.frame_steps:
            raise self._error(frame, f"is now of step {header.step}; the file was changed while it was read")
        if header.natoms != self.natoms:
            raise self._error(frame, f"has {header.natoms} atoms, the first frame has {self.natoms}")
        rows = self._columns(content, header, frame, _COLUMNS)
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        if not np.array_equal(rows[:, 0], np.arange(1, self.natoms + 1)):
            raise self._error(frame, f"its atoms do not have the IDs 1 to {self.natoms}")
        return rows[:, 1:], np.array(header.lengths)

    # -- one frame -------------------------------------------------------------------------------------

    def _error(self, frame: int, why: str) -> TrajectoryError:
        return TrajectoryError(f"{self.path}: frame {frame}: {why}")

    def _content(self, frame: int) -> bytes:
        start, stop = self._offsets[frame], self._offsets[frame + 1]
        self._file.seek(start)
        content = self._file.read(stop - start)
        if len(content) < stop - start:
            raise TrajectoryError(f"{self.path}: ends within or after frame {frame}; it shrank while it was read")
        return content

    def _header(self, content: bytes, frame: int) -> _Header:
        """Read the items of a header; those that LAMMPS adds on request (UNITS, TIME) are ignored."""
        items: dict[str, list[str]] = {}
        begin, name, columns = 0, "", ""
        for line in content[:_HEADER_BYTES].splitlines(keepends=True):
            begin += len(line)
            text = line.decode("ascii", "replace").strip()
            if text.startswith("ITEM: ATOMS"):
                columns = text.removeprefix("ITEM: ATOMS")
                break
            if text.startswith("ITEM: "):
                name = text.removeprefix("ITEM: ")
                items[name] = []
            else:
                items.setdefault(name, []).append(text)
        try:
            (bounds,) = (name for name in items if name.startswith("BOX BOUNDS"))
            edges = [[float(word) for word in line.split()] for line in items[bounds]]
            if any(tilt for _, _, *tilts in edges for tilt in tilts):
                raise ValueError("its box is tilted")
            lengths = [high - low for low, high, *_ in edges]
            return _Header(
                int(items["TIMESTEP"][0]),
                int(items["NUMBER OF ATOMS"][0]),
                (lengths[0], lengths[1], lengths[2]),
                tuple(columns.split()),
                begin,
            )
        except (KeyError, ValueError, IndexError) as error:
            raise self._error(frame, f"its header cannot be read: {error}") from error

    def _columns(self, content: bytes, header: _Header, frame: int, names: tuple[str, ...]) -> NDArray[np.float64]:
        """Return the columns of the atoms (N, names) in the order of the file."""
        missing = [name for name in names if name not in header.columns]
        if missing:
            raise self._error(
                frame,
                f"has no column {', '.join(missing)}, only {' '.join(header.columns)}; unwrapped coordinates are "
                "needed: dump custom with id type xu yu zu",
            )
        try:
            rows = np.loadtxt(
                io.BytesIO(content[header.begin :]),
                usecols=[header.columns.index(name) for name in names],
                ndmin=2,
                comments=None,
            )
        except ValueError as error:
            raise self._error(frame, f"its atoms cannot be read: {error}") from error
        if len(rows) != header.natoms:
            raise self._error(frame, f"has {len(rows)} lines of atoms, it must have {header.natoms}")
        return rows

    # -- the whole file --------------------------------------------------------------------------------

    def _read_header(self) -> None:
        """Locate the frames, leave out an incomplete last one, and check that they are equally spaced."""
        size = self.path.stat().st_size
        self._offsets = [*self._starts(), size]
        if size and self._offsets[0] != 0:
            raise TrajectoryError(f"{self.path}: is no text dump of LAMMPS, it does not begin with ITEM: TIMESTEP")
        self.frames = len(self._offsets) - 1
        if self.frames and not self._is_complete(self.frames - 1):
            self.frames -= 1
            self.leftover_bytes = size - self._offsets[self.frames]
            del self._offsets[-1]
        if not self.frames:
            return
        content = self._content(0)
        header = self._header(content, 0)
        self.natoms, self.first_step = header.natoms, header.step
        if {"id", "type"} <= set(header.columns):
            rows = self._columns(content, header, 0, ("id", "type"))
            self.atom_types = rows[np.argsort(rows[:, 0], kind="stable"), 1].astype(np.int64)
        steps = [self._step(frame) for frame in range(self.frames)]
        if len(steps) > 1:
            self.frame_steps = steps[1] - steps[0]
        for frame, step in enumerate(steps):
            self.check_step(frame, step)

    def _starts(self) -> list[int]:
        """Return the offsets of the frames."""
        found, offset, rest = [], 0, b""
        self._file.seek(0)
        while block := self._file.read(_SCAN_BYTES):
            block = rest + block
            place = block.find(_START)
            while place >= 0:
                found.append(offset + place)
                place = block.find(_START, place + 1)
            rest = block[-len(_START) + 1 :]
            offset += len(block) - len(rest)
        return found

    def _is_complete(self, frame: int) -> bool:
        content = self._content(frame)
        if not content.endswith(b"\n"):
            return False
        try:
            header = self._header(content, frame)
        except TrajectoryError:
            return False
        return bool(header.columns) and content.count(b"\n", header.begin) == header.natoms

    def _step(self, frame: int) -> int:
        self._file.seek(self._offsets[frame] + len(_START))
        line = self._file.readline(64)
        try:
            return int(line)
        except ValueError as error:
            raise self._error(frame, f"its step is {line.decode('ascii', 'replace').strip()!r}") from error
