"""The equilibration coefficient, its bound and the verdict: published figures, coverage, and wrong input."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_cse.physics.exchange.equilibration import (
    equilibration_coefficient,
    equilibration_lower_bound,
    equilibration_verdict,
    exchange_interval,
    net_flux_test,
)
from aiida_cse.physics.exchange.transitions import Exchange, count_transitions
from aiida_cse.physics.statistics.poisson import poisson_interval
from tests.physics.chains import two_state_chain
from tests.physics.fuzzing import modest, returned_or_named, spoiled

COUNTS = st.integers(0, 2000)
#: ions that stay where they are
STILL = np.tile(np.arange(60) < 20, (49, 1))


@pytest.mark.parametrize(
    ("entries", "exits", "coefficient"),
    [(7, 7, 0.583), (2, 2, 0.286), (3, 7, 0.3), (0, 5, 0.0), (0, 0, 0.0)],
)
def test_published_coefficients(entries: int, exits: int, coefficient: float) -> None:
    assert equilibration_coefficient(entries, exits) == pytest.approx(coefficient, abs=1e-3)


def test_lower_bounds() -> None:
    assert equilibration_lower_bound(7, 7) == pytest.approx(0.26, abs=5e-3)
    assert equilibration_lower_bound(20, 20) > 0.5 > equilibration_lower_bound(18, 18)
    assert equilibration_lower_bound(0, 9) == 0.0


def test_lower_bound_near_balance_is_the_quantile_of_the_posterior() -> None:
    rng = np.random.default_rng(2)
    into, out = rng.gamma(7.5, size=400_000), rng.gamma(8.5, size=400_000)
    sampled = np.quantile(2 * np.minimum(into, out) / (into + out + 10), 0.025)
    assert equilibration_lower_bound(7, 8) == pytest.approx(sampled, abs=2e-3)


def test_bursts_lower_the_bound_and_single_events_do_not() -> None:
    clean = 7 * [[1, 1]] + 53 * [[0, 0]]
    assert equilibration_lower_bound(7, 7, ion_counts=clean) == equilibration_lower_bound(7, 7)
    assert equilibration_lower_bound(7, 7, block_counts=7 * [[1, 1]]) == equilibration_lower_bound(7, 7)
    two_ions = [[4, 4], [3, 3]] + 58 * [[0, 0]]
    one_ion = [[7, 7]] + 59 * [[0, 0]]
    bounds = [equilibration_lower_bound(7, 7, ion_counts=counts) for counts in (clean, two_ions, one_ion)]
    assert bounds[0] > 2 * bounds[1] > 2 * bounds[2] > 0
    both = equilibration_lower_bound(7, 7, ion_counts=clean, block_counts=[[7, 7]] + 59 * [[0, 0]])
    assert both == bounds[2]


def test_bound_of_bursts_is_that_of_fewer_events_of_more_weight() -> None:
    """42 events of one ion among 7 are worth one event, so λ in its units is 10 / 42."""
    counts = [[42, 42]] + 6 * [[0, 0]]
    found = equilibration_lower_bound(42, 42, ion_counts=counts)
    assert found == pytest.approx(equilibration_lower_bound(1, 1, lam=10 / 42), abs=1e-9)


def test_one_block_tells_nothing_about_bursts() -> None:
    assert equilibration_lower_bound(7, 7, block_counts=[[7, 7]]) == equilibration_lower_bound(7, 7)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=30))
@settings(deadline=None, max_examples=50)
def test_counts_per_ion_never_raise_the_bound(counts: list[tuple[int, int]]) -> None:
    entries, exits = np.sum(counts, axis=0).tolist()
    bound = equilibration_lower_bound(entries, exits, ion_counts=counts)
    assert 0 <= bound <= equilibration_lower_bound(entries, exits) + 1e-9


@given(COUNTS, COUNTS, st.floats(0.1, 1e6))
def test_coefficient_properties(entries: int, exits: int, lam: float) -> None:
    coefficient = equilibration_coefficient(entries, exits, lam)
    assert 0 <= coefficient < 1
    assert coefficient == equilibration_coefficient(exits, entries, lam)
    assert coefficient <= equilibration_coefficient(entries + 1, exits + 1, lam)


@settings(deadline=None, max_examples=50)
@given(COUNTS, COUNTS, st.floats(0.5, 0.999), st.floats(0.1, 1e6))
def test_bound_properties(entries: int, exits: int, level: float, lam: float) -> None:
    bound = equilibration_lower_bound(entries, exits, level, lam)
    assert 0 <= bound < 1
    assert bound == pytest.approx(equilibration_lower_bound(exits, entries, level, lam), abs=1e-3)


@pytest.mark.parametrize("per_frame", [2e-4, 1e-3])
def test_bound_covers_on_alternating_ions(per_frame: float) -> None:
    """On stationary ions that must leave before they come back, in at least 97.5 % of 1,000 experiments."""
    bound = cache(equilibration_lower_bound)
    rng = np.random.default_rng(17)
    ions, frames, experiments = 60, 100, 1000
    expected = ions * (frames - 1) * per_frame / 2
    truth = 2 * expected / (2 * expected + 10)
    covered = 0
    for _ in range(experiments):
        labels = two_state_chain(rng, ions=ions, frames=frames, enter=per_frame, leave=per_frame)
        both = sum(count_transitions(labels).exchange("ceramic").values(), Exchange(0, 0))
        covered += bound(both.entries, both.exits) <= truth
    assert covered >= 0.975 * experiments


@pytest.mark.parametrize(("entries", "exits"), [(0.1, 10), (0.8, 24), (1, 10), (3, 9)])
def test_bound_covers_far_from_balance(entries: float, exits: float) -> None:
    bound = cache(equilibration_lower_bound)
    experiments = 4000
    counts = np.random.default_rng(3).poisson((entries, exits), (experiments, 2)).tolist()
    truth = 2 * min(entries, exits) / (entries + exits + 10)
    covered = sum(bound(into, out) <= truth for into, out in counts)
    noise = np.sqrt(0.975 * 0.025 / experiments)
    assert covered / experiments >= 0.975 - 2 * noise


def test_net_flux() -> None:
    assert net_flux_test([1, -1, 0, 2, -2]).p_value > 0.9
    assert net_flux_test([1, 1, 2, 1, 1]).p_value < 0.01
    assert net_flux_test([0, 0, 0]).p_value == 1.0
    assert net_flux_test([1, 1, 1]).p_value == 0.0


def test_verdict_of_the_published_counts() -> None:
    verdict = equilibration_verdict(7, 7, net_fluxes=[1, -1, 0, 1, -1, 0], population=[42, 43, 42, 42, 43, 42])
    assert verdict.equilibrated
    assert len(verdict.reasons) == 4
    assert verdict.reasons[0] == "equilibration coefficient 0.583 (7 in, 7 out) reaches 0.5"


def test_verdict_may_test_the_end_only() -> None:
    """Ions that come in at first, and are as many as they will be from a third of the time on."""
    tested = {
        "net_fluxes": [4, 3, 2, 2, 1, 0, 0, 1, -1, 0],
        "population": [0, 4, 7, 9, 11, 12, 12, 12, 13, 12, 12, 13],
    }
    whole, end = (equilibration_verdict(30, 20, **tested, tested_share=share) for share in (1.0, 0.5))
    assert end.equilibrated
    assert not whole.equilibrated
    assert "over 10 blocks" in whole.reasons[2]
    assert "over 5 blocks" in end.reasons[2]


def test_verdict_asks_what_remains_of_the_start() -> None:
    rng = np.random.default_rng(4)
    mixed = rng.random((49, 60)) < 0.5
    verdict = equilibration_verdict(30, 20, members=mixed)
    assert verdict.equilibrated
    assert verdict.remaining is not None
    assert verdict.remaining.upper_bound < 1
    assert "standard deviations, after" in verdict.reasons[2]
    assert not equilibration_verdict(30, 20, members=mixed, maximum_remaining=1e-9).equilibrated
    assert equilibration_verdict(30, 20).remaining is None


def test_verdict_sees_bursts() -> None:
    counts = 2 * [[7, 7]] + 58 * [[0, 0]]
    verdict = equilibration_verdict(14, 14, ion_counts=counts)
    assert not verdict.equilibrated
    assert verdict.burst_index == pytest.approx(6.88, abs=0.01)
    assert "in bursts of about 6.9 events, is below 0.25" in verdict.reasons[1]
    assert equilibration_verdict(14, 14, block_counts=14 * [[1, 1]]).equilibrated
    assert equilibration_verdict(14, 14).burst_index == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"entries": 1, "exits": 1}, "equilibration coefficient 0.167 (1 in, 1 out) is below 0.5"),
        ({"entries": 6, "exits": 6}, "its lower 97.5 % bound 0.223 is below 0.25"),
        ({"entries": 30, "exits": 20, "net_fluxes": [2, 1, 2, 3, 2]}, "is not compatible with zero"),
        ({"entries": 30, "exits": 20, "population": list(range(50))}, "drift of the population"),
        ({"entries": 30, "exits": 20, "net_fluxes": [1]}, "net flux cannot be judged: 1 block(s)"),
        ({"entries": 30, "exits": 20, "population": [1, 2]}, "drift cannot be judged: 2 frame(s)"),
        ({"entries": 30, "exits": 20, "members": [[0, 1], [1, 0]]}, "cannot be judged: 2 time(s) and 2 ion(s)"),
        ({"entries": 30, "exits": 20, "members": np.zeros((9, 0))}, "cannot be judged: 9 time(s) and 0 ion(s)"),
        ({"entries": 30, "exits": 20, "members": STILL}, "of the start"),
    ],
)
def test_verdict_says_why_not(arguments: dict[str, object], reason: str) -> None:
    verdict = equilibration_verdict(**arguments)  # type: ignore[arg-type]
    assert not verdict.equilibrated
    assert any(reason in text for text in verdict.reasons)


def test_verdict_on_a_chain_in_and_out_of_equilibrium() -> None:
    rng = np.random.default_rng(3)
    labels = two_state_chain(rng, ions=60, frames=2000, enter=0.002, leave=0.002)
    filling = labels.copy()
    filling[:, :] = np.where(np.arange(2000)[:, None] > rng.integers(0, 2000, 60), 2, 3)
    for table, expected in ((labels, True), (filling, False)):
        found = count_transitions(table)
        both = sum(found.exchange("ceramic").values(), Exchange(0, 0))
        inside = (table == 2).sum(axis=1)
        verdict = equilibration_verdict(
            both.entries, both.exits, net_fluxes=np.diff(inside[::100]), population=inside
        )
        assert verdict.equilibrated is expected, verdict.reasons


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((-1, 2), "entries"), ((1, 2.5), "exits"), ((1, 2, 0.0), "lam"), ((1, 2, float("inf")), "lam")],
)
def test_bad_input_is_named(arguments: tuple[float, ...], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} is"):
        equilibration_coefficient(*arguments)


def test_bad_blocks_and_levels_are_named() -> None:
    with pytest.raises(ValueError, match="net_fluxes has 1 values, it must have at least 2"):
        net_flux_test([1])
    with pytest.raises(ValueError, match="level is 2"):
        equilibration_lower_bound(1, 1, 2)
    with pytest.raises(ValueError, match="significance is 0"):
        equilibration_verdict(1, 1, significance=0)


@pytest.mark.parametrize("name", ["ion_counts", "block_counts"])
@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([[3, 2], [1, 1]], "sums to 4 entries and 3 exits, it must sum to 4 and 4"),
        ([[4, 4, 0]], "has 3 columns, it must have 2: entries and exits"),
        ([4, 4], "has 1 axes, it must have 2"),
        ([[4.5, 4], [-0.5, 0]], r"\[1, 0\] is -0.5, a count must not be negative"),
        ([[3.5, 4], [0.5, 0]], r"\[0, 0\] is 3.5, a count must be a whole number"),
    ],
)
def test_bad_counts_are_named(name: str, counts: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} ?{message}"):
        equilibration_lower_bound(4, 4, **{name: counts})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"^{name} ?{message}"):
        equilibration_verdict(4, 4, **{name: counts})  # type: ignore[arg-type]


BAD_COUNTS = st.one_of(
    st.integers(max_value=-1), st.floats(0.01, 0.99), st.just(float("nan")), st.just(float("inf"))
)
BAD_LEVELS = st.one_of(st.floats(max_value=0), st.floats(min_value=1), st.just(float("nan")))


@given(BAD_COUNTS, BAD_LEVELS)
def test_whatever_is_wrong_is_named(count: float, level: float) -> None:
    for call, name in (
        (lambda: equilibration_lower_bound(count, 1), "entries"),
        (lambda: equilibration_lower_bound(1, count), "exits"),
        (lambda: equilibration_lower_bound(1, 1, level), "level"),
        (lambda: equilibration_lower_bound(1, 1, lam=-abs(count)), "lam"),
        (lambda: equilibration_verdict(1, 1, bound_level=level), "bound_level"),
    ):
        with pytest.raises(ValueError, match=f"^{name} is "):
            call()


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0.5, 0.999))
def test_the_total_is_at_most_pairs(entries: int, exits: int, level: float) -> None:
    low, high = exchange_interval(entries, exits, level)
    assert low <= entries + exits <= high
    single = poisson_interval(entries + exits, level)
    assert low <= single[0] + 1e-9
    assert high >= single[1] - 1e-9
    if entries == exits:
        assert (low, high) == pytest.approx([2 * end for end in poisson_interval(entries, level)], abs=1e-9)


def test_the_total_of_bursts_is_that_of_fewer_events_of_more_weight() -> None:
    assert exchange_interval(30, 30, burst_index=10) == pytest.approx([20 * end for end in poisson_interval(3)])
    assert exchange_interval(7, 7) == pytest.approx((5.63, 28.84), abs=0.01)
    assert exchange_interval(0, 0) == pytest.approx((0.0, 7.378), abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"burst_index": 0.5}, "^burst_index is 0.5, it must be a finite number of at least 1"),
        ({"burst_index": 1e308}, "^interval from burst_index.* too large a number"),
        ({"level": 1.0}, "^level is 1.0"),
        ({"exits": 1.5}, "^exits is 1.5"),
    ],
)
def test_bad_input_of_the_total_is_named(arguments: dict[str, float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        exchange_interval(**{"entries": 7, "exits": 7, **arguments})


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"net_fluxes": 3.0}, "^net_fluxes has 0 axes, it must have 1"),
        ({"net_fluxes": {"a": 1}}, "^net_fluxes must be numbers"),
        ({"population": 3.0}, "^population has 0 axes, it must have 1"),
        ({"population": {"a": 1}}, "^population must be numbers"),
        ({"minimum_coefficient": float("nan")}, "^minimum_coefficient is nan"),
        ({"minimum_lower_bound": float("inf")}, "^minimum_lower_bound is inf"),
        ({"bound_level": 1.0}, "^bound_level is 1.0"),
        ({"tested_share": 0.0}, "^tested_share is 0.0"),
        ({"tested_share": 1.5}, "^tested_share is 1.5, it must be at most 1"),
        ({"maximum_remaining": 0.0}, "^maximum_remaining is 0.0"),
        ({"remaining_level": 1.0}, "^remaining_level is 1.0"),
        ({"members": [[0, 2]] * 5}, "^members has 2 ions and values up to 2"),
    ],
)
def test_bad_input_of_the_verdict_is_named(arguments: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        equilibration_verdict(7, 7, **arguments)  # type: ignore[arg-type]


COUNTED = {"entries": 7, "exits": 6, "lam": 10.0, "block_counts": [[4, 2], [3, 4]], "ion_counts": [[6, 5], [1, 1]]}
GOOD_CALLS: dict[Callable[..., object], dict[str, object]] = {
    equilibration_coefficient: {"entries": 7, "exits": 6, "lam": 10.0},
    equilibration_lower_bound: {**COUNTED, "level": 0.975},
    exchange_interval: {"entries": 7, "exits": 6, "level": 0.95, "burst_index": 2.0},
    net_flux_test: {"net_fluxes": [1.0, -1.0, 0.0]},
    equilibration_verdict: {
        **COUNTED,
        "net_fluxes": [1.0, -1.0, 0.0],
        "population": [4.0, 5.0, 4.0, 3.0, 4.0],
        "minimum_coefficient": 0.5,
        "minimum_lower_bound": 0.25,
        "bound_level": 0.975,
        "significance": 0.05,
        "members": [[0, 1], [1, 1], [1, 0], [0, 0]],
        "tested_share": 0.8,
        "maximum_remaining": 1.0,
        "remaining_level": 0.99,
    },
}


@pytest.mark.parametrize("function", GOOD_CALLS, ids=lambda function: function.__name__)
@pytest.mark.filterwarnings("error")
@modest
@given(st.data())
def test_anything_is_judged_or_named(function: Callable[..., object], data: st.DataObject) -> None:
    name, arguments = data.draw(spoiled(**GOOD_CALLS[function]))
    # other entries or exits may be good, and not be the sums of the counts per block and ion
    sums = {"block_counts", "ion_counts"} if name in ("entries", "exits") else ()
    returned_or_named(lambda: function(**arguments), name, *sums)
