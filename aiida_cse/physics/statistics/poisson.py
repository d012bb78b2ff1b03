"""Counted events: intervals of their mean, of their rate, and of the ratio of two rates.

The two-sided interval is Garwood's (Biometrika 28, 437, 1936): for k events the mean lies between χ²(α/2; 2k)/2
and χ²(1 − α/2; 2k + 2)/2. It holds its level at every count, unlike k ± √k.

For the ratio of two rates: given their sum n, the count k₁ is binomial (Przyborowski and Wilenski, Biometrika 31,
313, 1940), and its exact interval (Clopper and Pearson, Biometrika 26, 404, 1934) gives one of the ratio.

Of events in bursts φ carry the information of one (:mod:`~aiida_cse.physics.statistics.dispersion`). Chosen here:
their number k is replaced by k / φ, which need not be whole, and the result multiplied by φ. Because φ is
estimated, each end is moved away from the estimate on the logarithmic scale, in the ratio of Student's t to the
normal quantile; without an event, the bound is multiplied by this ratio. The coverage is measured in
``benchmarks``.
"""

from __future__ import annotations

import math

from scipy import stats

from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.dispersion import widening

__all__ = ["poisson_interval", "poisson_lower", "poisson_upper", "rate_interval", "rate_ratio_interval"]


def poisson_interval(count: float, level: float = 0.95, *, dispersion: float = 1.0) -> tuple[float, float]:
    """Return the two-sided interval of the mean of a count.

    Without an event it is from 0 to Garwood's bound times the dispersion, which must then be that of similar
    counts: a count of zero says nothing about its own.

    Parameters
    ----------
    count
        Number of observed events.
    level
        Confidence level.
    dispersion
        φ, number of events that carry the information of one; 1 for independent events, whose interval is exact.

    Raises
    ------
    ValueError
        ``count`` is no whole number of at least zero, ``level`` is not between 0 and 1, or ``dispersion`` is below
        1.
    """
    chance = 1 - (1 - arguments.probability("level", level)) / 2
    return (
        poisson_lower(count, chance, dispersion=dispersion),
        poisson_upper(count, chance, dispersion=dispersion),
    )


def poisson_upper(count: float, level: float = 0.95, *, dispersion: float = 1.0) -> float:
    """Return the one-sided upper bound of the mean of a count; 3.00 for no independent event at 95 %.

    Raises
    ------
    ValueError
        As :func:`poisson_interval`.
    """
    events, chance = arguments.count("count", count), arguments.probability("level", level)
    index = arguments.number("dispersion", dispersion, least=1)
    bound = float(stats.chi2.ppf(chance, 2 * events / index + 2) / 2)
    if index > 1:
        reach = widening(index, 1 - chance)
        bound *= (bound * index / events) ** (reach - 1) if events else reach
    return arguments.number("upper bound from dispersion", bound * index)


def poisson_lower(count: float, level: float = 0.95, *, dispersion: float = 1.0) -> float:
    """Return the one-sided lower bound of the mean of a count; 0 for no event.

    Raises
    ------
    ValueError
        As :func:`poisson_interval`.
    """
    events, chance = arguments.count("count", count), arguments.probability("level", level)
    index = arguments.number("dispersion", dispersion, least=1)
    bound = float(stats.chi2.isf(chance, 2 * events / index) / 2) if events else 0.0
    if events and index > 1:
        bound *= (bound * index / events) ** (widening(index, 1 - chance) - 1)
    return bound * index


def rate_interval(
    count: float, exposure: float, level: float = 0.95, *, dispersion: float = 1.0
) -> tuple[float, float]:
    """Return the two-sided interval of a rate: ``count`` events in ``exposure`` (a time, or ions × time).

    Returns
    -------
    tuple of float
        Lower and upper bound, in one over the unit of ``exposure``.

    Raises
    ------
    ValueError
        As :func:`poisson_interval`, or ``exposure`` is not above zero.
    """
    span = arguments.number("exposure", exposure, above=0)
    low, high = poisson_interval(count, level, dispersion=dispersion)
    return low / span, arguments.number("upper bound, count over exposure,", high / span)


def rate_ratio_interval(
    count1: float,
    exposure1: float,
    count2: float,
    exposure2: float,
    level: float = 0.95,
    *,
    dispersion1: float = 1.0,
    dispersion2: float = 1.0,
) -> tuple[float, float]:
    """Return the two-sided interval of rate 1 over rate 2: 7 events in 380 and 2 in 300 give 0.53 to 27.

    The Clopper–Pearson bounds p of the share k₁ / (k₁ + k₂) enter as odds p / (1 − p), which are quantiles of
    Fisher's F times a ratio of counts.

    Parameters
    ----------
    count1, count2
        Numbers of observed events.
    exposure1, exposure2
        Their exposures: a time, or ions × time, both in the same unit.
    level
        Confidence level.
    dispersion1, dispersion2
        φ of both counts.

    Returns
    -------
    tuple of float
        Lower and upper bound; 0 below where ``count1`` is zero, infinity above where ``count2`` is.

    Raises
    ------
    ValueError
        A count is no whole number of at least zero, an exposure is not above zero, ``level`` is not between 0 and
        1, or a dispersion is below 1.
    """
    counts = arguments.count("count1", count1), arguments.count("count2", count2)
    indices = [
        arguments.number(name, index, least=1)
        for name, index in (("dispersion1", dispersion1), ("dispersion2", dispersion2))
    ]
    first, second = (events / index for events, index in zip(counts, indices, strict=True))
    spans = [
        arguments.number(name, span, above=0)
        for name, span in (("exposure2", exposure2), ("exposure1", exposure1))
    ]
    span = arguments.number("exposure2 / exposure1", spans[0] / spans[1], above=0)
    tail = (1 - arguments.probability("level", level)) / 2
    # exposures in the units of their counts
    span = arguments.number("ratio of exposures", span * indices[0] / indices[1], above=0)
    low = first / (second + 1) * stats.f.ppf(tail, 2 * first, 2 * second + 2) if first else 0.0
    high = (first + 1) / second * stats.f.isf(tail, 2 * first + 2, 2 * second) if second else math.inf
    if first and second:
        ratio, reach = first / second, widening(max(indices), tail)
        low, high = (ratio * (end / ratio) ** reach for end in (low, high))
    return float(low * span), float(high * span)
