"""Reader of XTC files through MDAnalysis, many times slower than that of DCD files.

XTC keeps coordinates to a thousandth of a nm, and no name for its unit of time; steps come from its frames.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from aiida_cse.reduction.readers.base import FrameByFrame, TrajectoryError, misplaced

__all__ = ["XtcFile"]

#: Å per nm
_ANGSTROM = 10.0


class XtcFile(FrameByFrame):
    """An open XTC file of unwrapped coordinates.

    Attributes are those of :class:`~aiida_cse.reduction.readers.dcd.DcdFile`; ``frame_steps`` is 0 where there is
    one frame only.

    Raises
    ------
    TrajectoryError
        The file is no XTC file, or its frames are not equally spaced.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.natoms = self.frames = self.first_step = self.frame_steps = self.leftover_bytes = 0
        self._xdr: Any = None
        try:
            size = self.path.stat().st_size
        except OSError as error:
            raise TrajectoryError(f"{self.path}: cannot be opened: {error.strerror}") from error
        if size:
            self._xdr = self._open()
            try:
                self._look_through(size)
            except BaseException:
                self._xdr.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._xdr is not None:
            self._xdr.close()

    def read_frame(self, frame: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return (N, 3) positions and (3,) edges of the box, Å."""
        found = self._frame(frame)
        expected = self.first_step + frame * self.frame_steps
        if found.step != expected:
            why = misplaced(found.step, expected, self.frame_steps)
            raise TrajectoryError(f"{self.path}: frame {frame}: {why}")
        edges = np.diagonal(found.box).astype(np.float64)
        if not np.allclose(found.box, np.diag(edges), atol=1e-6) or not (edges > 0).all():
            raise TrajectoryError(f"{self.path}: frame {frame}: its box is tilted or has no length")
        return found.x * np.float32(_ANGSTROM), edges * _ANGSTROM

    def _open(self) -> Any:
        from MDAnalysis.lib.formats.libmdaxdr import XTCFile as Xdr

        try:
            return Xdr(str(self.path))
        except OSError as error:
            raise TrajectoryError(f"{self.path}: is no XTC file: {error}") from error

    def _look_through(self, size: int) -> None:
        try:
            offsets = self._xdr.offsets
        except OSError as error:
            raise TrajectoryError(f"{self.path}: is no XTC file: {error}") from error
        self.natoms, self.frames = int(self._xdr.n_atoms), len(offsets)
        if self.frames and not self._is_whole(self.frames - 1):
            self.frames -= 1
            self.leftover_bytes = size - int(offsets[self.frames])
        steps = [int(self._frame(frame).step) for frame in range(min(self.frames, 2))]
        self.first_step = steps[0] if steps else 0
        if len(steps) > 1:
            self.frame_steps = steps[1] - steps[0]
            if self.frame_steps < 1:
                raise TrajectoryError(f"{self.path}: frame 1 is of step {steps[1]}, frame 0 of step {steps[0]}")

    def _is_whole(self, frame: int) -> bool:
        try:
            self._frame(frame)
        except TrajectoryError:
            return False
        return True

    def _frame(self, frame: int) -> Any:
        try:
            self._xdr.seek(frame)
            return self._xdr.read()
        except (OSError, EOFError, RuntimeError, StopIteration) as error:
            raise TrajectoryError(f"{self.path}: frame {frame} cannot be read: {error}") from error
