"""The verdict: published counts, single criteria, chains in and out of equilibrium, and invalid input."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aiida_cse.physics.exchange.equilibration import equilibration_lower_bound
from aiida_cse.physics.exchange.transitions import Exchange, count_transitions
from aiida_cse.physics.exchange.verdict import (
    CRITERIA,
    Criteria,
    EquilibrationVerdict,
    ExchangeData,
    equilibration_verdict,
)
from tests.physics.chains import two_state_chain
from tests.physics.fuzzing import modest, returned_or_named, spoiled

#: ions that stay where they are
STILL = np.tile(np.arange(60) < 20, (49, 1))
WHOLE = Criteria(tested_share=1.0)


def judged(entries: int, exits: int, criteria: Criteria = WHOLE, **data: Any) -> EquilibrationVerdict:
    return equilibration_verdict(ExchangeData(entries, exits, **data), criteria)


def bound(entries: int, exits: int, **data: Any) -> float:
    return ExchangeData(entries, exits, **data).lower_bound(WHOLE)


def test_the_published_counts_pass() -> None:
    verdict = judged(7, 7, net_fluxes=[1, -1, 0, 1, -1, 0], population=[42, 43, 42, 42, 43, 42])
    assert verdict.equilibrated
    assert len(verdict.reasons) == 4
    assert verdict.reasons[0] == "✓ EC 0.583 (≥ 0.5): 7 in, 7 out"
    assert verdict.lower_bound == equilibration_lower_bound(7, 7)


def test_each_criterion_gives_one_statement() -> None:
    data = {"net_fluxes": [1, -1, 0], "population": [4, 5, 4, 5], "members": STILL}
    assert len(judged(7, 7, **data).reasons) == len(CRITERIA)
    assert len(judged(7, 7, Criteria(maximum_remaining=None), **data).reasons) == len(CRITERIA) - 1


def test_the_approach_to_equilibrium_may_be_left_out() -> None:
    """Ions that come in at first, and are as many as they will be from a third of the time on."""
    tested = {
        "net_fluxes": [4, 3, 2, 2, 1, 0, 0, 1, -1, 0],
        "population": [0, 4, 7, 9, 11, 12, 12, 12, 13, 12, 12, 13],
    }
    whole, end = (judged(30, 20, Criteria(tested_share=share), **tested) for share in (1.0, 0.5))
    assert end.equilibrated
    assert not whole.equilibrated
    assert "over 10 blocks" in whole.reasons[2]
    assert "over 5 blocks" in end.reasons[2]


def test_the_deviation_that_remains_from_the_start_is_bounded() -> None:
    mixed = np.random.default_rng(4).random((49, 60)) < 0.5
    verdict = judged(30, 20, members=mixed)
    assert verdict.equilibrated
    assert verdict.remaining is not None
    assert verdict.remaining.upper_bound < 1
    assert "deviation remaining from the start" in verdict.reasons[2]
    assert not judged(30, 20, Criteria(maximum_remaining=1e-9), members=mixed).equilibrated
    assert judged(30, 20, Criteria(maximum_remaining=None), members=mixed).remaining is None
    assert judged(30, 20).remaining is None


def test_bursts_lower_the_bound_and_single_events_do_not() -> None:
    clean = 7 * [[1, 1]] + 53 * [[0, 0]]
    single = equilibration_lower_bound(7, 7)
    assert bound(7, 7) == bound(7, 7, ion_counts=clean) == bound(7, 7, block_counts=7 * [[1, 1]]) == single
    two_ions = [[4, 4], [3, 3]] + 58 * [[0, 0]]
    one_ion = [[7, 7]] + 59 * [[0, 0]]
    bounds = [bound(7, 7, ion_counts=counts) for counts in (clean, two_ions, one_ion)]
    assert bounds[0] > 2 * bounds[1] > 2 * bounds[2] > 0
    assert bound(7, 7, ion_counts=clean, block_counts=[[7, 7]] + 59 * [[0, 0]]) == bounds[2]
    assert bound(7, 7, block_counts=[[7, 7]]) == single, "one block tells nothing about bursts"


def test_one_ion_that_makes_all_events_counts_once() -> None:
    """42 events of one ion among 7 are worth one event, so λ in its units is 10 / 42."""
    found = bound(42, 42, ion_counts=[[42, 42]] + 6 * [[0, 0]])
    assert found == pytest.approx(equilibration_lower_bound(1, 1, lam=10 / 42), abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=30))
@settings(deadline=None, max_examples=50)
def test_counts_per_ion_never_raise_the_bound(counts: list[tuple[int, int]]) -> None:
    entries, exits = np.sum(counts, axis=0).tolist()
    assert 0 <= bound(entries, exits, ion_counts=counts) <= bound(entries, exits) + 1e-9


def test_bursts_fail_the_verdict() -> None:
    verdict = judged(14, 14, ion_counts=2 * [[7, 7]] + 58 * [[0, 0]])
    assert not verdict.equilibrated
    assert verdict.burst_index == pytest.approx(6.88, abs=0.01)
    assert "(needs ≥ 0.25): bursts of about 6.9 events" in verdict.reasons[1]
    assert judged(14, 14, block_counts=14 * [[1, 1]]).equilibrated
    assert judged(14, 14).burst_index == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"entries": 1, "exits": 1}, "✗ EC 0.167 (needs ≥ 0.5): 1 in, 1 out"),
        ({"entries": 6, "exits": 6}, "✗ lower 97.5 % bound of EC 0.223 (needs ≥ 0.25)"),
        ({"net_fluxes": [2, 1, 2, 3, 2]}, "✗ net flux +2 ± 0.32 ions per block over 5 blocks, p = 0.003"),
        ({"population": list(range(50))}, "✗ drift +50 ± 0 ions over the time tested, p = 0 (needs ≥ 0.05)"),
        ({"net_fluxes": [1]}, "✗ net flux of 1 block(s) (needs ≥ 2 blocks)"),
        ({"population": [1, 2]}, "✗ drift of 2 frame(s) (needs ≥ 4 frames)"),
        ({"members": [[0, 1], [1, 0]]}, "from the start, of 2 time(s) and 2 ion(s) (needs ≥ 3 times and 1 ion)"),
        ({"members": np.zeros((9, 0))}, "from the start, of 9 time(s) and 0 ion(s) (needs ≥ 3 times and 1 ion)"),
        ({"members": STILL}, "✗ deviation remaining from the start"),
    ],
)
def test_a_failed_criterion_states_its_number_and_threshold(arguments: dict[str, Any], reason: str) -> None:
    verdict = judged(**({"entries": 30, "exits": 20} | arguments))
    assert not verdict.equilibrated
    assert any(reason in text for text in verdict.reasons), verdict.reasons


def test_a_chain_passes_in_equilibrium_and_fails_while_it_fills() -> None:
    rng = np.random.default_rng(3)
    labels = two_state_chain(rng, ions=60, frames=2000, enter=0.002, leave=0.002)
    filling = labels.copy()
    filling[:, :] = np.where(np.arange(2000)[:, None] > rng.integers(0, 2000, 60), 2, 3)
    for table, expected in ((labels, True), (filling, False)):
        both = sum(count_transitions(table).exchange("ceramic").values(), Exchange(0, 0))
        inside = (table == 2).sum(axis=1)
        verdict = judged(both.entries, both.exits, net_fluxes=np.diff(inside[::100]), population=inside)
        assert verdict.equilibrated is expected, verdict.reasons


@pytest.mark.parametrize("name", ["ion_counts", "block_counts"])
@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([[3, 2], [1, 1]], "sums to 4 entries and 3 exits: must sum to 4 and 4"),
        ([[4, 4, 0]], "has 3 columns: must have 2, entries and exits"),
        ([4, 4], "has 1 axes: must have 2"),
        (np.zeros((0, 2)), "has 0 values: must have at least 1"),
        ([[4.5, 4], [-0.5, 0]], r"\[1, 0\] = -0.5: must be at least 0"),
        ([[3.5, 4], [0.5, 0]], r"\[0, 0\] = 3.5: must be a whole number"),
    ],
)
def test_bad_counts_are_named(name: str, counts: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} ?{message}"):
        ExchangeData(4, 4, **{name: counts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"entries": -1}, "^entries = -1"),
        ({"exits": 2.5}, "^exits = 2.5"),
        ({"net_fluxes": 3.0}, "^net_fluxes has 0 axes: must have 1"),
        ({"net_fluxes": {"a": 1}}, "^net_fluxes must be numbers"),
        ({"population": 3.0}, "^population has 0 axes: must have 1"),
        ({"population": {"a": 1}}, "^population must be numbers"),
        ({"members": [[0, 2]] * 5}, r"^members\[0, 1\] = 2: must be at most 1"),
        ({"members": [[0, -1]] * 4}, r"^members\[0, 1\] = -1: must be at least 0"),
        ({"members": [0, 1]}, "^members has 1 axes: must have 2"),
    ],
)
def test_bad_data_are_named(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ExchangeData(**({"entries": 7, "exits": 7} | arguments))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lam", 0.0),
        ("lam", float("inf")),
        ("minimum_coefficient", float("nan")),
        ("minimum_lower_bound", float("inf")),
        ("bound_level", 1.0),
        ("significance", 0.0),
        ("tested_share", 0.0),
        ("tested_share", 1.5),
        ("maximum_remaining", 0.0),
        ("remaining_level", 1.0),
    ],
)
def test_bad_criteria_are_named(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=name):
        Criteria.model_validate({name: value})


GOOD_DATA: dict[str, object] = {
    "entries": 7,
    "exits": 6,
    "block_counts": [[4, 2], [3, 4]],
    "ion_counts": [[6, 5], [1, 1]],
    "net_fluxes": [1.0, -1.0, 0.0],
    "population": [4.0, 5.0, 4.0, 3.0, 4.0],
    "members": [[0, 1], [1, 1], [1, 0], [0, 0]],
}


@pytest.mark.filterwarnings("error")
@modest
@given(st.data())
def test_any_data_are_judged_or_named(data: st.DataObject) -> None:
    name, arguments = data.draw(spoiled(**GOOD_DATA))
    # other entries or exits may be good, and not be the sums of the counts per block and ion
    sums = {"block_counts", "ion_counts"} if name in ("entries", "exits") else ()
    returned_or_named(lambda: equilibration_verdict(ExchangeData(**arguments), Criteria()), name, *sums)


def test_a_criterion_without_events_says_that_there_is_nothing_to_test() -> None:
    still = ExchangeData(0, 0, net_fluxes=[0] * 8, population=[5] * 16)
    verdict = equilibration_verdict(still, Criteria())
    assert not verdict.equilibrated
    assert verdict.reasons[2:] == (
        "– net flux: no events, nothing to test",
        "– drift: the number of ions never changed, nothing to test",
    )
