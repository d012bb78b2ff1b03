"""Exact intervals of counts, rates and ratios, and bursts, against known figures and their own definition."""

import math
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from aiida_cse.physics.statistics.poisson import (
    poisson_interval,
    poisson_lower,
    poisson_upper,
    rate_interval,
    rate_ratio_interval,
)
from tests.physics.fuzzing import modest, returned_or_named, spoiled


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.0, 3.69), (2, 0.24, 7.22), (7, 2.81, 14.42)])
def test_the_interval_is_garwoods(count: int, low: float, high: float) -> None:
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
    with pytest.raises(ValueError, match=f"^{name} ="):
        poisson_interval(*arguments)


@pytest.mark.parametrize("exposure", [0.0, -1.0, float("inf"), float("nan")])
def test_exposure_must_be_positive(exposure: float) -> None:
    with pytest.raises(ValueError, match="exposure ="):
        rate_interval(3, exposure)


def test_ratio_of_the_published_counts() -> None:
    # 7 entries in 380 ns at 700 K, 2 in 300 ns at 600 K
    low, high = rate_ratio_interval(7, 380, 2, 300)
    assert (low, high) == (pytest.approx(0.53, abs=5e-3), pytest.approx(27, abs=0.5))


@given(st.integers(0, 200), st.integers(0, 200), st.floats(0.5, 0.999), st.floats(0.01, 100))
def test_ratio_is_that_of_the_exact_binomial_interval(one: int, two: int, level: float, span: float) -> None:
    low, high = rate_ratio_interval(one, 1.0, two, span, level)
    if one + two == 0:
        assert (low, high) == (0.0, math.inf)
        return
    share = stats.binomtest(one, one + two).proportion_ci(level, method="exact")
    assert low / (low + span) == pytest.approx(share.low, abs=1e-9)
    assert (1.0 if math.isinf(high) else high / (high + span)) == pytest.approx(share.high, abs=1e-9)
    assert (low == 0.0) == (one == 0)
    assert math.isinf(high) == (two == 0)


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0.1, 10), st.floats(0.1, 10))
def test_swapping_the_rates_inverts_the_ratio(one: int, two: int, span1: float, span2: float) -> None:
    low, high = rate_ratio_interval(one, span1, two, span2)
    swapped_low, swapped_high = rate_ratio_interval(two, span2, one, span1)
    assert low == pytest.approx(0.0 if math.isinf(swapped_high) else 1 / swapped_high)
    assert high == pytest.approx(math.inf if swapped_low == 0 else 1 / swapped_low)


@given(
    st.tuples(st.floats(), st.floats(), st.floats(), st.floats()),
    st.floats(),
)
def test_any_ratio_is_ordered_or_an_argument_is_named(values: tuple[float, ...], level: float) -> None:
    count1, exposure1, count2, exposure2 = values
    try:
        low, high = rate_ratio_interval(count1, exposure1, count2, exposure2, level)
    except ValueError as error:
        assert re.match(r"(count1|exposure1|count2|exposure2|level)\b", str(error))  # noqa: PT017
    else:
        assert 0 <= low <= high


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((-1, 1.0, 1, 1.0, 0.95), "count1"),
        ((1, 0.0, 1, 1.0, 0.95), "exposure1"),
        ((1, 1.0, 0.5, 1.0, 0.95), "count2"),
        ((1, 1.0, 1, math.inf, 0.95), "exposure2"),
        ((1, 1.0, 1, 1.0, 1.0), "level"),
        ((1, 1e-200, 1, 1e200, 0.95), "exposure2 / exposure1"),
    ],
)
def test_bad_input_of_a_ratio_is_named(arguments: tuple[float, float, float, float, float], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} ="):
        rate_ratio_interval(*arguments)


GOOD_CALLS: dict[Callable[..., object], dict[str, object]] = {
    poisson_interval: {"count": 7, "level": 0.95},
    poisson_upper: {"count": 7, "level": 0.95},
    poisson_lower: {"count": 7, "level": 0.95},
    rate_interval: {"count": 7, "exposure": 380.0, "level": 0.95},
    rate_ratio_interval: {"count1": 7, "exposure1": 380.0, "count2": 2, "exposure2": 300.0, "level": 0.95},
}


@pytest.mark.parametrize("function", GOOD_CALLS, ids=lambda function: function.__name__)
@pytest.mark.filterwarnings("error")
@modest
@given(st.data())
def test_anything_gives_bounds_or_is_named(function: Callable[..., object], data: st.DataObject) -> None:
    name, arguments = data.draw(spoiled(**GOOD_CALLS[function]))
    found = returned_or_named(lambda: function(**arguments), name)
    if found is not None:
        low, high = found if isinstance(found, tuple) else (0.0, found)
        assert 0 <= low <= high
        # of a ratio there is no upper end where the second count is zero
        assert math.isfinite(high) or arguments.get("count2") == 0


@pytest.mark.parametrize("count", [1e308, 2**53 + 2])
def test_numbers_that_are_no_counts_are_named(count: float) -> None:
    with pytest.raises(ValueError, match=r"^count = .*: must be a whole number from 0 to 9007199254740992"):
        poisson_interval(count)


# -- bursts --------------------------------------------------------------------------------------------------


def test_events_in_bursts_count_as_fewer_of_more_weight() -> None:
    """30 events of dispersion 10: Garwood's interval of 3, its log half-widths × 1.2484."""
    low, high = poisson_interval(3)
    expected = [30 * (end / 3) ** 1.2484 for end in (low, high)]
    assert poisson_interval(30, dispersion=10) == pytest.approx(expected, rel=1e-3)
    assert rate_interval(30, 2.0, dispersion=10) == pytest.approx([end / 2 for end in expected], rel=1e-3)


def test_a_bound_without_an_event_is_that_of_bursts() -> None:
    assert poisson_upper(0, dispersion=4) == pytest.approx(4 * 2.9957 * 1.9432 / 1.6449, rel=1e-3)
    assert poisson_interval(0, dispersion=4)[0] == 0


def test_the_ratio_of_counts_in_bursts_is_that_of_fewer_events() -> None:
    narrow, wide = (
        rate_ratio_interval(3, 10.0, 2, 8.0),
        rate_ratio_interval(12, 10.0, 8, 8.0, dispersion1=4, dispersion2=4),
    )
    ratio = 3 / 10 / (2 / 8)
    assert wide == pytest.approx([ratio * (end / ratio) ** 1.2484 for end in narrow], rel=1e-3)
    first = rate_ratio_interval(12, 10.0, 8, 8.0, dispersion1=4)
    assert wide[0] < first[0] < rate_ratio_interval(12, 10.0, 8, 8.0)[0]


@pytest.mark.parametrize("value", [0.5, math.nan, math.inf])
def test_a_dispersion_below_one_is_named(value: float) -> None:
    with pytest.raises(ValueError, match=r"^dispersion = .*: must be a finite number of at least 1"):
        poisson_interval(3, dispersion=value)
    with pytest.raises(ValueError, match=r"^dispersion2 = "):
        rate_ratio_interval(3, 1.0, 3, 1.0, dispersion2=value)
