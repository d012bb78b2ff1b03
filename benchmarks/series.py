"""Coverage of the interval of a population, and of the tests for a drift and a net flux, on correlated series."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.equilibration import net_flux_test
from aiida_cse.physics.populations import drift_test, populations
from benchmarks.chains import autoregressive, simulate, two_state
from benchmarks.rows import Case, Row, coverage_row

__all__ = ["population_cases", "stationarity_cases"]

LEVEL, LOW, HIGH = 0.95, 0.93, 0.97
FRAMES = 640
#: ions, and the share of them that is inside
IONS = {"60 ions, half inside": (60, 0.5), "10 ions, 3 inside": (10, 0.3), "60 ions, 1.8 inside": (60, 0.03)}
#: lengths in correlation times, and the coverage that is required of series so short
SHORT = {1: (0.0, 1.0), 5: (0.87, 1.0), 10: (0.9, HIGH)}
LONG = (20, 50, 200)

Series = NDArray[np.float64]


def population_cases() -> list[Case]:
    """Return the rows of populations; the truth is the mean at equilibrium."""
    cases = []
    for times in (*LONG, *SHORT):
        limits = SHORT.get(times, (LOW, HIGH))
        length = f"{times} correlation time{'s' if times > 1 else ''}"
        for what, (ions, share) in IONS.items():
            name = f"population: {what}, {length}"
            cases.append(Case(name, partial(_ions, name, ions, share, times, limits)))
        for what, flicker in (("AR(1)", 0.0), ("AR(1) and flicker", 1.0)):
            name = f"population: {what}, {length}"
            cases.append(Case(name, partial(_gaussian, name, flicker, times, limits)))
    name = "population: independent frames"
    cases.append(Case(name, partial(_gaussian, name, 0.0, 100 * FRAMES, (LOW, HIGH))))
    name = "population: ± 1.96 standard errors, 20 correlation times"
    cases.append(Case(name, partial(_standard_error, name)))
    return cases


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


def _ions(
    name: str,
    ions: int,
    share: float,
    times: int,
    limits: tuple[float, float],
    experiments: int,
    seed: np.random.SeedSequence,
) -> Row:
    return _row(name, _exchange(ions, share, times, experiments, seed), ions * share, limits)


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
    return coverage_row(name, held, nominal=LEVEL, low=0.0, high=0.92, note="fails, and must be seen to fail")


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
