"""Coverage of the interfacial resistance from counted crossings, and from committed crossings on a landscape."""

from __future__ import annotations

from functools import partial
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.kinetics.resistance import FaceResistance, counted_resistance, interfacial_resistance
from aiida_cse.physics.statistics.dispersion import dispersion
from benchmarks.statistics.chains import Chain, expected_exchange, simulate, two_state
from benchmarks.statistics.counts import IONS, bursts, busy_ion, equilibrium
from benchmarks.statistics.rows import Case, Row, coverage_row

__all__ = ["Landscape", "resistance_cases"]

LEVEL = 0.95
#: s, nm², K: the resistance is proportional to each, so that they do not matter
TIME, AREA, TEMPERATURE = 1e-7, 15.0, 700.0
FRAMES, BLOCKS = 1000, 200


def returning(mean: float) -> tuple[Chain, dict[str, Any]]:
    """Return ions that come back at once: an entry and an exit are one event."""
    return two_state(mean / IONS, 50.0), {"ions": IONS, "time": 1.0}


def one_returning(mean: float) -> tuple[Chain, dict[str, Any]]:
    """Return one ion that does so."""
    return two_state(mean, 20.0 * mean), {"ions": 1, "time": 1.0}


CHAINS = {
    "ions at equilibrium": (equilibrium, (2, 7, 30, 200)),
    "one busy ion": (busy_ion, (30,)),
    "ions that return at once": (returning, (2, 7, 30, 200)),
    "one ion that returns at once": (one_returning, (7, 30)),
    "bursts": (bursts, (7, 30, 200)),
}


class Landscape:
    """A rough barrier between two flat regions, for one ion that hops between neighbouring places.

    Attributes
    ----------
    free_energy
        (n,) F / k_B T of the places; the ends reflect.
    left, right
        Places (first, last) of the cores on both sides.
    """

    def __init__(self, seed: int = 4, height: float = 4.0, roughness: float = 0.7) -> None:
        place = np.arange(40)
        self.free_energy: NDArray[np.float64] = height * np.exp(-(((place - 19.5) / 5) ** 2))
        self.free_energy += np.random.default_rng(seed).normal(0, roughness, 40)
        self.left, self.right = (0, 9), (30, 39)

    @property
    def hops(self) -> NDArray[np.float64]:
        """(n − 1,) hops per time between neighbours at equilibrium, w exp(−F) of either, of one ion."""
        weight = np.exp(-self.free_energy)
        flow: NDArray[np.float64] = np.minimum(weight[:-1], weight[1:]) / weight.sum()
        return flow

    @property
    def rate(self) -> float:
        """Committed crossings per time in one direction: reciprocal flows in series add up to the resistance."""
        return float(1 / (1 / self.hops[self.left[1] : self.right[0]]).sum())

    def crossings(
        self, seed: np.random.SeedSequence, experiments: int, ions: int, time: float
    ) -> NDArray[np.int64]:
        """Return the committed crossings (experiments, ions, blocks, 2) to the right and to the left."""
        rng = np.random.default_rng(seed)
        weight = np.exp(-self.free_energy)
        up, down = np.zeros(40), np.zeros(40)
        up[:-1], down[1:] = self.hops / weight[:-1] * weight.sum(), self.hops / weight[1:] * weight.sum()
        counts = np.zeros((experiments, ions, BLOCKS, 2), dtype=np.int64)
        _walk(rng, np.cumsum(weight / weight.sum()), up, down, self.left[1], self.right[0], time, counts)
        return counts


def resistance_cases() -> list[Case]:
    """Return the rows; the true value is that of the given rates."""
    cases = []
    for what, (setup, means) in CHAINS.items():
        for mean in means:
            name = f"R of a face: {what}, {mean} entries"
            cases.append(Case(name, partial(_chain, name, *setup(mean))))
    for mean in (7, 30):
        name = f"R of a face: committed on a rough landscape, {mean} entries"
        cases.append(Case(name, partial(_landscape, name, mean)))
    return cases


def _chain(name: str, chain: Chain, setup: dict[str, Any], experiments: int, seed: np.random.SeedSequence) -> Row:
    # a resistance is that of equilibrium
    asked = {key: value for key, value in setup.items() if key != "start"} | {"frames": FRAMES}
    seen = simulate(chain, np.random.default_rng(seed), experiments=experiments, blocks=BLOCKS, **asked)
    entries, exits = expected_exchange(chain, **asked)
    inside = float(chain.stationary[chain.inside].sum())
    found = [
        _resistance(by_ion, by_time, inside) for by_ion, by_time in zip(seen.seen, seen.seen_blocks, strict=True)
    ]
    return _row(name, found, (entries + exits) / 2)


def _landscape(name: str, mean: int, experiments: int, seed: np.random.SeedSequence) -> Row:
    world, ions = Landscape(), 20
    counts = world.crossings(seed, experiments, ions, mean / ions / world.rate)
    return _row(name, [_resistance(one.sum(axis=1), one.sum(axis=0), 0.5) for one in counts], mean)


def _resistance(by_ion: NDArray[np.int64], by_time: NDArray[np.int64], inside: float) -> FaceResistance:
    """Return the resistance from the crossings (ions, 2) and (times, 2) in both directions."""
    index = dispersion(by_ion.sum(axis=1), by_time.sum(axis=1))
    entries, exits = (int(number) for number in by_ion.sum(axis=0))
    return counted_resistance(entries, exits, TIME, AREA, TEMPERATURE, LEVEL, dispersion=index, inside=inside)


def _row(name: str, found: list[FaceResistance], expected: float) -> Row:
    true = float(interfacial_resistance(expected / TIME, AREA, TEMPERATURE))
    return coverage_row(name, [one.low <= true <= one.high for one in found], nominal=LEVEL, low=0.93)


@numba.njit(cache=True)
def _walk(
    rng: np.random.Generator,
    share: NDArray[np.float64],
    up: NDArray[np.float64],
    down: NDArray[np.float64],
    left: int,
    right: int,
    time: float,
    counts: NDArray[np.int64],
) -> None:
    blocks = counts.shape[2]
    for experiment in range(counts.shape[0]):
        for ion in range(counts.shape[1]):
            place, now = np.searchsorted(share, rng.random()), 0.0
            side = -1
            while True:
                if place <= left:
                    if side == 1:
                        counts[experiment, ion, int(now / time * blocks), 1] += 1
                    side = 0
                elif place >= right:
                    if side == 0:
                        counts[experiment, ion, int(now / time * blocks), 0] += 1
                    side = 1
                now += rng.exponential() / (up[place] + down[place])
                if now >= time:
                    break
                place += 1 if rng.random() * (up[place] + down[place]) < up[place] else -1
