"""Rates under several laws: the evidence of each, the union over those that the data do not refute, the average.

Counts at three temperatures rarely tell which law holds between them, and the laws differ by powers of ten where
no run is. The union of the intervals of all laws whose evidence is within :data:`REFUTED` of the best covers the
rate if one of them is right. The average of the posteriors with the evidence as weights (Hoeting et al., Stat.
Sci. 1999, 14, 382) is narrower and relies on the priors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from aiida_cse.physics.kinetics.laws import ARRHENIUS, LAWS, Law, Range, shape_priors
from aiida_cse.physics.kinetics.posterior import CountData, Draws, draw, rate_bounds

__all__ = ["REFUTED", "UNKNOWN", "Estimate", "LawComparison", "LawFit", "RateEstimate", "Request", "compare_laws"]

Floats = NDArray[np.float64]
_NAN = float("nan")

#: ln of the ratio to the best evidence from which a law is refuted: strong evidence in the scale of Kass and
#: Raftery, J. Am. Stat. Assoc. 1995, 90, 773
REFUTED = 3.0


@dataclass(frozen=True)
class Estimate:
    """Median of a posterior and its two-sided interval; NaN without information."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Floats, level: float) -> Estimate:
        """Return the median and the quantiles of samples (N,)."""
        low, median, high = np.quantile(samples, _ends(level))
        return cls(float(median), float(low), float(high))

    def exponential(self) -> Estimate:
        """Return the estimate of a quantity from that of its natural logarithm."""
        with np.errstate(over="ignore"):
            return Estimate(*np.exp((self.median, self.low, self.high)).tolist())


UNKNOWN = Estimate(_NAN, _NAN, _NAN)


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
class LawFit:
    """A law with the rates that it gives.

    Attributes
    ----------
    law
        Its name.
    weight, log_evidence
        Its posterior probability among the laws, all equally probable before, and ln of its evidence; NaN where
        the counts do not determine a law.
    supported
        Whether its evidence is within :data:`REFUTED` of the best, so that it is part of the union.
    parameters
        By name, K.
    rates
        One per wanted temperature.
    """

    law: str
    weight: float
    log_evidence: float
    supported: bool
    parameters: dict[str, Estimate]
    rates: tuple[RateEstimate, ...]


@dataclass(frozen=True)
class LawComparison:
    """The fits, and per wanted temperature the union over the supported ones and the average of all.

    The median of the union is that of the average. ``priors`` are the ranges that were used, K. ``draws`` is the
    posterior of Arrhenius' law, whether it is among the fits or not; None where the counts do not determine it.
    """

    fits: tuple[LawFit, ...]
    union: tuple[RateEstimate, ...]
    averaged: tuple[Estimate, ...]
    priors: Mapping[str, Range]
    draws: Draws | None = field(repr=False, compare=False)


@dataclass(frozen=True)
class Request:
    """Temperatures and settings of a fit, checked.

    ``temperatures`` and ``lowerings`` (δ there) are in K. ``given_priors`` are the ranges that differ from the
    default, see :func:`~aiida_cse.physics.kinetics.laws.shape_priors`.
    """

    temperatures: tuple[float, ...]
    lowerings: tuple[float, ...]
    laws: tuple[str, ...]
    given_priors: Mapping[str, Range | None]
    frequency: float | None
    frequency_log_error: float
    level: float
    minimum_energy: float
    samples: int
    seed: int


