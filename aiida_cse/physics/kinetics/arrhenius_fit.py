"""The joint fit of all runs, and rates at temperatures that no simulation reaches.

One Poisson likelihood for the events of all runs (:mod:`aiida_cse.physics.kinetics.posterior`) replaces the ratio
γ of two of them. Energy, entropy and κ are those of Arrhenius' law; rates are given under several laws
(:mod:`aiida_cse.physics.kinetics.comparison`). The estimate with γ, as published by Kozdra et al., PCCP 27, 24918
(2025), section 3.4, is given beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

from aiida_cse.physics.kinetics.comparison import (
    UNKNOWN,
    Estimate,
    LawComparison,
    LawFit,
    RateEstimate,
    Request,
    compare_laws,
)
from aiida_cse.physics.kinetics.extrapolation import TwoTemperatures, two_temperatures
from aiida_cse.physics.kinetics.laws import LAWS, Range
from aiida_cse.physics.kinetics.measured import MeasuredRate
from aiida_cse.physics.kinetics.observations import Observation, count_data, hot_barrier
from aiida_cse.physics.kinetics.posterior import most_likely_counts
from aiida_cse.physics.statistics import arguments

__all__ = [
    "Estimate",
    "Kinetics",
    "LawFit",
    "MeasuredRate",
    "Observation",
    "RateEstimate",
    "TwoTemperatures",
    "joint_kinetics",
]

#: limits of the number of draws: with fewer the ends of an interval are noise
_FEWEST_SAMPLES, _MOST_SAMPLES = 1000, 10_000_000
#: largest minimum of ΔE, K, 86 eV
_LARGEST_ENERGY = 1e6


@dataclass(frozen=True)
class Kinetics:
    """Result of :func:`joint_kinetics`.

    Attributes
    ----------
    energy, entropy
        ΔE / k_B in K, and ΔS / k_B, which needs a barrier: those of Arrhenius' law.
    kappa
        Transmission coefficient, which needs a barrier and a frequency, of Arrhenius' law.
    laws
        The fits, their union, and their average, at the wanted temperatures.
    events
        Entries of the runs that were used.
    p_value
        Probability of a deviance as large for runs that follow Arrhenius' law; NaN with two runs or fewer.
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
    laws: LawComparison
    events: int
    p_value: float
    used: tuple[str, ...]
    excluded: dict[str, str]
    two_temperatures: TwoTemperatures | None
    including: Kinetics | None = None

    @property
    def rates(self) -> tuple[RateEstimate, ...]:
        """Rates by temperature, in the order of the request: the union over the laws that are not refuted."""
        return self.laws.union


def joint_kinetics(
    observations: Sequence[Observation],
    temperatures: Sequence[float] = (400.0,),
    *,
    measured: Sequence[MeasuredRate] = (),
    lowerings: Sequence[float] | None = None,
    laws: Sequence[str] = tuple(LAWS),
    priors: Mapping[str, Range | None] | None = None,
    frequency: float | None = None,
    frequency_log_error: float = 0.0,
    include_off_equilibrium: bool = False,
    level: float = 0.95,
    minimum_energy: float = 0.0,
    samples: int = 20000,
    seed: int = 0,
) -> Kinetics:
    """Fit each law to the entries of all runs and extrapolate the rate.

    Arrhenius' law is eq 11 of Kozdra et al., PCCP 27, 24918 (2025), Γ(T) = κ ν exp(ΔS) exp(−(ΔE − δ(T)) / T);
    every law has the same lowering δ(T). A run without an entry contributes its exposure if a condition defines
    when an entry would have counted. Runs off equilibrium are left out; ``include_off_equilibrium`` adds a second
    result that includes them. Entries in bursts count as fewer: counts and exposures are divided by the larger of
    the dispersion of the run and that of all runs. Measured rates weigh as many entries as their error allows.

    Parameters
    ----------
    observations
        One per run.
    measured
        Rates that were measured without counting, at any temperature.
    temperatures, lowerings
        Temperatures of the rates, and δ there (0 by default), K.
    laws
        Names of the laws, of :data:`~aiida_cse.physics.kinetics.laws.LAWS`, over which rates are the union.
    priors
        Ranges of the uniform priors of ``t0``, ``gap`` and ``crossing``, K; where there is none or None, see
        :func:`~aiida_cse.physics.kinetics.laws.shape_priors`.
    frequency, frequency_log_error
        ν in s⁻¹ and the standard error of its natural logarithm; without it there is no κ.
    include_off_equilibrium
        Whether to add the second result.
    level
        Level of the intervals.
    minimum_energy
        Least energy, K: a rate does not fall with temperature.
    samples, seed
        Number of draws from the posterior, and their seed.

    Raises
    ------
    ValueError
        An argument is out of range, there is neither an observation nor a measured rate, or two have one label.
    """
    for number, run in enumerate(observations):
        if not isinstance(run, Observation):
            raise ValueError(f"observations[{number}] is a {type(run).__name__}: must be an Observation")
    labelled = _by_label([*observations, *measured])
    runs = {label: run for label, run in labelled.items() if isinstance(run, Observation)}
    rates = {label: one for label, one in labelled.items() if isinstance(one, MeasuredRate)}
    request = _request(
        temperatures, lowerings, laws, priors, frequency, frequency_log_error, level, minimum_energy, samples, seed
    )
    objections = {label: run.objection() for label, run in runs.items()}
    excluded = {label: reason for label, reason in objections.items() if reason is not None}
    including = None
    if include_off_equilibrium and excluded:
        idle = {label: reason for label, reason in excluded.items() if runs[label].exposure == 0}
        including = _fit({label: run for label, run in runs.items() if label not in idle}, rates, idle, request)
    usable = {label: run for label, run in runs.items() if label not in excluded}
    return replace(_fit(usable, rates, excluded, request), including=including)


