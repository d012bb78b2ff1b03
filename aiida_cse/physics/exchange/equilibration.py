"""The equilibration coefficient with its bound, the interval of the number of events, and the net-flux test.

EC = 2 min(S_AB, S_BA) / (S_AB + S_BA + λ), eq 5 of Kozdra et al., PCCP 27, 24918 (2025), with the entries and
exits of a region and λ = 10. It is 0 for exchange in one direction and near 1 for many ions in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.dispersion import widening
from aiida_cse.physics.statistics.resampling import visits_interval

__all__ = [
    "NetFlux",
    "equilibration_coefficient",
    "equilibration_lower_bound",
    "exchange_interval",
    "net_flux_test",
]

#: nodes of the quadrature over the posterior of the entries
_NODES = 500
#: smaller bounds are 0
_SMALLEST = 1e-12


@dataclass(frozen=True)
class NetFlux:
    """Mean of ΔN per block, its standard error, and the p-value of a balanced exchange."""

    mean: float
    standard_error: float
    p_value: float
    blocks: int


def equilibration_coefficient(entries: float, exits: float, lam: float = 10.0) -> float:
    """Return the equilibration coefficient of eq 5, at least 0 and below 1.

    2 min(entries, exits) / (entries + exits + λ), where λ makes few events count less.

    Raises
    ------
    ValueError
        A count is no whole number of at least zero, or ``lam`` is not above zero.
    """
    into, out = arguments.count("entries", entries), arguments.count("exits", exits)
    return 2 * min(into, out) / (into + out + arguments.number("lam", lam, above=0))


def equilibration_lower_bound(
    entries: float, exits: float, level: float = 0.975, lam: float = 10.0, *, burst_index: float = 1.0
) -> float:
    """Return a one-sided lower bound of the equilibration coefficient of the expected counts.

    It is the lower of two bounds. The first holds near balance: the (1 − level) quantile of EC where the means of
    entries and of exits have independent Jeffreys posteriors, Gamma(S + ½, 1). EC falls on either side of balance,
    so independent posteriors lower it; ions that must leave before they return are closer to balance. The second
    holds far from balance, where EC is determined by the smaller count and Jeffreys' tail is too short for few
    events: EC of the exact (Garwood) lower bound of the smaller mean and the larger count. 7 in and 7 out give
    0.26, 20 and 20 give 0.52. Without an event on one side the bound is 0. There is no upper bound of this kind:
    EC has its maximum at balance, so that the posterior lies below the truth there.

    Parameters
    ----------
    entries, exits
        Events, S_AB and S_BA of eq 5.
    level
        Level of the bound.
    lam
        λ of eq 5.
    burst_index
        Number of events that carry the information of one, φ of
        :mod:`~aiida_cse.physics.statistics.dispersion`: S events in bursts count as S / φ events of weight φ.

    Raises
    ------
    ValueError
        As :func:`equilibration_coefficient`, ``level`` is not between 0 and 1, or ``burst_index`` is below 1.
    """
    into, out = arguments.count("entries", entries), arguments.count("exits", exits)
    tail = 1 - arguments.probability("level", level)
    offset = arguments.number("lam", lam, above=0)
    weight = arguments.number("burst_index", burst_index, least=1)
    if min(into, out) == 0:
        return 0.0
    # counts and λ in units of the weight: EC does not change with the unit
    return _lower_bound(into / weight, out / weight, tail, offset / weight)


def exchange_interval(
    entries: float, exits: float, level: float = 0.95, *, burst_index: float = 1.0
) -> tuple[float, float]:
    """Return the two-sided interval of the mean of S_t, entries and exits together.

    Where ions soon leave again, an entry brings an exit with it: S_t then comes in pairs, and varies up to twice
    as much as independent events. S_t is therefore taken for S_t / 2 pairs, each an independent event, with
    Garwood's interval (Biometrika 28, 437, 1936) continued to halves of events. Where entries and exits are
    independent the interval is conservative: 7 in and 7 out give 5.6 to 28.8, single events would give 7.7 to
    23.5. No event gives 0 to 7.4.

    Parameters
    ----------
    entries, exits
        Events, S_AB and S_BA of eq 5.
    level
        Level of the interval.
    burst_index
        Number of events of either kind that carry the information of one
        (:func:`~aiida_cse.physics.statistics.dispersion.dispersion`); twice as many of both kinds do. Above 1 it
        is an estimate, which widens the interval further, as that of a count. It describes only bursts that were
        observed.

    Raises
    ------
    ValueError
        A count is no whole number of at least zero, ``level`` is not between 0 and 1, or ``burst_index`` is
        below 1.
    """
    total = arguments.count("entries", entries) + arguments.count("exits", exits)
    weight = 2 * arguments.number("burst_index", burst_index, least=1)
    ends = np.array(visits_interval(total / weight, arguments.probability("level", level)))
    with np.errstate(over="ignore", invalid="ignore"):
        ends *= weight
        if total:
            ends = total * (ends / total) ** widening(burst_index, (1 - level) / 2)
        low, high = arguments.representable("interval from burst_index", ends)
    return float(low), float(high)


@lru_cache(maxsize=4096)
def _lower_bound(into: float, out: float, tail: float, offset: float) -> float:
    """Return the lower one of the ``tail`` quantile of the posterior of EC and EC of Garwood's lower bound."""
    means = special.gammaincinv(into + 0.5, (np.arange(_NODES) + 0.5) / _NODES)

    def probability_below(bound: float) -> float:
        # EC ≥ bound for means of exits between these two, which cross where even balance does not reach the bound
        low = bound * (means + offset) / (2 - bound)
        high = np.maximum(means * (2 - bound) / bound - offset, 0)
        above = special.gammainc(out + 0.5, high) - special.gammainc(out + 0.5, low)
        return 1 - float(np.maximum(above, 0).mean())

    if probability_below(_SMALLEST) >= tail:
        return 0.0
    quantile = optimize.brentq(lambda bound: probability_below(bound) - tail, _SMALLEST, 1 - _SMALLEST, xtol=1e-10)
    fewer, more = sorted((into, out))
    least = float(special.gammaincinv(fewer, tail))
    return min(float(quantile), 2 * least / (least + more + offset))


def net_flux_test(net_fluxes: ArrayLike) -> NetFlux:
    """Test the net flux ΔN per block (entries minus exits, (B,)) against zero.

    Student's t over blocks. At equilibrium ions that enter leave again, so that successive blocks are
    anticorrelated, if at all, and the test is conservative. The scatter of the flux is estimated from the blocks
    alone, and a flux that decays while ions fill a region scatters for this reason too. Where many ions cross a
    few times each, a binomial test of all entries against all exits is more powerful (measured: see
    ``benchmarks``). It assumes independent events, but those of one ion alternate.

    Raises
    ------
    ValueError
        There are fewer than 2 blocks, or a flux is not finite or beyond ±1e100.
    """
    summable = arguments.SUMMABLE
    flux = arguments.array("net_fluxes", net_fluxes, ndim=1, length=2, least=-summable, most=summable)
    mean = float(flux.mean())
    error = float(flux.std(ddof=1) / np.sqrt(len(flux)))
    if error == 0:
        return NetFlux(mean, error, 1.0 if mean == 0 else 0.0, len(flux))
    p_value = 2 * float(stats.t.sf(abs(mean) / error, len(flux) - 1))
    return NetFlux(mean, error, p_value, len(flux))
