"""Reader of XTC files through MDAnalysis, many times slower than that of DCD files.

XTC stores coordinates in nm with three decimals, and a time without a unit. Steps are those of its frames.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.readers.base import FrameByFrame, TrajectoryError

__all__ = ["XtcFile"]

#: Å per nm
_ANGSTROM = 10.0


class XtcFile(FrameByFrame):
    """An open XTC file of unwrapped coordinates; ``frame_steps`` is 0 if there is only one frame."""

    _xdr: Any = None

    def _open(self) -> None:
        self._size = self.path.stat().st_size

    def close(self) -> None:
        """Close the file."""
        if self._xdr is not None:
            self._xdr.close()

    def read_frame(self, frame: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return (N, 3) positions and (3,) edges of the box, Å."""
        found = self._frame(frame)
        self.check_step(frame, found.step)
        edges = np.diagonal(found.box).astype(np.float64)
        if not np.allclose(found.box, np.diag(edges), atol=1e-6) or not (edges > 0).all():
            raise TrajectoryError(f"{self.path}: frame {frame}: its box is tilted or has no length")
        return found.x * np.float32(_ANGSTROM), edges * _ANGSTROM

    def _read_header(self) -> None:
        from MDAnalysis.lib.formats.libmdaxdr import XTCFile as Xdr

        if not self._size:
            return
        try:
            self._xdr = Xdr(str(self.path))
            offsets = self._xdr.offsets
        except OSError as error:
            raise TrajectoryError(f"{self.path}: is no XTC file: {error}") from error
        self.natoms, self.frames = int(self._xdr.n_atoms), len(offsets)
        if self.frames:
            try:
                self._frame(self.frames - 1)
            except TrajectoryError:
                self.frames -= 1
                self.leftover_bytes = self._size - int(offsets[self.frames])
        steps = [int(self._frame(frame).step) for frame in range(min(self.frames, 2))]
        self.first_step = steps[0] if steps else 0
        if len(steps) > 1:
            self.frame_steps = steps[1] - steps[0]
            if self.frame_steps < 1:
                raise TrajectoryError(f"{self.path}: frame 1 is of step {steps[1]}, frame 0 of step {steps[0]}")

    def _frame(self, frame: int) -> Any:
        try:
            self._xdr.seek(frame)
            return self._xdr.read()
        except (OSError, EOFError, RuntimeError, StopIteration) as error:
            raise TrajectoryError(f"{self.path}: frame {frame} cannot be read: {error}") from error
