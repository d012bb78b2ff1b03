"""The posterior of an activation energy and of rates, from counts at several temperatures.

The number of events at temperature T_r is Poisson with mean Γ(T_r) × exposure_r, and
Γ(T) = A exp(−(ΔE − δ(T)) / T), eq 11 of Kozdra et al., PCCP 27, 24918 (2025), with A = κ ν exp(ΔS). Given ΔE, the
rate has a Gamma distribution, so that only ΔE needs a grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CountData", "Draws", "draw", "is_bounded", "most_likely_counts"]

Floats = NDArray[np.float64]

#: energies of a grid
_POINTS = 4001
#: the coarse grid ends at this many times the highest temperature above its start
_REACH = 400.0
#: what is further below the maximum of ln p is left out
_DEPTH = 35.0


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
    counts: CountData, minimum_energy: float, samples: int, rng: np.random.Generator, *, extra: int | None = None
) -> Draws:
    """Draw from the posterior.

    The prior is Jeffreys', and zero below ``minimum_energy``. With ``extra`` it is flat in ΔE and in ln A instead,
    and observation number ``extra`` has one event more: at one temperature that gives the upper end of Garwood's
    interval, and one event more elsewhere its lower end.
    """
    data = counts if extra is None else _with_event(counts, extra)
    energies, weights = _energies(data, minimum_energy, jeffreys=extra is None)
    cumulative = np.concatenate([[0.0], np.cumsum((weights[1:] + weights[:-1]) / 2)])
    energy = np.interp(rng.random(samples) * cumulative[-1], cumulative, energies)
    scale = np.exp(data.log_means(energy)).sum(axis=1)
    shape = data.events.sum() + (1.0 if extra is None else 0.0)
    return Draws(energy, np.log(rng.gamma(shape, size=samples) / scale) + energy * data.centre)


def is_bounded(counts: CountData, extra: int | None = None) -> bool:
    """Whether the posterior bounds ΔE from above: not if all events were at the highest temperature."""
    data = counts if extra is None else _with_event(counts, extra)
    colder = data.temperature < data.temperature.max()
    # Jeffreys' prior falls off by itself, where there is a lower temperature at all
    return bool(colder.any()) if extra is None else bool(data.events[colder].any())


def most_likely_counts(counts: CountData, minimum_energy: float) -> Floats:
    """Return the mean counts (R,) that are most likely by the counts alone."""
    energies = minimum_energy + np.linspace(0, _REACH * counts.temperature.max(), 20 * _POINTS)
    logs = counts.log_means(energies)
    totals = np.exp(logs).sum(axis=1)
    best = int(np.argmax(logs @ counts.events - counts.events.sum() * np.log(totals)))
    means: Floats = counts.events.sum() * np.exp(logs[best]) / totals[best]
    return means


def _with_event(counts: CountData, index: int) -> CountData:
    events = counts.events.copy()
    events[index] += 1
    return CountData(counts.temperature, events, counts.exposure, counts.lowering)


def _energies(counts: CountData, minimum: float, *, jeffreys: bool) -> tuple[Floats, Floats]:
    """Return a grid of energies where the posterior is, and its density there, not normalized."""
    low, high = minimum, minimum + _REACH * counts.temperature.max()
    # the density may be narrow against the first grid: look closer until it is well resolved
    for _ in range(4):
        energies = np.linspace(low, high, _POINTS)
        logs = _log_density(energies, counts, jeffreys=jeffreys)
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
    if jeffreys:
        density = density + _log_information(logs, 1 / counts.temperature) / 2
    return density


def _log_information(logs: Floats, inverse: Floats) -> Floats:
    """Return ln of the determinant (E,) of the information on energy and rate, for a rate of 1 at the centre."""
    largest = logs.max(axis=1)
    means = np.exp(logs - largest[:, None])
    # the sum over pairs, because total × second moment − first moment² cancels where one mean prevails
    differences = (inverse[:, None] - inverse) ** 2
    determinant = np.maximum(np.einsum("er,rs,es->e", means, differences, means) / 2, np.finfo(float).tiny)
    logarithm: Floats = np.log(determinant) + 2 * largest
    return logarithm
