"""Resampling of blocks of time: the bootstrap, its intervals, and how many visits counts are worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["bootstrap_counts", "dispersion", "expanded_interval", "group_blocks", "visits_interval"]

Floats = NDArray[np.float64]


def group_blocks(blocks: Floats, groups: int) -> Floats:
    """Add neighbouring blocks (B, ...) up to groups of equal length; a rest at the end is left out.

    There are ``groups`` of them or more, fewer than twice as many, and B where B is smaller. Longer blocks are
    less correlated with each other.
    """
    length = max(len(blocks) // groups, 1)
    whole = len(blocks) // length
    grouped: Floats = blocks[: whole * length].reshape(whole, length, *blocks.shape[1:]).sum(axis=1)
    return grouped


def dispersion(counts: Floats) -> float:
    """Return the index of dispersion (variance over mean) of counts per block (B,), at least 1."""
    mean = counts.mean() if len(counts) > 1 else 0.0
    return max(float(counts.var(ddof=1) / mean), 1.0) if mean > 0 else 1.0


def bootstrap_counts(blocks: Floats, samples: int, rng: np.random.Generator) -> Floats:
    """Return (samples, bins) sums over as many blocks (B, bins) drawn with replacement as there are.

    Efron, Ann. Stat. 7, 1 (1979), applied to blocks of time.
    """
    weights = rng.multinomial(len(blocks), np.full(len(blocks), 1 / len(blocks)), size=samples)
    drawn: Floats = weights @ blocks
    return drawn


def expanded_interval(samples: Floats, level: float, blocks: int | None = None) -> tuple[float, float]:
    """Return the two-sided percentile interval of bootstrap samples.

    With few ``blocks`` plain percentiles are too narrow; they are expanded as Student's t is against the normal
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

    Garwood's interval, see :mod:`aiida_cse.physics.statistics.poisson`, continued to numbers that are not whole,
    because counts over counts per visit are not.
    """
    tail = (1 - level) / 2
    low = float(stats.gamma.ppf(tail, visits)) if visits > 0 else 0.0
    return low, float(stats.gamma.ppf(1 - tail, visits + 1))
