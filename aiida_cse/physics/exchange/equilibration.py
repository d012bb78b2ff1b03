"""Has the distribution of the ions equilibrated? The equilibration coefficient and a verdict.

EC = 2 min(S_AB, S_BA) / (S_AB + S_BA + λ), eq 5 of Kozdra et al., PCCP 27, 24918 (2025): entries and exits
of a region, λ = 10. It is 0 where ions go one way only and near 1 where many go both ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from aiida_cse.physics.exchange.relaxation import FEWEST_TIMES, RemainingDeviation, remaining_deviation
from aiida_cse.physics.statistics import arguments as checks
from aiida_cse.physics.statistics.dispersion import burst_index
from aiida_cse.physics.statistics.resampling import visits_interval
from aiida_cse.physics.statistics.timeseries import drift_test

__all__ = [
    "EquilibrationVerdict",
    "NetFlux",
    "equilibration_coefficient",
    "equilibration_lower_bound",
    "equilibration_verdict",
    "exchange_interval",
    "net_flux_test",
]

#: nodes of the quadrature over the posterior of the entries
_NODES = 500
#: a bound below this is 0
_SMALLEST = 1e-12


@dataclass(frozen=True)
class NetFlux:
    """Mean of ΔN per block, its standard error, and how likely a balanced exchange is as far from zero."""

    mean: float
    standard_error: float
    p_value: float
    blocks: int


@dataclass(frozen=True)
class EquilibrationVerdict:
    """A decision and, for each criterion, a sentence with its numbers.

    ``burst_index`` tells how many events were worth one for the bound, 1 where they come one by one.
    ``remaining`` is what remains of the start, None where the ions were not followed.
    """

    equilibrated: bool
    coefficient: float
    lower_bound: float
    burst_index: float
    reasons: tuple[str, ...]
    remaining: RemainingDeviation | None = None


def equilibration_coefficient(entries: float, exits: float, lam: float = 10.0) -> float:
    """Return the equilibration coefficient of eq 5, at least 0 and below 1.

    Raises
    ------
    ValueError
        A count is no whole number of at least zero, or ``lam`` is not above zero.
    """
    into, out = checks.count("entries", entries), checks.count("exits", exits)
    return 2 * min(into, out) / (into + out + checks.positive("lam", lam))


def equilibration_lower_bound(
    entries: float,
    exits: float,
    level: float = 0.975,
    lam: float = 10.0,
    *,
    block_counts: ArrayLike | None = None,
    ion_counts: ArrayLike | None = None,
) -> float:
    """One-sided lower bound of the equilibration coefficient of the expected counts.

    It is the lower of two bounds. Near balance, the (1 − level) quantile of EC where the means of entries
    and of exits have independent Jeffreys posteriors, Gamma(S + ½, 1): EC falls on either side of
    balance, so independent posteriors lower it, and ions that must leave before they come back are closer
    to balance than that. Far from balance, where EC is all about the smaller count and Jeffreys' tail is
    too short for few events, EC of the exact (Garwood) lower bound of the smaller mean and the larger
    count. 7 in and 7 out give 0.26, 20 and 20 give 0.52. Without an event on one side it is 0. There is
    no upper bound of this kind: EC is at its maximum at balance, so that the posterior lies below the
    truth there.

    Events that come in bursts, as when one ion crosses to and fro, tell less than their number. Where the
    counts per ion or per block vary more than independent events do (``burst_index`` D of
    :mod:`~aiida_cse.physics.statistics.dispersion`, the larger of the two), S events count as S / D of weight D.

    Parameters
    ----------
    entries, exits
        Events, S_AB and S_BA of eq 5.
    level
        Level of the bound.
    lam
        λ of eq 5.
    block_counts
        (B, 2) entries and exits in each block of time of equal length. A burst shows if it is shorter than a
        block.
    ion_counts
        (I, 2) entries and exits of each ion, those that never crossed among them. Bursts of any length show;
        ions that are more active than others for good look like bursts too, and lower the bound.

    Raises
    ------
    ValueError
        As :func:`equilibration_coefficient`, ``level`` is not between 0 and 1, or the counts per block or ion
        are no (n, 2) whole numbers of at least zero whose sums are ``entries`` and ``exits``.
    """
    into, out = checks.count("entries", entries), checks.count("exits", exits)
    tail = 1 - checks.probability("level", level)
    offset = checks.positive("lam", lam)
    return _weighted_bound(into, out, tail, offset, _burst_index(into, out, block_counts, ion_counts))


def exchange_interval(
    entries: float, exits: float, level: float = 0.95, *, burst_index: float = 1.0
) -> tuple[float, float]:
    """Two-sided interval of the mean of S_t, entries and exits together.

    Where ions leave again soon, an entry brings an exit with it: S_t then comes in pairs, and varies up to twice
    as much as independent events do. So S_t is taken for S_t / 2 pairs, of which each is an independent event,
    with Garwood's interval (Biometrika 28, 437, 1936) continued to halves of events. Where entries and exits
    have nothing to do with each other it is wider than need be: 7 in and 7 out give 5.6 to 28.8, single events
    would give 7.7 to 23.5. Of no event it is 0 to 7.4.

    Parameters
    ----------
    entries, exits
        Events, S_AB and S_BA of eq 5.
    level
        Level of the interval.
    burst_index
        How many events of either kind are worth one
        (:func:`~aiida_cse.physics.statistics.dispersion.burst_index`), so that twice as many of both kinds are. It
        can only tell of bursts that were seen.

    Raises
    ------
    ValueError
        A count is no whole number of at least zero, ``level`` is not between 0 and 1, or ``burst_index`` is
        below 1.
    """
    total = checks.count("entries", entries) + checks.count("exits", exits)
    weight = 2 * checks.at_least("burst_index", burst_index, 1)
    ends = np.array(visits_interval(total / weight, checks.probability("level", level)))
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = checks.representable("interval from burst_index", weight * ends)
    return float(low), float(high)


def _burst_index(into: int, out: int, block_counts: ArrayLike | None, ion_counts: ArrayLike | None) -> float:
    """Return how many events are worth one: the largest burst index of what is given."""
    weight = 1.0
    for name, counts in (("block_counts", block_counts), ("ion_counts", ion_counts)):
        if counts is not None:
            table = checks.whole_counts(name, counts, ndim=2)
            if table.shape[1] != 2:
                raise ValueError(f"{name} has {table.shape[1]} columns, it must have 2: entries and exits")
            sums = tuple(int(total) for total in table.sum(axis=0))
            if sums != (into, out):
                raise ValueError(
                    f"{name} sums to {sums[0]} entries and {sums[1]} exits, it must sum to {into} and {out}"
                )
            weight = max(weight, burst_index(table))
    return weight


def _weighted_bound(into: int, out: int, tail: float, offset: float, weight: float) -> float:
    """Return the lower bound of EC where ``weight`` events are worth one."""
    if min(into, out) == 0:
        return 0.0
    # counts and λ in units of the weight: EC does not change with the unit
    return _lower_bound(into / weight, out / weight, tail, offset / weight)


@lru_cache(maxsize=4096)
def _lower_bound(into: float, out: float, tail: float, offset: float) -> float:
    fewer, more = sorted((into, out))
    least = float(special.gammaincinv(fewer, tail))
    return min(_posterior_quantile(into, out, tail, offset), 2 * least / (least + more + offset))


def _posterior_quantile(into: float, out: float, tail: float, offset: float) -> float:
    """Return the ``tail`` quantile of EC where both means have independent Jeffreys posteriors."""
    means = special.gammaincinv(into + 0.5, (np.arange(_NODES) + 0.5) / _NODES)

    def probability_below(bound: float) -> float:
        # EC ≥ bound for out-means between these two, which cross where even balance does not reach the bound
        low = bound * (means + offset) / (2 - bound)
        high = np.maximum(means * (2 - bound) / bound - offset, 0)
        above = special.gammainc(out + 0.5, high) - special.gammainc(out + 0.5, low)
        return 1 - float(np.maximum(above, 0).mean())

    if probability_below(_SMALLEST) >= tail:
        return 0.0
    return float(
        optimize.brentq(lambda bound: probability_below(bound) - tail, _SMALLEST, 1 - _SMALLEST, xtol=1e-10)
    )


def net_flux_test(net_fluxes: ArrayLike) -> NetFlux:
    """Test the net flux ΔN per block (entries minus exits, (B,)) against zero.

    Student's t over blocks. At equilibrium what flows in flows out again, so that successive blocks are, if
    anything, anticorrelated and the test cautious. It knows how much the flux scatters from the blocks alone, and
    a flux that fades while the ions fill a region up scatters for this reason too. Where many ions cross a few
    times each, a binomial test of all entries against all exits is the more powerful one (measured: see
    ``benchmarks``); it takes them for independent, which those of one ion are not, for they alternate.

    Raises
    ------
    ValueError
        There are fewer than 2 blocks, or a flux is not finite or beyond ±1e100.
    """
    flux = checks.series("net_fluxes", net_fluxes, minimum=2)
    mean = float(flux.mean())
    error = float(flux.std(ddof=1) / np.sqrt(len(flux)))
    if error == 0:
        return NetFlux(mean, error, 1.0 if mean == 0 else 0.0, len(flux))
    p_value = 2 * float(stats.t.sf(abs(mean) / error, len(flux) - 1))
    return NetFlux(mean, error, p_value, len(flux))


def equilibration_verdict(
    entries: float,
    exits: float,
    *,
    net_fluxes: ArrayLike | None = None,
    population: ArrayLike | None = None,
    block_counts: ArrayLike | None = None,
    ion_counts: ArrayLike | None = None,
    members: ArrayLike | None = None,
    minimum_coefficient: float = 0.5,
    minimum_lower_bound: float = 0.25,
    bound_level: float = 0.975,
    significance: float = 0.05,
    tested_share: float = 1.0,
    maximum_remaining: float = 1.0,
    remaining_level: float = 0.9975,
    lam: float = 10.0,
) -> EquilibrationVerdict:
    """Decide whether the exchange of ions shows that their distribution has equilibrated.

    Parameters
    ----------
    entries, exits
        Events over the time that is judged.
    net_fluxes
        (B,) ΔN per block of time; without it the net flux is not judged.
    population
        (N,) number of ions in the region over time; without it the drift is not judged.
    block_counts, ion_counts
        (B, 2) and (I, 2) entries and exits per block and per ion; without them events are taken for
        independent. See :func:`equilibration_lower_bound`.
    members
        (F, I) whether each ion is in the region at equally spaced times; without it what remains of the start
        is not judged. See :func:`~aiida_cse.physics.exchange.relaxation.remaining_deviation`.
    minimum_coefficient, minimum_lower_bound
        What EC and its one-sided lower bound must reach.
    bound_level
        Level of that bound.
    significance
        A net flux or drift whose p-value lies below is not compatible with zero.
    tested_share
        Share of the blocks and frames, at their end, in which net flux and drift are tested: what comes before
        is the way to equilibrium, which must not be as long as to be outweighed.
    maximum_remaining, remaining_level
        What the upper bound of the remaining deviation, in standard deviations, may be, and its level.
    lam
        λ of eq 5.

    Raises
    ------
    ValueError
        An argument is out of its range.
    """
    alpha = checks.probability("significance", significance)
    tail = 1 - checks.probability("bound_level", bound_level)
    least = checks.finite("minimum_coefficient", minimum_coefficient)
    least_bound = checks.finite("minimum_lower_bound", minimum_lower_bound)
    most = checks.positive("maximum_remaining", maximum_remaining)
    level = checks.probability("remaining_level", remaining_level)
    share = _share("tested_share", tested_share)
    coefficient = equilibration_coefficient(entries, exits, lam)
    weight = _burst_index(int(entries), int(exits), block_counts, ion_counts)
    bound = _weighted_bound(int(entries), int(exits), tail, float(lam), weight)
    bursts = f", in bursts of about {weight:.2g} events," if weight > 1 else ""
    criteria = [
        _at_least(
            f"equilibration coefficient {coefficient:.3f} ({entries} in, {exits} out)",
            coefficient,
            least,
        ),
        _at_least(f"its lower {100 * bound_level:g} % bound {bound:.3f}{bursts}", bound, least_bound),
    ]
    if net_fluxes is not None:
        flux = checks.series("net_fluxes", net_fluxes, minimum=0)
        criteria.append(_judge_net_flux(_end_of(flux, share), alpha))
    if population is not None:
        series = checks.series("population", population, minimum=0)
        criteria.append(_judge_drift(_end_of(series, share), alpha))
    remaining = None
    if members is not None:
        table = checks.whole_counts("members", members, ndim=2, minimum=0)
        if len(table) >= FEWEST_TIMES and table.shape[1] > 0:
            remaining = remaining_deviation(table, level)
        criteria.append(_judge_remaining(remaining, most, level, table.shape))
    return EquilibrationVerdict(
        equilibrated=all(passed for passed, _ in criteria),
        coefficient=coefficient,
        lower_bound=bound,
        burst_index=weight,
        reasons=tuple(reason for _, reason in criteria),
        remaining=remaining,
    )


def _at_least(what: str, value: float, minimum: float) -> tuple[bool, str]:
    passed = value >= minimum
    return passed, f"{what} {'reaches' if passed else 'is below'} {minimum:g}"


def _judge_net_flux(flux: NDArray[np.float64], alpha: float) -> tuple[bool, str]:
    if len(flux) < 2:
        return False, f"net flux cannot be judged: {len(flux)} block(s) of time, at least 2 are needed"
    test = net_flux_test(flux)
    what = f"net flux {test.mean:+.3g} ± {test.standard_error:.2g} ions per block over {test.blocks} blocks"
    return _compatible(what, test.p_value, alpha)


def _judge_drift(series: NDArray[np.float64], alpha: float) -> tuple[bool, str]:
    if len(series) < 4:
        return False, f"drift cannot be judged: {len(series)} frame(s), at least 4 are needed"
    test = drift_test(series)
    what = (
        f"drift of the population {test.slope * len(series):+.3g} ± "
        f"{test.standard_error * len(series):.2g} ions over the time judged"
    )
    return _compatible(what, test.p_value, alpha)


def _judge_remaining(
    found: RemainingDeviation | None, most: float, level: float, shape: tuple[int, ...]
) -> tuple[bool, str]:
    if found is None:
        return False, (
            f"deviation that remains of the start cannot be judged: {shape[0]} time(s) and {shape[1]} ion(s), at "
            f"least {FEWEST_TIMES} and 1 are needed"
        )
    passed = found.upper_bound <= most
    relation = "at most" if passed else "above"
    return passed, (
        f"deviation that remains of the start {found.median:.2g} standard deviations, after "
        f"{found.relaxation_times:.2g} relaxation times; its upper {100 * level:g} % bound "
        f"{found.upper_bound:.2g} is {relation} {most:g}"
    )


def _share(name: str, value: float) -> float:
    if checks.positive(name, value) > 1:
        raise ValueError(f"{name} is {value!r}, it must be at most 1")
    return float(value)


def _end_of(values: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return the last part of a series, rounded up to whole values."""
    return values[int(len(values) * (1 - share)) :]


def _compatible(what: str, p_value: float, alpha: float) -> tuple[bool, str]:
    passed = p_value >= alpha
    relation = "compatible" if passed else "not compatible"
    return passed, f"{what} is {relation} with zero (p = {p_value:.2g}, required {alpha:g})"
