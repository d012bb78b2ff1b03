"""The joint Arrhenius fit of all runs, and rates at temperatures that no simulation reaches.

One Poisson likelihood for the events of all runs (:mod:`aiida_cse.physics.kinetics.posterior`) replaces the ratio
γ of two of them. The estimate with γ, as published by Kozdra et al., PCCP 27, 24918 (2025), section 3.4, is given
beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from aiida_cse.physics.kinetics.extrapolation import TwoTemperatures, two_temperatures
from aiida_cse.physics.kinetics.observations import Observation, count_data, hot_barrier
from aiida_cse.physics.kinetics.posterior import CountData, Draws, draw, most_likely_counts, rate_bounds
from aiida_cse.physics.statistics import arguments

__all__ = ["Estimate", "Kinetics", "Observation", "RateEstimate", "TwoTemperatures", "joint_kinetics"]

Floats = NDArray[np.float64]

#: limits of the number of draws: with fewer the ends of an interval are noise
_FEWEST_SAMPLES, _MOST_SAMPLES = 1000, 10_000_000
#: largest minimum of ΔE, K, 86 eV
_LARGEST_ENERGY = 1e6
_NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """Median of a posterior and its two-sided interval; NaN without information."""

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
        Conservative one-sided bounds, each at the level of one end of the interval (see
        :mod:`~aiida_cse.physics.kinetics.posterior`); 0 and infinite without a bound. With few events they are
        more reliable than the posterior.
    extrapolated
        Whether the temperature is outside of the range of the runs that were used.
    """

    temperature: float
    rate: Estimate
    lower_bound: float
    upper_bound: float
    extrapolated: bool


@dataclass(frozen=True)
class Kinetics:
    """Result of :func:`joint_kinetics`.

    Attributes
    ----------
    energy, entropy
        ΔE / k_B in K, and ΔS / k_B, which needs a barrier.
    kappa
        Transmission coefficient, which needs a barrier and a frequency.
    rates
        By temperature, in the order of the argument.
    events
        Entries of the runs that were used.
    p_value
        Probability of a deviance as large for runs that follow the fit; NaN with two runs or fewer.
    used, excluded
        Labels of the runs that were used; of the others, with the reason.
    two_temperatures
        The published estimate; None where it is not possible.
    including
        The result that includes runs off equilibrium, where requested and where there are some; else None.
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
class _Request:
    """Temperatures and settings of a fit, checked."""

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
    entry contributes its exposure if a condition defines when an entry would have counted. Runs off equilibrium
    are left out; ``include_off_equilibrium`` adds a second result that includes them. Entries in bursts count as
    fewer: counts and exposures are divided by the larger of the dispersion of the run and that of all runs.

    Parameters
    ----------
    observations
        One per run.
    temperatures, lowerings
        Temperatures of the rates, and δ there (0 by default), K.
    frequency, frequency_log_error
        ν in s⁻¹ and the standard error of its natural logarithm; without it there is no κ.
    include_off_equilibrium
        Whether to add the second result.
    level
        Level of the intervals.
    minimum_energy
        Least ΔE, K: a rate does not fall with temperature.
    samples, seed
        Number of draws from the posterior, and their seed.

    Raises
    ------
    ValueError
        An argument is out of range, there is no observation, or two have the same label.
    """
    for number, run in enumerate(observations):
        if not isinstance(run, Observation):
            raise ValueError(f"observations[{number}] is a {type(run).__name__}: must be an Observation")
    request = _request(
        temperatures, lowerings, frequency, frequency_log_error, level, minimum_energy, samples, seed
    )
    runs = _by_label(observations)
    objections = {label: run.objection() for label, run in runs.items()}
    excluded = {label: reason for label, reason in objections.items() if reason is not None}
    including = None
    if include_off_equilibrium and excluded:
        idle = {label: reason for label, reason in excluded.items() if runs[label].exposure == 0}
        including = _fit({label: run for label, run in runs.items() if label not in idle}, idle, request)
    usable = {label: run for label, run in runs.items() if label not in excluded}
    return replace(_fit(usable, excluded, request), including=including)


