"""The landscape of a validation: two ions around a slab, with answers that are known.

Its shape is that of Kozdra et al., PCCP 27, 24918 (2025), Fig. 2 and 9: for Li+ a deep and flat well in the slab,
a barrier at its surface, the well of the first layer and a flat bulk, on two sides that differ; the anion stays
out of the slab and has a layer of its own. It is lower than the published one, so that ions cross within a
nanosecond.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy import constants

from aiida_cse.landscape.shape import Curve, Rise, Side
from aiida_cse.physics.exchange.regions import RegionSet
from aiida_cse.reduction.layers import surface_regions
from aiida_cse.schema import Number, StrictModel, Whole

__all__ = ["ANION", "CATION", "Ions", "Landscape", "draw_landscape"]

CATION, ANION = "Li", "TFSI"
#: K/(Å²/fs²) per g/mol: k_B T / m of an ion
_THERMAL = constants.R * 1e-7
#: Å from the surface plane: inner well, top and layer of Li+; wall, layer, top and bulk of the anion
_SITE, _TOP, _WELL = -0.5, 3.5, 8.5
_WALL, _ANION_WELL, _ANION_TOP, _ANION_BULK = -2.0, 3.0, 6.5, 9.5

Energy = Annotated[Number, Field(gt=0, le=1e5)]


class Ions(StrictModel):
    """How many ions there are, and the share of the cations that starts within the slab."""

    cations: Whole = Field(default=400, ge=10, le=1_000_000)
    anions: Whole = Field(default=100, ge=10, le=1_000_000)
    inside: Number = Field(default=0.45, ge=0, le=1)


class Landscape(StrictModel):
    """F(z) / k_B of a cation and an anion, in K; lengths in Å.

    Attributes
    ----------
    half_thickness, box_half_length
        Half the distance of the slab's surface planes, and half the box along z.
    barrier_left, barrier_right
        From the well of the first layer to the top.
    depth
        Of the slab's well below the layer's.
    bulk
        F of the bulk above the layer's well.
    anion_layer, anion_barrier
        Depth of the anion's layer below its bulk, and its barrier above the bulk.
    mass
        Of the cation, g/mol.
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
        """The mean of both barriers, K."""
        return (self.barrier_left + self.barrier_right) / 2

    @property
    def top(self) -> float:
        """Distance of the tops of the barriers from the mid-plane, Å."""
        return self.half_thickness + _TOP

    @cached_property
    def cation(self) -> Curve:
        """F of the cation, zero in the well of the first layer."""
        return Curve(self._cation_side(self.barrier_left), self._cation_side(self.barrier_right))

    @cached_property
    def anion(self) -> Curve:
        """F of the anion, zero in the bulk."""
        half, well, top = self.half_thickness, -self.anion_layer, self.anion_barrier
        side = Side(
            (
                # nobody gets there: as high above the layer as three barriers of the cation
                Rise(half + _ANION_WELL, half + _WALL, well, well + 3 * self.barrier),
                Rise(half + _ANION_WELL, half + _ANION_TOP, well, top),
                Rise(half + _ANION_BULK, half + _ANION_TOP, 0.0, top),
            )
        )
        return Curve(side, side)

    def _cation_side(self, barrier: float) -> Side:
        half = self.half_thickness
        # as wide as makes the well symmetric about its minimum
        width = (_WELL - _TOP) * float(np.sqrt(self.bulk / barrier))
        return Side(
            (
                Rise(half + _SITE, half + _TOP, -self.depth, barrier),
                Rise(half + _WELL, half + _TOP, 0.0, barrier),
                Rise(half + _WELL, half + _WELL + width, 0.0, self.bulk),
            )
        )

    # -- answers ---------------------------------------------------------------------------------------

    def thermal_speed_squared(self, temperature: float) -> float:
        """Return k_B T / m of the cation, Å²/fs²."""
        return _THERMAL * temperature / self.mass

    def joined_barrier(self, temperature: float) -> float:
        """Return the barrier of both sides together, K: exp(−ΔF/T) is the mean of both."""
        both = np.array([self.barrier_left, self.barrier_right])
        return float(-temperature * np.log(np.exp(-both / temperature).mean()))

    @property
    def curvature(self) -> float:
        """The k of the layer's well in F = k (z − z₀)², mean of both sides, K/Å²."""
        sides = (self.cation.left.rises[1], self.cation.right.rises[1])
        return sum(rise.curvature for rise in sides) / 2

    @property
    def frequency(self) -> float:
        """ν of an ion in the layer's well, s⁻¹; eq 8 of the published study."""
        return float(np.sqrt(self.curvature * _THERMAL / (2 * np.pi**2 * self.mass))) * 1e15

    def regions(self, ion: str) -> RegionSet:
        """Return the regions of an ion, as those of the published species."""
        return surface_regions(self.half_thickness, self.box_half_length, ion)

    def shares(self, ion: str, temperature: float) -> dict[str, float]:
        """Return which part of the ions is in each region in equilibrium."""
        regions = self.regions(ion)
        weights = self._weights(ion, regions, temperature)
        return dict(zip(regions.names, (weights / weights.sum()).tolist(), strict=True))

    def layer_weight(self, temperature: float) -> float:
        """Return ∫ exp(−F/T) dz over both layers of the cation, Å."""
        regions = self.regions(CATION)
        weights = dict(zip(regions.names, self._weights(CATION, regions, temperature), strict=True))
        return float(weights["layer_left"] + weights["layer_right"])

    def _weights(self, ion: str, regions: RegionSet, temperature: float) -> np.ndarray:
        curve = self.cation if ion == CATION else self.anion
        return curve.weight(regions.edges, temperature)


def draw_landscape(seed: int) -> Landscape:
    """Return the landscape of a seed: any two differ in every energy."""
    rng = np.random.default_rng(seed)
    barrier = rng.uniform(3500.0, 4500.0)
    # farther apart, the lower barrier alone would count in the cold, and Γ(T) would bend where no run looks
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
