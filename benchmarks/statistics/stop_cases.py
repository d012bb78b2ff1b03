"""Ions that are simulated until they equilibrate: chains of slab, layers and bulk, and their initial states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from aiida_cse.physics.exchange.transitions import Rule
from benchmarks.statistics.chains import Chain, recrossing, two_state

__all__ = ["StopCase", "drawn_cases", "hidden_cases", "known_cases", "overfull_cases"]

Floats = NDArray[np.float64]
#: label of a state between the cores
_BUFFER = -1


@dataclass(frozen=True)
class StopCase:
    """Independent ions that approach equilibrium; time is in frames.

    Attributes
    ----------
    name
        The process and its initial state.
    chain
        States and rates per frame.
    ions
        Number of ions.
    filled
        Initial number inside, as a share of that at equilibrium; the distribution on either side is that at
        equilibrium.
    cores
        (S,) label of each state under the core rule: 1 inside, 0 outside, −1 in the buffer.
    rule
        The rule under which entries and exits are counted.
    """

    name: str
    chain: Chain
    ions: int
    filled: float = 1.0
    cores: tuple[int, ...] = ()
    rule: Rule = "snapshot"

    @cached_property
    def start(self) -> Floats:
        """(S,) share of the ions in each state at time zero."""
        shares, inside = self.chain.stationary, self.chain.inside
        within = float(shares[inside].sum())
        return np.where(inside, shares * self.filled, shares * (1 - self.filled * within) / (1 - within))

    @cached_property
    def core_labels(self) -> NDArray[np.int8]:
        """(S,) label of each state under the core rule; that of its region without cores."""
        return np.array(self.cores or self.chain.inside, dtype=np.int8)

    def deviation(self, time: float) -> float:
        """Return the deviation of the mean number inside from equilibrium, in standard deviations."""
        shares = self.start @ linalg.expm(self.chain.generator * time)
        within = float(self.chain.stationary[self.chain.inside].sum())
        now = float(shares[self.chain.inside].sum())
        return abs(now - within) * np.sqrt(self.ions / (within * (1 - within)))

    def states(self, frames: int, rng: np.random.Generator) -> NDArray[np.int8]:
        """Simulate the ions and return their states (frames + 1, ions)."""
        step = np.cumsum(linalg.expm(self.chain.generator), axis=1)
        table = np.empty((frames + 1, self.ions), dtype=np.int8)
        _walk(step / step[:, -1:], np.cumsum(self.start), table, rng)
        return table


def flickering(enter: float, leave: float, flicker: float) -> Chain:
    """Return ions deep in the slab, on either side of its boundary, which they cross rapidly, and in the layer."""
    rates = np.zeros((4, 4))
    rates[0, 1], rates[1, 0] = leave, enter
    rates[1, 2] = rates[2, 1] = rates[2, 3] = flicker
    rates[3, 2] = 0.3 * flicker
    return Chain(rates, np.array([True, True, False, False]))


def two_sides(left: float, right: float, reach: float = 0.1, around: float = 0.0) -> Chain:
    """Return ions in bulk, layer, slab, layer and bulk that enter on two sides; ``around`` joins the bulks."""
    rates = np.zeros((5, 5))
    rates[1, 2], rates[2, 1] = left, left / 2
    rates[3, 2], rates[2, 3] = right, right / 2
    rates[0, 1] = rates[1, 0] = rates[3, 4] = rates[4, 3] = reach
    rates[0, 4] = rates[4, 0] = around
    return Chain(rates, np.array([False, False, True, False, False]))


def known_cases() -> list[StopCase]:
    """Return the cases used in the development of the verdict."""
    cases = []
    for start, filled in (("equilibrium", 1.0), ("half full", 0.5), ("empty", 0.0), ("overfull", 1.6)):
        cases.append(StopCase(f"60 ions, slow, {start}", _exchange(100, 0.5), 60, filled))
    for start, filled in (("equilibrium", 1.0), ("empty", 0.0)):
        cases.append(StopCase(f"60 ions, fast, {start}", _exchange(12, 0.5), 60, filled))
    cases += [
        StopCase("10 ions, 3 inside, empty", _exchange(50, 0.3), 10, 0.0),
        StopCase("400 ions, empty", _exchange(50, 0.5), 400, 0.0),
        StopCase("400 ions, 360 inside, half full", _exchange(50, 0.9), 400, 0.5),
        StopCase("bursts at the slab, half full", recrossing(0.2, 0.02, 0.01, 0.05), 60, 0.5),
        StopCase("two sides, one slow, empty", two_sides(0.005, 0.02), 60, 0.0),
    ]
    trembling = flickering(0.02, 0.01, 1.0)
    for rule in ("snapshot", "core"):
        for start, filled in (("equilibrium", 1.0), ("half full", 0.5)):
            name = f"flicker by {rule}s, {start}"
            cases.append(StopCase(name, trembling, 60, filled, (1, _BUFFER, _BUFFER, 0), rule))
    return cases


def drawn_cases(seed: int, number: int = 8) -> list[StopCase]:
    """Return cases with sizes, rates and starts from a seed, not used in the development."""
    rng = np.random.default_rng(seed)
    cases = []
    for kind in range(number):
        ions, filled = int(rng.integers(20, 300)), float(rng.choice([0.0, 0.4, 0.7, 1.0]))
        time, share = float(np.exp(rng.uniform(np.log(15), np.log(120)))), float(rng.uniform(0.1, 0.8))
        chain, cores, what = _drawn_chain(kind % 4, time, share)
        rule: Rule = "snapshot" if kind < number // 2 else "core"
        name = f"drawn: {what}, {ions} ions, τ {time:.0f}, {100 * filled:.0f} %"
        cases.append(StopCase(name, chain, ions, filled, cores, rule))
    return cases


def hidden_cases() -> list[StopCase]:
    """Return a case in which no ion has yet visited the slow part of the slab."""
    rates = np.array([[0, 0.01, 0], [0.01, 0, 0.05], [0, 0.05, 0]])
    chain = Chain(rates, np.array([True, True, False]))
    return [StopCase("hidden: slow inside the slab, empty", chain, 60, 0.0)]


def overfull_cases() -> list[StopCase]:
    """Return cases with too many ions inside, whose crossings hardly last or come in bursts."""
    trembling = flickering(0.02, 0.01, 1.0)
    return [
        StopCase("flicker by snapshots, overfull", trembling, 60, 2.0),
        StopCase("bursts at the slab, overfull", recrossing(0.2, 0.02, 0.01, 0.05), 60, 1.3),
    ]


def _exchange(time: float, share: float) -> Chain:
    """Return ions in two states that relax in ``time``, with this share inside at equilibrium."""
    return two_state(share / time, (1 - share) / time)


def _drawn_chain(kind: int, time: float, share: float) -> tuple[Chain, Sequence[int], str]:
    enter, leave = share / time, (1 - share) / time
    if kind == 0:
        return two_state(enter, leave), (), "two states"
    if kind == 1:
        return two_sides(1.5 * enter, 4 * enter, 0.2, 0.05), (), "two sides"
    if kind == 2:
        return recrossing(5 * enter, leave, 0.02, 0.1), (), "bursts"
    return flickering(2 * enter, 2 * leave, 0.7), (1, _BUFFER, _BUFFER, 0), "flicker"


@numba.njit(cache=True)
def _walk(
    step: NDArray[np.float64], start: NDArray[np.float64], table: NDArray[np.int8], rng: np.random.Generator
) -> None:
    last = len(start) - 1
    for ion in range(table.shape[1]):
        table[0, ion] = min(np.searchsorted(start, rng.random(), side="right"), last)
    # frame by frame, so that a longer run begins as a shorter one with the same seed
    for frame in range(1, table.shape[0]):
        for ion in range(table.shape[1]):
            row = step[table[frame - 1, ion]]
            table[frame, ion] = min(np.searchsorted(row, rng.random(), side="right"), last)
