"""Dispersion of counted events: how many of them carry the information of one.

Events are independent only if no ion and no time has more than its share. Ions that recross a boundary, remember
their past, or differ from each other make the counts *per ion* uneven. A gate that opens for all ions together,
or ions that attract each other, make the counts *over time* uneven. Neither shows in the other, so both are
estimated. Chosen here, with the two-way clustered variance of Cameron, Gelbach and Miller (J. Bus. Econ. Stat. 29,
238, 2011): from k events with residuals r = events − share of the exposure × k,

* V_ions is the sum of the squared residuals per ion, scaled such that independent events give k on average. Its
  p-value is that of a Gamma variate with the two moments of multinomial counts.
* V_time is the mean square of the six slowest cosines of the residuals over the exposure. For independent events
  each of them is k on average. If the two slowest alone exceed that at p < 0.05, as for fluctuations almost as
  slow as the run, their mean square is used where it is larger.
* V = max(V_ions, V_time, V_ions + V_time − k, k). The dispersion is φ = V / k, at most k, where one of the two has
  p < 0.2. Otherwise it is 1, so that noise in few counts is not taken for bursts.

k events are then worth k / φ in every interval (:mod:`~aiida_cse.physics.statistics.poisson`). φ has about six
degrees of freedom, those of the cosines, which :func:`widening` turns into a factor.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from aiida_cse.physics.statistics import arguments

__all__ = ["dispersion", "pooled_dispersion", "widening"]

Floats = NDArray[np.float64]

#: slowest cosines, which are also the degrees of freedom of Student's t, and how many of them are tested alone
_COSINES: Final = 6
_SLOWEST: Final = 2
#: significance of a dispersion, and of that of the slowest cosines alone
_SIGNIFICANCE: Final = 0.2
_SLOWEST_SIGNIFICANCE: Final = 0.05


def dispersion(
    ion_counts: ArrayLike | None = None,
    time_counts: ArrayLike | None = None,
    *,
    ion_exposure: ArrayLike | None = None,
    time_exposure: ArrayLike | None = None,
) -> float:
    """Return φ, the number of events that carry the information of one, at least 1.

    Parameters
    ----------
    ion_counts
        (I,) events of each ion that could have made one; without it ions are not compared.
    time_counts
        (T,) events in successive intervals of time; without it times are not compared. Fluctuations shorter than
        an interval are not seen.
    ion_exposure, time_exposure
        (I,) and (T,) exposure of each ion and interval, in any unit: the time in which the ion could have made an
        event, and the number of ions that could have. Equal by default. What has none is left out.

    Returns
    -------
    float
        At most the number of events, which are then a single burst; 1 for independent events, for fewer than two
        events, and for one ion and one interval.

    Raises
    ------
    ValueError
        A count is no whole number of at least zero, an exposure is negative, lengths differ, or the events per ion
        and per interval have different sums.
    """
    ions = _residuals("ion", ion_counts, ion_exposure)
    times = _residuals("time", time_counts, time_exposure)
    totals = {float(counts.sum()) for counts, _ in (ions, times) if len(counts)}
    if len(totals) > 1:
        raise ValueError("ion_counts and time_counts have different sums: they must be of the same events")
    events = totals.pop() if totals else 0.0
    if events < 2:
        return 1.0
    by_ion, ion_p = _between_ions(*ions, events)
    by_time, time_p = _over_time(*times, events)
    if min(ion_p, time_p) >= _SIGNIFICANCE:
        return 1.0
    return min(max(by_ion, by_time, by_ion + by_time - 1, 1.0), events)


def _residuals(name: str, counts: ArrayLike | None, exposure: ArrayLike | None) -> tuple[Floats, Floats]:
    """Return counts and their shares of the exposure, checked; both empty without counts or exposure."""
    if counts is None:
        return np.zeros(0), np.zeros(0)
    most = arguments.LARGEST_COUNT
    found = arguments.array(f"{name}_counts", counts, ndim=1, length=1, least=0, most=most, whole=True)
    if exposure is None:
        return found, np.full(len(found), 1 / len(found))
    weights = arguments.array(f"{name}_exposure", exposure, ndim=1, least=0, most=arguments.SUMMABLE)
    if len(weights) != len(found):
        raise ValueError(f"{name}_exposure has {len(weights)} values, {name}_counts has {len(found)}")
    total = float(weights.sum())
    return (found, weights / total) if total > 0 else (np.zeros(0), np.zeros(0))


def _between_ions(counts: Floats, shares: Floats, events: float) -> tuple[float, float]:
    """Return V_ions / k and its p-value, both 1 where there are no two ions with a share.

    The p-value is that of a gamma distribution with the mean and the variance that multinomial counts have.
    """
    second, third = float((shares**2).sum()), float((shares**3).sum())
    mean = events * (1 - second)
    if not len(shares) or mean < 1e-9 * events:
        return 1.0, 1.0
    squares = float(((counts - events * shares) ** 2).sum())
    # moments of Σ (x − k p)² for multinomial x: a sum over single events and over pairs
    variance = 4 * events * (third - second**2)
    variance += 2 * events * (events - 1) * (second - 2 * third + second**2)
    return squares / mean, float(special.gammaincc(mean**2 / variance, squares * mean / variance))


def _over_time(counts: Floats, shares: Floats, events: float) -> tuple[float, float]:
    """Return V_time / k and its p-value, both 1 where there are no two intervals with a share."""
    number = min(_COSINES, int(np.count_nonzero(shares)) - 1)
    if number < 1:
        return 1.0, 1.0
    # the cosines are orthogonal in the share of the exposure that has passed in the middle of an interval
    passed = np.cumsum(shares) - shares / 2
    residuals = counts - events * shares
    powers = np.array(
        [2 * float(np.cos(np.pi * order * passed) @ residuals) ** 2 / events for order in range(1, number + 1)]
    )
    index, p_value = float(powers.mean()), float(stats.chi2.sf(powers.sum(), number))
    slow = powers[:_SLOWEST]
    slow_p = float(stats.chi2.sf(slow.sum(), len(slow)))
    if slow_p < _SLOWEST_SIGNIFICANCE:
        return max(index, float(slow.mean())), min(p_value, slow_p)
    return index, p_value


def pooled_dispersion(counts: ArrayLike, dispersions: ArrayLike) -> float:
    """Return the dispersion of several runs together: the mean of theirs (R,), weighted with their counts (R,).

    It is 1 without an event.

    Raises
    ------
    ValueError
        A count is negative, a dispersion is below 1, or the lengths differ.
    """
    events = arguments.array("counts", counts, ndim=1, least=0, most=arguments.LARGEST_COUNT)
    found = arguments.array("dispersions", dispersions, ndim=1, least=1)
    if len(events) != len(found):
        raise ValueError(f"dispersions has {len(found)} values, counts has {len(events)}")
    return float(np.average(found, weights=events)) if events.any() else 1.0


def widening(dispersion: float, tail: float) -> float:
    """Return the factor by which an interval is wider because its dispersion φ is estimated, 1 for φ = 1.

    It is the ratio of the quantile of Student's t with six degrees of freedom to that of the normal distribution,
    where ``tail`` is the probability beyond one end.
    """
    if dispersion == 1 or tail == 0.5:
        return 1.0
    return float(stats.t.isf(tail, _COSINES) / stats.norm.isf(tail))
