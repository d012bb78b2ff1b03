"""The posterior of an activation energy and of rates, from counts at several temperatures.

The number of events at temperature T_r is Poisson with mean Γ(T_r) × exposure_r, and
Γ(T) = A exp(−(ΔE − δ(T)) / T), eq 11 of Kozdra et al., PCCP 27, 24918 (2025), with A = κ ν exp(ΔS). Given ΔE, the
rate has a Gamma distribution, so that only ΔE needs a grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["CountData", "Draws", "OpenEnd", "draw", "most_likely_counts"]

Floats = NDArray[np.float64]
#: the end towards which the data let ΔE go as far as it will
OpenEnd = Literal["low", "high"]

#: energies of a grid
_POINTS = 4001
#: a grid reaches this many times the highest temperature away from its start
_REACH = 400.0
#: what is further below the maximum of ln p is left out
_DEPTH = 35.0
#: an end of the first grid is open if ln p there is less than this below its maximum
_OPEN = 10.0


@dataclass(frozen=True)
class CountData:
    """Events and exposures: all (R,); ``lowering`` is δ in K, ``exposure`` a time or ions × time."""

    temperature: Floats
    events: Floats
    exposure: Floats
    lowering: Floats

    @property
    def centre(self) -> float:
        """Inverse temperature around which energy and rate are least correlated, 1/K."""
        weights = self.events + 1 / len(self.events)
        return float(weights @ (1 / self.temperature) / weights.sum())

    def log_means(self, energies: Floats) -> Floats:
        """Return ln of the mean counts (E, R) for a rate of 1 at the centre."""
        inverse = 1 / self.temperature
        logs: Floats = (
            np.log(self.exposure) - energies[:, None] * (inverse - self.centre) + self.lowering * inverse
        )
        return logs

    def with_event(self, index: int) -> CountData:
        """Return the same with one event more in run ``index``."""
        events = self.events.copy()
        events[index] += 1
        return replace(self, events=events)


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
    ΔE and in ln A. The data leave ΔE open if there is one temperature only, for instance, or if all events were at
    the highest one and the prior is flat.
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
    """Return the mean counts (R,) that are most likely."""
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
    """Return a grid of energies where the posterior is, and its density there, not normalized; or an open end."""
    reach = _REACH * counts.temperature.max()
    low, high = (-reach if minimum is None else minimum), (minimum or 0.0) + reach
    # the density may be narrow against the first grid: look closer until it is well resolved
    for attempt in range(4):
        energies = np.linspace(low, high, _POINTS)
        logs = _log_density(energies, counts, jeffreys=jeffreys)
        # with one temperature there is no information on ΔE, and the density of Jeffreys' prior is 0 everywhere
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
    logs = counts.log_means(energies)
    largest = logs.max(axis=1)
    log_total = largest + np.log(np.exp(logs - largest[:, None]).sum(axis=1))
    total_events = counts.events.sum() + (1.0 if jeffreys else 0.0)
    density: Floats = logs @ counts.events - total_events * log_total
    return density + _log_information(logs, 1 / counts.temperature) / 2 if jeffreys else density


def _log_information(logs: Floats, inverse: Floats) -> Floats:
    """Return ln of the determinant (E,) of the information on energy and rate, for a rate of 1 at the centre."""
    largest = logs.max(axis=1)
    means = np.exp(logs - largest[:, None])
    # the sum over pairs, because total × second moment − first moment² cancels where one mean prevails
    differences = (inverse[:, None] - inverse) ** 2
    determinant = np.einsum("er,rs,es->e", means, differences, means) / 2
    with np.errstate(divide="ignore"):
        logarithm: Floats = np.log(determinant) + 2 * largest
    return logarithm
