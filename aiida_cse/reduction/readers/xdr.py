"""Frames of the binary formats of GROMACS, XTC and TRR, and the reader of TRR.

Both are sequences of frames, each with a header of big-endian numbers (XDR) that contains step, time, box and
size. The headers of all frames are read first. Lengths are in nm, times in ps. The readers of MDAnalysis are not
used: they write an index beside the file, and a damaged XTC file can end the whole program.
"""

from __future__ import annotations

import os
import struct
from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.readers.base import FrameByFrame, TrajectoryError, time_between

__all__ = ["ANGSTROM", "TrrFile", "XdrFile", "XdrFrame"]

#: Å per nm
ANGSTROM = 10.0
#: nm; largest entry of the box beside its diagonal that is a rounding error
_TILT = 1e-5


class XdrFrame(NamedTuple):
    """Header of a frame: ``begin`` and ``size`` are the offset and the size of its coordinates in bytes."""

    natoms: int
    step: int
    time: float
    box: tuple[float, ...]
    begin: int
    size: int
    stop: int


class XdrFile(FrameByFrame):
    """An open file of XDR frames.

    ``frame_steps`` is 0 if there is only one frame. If the steps of the frames are not equally spaced but their
    times are, as in files of programs that know no steps, frames are counted in place of steps.
    """

    _descriptor = -1

    def _open(self) -> None:
        self._descriptor = os.open(self.path, os.O_RDONLY)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @abstractmethod
    def _read_frame_header(self, offset: int) -> XdrFrame | None:
        """Read the header of the frame at an offset, None if the file ends within it.

        Raises
        ------
        ValueError
            There is no such header.
        """

    @abstractmethod
    def _positions(self, frame: int) -> NDArray[np.floating]:
        """Return the positions of a frame, (N, 3) nm; raises an OSError or TrajectoryError."""

    def read_frame(self, frame: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Return (N, 3) positions and (3,) edges of the box, Å."""
        box = np.array(self._frames[frame].box).reshape(3, 3)
        edges = np.diagonal(box)
        if not np.isfinite(box).all() or (edges <= 0).any():
            raise self._error(frame, "its box has no length")
        if (np.abs(box - np.diag(edges)) > _TILT).any():
            raise self._error(frame, "its box is tilted; only boxes with right angles can be reduced")
        try:
            positions = self._positions(frame)
        except (OSError, EOFError, RuntimeError, MemoryError) as error:
            raise self._error(frame, f"cannot be read: {error}") from error
        with np.errstate(over="ignore", invalid="ignore"):
            positions = positions * positions.dtype.type(ANGSTROM)
        if not np.isfinite(positions).all():
            raise self._error(frame, "has a coordinate that is not finite")
        return positions, edges * ANGSTROM

    def _error(self, frame: int, why: str) -> TrajectoryError:
        found = self._frames[frame]
        return TrajectoryError(f"{self.path}: frame {frame} (step {found.step}, {found.time:g} ps): {why}")

    def _bytes(self, offset: int, size: int) -> bytes:
        return os.pread(self._descriptor, size, offset)

    # -- all frames ------------------------------------------------------------------------------------

    def _read_header(self) -> None:
        """Read the headers of all frames, leave out an incomplete last one, and check the spacing."""
        end, offset, number = os.fstat(self._descriptor).st_size, 0, 0
        self._frames: list[XdrFrame] = []
        while offset < end:
            try:
                frame = self._read_frame_header(offset)
            except ValueError as error:
                raise TrajectoryError(f"{self.path}: frame {number}, byte {offset}: {error}") from error
            number += 1
            if frame is None or frame.stop > end:
                break
            offset = frame.stop
            if frame.size:
                self._frames.append(frame)
        self.leftover_bytes = end - offset
        self.frames = len(self._frames)
        if not self.frames:
            return
        self.natoms = self._frames[0].natoms
        for frame_number, frame in enumerate(self._frames):
            if frame.natoms != self.natoms:
                raise self._error(frame_number, f"has {frame.natoms} atoms, the first frame has {self.natoms}")
        self._set_spacing()

    def _set_spacing(self) -> None:
        """Set the steps and times, which must be equally spaced."""
        steps = np.array([frame.step for frame in self._frames])
        times = np.array([frame.time for frame in self._frames])
        self.first_step = int(steps[0])
        if not np.isfinite(times).all():
            raise self._error(int(np.argmin(np.isfinite(times))), "its time must be a finite number")
        if times.any():
            self.first_ps = float(times[0])
        if self.frames < 2:
            return
        spacing, fits = time_between(times[0], times[-1], self.frames)
        timed = bool((times != times[0]).any())
        uneven = [frame for frame, time in enumerate(times.tolist()) if not fits(frame, time)]
        if timed and (spacing <= 0 or uneven):
            raise self._error(uneven[0] if uneven else 1, "frames must be equally spaced in time")
        self.frame_steps = int(steps[1] - steps[0])
        wrong = steps != self.first_step + np.arange(self.frames) * self.frame_steps
        if timed:
            self.frame_ps = spacing
        if timed and (self.frame_steps < 1 or wrong.any()):
            self.first_step, self.frame_steps = round(times[0] / spacing), 1
        else:
            frame = int(np.argmax(wrong)) or 1
            self.check_step(frame, int(steps[frame]))


class TrrFile(XdrFile):
    """An open TRR file; frames without positions (of velocities or forces alone) are passed over."""

    _HEAD = struct.Struct(">iii12s13i")
    _MAGIC, _NAME = 1993, b"GMX_trn_file"

    def _read_frame_header(self, offset: int) -> XdrFrame | None:
        head = self._bytes(offset, self._HEAD.size + 16 + 72)
        begin = struct.pack(">iii12s", self._MAGIC, len(self._NAME) + 1, len(self._NAME), self._NAME)
        if head[: len(begin)] != begin[: len(head)]:
            raise ValueError("is no frame of a TRR file")
        if len(head) < self._HEAD.size + 8:
            return None
        *_, natoms, step, _ = numbers = self._HEAD.unpack_from(head)[4:]
        sizes = numbers[:10]
        ir, energy, box, virial, pressure, topology, symmetry, own, *others = sizes
        # of 4 or 8 bytes each
        width = box // 9 if box else own // (3 * natoms) if natoms else 0
        if natoms < 1 or width not in (4, 8) or box not in (0, 9 * width) or any(size < 0 for size in sizes):
            raise ValueError(f"its sizes {', '.join(map(str, numbers))} are damaged")
        if own not in (0, 3 * width * natoms) or any(size not in (0, 3 * width * natoms) for size in others):
            raise ValueError(f"has {own} bytes of positions of {natoms} atoms")
        begin_box = self._HEAD.size + 2 * width
        if len(head) < begin_box + box:
            return None
        real = "f" if width == 4 else "d"
        (time,) = struct.unpack_from(f">{real}", head, self._HEAD.size)
        edges = struct.unpack_from(f">{9 if box else 0}{real}", head, begin_box) or (0.0,) * 9
        place = offset + begin_box + ir + energy + box + virial + pressure + topology + symmetry
        return XdrFrame(natoms, step, time, edges, place, own, place + own + sum(others))

    def _positions(self, frame: int) -> NDArray[np.floating]:
        found = self._frames[frame]
        content = self._bytes(found.begin, found.size)
        if len(content) < found.size:
            raise TrajectoryError(f"{self.path}: ends within or after frame {frame}; it shrank while it was read")
        kind = ">f4" if found.size == 12 * found.natoms else ">f8"
        return np.frombuffer(content, kind).reshape(-1, 3).astype(kind.replace(">", "="))
