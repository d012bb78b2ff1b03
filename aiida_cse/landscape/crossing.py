"""Exact F, transmission coefficient and rate of an ion that leaves a first layer, and the checks of a crossing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import constants, stats

from aiida_cse.landscape.checks import Check, check
from aiida_cse.landscape.model import CATION, Landscape
from aiida_cse.physics.crossing.kramers import escape_rate
from aiida_cse.physics.kinetics.transition_state import thermal_flux

__all__ = ["ExactCrossing", "compare", "exact_crossing"]

Floats = NDArray[np.float64]

#: share of the bins of F that must hold; their errors are those of few ladders, and correlated
_MOST_BINS = 0.8


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

    def barrier_at(self, place: float) -> float:
        """Return F at a place (Å) relative to the number of ions in the layer, K."""
        energy, top = self.landscape.cation.evaluate([place, self.surface])[0]
        return self.barrier + float(energy - top)


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


def compare(
    landscape: Landscape, found: Mapping[str, Any], profile: Mapping[str, Any], structures: int, level: float
) -> list[dict[str, Any]]:
    """Return the checks of a crossing as dictionaries, see :class:`~aiida_cse.landscape.checks.Check`.

    The crossing chooses its surface, so that F and κ are compared with the exact ones there; Γ does not depend on
    it. Both directions have the same κ and Γ at equilibrium.

    Parameters
    ----------
    landscape
        The landscape without planted errors.
    found, profile
        Results :data:`~aiida_cse.analysis.crossing.documents.CROSSING` and ``CROSSING_PROFILE``.
    structures
        Structures per ladder from which trajectories began.
    level
        Level of the checks, to which the intervals of the crossing are widened.
    """
    kelvin, ladders = found["temperature_K"], found["ladders"]
    exact = exact_crossing(landscape, kelvin, found["side"])
    run = f"T{round(kelvin):04d} {found['side']}"
    barrier, error = found["tst_barrier_K"], found["tst_barrier_error_K"]
    height = exact.barrier_at(found["surface_z_A"])
    reach = _quantile(level, ladders - 1)
    ends = None if error is None else (barrier - reach * error, barrier + reach * error)
    share, interval = _share_of_bins(exact, profile, reach), (_MOST_BINS, 1.0)
    checks = [
        check(run, "F on the surface", "K", height, barrier, ends),
        Check(run, f"bins with F in {level:.1%}", "", level, share, *interval, holds=share >= _MOST_BINS),
    ]
    kappa = exact.transmission * math.exp((height - exact.barrier) / kelvin)
    errors = [_log_error(found, way, ladders * structures) for way in ("in", "out")]
    for way, words, own in zip(("in", "out"), ("into", "out of"), errors, strict=True):
        # of the two parts of ln Γ the degrees of freedom are those of the ladders at least
        both = None if own is None or error is None else math.hypot(own, error / kelvin)
        for name, unit, key, known, scatter, freedom in (
            ("κ", "", f"kappa_{way}", kappa, own, ladders * structures - 1),
            ("Γ", "1/s", f"rate_{way}_per_s", exact.rate, both, ladders - 1),
        ):
            value = found[key]
            factor = None if scatter is None else math.exp(_quantile(level, freedom) * scatter)
            ends = None if factor is None else (value / factor, value * factor)
            checks.append(check(run, f"{name} {words} the slab", unit, known, value, ends))
    ratio, ends = found["kappa_in"] / found["kappa_out"] if found["kappa_out"] else None, None
    into, out = errors
    if ratio is not None and into is not None and out is not None:
        factor = math.exp(_quantile(level, ladders * structures - 1) * math.hypot(into, out))
        ends = (ratio / factor, ratio * factor)
    checks.append(check(run, "κ into / κ out of the slab", "", 1.0, ratio, ends))
    return [asdict(one) for one in checks]


def _quantile(level: float, freedom: int) -> float:
    return float(stats.t.ppf((1 + level) / 2, freedom))


def _share_of_bins(exact: ExactCrossing, profile: Mapping[str, Any], reach: float) -> float:
    """Return the share of the bins whose F is known and within ``reach`` standard errors of the exact one."""
    z, width = profile["z_A"], profile["z_A"][1] - profile["z_A"][0]
    known = exact.free_energy(np.append(z - width / 2, z[-1] + width / 2))
    value, error = profile["free_energy_K"], profile["error_K"]
    return float((np.abs(value - known) <= reach * error).mean())


def _log_error(found: Mapping[str, Any], way: str, structures: int) -> float | None:
    """Return the standard error of ln κ, None if κ has bounds only."""
    if found[f"rate_{way}_interval_per_s"] is None:
        return None
    # the upper end is at most 1
    low = found[f"kappa_{way}_interval"][0]
    return math.log(found[f"kappa_{way}"] / low) / _quantile(found["level"], structures - 1)
