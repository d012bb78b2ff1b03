"""The stop rule of a production: the schedule of its looks and the decision after each."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aiida_cse.physics.exchange.stopping import Decision, StopRule, verdicts_under


def look_times(first: float, growth: float, budget: float, segment: float) -> tuple[float, ...]:
    return StopRule(first_look_ns=first, growth=growth).look_times(budget, segment)


def test_looks_grow_geometrically_up_to_the_budget() -> None:
    assert look_times(20, 1.5, 100, 10) == (20, 30, 40, 60, 90, 100)
    assert look_times(20, 2, 400, 10) == (20, 40, 80, 160, 320, 400)


def test_looks_are_whole_segments_at_least_one_apart() -> None:
    assert look_times(7, 1.0, 30, 5) == (10, 15, 20, 25, 30)
    assert look_times(0.1, 1.1, 0.4, 0.1) == pytest.approx((0.1, 0.2, 0.3, 0.4))


def test_the_last_look_is_the_budget_for_any_segments() -> None:
    assert look_times(10, 2, 25, 10) == (10, 20, 25)
    assert look_times(50, 2, 25, 10) == (25,)
    assert look_times(10, 2, 5, 10) == (5,)


@given(first=st.floats(0.1, 100), growth=st.floats(1, 3), budget=st.floats(0.1, 500), step=st.floats(0.1, 50))
def test_looks_ascend_to_the_budget(first: float, growth: float, budget: float, step: float) -> None:
    looks = look_times(first, growth, budget, step)
    assert looks[-1] == budget
    assert all(earlier < later for earlier, later in pairwise(looks))
    for look in looks[:-1]:
        assert look / step == pytest.approx(round(look / step))
    assert len(looks) == 1 or looks[0] >= first - 1e-6 * step


@pytest.mark.parametrize(
    ("verdicts", "confirmations", "expected"),
    [
        ([], 1, Decision.CONTINUE),
        ([False, False], 1, Decision.CONTINUE),
        ([False, True], 1, Decision.EQUILIBRATED),
        ([False, True], 2, Decision.CONTINUE),
        ([True, False, True], 2, Decision.CONTINUE),
        ([False, True, True], 2, Decision.EQUILIBRATED),
        ([False] * 4, 1, Decision.BUDGET_SPENT),
        ([False] * 3 + [True], 2, Decision.BUDGET_SPENT),
        ([False] * 3 + [True], 1, Decision.EQUILIBRATED),
    ],
)
def test_the_decision_follows_the_last_verdicts(
    verdicts: list[bool], confirmations: int, expected: Decision
) -> None:
    rule = StopRule(rule="equilibrated", first_look_ns=1, confirmations=confirmations)
    assert rule.decide(verdicts, 4) is expected


def test_a_single_look_needs_no_confirmation() -> None:
    rule = StopRule(rule="equilibrated", first_look_ns=1, confirmations=3)
    assert rule.decide([True], 1) is Decision.EQUILIBRATED


def test_a_fixed_rule_runs_to_its_length_for_any_verdicts() -> None:
    rule = StopRule()
    assert rule.look_times(100, 10) == (100,)
    assert [rule.decide(verdicts, 2) for verdicts in ([], [True])] == [Decision.CONTINUE] * 2
    assert rule.decide([True, True], 2) is Decision.BUDGET_SPENT


@pytest.mark.parametrize(
    "arguments",
    [
        {"first_look_ns": 0},
        {"first_look_ns": float("nan")},
        {"growth": 0.9},
        {"confirmations": 0},
        {"confirmations": 1.5},
        {"rule": "sometimes"},
    ],
)
def test_an_invalid_rule_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(arguments))):
        StopRule.model_validate(arguments)


def test_a_rule_that_stops_needs_a_first_look() -> None:
    with pytest.raises(ValidationError, match="equilibrated: needs first_look_ns"):
        StopRule(rule="equilibrated")


def test_a_schedule_of_too_many_looks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^growth = 1: more than 10000 looks at segments of 1 ns"):
        look_times(1, 1, 1e6, 1)


def test_invalid_verdicts_are_refused() -> None:
    with pytest.raises(ValueError, match="verdicts has 3 values, with 2 looks"):
        StopRule().decide([False] * 3, 2)
    with pytest.raises(ValueError, match=r"verdicts\[1\] = None: neither true nor false"):
        StopRule().decide([True, None], 3)  # type: ignore[list-item]
    with pytest.raises(ValueError, match="looks = 0: must be a whole number from 1"):
        StopRule(rule="equilibrated", first_look_ns=1).decide([], 0)


@pytest.mark.parametrize(("budget", "segment"), [(0, 1), (-5, 1), (float("nan"), 1), (10, 0)])
def test_a_schedule_needs_lengths_above_zero(budget: float, segment: float) -> None:
    with pytest.raises(ValueError, match=r"(budget|segment) = .*: must be a finite number above 0"):
        StopRule(first_look_ns=1).look_times(budget, segment)


def test_only_looks_under_the_same_criteria_count() -> None:
    looks = [
        {"equilibrated": value, "criteria": {"lam": lam}} for value, lam in ((True, 5), (False, 10), (True, 10))
    ]
    assert verdicts_under({"lam": 10}, looks) == [False, True]
