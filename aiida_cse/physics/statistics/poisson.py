"""Counted events: exact intervals of means, rates and their ratio, and the test for events in bursts.

The two-sided interval is Garwood's (Biometrika 28, 437, 1936): for k events the mean lies between χ²(α/2; 2k)/2
and χ²(1 − α/2; 2k + 2)/2. It holds its level at every count, unlike k ± √k.

For the ratio of two rates: given their sum n, the count k₁ is binomial (Przyborowski and Wilenski, Biometrika 31,
313, 1940), and its exact interval (Clopper and Pearson, Biometrika 26, 404, 1934) gives one of the ratio.

For bursts: the variance test for Poisson counts (Cochran, Biometrics 10, 417, 1954). For counts x_i from n equal
sources with mean x̄, Σ (x_i − x̄)² / x̄ is χ² with n − 1 degrees of freedom. Divided by n − 1 it is the index of
dispersion: 1 for independent events, and for bursts about the number of events per burst, which together carry the
information of one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from aiida_cse.physics.statistics import arguments

__all__ = [
    "burst_index",
    "dispersion_test",
    "poisson_interval",
    "poisson_lower",
    "poisson_upper",
    "rate_interval",
    "rate_ratio_interval",
]

Floats = NDArray[np.float64]


def poisson_interval(count: float, level: float = 0.95) -> tuple[float, float]:
    """Return the two-sided interval of the mean of a Poisson count.

    Parameters
    ----------
    count
        Number of observed events.
    level
        Confidence level.

    Raises
    ------
    ValueError
        ``count`` is no whole number of at least zero, or ``level`` is not between 0 and 1.
    """
    tail = (1 - arguments.probability("level", level)) / 2
    return poisson_lower(count, 1 - tail), poisson_upper(count, 1 - tail)


def poisson_upper(count: float, level: float = 0.95) -> float:
    """Return the one-sided upper bound of the mean of a Poisson count; 3.00 for no event at 95 %.

    Raises
    ------
    ValueError
        As :func:`poisson_interval`.
    """
    events, chance = arguments.count("count", count), arguments.probability("level", level)
    return float(stats.chi2.ppf(chance, 2 * events + 2) / 2)


def poisson_lower(count: float, level: float = 0.95) -> float:
    """Return the one-sided lower bound of the mean of a Poisson count; 0 for no event.

    Raises
    ------
    ValueError
        As :func:`poisson_interval`.
    """
    events, chance = arguments.count("count", count), arguments.probability("level", level)
    return float(stats.chi2.isf(chance, 2 * events) / 2) if events else 0.0


def rate_interval(count: float, exposure: float, level: float = 0.95) -> tuple[float, float]:
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
    low, high = poisson_interval(count, level)
    return low / span, arguments.number("upper bound, count over exposure,", high / span)


def rate_ratio_interval(
    count1: float, exposure1: float, count2: float, exposure2: float, level: float = 0.95
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

    Returns
    -------
    tuple of float
        Lower and upper bound; 0 below where ``count1`` is zero, infinity above where ``count2`` is.

    Raises
    ------
    ValueError
        A count is no whole number of at least zero, an exposure is not above zero, or ``level`` is not between 0
        and 1.
    """
    first, second = arguments.count("count1", count1), arguments.count("count2", count2)
    spans = [
        arguments.number(name, span, above=0)
        for name, span in (("exposure2", exposure2), ("exposure1", exposure1))
    ]
    span = arguments.number("exposure2 / exposure1", spans[0] / spans[1], above=0)
    tail = (1 - arguments.probability("level", level)) / 2
    low = first / (second + 1) * stats.f.ppf(tail, 2 * first, 2 * second + 2) if first else 0.0
    high = (first + 1) / second * stats.f.isf(tail, 2 * first + 2, 2 * second) if second else math.inf
    return float(low * span), float(high * span)


def dispersion_test(counts: ArrayLike) -> tuple[float, float]:
    """Test counts (n,) from equal sources for more variance than independent events have.

    Returns
    -------
    tuple of float
        Index of dispersion and its p-value; 1 and 1 for one source, or without an event.

    Raises
    ------
    ValueError
        There is no count, or one is not a whole number of at least zero.
    """
    return _dispersion(_counted(counts, ndim=1))


def _dispersion(values: Floats) -> tuple[float, float]:
    freedom, mean = len(values) - 1, float(values.mean())
    if freedom == 0 or mean == 0:
        return 1.0, 1.0
    statistic = float(np.sum((values - mean) ** 2)) / mean
    return statistic / freedom, float(special.chdtrc(freedom, statistic))


def burst_index(counts: ArrayLike, significance: float = 0.05) -> float:
    """Return how many events of ``counts`` (n, kinds) carry the information of one, at least 1.

    It is the largest index of dispersion among the kinds (columns) whose test rejects independent events. Where no
    test rejects them it is 1, so that noise in few counts is not taken for bursts.

    Raises
    ------
    ValueError
        As :func:`dispersion_test`, or ``significance`` is not between 0 and 1.
    """
    alpha = arguments.probability("significance", significance)
    tests = [_dispersion(column) for column in _counted(counts, ndim=2).T]
    return max([1.0, *(index for index, p_value in tests if p_value < alpha)])


def _counted(counts: ArrayLike, ndim: int) -> Floats:
    most = arguments.LARGEST_COUNT
    return arguments.array("counts", counts, ndim=ndim, length=1, least=0, most=most, whole=True)
