"""Barriers of the ions that cross into the ceramic, and what transition-state theory makes of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import constants

from aiida_cse.analysis.production import Ion, ReducedProduction
from aiida_cse.analysis.profiles import bin_centres
from aiida_cse.analysis.results import known, known_range
from aiida_cse.analysis.transitions import exposure_of
from aiida_cse.physics.kinetics.transition_state import (
    expected_transitions,
    joule_from_kelvin,
    transition_rate,
    transmission_coefficient,
    vibrational_frequency,
)
from aiida_cse.physics.profiles.barriers import FEWEST_BLOCKS, Barrier, SlowExchange, find_barrier
from aiida_cse.physics.profiles.joined_barriers import JoinedBarrier, join_sides

__all__ = ["barriers", "mass_of"]

Floats = NDArray[np.float64]
Range = tuple[float, float]

SIDES = ("left", "right")
#: Å around the boundary of the ceramic within which F has its maximum, if the layer is twice as thick at least
_TOP_REACH = 2.5
#: a side of the slab without an ion is taken for half an ion, so that its relaxation time is finite
_FEWEST_IONS = 0.5
_KJ_PER_MOL = constants.R / 1000


def barriers(production: ReducedProduction) -> dict[str, Any]:
    """Return the barrier per ion that crosses and per side, both joined, and the rates that theory expects.

    Returns
    -------
    dict
        Numbers; None where a number is not known, with the reason in ``reasons``.
    """
    results = production.facts | production.region_facts("ceramic")
    reasons: list[str] = []
    for index, ion in enumerate(production.ions.values()):
        if ion.species.exchange != "ceramic":
            continue
        found, missing = _find(production, ion, index)
        reasons += missing
        for side in SIDES:
            results |= _entries({**_OF_ANY, **_OF_SIDE}, f"{ion.key}_{side}", found.get(side))
        joined = (
            None
            if missing
            else join_sides(list(found.values()), production.temperature, production.settings.level)
        )
        results |= _entries(_OF_ANY, ion.key, joined) | _theory(production, ion, joined)
    return results | {"reasons": reasons}


def _find(production: ReducedProduction, ion: Ion, index: int) -> tuple[dict[str, Barrier], list[str]]:
    """Return the barriers by side, and a sentence for each side that has none."""
    blocks = production.window.blocks(production.state.point_histograms)[:, index]
    exchange = production.transitions(production.settings.rule)[ion.name].both
    outside = float((ion.counts["layer"] + ion.counts["bulk"]).mean())
    slow = SlowExchange(
        exchange.total, max(outside, _FEWEST_IONS), max(float(ion.counts["ceramic"].mean()), _FEWEST_IONS)
    )
    found: dict[str, Barrier] = {}
    missing = []
    for side, windows in _windows(ion).items():
        result = _barrier(production, blocks, slow, *windows)
        if isinstance(result, Barrier):
            found[side] = result
        else:
            missing.append(f"{ion.name}, {side}: {result}")
    return found, missing


def _barrier(
    production: ReducedProduction, blocks: NDArray[np.int64], exchange: SlowExchange, top: Range, well: Range
) -> Barrier | str:
    """Return the barrier, or why this profile has none: that is a result, not a mistake of the caller."""
    whole = blocks[production.window.whole]
    if len(whole) < FEWEST_BLOCKS:
        return f"{len(whole)} whole block(s) of time, it takes {FEWEST_BLOCKS} to tell how many counts are a visit"
    try:
        return find_barrier(
            bin_centres(production.state.config),
            blocks.sum(axis=0),
            production.temperature,
            top=top,
            well=well,
            block_counts=whole,
            exchange=exchange,
            level=production.settings.level,
        )
    except ValueError as error:
        return str(error)


def _windows(ion: Ion) -> dict[str, tuple[Range, Range]]:
    """Return where the top and the well are looked for, by side."""
    _, outer_left, inner_left, inner_right, outer_right, _ = ion.species.edges
    left = min(_TOP_REACH, (inner_left - outer_left) / 2)
    right = min(_TOP_REACH, (outer_right - inner_right) / 2)
    return {
        "left": (
            (inner_left - left, inner_left + left),
            (outer_left, inner_left - left),
        ),
        "right": (
            (inner_right - right, inner_right + right),
            (inner_right + right, outer_right),
        ),
    }


# -- entries -------------------------------------------------------------------------------------------------


#: keys, the ion or side in the place of {}, and what of a barrier they hold
_OF_ANY: dict[str, Callable[[Barrier | JoinedBarrier], Any]] = {
    "barrier_{}_K": lambda found: known(found.barrier),
    "barrier_{}_interval_K": lambda found: known_range(found.interval),
    "barrier_{}_error_K": lambda found: known(found.standard_error),
    "barrier_{}_lower_bound_K": lambda found: known(found.lower_bound),
    "barrier_{}_kJ_per_mol": lambda found: known(found.barrier * _KJ_PER_MOL),
    "visits_{}": lambda found: found.visits,
    "curvature_{}_K_per_A2": lambda found: known(found.well_curvature),
    "curvature_{}_interval_K_per_A2": lambda found: known_range(found.well_curvature_interval),
    "slope_{}_K_per_A": lambda found: known(found.slope),
    "slope_{}_interval_K_per_A": lambda found: known_range(found.slope_interval),
}
_OF_SIDE: dict[str, Callable[[Barrier], Any]] = {
    "barrier_{}_raw_K": lambda found: known(found.raw),
    "top_{}_z_A": lambda found: found.top_z,
    "well_{}_z_A": lambda found: found.well_z,
}


def _entries(
    keys: dict[str, Callable[[Any], Any]], name: str, found: Barrier | JoinedBarrier | None
) -> dict[str, Any]:
    return {key.format(name): None if found is None else read(found) for key, read in keys.items()}


# -- theory --------------------------------------------------------------------------------------------------


def _theory(production: ReducedProduction, ion: Ion, joined: JoinedBarrier | None) -> dict[str, Any]:
    """Return the frequency of the well (eq 8), the rate per ion with κ = 1 (eq 7), and κ; None where unknown."""
    results: dict[str, Any] = dict.fromkeys(key.format(ion.key) for key in _OF_THEORY)
    if joined is None or not joined.well_curvature > 0:
        return results
    curvature = joule_from_kelvin(joined.well_curvature)
    frequency = vibrational_frequency(curvature, mass_of(production, ion))
    log_curvatures = _logarithms(joined.samples.well_curvature)
    results |= {
        f"curvature_{ion.key}_J_per_A2": curvature,
        f"frequency_{ion.key}_per_s": frequency,
        f"frequency_{ion.key}_log_error": float(np.nanstd(log_curvatures, ddof=1)) / 2,
    }
    if not math.isfinite(joined.standard_error):
        return results
    rate = transition_rate(joined.barrier, frequency, production.temperature)
    log_rates = log_curvatures / 2 - joined.samples.barrier / production.temperature
    log_error = float(np.nanstd(log_rates, ddof=1))
    results |= {f"rate_tst_{ion.key}_per_s": rate, f"rate_tst_{ion.key}_log_error": log_error}
    return results | _observed(production, ion, rate, log_error)


#: keys of what theory makes of a barrier, the ion in the place of {}
_OF_THEORY = (
    "curvature_{}_J_per_A2",
    "frequency_{}_per_s",
    "frequency_{}_log_error",
    "rate_tst_{}_per_s",
    "rate_tst_{}_log_error",
    "expected_in_{}_ceramic",
    "kappa_{}",
    "kappa_{}_interval",
)


def mass_of(production: ReducedProduction, ion: Ion) -> float:
    """Return the mass of one ion, all its atoms together, kg."""
    config = production.state.config
    atoms = np.array(config.atom_types)
    masses = np.array(config.masses)[atoms[np.isin(atoms, ion.species.types)] - 1]
    return float(masses.sum() / len(ion.numbers) * constants.atomic_mass)


def _observed(production: ReducedProduction, ion: Ion, rate: float, log_error: float) -> dict[str, Any]:
    """Return how many entries the theory expects of the ions in the layers, and the share that was seen."""
    rule = production.settings.rule
    exposure = exposure_of(ion, production.transitions(rule)[ion.name], rule, production)
    if exposure.ion_time <= 0:
        return {}
    expected = expected_transitions(rate, 1.0, exposure.ion_time * 1e-9)
    kappa = transmission_coefficient(exposure.events, expected, production.settings.level, log_error=log_error)
    return {
        f"expected_in_{ion.key}_ceramic": expected,
        f"kappa_{ion.key}": kappa.value,
        f"kappa_{ion.key}_interval": [kappa.low, kappa.high],
    }


def _logarithms(values: Floats) -> Floats:
    """Return ln of the values, NaN where there is none."""
    logs: Floats = np.log(np.where(values > 0, values, np.nan))
    return logs
