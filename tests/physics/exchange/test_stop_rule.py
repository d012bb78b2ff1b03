"""The stop rule on simulated ions: a short version of ``python -m benchmarks.statistics.stopping``."""

import numpy as np
import pytest

from aiida_cse.physics.exchange.stopping import Decision
from benchmarks.statistics.stop_cases import StopCase, drawn_cases
from benchmarks.statistics.stopping import BUDGET, CASES, RULE, SEGMENT, Row, Run, main, measure

LOOKS = [int(look) for look in RULE.look_times(BUDGET, SEGMENT) if look <= 600]


def case(name: str) -> StopCase:
    return next(case for case in CASES if case.name == name)


def runs(name: str, number: int) -> list[Run]:
    return [Run(case(name), LOOKS[-1], seed) for seed in np.random.SeedSequence(3).spawn(number)]


@pytest.mark.parametrize(
    "name",
    ["60 ions, slow, half full", pytest.param("flicker by snapshots, half full", marks=pytest.mark.long)],
)
def test_runs_stop_in_time_but_not_too_early(name: str) -> None:
    """Of 20 runs at most 2 falsely, where 1 % are; without the memory of the start, most of them."""
    found, without = ([run.stop(LOOKS, **asked) for run in runs(name, 20)] for asked in ({}, {"memory": False}))
    false, before = (
        sum(end is Decision.EQUILIBRATED and case(name).deviation(look) > 1 for end, look in ends)
        for ends in (found, without)
    )
    assert false <= 2
    assert before >= 7
    assert sum(end is Decision.EQUILIBRATED for end, _ in found) >= 18


def test_a_mode_that_no_ion_has_visited_is_not_detected() -> None:
    """The limit of the verdict: deep places that are filled slowly from the surface of the slab."""
    name = "hidden: slow inside the slab, empty"
    ends = [run.stop(LOOKS) for run in runs(name, 10)]
    assert sum(case(name).deviation(look) > 1 for _, look in ends) >= 5


@pytest.mark.parametrize("name", ["two sides, one slow, empty", "flicker by cores, half full"])
def test_the_truth_is_the_mean_of_many_runs(name: str) -> None:
    chosen = case(name)
    states = StopCase("many", chosen.chain, 20_000, chosen.filled).states(100, np.random.default_rng(5))
    within = float(chosen.chain.stationary[chosen.chain.inside].sum())
    for time in (0, 20, 100):
        share = float(chosen.chain.inside[states[time]].mean())
        deviation = abs(share - within) * np.sqrt(chosen.ions / (within * (1 - within)))
        assert deviation == pytest.approx(chosen.deviation(time), abs=0.15)


def test_cases_have_unique_names_and_drawn_cases_follow_their_seed() -> None:
    assert len({one.name for one in CASES}) == len(CASES)
    assert [one.name for one in drawn_cases(7)] == [one.name for one in CASES if one.name.startswith("drawn")]
    assert drawn_cases(7)[0].name != drawn_cases(8)[0].name


def test_a_row_is_reproducible() -> None:
    first, second = (measure(4, runs=3, fixed=1) for _ in range(2))
    assert first == second
    assert first.runs == 3
    assert first.stopped == 3
    assert first.false == 0


def test_a_row_states_the_saved_time() -> None:
    row = Row("some", 1000, 1000, 20, 0.5, 0.9, 30, 150.0, None, 300)
    assert row.bound == pytest.approx(0.029, abs=5e-4)
    assert row.holds
    assert row.saved == pytest.approx(1 - 150 / BUDGET)
    assert row.saved_untested == 0.5
    assert f">{BUDGET}" in str(row)
    failed = Row("some", 1000, 1000, 45, 0.5, 0.9, 30, 150.0, 300, 300)
    assert not failed.holds
    assert "FAILS" in str(failed)
    assert Row("hidden: some", 10, 10, 10, 0.5, 0.9, 30, 150.0, 300, 300).holds


def test_the_table_fails_with_few_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """So few runs prove nothing, and the exit code says so."""
    assert main(["--runs", "4", "--rows", "60 ions, fast, equilibrium", "--processes", "1"]) == 1
    printed = capsys.readouterr().out
    assert "60 ions, fast, equilibrium" in printed
    assert "1 cases: falsely stopped at most 52.7 %" in printed
    with pytest.raises(SystemExit):
        main(["--rows", "no such case"])
    assert "no case has no such case in its name" in capsys.readouterr().err
