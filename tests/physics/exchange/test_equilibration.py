"""The equilibration coefficient and its bound: published figures, coverage, and invalid input."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_cse.physics.exchange.equilibration import (
    equilibration_coefficient,
    equilibration_lower_bound,
    exchange_interval,
    net_flux_test,
)
from aiida_cse.physics.exchange.transitions import Exchange, count_transitions
from aiida_cse.physics.statistics.poisson import poisson_interval
from tests.physics.chains import two_state_chain
from tests.physics.fuzzing import modest, returned_or_named, spoiled

COUNTS = st.integers(0, 2000)


@pytest.mark.parametrize(
    ("entries", "exits", "coefficient"),
    [(7, 7, 0.583), (2, 2, 0.286), (3, 7, 0.3), (0, 5, 0.0), (0, 0, 0.0)],
)
def test_coefficients_are_the_published_ones(entries: int, exits: int, coefficient: float) -> None:
    assert equilibration_coefficient(entries, exits) == pytest.approx(coefficient, abs=1e-3)


def test_lower_bounds_are_the_documented_ones() -> None:
    assert equilibration_lower_bound(7, 7) == pytest.approx(0.26, abs=5e-3)
    assert equilibration_lower_bound(20, 20) > 0.5 > equilibration_lower_bound(18, 18)
    assert equilibration_lower_bound(0, 9) == 0.0


def test_lower_bound_near_balance_is_the_quantile_of_the_posterior() -> None:
    rng = np.random.default_rng(2)
    into, out = rng.gamma(7.5, size=400_000), rng.gamma(8.5, size=400_000)
    sampled = np.quantile(2 * np.minimum(into, out) / (into + out + 10), 0.025)
    assert equilibration_lower_bound(7, 8) == pytest.approx(sampled, abs=2e-3)


def test_a_burst_of_42_events_counts_as_one_event_of_that_weight() -> None:
    """λ in units of the burst is 10 / 42."""
    found = equilibration_lower_bound(42, 42, burst_index=42)
    assert found == pytest.approx(equilibration_lower_bound(1, 1, lam=10 / 42), abs=1e-9)


@given(COUNTS, COUNTS, st.floats(0.1, 1e6))
def test_the_coefficient_is_symmetric_bounded_and_grows_with_both_counts(
    entries: int, exits: int, lam: float
) -> None:
    coefficient = equilibration_coefficient(entries, exits, lam)
    assert 0 <= coefficient < 1
    assert coefficient == equilibration_coefficient(exits, entries, lam)
    assert coefficient <= equilibration_coefficient(entries + 1, exits + 1, lam)


@settings(deadline=None, max_examples=50)
@given(COUNTS, COUNTS, st.floats(0.5, 0.999), st.floats(0.1, 1e6))
def test_the_bound_is_symmetric_and_below_one(entries: int, exits: int, level: float, lam: float) -> None:
    bound = equilibration_lower_bound(entries, exits, level, lam)
    assert 0 <= bound < 1
    assert bound == pytest.approx(equilibration_lower_bound(exits, entries, level, lam), abs=1e-3)


@pytest.mark.parametrize("per_frame", [2e-4, 1e-3])
def test_the_bound_covers_for_alternating_ions(per_frame: float) -> None:
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
def test_the_bound_covers_far_from_balance(entries: float, exits: float) -> None:
    bound = cache(equilibration_lower_bound)
    experiments = 4000
    counts = np.random.default_rng(3).poisson((entries, exits), (experiments, 2)).tolist()
    truth = 2 * min(entries, exits) / (entries + exits + 10)
    covered = sum(bound(into, out) <= truth for into, out in counts)
    noise = np.sqrt(0.975 * 0.025 / experiments)
    assert covered / experiments >= 0.975 - 2 * noise


def test_the_net_flux_test_has_small_p_values_for_one_sided_flux_only() -> None:
    assert net_flux_test([1, -1, 0, 2, -2]).p_value > 0.9
    assert net_flux_test([1, 1, 2, 1, 1]).p_value < 0.01
    assert net_flux_test([0, 0, 0]).p_value == 1.0
    assert net_flux_test([1, 1, 1]).p_value == 0.0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((-1, 2), "entries"), ((1, 2.5), "exits"), ((1, 2, 0.0), "lam"), ((1, 2, float("inf")), "lam")],
)
def test_bad_input_is_named(arguments: tuple[float, ...], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} ="):
        equilibration_coefficient(*arguments)


def test_bad_blocks_and_levels_are_named() -> None:
    with pytest.raises(ValueError, match="net_fluxes has 1 values: must have at least 2"):
        net_flux_test([1])
    with pytest.raises(ValueError, match="level = 2"):
        equilibration_lower_bound(1, 1, 2)


BAD_COUNTS = st.one_of(
    st.integers(max_value=-1), st.floats(0.01, 0.99), st.just(float("nan")), st.just(float("inf"))
)
BAD_LEVELS = st.one_of(st.floats(max_value=0), st.floats(min_value=1), st.just(float("nan")))


@given(BAD_COUNTS, BAD_LEVELS)
def test_any_wrong_number_is_named(count: float, level: float) -> None:
    for call, name in (
        (lambda: equilibration_lower_bound(count, 1), "entries"),
        (lambda: equilibration_lower_bound(1, count), "exits"),
        (lambda: equilibration_lower_bound(1, 1, level), "level"),
        (lambda: equilibration_lower_bound(1, 1, lam=-abs(count)), "lam"),
    ):
        with pytest.raises(ValueError, match=f"^{name} = "):
            call()


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0.5, 0.999))
def test_the_interval_of_the_total_lies_between_single_events_and_pairs(
    entries: int, exits: int, level: float
) -> None:
    low, high = exchange_interval(entries, exits, level)
    assert low <= entries + exits <= high
    single = poisson_interval(entries + exits, level)
    assert low <= single[0] + 1e-9
    assert high >= single[1] - 1e-9
    if entries == exits:
        assert (low, high) == pytest.approx([2 * end for end in poisson_interval(entries, level)], abs=1e-9)


def test_the_total_of_bursts_is_that_of_fewer_events_of_larger_weight() -> None:
    expected = [2 * end for end in poisson_interval(30, dispersion=10)]
    assert exchange_interval(30, 30, burst_index=10) == pytest.approx(expected)
    assert exchange_interval(7, 7) == pytest.approx((5.63, 28.84), abs=0.01)
    assert exchange_interval(0, 0) == pytest.approx((0.0, 7.378), abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"burst_index": 0.5}, "^burst_index = 0.5: must be a finite number of at least 1"),
        ({"burst_index": 1e308}, "^interval from burst_index.* too large for a number"),
        ({"level": 1.0}, "^level = 1.0"),
        ({"exits": 1.5}, "^exits = 1.5"),
    ],
)
def test_bad_input_of_the_total_is_named(arguments: dict[str, float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        exchange_interval(**{"entries": 7, "exits": 7, **arguments})


GOOD_CALLS: dict[Callable[..., object], dict[str, object]] = {
    equilibration_coefficient: {"entries": 7, "exits": 6, "lam": 10.0},
    equilibration_lower_bound: {"entries": 7, "exits": 6, "lam": 10.0, "level": 0.975, "burst_index": 2.0},
    exchange_interval: {"entries": 7, "exits": 6, "level": 0.95, "burst_index": 2.0},
    net_flux_test: {"net_fluxes": [1.0, -1.0, 0.0]},
}


@pytest.mark.parametrize("function", GOOD_CALLS, ids=lambda function: function.__name__)
@pytest.mark.filterwarnings("error")
@modest
@given(st.data())
def test_anything_is_judged_or_named(function: Callable[..., object], data: st.DataObject) -> None:
    name, arguments = data.draw(spoiled(**GOOD_CALLS[function]))
    returned_or_named(lambda: function(**arguments), name)
