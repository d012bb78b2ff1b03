"""The posterior of an activation energy and of rates from counts at several temperatures, and bounds of rates.

The number of events at temperature T_r is Poisson with mean Γ(T_r) × exposure_r, and
Γ(T) = A exp(−(ΔE − δ(T)) / T), eq 11 of Kozdra et al., PCCP 27, 24918 (2025), with A = κ ν exp(ΔS). Given ΔE, the
rate has a Gamma distribution, so that only ΔE needs a grid.

The one-sided bounds are conservative, for few events. The upper end of Garwood's interval of one count is a
quantile of the posterior with one additional event and a flat prior, and the lower end one without. With runs at
several temperatures, the run in which an additional event raises or lowers the rate most depends on the
temperature of the rate. The event is therefore added to each run in turn, and the highest upper and the lowest
lower end count. ΔE may be negative there, so that the bounds also hold where the rate hardly depends on T. A rate
does not fall with temperature: at T it is at most that of the next hotter run, and at least that of the next
colder one. Where both bounds apply, each gets half of the error probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.statistics.resampling import visits_interval

__all__ = ["CountData", "Draws", "OpenEnd", "draw", "most_likely_counts", "rate_bounds"]

Floats = NDArray[np.float64]
Bounds = tuple[float, float]
#: the end at which the data do not bound ΔE
OpenEnd = Literal["low", "high"]

#: number of energies of a grid
_POINTS = 4001
#: width of a grid in units of the highest temperature
_REACH = 400.0
#: energies with ln p further below its maximum are left out
_DEPTH = 35.0
#: an end of the first grid is open where ln p is less than this below its maximum
_OPEN = 10.0


@dataclass(frozen=True)
class CountData:
    """Events and exposures: all (R,); ``lowering`` is δ in K, ``exposure`` a time or ions × time.

    Of events in bursts, ``events`` and ``exposure`` are divided by the number of events that carry the information
    of one (:func:`~aiida_cse.physics.kinetics.observations.count_data`), and need not be whole.
    """

    temperature: Floats
    events: Floats
    exposure: Floats
    lowering: Floats

    @property
    def centre(self) -> float:
        """Inverse temperature at which energy and rate are least correlated, 1/K."""
        weights = self.events + 1 / len(self.events)
        return float(weights @ (1 / self.temperature) / weights.sum())

    def log_means(self, energies: Floats) -> Floats:
        """Return ln of the mean counts (E, R) for a rate of 1 at the centre."""
        inverse = 1 / self.temperature
        logs: Floats = (
            np.log(self.exposure) - energies[:, None] * (inverse - self.centre) + self.lowering * inverse
        )
        return logs


@dataclass(frozen=True)
class Draws:
    """Samples (samples,) of ΔE (K) and of ln A (A in s⁻¹)."""

    energy: Floats
    log_prefactor: Floats

    def log_rate(self, temperature: float, lowering: float) -> Floats:
        """Return ln Γ(T) (samples,), s⁻¹."""
        rate: Floats = self.log_prefactor - (self.energy - lowering) / temperature
        return rate


def draw(
    counts: CountData,
    samples: int,
    rng: np.random.Generator,
    *,
    minimum_energy: float | None = None,
    jeffreys: bool = True,
) -> Draws | OpenEnd:
    """Draw from the posterior, or return the end at which the data do not bound ΔE.

    The prior is Jeffreys', and zero below ``minimum_energy`` if there is one; without ``jeffreys`` it is flat in
    ΔE and in ln A. The data do not bound ΔE with a single temperature, for instance, or with all events at the
    highest one and a flat prior.
    """
    found = _energies(counts, minimum_energy, jeffreys=jeffreys)
    if isinstance(found, str):
        return found
    energies, weights = found
    cumulative = np.concatenate([[0.0], np.cumsum((weights[1:] + weights[:-1]) / 2)])
    energy = np.interp(rng.random(samples) * cumulative[-1], cumulative, energies)
    scale = np.exp(counts.log_means(energy)).sum(axis=1)
    shape = counts.events.sum() + (1.0 if jeffreys else 0.0)
    return Draws(energy, np.log(rng.gamma(shape, size=samples) / scale) + energy * counts.centre)


def most_likely_counts(counts: CountData, minimum_energy: float) -> Floats:
    """Return the mean counts (R,) of the most likely fit with ΔE ≥ ``minimum_energy``."""
    energies = minimum_energy + np.linspace(0, _REACH * counts.temperature.max(), 20 * _POINTS)
    logs = counts.log_means(energies)
    largest = logs.max(axis=1, keepdims=True)
    shares = np.exp(logs - largest)
    shares /= shares.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        likelihood = np.where(counts.events > 0, counts.events * np.log(shares), 0.0).sum(axis=1)
    means: Floats = counts.events.sum() * shares[int(np.argmax(likelihood))]
    return means


def _energies(counts: CountData, minimum: float | None, *, jeffreys: bool) -> tuple[Floats, Floats] | OpenEnd:
    """Return a grid of energies that covers the posterior, and its density, not normalized; or an open end."""
    reach = _REACH * counts.temperature.max()
    low, high = (-reach if minimum is None else minimum), (minimum or 0.0) + reach
    # the density may be narrow on the first grid: refine until it is resolved
    for attempt in range(4):
        energies = np.linspace(low, high, _POINTS)
        logs = _log_density(energies, counts, jeffreys=jeffreys)
        # with a single temperature there is no information on ΔE, and the density of Jeffreys' prior is 0
        if attempt == 0 and (not np.isfinite(logs.max()) or logs[-1] > logs.max() - _OPEN):
            return "high"
        if attempt == 0 and minimum is None and logs[0] > logs.max() - _OPEN:
            return "low"
        inside = np.flatnonzero(logs > logs.max() - _DEPTH)
        low, high = energies[max(inside[0] - 1, 0)], energies[min(inside[-1] + 1, _POINTS - 1)]
        if len(inside) > _POINTS // 4:
            break
    return energies, np.exp(logs - logs.max())


def _log_density(energies: Floats, counts: CountData, *, jeffreys: bool) -> Floats:
    """Return ln of the density (E,) of the posterior at these energies, not normalized."""
    logs, inverse = counts.log_means(energies), 1 / counts.temperature
    largest = logs.max(axis=1)
    means = np.exp(logs - largest[:, None])
    log_total = largest + np.log(means.sum(axis=1))
    total_events = counts.events.sum() + (1.0 if jeffreys else 0.0)
    density: Floats = logs @ counts.events - total_events * log_total
    if not jeffreys:
        return density
    # determinant of the information on energy and rate, for a rate of 1 at the centre: a sum over pairs, because
    # total × second moment − first moment² cancels where one mean dominates
    differences = (inverse[:, None] - inverse) ** 2
    determinant = np.einsum("er,rs,es->e", means, differences, means) / 2
    with np.errstate(divide="ignore"):
        log_information: Floats = np.log(determinant) + 2 * largest
    return density + log_information / 2


# -- bounds --------------------------------------------------------------------------------------------------


def rate_bounds(
    temperatures: Sequence[float],
    lowerings: Sequence[float],
    counts: CountData,
    *,
    level: float,
    minimum_energy: float,
    samples: int,
    seed: int,
) -> list[Bounds]:
    """Return the lower and the upper bound of the rate at each temperature; 0 and infinite without a bound.

    Each bound is at the level of one end of an interval at ``level``; the arguments are those of
    :func:`~aiida_cse.physics.kinetics.arrhenius_fit.joint_kinetics`.
    """
    drawn: list[Draws | OpenEnd] = []
    if len(np.unique(counts.temperature)) > 1:
        level = (1 + level) / 2
        for one_event in np.eye(len(counts.events)):
            more = replace(counts, events=counts.events + one_event)
            drawn.append(draw(more, samples, np.random.default_rng(seed), jeffreys=False))
    bounds = []
    for temperature, lowering in zip(temperatures, lowerings, strict=True):
        low, high = _posterior_bounds(temperature, lowering, drawn, counts, level)
        least, most = _neighbour_bounds(temperature, lowering, counts, level, minimum_energy)
        bounds.append((max(low, least), min(high, most)))
    return bounds


def _posterior_bounds(
    temperature: float, lowering: float, drawn: Sequence[Draws | OpenEnd], counts: CountData, level: float
) -> Bounds:
    lows, highs = [], []
    for one in drawn:
        if isinstance(one, Draws):
            rates = np.quantile(one.log_rate(temperature, lowering), ((1 - level) / 2, (1 + level) / 2))
            with np.errstate(over="ignore"):
                low, high = np.exp(rates).tolist()
            lows.append(low)
            highs.append(high)
            continue
        # all events are at one end of the temperatures: away from it the rate is not bounded
        edge = counts.temperature.max() if one == "high" else counts.temperature.min()
        if temperature == edge:
            low, high = _garwood(edge, temperature, lowering, counts, level)
            lows.append(low)
            highs.append(high)
        elif temperature > edge if one == "high" else temperature < edge:
            highs.append(np.inf)
        else:
            lows.append(0.0)
    return min(lows, default=0.0), max(highs, default=np.inf)


def _neighbour_bounds(
    temperature: float, lowering: float, counts: CountData, level: float, minimum_energy: float
) -> Bounds:
    """Return Garwood's bounds of the runs next to a temperature: a rate does not fall with temperature."""
    low, high = 0.0, np.inf
    colder = counts.temperature[counts.temperature <= temperature]
    if len(colder):
        low, _ = _garwood(float(colder.max()), temperature, lowering, counts, level, minimum_energy)
    hotter = counts.temperature[counts.temperature >= temperature]
    if len(hotter):
        _, high = _garwood(float(hotter.min()), temperature, lowering, counts, level, minimum_energy)
    return low, high


def _garwood(
    run: float, temperature: float, lowering: float, counts: CountData, level: float, energy: float = 0.0
) -> Bounds:
    """Return the interval of the rate at the temperature of ``run``, extrapolated with ΔE = ``energy``."""
    there = counts.temperature == run
    exposure = counts.exposure[there] @ np.exp(counts.lowering[there] / run)
    carried = np.exp(lowering / temperature - energy * (1 / temperature - 1 / run))
    low, high = visits_interval(float(counts.events[there].sum()), level)
    return float(low / exposure * carried), float(high / exposure * carried)
