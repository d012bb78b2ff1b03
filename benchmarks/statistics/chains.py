"""Simulated exchange: ions that hop between a few states at known rates.

Every ion is a continuous-time Markov chain. Entries and exits alternate by construction, the time that ions spend
where they can enter is random, and ions may come and go in bursts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import linalg, signal

__all__ = ["Chain", "Experiments", "autoregressive", "expected_exchange", "recrossing", "simulate", "two_state"]


@dataclass(frozen=True)
class Chain:
    """States of an ion.

    Attributes
    ----------
    rates
        (S, S) rates from state i to state j, per ion and unit of time; zero on the diagonal.
    inside
        (S,) whether a state is in the region whose entries and exits are counted.
    """

    rates: NDArray[np.float64]
    inside: NDArray[np.bool_]

    @property
    def generator(self) -> NDArray[np.float64]:
        """(S, S) rates with rows that sum to zero."""
        generator: NDArray[np.float64] = self.rates - np.diag(self.rates.sum(axis=1))
        return generator

    @property
    def stationary(self) -> NDArray[np.float64]:
        """(S,) share of time in each state, in the long run."""
        size = len(self.rates)
        system = np.vstack([self.generator.T, np.ones(size)])
        return np.asarray(np.linalg.lstsq(system, np.append(np.zeros(size), 1), rcond=None)[0], dtype=np.float64)

    @property
    def donor(self) -> NDArray[np.bool_]:
        """(S,) whether an ion can enter from this state in one hop."""
        enter: NDArray[np.float64] = self.rates[:, self.inside].sum(axis=1)
        return ~self.inside & (enter > 0)

    @property
    def entry_rate(self) -> float:
        """Rate of entries of an ion that is in a donor state."""
        return float(self.rates[self.donor][0, self.inside].sum())


@dataclass(frozen=True)
class Experiments:
    """Observations in E experiments with I ions each.

    Attributes
    ----------
    events
        (E, I, 2) entries and exits, all of them.
    exposure
        (E,) ions × time in donor states.
    inside
        (E, F + 1) ions inside, at the start and at the end of each of the F frames.
    seen, seen_blocks
        (E, I, 2) and (E, B, 2) entries and exits between successive frames, per ion and per block of time: the
        counts of the snapshot rule.
    """

    events: NDArray[np.int64]
    exposure: NDArray[np.float64]
    inside: NDArray[np.int64]
    seen: NDArray[np.int64]
    seen_blocks: NDArray[np.int64]


def two_state(enter: float, leave: float) -> Chain:
    """Return ions that are inside or outside."""
    return Chain(np.array([[0.0, leave], [enter, 0.0]]), np.array([True, False]))


def recrossing(enter: float, leave: float, approach: float, depart: float) -> Chain:
    """Return ions in ceramic, layer or bulk; a visit to the layer causes a burst of entries and exits."""
    rates = np.array([[0.0, leave, 0.0], [enter, 0.0, depart], [0.0, approach, 0.0]])
    return Chain(rates, np.array([True, False, False]))


def simulate(
    chain: Chain,
    rng: np.random.Generator,
    *,
    experiments: int,
    ions: int,
    time: float,
    frames: int = 100,
    blocks: int = 10,
    start: NDArray[np.float64] | None = None,
) -> Experiments:
    """Simulate the hopping of ions.

    Parameters
    ----------
    chain
        The states and their rates.
    rng
        Source of all random numbers.
    experiments, ions, time
        Number of experiments, number of ions in each, and length of each.
    frames, blocks
        The time is observed at the ends of this number of equal parts; blocks, of equal length, divide the frames.
    start
        (S,) share of ions in each state at time zero; by default that at equilibrium.

    Raises
    ------
    ValueError
        ``frames`` is not a multiple of ``blocks``.
    """
    if frames % blocks:
        raise ValueError(f"frames = {frames}: must be a multiple of blocks, {blocks}")
    share = chain.stationary if start is None else start
    found = (
        np.zeros((experiments, ions, 2), dtype=np.int64),
        np.zeros(experiments),
        np.zeros((experiments, frames + 1), dtype=np.int64),
        np.zeros((experiments, ions, 2), dtype=np.int64),
        np.zeros((experiments, blocks, 2), dtype=np.int64),
    )
    total = chain.rates.sum(axis=1)
    # a state that nothing leaves has no jumps
    jumps = np.cumsum(chain.rates, axis=1) / np.where(total > 0, total, 1)[:, None]
    _hop(rng, np.cumsum(share), total, jumps, chain.inside, chain.donor, time, *found)
    return Experiments(*found)


def expected_exchange(
    chain: Chain, *, ions: int, time: float, frames: int, start: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Return the expected entries and exits between successive frames, as :func:`simulate` counts them."""
    step = linalg.expm(chain.generator * time / frames)
    share = chain.stationary if start is None else start
    entries = exits = 0.0
    for _ in range(frames):
        flow = share[:, None] * step
        entries += float(flow[np.ix_(~chain.inside, chain.inside)].sum())
        exits += float(flow[np.ix_(chain.inside, ~chain.inside)].sum())
        share = share @ step
    return ions * entries, ions * exits


def autoregressive(
    rng: np.random.Generator, *, experiments: int, frames: int, correlation_time: float
) -> NDArray[np.float64]:
    """Return stationary Gaussian series (experiments, frames) of zero mean and unit variance, AR(1)."""
    rho = np.exp(-1 / correlation_time)
    noise = rng.normal(size=(experiments, frames))
    noise[:, 1:] *= np.sqrt(1 - rho**2)
    series: NDArray[np.float64] = signal.lfilter([1.0], [1.0, -rho], noise, axis=1)
    return series


@numba.njit(cache=True)
def _pick(cumulated: NDArray[np.float64], draw: float) -> int:
    for state in range(len(cumulated) - 1):
        if draw < cumulated[state]:
            return state
    return len(cumulated) - 1


@numba.njit(cache=True)
def _hop(
    rng: np.random.Generator,
    share: NDArray[np.float64],
    total: NDArray[np.float64],
    jumps: NDArray[np.float64],
    inside: NDArray[np.bool_],
    donor: NDArray[np.bool_],
    time: float,
    events: NDArray[np.int64],
    exposure: NDArray[np.float64],
    population: NDArray[np.int64],
    seen: NDArray[np.int64],
    seen_blocks: NDArray[np.int64],
) -> None:
    frames = population.shape[1] - 1
    per_block = frames // seen_blocks.shape[1]
    step = time / frames
    for experiment in range(events.shape[0]):
        for ion in range(events.shape[1]):
            state = _pick(share, rng.random())
            was_inside = inside[state]
            population[experiment, 0] += was_inside
            now, frame = 0.0, 0
            while frame < frames:
                wait = rng.exponential() / total[state] if total[state] > 0 else np.inf
                until = min(now + wait, time)
                if donor[state]:
                    exposure[experiment] += until - now
                while frame < frames and (frame + 1) * step <= now + wait:
                    population[experiment, frame + 1] += inside[state]
                    if inside[state] != was_inside:
                        kind = 0 if inside[state] else 1
                        seen[experiment, ion, kind] += 1
                        seen_blocks[experiment, frame // per_block, kind] += 1
                        was_inside = inside[state]
                    frame += 1
                now += wait
                if frame < frames:
                    after = _pick(jumps[state], rng.random())
                    if inside[after] != inside[state]:
                        events[experiment, ion, 0 if inside[after] else 1] += 1
                    state = after
