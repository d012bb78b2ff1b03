"""Whether events come one by one or in bursts.

The variance test for Poisson counts (Cochran, Biometrics 10, 417 (1954)): of counts x_i from n equal sources
with mean x̄, Σ (x_i − x̄)² / x̄ is χ² with n − 1 degrees of freedom, and divided by n − 1 it is the index of
dispersion: 1 for independent events, and for bursts about as many as the events of a burst. So many events
carry the information of one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from aiida_cse.physics.statistics import arguments as checks

__all__ = ["burst_index", "dispersion_test"]


def dispersion_test(counts: ArrayLike) -> tuple[float, float]:
    """Test counts (n,) from equal sources for more variance than independent events have.

    Returns
    -------
    tuple of float
        Index of dispersion and its p-value; 1 and 1 where there is one source only, or no event.

    Raises
    ------
    ValueError
        There is no count, or one is not a whole number of at least zero.
    """
    values = checks.whole_counts("counts", counts, ndim=1)
    freedom, mean = len(values) - 1, float(values.mean())
    if freedom == 0 or mean == 0:
        return 1.0, 1.0
    statistic = float(np.sum((values - mean) ** 2)) / mean
    return statistic / freedom, float(special.chdtrc(freedom, statistic))


def burst_index(counts: ArrayLike, significance: float = 0.05) -> float:
    """Return how many events of ``counts`` (n, kinds) are worth one, at least 1.

    It is the largest index of dispersion among the kinds (columns) whose test rejects independent events. Where
    none does it is 1, so that noise in few counts is not taken for bursts.

    Raises
    ------
    ValueError
        As :func:`dispersion_test`, or ``significance`` is not between 0 and 1.
    """
    alpha = checks.probability("significance", significance)
    table = checks.whole_counts("counts", counts, ndim=2)
    tests = [dispersion_test(column) for column in table.T]
    return max([1.0, *(index for index, p_value in tests if p_value < alpha)])
