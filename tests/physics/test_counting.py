"""Exact Poisson intervals against published figures and against their own definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from aiida_cse.physics.counting import poisson_interval, poisson_lower, poisson_upper, rate_interval


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.0, 3.69), (2, 0.24, 7.22), (7, 2.81, 14.42)])
def test_garwood_interval(count: int, low: float, high: float) -> None:
    assert poisson_interval(count) == (pytest.approx(low, abs=5e-3), pytest.approx(high, abs=5e-3))


def test_upper_bound_without_events_is_the_rule_of_three() -> None:
    assert poisson_upper(0, 0.95) == pytest.approx(2.9957, abs=1e-4)


def test_rate_interval_scales_with_the_exposure() -> None:
    low, high = poisson_interval(7)
    assert rate_interval(7, 380.0) == (pytest.approx(low / 380), pytest.approx(high / 380))


@given(st.integers(0, 5000), st.floats(0.5, 0.999))
def test_bounds_have_their_tails(count: int, level: float) -> None:
    upper = poisson_upper(count, level)
    assert stats.poisson(upper).cdf(count) == pytest.approx(1 - level, rel=1e-6)
    lower = poisson_lower(count, level)
    assert lower <= count <= upper
    if count:
        assert stats.poisson(lower).sf(count - 1) == pytest.approx(1 - level, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((-1, 0.95), "count"),
        ((1.5, 0.95), "count"),
        ((float("nan"), 0.95), "count"),
        ((1, 0.0), "level"),
        ((1, 1.0), "level"),
        ((1, float("nan")), "level"),
    ],
)
def test_bad_input_is_named(arguments: tuple[float, float], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} is"):
        poisson_interval(*arguments)


@pytest.mark.parametrize("exposure", [0.0, -1.0, float("inf"), float("nan")])
def test_exposure_must_be_positive(exposure: float) -> None:
    with pytest.raises(ValueError, match="exposure is"):
        rate_interval(3, exposure)
