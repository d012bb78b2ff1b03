"""Exact intervals for counted events and for their rates.

The two-sided interval is Garwood's (Biometrika 28, 437, 1936): for k events the mean lies between
χ²(α/2; 2k)/2 and χ²(1 − α/2; 2k + 2)/2. It holds its level at every count, unlike k ± √k.

For the ratio of two rates: given their sum n, the count k₁ is binomial (Przyborowski and Wilenski, Biometrika
31, 313, 1940), and its exact interval (Clopper and Pearson, Biometrika 26, 404, 1934) becomes one of the ratio.
"""

from __future__ import annotations

import math

from scipy import stats

from aiida_cse.physics.statistics import arguments as checks

__all__ = ["poisson_interval", "poisson_lower", "poisson_upper", "rate_interval", "rate_ratio_interval"]


def poisson_interval(count: float, level: float = 0.95) -> tuple[float, float]:
    """Two-sided interval of the mean of a Poisson count.

    Parameters
    ----------
    count
        Number of events that were seen.
    level
        Confidence level.

    Raises
    ------
    ValueError
        ``count`` is no whole number of at least zero, or ``level`` is not between 0 and 1.
    """
    tail = (1 - checks.probability("level", level)) / 2
    return poisson_lower(count, 1 - tail), poisson_upper(count, 1 - tail)


def poisson_upper(count: float, level: float = 0.95) -> float:
    """One-sided upper bound of the mean of a Poisson count; 3.00 for no event at 95 %.

    Raises
    ------
    ValueError
        As :func:`poisson_interval`.
    """
    events = checks.count("count", count)
    return float(stats.chi2.ppf(checks.probability("level", level), 2 * events + 2) / 2)


def poisson_lower(count: float, level: float = 0.95) -> float:
    """One-sided lower bound of the mean of a Poisson count; 0 for no event.

    Raises
    ------
    ValueError
        As :func:`poisson_interval`.
    """
    events = checks.count("count", count)
    chance = checks.probability("level", level)
    return float(stats.chi2.isf(chance, 2 * events) / 2) if events else 0.0


def rate_interval(count: float, exposure: float, level: float = 0.95) -> tuple[float, float]:
    """Two-sided interval of a rate: ``count`` events in ``exposure`` (a time, or ions × time).

    Returns
    -------
    tuple of float
        Lower and upper bound, in one over the unit of ``exposure``.

    Raises
    ------
    ValueError
        As :func:`poisson_interval`, or ``exposure`` is not above zero.
    """
    span = checks.positive("exposure", exposure)
    low, high = poisson_interval(count, level)
    return low / span, checks.finite("upper bound, count over exposure,", high / span)


def rate_ratio_interval(
    count1: float, exposure1: float, count2: float, exposure2: float, level: float = 0.95
) -> tuple[float, float]:
    """Two-sided interval of rate 1 over rate 2: 7 events in 380 and 2 in 300 give 0.53 to 27.

    The Clopper–Pearson bounds p of the share k₁ / (k₁ + k₂) enter as odds p / (1 − p), which are quantiles of
    Fisher's F times a ratio of counts.

    Parameters
    ----------
    count1, count2
        Numbers of events that were seen.
    exposure1, exposure2
        In what they were seen: a time, or ions × time, both in the same unit.
    level
        Confidence level.

    Returns
    -------
    tuple of float
        Lower and upper bound; 0 below where ``count1`` is zero, infinity above where ``count2`` is.

    Raises
    ------
    ValueError
        A count is no whole number of at least zero, an exposure is not above zero, or ``level`` is not
        between 0 and 1.
    """
    first, second = checks.count("count1", count1), checks.count("count2", count2)
    spans = checks.positive("exposure2", exposure2), checks.positive("exposure1", exposure1)
    span = checks.positive("exposure2 / exposure1", spans[0] / spans[1])
    tail = (1 - checks.probability("level", level)) / 2
    low = first / (second + 1) * stats.f.ppf(tail, 2 * first, 2 * second + 2) if first else 0.0
    high = (first + 1) / second * stats.f.isf(tail, 2 * first + 2, 2 * second) if second else math.inf
    return float(low * span), float(high * span)
