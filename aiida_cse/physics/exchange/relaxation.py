"""The deviation from equilibrium that remains in the number of ions of a region, from the memory of single ions.

Ions are followed by identity: after a lag, an ion that was outside is inside with the probability a, and one that
was inside is outside with the probability b. The deviation of the initial number from equilibrium then relaxes by
the factor M = 1 − a − b per lag (Chandler, J. Chem. Phys. 68, 2959 (1978): for two states M = exp(−(k_in + k_out)
lag)), and at equilibrium the fraction a / (a + b) of the ions is inside. Neither requires equilibrium during the
observation, and recrossings within a lag do not affect either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

__all__ = ["FEWEST_TIMES", "RemainingDeviation", "member_frames", "remaining_deviation"]

#: lags in the time of observation: after a long lag the memory is that of the slow ions
_LAGS = 2
#: fewest times that have a lag
FEWEST_TIMES = _LAGS + 1
#: times at which the ions are followed, up to twice as many
_TIMES = 48
#: least memory, which keeps its logarithm finite
_SMALLEST = 1e-9
#: nodes of the quadrature over each posterior
_NODES = 100
#: added to each count: Jeffreys' prior
_JEFFREYS = 0.5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RemainingDeviation:
    """The remaining part of the initial deviation of the number of ions in a region from equilibrium.

    Attributes
    ----------
    median, upper_bound
        Median of the posterior of the absolute deviation, and its quantile at the level, in standard deviations
        of the number at equilibrium.
    relaxation_times
        Number of relaxation times that have passed: −ln of the memory, median.
    equilibrium
        Number in the region at equilibrium, median.
    """

    median: float
    upper_bound: float
    relaxation_times: float
    equilibrium: float


def member_frames(begin: int, stop: int) -> NDArray[np.int64]:
    """Return 49 to 97 equally spaced frames from ``begin`` to ``stop`` − 1, at which to follow the ions.

    The last frame is one of them. Of fewer than 49 frames, all are returned.
    """
    step = max(1, (stop - 1 - begin) // _TIMES)
    return np.arange(stop - 1, begin - 1, -step, dtype=np.int64)[::-1]


def remaining_deviation(members: ArrayLike, level: float = 0.9975) -> RemainingDeviation:
    """Bound the deviation of the mean number of ions in a region from its mean at equilibrium.

    For n independent ions, N of them inside at first, the mean number deviates after j lags by (N − n p) M^j,
    where p = a / (a + b) and M = 1 − a − b, and its standard deviation at equilibrium is √(n p (1 − p)). The lag
    is half of the time, because with ions of different relaxation times the memory after a long lag is that of
    the slow ones. a and b have independent Beta posteriors with Jeffreys' prior. Their counts are taken at all
    origins of a lag and divided by the number of origins that overlap (Prinz et al., J. Chem. Phys. 134, 174105
    (2011)).

    Parameters
    ----------
    members
        (F, I) 0 or 1, whether each ion is in the region at equally spaced times: at least 3 times and 1 ion.
    level
        Level of the upper bound.
    """
    table = np.asarray(members, dtype=np.float64)
    ions, inside = table.shape[1], float(table[0].sum())
    lag = (len(table) - 1) // _LAGS
    lags = (len(table) - 1) / lag
    before, after = table[:-lag], table[lag:]
    both, were, are = (float(np.sum(one)) for one in (before * after, before, after))
    # transitions (2, 2) between outside (0) and inside (1) within a lag; overlapping origins are not independent
    seen = np.array([[before.size - were - are + both, are - both], [were - both, both]])
    counts = seen * lags / len(before)
    # equally probable values of the probabilities with Jeffreys' prior
    nodes = (np.arange(_NODES) + 0.5) / _NODES
    enter = special.betaincinv(counts[0, 1] + _JEFFREYS, counts[0, 0] + _JEFFREYS, nodes)[:, None]
    leave = special.betaincinv(counts[1, 0] + _JEFFREYS, counts[1, 1] + _JEFFREYS, nodes)[None, :]
    share = enter / (enter + leave)
    memory = np.maximum(1 - enter - leave, _SMALLEST) ** lags
    deviation = np.abs(inside - ions * share) * memory / np.sqrt(ions * share * (1 - share))
    return RemainingDeviation(
        median=float(np.median(deviation)),
        upper_bound=float(np.quantile(deviation, level)),
        relaxation_times=float(-np.log(np.median(memory))),
        equilibrium=float(ions * np.median(share)),
    )
