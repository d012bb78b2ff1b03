"""Coverage of free-energy barriers: smooth and rough landscapes, local features, few visits, off equilibrium."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from aiida_cse.physics.profiles.barriers import Barrier, ExchangeStatistics, Height, find_barrier
from benchmarks.statistics.landscapes import LAYER, TOP_SEARCH, WELL_SEARCH, Landscape, Walk, simulate
from benchmarks.statistics.rows import Case, Row, coverage_row

__all__ = [
    "VISITS",
    "barrier_cases",
    "barrier_of",
    "feature_cases",
    "few_blocks_cases",
    "found_barriers",
    "rough_cases",
]

LEVEL, HOT = 0.95, 700.0
IONS, BLOCKS = 20, 100
#: draws; enough for a coverage, fewer than the default
SAMPLES = 400
#: these experiments are long: one for each so many that are asked for
SHARE, ROUGH_SHARE = 5, 25
#: name: barrier in K and frames, for about as many visits of the top
VISITS = {1500: (3500.0, 60_000), 500: (3500.0, 20_000), 150: (5500.0, 60_000), 50: (5500.0, 20_000)}
FEW_VISITS = {15: (5500.0, 6_000), 3: (7000.0, 8_000)}
#: amplitudes (K) and periods (Å) of the roughness
ROUGH = [(0.0, 1.2), *((amplitude, period) for amplitude in (150.0, 300.0, 600.0) for period in (0.6, 1.2, 2.5))]
#: name: barrier without the feature (K), frames, height (K) and width (Å) of the feature, whether its sides are
#: sharp, and whether coverage is promised
FEATURES: dict[str, tuple[float, int, float, float, bool, bool]] = {
    "900 K, σ 0.4 Å": (5500.0, 60_000, 900.0, 0.4, False, True),
    "900 K, σ 0.25 Å": (5500.0, 60_000, 900.0, 0.25, False, True),
    "900 K, σ 0.15 Å": (5500.0, 60_000, 900.0, 0.15, False, False),
    "2000 K, σ 0.3 Å": (5500.0, 60_000, 2000.0, 0.3, False, True),
    "900 K in two bins": (5500.0, 60_000, 900.0, 0.2, True, False),
    "900 K in two bins, about 900 visits": (3500.0, 40_000, 900.0, 0.2, True, True),
    "box of 900 K and 3 Å": (4300.0, 60_000, 900.0, 1.5, True, True),
}
#: barrier, K, and frames of 60 ions of which none starts in the ceramic: 0.2 relaxation times, EC about 0.1
FILLING, FILLING_IONS, RELAXATIONS = 3960.0, 60, 0.2
ESTIMATES = {"maximum": "maximum", "tst": "TST", "resistance": "resistance"}
NO_INTERVAL = "experiments without 30 independent visits give no interval and are excluded"
BIASED = "known to fail; experiments without a maximum or without 30 visits are excluded"


def barrier_of(
    landscape: Landscape, seen: Walk, ions: int = IONS, *, slow: bool = True, equilibrated: bool = True
) -> Barrier:
    """Return the barrier that is found in a walk, with or without the error due to slow exchange."""
    outside = min(max(seen.outside, 0.5), ions - 0.5)
    return find_barrier(
        landscape.z,
        seen.counts.sum(axis=0),
        landscape.temperature,
        top=TOP_SEARCH,
        well=WELL_SEARCH,
        layer=LAYER,
        block_counts=seen.counts,
        exchange=ExchangeStatistics(seen.entries + seen.exits, outside, ions - outside) if slow else None,
        equilibrated=equilibrated,
        samples=SAMPLES,
    )


def found_barriers(
    height: float,
    frames: int,
    experiments: int,
    seed: np.random.SeedSequence,
    *,
    slow: bool = True,
    blocks: int = BLOCKS,
) -> list[Barrier]:
    """Return the barriers of a share of ``experiments`` with a smooth landscape."""
    landscape = Landscape(HOT, height, depth=500)
    return [
        barrier_of(landscape, simulate(landscape, IONS, frames, blocks, child), slow=slow)
        for child in seed.spawn(max(experiments // SHARE, 1))
    ]


# -- smooth landscapes ---------------------------------------------------------------------------------------


def barrier_cases() -> list[Case]:
    """Return the rows of barriers of ions that diffuse in a landscape; the true value is that of the landscape."""
    cases = []
    for visits, (height, frames) in VISITS.items():
        name = f"barrier: about {visits} visits"
        cases.append(Case(name, partial(_interval, name, height, frames)))
    name = "barrier: about 150 visits, blocks alone"
    cases.append(Case(name, partial(_interval_of_blocks, name, *VISITS[150])))
    for visits, (height, frames) in FEW_VISITS.items():
        name = f"barrier, lower bound: about {visits} visits"
        cases.append(Case(name, partial(_bound, name, height, frames)))
    return cases


def few_blocks_cases() -> list[Case]:
    """Return the row of a barrier from few blocks."""
    name = "barrier from 5 blocks: about 500 visits"
    return [Case(name, partial(_interval, name, *VISITS[500], blocks=5))]


def _interval(
    name: str, height: float, frames: int, experiments: int, seed: np.random.SeedSequence, *, blocks: int = BLOCKS
) -> Row:
    found = [one.maximum for one in found_barriers(height, frames, experiments, seed, blocks=blocks)]
    return coverage_row(name, _held(found, _smooth(height)), nominal=LEVEL, low=0.90, note=NO_INTERVAL)


def _interval_of_blocks(
    name: str, height: float, frames: int, experiments: int, seed: np.random.SeedSequence
) -> Row:
    """Omit the error due to slow exchange between the two sides, which blocks cannot show."""
    found = [one.maximum for one in found_barriers(height, frames, experiments, seed, slow=False)]
    return coverage_row(name, _held(found, _smooth(height)), nominal=LEVEL, low=0.0, note=NO_INTERVAL)


def _bound(name: str, height: float, frames: int, experiments: int, seed: np.random.SeedSequence) -> Row:
    truth = _smooth(height)
    held = [one.maximum.lower_bound <= truth for one in found_barriers(height, frames, experiments, seed)]
    return coverage_row(name, held, nominal=LEVEL, low=LEVEL)


def _smooth(height: float) -> float:
    return Landscape(HOT, height, depth=500).barriers["maximum"]


def _held(found: list[Height], truth: float) -> list[bool]:
    return [one.interval[0] <= truth <= one.interval[1] for one in found if np.isfinite(one.interval[0])]


# -- rough landscapes and runs off equilibrium ---------------------------------------------------------------


def rough_cases() -> list[Case]:
    """Return the rows of rough landscapes from about 150 visits, and of a run off equilibrium."""
    cases = []
    for estimate, title in ESTIMATES.items():
        for amplitude, period in ROUGH:
            what = f"{amplitude:g} K, {period:g} Å" if amplitude else "smooth"
            name = f"barrier, {title}: {what}"
            cases.append(Case(name, partial(_rough, name, estimate, amplitude, period)))
        name = f"barrier, {title}, lower bound: 0.2 relaxation times"
        cases.append(Case(name, partial(_filling, name, estimate)))
    name = "barrier: 0.2 relaxation times, taken for equilibrium"
    return [*cases, Case(name, partial(_taken_for_equilibrium, name))]


def feature_cases() -> list[Case]:
    """Return the rows of landscapes with one local feature on the top, from about 100 to 150 visits."""
    return [
        Case(name := f"barrier, {title}: {feature}", partial(_featured, name, estimate, feature))
        for estimate, title in ESTIMATES.items()
        for feature in FEATURES
    ]


def _rough(
    name: str, estimate: str, amplitude: float, period: float, experiments: int, seed: np.random.SeedSequence
) -> Row:
    height, frames = VISITS[150]
    landscape = Landscape(HOT, height, depth=500, roughness=amplitude, period=period)
    low = 0.95 if estimate == "maximum" else 0.90
    return _walked(name, estimate, landscape, frames, low, experiments, seed)


def _featured(name: str, estimate: str, feature: str, experiments: int, seed: np.random.SeedSequence) -> Row:
    barrier, frames, height, width, sharp, promised = FEATURES[feature]
    landscape = Landscape(HOT, barrier, depth=500, feature=height, feature_width=width, sharp=sharp)
    return _walked(name, estimate, landscape, frames, 0.90 if promised else 0.0, experiments, seed)


def _walked(
    name: str,
    estimate: str,
    landscape: Landscape,
    frames: int,
    low: float,
    experiments: int,
    seed: np.random.SeedSequence,
) -> Row:
    found = _walked_barriers(landscape, frames, max(experiments // ROUGH_SHARE, 1), seed.entropy)
    held = _held([getattr(one, estimate) for one in found], landscape.barriers[estimate])
    return coverage_row(name, held, nominal=LEVEL, low=low, note=NO_INTERVAL)


@lru_cache(maxsize=len(ROUGH) + len(FEATURES))
def _walked_barriers(landscape: Landscape, frames: int, number: int, entropy: int) -> tuple[Barrier, ...]:
    """Return the barriers of one landscape, whose experiments the rows of all estimates share."""
    shape = landscape.roughness + landscape.feature, landscape.period, landscape.feature_width
    seeds = np.random.SeedSequence([entropy, *(round(10 * value) for value in shape)]).spawn(number)
    return tuple(barrier_of(landscape, simulate(landscape, IONS, frames, BLOCKS, seed)) for seed in seeds)


def _filling(name: str, estimate: str, experiments: int, seed: np.random.SeedSequence) -> Row:
    truth = Landscape(HOT, FILLING, depth=500).barriers[estimate]
    found = _filling_barriers(max(experiments // ROUGH_SHARE, 1), seed.entropy, False)
    return coverage_row(
        name, [getattr(one, estimate).lower_bound <= truth for one in found], nominal=LEVEL, low=LEVEL
    )


def _taken_for_equilibrium(name: str, experiments: int, seed: np.random.SeedSequence) -> Row:
    found = _filling_barriers(max(experiments // ROUGH_SHARE, 1), seed.entropy, True)
    truth = Landscape(HOT, FILLING, depth=500).barriers["maximum"]
    held = _held([one.maximum for one in found], truth)
    return coverage_row(name, held, nominal=LEVEL, low=0.0, note=BIASED)


@lru_cache(maxsize=2)
def _filling_barriers(number: int, entropy: int, equilibrated: bool) -> tuple[Barrier, ...]:
    """Return the barriers of runs that start without an ion in the ceramic."""
    landscape = Landscape(HOT, FILLING, depth=500)
    inside = landscape.stationary[landscape.z < TOP_SEARCH[0] + 2.5].sum()
    frames = round(RELAXATIONS * inside / (landscape.entry_rate * landscape.stationary[landscape.layer].sum()))
    seeds = np.random.SeedSequence([entropy, number]).spawn(number)
    found = []
    for seed in seeds:
        seen = simulate(landscape, FILLING_IONS, frames, BLOCKS, seed, outside_only=True)
        try:
            found.append(barrier_of(landscape, seen, FILLING_IONS, equilibrated=equilibrated))
        except ValueError:  # the density falls all the way into the ceramic: no top, no barrier
            continue
    return tuple(found)