def _fit(runs: Mapping[str, Observation], excluded: dict[str, str], request: _Request) -> Kinetics:
    if not runs:
        rates = tuple(RateEstimate(kelvin, _UNKNOWN, 0.0, np.inf, True) for kelvin in request.temperatures)
        return Kinetics(_UNKNOWN, _UNKNOWN, _UNKNOWN, rates, 0, _NAN, (), excluded, None)
    counts, barrier = count_data(list(runs.values())), hot_barrier(runs.values())
    rng = np.random.default_rng(request.seed)
    drawn = draw(counts, request.samples, rng, minimum_energy=request.minimum_energy)
    draws = drawn if counts.events.any() and isinstance(drawn, Draws) else None
    energy = entropy = kappa = _UNKNOWN
    if draws is not None:
        energy = _estimate(draws.energy, request.level)
    if draws is not None and barrier is not None:
        # ΔE comes from the entries alone. Barriers at two temperatures would give it too, but the visits of the
        # top are mostly those of ions that cross, so that barriers and entries are not independent. Combined as
        # if they were, they gave intervals of the rate at 400 K that held in 90 instead of 95 of 100 experiments.
        barriers = rng.normal(barrier.barrier, barrier.error, len(draws.energy))
        entropies = (draws.energy - barriers) / barrier.temperature  # eq 10
        entropy = _estimate(entropies, request.level)
        if request.frequency is not None:
            errors = rng.normal(0.0, request.frequency_log_error, request.samples)
            log_frequency = np.log(request.frequency) + errors
            kappa = _exponential(_estimate(draws.log_prefactor - entropies - log_frequency, request.level))
    return Kinetics(
        energy=energy,
        entropy=entropy,
        kappa=kappa,
        rates=_rates(counts, draws, request),
        events=sum(run.events for run in runs.values()),
        p_value=_p_value(counts, request.minimum_energy),
        used=tuple(runs),
        excluded=excluded,
        two_temperatures=two_temperatures(
            list(runs.values()), request.temperatures, request.lowerings, request.level
        ),
        draws=draws,
    )


# -- estimates -----------------------------------------------------------------------------------------------


def _estimate(samples: Floats, level: float) -> Estimate:
    low, median, high = np.quantile(samples, ((1 - level) / 2, 0.5, (1 + level) / 2))
    return Estimate(float(median), float(low), float(high))


def _exponential(logarithm: Estimate) -> Estimate:
    with np.errstate(over="ignore"):
        median, low, high = np.exp((logarithm.median, logarithm.low, logarithm.high)).tolist()
    return Estimate(median, low, high)


def _rates(counts: CountData, draws: Draws | None, request: _Request) -> tuple[RateEstimate, ...]:
    bounds = rate_bounds(
        request.temperatures,
        request.lowerings,
        counts,
        level=request.level,
        minimum_energy=request.minimum_energy,
        samples=request.samples,
        seed=request.seed,
    )
    return tuple(
        RateEstimate(
            temperature=temperature,
            rate=_posterior(temperature, lowering, counts, draws, request.level),
            lower_bound=low,
            upper_bound=high,
            extrapolated=not counts.temperature.min() <= temperature <= counts.temperature.max(),
        )
        for temperature, lowering, (low, high) in zip(request.temperatures, request.lowerings, bounds, strict=True)
    )


def _posterior(
    temperature: float, lowering: float, counts: CountData, draws: Draws | None, level: float
) -> Estimate:
    if draws is not None:
        return _exponential(_estimate(draws.log_rate(temperature, lowering), level))
    if (counts.temperature == temperature).all() and (counts.lowering == lowering).all():
        # Jeffreys' posterior of the rate of runs at one temperature
        gamma = stats.gamma(counts.events.sum() + 0.5, scale=1 / counts.exposure.sum())
        low, median, high = gamma.ppf(((1 - level) / 2, 0.5, (1 + level) / 2))
        return Estimate(float(median), float(low), float(high))
    return _UNKNOWN


def _p_value(counts: CountData, minimum_energy: float) -> float:
    """Return the probability of a deviance as large for counts that follow the fit, from χ²."""
    freedom = len(counts.events) - len(np.unique(counts.temperature)[:2])
    if freedom < 1 or not counts.events.any():
        return _NAN
    means = most_likely_counts(counts, minimum_energy)
    deviance = 2 * float((special.xlogy(counts.events, counts.events / means) - counts.events + means).sum())
    return float(stats.chi2.sf(deviance, freedom))


# -- input ---------------------------------------------------------------------------------------------------


def _by_label(observations: Sequence[Observation]) -> dict[str, Observation]:
    """Return the observations by label, "run 1" and so on for those without one."""
    if not observations:
        raise ValueError("observations is empty: must be at least one")
    labels = [run.label or f"run {number}" for number, run in enumerate(observations, start=1)]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"observations: label {twice[0]!r} is there more than once; each must have its own")
    return dict(zip(labels, observations, strict=True))


def _request(
    temperatures: Sequence[float],
    lowerings: Sequence[float] | None,
    frequency: float | None,
    frequency_log_error: float,
    level: float,
    minimum_energy: float,
    samples: int,
    seed: int,
) -> _Request:
    wanted = arguments.array("temperatures", temperatures, ndim=1, length=1, above=0)
    lowered = np.zeros_like(wanted) if lowerings is None else arguments.array("lowerings", lowerings, ndim=1)
    if len(lowered) != len(wanted):
        raise ValueError(f"lowerings has {len(lowered)} values, temperatures has {len(wanted)}")
    return _Request(
        temperatures=tuple(wanted.tolist()),
        lowerings=tuple(lowered.tolist()),
        frequency=None if frequency is None else arguments.number("frequency", frequency, above=0),
        frequency_log_error=arguments.number("frequency_log_error", frequency_log_error, least=0),
        level=arguments.probability("level", level),
        minimum_energy=arguments.number("minimum_energy", minimum_energy, least=0, most=_LARGEST_ENERGY),
        samples=arguments.count("samples", samples, _FEWEST_SAMPLES, _MOST_SAMPLES),
        seed=arguments.count("seed", seed),
    )
