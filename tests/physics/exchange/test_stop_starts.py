"""Pairs of starts whose error rate the benchmark measures."""

import numpy as np
import pytest

from benchmarks.statistics.stop_starts import START_CASES, StartCase, StartRow, conclude_starts, measure_starts


def place(text: str) -> int:
    return next(number for number, case in enumerate(START_CASES) if text in case.name)


def test_pairs_start_apart_by_the_gap_and_relax() -> None:
    case = StartCase("plain", gap=10, ions=400)
    (filled, relaxed), (emptied, _) = (case.simulate(sign, 5, np.random.default_rng(sign + 1)) for sign in (1, -1))
    inside = [(one >= 2).sum(axis=2) for one in (filled, emptied)]
    assert inside[0][0] - inside[1][0] == pytest.approx(10 * np.sqrt(400 * 0.25), abs=3)
    assert relaxed.all()
    late = [one[360:].mean() / 400 for one in inside]
    assert late == pytest.approx([0.5, 0.5], abs=0.02)


def test_a_closed_gate_leaves_the_ions_where_they_started() -> None:
    case = StartCase("closed", gate=(1e6, 1e-3), window=2)
    filled, relaxed = case.simulate(1, 3, np.random.default_rng(2))
    assert not relaxed.any()
    assert np.ptp((filled >= 2).sum(axis=2)) == 0


def test_hidden_modes_are_never_equilibrated_from_both_sides() -> None:
    found = measure_starts(place("hidden: deep sites 20 τ, at the surface"), pairs=4, seed=3)
    assert found == measure_starts(place("hidden: deep sites 20 τ, at the surface"), pairs=4, seed=3)
    assert found.both_sides == found.false == 0
    assert found.alone >= 0.5


def test_a_row_states_whether_its_targets_hold() -> None:
    plain, hidden = START_CASES[0], START_CASES[place("hidden")]
    good, weak, bad = (
        StartRow(plain, 200, 0.9, 0.8, 0, 170, 0),
        StartRow(plain, 200, 0.9, 0.8, 0, 150, 0),
        StartRow(hidden, 200, 0.9, 0.8, 0, 30, 30),
    )
    assert (good.holds, weak.holds, bad.holds) == (True, False, False)
    assert "FAILS" not in str(good)
    assert str(bad).endswith("FAILS")
    summary = conclude_starts([good, bad])
    assert "at most 19.8 % (hidden" in summary
    assert "recognised at least 85 % (plain" in summary
