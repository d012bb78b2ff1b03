"""Coverage of rates at 400 K under laws that the fit does not know.

``python -m benchmarks.statistics.laws`` prints, for each true law and number of entries, how often the interval of
each law, of their average and of their union contains the rate, and its width in powers of ten.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.kinetics.arrhenius_fit import joint_kinetics
from aiida_cse.physics.kinetics.laws import LAWS
from aiida_cse.physics.kinetics.observations import Observation
from benchmarks.statistics.rows import Case, Row, coverage_row

__all__ = ["ENTRIES", "TRUTHS", "law_cases", "main"]

Floats = NDArray[np.float64]
LEVEL = 0.95
TEMPERATURES, TARGET = (700.0, 600.0, 500.0), 400.0
#: expected entries at these temperatures
ENTRIES = {"275 entries": (200.0, 60.0, 15.0), "40 entries": (30.0, 8.0, 2.0)}
DRAWS = 4000
TITLES = {name: law.title for name, law in LAWS.items()}
#: these experiments are long: one for each so many that are asked for
SHARE = 100
BOTH = "both bounds together, each at 97.5 %"


def _contracting(kelvin: float) -> float:
    """Return Arrhenius' law with the published Δz at 1850 K/Å, which the fit is not told."""
    closer = np.interp(kelvin, (400, 500, 600, 700), (0.45, 0.35, 0.2, 0.0))
    return float(-(6500 - 1850 * closer) / kelvin)


#: ln of the rate at a temperature in K, up to a constant that the exposures absorb
TRUTHS: Mapping[str, Callable[[float], float]] = {
    "plain": lambda kelvin: -6500 / kelvin,
    "contraction": _contracting,
    "Vogel–Fulcher, 200 K": lambda kelvin: -2400 / (kelvin - 200),
    "Vogel–Fulcher, 250 K": lambda kelvin: -2000 / (kelvin - 250),
    "two channels": lambda kelvin: float(
        np.logaddexp(-8000 * (1 / kelvin - 1 / 420), -3000 * (1 / kelvin - 1 / 420))
    ),
    # a rough landscape adds the square of ε / T: Zwanzig, PNAS 1988, 85, 2029
    "rough": lambda kelvin: -4000 / kelvin - (600 / kelvin) ** 2,
}


#: rows by kind of interval, with the least coverage
KINDS = {"union": 0.93, "bounds": 0.93, "average": 0.80, "Arrhenius": 0.0}


def law_cases() -> list[Case]:
    """Return rows of the union, its bounds, the average, and Arrhenius' law alone, for each truth and counts."""
    cases = []
    for kind, low in KINDS.items():
        for truth in TRUTHS:
            for entries in ENTRIES:
                name = f"rate at 400 K, {kind}: {truth}, {entries}"
                cases.append(Case(name, partial(_row, name, kind, truth, entries, low)))
    return cases


def _row(
    name: str, kind: str, truth: str, entries: str, low: float, experiments: int, seed: np.random.SeedSequence
) -> Row:
    # the rows of one truth share their experiments, which depend on the seed of the table alone
    table = seed.entropy if isinstance(seed.entropy, int) else 0
    ends = _experiments(truth, entries, max(experiments // SHARE, 1), table)[kind]
    held = _held(ends, truth).tolist()
    return coverage_row(name, held, nominal=LEVEL, low=low, note=BOTH if kind == "bounds" else "")


def _held(ends: Floats, truth: str) -> NDArray[np.bool_]:
    true = np.exp(TRUTHS[truth](TARGET))
    return (ends[:, 0] <= true) & (true <= ends[:, 1])


@cache
def _experiments(truth: str, entries: str, number: int, seed: int) -> dict[str, Floats]:
    """Return the intervals (number, 2) of the rate by kind."""
    place = list(TRUTHS).index(truth), list(ENTRIES).index(entries)
    rng, law = np.random.default_rng([seed, *place]), TRUTHS[truth]
    found: dict[str, list[tuple[float, float]]] = {}
    for experiment in range(number):
        runs = [
            Observation(
                kelvin, int(rng.poisson(mean)), mean / np.exp(law(kelvin)), conditioned=True, label=f"{kelvin}"
            )
            for kelvin, mean in zip(TEMPERATURES, ENTRIES[entries], strict=True)
        ]
        fit = joint_kinetics(runs, (TARGET,), samples=DRAWS, seed=experiment)
        union = fit.rates[0]
        by_law = {TITLES[one.law]: one.rates[0].rate for one in fit.laws.fits}
        for kind, rate in (by_law | {"average": fit.laws.averaged[0], "union": union.rate}).items():
            found.setdefault(kind, []).append((rate.low, rate.high))
        found.setdefault("bounds", []).append((union.lower_bound, union.upper_bound))
    return {kind: np.array(ends) for kind, ends in found.items()}


# -- table with widths ---------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Print coverage in percent and median width in powers of ten."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics.laws", description=__doc__)
    parser.add_argument("--experiments", type=int, default=200, help="per line")
    parser.add_argument("--seed", type=int, default=20250718)
    options = parser.parse_args(arguments)
    kinds = (*TITLES.values(), "average", "union", "bounds")
    print("true law | entries | " + " | ".join(kinds))
    print("--- | --- |" + " --- |" * (len(kinds) - 1) + " ---")
    for truth in TRUTHS:
        for entries, means in ENTRIES.items():
            found = _experiments(truth, entries, options.experiments, options.seed)
            cells = []
            for kind in kinds:
                with np.errstate(divide="ignore"):
                    width = np.median(np.diff(np.log10(found[kind]), axis=1))
                cells.append(f"{100 * _held(found[kind], truth).mean():.0f} ({width:.1f})")
            print(f"{truth} | {'/'.join(f'{mean:g}' for mean in means)} | " + " | ".join(cells), flush=True)


if __name__ == "__main__":
    main()
