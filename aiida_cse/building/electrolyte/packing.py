"""Initial layout of the electrolyte: random placement of whole molecules in a layer, and the wall below it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

__all__ = ["PackingRegion", "wall_positions"]

Floats = NDArray[np.float64]

#: placements tried for each molecule; the first with a closest contact of at least _CLEAR (Å) is accepted
_TRIALS = 30
_CLEAR = 2.0


@dataclass
class PackingRegion:
    """A layer of edges ``lx``, ``ly``, periodic along x and y, between the heights ``bottom`` and ``top`` (Å)."""

    lx: float
    ly: float
    bottom: float
    top: float
    _placed: list[Floats] = field(default_factory=list)

    def place(self, shape: Floats, rng: np.random.Generator) -> Floats | None:
        """Place a molecule of shape (n, 3) with random orientation and position; return its positions in Å.

        Of the placements tried, the one with the longest closest contact to molecules placed before and to its own
        periodic images is kept. Positions are unwrapped along x and y. The result is None if the molecule did not
        fit between bottom and top in any orientation.
        """
        tree = None
        if self._placed:
            placed = self._wrapped(np.concatenate(self._placed))
            tree = cKDTree(placed, boxsize=np.array([self.lx, self.ly, 0.0]))
        best: Floats | None = None
        best_contact = -1.0
        for _ in range(_TRIALS):
            turned: Floats = Rotation.from_quat(rng.normal(size=4)).apply(shape)
            spot = rng.random(3)
            low, high = turned[:, 2].min(), turned[:, 2].max()
            room = (self.top - self.bottom) - (high - low)
            if room < 0:
                continue
            target = np.array([spot[0] * self.lx, spot[1] * self.ly, self.bottom - low + spot[2] * room])
            trial: Floats = turned + target
            contact = np.inf
            # only a long molecule comes near its own periodic images
            if not (np.ptp(trial[:, :2], axis=0) + _CLEAR < (self.lx, self.ly)).all():
                neighbours = np.array([(1, 0, 0), (0, 1, 0), (1, 1, 0), (1, -1, 0)]) * (self.lx, self.ly, 0.0)
                images = (trial + neighbours[:, None, :]).reshape(-1, 3)
                contact = float(np.min(cKDTree(images).query(trial)[0]))
            if tree is not None:
                contact = min(contact, float(np.min(tree.query(self._wrapped(trial))[0])))
            if contact > best_contact:
                best, best_contact = trial, contact
            if contact >= _CLEAR:
                break
        if best is not None:
            self._placed.append(best)
        return best

    def _wrapped(self, positions: Floats) -> Floats:
        edges = np.array([self.lx, self.ly])
        wrapped: Floats = positions.copy()
        wrapped[:, :2] = np.mod(positions[:, :2], edges)
        # np.mod of a tiny negative number is the edge itself, which the periodic tree refuses
        wrapped[:, :2] = np.where(wrapped[:, :2] < edges, wrapped[:, :2], 0.0)
        return wrapped


def wall_positions(lx: float, ly: float, spacing: float) -> Floats:
    """Return the wall's square grid at z = 0, (n, 3) Å.

    The spacing along each axis is the one nearest to ``spacing`` (Å) that divides the edge.
    """
    columns, rows = (max(round(edge / spacing), 1) for edge in (lx, ly))
    x, y = np.meshgrid(np.arange(columns) * lx / columns, np.arange(rows) * ly / rows, indexing="ij")
    return np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)])
