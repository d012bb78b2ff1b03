"""When a run that goes on until it has equilibrated is looked at, and when it stops."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_cse.physics.exchange.stopping import Decision, StopRule, decide, look_times


def test_looks_grow_geometrically_up_to_the_budget() -> None:
    assert look_times(20, 1.5, 100, 10) == (20, 30, 40, 60, 90, 100)
    assert look_times(20, 2, 400, 10) == (20, 40, 80, 160, 320, 400)


def test_looks_are_whole_segments_at_least_one_apart() -> None:
    assert look_times(7, 1.0, 30, 5) == (10, 15, 20, 25, 30)
    assert look_times(0.1, 1.1, 0.4, 0.1) == pytest.approx((0.1, 0.2, 0.3, 0.4))


def test_the_last_look_is_the_budget_whatever_the_segments() -> None:
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
        ([], 1, Decision.GO_ON),
        ([False, False], 1, Decision.GO_ON),
        ([False, True], 1, Decision.EQUILIBRATED),
        ([False, True], 2, Decision.GO_ON),
        ([True, False, True], 2, Decision.GO_ON),
        ([False, True, True], 2, Decision.EQUILIBRATED),
        ([False] * 4, 1, Decision.BUDGET_SPENT),
        ([False] * 3 + [True], 2, Decision.BUDGET_SPENT),
        ([False] * 3 + [True], 1, Decision.EQUILIBRATED),
    ],
)
def test_the_decision_follows_the_last_verdicts(
    verdicts: list[bool], confirmations: int, expected: Decision
) -> None:
    assert decide(verdicts, 4, confirmations) is expected


def test_a_single_look_needs_no_confirmation() -> None:
    assert decide([True], 1, 3) is Decision.EQUILIBRATED


def test_a_rule_gives_its_looks_and_decisions() -> None:
    rule = StopRule(first=20, growth=2, confirmations=2)
    looks = rule.look_times(100, 10)
    assert list(looks) == [20, 40, 80, 100]
    decisions = [rule.decide([True] * number, len(looks)) for number in (1, 2)]
    assert decisions == [Decision.GO_ON, Decision.EQUILIBRATED]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1.5, 10, 1), "first is 0, it must be a finite number above zero"),
        ((1, 0.9, 10, 1), "growth is 0.9, it must be a finite number of at least 1"),
        ((1, 1.5, -1, 1), "budget is -1, it must be a finite number above zero"),
        ((1, 1.5, 10, float("nan")), "step is nan, it must be a finite number above zero"),
        ((1, 1, 1e6, 1), "at most 10000 looks"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        look_times(*arguments)


def test_a_rule_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="first is 0"):
        StopRule(first=0)
    with pytest.raises(ValueError, match=r"growth is 0\.5"):
        StopRule(first=1, growth=0.5)
    with pytest.raises(ValueError, match="confirmations is 0"):
        StopRule(first=1, confirmations=0)


def test_verdicts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="verdicts has 3 values, with 2 looks"):
        decide([False] * 3, 2)
    with pytest.raises(ValueError, match=r"verdicts\[1\] is None, it must be true or false"):
        decide([True, None], 3)  # type: ignore[list-item]
