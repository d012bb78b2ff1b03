"""Coverage and cost of the rate of a crossing from umbrella windows and short trajectories, on known landscapes.

``python -m benchmarks.crossing`` prints one row per landscape: the barrier (top minus minimum of the well), in how
many experiments the intervals of Γ and κ hold the exact values, in which share of the bins that of F does, the
mean and scatter of ln(Γ / exact), and the gain. The gain is the number of force evaluations of the whole system
with which counting spontaneous crossings of 15 ions at once has the same root-mean-square error of ln Γ, over
those of an experiment.

An experiment is charged for every step of all windows, their relaxation included, for one more window per
structure from which short trajectories begin, and for every step of these. Counting is charged for the mean time
between crossings alone, in steps as long as those of the windows.

The exit code is 0 only if Γ and κ each hold in at least 93 % of all experiments and 88 % of those of each row, F
in 90 to 98 % of the bins of each row, and the gain is at least 20 at 700 K, where each barrier is 11 k_BT, and
1000 from 16 k_BT on. With fewer than 100 seeds two standard errors are allowed for.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.crossing.reactive_flux import Transmission, crossing_rate, transmission
from aiida_cse.physics.crossing.umbrella import UmbrellaProfile, UmbrellaWindow, umbrella_profile
from benchmarks.crossing.landscapes import MASS_KG, STEP, Landscape

__all__ = ["CASES", "Case", "Exact", "Outcome", "experiment", "main"]

Floats = NDArray[np.float64]

#: Å: the well, its bins and windows up to the top; edges lie half-way between places of the grid of the exact rate
WELL = (-7.11, -2.51)
EDGES = np.linspace(-7.11, 1.09, 42)
CENTRES = np.arange(-6.5, 1.01, 0.5)
LADDERS, STRUCTURES = 6, 8
#: K Å⁻²; softer springs, at which the curvature of the top nearly makes windows flat, bias F
SPRING = 4375.0
SHOTS = 250
#: ions that a run watches at once
IONS = 15
SEEDS, QUICK, FIRST = 100, 12, 2026
#: least share of the intervals of Γ and κ that hold: of all rows together, and of each
POOLED, LEAST = 0.93, 0.88
#: share of the bins in which F holds, and the standard deviation of that of one experiment
BAND, SCATTER = (0.90, 0.98), 0.06


@dataclass(frozen=True)
class Case:
    """A landscape, the steps between two samples of a window, these samples, and the least gain over counting."""

    name: str
    landscape: Landscape
    every: int = 50
    samples: int = 400
    gain: float = 20.0


#: heights for a barrier of 11 k_BT at 700 K
SMOOTH, ROUGH, TILTED, HIDDEN = 7724.0, 7181.0, 6353.0, 7982.0
CASES = (
    Case("friction 3 per ps", Landscape(SMOOTH, friction=3.0)),
    Case("friction 50 per ps", Landscape(SMOOTH, friction=50.0)),
    Case("friction 250 per ps", Landscape(SMOOTH, friction=250.0), 400, 200),
    Case("friction 50, rough", Landscape(ROUGH, friction=50.0, roughness=300.0)),
    Case("friction 250, rough", Landscape(ROUGH, friction=250.0, roughness=300.0), 400, 200),
    Case("friction 3, rough, tilted", Landscape(TILTED, friction=3.0, roughness=300.0, tilt=150.0)),
    Case("friction 50, hidden slow coordinate", Landscape(HIDDEN, hidden=600.0, hidden_time=15.0), 200, 600),
    Case("friction 50, 480 K", Landscape(SMOOTH, temperature=480.0), gain=1000),
    Case("friction 50, 400 K", Landscape(SMOOTH, temperature=400.0), gain=1000),
)


@dataclass(frozen=True)
class Exact:
    """The exact rate (s⁻¹), κ, and F of the bins (B,), K."""

    rate: float
    kappa: float
    free_energy: Floats

    @classmethod
    def of(cls, world: Landscape) -> Exact:
        """Return the exact answers of a landscape."""
        rate = world.exact_rate(WELL)
        return cls(rate, rate / world.transition_state_rate(WELL), world.relative(EDGES, WELL))


@dataclass(frozen=True)
class Outcome:
    """One experiment: whether Γ and κ and which share of the bins hold, the error of ln Γ, and the evaluations."""

    rate: bool
    kappa: bool
    bins: float
    error: float
    evaluations: int


@dataclass(frozen=True)
class Row:
    """All experiments of a case."""

    case: Case
    exact: Exact
    outcomes: Sequence[Outcome]

    def share(self, name: str) -> float:
        """Return the mean of an attribute of the outcomes."""
        return float(np.mean([getattr(one, name) for one in self.outcomes]))

    @property
    def errors(self) -> Floats:
        """ln(Γ / exact) of each experiment."""
        return np.array([one.error for one in self.outcomes])

    @property
    def gain(self) -> float:
        """Evaluations that counting takes for the same error, over those of an experiment."""
        # n events have a relative error of 1 / √n
        events = 1 / float(np.mean(self.errors**2))
        return events / (self.exact.rate * IONS * STEP * 1e-12) / self.share("evaluations")

    def failures(self) -> list[str]:
        """Return the limits that the row misses, with what was found."""
        number = len(self.outcomes)
        few = number < SEEDS
        found = []
        for letter, name in (("Γ", "rate"), ("κ", "kappa")):
            if self.share(name) < LEAST - allowance(LEAST, number):
                found.append(f"{letter} holds in {100 * self.share(name):.1f} % (needs ≥ {100 * LEAST:.0f})")
        noise = 2 * SCATTER / np.sqrt(number) * few
        if not BAND[0] - noise <= self.share("bins") <= BAND[1] + noise:
            found.append(f"F holds in {100 * self.share('bins'):.1f} % (needs {BAND[0]:.0%} to {BAND[1]:.0%})")
        if self.gain * (1 + 2 * np.sqrt(2 / number) * few) < self.case.gain:
            found.append(f"gain {self.gain:.3g} (needs ≥ {self.case.gain:g})")
        return found

    def __str__(self) -> str:
        """Return the line of the table."""
        rate, kappa, bins = (100 * self.share(name) for name in ("rate", "kappa", "bins"))
        return (
            f"{self.case.name:<36} {self.case.landscape.barrier(WELL):6.2f} {self.exact.rate:10.3g} "
            f"{self.exact.kappa:7.3f} {rate:6.1f} {kappa:6.1f} {bins:6.1f} "
            f"{self.errors.mean():+7.2f} ± {self.errors.std():4.2f} {self.gain:9.3g}"
        )


HEADER = (
    f"{'':<36} {'top,':>6} {'Γ exact,':>10} {'κ':>7} {'holds, %':>20} {'':>14} {'':>9}\n"
    f"{'landscape':<36} {'k_BT':>6} {'1/s':>10} {'exact':>7} {'Γ':>6} {'κ':>6} {'F':>6} {'ln Γ':>14} {'gain':>9}"
)


def allowance(share: float, number: int) -> float:
    """Return two standard errors of a share of few experiments; 0 from ``SEEDS`` on."""
    return 0.0 if number >= SEEDS else 2 * float(np.sqrt(share * (1 - share) / number))


def experiment(case: Case, seed: int, exact: Exact) -> Outcome:
    """Run windows and short trajectories of one seed, and compare with the exact answers."""
    world = case.landscape
    rng = np.random.default_rng([FIRST, zlib.crc32(case.name.encode()), seed])
    profile = measure_profile(case, rng)
    kappa, steps = measure_transmission(world, rng)
    rate = crossing_rate(profile, world.surface, kappa, MASS_KG)
    low, high = profile.interval()
    held: NDArray[np.bool_] = (low <= exact.free_energy) & (exact.free_energy <= high)
    windows = LADDERS * len(CENTRES) + STRUCTURES
    return Outcome(
        rate.low <= exact.rate <= rate.high,
        kappa.low <= exact.kappa <= kappa.high,
        float(held.mean()),
        float(np.log(rate.value / exact.rate)),
        windows * case.samples * case.every + steps,
    )


def measure_profile(case: Case, rng: np.random.Generator) -> UmbrellaProfile:
    """Return F from the windows of all ladders."""
    world = case.landscape
    windows = [
        UmbrellaWindow(place, SPRING, world.window(rng, place, SPRING, case.samples, case.every), ladder)
        for ladder in range(LADDERS)
        for place in CENTRES.tolist()
    ]
    return umbrella_profile(windows, EDGES, world.temperature, WELL)


def measure_transmission(world: Landscape, rng: np.random.Generator) -> tuple[Transmission, int]:
    """Return κ from short trajectories of all structures, and their force evaluations."""
    shots = [world.shots(rng, SHOTS) for _ in range(STRUCTURES)]
    kappa = transmission(
        np.concatenate([one.velocities for one in shots]),
        np.concatenate([one.reactive for one in shots]),
        np.repeat(np.arange(STRUCTURES), SHOTS),
    )
    return kappa, sum(one.evaluations for one in shots)


def measure(case: Case, seeds: int) -> Row:
    """Return the row of a case."""
    exact = Exact.of(case.landscape)
    return Row(case, exact, [experiment(case, seed, exact) for seed in range(seeds)])


def pooled_failures(rows: Sequence[Row]) -> list[str]:
    """Return the limits of all rows together that they miss, and print what holds."""
    found, number = [], sum(len(row.outcomes) for row in rows)
    least = POOLED if len(rows[0].outcomes) >= SEEDS else POOLED - 2 * np.sqrt(POOLED * (1 - POOLED) / number)
    for letter, name in (("Γ", "rate"), ("κ", "kappa")):
        share = float(np.mean([row.share(name) for row in rows]))
        print(f"{letter} holds in {100 * share:.1f} % of {number} experiments")
        if share < least:
            found.append(f"{letter} holds in {100 * share:.1f} % of all (needs ≥ {100 * POOLED:.0f})")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crossing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} seeds a row")
    parser.add_argument("--seeds", type=int, help=f"per row; {SEEDS} without")
    parser.add_argument("--rows", nargs="+", default=[""], metavar="TEXT", help="only those with TEXT in the name")
    options = parser.parse_args(arguments)
    seeds = options.seeds or (QUICK if options.quick else SEEDS)
    cases = [case for case in CASES if any(text in case.name for text in options.rows)]
    if not cases:
        parser.error(f"--rows = {options.rows}: no row has this in its name")
    print(HEADER)
    rows: list[Row] = []
    failures: list[str] = []
    for case in cases:
        rows.append(measure(case, seeds))
        print(rows[-1], flush=True)
        failures += [f"{case.name}: {what}" for what in rows[-1].failures()]
    failures += pooled_failures(rows)
    print(f"{len(failures)} fail")
    for what in failures:
        print(f"✗ {what}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
