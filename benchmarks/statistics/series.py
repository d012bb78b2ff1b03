"""Coverage of the interval of a population, and of the tests for drift and net flux.

Populations of ions are those of their analysis: the series and the share of time that each ion is inside. Ions are
independent or not, equal or not, with and without memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aiida_cse.physics.exchange.equilibration import net_flux_test
from aiida_cse.physics.statistics.timeseries import drift_test, populations
from benchmarks.statistics.chains import Chain, Experiments, autoregressive, simulate, two_state
from benchmarks.statistics.correlated import Crowds, attracting, gated, hopping, semi_markov, unequal
from benchmarks.statistics.rows import Case, Row, coverage_row

__all__ = ["balance_cases", "crowd_cases", "follower_cases", "population_cases", "stationarity_cases"]

LEVEL, LOW, HIGH = 0.95, 0.93, 0.97
FRAMES = 640
#: ions, and the share of them that is inside
IONS = {"60 ions, half inside": (60, 0.5), "10 ions, 3 inside": (10, 0.3), "60 ions, 1.8 inside": (60, 0.03)}
#: lengths in correlation times, and the coverage that is required of series so short
SHORT = {1: (0.0, 1.0), 5: (0.87, 1.0), 10: (0.9, HIGH)}
LONG = (20, 50, 200)
#: coverage required of ions that do not interact, and of attracting ions from 20 relaxation times on
IONS_LOW, ATTRACTING_LOW = 0.92, 0.90
#: experiments that are simulated together, which bounds the memory
TOGETHER = 250
REFUSED = "experiments in which fewer than five ions moved give no interval and are excluded"
#: slow exchange of inner sites behind quick exchange at the surface of a region, and of traps outside of it
DEEP = Chain(np.array([[0, 0.5, 0], [0.5, 0, 0.02], [0, 0.02, 0]]), np.array([False, True, True]))
TRAP = Chain(np.array([[0, 0.01, 0], [0.02, 0, 0.5], [0, 0.5, 0]]), np.array([False, False, True]))

OUTSIDE = np.array([0.0, 1.0])
#: what is off balance: 60 ions that fill an empty region, by their expected entries and exits
FILLING = {"22 + 5": two_state(0.45, 0.45), "42 + 22": two_state(0.9, 1.6)}
#: the same number of ions that stay at equilibrium, by its length
BALANCED = {
    "1 correlation time": (two_state(0.5, 0.5), 1.0),
    "20 correlation times": (two_state(0.5, 0.5), 20.0),
}

Series = NDArray[np.float64]


def population_cases() -> list[Case]:
    """Return the rows of populations; the true value is the mean at equilibrium."""
    cases = []
    for times in (*LONG, *SHORT):
        limits = SHORT.get(times, (LOW, HIGH))
        length = f"{times} correlation time{'s' if times > 1 else ''}"
        for what, (ions, share) in IONS.items():
            name = f"population: {what}, {length}"
            chain = two_state(share, 1 - share)
            model = partial(hopping, chain=chain, ions=ions, time=float(times), frames=FRAMES)
            cases.append(Case(name, partial(_number_inside, name, model, ions * share, IONS_LOW)))
        for what, flicker in (("AR(1)", 0.0), ("AR(1) and flicker", 1.0)):
            name = f"population: {what}, {length}"
            cases.append(Case(name, partial(_gaussian, name, flicker, times, limits)))
    name = "population: independent frames"
    cases.append(Case(name, partial(_gaussian, name, 0.0, 100 * FRAMES, (LOW, HIGH))))
    name = "population: ± 1.96 standard errors, 20 correlation times"
    cases.append(Case(name, partial(_standard_error, name)))
    return cases


def crowd_cases() -> list[Case]:
    """Return the rows of populations of 60 ions that are no independent, equal two-state processes."""
    ions, entries = 60, 300.0
    models: dict[str, tuple[Callable[..., Crowds], float]] = {
        "two time scales, deep sites": (partial(hopping, chain=DEEP, time=20.0), IONS_LOW),
        "two time scales, traps": (partial(hopping, chain=TRAP, time=20.0), IONS_LOW),
        **{
            f"unequal rates, σ = {spread:g}": (partial(unequal, entries=entries, spread=spread), IONS_LOW)
            for spread in (1.5, 3.0)
        },
        **{
            f"gate, {openings} openings on average": (
                partial(gated, entries=10.0 * openings, openings=openings),
                IONS_LOW,
            )
            for openings in (3, 5, 10, 30)
        },
        **{
            f"semi-Markov, σ = {sigma:g}": (partial(semi_markov, entries=entries, sigma=sigma), IONS_LOW)
            for sigma in (1.0, 2.0, 2.5)
        },
        # four times the variance and about the relaxation time of independent ions
        **{
            f"attracting, {times} relaxation times": (
                partial(attracting, coupling=1.5, relaxation_times=times),
                ATTRACTING_LOW if times >= 20 else 0.0,
            )
            for times in (5, 10, 20)
        },
        "repelling, 20 relaxation times": (partial(attracting, coupling=-6.0, relaxation_times=20), LEVEL),
    }
    cases = []
    for what, (model, low) in models.items():
        name = f"population: {what}"
        chain = model.keywords.get("chain", two_state(0.5, 0.5))
        truth = ions * float(chain.stationary @ chain.inside)
        measured = partial(_number_inside, name, partial(model, ions=ions, frames=FRAMES), truth, low)
        cases.append(Case(name, partial(_of_fewer, measured)))
    return cases


def follower_cases() -> list[Case]:
    """Return the rows of populations of ions that all follow a slow environment: the limit of the interval."""
    cases = []
    for times in (1, 3, 10):
        name = f"population: slow environment, {times} relaxation time{'s' if times > 1 else ''}"
        cases.append(Case(name, partial(_of_fewer, partial(_followed, name, float(times)))))
    return cases


def _followed(name: str, times: float, experiments: int, seed: np.random.SeedSequence) -> Row:
    """Return the coverage of the mean number of 60 ions whose environment has two states.

    Each ion is inside with a probability of 0.3 or 0.7, that of the state, to which it relaxes 300 times in a run.
    """
    ions, quick, rng, held = 60, 300 / FRAMES, np.random.default_rng(seed), []
    for first in range(0, experiments, TOGETHER):
        number = min(TOGETHER, experiments - first)
        state = rng.random(number) < 0.5
        inside = np.empty((FRAMES, number, ions), dtype=np.bool_)
        inside[0] = rng.random((number, ions)) < np.where(state, 0.7, 0.3)[:, None]
        for frame in range(1, FRAMES):
            # either state is left at half of the rate at which the environment relaxes
            state ^= rng.random(number) < times / (2 * FRAMES)
            drawn = rng.random((number, ions)) < np.where(state, 0.7, 0.3)[:, None]
            inside[frame] = np.where(rng.random((number, ions)) < quick, drawn, inside[frame - 1])
        for one in inside.transpose(1, 0, 2):
            found = populations(one.sum(axis=1), shares=one.mean(axis=0), level=LEVEL)["count"]
            held.append(found.interval[0] <= ions / 2 <= found.interval[1])
    return coverage_row(name, held, nominal=LEVEL, low=0.0, note="slow collective motion")


def stationarity_cases() -> list[Case]:
    """Return the rows of the tests of the verdict: how often ions at equilibrium pass them at 5 %."""
    ions, share = IONS["60 ions, half inside"]
    limits = {1: (0.0, 1.0), 5: (0.85, 1.0), 20: (LOW, HIGH), 200: (LOW, HIGH)}
    cases = []
    for times, limit in limits.items():
        name = f"no drift: 60 ions, half inside, {times} correlation time{'s' if times > 1 else ''}"
        cases.append(Case(name, partial(_drift, name, ions, share, times, limit)))
    for times in limits:
        name = f"no net flux: 60 ions, half inside, {times} correlation time{'s' if times > 1 else ''}"
        cases.append(Case(name, partial(_net_flux, name, ions, share, times)))
    return cases


def balance_cases() -> list[Case]:
    """Return the rows that compare three tests on ions that fill a region, and a binomial test at equilibrium."""
    cases = []
    for what, chain in FILLING.items():
        for test, passes in TESTS.items():
            name = f"{test}: 60 ions on the way in, {what}"
            cases.append(Case(name, partial(_balance, name, chain, 1.0, OUTSIDE, passes)))
    for what, (chain, time) in BALANCED.items():
        name = f"even counts: 60 ions, half inside, {what}"
        cases.append(Case(name, partial(_balance, name, chain, time, None, _binomial_passes)))
    return cases


def _balance(
    name: str,
    chain: Chain,
    time: float,
    start: Series | None,
    passes: Callable[[Experiments], list[bool]],
    experiments: int,
    seed: np.random.SeedSequence,
) -> Row:
    seen = simulate(
        chain, np.random.default_rng(seed), experiments=experiments, ions=60, time=time, frames=100, start=start
    )
    note = "a low share of passes shows a powerful test" if start is not None else ""
    return coverage_row(name, passes(seen), nominal=LEVEL, low=0.0, note=note)


def _net_flux_passes(seen: Experiments) -> list[bool]:
    fluxes = seen.seen_blocks @ [1, -1]
    return [net_flux_test(flux).p_value >= 1 - LEVEL for flux in fluxes]


def _drift_passes(seen: Experiments) -> list[bool]:
    return [drift_test(series).p_value >= 1 - LEVEL for series in seen.inside]


def _binomial_passes(seen: Experiments) -> list[bool]:
    """Compare all entries with all exits as if they were independent events of equal probability."""
    counts = seen.seen.sum(axis=1)
    p_values = 2 * stats.binom.cdf(counts.min(axis=1), counts.sum(axis=1), 0.5)
    return (p_values >= 1 - LEVEL).tolist()


TESTS = {
    "no net flux": _net_flux_passes,
    "no drift": _drift_passes,
    "even counts": _binomial_passes,
}


def _number_inside(
    name: str,
    model: Callable[..., Crowds],
    truth: float,
    low: float,
    experiments: int,
    seed: np.random.SeedSequence,
) -> Row:
    """Return the coverage of the mean number of ions inside, as it is analysed."""
    rng, held, refused = np.random.default_rng(seed), [], False
    for first in range(0, experiments, TOGETHER):
        for inside in model(rng, experiments=min(TOGETHER, experiments - first)).inside:
            found = populations(inside.sum(axis=0), shares=inside.mean(axis=1), level=LEVEL)["count"]
            if found.error_from is None:
                refused = True
            else:
                held.append(found.interval[0] <= truth <= found.interval[1])
    return coverage_row(name, held, nominal=LEVEL, low=low, note=REFUSED if refused else "")


def _of_fewer(
    measure: Callable[[int, np.random.SeedSequence], Row], experiments: int, seed: np.random.SeedSequence
) -> Row:
    """Measure a row with one fifth of the experiments."""
    return measure(max(experiments // 5, 1), seed)


def _gaussian(
    name: str,
    flicker: float,
    times: int,
    limits: tuple[float, float],
    experiments: int,
    seed: np.random.SeedSequence,
) -> Row:
    rng = np.random.default_rng(seed)
    series = autoregressive(rng, experiments=experiments, frames=FRAMES, correlation_time=FRAMES / times)
    return _row(name, series + flicker * rng.normal(size=series.shape), 0.0, limits)


def _standard_error(name: str, experiments: int, seed: np.random.SeedSequence) -> Row:
    ions, share = IONS["60 ions, half inside"]
    found = [populations(one)["count"] for one in _exchange(ions, share, 20, experiments, seed)]
    held = [abs(one.mean - ions * share) <= 1.96 * one.standard_error for one in found]
    return coverage_row(name, held, nominal=LEVEL, low=0.0, high=0.92, note="known to fail, and detected")


def _drift(
    name: str,
    ions: int,
    share: float,
    times: int,
    limits: tuple[float, float],
    experiments: int,
    seed: np.random.SeedSequence,
) -> Row:
    held = [drift_test(one).p_value >= 1 - LEVEL for one in _exchange(ions, share, times, experiments, seed)]
    return coverage_row(name, held, nominal=LEVEL, low=limits[0], high=limits[1])


def _net_flux(
    name: str, ions: int, share: float, times: int, experiments: int, seed: np.random.SeedSequence
) -> Row:
    inside = _exchange(ions, share, times, experiments, seed)
    fluxes = np.diff(inside[:, :: FRAMES // 16], axis=1)
    held = [net_flux_test(flux).p_value >= 1 - LEVEL for flux in fluxes]
    return coverage_row(name, held, nominal=LEVEL, low=LEVEL)


def _exchange(ions: int, share: float, times: int, experiments: int, seed: np.random.SeedSequence) -> Series:
    """Return the number of ions inside (experiments, frames); time is in correlation times."""
    seen = simulate(
        two_state(share, 1 - share),
        np.random.default_rng(seed),
        experiments=experiments,
        ions=ions,
        time=float(times),
        frames=FRAMES,
    )
    return seen.inside[:, 1:].astype(np.float64)


def _row(name: str, series: Series, truth: float, limits: tuple[float, float]) -> Row:
    held = []
    for one in series:
        low, high = populations(one, level=LEVEL)["count"].interval
        held.append(low <= truth <= high)
    return coverage_row(name, held, nominal=LEVEL, low=limits[0], high=limits[1])
