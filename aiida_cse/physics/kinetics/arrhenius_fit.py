"""Rates at temperatures that no simulation reaches, from all runs together.

One Poisson likelihood for the events of all runs (:mod:`aiida_cse.physics.kinetics.posterior`) takes the place of
the ratio γ of two of them; the estimate with γ, as published by Kozdra et al., PCCP 27, 24918 (2025), section 3.4,
is given beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from aiida_cse.physics.kinetics.observations import HotBarrier, Observation, by_label, count_data, hot_barrier
from aiida_cse.physics.kinetics.posterior import CountData, Draws, draw, most_likely_counts
from aiida_cse.physics.kinetics.rate_bounds import rate_bounds
from aiida_cse.physics.kinetics.two_temperatures import TwoTemperatures, two_temperatures
from aiida_cse.physics.statistics import arguments as checks

__all__ = ["Estimate", "Kinetics", "Observation", "RateEstimate", "TwoTemperatures", "joint_kinetics"]

Floats = NDArray[np.float64]

#: draws below which the ends of an interval are noise
_FEWEST_SAMPLES = 1000
_MOST_SAMPLES = 10_000_000
#: K, 86 eV
_LARGEST_ENERGY = 1e6
_NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """Median of a posterior and its two-sided interval; NaN where the data say nothing."""

    median: float
    low: float
    high: float


_UNKNOWN = Estimate(_NAN, _NAN, _NAN)


@dataclass(frozen=True)
class RateEstimate:
    """A rate per ion at one temperature, s⁻¹.

    Attributes
    ----------
    temperature
        K.
    rate
        The posterior.
    lower_bound, upper_bound
        Cautious one-sided bounds, each at the level of one end of the interval (see
        :mod:`~aiida_cse.physics.kinetics.rate_bounds`); 0 and infinite where there is none. With few events
        believe these.
    extrapolated
        Whether no run that was used has this temperature or a lower and a higher one.
    """

    temperature: float
    rate: Estimate
    lower_bound: float
    upper_bound: float
    extrapolated: bool


@dataclass(frozen=True)
class Kinetics:
    """What :func:`joint_kinetics` found.

    Attributes
    ----------
    energy, entropy
        ΔE / k_B in K, and ΔS / k_B, which needs a barrier.
    kappa
        Transmission coefficient, which needs a barrier and a frequency.
    rates
        By temperature, in the order asked for.
    events
        Entries of the runs that were used.
    p_value
        How likely runs that follow the fit are as far from it (deviance); NaN with two runs or fewer.
    used, excluded
        Labels of the runs that were used; of the others, with the reason.
    two_temperatures
        The published estimate; None where it cannot be made.
    including
        The same with the runs off equilibrium, where these were asked for and there are some; else None.
    """

    energy: Estimate
    entropy: Estimate
    kappa: Estimate
    rates: tuple[RateEstimate, ...]
    events: int
    p_value: float
    used: tuple[str, ...]
    excluded: dict[str, str]
    two_temperatures: TwoTemperatures | None
    including: Kinetics | None = None
    draws: Draws | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class _Question:
    """What is asked of the runs."""

    temperatures: tuple[float, ...]
    lowerings: tuple[float, ...]
    frequency: float | None
    frequency_log_error: float
    level: float
    minimum_energy: float
    samples: int
    seed: int


def joint_kinetics(
    observations: Sequence[Observation],
    temperatures: Sequence[float] = (400.0,),
    *,
    lowerings: Sequence[float] | None = None,
    frequency: float | None = None,
    frequency_log_error: float = 0.0,
    include_off_equilibrium: bool = False,
    level: float = 0.95,
    minimum_energy: float = 0.0,
    samples: int = 20000,
    seed: int = 0,
) -> Kinetics:
    """Fit transition-state theory to the entries of all runs and extrapolate the rate.

    Γ(T) = κ ν exp(ΔS) exp(−(ΔE − δ(T)) / T), eq 11 of Kozdra et al., PCCP 27, 24918 (2025). A run without an
    entry takes part by its exposure, if that says when an entry would have counted. A run off equilibrium
    does not take part; ``include_off_equilibrium`` gives a second result, with it, beside the first.

    Parameters
    ----------
    observations
        One per run.
    temperatures, lowerings
        K; where the rate is wanted, and δ there (0 by default).
    frequency, frequency_log_error
        ν in s⁻¹ and the standard error of its natural logarithm; without it there is no κ.
    include_off_equilibrium
        Give both.
    level
        Level of the intervals.
    minimum_energy
        ΔE is at least this, K: a rate does not fall when it gets hotter.
    samples, seed
        Draws from the posterior, and their seed.

    Raises
    ------
    ValueError
        An argument is out of range, there is no observation, or two have the same label.
    """
    for number, run in enumerate(observations):
        if not isinstance(run, Observation):
            raise ValueError(f"observations[{number}] is a {type(run).__name__}, it must be an Observation")
    asked = _question(
        temperatures, lowerings, frequency, frequency_log_error, level, minimum_energy, samples, seed
    )
    runs = by_label(observations)
    objections = {label: run.objection() for label, run in runs.items()}
    excluded = {label: reason for label, reason in objections.items() if reason is not None}
    including = None
    if include_off_equilibrium and excluded:
        idle = {label: reason for label, reason in excluded.items() if runs[label].exposure == 0}
        including = _fit({label: run for label, run in runs.items() if label not in idle}, idle, asked)
    usable = {label: run for label, run in runs.items() if label not in excluded}
    return replace(_fit(usable, excluded, asked), including=including)


def _fit(runs: Mapping[str, Observation], excluded: dict[str, str], asked: _Question) -> Kinetics:
    if not runs:
        return _nothing(excluded, asked)
    counts, barrier = count_data(runs.values()), hot_barrier(runs.values())
    rng = np.random.default_rng(asked.seed)
    drawn = draw(counts, asked.samples, rng, minimum_energy=asked.minimum_energy)
    draws = drawn if counts.events.any() and isinstance(drawn, Draws) else None
    entropy = None if draws is None or barrier is None else _entropy(draws, barrier, rng)
    return Kinetics(
        energy=_UNKNOWN if draws is None else _estimate(draws.energy, asked.level),
        entropy=_UNKNOWN if entropy is None else _estimate(entropy, asked.level),
        kappa=_UNKNOWN if draws is None or entropy is None else _kappa(draws, entropy, asked, rng),
        rates=_rates(counts, draws, asked),
        events=int(counts.events.sum()),
        p_value=_p_value(counts, asked.minimum_energy),
        used=tuple(runs),
        excluded=excluded,
        two_temperatures=two_temperatures(list(runs.values()), asked.temperatures, asked.lowerings, asked.level),
        draws=draws,
    )


def _nothing(excluded: dict[str, str], asked: _Question) -> Kinetics:
    rates = (RateEstimate(temperature, _UNKNOWN, 0.0, np.inf, True) for temperature in asked.temperatures)
    return Kinetics(
        energy=_UNKNOWN,
        entropy=_UNKNOWN,
        kappa=_UNKNOWN,
        rates=tuple(rates),
        events=0,
        p_value=_NAN,
        used=(),
        excluded=excluded,
        two_temperatures=None,
    )


# -- estimates -----------------------------------------------------------------------------------------------


def _estimate(samples: Floats, level: float) -> Estimate:
    low, median, high = np.quantile(samples, ((1 - level) / 2, 0.5, (1 + level) / 2))
    return Estimate(float(median), float(low), float(high))


def _entropy(draws: Draws, barrier: HotBarrier, rng: np.random.Generator) -> Floats:
    """Return ΔS (samples,) from eq 10.

    ΔE comes from the entries alone. Barriers at two temperatures would give it too, but the visits of the top
    that make a barrier are mostly those of ions that cross, so that the two are not independent: taken together
    as if they were, they gave intervals of the rate at 400 K that held in 90 instead of 95 of 100 experiments.
    """
    barriers = rng.normal(barrier.barrier, barrier.error, len(draws.energy))
    entropy: Floats = (draws.energy - barriers) / barrier.temperature
    return entropy


def _kappa(draws: Draws, entropy: Floats, asked: _Question, rng: np.random.Generator) -> Estimate:
    if asked.frequency is None:
        return _UNKNOWN
    log_frequency = np.log(asked.frequency) + rng.normal(0.0, asked.frequency_log_error, asked.samples)
    return _exponential(_estimate(draws.log_prefactor - entropy - log_frequency, asked.level))


def _exponential(logarithm: Estimate) -> Estimate:
    with np.errstate(over="ignore"):
        median, low, high = np.exp((logarithm.median, logarithm.low, logarithm.high)).tolist()
    return Estimate(median, low, high)


def _rates(counts: CountData, draws: Draws | None, asked: _Question) -> tuple[RateEstimate, ...]:
    bounds = rate_bounds(
        asked.temperatures,
        asked.lowerings,
        counts,
        level=asked.level,
        minimum_energy=asked.minimum_energy,
        samples=asked.samples,
        seed=asked.seed,
    )
    return tuple(
        RateEstimate(
            temperature=temperature,
            rate=_posterior(temperature, lowering, counts, draws, asked.level),
            lower_bound=low,
            upper_bound=high,
            extrapolated=not counts.temperature.min() <= temperature <= counts.temperature.max(),
        )
        for temperature, lowering, (low, high) in zip(asked.temperatures, asked.lowerings, bounds, strict=True)
    )


def _posterior(
    temperature: float, lowering: float, counts: CountData, draws: Draws | None, level: float
) -> Estimate:
    if draws is not None:
        return _exponential(_estimate(draws.log_rate(temperature, lowering), level))
    if (counts.temperature == temperature).all() and (counts.lowering == lowering).all():
        return _jeffreys(counts, level)
    return _UNKNOWN


def _jeffreys(counts: CountData, level: float) -> Estimate:
    """Return the rate of runs at one temperature, from Jeffreys' posterior."""
    posterior = stats.gamma(counts.events.sum() + 0.5, scale=1 / counts.exposure.sum())
    low, median, high = posterior.ppf(((1 - level) / 2, 0.5, (1 + level) / 2))
    return Estimate(float(median), float(low), float(high))


