"""Coverage of rates extrapolated to 400 K."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy import stats

from aiida_cse.physics.kinetics.arrhenius_fit import Kinetics, joint_kinetics
from aiida_cse.physics.kinetics.measured import MeasuredRate
from aiida_cse.physics.kinetics.observations import Observation
from benchmarks.statistics.barriers import barrier_of
from benchmarks.statistics.chains import simulate, two_state
from benchmarks.statistics.landscapes import Landscape, Walk
from benchmarks.statistics.landscapes import simulate as walk
from benchmarks.statistics.rows import Case, Row, coverage_row

__all__ = ["extrapolation_cases", "hard_cases"]

LEVEL = 0.95
HOT, TARGET = 700.0, 400.0
IONS, BLOCKS = 20, 100
#: draws; enough for a coverage, fewer than the default
DRAWS = 4000
#: these experiments are long: one for each so many that are asked for
SHARE = 5
#: energy of the chains' law, K
ENERGY = 6500.0
#: temperatures and expected entries at the hottest one
CHAINS = {
    "123 entries": ((700.0, 600.0, 500.0), 100.0),
    "36 entries at two temperatures": ((700.0, 600.0), 30.0),
    "49 entries of replicas": ((700.0, 700.0, 600.0, 600.0), 20.0),
}
FEW_ENTRIES = {"9 entries": ((700.0, 600.0, 500.0), 7.0), "2 entries": ((700.0, 600.0, 500.0), 1.5)}
#: where bounds are hardest to keep: between the runs, at one of them, and where the rate depends little on T
HARD = {
    "650 K, between runs": ((700.0, 600.0, 500.0), 650.0, ENERGY),
    "600 K, far from both runs": ((700.0, 500.0), 600.0, ENERGY),
    "700 K, where a run is": ((700.0, 600.0, 500.0), 700.0, ENERGY),
    "600 K, law of 500 K": ((700.0, 500.0), 600.0, 500.0),
    "400 K, law of 500 K": ((700.0, 600.0), 400.0, 500.0),
}
#: temperatures of rates that are measured from four ladders each, the true standard errors of their ln Γ, and the
#: temperatures of the runs that count
MEASURED = {
    "counts at 700 to 900 K, measured at 400 K": ((400.0,), (0.3,), (900.0, 800.0, 700.0)),
    "counts at 700 to 900 K, measured at 450 and 550 K": ((450.0, 550.0), (0.3, 0.3), (900.0, 800.0, 700.0)),
    "unequal errors": ((450.0, 550.0), (0.6, 0.15), (900.0, 800.0, 700.0)),
    "nothing counted, measured at 350 to 500 K": ((350.0, 400.0, 450.0, 500.0), (0.3,) * 4, ()),
}
#: name, rate over the mean of both faces, and mean number of ions that are seen in the layer, of two unequal faces
FACES = (("left", 32 / 25, 12.0), ("right", 4 / 25, 4.0))
ONE_FACE = (("", 1.0, 12.0),)
LADDERS = 4
BOTH_BOUNDS = "both bounds together, each at 97.5 %"


# -- rates at 400 K ------------------------------------------------------------------------------------------


def extrapolation_cases() -> list[Case]:
    """Return the rows of rates at 400 K from hotter ions whose entries and exits alternate."""
    cases = []
    for what, (temperatures, entries) in CHAINS.items():
        name = f"rate at 400 K: {what}"
        cases.append(Case(name, partial(_posterior, name, temperatures, entries)))
    for what, (temperatures, entries) in FEW_ENTRIES.items():
        name = f"rate at 400 K, bounds: {what}"
        cases.append(Case(name, partial(_bounds, name, temperatures, entries)))
    for what, given in MEASURED.items():
        name = f"rate at 400 K: {what}"
        cases.append(Case(name, partial(_measured, name, *given)))
    name = "rate at 400 K: both faces measured, rates 8:1, 12 and 4 ions"
    given = ((400.0,), (0.2,), (900.0, 800.0, 700.0))
    cases.append(Case(name, partial(_measured, name, *given, faces=FACES)))
    name = "rate at 400 K: from the trajectories"
    cases.append(Case(name, partial(_from_trajectories, name)))
    return cases


def hard_cases() -> list[Case]:
    """Return the rows of the least favourable bounds of rates."""
    cases = []
    for what, (temperatures, target, energy) in HARD.items():
        name = f"rate, bounds: 7 entries, {what}"
        cases.append(Case(name, partial(_bounds, name, temperatures, 7.0, target=target, energy=energy)))
    return cases


def _posterior(
    name: str, temperatures: Sequence[float], entries: float, experiments: int, seed: np.random.SeedSequence
) -> Row:
    rates = [found.rates[0].rate for found in _chains(temperatures, entries, experiments, seed)]
    held = [rate.low <= _law(TARGET) <= rate.high for rate in rates]
    return coverage_row(name, held, nominal=LEVEL, low=0.90, high=0.98)


def _measured(
    name: str,
    temperatures: Sequence[float],
    errors: Sequence[float],
    counted: Sequence[float],
    experiments: int,
    seed: np.random.SeedSequence,
    *,
    faces: Sequence[tuple[str, float, float]] = ONE_FACE,
) -> Row:
    """Return the coverage of joint fits of counts and of rates whose error is that between a few ladders."""
    held = []
    for one in seed.spawn(_number(experiments)):
        rng = np.random.default_rng(one)
        exposure = 30 / _law(700.0)
        observations = [
            Observation(kelvin, int(rng.poisson(_law(kelvin) * exposure)), exposure, label=f"{kelvin:g} K")
            for kelvin in counted
        ]
        measured = [
            _crossing(kelvin, error, face, rng)
            for kelvin, error in zip(temperatures, errors, strict=True)
            for face in faces
        ]
        found = joint_kinetics(
            observations, (TARGET,), measured=measured, laws=("arrhenius",), level=LEVEL, samples=DRAWS
        )
        rate_at_target = found.rates[0].rate
        held.append(rate_at_target.low <= _law(TARGET) <= rate_at_target.high)
    return coverage_row(name, held, nominal=LEVEL, low=0.92, high=0.98)


def _crossing(
    kelvin: float, error: float, face: tuple[str, float, float], rng: np.random.Generator
) -> MeasuredRate:
    """Return a rate of one face from four ladders whose mean has this standard error of ln Γ."""
    name, factor, ions = face
    ladders = rng.normal(np.log(factor * _law(kelvin)), error * LADDERS**0.5, LADDERS)
    reach = stats.t.ppf((1 + LEVEL) / 2, LADDERS - 1) / stats.norm.ppf((1 + LEVEL) / 2)
    log_error = float(np.clip(ladders.std(ddof=1) * LADDERS**-0.5 * reach, *MeasuredRate.LOG_ERRORS))
    seen = int(rng.poisson(ions))
    label, rate = f"{kelvin:g} K, measured {name}", float(np.exp(ladders.mean()))
    return MeasuredRate(kelvin, rate, log_error, label=label, face=name, ions=seen or None, counted=seen)


def _bounds(
    name: str,
    temperatures: Sequence[float],
    entries: float,
    experiments: int,
    seed: np.random.SeedSequence,
    *,
    target: float = TARGET,
    energy: float = ENERGY,
) -> Row:
    found = _chains(temperatures, entries, experiments, seed, target=target, energy=energy)
    truth = _law(target, energy)
    held = [one.rates[0].lower_bound <= truth <= one.rates[0].upper_bound for one in found]
    return coverage_row(name, held, nominal=LEVEL, low=LEVEL, note=BOTH_BOUNDS)


def _law(temperature: float, energy: float = ENERGY) -> float:
    """Return the entry rate of the chains, 1 at the highest temperature."""
    return float(np.exp(-energy * (1 / temperature - 1 / HOT)))


def _chains(
    temperatures: Sequence[float],
    entries: float,
    experiments: int,
    seed: np.random.SeedSequence,
    *,
    target: float = TARGET,
    energy: float = ENERGY,
) -> list[Kinetics]:
    number = _number(experiments)
    runs = []
    for temperature, child in zip(temperatures, seed.spawn(len(temperatures)), strict=True):
        chain = two_state(_law(temperature, energy), _law(temperature, energy) / 2)
        time = entries / (IONS * chain.stationary[1])
        seen = simulate(chain, np.random.default_rng(child), experiments=number, ions=IONS, time=time, frames=10)
        runs.append((temperature, seen.events[:, :, 0].sum(axis=1), seen.exposure))
    return [
        joint_kinetics(
            [Observation(t, int(events[i]), float(exposure[i]), conditioned=True) for t, events, exposure in runs],
            (target,),
            laws=["arrhenius"],
            samples=DRAWS,
            seed=i,
        )
        for i in range(number)
    ]


def _from_trajectories(name: str, experiments: int, seed: np.random.SeedSequence) -> Row:
    """Count entries and fit barriers at three temperatures, and predict the rate at a fourth."""
    height, frames = 4000.0, 20_000
    landscapes = [_scaled(temperature, height) for temperature in (700.0, 600.0, 500.0)]
    truth = _scaled(TARGET, height).entry_rate
    held = []
    for child in seed.spawn(_number(experiments)):
        grandchildren = child.spawn(len(landscapes))
        runs = [
            _observation(one, walk(one, IONS, frames, BLOCKS, grandchild))
            for one, grandchild in zip(landscapes, grandchildren, strict=True)
        ]
        rate = joint_kinetics(runs, (TARGET,), laws=["arrhenius"], samples=DRAWS).rates[0].rate
        held.append(rate.low <= truth <= rate.high)
    return coverage_row(name, held, nominal=LEVEL, low=0.90, high=0.98)


def _scaled(temperature: float, height: float) -> Landscape:
    """Return a landscape in which diffusion is proportional to T, so that the rate follows Arrhenius' law."""
    return Landscape(temperature, height, depth=500, jumps=round(40 * temperature / HOT))


def _observation(landscape: Landscape, seen: Walk) -> Observation:
    found = barrier_of(landscape, seen).tst
    known = found is not None and np.isfinite(found.standard_error)
    return Observation(
        temperature=landscape.temperature,
        events=seen.entries,
        exposure=float(seen.counts[:, landscape.layer].sum()),
        conditioned=True,
        barrier=found.value if known else None,
        barrier_error=found.standard_error if known else None,
    )


def _number(experiments: int) -> int:
    return max(experiments // SHARE, 1)