def _fit(
    runs: Mapping[str, Observation],
    measured: Mapping[str, MeasuredRate],
    excluded: dict[str, str],
    request: Request,
) -> Kinetics:
    rng = np.random.default_rng(request.seed)
    counts = count_data(list(runs.values()), list(measured.values())) if runs or measured else None
    compared = compare_laws(counts, request, rng)
    found = Kinetics(UNKNOWN, UNKNOWN, UNKNOWN, compared, 0, np.nan, (*runs, *measured), excluded, None)
    if counts is None:
        return found
    energy = entropy = kappa = UNKNOWN
    draws, barrier = compared.draws, hot_barrier(runs.values())
    if draws is not None:
        energy = Estimate.of(draws.energy, request.level)
    if draws is not None and barrier is not None:
        # ΔE comes from the entries alone. Barriers at two temperatures would give it too, but the visits of the
        # top are mostly those of ions that cross, so that barriers and entries are not independent. Combined as
        # if they were, they gave intervals of the rate at 400 K that held in 90 instead of 95 of 100 experiments.
        barriers = rng.normal(barrier.barrier, barrier.error, len(draws.energy))
        entropies = (draws.energy - barriers) / barrier.temperature  # eq 10
        entropy = Estimate.of(entropies, request.level)
        if request.frequency is not None:
            errors = rng.normal(0.0, request.frequency_log_error, request.samples)
            log_kappa = draws.log_prefactor - entropies - np.log(request.frequency) - errors
            kappa = Estimate.of(log_kappa, request.level).exponential()
    p_value, freedom = np.nan, len(counts.events) - len(np.unique(counts.temperature)[:2])
    if freedom > 0 and counts.events.any():
        # of a deviance as large for counts that follow Arrhenius' law
        means = most_likely_counts(counts, request.minimum_energy)
        deviance = 2 * float((special.xlogy(counts.events, counts.events / means) - counts.events + means).sum())
        p_value = float(stats.chi2.sf(deviance, freedom))
    return replace(
        found,
        energy=energy,
        entropy=entropy,
        kappa=kappa,
        events=sum(run.events for run in runs.values()),
        p_value=p_value,
        two_temperatures=(
            two_temperatures(list(runs.values()), request.temperatures, request.lowerings, request.level)
            if runs
            else None
        ),
    )


# -- input ---------------------------------------------------------------------------------------------------


def _by_label(observations: Sequence[Observation | MeasuredRate]) -> dict[str, Observation | MeasuredRate]:
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
    laws: Sequence[str],
    priors: Mapping[str, Range | None] | None,
    frequency: float | None,
    frequency_log_error: float,
    level: float,
    minimum_energy: float,
    samples: int,
    seed: int,
) -> Request:
    wanted = arguments.array("temperatures", temperatures, ndim=1, length=1, above=0)
    lowered = np.zeros_like(wanted) if lowerings is None else arguments.array("lowerings", lowerings, ndim=1)
    if len(lowered) != len(wanted):
        raise ValueError(f"lowerings has {len(lowered)} values, temperatures has {len(wanted)}")
    if isinstance(laws, str) or not laws or len(set(laws)) < len(laws) or not LAWS.keys() >= set(laws):
        raise ValueError(f"laws = {laws!r}: must be one or more of {', '.join(LAWS)}, each once")
    return Request(
        temperatures=tuple(wanted.tolist()),
        lowerings=tuple(lowered.tolist()),
        laws=tuple(laws),
        given_priors=priors or {},
        frequency=None if frequency is None else arguments.number("frequency", frequency, above=0),
        frequency_log_error=arguments.number("frequency_log_error", frequency_log_error, least=0),
        level=arguments.probability("level", level),
        minimum_energy=arguments.number("minimum_energy", minimum_energy, least=0, most=_LARGEST_ENERGY),
        samples=arguments.count("samples", samples, _FEWEST_SAMPLES, _MOST_SAMPLES),
        seed=arguments.count("seed", seed),
    )
