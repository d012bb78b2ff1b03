"""Coverage and cost of the rate of a crossing from umbrella windows and short trajectories, on known landscapes.

``python -m benchmarks.crossing`` prints one row per landscape: in how many experiments the interval of Γ holds the
exact rate, in which share of the bins that of F holds the exact F, the mean error of ln Γ, and how many force
evaluations counting spontaneous events of 15 ions at once needs for the same error, relative to those spent. The
exit code is 0 only if the targets hold: Γ in at least 93 % of all experiments and 88 % in each row, F in 90 to
98 % of the bins, and the gain of the rows that name one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.crossing.reactive_flux import crossing_rate, transmission
from aiida_cse.physics.crossing.umbrella import UmbrellaWindow, umbrella_profile
from benchmarks.crossing.landscapes import MASS_KG, STEP, Landscape

__all__ = ["CASES", "Case", "Outcome", "experiment", "main"]

#: Å: the well, its bins and windows up to the top
WELL = (-7.0, -2.5)
EDGES = np.arange(-7.1, 1.2, 0.2)
CENTRES = np.arange(-6.5, 1.01, 0.5)
LADDERS, STRUCTURES = 4, 8
#: k_B T over the spring constant, Å²
VARIANCE = 0.16
SAMPLES, SHOTS = 600, 250
#: ions that a run watches at once
IONS = 15
SEEDS, QUICK, FIRST = 100, 12, 2026


@dataclass(frozen=True)
class Case:
    """A landscape, the steps between two samples of a window, and the least gain over brute force."""

    name: str
    landscape: Landscape
    every: int = 50
    gain: float = 0.0


CASES = (
    Case("friction 3 per ps", Landscape(friction=3.0), gain=20),
    Case("friction 50 per ps", Landscape(friction=50.0), gain=20),
    Case("friction 250 per ps", Landscape(friction=250.0), 200),
    Case("friction 50, rough", Landscape(friction=50.0, roughness=300.0), gain=20),
    Case("friction 250, rough", Landscape(friction=250.0, roughness=300.0), 200),
    Case("friction 3, rough, tilted", Landscape(friction=3.0, roughness=300.0, tilt=150.0), gain=20),
    Case("friction 50, 440 K", Landscape(friction=50.0, temperature=440.0), gain=1000),
    Case("friction 50, hidden slow coordinate", Landscape(friction=50.0, hidden=600.0, hidden_time=15.0)),
)


@dataclass(frozen=True)
class Outcome:
    """One experiment: whether Γ and which share of the bins hold, the error of ln Γ, and the evaluations."""

    holds: bool
    bins: float
    error: float
    log_error: float
    evaluations: int


def experiment(case: Case, seed: int, exact: float) -> Outcome:
    """Run windows and short trajectories of one seed, and compare with the exact answers."""
    world, rng = case.landscape, np.random.default_rng([FIRST, seed])
    spring = world.temperature / VARIANCE
    windows = [
        UmbrellaWindow(float(place), spring, world.window(rng, float(place), spring, SAMPLES, case.every), ladder)
        for ladder in range(LADDERS)
        for place in CENTRES
    ]
    profile = umbrella_profile(windows, EDGES, world.temperature, WELL)
    shots = [world.shots(rng, SHOTS) for _ in range(STRUCTURES)]
    kappa = transmission(
        np.concatenate([one.velocities for one in shots]),
        np.concatenate([one.reactive for one in shots]),
        np.repeat(np.arange(STRUCTURES), SHOTS),
    )
    rate = crossing_rate(profile, world.surface, kappa, MASS_KG)
    low, high = profile.interval()
    true = world.relative(EDGES, WELL)
    # bins that the wall or the last window leaves nearly empty are not part of the answer
    used = (profile.centres > -6) & (profile.centres < 0.5)
    held: NDArray[np.bool_] = (low <= true) & (true <= high)
    return Outcome(
        rate.low <= exact <= rate.high,
        float(held[used].mean()),
        float(np.log(rate.value / exact)),
        rate.log_error,
        len(windows) * SAMPLES * case.every + sum(one.evaluations for one in shots),
    )


def measure(case: Case, seeds: int) -> tuple[list[Outcome], float, float]:
    """Return the outcomes, the exact rate (s⁻¹), and the gain over brute force at the same error."""
    exact = case.landscape.exact_rate(WELL)
    found = [experiment(case, seed, exact) for seed in range(seeds)]
    # n events have a relative error of 1 / √n
    spread = float(np.std([one.error for one in found]))
    brute = 1 / (spread**2 * exact * IONS * STEP * 1e-12)
    return found, exact, brute / float(np.mean([one.evaluations for one in found]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crossing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} seeds a row, without the limits of a row")
    parser.add_argument("--seeds", type=int, help=f"per row; {SEEDS} without")
    parser.add_argument("--rows", nargs="+", default=[], metavar="TEXT", help="only rows with TEXT in their name")
    options = parser.parse_args(arguments)
    seeds = options.seeds or (QUICK if options.quick else SEEDS)
    print(f"{'landscape':<38} {'Γ exact, s⁻¹':>12} {'Γ holds, %':>12} {'F holds, %':>10} {'ln Γ':>14} {'gain':>9}")
    held: list[bool] = []
    fails = 0
    for case in CASES:
        if options.rows and not any(text in case.name for text in options.rows):
            continue
        found, exact, gain = measure(case, seeds)
        share, bins = np.mean([one.holds for one in found]), np.mean([one.bins for one in found])
        errors = np.array([one.error for one in found])
        noise = 2 * np.sqrt(0.88 * 0.12 / seeds)
        wrong = share < 0.88 - noise or not 0.90 - 0.1 / np.sqrt(seeds) <= bins <= 0.99 or gain < case.gain
        fails, held = fails + wrong, held + [one.holds for one in found]
        print(
            f"{case.name:<38} {exact:12.3g} {100 * share:12.1f} {100 * bins:10.1f} "
            f"{errors.mean():+6.2f} ± {errors.std():4.2f} {gain:9.3g}{'  FAILS' * wrong}",
            flush=True,
        )
    total = float(np.mean(held))
    fails += total < 0.93 - 2 * np.sqrt(0.93 * 0.07 / len(held))
    print(f"{len(held)} experiments: Γ holds in {100 * total:.1f} %; {fails} fail")
    return int(fails > 0)


if __name__ == "__main__":
    sys.exit(main())
