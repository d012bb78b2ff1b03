"""Free energies along z that are put together from parabolas, for ions whose answers are to be known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Curve", "Rise", "Side"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rise:
    """A step from F = ``low`` at ``foot`` to ``high`` at ``head``: half a parabola up, half a parabola down.

    The two meet in the middle with the same value and slope, and both ends are level, so that rises can follow
    each other. At either end F = low + k (z − foot)² and F = high − k (z − head)², k = 2 (high − low) / (head −
    foot)². ``foot`` may lie on either side of ``head``; energies in K, places in Å.
    """

    foot: float
    head: float
    low: float
    high: float

    @property
    def curvature(self) -> float:
        """k, K/Å², without a factor ½."""
        return 2 * (self.high - self.low) / (self.head - self.foot) ** 2

    def value(self, z: Floats) -> Floats:
        """Return F (K) at z (Å), level beyond both ends."""
        part = self._part(z)
        climb = np.where(part < 0.5, 2 * part**2, 1 - 2 * (1 - part) ** 2)
        values: Floats = self.low + (self.high - self.low) * climb
        return values

    def slope(self, z: Floats) -> Floats:
        """Return dF/dz (K/Å) at z (Å)."""
        part = self._part(z)
        slopes: Floats = np.minimum(part, 1 - part) * 4 * (self.high - self.low) / (self.head - self.foot)
        return slopes

    def _part(self, z: Floats) -> Floats:
        parts: Floats = np.clip((z - self.foot) / (self.head - self.foot), 0.0, 1.0)
        return parts


@dataclass(frozen=True)
class Side:
    """One side of the slab: rises, the innermost first, as functions of the distance from the mid-plane (Å)."""

    rises: tuple[Rise, ...]

    def value(self, distance: Floats) -> Floats:
        """Return F (K)."""
        return self._joined(distance, "value")

    def slope(self, distance: Floats) -> Floats:
        """Return dF/d(distance) (K/Å)."""
        return self._joined(distance, "slope")

    def _joined(self, distance: Floats, what: str) -> Floats:
        ends = [max(rise.foot, rise.head) for rise in self.rises[:-1]]
        parts = [getattr(rise, what)(distance) for rise in self.rises]
        joined: Floats = np.select([distance < end for end in ends], parts[:-1], parts[-1])
        return joined


@dataclass(frozen=True)
class Curve:
    """F(z) of one ion, both sides of the slab; it is level at z = 0 and at the ends of the box."""

    left: Side
    right: Side

    def free_energy(self, z: ArrayLike) -> Floats:
        """Return F (K) at z (Å)."""
        place = np.asarray(z, dtype=np.float64)
        values: Floats = np.where(place < 0, self.left.value(-place), self.right.value(place))
        return values

    def slope(self, z: ArrayLike) -> Floats:
        """Return dF/dz (K/Å) at z (Å)."""
        place = np.asarray(z, dtype=np.float64)
        slopes: Floats = np.where(place < 0, -self.left.slope(-place), self.right.slope(place))
        return slopes

    def weight(self, edges: Sequence[float] | Floats, temperature: float, points: int = 400) -> Floats:
        """Return ∫ exp(−F/T) dz (Å) between successive edges, by Gauss–Legendre quadrature."""
        nodes, weights = np.polynomial.legendre.leggauss(points)
        ends = np.asarray(edges, dtype=np.float64)
        half = np.diff(ends)[:, None] / 2
        z = ends[:-1, None] + half * (nodes + 1)
        integrals: Floats = (np.exp(-self.free_energy(z) / temperature) * weights * half).sum(axis=1)
        return integrals
