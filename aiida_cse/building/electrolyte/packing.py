"""Random placement of whole molecules in a layer that is periodic along x and y only."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

__all__ = ["Layer"]

Floats = NDArray[np.float64]

#: placements tried for each molecule; the first whose closest contact is at least _CLEAR (Å) is taken
_TRIALS = 30
_CLEAR = 2.0


@dataclass
class Layer:
    """A layer of edges ``lx``, ``ly`` whose molecules lie wholly between ``bottom`` and ``top`` (all Å)."""

    lx: float
    ly: float
    bottom: float
    top: float
    _placed: list[Floats] = field(default_factory=list)

    def place(self, shape: Floats, rng: np.random.Generator) -> Floats | None:
        """Rotate and move a molecule of shape (n, 3) to a random free spot; return its positions.

        Of the placements tried the one with the longest closest contact is kept. Positions are unwrapped;
        z is inside the layer. None if the molecule did not fit between bottom and top in any orientation.
        """
        tree = self._tree()
        best: Floats | None = None
        best_contact = -1.0
        for _ in range(_TRIALS):
            trial = self._random_placement(shape, rng)
            if trial is None:
                continue
            contact = min(self._contact(trial, tree), self._contact_with_images(trial))
            if contact > best_contact:
                best, best_contact = trial, contact
            if contact >= _CLEAR:
                break
        if best is not None:
            self._placed.append(best)
        return best

    def _random_placement(self, shape: Floats, rng: np.random.Generator) -> Floats | None:
        turned: Floats = Rotation.from_quat(rng.normal(size=4)).apply(shape)
        spot = rng.random(3)
        low, high = turned[:, 2].min(), turned[:, 2].max()
        room = (self.top - self.bottom) - (high - low)
        if room < 0:
            return None
        target = np.array([spot[0] * self.lx, spot[1] * self.ly, self.bottom - low + spot[2] * room])
        moved: Floats = turned + target
        return moved

    def _tree(self) -> cKDTree | None:
        if not self._placed:
            return None
        return cKDTree(self._wrap(np.concatenate(self._placed)), boxsize=np.array([self.lx, self.ly, 0.0]))

    def _wrap(self, positions: Floats) -> Floats:
        edges = np.array([self.lx, self.ly])
        wrapped: Floats = positions.copy()
        wrapped[:, :2] = np.mod(positions[:, :2], edges)
        wrapped[:, :2] = np.where(wrapped[:, :2] < edges, wrapped[:, :2], 0.0)
        return wrapped

    def _contact(self, positions: Floats, tree: cKDTree | None) -> float:
        if tree is None:
            return np.inf
        return _shortest(tree, self._wrap(positions))

    def _contact_with_images(self, positions: Floats) -> float:
        """Return the shortest distance of a molecule to its own periodic images."""
        extent = np.ptp(positions[:, :2], axis=0)
        if (extent + _CLEAR < (self.lx, self.ly)).all():
            return np.inf
        neighbours = np.array([(1, 0, 0), (0, 1, 0), (1, 1, 0), (1, -1, 0)]) * (self.lx, self.ly, 0.0)
        images = (positions + neighbours[:, None, :]).reshape(-1, 3)
        return _shortest(cKDTree(images), positions)


def _shortest(tree: cKDTree, positions: Floats) -> float:
    distances, _ = tree.query(positions)
    return float(np.min(distances))
