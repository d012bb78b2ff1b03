"""The flat wall of dummy atoms at the lower end of z, which no molecule crosses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import WALL_MOLECULE

__all__ = ["remove_wall", "wall_positions"]


def wall_positions(lx: float, ly: float, spacing: float) -> NDArray[np.float64]:
    """Return a square grid at z = 0, (n, 3) Å, with the spacing nearest to ``spacing`` that fits both edges."""
    columns, rows = (max(round(edge / spacing), 1) for edge in (lx, ly))
    x, y = np.meshgrid(np.arange(columns) * lx / columns, np.arange(rows) * ly / rows, indexing="ij")
    return np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)])


def remove_wall(data: DataFile) -> DataFile:
    """Return the system without the wall's atoms."""
    return data.select(data.molecules != WALL_MOLECULE)