def _p_value(counts: CountData, minimum_energy: float) -> float:
    """Return how likely counts that follow the fit deviate as much from it; χ² of the deviance."""
    freedom = len(counts.events) - len(np.unique(counts.temperature)[:2])
    if freedom < 1 or not counts.events.any():
        return _NAN
    means = most_likely_counts(counts, minimum_energy)
    deviance = 2 * float((special.xlogy(counts.events, counts.events / means) - counts.events + means).sum())
    return float(stats.chi2.sf(deviance, freedom))


# -- input ---------------------------------------------------------------------------------------------------


def _question(
    temperatures: Sequence[float],
    lowerings: Sequence[float] | None,
    frequency: float | None,
    frequency_log_error: float,
    level: float,
    minimum_energy: float,
    samples: int,
    seed: int,
) -> _Question:
    wanted = checks.positive_values("temperatures", checks.finite_array("temperatures", temperatures, ndim=1))
    lowered = np.zeros_like(wanted) if lowerings is None else checks.finite_array("lowerings", lowerings, ndim=1)
    if len(lowered) != len(wanted):
        raise ValueError(f"lowerings has {len(lowered)} values, temperatures has {len(wanted)}")
    return _Question(
        temperatures=tuple(wanted.tolist()),
        lowerings=tuple(lowered.tolist()),
        frequency=None if frequency is None else checks.positive("frequency", frequency),
        frequency_log_error=checks.nonnegative("frequency_log_error", frequency_log_error),
        level=checks.probability("level", level),
        minimum_energy=_energy("minimum_energy", minimum_energy),
        samples=checks.count_between("samples", samples, _FEWEST_SAMPLES, _MOST_SAMPLES),
        seed=checks.count("seed", seed),
    )


def _energy(name: str, value: float) -> float:
    energy = checks.nonnegative(name, value)
    if energy > _LARGEST_ENERGY:
        raise ValueError(f"{name} is {energy:g} K, it must be at most {_LARGEST_ENERGY:g} K")
    return energy
