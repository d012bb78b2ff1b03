"""Mean numbers of ions per region, and the correlation of anions with cations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aiida_cse.analysis.production import Ion, ReducedProduction
from aiida_cse.analysis.results import known, known_range
from aiida_cse.analysis.window import Window
from aiida_cse.physics.statistics.correlation import tfsi_lithium_correlation
from aiida_cse.physics.statistics.timeseries import Population, detect_equilibration
from aiida_cse.physics.statistics.timeseries import populations as averages

__all__ = ["anions_per_cation", "populations"]

#: points of a series that the search for its equilibration time looks at
_POINTS = 1000


def populations(production: ReducedProduction) -> dict[str, Any]:
    """Return the mean number of each ion per region, and whether the anions follow the cations.

    Returns
    -------
    dict
        Per ion and region the mean with its standard error and interval, and what it rests on; and as
        :func:`~aiida_cse.analysis.populations.anions_per_cation`. Numbers and lists.
    """
    results = production.facts | production.region_facts()
    for ion in production.ions.values():
        columns = np.column_stack(list(ion.counts.values()))
        for region, population in averages(columns, tuple(ion.counts), level=production.settings.level).items():
            results |= _entries(f"n_{ion.key}_{region}", population, ion.stride * production.window.frame_ns)
        results[f"n_{ion.exchange_key}_stationary_after_ns"] = _stationary_after_ns(ion, production.window)
        results[f"n_{ion.key}_stride_ps"] = ion.stride * production.state.config.frame_ps
    return results | anions_per_cation(production)


def _entries(key: str, population: Population, stride_ns: float) -> dict[str, Any]:
    constant = math.isnan(population.standard_error)
    return {
        key: population.mean,
        f"{key}_error": None if constant else population.standard_error,
        f"{key}_interval": None if constant else list(population.interval),
        f"{key}_inefficiency_ps": population.inefficiency * stride_ns * 1000,
        f"{key}_samples": population.samples,
        f"{key}_blocks": list(population.block_means),
    }


def _stationary_after_ns(ion: Ion, window: Window) -> float:
    series = ion.counts[ion.species.exchange]
    stride = max(1, len(series) // _POINTS)
    start = detect_equilibration(series[::stride]).start * stride * ion.stride
    return (ion.first - window.begin + start) * window.frame_ns


#: values of a series that a straight line with errors needs
_FEWEST = 4


def anions_per_cation(production: ReducedProduction) -> dict[str, Any]:
    """Return how many more anions are in the first layers per additional cation in the ceramic.

    Both numbers are taken at the snapshots and from both sides together.

    Returns
    -------
    dict
        For each cation whose exchange with the ceramic counts, and each anion whose exchange with the layers does,
        the slope with its error, Pearson's r with its interval, and what both rest on. None for what a series that
        never changes does not tell, and with fewer than 4 snapshots.
    """
    ions = production.ions.values()
    results: dict[str, Any] = {}
    for cation in (ion for ion in ions if ion.species.exchange == "ceramic"):
        for anion in (ion for ion in ions if ion.species.exchange == "layer"):
            results |= _pair(cation, anion, production)
    return results


def _pair(cation: Ion, anion: Ion, production: ReducedProduction) -> dict[str, Any]:
    slope = f"{anion.key}_layer_per_{cation.key}_ceramic"
    pearson = f"correlation_{anion.key}_layer_{cation.key}_ceramic"
    looks = production.window.looks("snapshot")
    if len(looks) < _FEWEST:
        keys = (slope, f"{slope}_error", f"{slope}_samples", pearson, f"{pearson}_interval", f"{pearson}_samples")
        return dict.fromkeys(keys)
    found = tfsi_lithium_correlation(
        cation.counts["ceramic"][cation.rows(looks)],
        anion.counts["layer"][anion.rows(looks)],
        production.settings.level,
    )
    return {
        slope: known(found.slope),
        f"{slope}_error": known(found.slope_error),
        f"{slope}_samples": found.slope_samples,
        pearson: known(found.pearson),
        f"{pearson}_interval": known_range(found.pearson_interval),
        f"{pearson}_samples": found.samples,
    }
