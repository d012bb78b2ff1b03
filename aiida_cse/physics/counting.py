"""Exact intervals for counted events and for their rates.

The two-sided interval is Garwood's (Biometrika 28, 437, 1936): for k events the mean lies between
χ²(α/2; 2k)/2 and χ²(1 − α/2; 2k + 2)/2. It holds its level at every count, unlike k ± √k.
"""

from __future__ import annotations

from scipy import stats

from aiida_cse.physics import checks

__all__ = ["poisson_interval", "poisson_lower", "poisson_upper", "rate_interval"]


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
    tail = 1 - checks.probability("level", level)
    return float(stats.chi2.ppf(tail, 2 * events) / 2) if events else 0.0


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
    return low / span, high / span
