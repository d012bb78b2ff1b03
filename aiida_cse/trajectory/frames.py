"""What a reader of any format gives: some frames, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frames", "TrajectoryError"]


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
