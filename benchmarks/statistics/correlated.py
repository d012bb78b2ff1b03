"""Simulated exchange that breaks the usual assumptions: ions that move together, remember, or differ for ever.

Each model starts from its stationary distribution and has a known rate of entries per ion outside:

* :func:`gated`: all ions exchange only while a common gate is open.
* :func:`semi_markov`: residence times are lognormal, so that quick and slow exchange alternate.
* :func:`attracting`: an ion enters more easily, and leaves less easily, the more ions are inside; with a negative
  coupling ions repel each other.
* :func:`unequal`: each ion has a rate of its own for ever.
* :func:`hopping`: independent ions hop between the states of a :class:`~benchmarks.statistics.chains.Chain`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.statistics.chains import Chain

__all__ = ["Crowds", "attracting", "gated", "hopping", "relaxation_time", "semi_markov", "unequal"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Crowds:
    """E experiments with I ions each, observed at F + 1 equally spaced looks.

    Attributes
    ----------
    rate
        The true rate of entries per ion outside.
    time
        Length of each experiment.
    inside
        (E, I, F + 1) whether an ion is inside at a look.
    ion_events
        (E, I, 2) entries and exits of each ion, all of them.
    frame_events
        (E, F, 2) the same between two looks.
    ion_outside, frame_outside
        (E, I) time that each ion spent outside, and (E, F) ions outside × time between two looks.
    """

    rate: float
    time: float
    inside: Booleans
    ion_events: Whole
    frame_events: Whole
    ion_outside: Floats
    frame_outside: Floats

    @classmethod
    def empty(cls, rate: float, time: float, *, experiments: int, ions: int, frames: int) -> Crowds:
        """Return experiments without an event."""
        return cls(
            rate,
            time,
            np.zeros((experiments, ions, frames + 1), dtype=np.bool_),
            np.zeros((experiments, ions, 2), dtype=np.int64),
            np.zeros((experiments, frames, 2), dtype=np.int64),
            np.zeros((experiments, ions)),
            np.zeros((experiments, frames)),
        )

    def tables(self, experiment: int) -> tuple[Booleans, Whole, Whole, Floats, Floats]:
        """Return the arrays of one experiment, to be filled."""
        return (
            self.inside[experiment],
            self.ion_events[experiment],
            self.frame_events[experiment],
            self.ion_outside[experiment],
            self.frame_outside[experiment],
        )


# -- models --------------------------------------------------------------------------------------------------


def gated(
    rng: np.random.Generator,
    *,
    experiments: int,
    ions: int,
    openings: float,
    entries: float,
    share_inside: float = 0.5,
    open_share: float = 0.02,
    empty: bool = False,
    frames: int = 400,
) -> Crowds:
    """Return ions that exchange only while a common gate is open, in experiments of unit length.

    Parameters
    ----------
    rng
        Source of all random numbers.
    experiments, ions, frames
        Number of experiments, ions, and times between looks.
    openings, entries
        Mean number of openings, which are a Poisson process, and of entries, in one experiment.
    share_inside
        Mean share of ions that are inside.
    open_share
        Mean share of the time in which the gate is open; each opening lasts for an exponential time.
    empty
        Whether all ions are outside at the start, instead of a stationary number.
    """
    enter = entries / (ions * (1 - share_inside) * open_share)
    leave = enter * (1 - share_inside) / share_inside
    closing, opening = openings / open_share, openings / (1 - open_share)
    crowds = Crowds.empty(enter * open_share, 1.0, experiments=experiments, ions=ions, frames=frames)
    for experiment in range(experiments):
        begin = 0.0 if empty else share_inside
        _gated(rng, opening, closing, enter, leave, begin, 1.0, *crowds.tables(experiment))
    return crowds


def semi_markov(
    rng: np.random.Generator,
    *,
    experiments: int,
    ions: int,
    entries: float,
    sigma: float,
    share_inside: float = 0.5,
    frames: int = 400,
) -> Crowds:
    """Return independent ions with lognormal residence times inside and outside, in experiments of unit length.

    ``sigma`` is the standard deviation of the logarithm of a residence time; the other arguments are those of
    :func:`gated`. The first residence time is the remainder of a length-biased one, so that the start is
    stationary.
    """
    outside = ions * (1 - share_inside) / entries
    inside = outside * share_inside / (1 - share_inside)
    crowds = Crowds.empty(1 / outside, 1.0, experiments=experiments, ions=ions, frames=frames)
    for experiment in range(experiments):
        _semi_markov(rng, inside, outside, sigma, 1.0, *crowds.tables(experiment))
    return crowds


def unequal(
    rng: np.random.Generator,
    *,
    experiments: int,
    ions: int,
    entries: float,
    spread: float,
    frames: int = 400,
) -> Crowds:
    """Return independent ions, half of the time inside, whose own rates are lognormal with this ``spread``.

    The same rates hold in all experiments; the other arguments are those of :func:`gated`.
    """
    factors = np.exp(spread * np.random.default_rng(1).normal(size=ions))
    rates = factors / factors.mean() * 2 * entries / ions
    crowds = Crowds.empty(float(rates.mean()), 1.0, experiments=experiments, ions=ions, frames=frames)
    for experiment in range(experiments):
        _unequal(rng, rates, 1.0, *crowds.tables(experiment))
    return crowds


def attracting(
    rng: np.random.Generator,
    *,
    experiments: int,
    ions: int,
    coupling: float,
    relaxation_times: float,
    frames: int = 400,
) -> Crowds:
    """Return ions that attract each other in a mean field, half of them inside on average.

    With n of the I ions inside, each ion outside enters at a rate exp(J (n − (I − 1) / 2) / I), and each ion
    inside leaves at the rate of detailed balance with an energy of −J (n − I / 2)² / I: the stationary
    distribution is that of a binomial number weighted with the exponential of its negative.

    Parameters
    ----------
    rng
        Source of all random numbers.
    experiments, ions, frames
        Number of experiments, ions, and times between looks.
    coupling
        J; the number of ions inside has two maxima above about 1, and with a negative value ions repel each other.
    relaxation_times
        Length of an experiment in units of :func:`relaxation_time`.
    """
    enter, leave, stationary = _attraction(ions, coupling)
    outside = ions - np.arange(ions + 1)
    rate = float(stationary @ (outside * enter)) / float(stationary @ outside)
    time = relaxation_times * relaxation_time(ions, coupling)
    crowds = Crowds.empty(rate, time, experiments=experiments, ions=ions, frames=frames)
    for experiment in range(experiments):
        _attracting(rng, enter, leave, np.cumsum(stationary), time, *crowds.tables(experiment))
    return crowds


def relaxation_time(ions: int, coupling: float) -> float:
    """Return the slowest relaxation time of :func:`attracting` ions, from their birth–death process."""
    enter, leave, _ = _attraction(ions, coupling)
    numbers = np.arange(ions + 1)
    up, down = enter * (ions - numbers), leave * numbers
    generator = np.diag(up[:-1], 1) + np.diag(down[1:], -1) - np.diag(up + down)
    return float(-1 / np.sort(np.linalg.eigvals(generator).real)[-2])


def hopping(
    rng: np.random.Generator, chain: Chain, *, experiments: int, ions: int, time: float, frames: int = 400
) -> Crowds:
    """Return independent ions that hop between the states of a chain; ``rate`` is per ion outside."""
    share = chain.stationary
    entering = float(share[~chain.inside] @ chain.rates[np.ix_(~chain.inside, chain.inside)].sum(axis=1))
    total = chain.rates.sum(axis=1)
    jumps = np.cumsum(chain.rates, axis=1) / np.where(total > 0, total, 1)[:, None]
    crowds = Crowds.empty(
        entering / float(share[~chain.inside].sum()), time, experiments=experiments, ions=ions, frames=frames
    )
    for experiment in range(experiments):
        _hopping(rng, np.cumsum(share), total, jumps, chain.inside, time, *crowds.tables(experiment))
    return crowds


def _attraction(ions: int, coupling: float) -> tuple[Floats, Floats, Floats]:
    """Return the rates of entry and exit per ion and the stationary distribution, by the number inside."""
    numbers = np.arange(ions + 1)
    enter = np.exp(coupling * (numbers - (ions - 1) / 2) / ions)
    leave = np.exp(-coupling * (numbers - (ions + 1) / 2) / ions)
    # detailed balance between n and n + 1
    steps = np.log(enter[:-1] * (ions - numbers[:-1])) - np.log(leave[1:] * numbers[1:])
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    weights = np.exp(logs - logs.max())
    return enter, leave, weights / weights.sum()


# -- kernels -------------------------------------------------------------------------------------------------


@numba.njit(cache=True)
def _stay(
    ion: int,
    is_inside: bool,
    begin: float,
    end: float,
    time: float,
    inside: Booleans,
    ion_outside: Floats,
    frame_outside: Floats,
) -> None:
    """Record that an ion does not cross from ``begin`` to ``end``."""
    end = min(end, time)
    frames = len(frame_outside)
    step = time / frames
    if is_inside:
        for look in range(int(np.ceil(begin / step)), frames + 1):
            if look * step >= end and end < time:
                break
            inside[ion, look] = True
        return
    ion_outside[ion] += max(end - begin, 0.0)
    for frame in range(int(begin / step), frames):
        if frame * step >= end:
            break
        frame_outside[frame] += min(end, (frame + 1) * step) - max(begin, frame * step)


@numba.njit(cache=True)
def _cross(ion: int, enters: bool, now: float, time: float, ion_events: Whole, frame_events: Whole) -> None:
    """Record an entry or an exit."""
    frames = len(frame_events)
    kind = 0 if enters else 1
    ion_events[ion, kind] += 1
    frame_events[min(int(now / time * frames), frames - 1), kind] += 1


@numba.njit(cache=True)
def _gated(
    rng: np.random.Generator,
    opening: float,
    closing: float,
    enter: float,
    leave: float,
    begin_inside: float,
    time: float,
    inside: Booleans,
    ion_events: Whole,
    frame_events: Whole,
    ion_outside: Floats,
    frame_outside: Floats,
) -> None:
    # times at which the gate changes, and the state that it has from there on
    changes, states = [0.0], [rng.random() < opening / (opening + closing)]
    while changes[-1] < time:
        wait = rng.exponential() / (closing if states[-1] else opening)
        changes.append(changes[-1] + wait)
        states.append(not states[-1])
    for ion in range(len(inside)):
        is_inside = rng.random() < begin_inside
        begin, wait = 0.0, rng.exponential()
        for part in range(len(changes) - 1):
            if not states[part]:
                continue
            now = changes[part]
            while True:
                rate = leave if is_inside else enter
                if now + wait / rate > min(changes[part + 1], time):
                    wait -= (changes[part + 1] - now) * rate
                    break
                now += wait / rate
                _stay(ion, is_inside, begin, now, time, inside, ion_outside, frame_outside)
                is_inside = not is_inside
                _cross(ion, is_inside, now, time, ion_events, frame_events)
                begin, wait = now, rng.exponential()
        _stay(ion, is_inside, begin, time, time, inside, ion_outside, frame_outside)


@numba.njit(cache=True)
def _semi_markov(
    rng: np.random.Generator,
    mean_inside: float,
    mean_outside: float,
    sigma: float,
    time: float,
    inside: Booleans,
    ion_events: Whole,
    frame_events: Whole,
    ion_outside: Floats,
    frame_outside: Floats,
) -> None:
    for ion in range(len(inside)):
        is_inside = rng.random() < mean_inside / (mean_inside + mean_outside)
        mean = mean_inside if is_inside else mean_outside
        begin = 0.0
        # a length-biased lognormal time has its logarithm shifted by σ²
        end = rng.random() * mean * np.exp(sigma * rng.normal() + sigma**2 / 2)
        while end < time:
            _stay(ion, is_inside, begin, end, time, inside, ion_outside, frame_outside)
            is_inside = not is_inside
            _cross(ion, is_inside, end, time, ion_events, frame_events)
            mean = mean_inside if is_inside else mean_outside
            begin = end
            end += mean * np.exp(sigma * rng.normal() - sigma**2 / 2)
        _stay(ion, is_inside, begin, time, time, inside, ion_outside, frame_outside)


@numba.njit(cache=True)
def _unequal(
    rng: np.random.Generator,
    rates: Floats,
    time: float,
    inside: Booleans,
    ion_events: Whole,
    frame_events: Whole,
    ion_outside: Floats,
    frame_outside: Floats,
) -> None:
    for ion in range(len(inside)):
        is_inside = rng.random() < 0.5
        begin, end = 0.0, rng.exponential() / rates[ion]
        while end < time:
            _stay(ion, is_inside, begin, end, time, inside, ion_outside, frame_outside)
            is_inside = not is_inside
            _cross(ion, is_inside, end, time, ion_events, frame_events)
            begin = end
            end += rng.exponential() / rates[ion]
        _stay(ion, is_inside, begin, time, time, inside, ion_outside, frame_outside)


@numba.njit(cache=True)
def _attracting(
    rng: np.random.Generator,
    enter: Floats,
    leave: Floats,
    cumulated: Floats,
    time: float,
    inside: Booleans,
    ion_events: Whole,
    frame_events: Whole,
    ion_outside: Floats,
    frame_outside: Floats,
) -> None:
    ions = len(inside)
    number = min(int(np.searchsorted(cumulated, rng.random())), ions)
    # the first `number` ions of the order are inside
    order = rng.permutation(ions)
    begin = np.zeros(ions)
    now = 0.0
    while True:
        into, out = enter[number] * (ions - number), leave[number] * number
        now += rng.exponential() / (into + out)
        if now >= time:
            break
        enters = rng.random() < into / (into + out)
        place = number + int(rng.random() * (ions - number)) if enters else int(rng.random() * number)
        edge = number if enters else number - 1
        ion = order[place]
        order[place], order[edge] = order[edge], ion
        _stay(ion, not enters, begin[ion], now, time, inside, ion_outside, frame_outside)
        _cross(ion, enters, now, time, ion_events, frame_events)
        begin[ion] = now
        number += 1 if enters else -1
    for place in range(ions):
        ion = order[place]
        _stay(ion, place < number, begin[ion], time, time, inside, ion_outside, frame_outside)


@numba.njit(cache=True)
def _hopping(
    rng: np.random.Generator,
    share: Floats,
    total: Floats,
    jumps: Floats,
    state_inside: Booleans,
    time: float,
    inside: Booleans,
    ion_events: Whole,
    frame_events: Whole,
    ion_outside: Floats,
    frame_outside: Floats,
) -> None:
    for ion in range(len(inside)):
        state = min(int(np.searchsorted(share, rng.random())), len(share) - 1)
        begin, now = 0.0, 0.0
        while True:
            now += rng.exponential() / total[state] if total[state] > 0 else np.inf
            if now >= time:
                break
            after = min(int(np.searchsorted(jumps[state], rng.random())), len(share) - 1)
            if state_inside[after] != state_inside[state]:
                _stay(ion, state_inside[state], begin, now, time, inside, ion_outside, frame_outside)
                _cross(ion, state_inside[after], now, time, ion_events, frame_events)
                begin = now
            state = after
        _stay(ion, state_inside[state], begin, time, time, inside, ion_outside, frame_outside)
