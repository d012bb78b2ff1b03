"""Exact free energy, transmission coefficient and rate of an ion that leaves a first layer of a landscape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import constants

from aiida_cse.landscape.model import CATION, Landscape
from aiida_cse.physics.crossing.kramers import escape_rate
from aiida_cse.physics.kinetics.transition_state import thermal_flux

__all__ = ["ExactCrossing", "exact_crossing"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ExactCrossing:
    """Truth of one side at one temperature.

    Attributes
    ----------
    landscape, temperature
        The landscape, and K.
    surface
        Place of the top, Å.
    well
        Range of the first layer, Å.
    barrier
        F on the top relative to the number of ions in the layer, K.
    rate
        Committed crossings from the layer into the slab, s⁻¹ per ion in the layer.
    transmission
        The same over that of transition-state theory.
    """

    landscape: Landscape
    temperature: float
    surface: float
    well: tuple[float, float]
    barrier: float
    rate: float
    transmission: float

    def free_energy(self, edges: ArrayLike) -> Floats:
        """Return F (B,) of the bins between edges (B + 1,), relative to the number of ions in the layer, K."""
        bounds = np.asarray(edges, dtype=np.float64)
        number = self.landscape.weight(CATION, self.well, self.temperature)[0]
        density = self.landscape.weight(CATION, bounds, self.temperature) / np.diff(bounds)
        found: Floats = -self.temperature * np.log(density / number)
        return found


def exact_crossing(landscape: Landscape, temperature: float, side: Literal["left", "right"]) -> ExactCrossing:
    """Return the exact crossing of the cation from the first layer of a side into the slab."""
    sign = -1.0 if side == "left" else 1.0
    regions = landscape.regions(CATION)
    layer = regions.names.index(f"layer_{side}")
    well = (float(regions.edges[layer]), float(regions.edges[layer + 1]))
    surface = sign * landscape.top
    ends = (min(0.0, well[0]), max(0.0, well[1]))
    rate = escape_rate(
        lambda z: landscape.cation.evaluate(z)[0],
        ends,
        surface,
        well,
        temperature=temperature,
        friction=1000 / landscape.damping_fs,
        speed_squared=landscape.thermal_speed_squared(temperature) * 1e6,
    )
    barrier = landscape.tst_barriers(temperature)[0 if side == "left" else 1]
    mass = landscape.mass * constants.atomic_mass
    theory = float(thermal_flux(temperature, mass)) * np.exp(-barrier / temperature)
    return ExactCrossing(landscape, temperature, surface, well, barrier, rate, float(rate / theory))
