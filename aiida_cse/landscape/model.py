"""Landscape of a validation: analytic free energies of two ions around a slab, and their exact averages.

Its shape follows Kozdra et al., PCCP 27, 24918 (2025), Figs. 2 and 9. For Li+ there is a deep, flat well in the
slab, a barrier at its surface, the well of the first layer and a flat bulk, with two different sides. The anion
stays outside the slab and has a layer of its own. The energies are lower than the published ones, so that ions
cross within a nanosecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy import constants

from aiida_cse.physics.exchange.regions import RegionSet
from aiida_cse.reduction.layers import surface_regions
from aiida_cse.schema import Number, StrictModel, Whole

__all__ = ["ANION", "CATION", "Curve", "Ions", "Landscape", "ParabolicStep", "Side", "draw_landscape"]

Floats = NDArray[np.float64]

CATION, ANION = "Li", "TFSI"
#: k_B T / m of an ion, K/(Å²/fs²) per g/mol
_THERMAL = constants.R * 1e-7
#: Å from the surface plane: inner well, top and layer of Li+; wall, layer, top and bulk of the anion
_SITE, _TOP, _WELL = -0.5, 3.5, 8.5
_WALL, _ANION_WELL, _ANION_TOP, _ANION_BULK = -2.0, 3.0, 6.5, 9.5

Energy = Annotated[Number, Field(gt=0, le=1e5)]


@dataclass(frozen=True)
class ParabolicStep:
    """A step from F = ``low`` at ``foot`` to ``high`` at ``head``, of two half parabolas.

    The parabolas meet in the middle with equal value and slope, and both ends are level, so that rises can follow
    each other. Near the ends F = low + k (z − foot)² and F = high − k (z − head)², with k = 2 (high − low) / (head
    − foot)². ``foot`` may lie on either side of ``head``. Energies are in K, positions in Å.
    """

    foot: float
    head: float
    low: float
    high: float

    @property
    def curvature(self) -> float:
        """Curvature k, K/Å², without a factor ½."""
        return 2 * (self.high - self.low) / (self.head - self.foot) ** 2

    def evaluate(self, z: Floats) -> tuple[Floats, Floats]:
        """Return F (K) and dF/dz (K/Å) at z (Å); F is level beyond both ends."""
        part = np.clip((z - self.foot) / (self.head - self.foot), 0.0, 1.0)
        climb = np.where(part < 0.5, 2 * part**2, 1 - 2 * (1 - part) ** 2)
        slope = np.minimum(part, 1 - part) * 4 * (self.high - self.low) / (self.head - self.foot)
        return self.low + (self.high - self.low) * climb, slope


@dataclass(frozen=True)
class Side:
    """One side of the slab: rises from the innermost one, as functions of the distance from the mid-plane (Å)."""

    rises: tuple[ParabolicStep, ...]

    def evaluate(self, distance: Floats) -> tuple[Floats, Floats]:
        """Return F (K) and dF/d(distance) (K/Å)."""
        ends = [max(rise.foot, rise.head) for rise in self.rises[:-1]]
        values, slopes = zip(*(rise.evaluate(distance) for rise in self.rises), strict=True)
        before = [distance < end for end in ends]
        return np.select(before, values[:-1], values[-1]), np.select(before, slopes[:-1], slopes[-1])


@dataclass(frozen=True)
class Curve:
    """F(z) of one ion on both sides of the slab, level at z = 0 and at the ends of the box."""

    left: Side
    right: Side

    def evaluate(self, z: ArrayLike) -> tuple[Floats, Floats]:
        """Return F (K) and dF/dz (K/Å) at z (Å)."""
        place = np.asarray(z, dtype=np.float64)
        left, left_slope = self.left.evaluate(-place)
        right, right_slope = self.right.evaluate(place)
        return np.where(place < 0, left, right), np.where(place < 0, -left_slope, right_slope)

    def weight(self, edges: Sequence[float] | Floats, temperature: float, points: int = 400) -> Floats:
        """Return ∫ exp(−F/T) dz (Å) between successive edges, by Gauss–Legendre quadrature."""
        nodes, weights = np.polynomial.legendre.leggauss(points)
        ends = np.asarray(edges, dtype=np.float64)
        half = np.diff(ends)[:, None] / 2
        z = ends[:-1, None] + half * (nodes + 1)
        integrals: Floats = (np.exp(-self.evaluate(z)[0] / temperature) * weights * half).sum(axis=1)
        return integrals


class Ions(StrictModel):
    """Numbers of ions, and the fraction of the cations that starts inside the slab."""

    cations: Whole = Field(default=400, ge=10, le=1_000_000)
    anions: Whole = Field(default=100, ge=10, le=1_000_000)
    inside: Number = Field(default=0.45, ge=0, le=1)


class Landscape(StrictModel):
    """F(z) / k_B of a cation and an anion in K, with lengths in Å.

    Attributes
    ----------
    half_thickness, box_half_length
        Half the distance between the surface planes of the slab, and half the box along z.
    barrier_left, barrier_right
        From the well of the first layer to the top.
    depth
        Depth of the slab's well below that of the layer.
    bulk
        F of the bulk above the well of the layer.
    anion_layer, anion_barrier
        Depth of the anion's layer below its bulk, and its barrier above the bulk.
    mass
        Mass of the cation, g/mol.
    damping_fs
        Mass over friction.
    """

    half_thickness: Number = Field(default=6.0, gt=4.5, le=100)
    box_half_length: Number = Field(default=24.0, gt=0, le=500)
    barrier_left: Energy
    barrier_right: Energy
    depth: Energy
    bulk: Energy
    anion_layer: Energy
    anion_barrier: Energy
    mass: Number = Field(default=6.94, gt=0, le=1000)
    damping_fs: Number = Field(default=100.0, gt=0, le=1e5)

    @property
    def barrier(self) -> float:
        """Mean of both barriers, K."""
        return (self.barrier_left + self.barrier_right) / 2

    @property
    def top(self) -> float:
        """Distance of the tops of the barriers from the mid-plane, Å."""
        return self.half_thickness + _TOP

    @cached_property
    def cation(self) -> Curve:
        """F of the cation, zero in the well of the first layer."""
        half = self.half_thickness
        sides = []
        for barrier in (self.barrier_left, self.barrier_right):
            # this width makes the well symmetric about its minimum
            width = (_WELL - _TOP) * float(np.sqrt(self.bulk / barrier))
            rises = (
                ParabolicStep(half + _SITE, half + _TOP, -self.depth, barrier),
                ParabolicStep(half + _WELL, half + _TOP, 0.0, barrier),
                ParabolicStep(half + _WELL, half + _WELL + width, 0.0, self.bulk),
            )
            sides.append(Side(rises))
        return Curve(*sides)

    @cached_property
    def anion(self) -> Curve:
        """F of the anion, zero in the bulk."""
        half, well, top = self.half_thickness, -self.anion_layer, self.anion_barrier
        side = Side(
            (
                # impenetrable: three barriers of the cation above the layer
                ParabolicStep(half + _ANION_WELL, half + _WALL, well, well + 3 * self.barrier),
                ParabolicStep(half + _ANION_WELL, half + _ANION_TOP, well, top),
                ParabolicStep(half + _ANION_BULK, half + _ANION_TOP, 0.0, top),
            )
        )
        return Curve(side, side)

    # -- exact averages --------------------------------------------------------------------------------

    def thermal_speed_squared(self, temperature: float) -> float:
        """Return k_B T / m of the cation, Å²/fs²."""
        return _THERMAL * temperature / self.mass

    def joined_barrier(self, temperature: float) -> float:
        """Return the common barrier of both sides, K: exp(−ΔF/T) is the mean over the sides."""
        both = np.array([self.barrier_left, self.barrier_right])
        return float(-temperature * np.log(np.exp(-both / temperature).mean()))

    @property
    def curvature(self) -> float:
        """Curvature k of the layer's well in F = k (z − z₀)², mean of both sides, K/Å²."""
        return (self.cation.left.rises[1].curvature + self.cation.right.rises[1].curvature) / 2

    @property
    def frequency(self) -> float:
        """ν of an ion in the layer's well, s⁻¹; eq. 8 of the published study."""
        return float(np.sqrt(self.curvature * _THERMAL / (2 * np.pi**2 * self.mass))) * 1e15

    def regions(self, ion: str) -> RegionSet:
        """Return the regions of an ion, which are those of the published species."""
        return surface_regions(self.half_thickness, self.box_half_length, ion)

    def weights(self, ion: str, temperature: float) -> dict[str, float]:
        """Return ∫ exp(−F/T) dz (Å) over each region of an ion."""
        regions, curve = self.regions(ion), self.cation if ion == CATION else self.anion
        return dict(zip(regions.names, curve.weight(regions.edges, temperature).tolist(), strict=True))

    def shares(self, ion: str, temperature: float) -> dict[str, float]:
        """Return the equilibrium fraction of the ions in each region."""
        weights = self.weights(ion, temperature)
        total = sum(weights.values())
        return {name: weight / total for name, weight in weights.items()}


def draw_landscape(seed: int) -> Landscape:
    """Return the landscape of a seed; different seeds give different energies."""
    rng = np.random.default_rng(seed)
    barrier = rng.uniform(3500.0, 4500.0)
    # with a larger difference, the lower barrier would dominate at low temperature and ln Γ would bend over 1/T
    apart = rng.choice([-1.0, 1.0]) * rng.uniform(0.01, 0.03)
    energies = {
        "barrier_left": barrier * (1 + apart),
        "barrier_right": barrier * (1 - apart),
        "depth": rng.uniform(0.08, 0.15) * barrier,
        "bulk": rng.uniform(0.4, 0.48) * barrier,
        "anion_layer": rng.uniform(100.0, 400.0),
        "anion_barrier": rng.uniform(600.0, 1000.0),
    }
    return Landscape(**{name: round(float(value), 1) for name, value in energies.items()})
