"""Cautious one-sided bounds of a rate at any temperature, for when there are few events.

Garwood's interval of one count has as its upper end a quantile of the posterior with one event more and a flat
prior, and as its lower end one with no event more. With runs at several temperatures it depends on the
temperature asked for where one event more raises or lowers the rate most; so each run gets it in turn, and the
highest upper and the lowest lower end count. ΔE may be negative there, so that the bounds hold also where the rate
hardly depends on T. That it does not fall when it gets hotter is used after that: at T the rate is at most that of
the next hotter run, and at least that of the next colder one. Where both say something, each gets half of the
error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aiida_cse.physics.kinetics.posterior import CountData, Draws, OpenEnd, draw
from aiida_cse.physics.statistics.poisson import poisson_interval

__all__ = ["rate_bounds"]

Bounds = tuple[float, float]


def rate_bounds(
    temperatures: Sequence[float],
    lowerings: Sequence[float],
    counts: CountData,
    *,
    level: float,
    minimum_energy: float,
    samples: int,
    seed: int,
) -> list[Bounds]:
    """Return the lower and the upper bound of the rate at each temperature; 0 and infinite where there is none.

    Each bound is at the level of one end of an interval at ``level``; see
    :func:`~aiida_cse.physics.kinetics.arrhenius_fit.joint_kinetics` for the arguments.
    """
    drawn: list[Draws | OpenEnd] = []
    if len(np.unique(counts.temperature)) > 1:
        level = (1 + level) / 2
        drawn = [
            draw(counts.with_event(index), samples, np.random.default_rng(seed), jeffreys=False)
            for index in range(len(counts.events))
        ]
    bounds = []
    for temperature, lowering in zip(temperatures, lowerings, strict=True):
        low, high = _of_posteriors(temperature, lowering, drawn, counts, level)
        least, most = _of_neighbours(temperature, lowering, counts, level, minimum_energy)
        bounds.append((max(low, least), min(high, most)))
    return bounds


def _of_posteriors(
    temperature: float, lowering: float, drawn: Sequence[Draws | OpenEnd], counts: CountData, level: float
) -> Bounds:
    lows, highs = [], []
    for one in drawn:
        if isinstance(one, Draws):
            rates = np.quantile(one.log_rate(temperature, lowering), ((1 - level) / 2, (1 + level) / 2))
            with np.errstate(over="ignore"):
                low, high = np.exp(rates).tolist()
            lows.append(low)
            highs.append(high)
            continue
        # all events at one end of the temperatures: away from it the rate may be anything
        edge = counts.temperature.max() if one == "high" else counts.temperature.min()
        if temperature == edge:
            low, high = _garwood(edge, temperature, lowering, counts, level)
            lows.append(low)
            highs.append(high)
        elif temperature > edge if one == "high" else temperature < edge:
            highs.append(np.inf)
        else:
            lows.append(0.0)
    return min(lows, default=0.0), max(highs, default=np.inf)


def _of_neighbours(
    temperature: float, lowering: float, counts: CountData, level: float, minimum_energy: float
) -> Bounds:
    """Return Garwood's bounds of the runs next to a temperature: a rate does not fall when it gets hotter."""
    low, high = 0.0, np.inf
    colder = counts.temperature[counts.temperature <= temperature]
    if len(colder):
        low, _ = _garwood(float(colder.max()), temperature, lowering, counts, level, minimum_energy)
    hotter = counts.temperature[counts.temperature >= temperature]
    if len(hotter):
        _, high = _garwood(float(hotter.min()), temperature, lowering, counts, level, minimum_energy)
    return low, high


def _garwood(
    run: float, temperature: float, lowering: float, counts: CountData, level: float, energy: float = 0.0
) -> Bounds:
    """Return the interval of the rate of the runs at one temperature, carried to another with ΔE = ``energy``."""
    there = counts.temperature == run
    exposure = counts.exposure[there] @ np.exp(counts.lowering[there] / run)
    carried = np.exp(lowering / temperature - energy * (1 / temperature - 1 / run))
    low, high = poisson_interval(counts.events[there].sum(), level)
    return float(low / exposure * carried), float(high / exposure * carried)