def compare_laws(counts: CountData | None, request: Request, rng: np.random.Generator) -> LawComparison:
    """Fit each law to the counts and combine the rates; nothing is known without counts.

    Parameters
    ----------
    counts
        Of all runs that are used; None if there is none.
    request
        The wanted laws and rates.
    rng
        The source of the posterior of Arrhenius' law; the others have one of their own from the seed.
    """
    laws = [LAWS[name] for name in request.laws]
    present = np.array(request.temperatures) if counts is None else counts.temperature
    priors = shape_priors(float(present.min()), float(present.max()), request.given_priors)
    drawn = {} if counts is None else _draw(counts, laws, priors, request, rng)
    told = [law.name for law in laws if law.name in drawn]
    log_evidences = np.array([drawn[name].log_evidence for name in told])
    weights = (
        dict(zip(told, np.exp(log_evidences - special.logsumexp(log_evidences)), strict=True)) if told else {}
    )
    fits = []
    for law in laws:
        draws = drawn.get(law.name)
        if draws is None:
            nothing = np.empty(0)
            parameters = dict.fromkeys(law.parameters(nothing, np.empty((0, len(law.shape))), 1.0), UNKNOWN)
        else:
            found = draws.parameters()
            parameters = {name: Estimate.of(values, request.level) for name, values in found.items()}
        fits.append(
            LawFit(
                law=law.name,
                weight=float(weights.get(law.name, _NAN)),
                log_evidence=_NAN if draws is None else draws.log_evidence,
                supported=draws is None or bool(draws.log_evidence > log_evidences.max() - REFUTED),
                parameters=parameters,
                rates=_rates(counts, law, priors, draws, request),
            )
        )
    averaged = tuple(
        _average([drawn[name].log_rate(temperature, lowering) for name in told], weights, request.level)
        if told
        else fits[0].rates[number].rate
        for number, (temperature, lowering) in enumerate(zip(request.temperatures, request.lowerings, strict=True))
    )
    union = []
    for number, average in enumerate(averaged):
        rates = [fit.rates[number] for fit in fits if fit.supported]
        low, high = min(one.rate.low for one in rates), max(one.rate.high for one in rates)
        union.append(
            RateEstimate(
                temperature=rates[0].temperature,
                rate=Estimate(average.median, low, high),
                lower_bound=min(one.lower_bound for one in rates),
                upper_bound=max(one.upper_bound for one in rates),
                extrapolated=rates[0].extrapolated,
            )
        )
    return LawComparison(tuple(fits), tuple(union), averaged, priors, drawn.get(ARRHENIUS.name))


def _draw(
    counts: CountData, laws: Sequence[Law], priors: Mapping[str, Range], request: Request, rng: np.random.Generator
) -> dict[str, Draws]:
    """Return the posteriors of Arrhenius' and the wanted laws by name; none if the counts leave one open."""
    if not counts.events.any():
        return {}
    drawn = {}
    for law in dict.fromkeys([ARRHENIUS, *laws]):
        source = rng if law is ARRHENIUS else np.random.default_rng(request.seed)
        found = draw(
            counts,
            request.samples,
            source,
            law=law,
            priors=priors,
            minimum_energy=request.minimum_energy,
        )
        if not isinstance(found, Draws):
            return {}
        drawn[law.name] = found
    return drawn


def _rates(
    counts: CountData | None, law: Law, priors: Mapping[str, Range], draws: Draws | None, request: Request
) -> tuple[RateEstimate, ...]:
    if counts is None:
        return tuple(RateEstimate(kelvin, UNKNOWN, 0.0, np.inf, True) for kelvin in request.temperatures)
    bounds = rate_bounds(
        request.temperatures,
        request.lowerings,
        counts,
        level=request.level,
        minimum_energy=request.minimum_energy,
        samples=request.samples,
        seed=request.seed,
        law=law,
        priors=priors,
    )
    found = []
    for temperature, lowering, bound in zip(request.temperatures, request.lowerings, bounds, strict=True):
        rate = UNKNOWN
        if draws is not None:
            rate = Estimate.of(draws.log_rate(temperature, lowering), request.level).exponential()
        elif (counts.temperature == temperature).all() and (counts.lowering == lowering).all():
            # Jeffreys' posterior of the rate of runs at one temperature, which no law is needed for
            gamma = stats.gamma(counts.events.sum() + 0.5, scale=1 / counts.exposure.sum())
            low, median, high = gamma.ppf(_ends(request.level))
            rate = Estimate(float(median), float(low), float(high))
        outside = not counts.temperature.min() <= temperature <= counts.temperature.max()
        found.append(RateEstimate(temperature, rate, *bound, extrapolated=outside))
    return tuple(found)


def _average(log_rates: Sequence[Floats], weights: Mapping[str, float], level: float) -> Estimate:
    """Return the estimate from the weighted mixture of the samples of ln Γ of each law."""
    if len(log_rates) == 1:
        return Estimate.of(log_rates[0], level).exponential()
    samples = np.concatenate(log_rates)
    shares = np.concatenate(
        [np.full(len(one), weight / len(one)) for one, weight in zip(log_rates, weights.values(), strict=True)]
    )
    order = np.argsort(samples)
    low, median, high = np.interp(_ends(level), np.cumsum(shares[order]), samples[order]).tolist()
    return Estimate(median, low, high).exponential()


def _ends(level: float) -> tuple[float, float, float]:
    return (1 - level) / 2, 0.5, (1 + level) / 2
