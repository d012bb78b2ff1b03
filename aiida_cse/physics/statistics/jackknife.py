"""Errors of numbers that are made from many counts: the jackknife over groups of blocks of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.statistics import arguments as checks

__all__ = ["FEWEST_GROUPS", "jackknife_error", "leave_one_out"]

Floats = NDArray[np.float64]

#: groups below which the error of an error is as large as itself
FEWEST_GROUPS = 5


def leave_one_out(groups: ArrayLike) -> Floats:
    """Return the mean of the groups (G, ...), and after it, each time, that without one of them: (G + 1, ...).

    A single group leaves nothing when it is left out: then there is the mean alone, (1, ...).

    Raises
    ------
    ValueError
        There is no group, or a value is not finite.
    """
    values = checks.finite_values("groups", groups)
    if values.ndim == 0 or not len(values):
        raise ValueError(f"groups has the shape {values.shape}, it must have a first axis of at least one group")
    total, number = values.sum(axis=0), len(values)
    without = (total - values) / (number - 1) if number > 1 else values[:0]
    return np.concatenate([total[None] / number, without])


def jackknife_error(estimates: ArrayLike) -> Floats:
    """Return the standard error from the estimates (G, ...) that leave out one group each.

    √((G − 1) / G × Σ (θ_g − mean)²), Efron and Stein, Ann. Stat. 9, 586 (1981). It holds as far as the groups are
    independent, that is, longer than the memory of what is counted. NaN with fewer than :data:`FEWEST_GROUPS`
    groups, and where an estimate is NaN.

    Raises
    ------
    ValueError
        There is no axis of groups.
    """
    values = checks.real_values("estimates", estimates)
    if values.ndim == 0:
        raise ValueError("estimates has no axis, it must have a first axis of groups")
    number = len(values)
    if number < FEWEST_GROUPS:
        return np.full(values.shape[1:], np.nan)
    scatter: Floats = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    return np.sqrt((number - 1) / number * scatter)
