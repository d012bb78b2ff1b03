"""Landscape of a validation: analytic free energies of two ions around a slab, and their exact averages.

There are two worlds. The plain one has a slab at rest, equal wells on both sides and anions of one atom. In the
drifting one the slab moves through the periodic boundary, the wells of the two sides lie at different distances,
the framework consists of two elements with different masses, and an anion has three sites, of which one feels the
landscape. Springs of zero length bind the others to it, so that the distribution of the centre of mass is a
convolution with a normal distribution of known variance.

Its shape follows Kozdra et al., PCCP 27, 24918 (2025), Figs. 2 and 9. For Li+ there is a deep, flat well in the
slab, a barrier at its surface, the well of the first layer and a flat bulk, with two different sides. The anion
stays outside the slab and has a layer of its own. The energies are lower than the published ones, so that ions
cross within a nanosecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy import constants, special

from aiida_cse.physics.exchange.regions import RegionSet
from aiida_cse.reduction.layers import surface_regions
from aiida_cse.schema import Number, StrictModel, Whole

__all__ = [
    "ANION",
    "ANION_MASSES",
    "CATION",
    "Curve",
    "Ions",
    "Landscape",
    "ParabolicStep",
    "Side",
    "World",
    "draw_landscape",
]

Floats = NDArray[np.float64]

CATION, ANION = "Li", "TFSI"
#: k_B T / m of an ion, K/(Å²/fs²) per g/mol
_THERMAL = constants.R * 1e-7
#: Å from the surface plane: inner well and top of Li+; wall, layer, top and bulk of the anion
_SITE, _TOP = -0.5, 3.5
_WALL, _ANION_WELL, _ANION_TOP, _ANION_BULK = -2.0, 3.0, 6.5, 9.5

#: Å; grid of the convolution with the distance of a point from the first site
_SPACING = 0.02

Energy = Annotated[Number, Field(gt=0, le=1e5)]
World = Literal["plain", "drifting"]

#: g/mol of the three sites of an anion; the first one feels the landscape
ANION_MASSES = (14.007, 32.06, 15.999)


#: nodes and weights on [−1, 1], an eigenvalue problem for every number of points
_quadrature = cache(np.polynomial.legendre.leggauss)


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
        nodes, weights = _quadrature(points)
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
    well_left, well_right
        Distances of the wells of the first layers from the surface planes.
    origin, drift
        Position of the mid-plane in the box at step 0, and its velocity, Å/ns.
    spring
        Energy r² × ``spring`` of each of the two bonds of an anion, K/Å²; 0 for anions of one atom. With molecules
        the framework consists of two elements.
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
    well_left: Number = Field(default=8.5, ge=7.5, le=9.5)
    well_right: Number = Field(default=8.5, ge=7.5, le=9.5)
    origin: Number = Field(default=0.0, ge=-500, le=500)
    drift: Number = Field(default=0.0, ge=-100, le=100)
    spring: Number = Field(default=0.0, ge=0, le=1e5)

    @property
    def molecular(self) -> bool:
        """True if each anion has three sites and the framework two elements."""
        return self.spring > 0

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
        for barrier, well in ((self.barrier_left, self.well_left), (self.barrier_right, self.well_right)):
            # this width makes the well symmetric about its minimum
            width = (well - _TOP) * float(np.sqrt(self.bulk / barrier))
            rises = (
                ParabolicStep(half + _SITE, half + _TOP, -self.depth, barrier),
                ParabolicStep(half + well, half + _TOP, 0.0, barrier),
                ParabolicStep(half + well, half + well + width, 0.0, self.bulk),
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

    def theoretical_rate(self, temperature: float) -> float:
        """Return the rate of transition-state theory with κ = 1, s⁻¹ per ion in a layer, mean of both sides.

        √(k_B T / (2 π m)) exp(−F(top) / T) / ∫ exp(−F / T) dz, the integral over the first layer (Hänggi, Talkner
        and Borkovec, Rev. Mod. Phys. 62, 251 (1990), section III).
        """
        weights = self.weights(CATION, temperature)
        sides = {"layer_left": self.barrier_left, "layer_right": self.barrier_right}
        rates = [np.exp(-barrier / temperature) / weights[layer] for layer, barrier in sides.items()]
        return float(np.sqrt(self.thermal_speed_squared(temperature) / (2 * np.pi)) * np.mean(rates)) * 1e15

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

    def site_spreads(self, temperature: float) -> dict[str, float]:
        """Return standard deviations along z of a bound site and of the centre from an anion's first site, Å.

        Zero for anions of one atom. A bound site has the variance T / 2 spring.
        """
        site = float(np.sqrt(temperature / (2 * self.spring))) if self.molecular else 0.0
        return {"site": site, "centre": site * float(np.hypot(*ANION_MASSES[1:])) / sum(ANION_MASSES)}

    def weight(self, ion: str, edges: Sequence[float] | Floats, temperature: float, points: int = 400) -> Floats:
        """Return ∫ exp(−F/T) dz (Å) of the point of an ion between successive edges within the box."""
        if ion == CATION or not self.molecular:
            curve = self.cation if ion == CATION else self.anion
            return curve.weight(edges, temperature, points)
        return self.smeared_weight(edges, temperature, self.site_spreads(temperature)["centre"])

    def smeared_weight(self, edges: Sequence[float] | Floats, temperature: float, spread: float) -> Floats:
        """Return the same of a point at a normally distributed distance from the first site of an anion.

        ``spread`` is the standard deviation of this distance, Å.
        """
        ends = np.asarray(edges, dtype=np.float64)
        fine = np.arange(-self.box_half_length, self.box_half_length, _SPACING) + _SPACING / 2
        masses = np.exp(-self.anion.evaluate(fine)[0] / temperature) * _SPACING
        length = 2 * self.box_half_length
        shares = np.zeros((len(ends) - 1, len(fine)))
        # images of the box on both sides
        for image in (-length, 0.0, length):
            shares += np.diff(special.ndtr((ends[:, None] + image - fine) / spread), axis=0)
        weights: Floats = shares @ masses
        return weights

    def weights(self, ion: str, temperature: float) -> dict[str, float]:
        """Return ∫ exp(−F/T) dz (Å) over each region of an ion."""
        regions = self.regions(ion)
        found = self.weight(ion, regions.edges, temperature)
        return dict(zip(regions.names, found.tolist(), strict=True))

    def tst_barriers(self, temperature: float) -> list[float]:
        """Return F(top) + T ln ∫ exp(−F/T) dz/Å over the first layer, of the left and of the right side, K."""
        weights = self.weights(CATION, temperature)
        sides = {"left": self.barrier_left, "right": self.barrier_right}
        return [top + temperature * float(np.log(weights[f"layer_{side}"])) for side, top in sides.items()]

    def shares(self, ion: str, temperature: float) -> dict[str, float]:
        """Return the equilibrium fraction of the ions in each region."""
        weights = self.weights(ion, temperature)
        total = sum(weights.values())
        return {name: weight / total for name, weight in weights.items()}


def draw_landscape(seed: int, world: World = "plain") -> Landscape:
    """Return the landscape of a seed; different seeds give different energies.

    In the drifting world, the wells of both sides are 0.6 to 1 Å apart, and the slab starts across the periodic
    boundary or reaches it within 3 ns.
    """
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
    places = {}
    if world == "drifting":
        moved = rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 0.5)
        places = {
            "well_left": 8.5 + moved,
            "well_right": 8.5 - moved,
            "origin": rng.choice([-1.0, 1.0]) * rng.uniform(16.0, 22.0),
            "drift": rng.choice([-1.0, 1.0]) * rng.uniform(8.0, 12.0),
            "spring": 1000.0,
        }
    drawn = {name: round(float(value), 1) for name, value in energies.items()}
    return Landscape(**drawn | {name: round(float(value), 2) for name, value in places.items()})
