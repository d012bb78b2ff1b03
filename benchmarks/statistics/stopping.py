"""Error rate and savings of the stop rule: runs of simulated ions that end when the ions have equilibrated.

``python -m benchmarks.statistics.stopping`` simulates ions that hop at known rates and checks them on the schedule
of the stop rule, with the counting, the verdict and the rule of the package. It prints a row for each case. A stop
is false if the mean number of ions inside, known from the rates, then differs from that at equilibrium by more
than one standard deviation. A second table has pairs of runs with different starts, which also show hidden modes.
The exit code is 0 only if the upper bound of the share of false stops is at most 5 % in every case but the hidden
ones, and the time saved is at least 60 % on average; and if pairs are falsely equilibrated from both sides in at
most 5 %, also with hidden modes, and plain ones are recognised in at least 80 %.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aiida_cse.physics.exchange.equilibration import equilibration_coefficient
from aiida_cse.physics.exchange.relaxation import member_frames
from aiida_cse.physics.exchange.sensitivity import labels_from_events
from aiida_cse.physics.exchange.stopping import Decision, StopRule
from aiida_cse.physics.exchange.transitions import count_transitions
from aiida_cse.physics.exchange.verdict import Criteria, ExchangeData, equilibration_verdict
from benchmarks.statistics.stop_cases import StopCase, drawn_cases, hidden_cases, known_cases, overfull_cases
from benchmarks.statistics.stop_starts import START_CASES, STARTS_HEADER, conclude_starts, measure_starts

__all__ = ["CASES", "HEADER", "Row", "Run", "main", "measure"]

#: the seed of a case is its place in this list: append
CASES: tuple[StopCase, ...] = (*known_cases(), *drawn_cases(seed=7), *hidden_cases(), *overfull_cases())
SEED = 20250718
#: runs of a case that are stopped, and runs of fixed length
RUNS, FIXED, QUICK = 1000, 250, 200
#: pairs of starts of a case
PAIRS, QUICK_PAIRS = 200, 60
#: frames; a frame stands for the stride of the snapshots, and for the ns of the stop rule
BUDGET, SEGMENT = 1500, 10
#: frames in which most runs stop: only the others are simulated up to the budget
SHORT = 600
RULE = StopRule(rule="equilibrated", first_look_ns=20)
#: the target: upper bound of the share of false stops, time saved on average, share that passes at a fixed length
MOST_FALSE, LEAST_SAVED, PASSING, LEVEL = 0.05, 0.6, 0.95, 0.95

#: what the equilibration coefficient must reach
MINIMUM_COEFFICIENT = 0.5
#: share of the time, at its end, in which net flux and drift are tested
TESTED_SHARE = 0.5
_NAME = 44
HEADER = (
    f"{'case':<{_NAME}} {'runs':>5} {'false %':>8} {'bound':>6} {'before':>7} {'paper':>6} {'true at':>8} "
    f"{'stopped':>8} {'at':>6} {'fixed':>7} {'saved':>7} {'untested':>9} {'saved':>7}"
)


class Run:
    """One simulated production, counted under the rule of its case; ``states`` are those of the ions by frame."""

    def __init__(self, case: StopCase, frames: int, seed: np.random.SeedSequence) -> None:
        states = case.states(frames, np.random.default_rng(seed))
        self.states = states
        self.ions = case.ions
        regions = case.chain.inside[states].astype(np.int8)
        cores = case.core_labels[states]
        self.population = regions.sum(axis=1)
        names = ("outside", "inside")
        self.committed = count_transitions(cores, "core", names=names).events
        counted = regions if case.rule == "snapshot" else cores
        self.events = count_transitions(counted, case.rule, names=names).events
        self.first_labels = cores[np.argmax(cores >= 0, axis=0), np.arange(case.ions)]

    def equilibrated(
        self, frames: int, *, memory: bool = True, tests: bool = True, tested_share: float = TESTED_SHARE
    ) -> bool:
        """Return the verdict on the first ``frames``, or on a part of its criteria."""
        events = self.events[self.events[:, 0] <= frames]
        entering = events[:, 3] == 1
        entries = int(entering.sum())
        if equilibration_coefficient(entries, len(entering) - entries) < MINIMUM_COEFFICIENT:
            # the verdict needs no other criterion, and its bound takes most of the time
            return False
        ion_counts = np.zeros((self.ions, 2), dtype=np.int64)
        np.add.at(ion_counts, (events[:, 1], np.where(entering, 0, 1)), 1)
        blocks = np.bincount(events[:, 0] - 1, weights=np.where(entering, 1, -1), minlength=frames)
        data = ExchangeData(
            entries,
            len(entering) - entries,
            net_fluxes=blocks if tests else None,
            population=self.population[: frames + 1] if tests else None,
            ion_counts=ion_counts,
            members=self._members(frames) if memory else None,
        )
        criteria = Criteria(minimum_coefficient=MINIMUM_COEFFICIENT, tested_share=tested_share)
        return equilibration_verdict(data, criteria).equilibrated

    def stop(self, looks: Sequence[int], **criteria: float) -> tuple[Decision, int]:
        """Return how the run ends and at which frame; it continues if it is shorter than the looks."""
        verdicts: list[bool] = []
        decision, end = Decision.CONTINUE, 0
        for end in (look for look in looks if look < len(self.population)):
            verdicts.append(self.equilibrated(end, **criteria))
            decision = RULE.decide(verdicts, len(looks))
            if decision is not Decision.CONTINUE:
                break
        return decision, end

    def _members(self, frames: int) -> NDArray[np.int8]:
        times = member_frames(0, frames + 1)
        return labels_from_events(self.first_labels, self.committed, times)


@dataclass(frozen=True)
class Row:
    """Results for one case; times are in frames.

    Attributes
    ----------
    runs, stopped, false
        Number of runs, number stopped before the budget was spent, and number of false stops.
    false_before
        Share of false stops without the criterion on the remaining deviation, with drift and net flux tested over
        all of the time.
    paper
        Largest share of the runs that pass these criteria, those of the protocol ``paper``, at one of the looks at
        which the mean is not within one standard deviation; None without such a look.
    true_at
        First look at which the mean is within one standard deviation.
    time
        Mean end of a run.
    fixed, untested
        Shortest look at which 95 % of the runs pass the same verdict, and at which they pass it without the tests
        of net flux and drift; None if they do not within the budget.
    """

    name: str
    runs: int
    stopped: int
    false: int
    false_before: float
    paper: float | None
    true_at: int
    time: float
    fixed: int | None
    untested: int | None

    @property
    def bound(self) -> float:
        """One-sided upper bound of the share of false stops (Clopper and Pearson, Biometrika 26, 404 (1934))."""
        if self.false == self.runs:
            return 1.0
        return float(stats.beta.ppf(LEVEL, self.false + 1, self.runs - self.false))

    @property
    def saved(self) -> float:
        """Saving relative to the fixed length, or to the budget if no fixed length suffices."""
        return 1 - self.time / (self.fixed or BUDGET)

    @property
    def saved_untested(self) -> float:
        """Saving relative to the fixed length without the tests of net flux and drift."""
        return 1 - self.time / (self.untested or BUDGET)

    @property
    def hidden(self) -> bool:
        """Whether the case has no promise."""
        return self.name.startswith("hidden")

    @property
    def holds(self) -> bool:
        """Whether false stops are rare enough."""
        return self.hidden or self.bound <= MOST_FALSE

    def __str__(self) -> str:
        fixed, untested = (f">{BUDGET}" if time is None else str(time) for time in (self.fixed, self.untested))
        false, stopped = 100 * self.false / self.runs, 100 * self.stopped / self.runs
        return (
            f"{self.name:<{_NAME}} {self.runs:>5} {false:>8.1f} {100 * self.bound:>6.1f} "
            f"{100 * self.false_before:>7.1f} {'–' if self.paper is None else f'{100 * self.paper:.1f}':>6} "
            f"{self.true_at:>8} {stopped:>8.1f} {self.time:>6.0f} "
            f"{fixed:>7} {100 * self.saved:>7.0f} {untested:>9} {100 * self.saved_untested:>7.0f}"
            f"{'' if self.holds else '  FAILS'}"
        )


def measure(place: int, runs: int = RUNS, fixed: int = FIXED, seed: int = SEED) -> Row:
    """Measure the case at an index of :data:`CASES`: ``runs`` are stopped, ``fixed`` also judged at every look."""
    case = CASES[place]
    looks = [int(look) for look in RULE.look_times(BUDGET, SEGMENT)]
    deviation = {look: case.deviation(look) for look in looks}
    seeds = np.random.SeedSequence([seed, place]).spawn(runs)
    stopped, false, before, time = 0, 0, 0, 0
    passed, untested, paper = np.zeros((3, len(looks)), dtype=np.int64)
    off = np.flatnonzero([deviation[look] > 1 for look in looks])
    for number, child in enumerate(seeds):
        run = Run(case, BUDGET if number < fixed else SHORT, child)
        decision, end = run.stop(looks)
        if decision is Decision.CONTINUE:
            decision, end = Run(case, BUDGET, child).stop(looks)
        time += end
        stopped += decision is Decision.EQUILIBRATED
        false += decision is Decision.EQUILIBRATED and deviation[end] > 1
        if number < fixed:
            decision, end = run.stop(looks, memory=False, tested_share=1.0)
            before += decision is Decision.EQUILIBRATED and deviation[end] > 1
            for at in off:
                paper[at] += run.equilibrated(looks[at], memory=False, tested_share=1.0)
            without_tests = [run.equilibrated(look, tests=False) for look in looks]
            untested += without_tests
            passed += [ok and run.equilibrated(look) for ok, look in zip(without_tests, looks, strict=True)]
    number = min(fixed, runs)
    return Row(
        name=case.name,
        runs=runs,
        stopped=stopped,
        false=false,
        false_before=before / number,
        paper=float(max(paper[off]) / number) if len(off) else None,
        true_at=next(look for look in looks if deviation[look] <= 1),
        time=time / runs,
        fixed=_shortest(looks, passed / number),
        untested=_shortest(looks, untested / number),
    )


def _shortest(looks: Sequence[int], shares: NDArray[np.float64]) -> int | None:
    return next((look for look, share in zip(looks, shares, strict=True) if share >= PASSING), None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics.stopping", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} runs per case")
    parser.add_argument("--runs", type=int, help=f"per case; {RUNS:,} without")
    parser.add_argument("--rows", nargs="+", default=[""], metavar="TEXT", help="cases with TEXT in their name")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=2, help="cases that are measured at a time")
    options = parser.parse_args(arguments)
    runs = options.runs or (QUICK if options.quick else RUNS)
    places, starts = (
        [place for place, case in enumerate(cases) if any(text in case.name for text in options.rows)]
        for cases in (CASES, START_CASES)
    )
    if not places and not starts:
        parser.error(f"no case has {' or '.join(options.rows)} in its name")
    with ProcessPoolExecutor(options.processes) as pool:
        failed = _stop_table(pool, places, runs, quick=options.quick, seed=options.seed) if places else 0
        if starts:
            pairs = min(runs, QUICK_PAIRS if options.quick else PAIRS)
            failed |= _starts_table(pool, starts, pairs, seed=options.seed)
    return failed


def _stop_table(pool: Executor, places: Sequence[int], runs: int, *, quick: bool, seed: int) -> int:
    """Print the cases of single runs; return 1 if a target is missed, else 0."""
    print(HEADER)
    rows = []
    fixed = min(FIXED, runs) // (2 if quick else 1)
    for row in pool.map(partial(measure, runs=runs, fixed=fixed, seed=seed), places):
        print(row, flush=True)
        rows.append(row)
    return _conclude(rows)


def _starts_table(pool: Executor, places: Sequence[int], pairs: int, *, seed: int) -> int:
    """Print the pairs of starts; return 1 if a target is missed, else 0."""
    print(STARTS_HEADER)
    rows = []
    for row in pool.map(partial(measure_starts, pairs=pairs, seed=seed), places):
        print(row, flush=True)
        rows.append(row)
    print(conclude_starts(rows))
    return 0 if all(row.holds for row in rows) else 1


def _conclude(rows: Sequence[Row]) -> int:
    promised = [row for row in rows if not row.hidden]
    if not promised:
        print("no row with a promise was measured")
        return 0
    worst = max(promised, key=lambda row: row.bound)
    saved, untested = (
        float(np.mean([getattr(row, name) for row in promised])) for name in ("saved", "saved_untested")
    )
    print(
        f"{len(promised)} cases: falsely stopped at most {100 * worst.bound:.1f} % ({worst.name}), required "
        f"{100 * MOST_FALSE:g}; saved on average {100 * saved:.0f} %, required {100 * LEAST_SAVED:g}; against "
        f"fixed lengths that no test rejects by chance {100 * untested:.0f} %"
    )
    return 0 if all(row.holds for row in promised) and saved >= LEAST_SAVED else 1


if __name__ == "__main__":
    sys.exit(main())
