"""Errors from blocks of time: bootstrap with its intervals, jackknife, and the visits that counts are worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from aiida_cse.physics.statistics import arguments

__all__ = [
    "FEWEST_GROUPS",
    "bootstrap_counts",
    "expanded_interval",
    "group_blocks",
    "jackknife_error",
    "leave_one_out",
    "visits_interval",
]

Floats = NDArray[np.float64]

#: groups below which the error of the jackknife's error is as large as the error itself
FEWEST_GROUPS = 5


def group_blocks(blocks: Floats, groups: int) -> Floats:
    """Add neighbouring blocks (B, ...) to groups of equal length; a remainder at the end is left out.

    The result has at least ``groups`` groups and fewer than twice as many, or B where B is smaller. Longer blocks
    are less correlated with each other.
    """
    length = max(len(blocks) // groups, 1)
    whole = len(blocks) // length
    grouped: Floats = blocks[: whole * length].reshape(whole, length, *blocks.shape[1:]).sum(axis=1)
    return grouped


# -- bootstrap -----------------------------------------------------------------------------------------------


def bootstrap_counts(blocks: Floats, samples: int, rng: np.random.Generator) -> Floats:
    """Return (samples, bins) sums over B blocks (B, bins) drawn with replacement.

    Efron, Ann. Stat. 7, 1 (1979), applied to blocks of time.
    """
    weights = rng.multinomial(len(blocks), np.full(len(blocks), 1 / len(blocks)), size=samples)
    drawn: Floats = weights @ blocks
    return drawn


def expanded_interval(samples: Floats, level: float, blocks: int | None = None) -> tuple[float, float]:
    """Return the two-sided percentile interval of bootstrap samples.

    With few ``blocks`` plain percentiles are too narrow. They are expanded as Student's t is against the normal
    distribution (Hesterberg, Am. Stat. 69, 371 (2015), section 5.1).
    """
    tail = (1 - level) / 2
    if blocks is not None and blocks > 1:
        spread = stats.t.ppf(tail, blocks - 1) * np.sqrt(blocks / (blocks - 1))
        tail = float(stats.norm.cdf(spread))
    low, high = np.quantile(samples, (tail, 1 - tail))
    return float(low), float(high)


def visits_interval(visits: float, level: float) -> tuple[float, float]:
    """Return the two-sided interval of the mean of a number of independent visits.

    Garwood's interval (:mod:`aiida_cse.physics.statistics.poisson`), continued to numbers that are not whole,
    because counts divided by counts per visit are not.
    """
    tail = (1 - level) / 2
    low = float(stats.gamma.ppf(tail, visits)) if visits > 0 else 0.0
    return low, float(stats.gamma.ppf(1 - tail, visits + 1))


# -- jackknife -----------------------------------------------------------------------------------------------


def leave_one_out(groups: ArrayLike) -> Floats:
    """Return the mean of the groups (G, ...), followed by the means without one group each: (G + 1, ...).

    A single group gives its mean alone, (1, ...).

    Raises
    ------
    ValueError
        There is no group, or a value is not finite.
    """
    values = arguments.array("groups", groups)
    if values.ndim == 0 or not len(values):
        raise ValueError(f"groups has the shape {values.shape}: must have a first axis of at least one group")
    total, number = values.sum(axis=0), len(values)
    without = (total - values) / (number - 1) if number > 1 else values[:0]
    return np.concatenate([total[None] / number, without])


def jackknife_error(estimates: ArrayLike) -> Floats:
    """Return the standard error from the estimates (G, ...) that leave out one group each.

    √((G − 1) / G × Σ (θ_g − mean)²), Efron and Stein, Ann. Stat. 9, 586 (1981). It holds where the groups are
    independent, which requires groups longer than the memory of what is counted. NaN with fewer than
    :data:`FEWEST_GROUPS` groups, and where an estimate is NaN.

    Raises
    ------
    ValueError
        There is no axis of groups.
    """
    values = arguments.array("estimates", estimates, finite=False)
    if values.ndim == 0:
        raise ValueError("estimates has no axis: must have a first axis of groups")
    number = len(values)
    if number < FEWEST_GROUPS:
        return np.full(values.shape[1:], np.nan)
    scatter: Floats = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    return np.sqrt((number - 1) / number * scatter)
