"""Coverage of the intervals in simulated experiments with known answers, one row for each kind.

``python -m benchmarks.statistics.coverage`` prints the table and last the smallest margin. The exit code is 0 only
if every row holds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.statistics.barriers import barrier_cases, feature_cases, few_blocks_cases, rough_cases
from benchmarks.statistics.bursts import burst_cases
from benchmarks.statistics.counts import bound_cases, rate_cases, ratio_cases, total_cases
from benchmarks.statistics.extrapolation import extrapolation_cases, hard_cases
from benchmarks.statistics.laws import law_cases
from benchmarks.statistics.resistance import resistance_cases
from benchmarks.statistics.rows import HEADER, Case, Row
from benchmarks.statistics.series import (
    balance_cases,
    crowd_cases,
    follower_cases,
    population_cases,
    stationarity_cases,
)

__all__ = ["CASES", "main", "measure"]

#: the seed of a row is its place in this list: append
CASES: tuple[Case, ...] = (
    *rate_cases(),
    *ratio_cases(),
    *population_cases(),
    *bound_cases(),
    *stationarity_cases(),
    *barrier_cases(),
    *extrapolation_cases(),
    *hard_cases(),
    *few_blocks_cases(),
    *total_cases(),
    *balance_cases(),
    *crowd_cases(),
    *burst_cases(),
    *law_cases(),
    *rough_cases(),
    *feature_cases(),
    *follower_cases(),
    *resistance_cases(),
)

EXPERIMENTS, QUICK, SEED = 10_000, 1_000, 20250718


def measure(names: Sequence[str], experiments: int, seed: int = SEED) -> Iterator[Row]:
    """Measure the rows whose names contain one of ``names``; all of them for none.

    Raises
    ------
    ValueError
        No row has such a name.
    """
    for wanted in names:
        if not any(wanted in case.name for case in CASES):
            raise ValueError(f"no row has {wanted!r} in its name; rows are {', '.join(c.name for c in CASES)}")
    seeds = np.random.SeedSequence(seed).spawn(len(CASES))
    for case, child in zip(CASES, seeds, strict=True):
        if not names or any(wanted in case.name for wanted in names):
            yield case.measure(experiments, child)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics.coverage", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} experiments per row")
    parser.add_argument("--experiments", type=int, help=f"per row; {EXPERIMENTS:,} without")
    parser.add_argument("--rows", nargs="+", default=[], metavar="TEXT", help="only rows with TEXT in their name")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    experiments = options.experiments or (QUICK if options.quick else EXPERIMENTS)
    print(HEADER)
    rows = []
    try:
        for row in measure(options.rows, experiments, options.seed):
            print(row, flush=True)
            rows.append(row)
    except ValueError as error:
        parser.error(str(error))
    return _conclude(rows)


def _conclude(rows: Sequence[Row]) -> int:
    promised = [row for row in rows if row.promised]
    for note in sorted({row.note for row in rows if row.note}):
        print(f"{note}: " + "; ".join(row.name for row in rows if row.note == note))
    if not promised:
        print("no row with a promise was measured")
        return 0
    worst = min(promised, key=lambda row: row.margin)
    failed = sum(not row.holds for row in rows)
    print(f"{len(rows)} rows, {failed} fail; worst margin {100 * worst.margin:+.2f} % ({worst.name})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
