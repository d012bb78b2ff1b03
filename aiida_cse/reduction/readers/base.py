"""What a reader of any format gives: some frames, or the reason why not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameByFrame", "Frames", "TrajectoryError", "misplaced"]


class TrajectoryError(ValueError):
    """A trajectory is not what it should be; the message names the file and the frame or step."""


@dataclass(frozen=True)
class Frames:
    """Equally spaced frames; views into a buffer of the reader that hold until the next read.

    Attributes
    ----------
    table
        (F, columns) float32, one frame in each row.
    natoms
        N, the number of atoms.
    columns
        Where the x, y and z of the atoms begin in a row, −1 for an axis that was not read.
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


class FrameByFrame(ABC):
    """What readers have in common that take whole frames only, one after the other."""

    natoms = 0
    timestep_fs: float | None = None
    atom_types: NDArray[np.int64] | None = None

    @property
    def frame_bytes(self) -> int:
        """Size of the coordinates of a frame in memory."""
        return 12 * self.natoms

    @property
    def z_bytes(self) -> int:
        """The same: z is not to be had without x and y."""
        return self.frame_bytes

    def read(self, first: int, count: int) -> Frames:
        """Read ``count`` consecutive frames; raises as :meth:`read_xyz`."""
        return self.read_xyz(first, count)

    def read_xyz(self, first: int, count: int, stride: int = 1) -> Frames:
        """Read ``count`` frames that are ``stride`` apart.

        Raises
        ------
        TrajectoryError
            A frame is damaged, or of other atoms or another step than it must be.
        """
        table, boxes = np.empty((count, 3, self.natoms), np.float32), np.empty((count, 3))
        for row, frame in enumerate(range(first, first + count * stride, stride)):
            positions, boxes[row] = self.read_frame(frame)
            table[row] = positions.T
        return Frames(table.reshape(count, -1), self.natoms, (0, self.natoms, 2 * self.natoms), boxes)

    def source(self, size: int) -> None:
        """Return None: frames are decoded one by one."""
        return

    @abstractmethod
    def read_frame(self, frame: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Return (N, 3) positions and (3,) edges of the box, Å."""


def misplaced(step: int, expected: int, frame_steps: int) -> str:
    """Return what is said of a frame of another step than it must be."""
    return f"is of step {step}, it must be of step {expected}: the first two are {frame_steps} steps apart"
