"""The posterior of a law's parameters and of rates from counts at several temperatures, and bounds of rates.

The number of events at temperature T_r is Poisson with mean Γ(T_r) × exposure_r, and ln Γ(T) = ln A − E x(T) +
y(T) + δ(T) / T (:mod:`aiida_cse.physics.kinetics.laws`); for Arrhenius' law this is eq 11 of Kozdra et al., PCCP
27, 24918 (2025), with A = κ ν exp(ΔS). Given E and the parameters of the shape, the rate has a Gamma distribution,
so that only E needs a grid, one for each shape.

Two priors of E are used. Within a shape it is Jeffreys', whose intervals hold for few events; it is not
normalized, so shapes and laws are compared with a prior that is uniform up to a largest energy. There ln A is
uniform over a range that all laws share.

The one-sided bounds are conservative, for few events. The upper end of Garwood's interval of one count is a
quantile of the posterior with one additional event and a flat prior, and the lower end one without. With runs at
several temperatures, the run in which an additional event raises or lowers the rate most depends on the
temperature of the rate. The event is therefore added to each run in turn, and the highest upper and the lowest
lower end count. E may be negative there, so that the bounds also hold where the rate hardly depends on T. A rate
does not fall with temperature: at T it is at most that of the next hotter run, and at least that of the next
colder one. Where both bounds apply, each gets half of the error probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from aiida_cse.physics.kinetics.laws import ARRHENIUS, LARGEST_ENERGY, PRIORS, Law, Range
from aiida_cse.physics.statistics.resampling import visits_interval

__all__ = ["CountData", "Draws", "OpenEnd", "draw", "most_likely_counts", "rate_bounds"]

Floats = NDArray[np.float64]
Bounds = tuple[float, float]
#: the end at which the data do not bound E
OpenEnd = Literal["low", "high"]

#: number of energies of the grid of a single shape, and of each of many
_POINTS, _FEWEST_POINTS = 4001, 97
#: width of a grid in units of the highest temperature
_REACH = 400.0
#: energies with ln p further below its maximum are left out
_DEPTH = 35.0
#: shapes with ln of the evidence further below its maximum are left out, where their range shrinks by this factor
_SHAPE_DEPTH, _SMALLER, _MOST_BOXES = 12.0, 0.7, 6
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
    def reference(self) -> float:
        """Harmonic mean of the temperatures, K: where the energies of all laws are compared."""
        return float(1 / np.mean(1 / np.unique(self.temperature)))

    def pooled(self) -> CountData:
        """Return the sums of runs with the same temperature and lowering, on which the likelihood depends."""
        kinds, members = np.unique(np.stack([self.temperature, self.lowering]), axis=1, return_inverse=True)
        sums = np.zeros((2, kinds.shape[1]))
        np.add.at(sums.T, members.ravel(), np.stack([self.events, self.exposure], axis=1))
        return CountData(kinds[0], sums[0], sums[1], kinds[1])


@dataclass(frozen=True)
class _Model:
    """A law on the axis of each of its shapes (S): ``x`` and ``constant`` (S, R) at the temperatures of the runs.

    ln of the mean counts is ``constant`` − E (x − centre) for a rate of 1 at the centre (S,), at which energy and
    rate are least correlated.
    """

    shapes: Floats
    x: Floats
    constant: Floats
    centre: Floats
    events: Floats

    @classmethod
    def of(cls, law: Law, counts: CountData, priors: Mapping[str, Range]) -> _Model:
        shapes = law.shapes(priors)
        x, y = law.terms(shapes, counts.temperature, counts.reference)
        weights = counts.events + 1 / len(counts.events)
        constant = np.log(counts.exposure) + y + counts.lowering / counts.temperature
        return cls(shapes, x, constant, x @ weights / weights.sum(), counts.events)

    def log_means(self, energies: Floats) -> Floats:
        """Return ln of the mean counts (R, S, E) at energies (S, E)."""
        slopes = (self.x - self.centre[:, None]).T
        logs: Floats = self.constant.T[:, :, None] - slopes[:, :, None] * energies
        return logs

    def log_densities(self, energies: Floats) -> tuple[Floats, Floats]:
        """Return ln of the likelihood and of the posterior with Jeffreys' prior, both (S, E), at energies (S, E).

        The likelihood is integrated over ln A with a uniform prior: ∫ Π_r Poisson(k_r; A m_r) d ln A =
        Γ(K) Π_r m_r^k_r / k_r! / (Σ_r m_r)^K with K = Σ_r k_r. The posterior is not normalized.
        """
        logs = self.log_means(energies)
        largest = logs.max(axis=0)
        means = np.exp(logs - largest)
        log_sum = np.log(means.sum(axis=0))
        total = self.events.sum()
        likelihood = np.tensordot(self.events, logs, axes=1) - total * (largest + log_sum)
        likelihood += special.gammaln(total) - special.gammaln(self.events + 1).sum()
        # determinant of the information on energy and rate, for a rate of 1 at the centre: a sum over pairs,
        # because total × second moment − first moment² cancels where one mean dominates
        determinant = np.zeros_like(energies)
        for one, other in combinations(range(len(means)), 2):
            differences = (self.x[:, one] - self.x[:, other]) ** 2
            determinant += means[one] * means[other] * differences[:, None]
        with np.errstate(divide="ignore"):
            return likelihood, likelihood - log_sum + np.log(determinant) / 2


@dataclass(frozen=True)
class Draws:
    """Samples (N,) of E (K), of ln A (A in s⁻¹) and of the shape (N, P) of a law, and its evidence.

    ``log_evidence`` is that of the counts with ln A uniform; only differences between laws have a meaning.
    """

    law: Law
    reference: float
    log_evidence: float
    energy: Floats
    log_prefactor: Floats
    shapes: Floats
    shape: NDArray[np.intp]

    def log_rate(self, temperature: float, lowering: float) -> Floats:
        """Return ln Γ(T) (N,), s⁻¹; −inf where the law has no motion."""
        x, y = self.law.terms(self.shapes, temperature, self.reference)
        rate: Floats = self.log_prefactor - self.energy * x[self.shape] + y[self.shape] + lowering / temperature
        return rate

    def parameters(self) -> dict[str, Floats]:
        """Return samples (N,) of the parameters of the law, K."""
        return self.law.parameters(self.energy, self.shapes[self.shape], self.reference)


def draw(
    counts: CountData,
    samples: int,
    rng: np.random.Generator,
    *,
    law: Law = ARRHENIUS,
    priors: Mapping[str, Range] = PRIORS,
    minimum_energy: float | None = None,
    jeffreys: bool = True,
) -> Draws | OpenEnd:
    """Draw from the posterior, or return the end at which the data do not bound E.

    The prior is Jeffreys', and zero below ``minimum_energy`` if there is one; without ``jeffreys`` it is flat in
    E and in ln A. The data do not bound E with a single temperature, for instance, or with all events at the
    highest one and a flat prior.
    """
    counts, box = counts.pooled(), dict(priors)
    # with many counts few shapes of the prior matter: replace them by others around these
    for _ in range(_MOST_BOXES):
        model = _Model.of(law, counts, box)
        grid = _energies(model, counts.temperature.max(), minimum_energy, jeffreys=jeffreys)
        if isinstance(grid, str):
            return grid
        energies, flat, density = grid
        log_evidences = _log_evidences(flat, energies, minimum_energy)
        kept = model.shapes[log_evidences > log_evidences.max() - _SHAPE_DEPTH]
        smaller = dict(box)
        for column, (name, number) in enumerate(law.shape.items()):
            low, high = box[name]
            step = (high - low) / number
            ends = max(kept[:, column].min() - step, low), min(kept[:, column].max() + step, high)
            if ends[1] - ends[0] < _SMALLER * (high - low):
                smaller[name] = ends
        if smaller == box:
            break
        box = smaller
    density = np.exp(density - density.max(axis=1, keepdims=True))
    widths = np.diff(energies, axis=1)
    masses = (density[:, 1:] + density[:, :-1]) / 2 * widths
    weights = np.exp(log_evidences - log_evidences.max())
    masses *= (weights / masses.sum(axis=1))[:, None]
    cumulative = np.concatenate([[0.0], np.cumsum(masses)])
    chance = rng.random(samples) * cumulative[-1]
    cell = np.clip(np.searchsorted(cumulative, chance, side="right") - 1, 0, masses.size - 1)
    shape, left = np.divmod(cell, masses.shape[1])
    part = (chance - cumulative[cell]) / masses.ravel()[cell]
    energy = energies[shape, left] + part * widths[shape, left]
    centred = model.constant[shape] - energy[:, None] * (model.x - model.centre[:, None])[shape]
    scale = np.exp(centred).sum(axis=1)
    events = counts.events.sum() + (1.0 if jeffreys else 0.0)
    log_prefactor = np.log(rng.gamma(events, size=samples) / scale) + energy * model.centre[shape]
    share = float(np.prod([np.ptp(box[name]) / np.ptp(priors[name]) for name in law.shape]))
    log_evidence = float(special.logsumexp(log_evidences) + np.log(share / len(log_evidences) / LARGEST_ENERGY))
    return Draws(law, counts.reference, log_evidence, energy, log_prefactor, model.shapes, shape)


def _energies(
    model: _Model, hottest: float, minimum: float | None, *, jeffreys: bool
) -> tuple[Floats, Floats, Floats] | OpenEnd:
    """Return a grid of energies that covers the posterior of each shape, or an open end.

    With the grid come ln of the likelihood and of the posterior, not normalized, all (S, E).
    """
    number = len(model.shapes)
    points = max(_POINTS // number, _FEWEST_POINTS)
    reach = _REACH * hottest
    low = np.full(number, -reach if minimum is None else minimum)
    high = np.full(number, (minimum or 0.0) + reach)
    rows = np.arange(number)
    # the density may be narrow on the first grid: refine until it is resolved
    for attempt in range(4):
        energies = np.linspace(low, high, points, axis=1)
        flat, logs = model.log_densities(energies)
        logs = logs if jeffreys else flat
        highest = logs.max(axis=1)
        # with a single temperature there is no information on E, and the density of Jeffreys' prior is 0
        if attempt == 0 and (not np.isfinite(highest).all() or (logs[:, -1] > highest - _OPEN).any()):
            return "high"
        if attempt == 0 and minimum is None and (logs[:, 0] > highest - _OPEN).any():
            return "low"
        inside = logs > highest[:, None] - _DEPTH
        first = np.maximum(inside.argmax(axis=1) - 1, 0)
        last = np.minimum(points - inside[:, ::-1].argmax(axis=1), points - 1)
        coarse = inside.sum(axis=1) <= points // 4
        low, high = np.where(coarse, energies[rows, first], low), np.where(coarse, energies[rows, last], high)
        if not coarse.any():
            break
    return energies, flat, logs


def _log_evidences(flat: Floats, energies: Floats, minimum: float | None) -> Floats:
    """Return ln of the integral (S,) of the likelihood (S, E) over E, up to the largest energy of the prior.

    Without a minimum, as for bounds, E is not limited.
    """
    largest = np.inf if minimum is None else minimum + LARGEST_ENERGY
    upper = np.minimum(energies[:, 1:], largest)
    widths = np.maximum(upper - energies[:, :-1], 0.0)
    highest = flat.max(axis=1, keepdims=True)
    values = np.exp(flat - highest)
    with np.errstate(divide="ignore"):
        logs: Floats = np.log(((values[:, 1:] + values[:, :-1]) / 2 * widths).sum(axis=1)) + highest[:, 0]
    return logs


def most_likely_counts(counts: CountData, minimum_energy: float) -> Floats:
    """Return the mean counts (R,) of the most likely fit of Arrhenius' law with ΔE ≥ ``minimum_energy``."""
    energies = minimum_energy + np.linspace(0, _REACH * counts.temperature.max(), 20 * _POINTS)
    logs = _Model.of(ARRHENIUS, counts, PRIORS).log_means(energies[None])[:, 0].T
    shares = special.softmax(logs, axis=1)
    with np.errstate(divide="ignore"):
        likelihood = np.where(counts.events > 0, counts.events * np.log(shares), 0.0).sum(axis=1)
    means: Floats = counts.events.sum() * shares[int(np.argmax(likelihood))]
    return means


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
    law: Law = ARRHENIUS,
    priors: Mapping[str, Range] = PRIORS,
) -> list[Bounds]:
    """Return the lower and the upper bound of the rate under a law; 0 and infinite without a bound.

    Each bound is at the level of one end of an interval at ``level``; the arguments are those of
    :func:`~aiida_cse.physics.kinetics.arrhenius_fit.joint_kinetics`.
    """
    drawn: list[Draws | OpenEnd] = []
    counts = counts.pooled()
    if len(np.unique(counts.temperature)) > 1:
        level = (1 + level) / 2
        for one_event in np.eye(len(counts.events)):
            more = replace(counts, events=counts.events + one_event)
            drawn.append(draw(more, samples, np.random.default_rng(seed), law=law, priors=priors, jeffreys=False))
    bounds = []
    for temperature, lowering in zip(temperatures, lowerings, strict=True):
        low, high = _posterior_bounds(temperature, lowering, drawn, counts, level)
        # Garwood's bounds of the runs next to the temperature: a rate does not fall with temperature
        colder = counts.temperature[counts.temperature <= temperature]
        if len(colder):
            least, _ = _garwood(float(colder.max()), temperature, lowering, counts, level, minimum_energy)
            low = max(low, least)
        hotter = counts.temperature[counts.temperature >= temperature]
        if len(hotter):
            _, most = _garwood(float(hotter.min()), temperature, lowering, counts, level, minimum_energy)
            high = min(high, most)
        bounds.append((low, high))
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


def _garwood(
    run: float, temperature: float, lowering: float, counts: CountData, level: float, energy: float = 0.0
) -> Bounds:
    """Return the interval of the rate at the temperature of ``run``, extrapolated with ΔE = ``energy``."""
    there = counts.temperature == run
    exposure = counts.exposure[there] @ np.exp(counts.lowering[there] / run)
    carried = np.exp(lowering / temperature - energy * (1 / temperature - 1 / run))
    low, high = visits_interval(float(counts.events[there].sum()), level)
    return float(low / exposure * carried), float(high / exposure * carried)
