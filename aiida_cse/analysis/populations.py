"""How many ions are where, and which follow which."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from aiida_cse.analysis.correlation import anions_per_cation
from aiida_cse.analysis.production import Ion, Subject
from aiida_cse.analysis.window import Window
from aiida_cse.physics.statistics.timeseries import Population, detect_equilibration
from aiida_cse.physics.statistics.timeseries import populations as averages

__all__ = ["populations"]

#: points of a series that the search for its equilibration time looks at
_POINTS = 1000


def populations(subject: Subject) -> dict[str, Any]:
    """Return the mean number of each ion per region, and whether the anions follow the cations.

    Returns
    -------
    dict
        Per ion and region the mean with its standard error and interval, and what it rests on; and as
        :func:`~aiida_cse.analysis.correlation.anions_per_cation`. Numbers and lists.
    """
    results = subject.facts | subject.region_facts()
    for ion in subject.ions.values():
        columns = np.column_stack(list(ion.counts.values()))
        for region, population in averages(columns, tuple(ion.counts), level=subject.settings.level).items():
            results |= _entries(f"n_{ion.key}_{region}", population, ion.stride * subject.window.frame_ns)
        results[f"n_{ion.exchange_key}_stationary_after_ns"] = _stationary_after_ns(ion, subject.window)
        results[f"n_{ion.key}_stride_ps"] = ion.stride * subject.state.config.frame_ps
    return results | anions_per_cation(subject)


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
