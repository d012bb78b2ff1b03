"""Averages of correlated series against a process of known correlation."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymbar import timeseries
from scipy import stats

from aiida_cse.physics.statistics.timeseries import (
    covariance_between_ions,
    detect_equilibration,
    drift_test,
    populations,
    statistical_inefficiency,
)
from tests.physics.fuzzing import modest, returned_or_named, spoiled


def correlated(rng: np.random.Generator, frames: int, rho: float) -> NDArray[np.float64]:
    """Stationary AR(1) with unit variance: g = (1 + ρ) / (1 − ρ)."""
    series = np.empty(frames)
    series[0] = rng.normal()
    for frame, noise in enumerate(rng.normal(size=frames - 1) * np.sqrt(1 - rho**2), 1):
        series[frame] = rho * series[frame - 1] + noise
    return series


def test_the_inefficiency_of_a_known_process_is_recovered() -> None:
    series = correlated(np.random.default_rng(4), 20_000, 0.9)
    assert statistical_inefficiency(series) == pytest.approx(19, rel=0.2)
    assert statistical_inefficiency(np.random.default_rng(4).normal(size=2000)) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("frames", [4, 5, 17, 400, 2500])
@pytest.mark.parametrize("rho", [0.0, 0.9, 0.99])
def test_inefficiency_is_that_of_pymbar(frames: int, rho: float) -> None:
    series = correlated(np.random.default_rng(frames), frames, rho)
    expected = timeseries.statistical_inefficiency(series)
    assert statistical_inefficiency(series) == pytest.approx(min(expected, frames), rel=1e-9)


def test_the_error_of_the_mean_covers() -> None:
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(200):
        found = populations(correlated(rng, 2000, 0.8))["count"]
        covered += abs(found.mean) < 1.96 * found.standard_error
    assert 0.90 <= covered / 200 <= 0.99


def test_interval_of_two_samples_is_that_of_student() -> None:
    low, high = populations([1.0, 4.0])["count"].interval
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 1) * 1.5)


def test_the_interval_of_independent_samples_has_few_degrees_of_freedom() -> None:
    found = populations(np.random.default_rng(3).normal(size=5000))["count"]
    assert 4 <= found.degrees_of_freedom <= 7
    assert found.interval[0] < found.mean < found.interval[1]


def test_interval_widens_where_the_series_is_short_for_its_correlation() -> None:
    rng = np.random.default_rng(5)
    short = [populations(correlated(rng, 400, 0.99))["count"] for _ in range(20)]
    long = [populations(correlated(rng, 40_000, 0.99))["count"] for _ in range(5)]
    assert max(one.degrees_of_freedom for one in short) <= 2
    assert min(one.degrees_of_freedom for one in long) >= 3
    widths = [np.median([one.interval[1] - one.interval[0] for one in found]) for found in (short, long)]
    assert widths[0] > 5 * widths[1]


def test_a_symmetric_series_has_no_interval_of_zero_width() -> None:
    low, high = populations([0, 1, 2, 2, 1, 0])["count"].interval
    assert high - low >= 2 * np.std([0, 1, 2, 2, 1, 0], ddof=1) / np.sqrt(6) - 1e-12


def test_a_higher_level_widens_the_interval() -> None:
    series = correlated(np.random.default_rng(5), 500, 0.5)
    widths = [np.ptp(populations(series, level=level)["count"].interval) for level in (0.5, 0.8, 0.95, 0.99)]
    assert np.all(np.diff(widths) > 0)


def test_columns_are_averaged_with_their_block_means() -> None:
    table = np.column_stack([np.arange(100), np.arange(100) % 2])
    found = populations(table, ("a", "b"), blocks=4)
    assert found["a"].block_means == (12.0, 37.0, 62.0, 87.0)
    assert found["b"].mean == 0.5


def test_a_constant_series_does_not_claim_an_error_of_zero() -> None:
    found = populations([3, 3, 3, 3, 3])["count"]
    assert found.mean == 3
    assert np.isnan(found.standard_error)
    assert np.isnan(found.interval).all()
    assert found.degrees_of_freedom == 0
    assert found.samples == 1


def test_ions_slower_than_the_run_show_in_the_variance_between_ions() -> None:
    """Quick exchange of ten ions hides 30 that are inside or outside for half of the time or more."""
    rng = np.random.default_rng(7)
    shares = np.concatenate([np.full(10, 0.5), rng.choice([0.1, 0.9], 30)])
    series = shares.sum() + rng.normal(size=1000)
    alone, found = populations(series)["count"], populations(series, shares=shares)["count"]
    assert found.error_from == "ions"
    assert alone.error_from == "time"
    assert found.standard_error == pytest.approx(np.sqrt(40 * shares.var(ddof=1)))
    assert found.standard_error > 10 * alone.standard_error
    low, high = found.interval
    assert (high - low) / 2 == pytest.approx(found.standard_error * stats.t.ppf(0.975, found.degrees_of_freedom))


def test_few_visitors_among_many_ions_leave_few_degrees_of_freedom() -> None:
    shares = np.zeros(60)
    shares[:6] = (0.9, 0.1, 0.1, 0.1, 0.2, 0.1)
    series = shares.sum() + np.random.default_rng(1).normal(scale=0.1, size=500)
    found = populations(series, shares=shares)["count"]
    assert found.error_from == "ions"
    assert 1 <= found.degrees_of_freedom < 4


def test_ions_that_move_together_show_in_their_number() -> None:
    """All are inside for the same share of the time: nothing differs between them."""
    inside = np.repeat(correlated(np.random.default_rng(2), 400, 0.95) > 0, 5)
    found = populations(20.0 * inside, shares=np.full(20, inside.mean()))["count"]
    assert found.error_from == "time"
    assert found.degrees_of_freedom == 4
    assert found.standard_error > 20 * inside.std() / np.sqrt(2000)


@pytest.mark.parametrize(
    ("moved", "of", "known"), [(4, 60, False), (5, 60, True), (2, 3, False), (3, 3, True), (1, 1, True)]
)
def test_hardly_any_moving_ion_leaves_no_interval(moved: int, of: int, known: bool) -> None:
    shares = np.where(np.arange(of) < moved, 0.25, 1.0)
    found = populations([1, 2, 1, 1, 2, 1, 2, 2], shares=shares)["count"]
    assert np.isfinite(found.interval).all() == np.isfinite(found.standard_error) == known
    assert (found.reason == "") == (found.error_from is not None) == known
    if not known:
        assert found.reason.startswith(f"{moved} of {of} ions were seen to enter or leave")


def test_the_equilibration_time_is_found() -> None:
    rng = np.random.default_rng(1)
    series = np.concatenate([np.linspace(20, 0, 200), np.zeros(800)]) + rng.normal(size=1000)
    assert 100 <= detect_equilibration(series).start <= 300
    assert detect_equilibration([2.0] * 50).start == 0


def test_a_trend_is_detected_and_noise_is_not() -> None:
    rng = np.random.default_rng(6)
    noise = correlated(rng, 1000, 0.9)
    assert drift_test(noise).p_value > 0.01
    trend = drift_test(noise + np.linspace(0, 10, 1000))
    assert trend.p_value < 1e-3
    assert trend.slope == pytest.approx(0.01, abs=3 * trend.standard_error)
    assert drift_test([1, 1, 1, 1]).p_value == 1.0
    assert drift_test([1, 2, 3, 4]).p_value < 1e-6


def test_a_stationary_series_rarely_shows_a_drift() -> None:
    rng = np.random.default_rng(12)
    found = sum(drift_test(correlated(rng, 1000, 0.8)).p_value < 0.05 for _ in range(200))
    assert found / 200 <= 0.1


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_any_series_of_counts_has_a_population(series: list[int]) -> None:
    found = populations(series)["count"]
    assert found.mean == pytest.approx(np.mean(series))
    assert 1 <= found.inefficiency <= len(series)
    assert found.samples == pytest.approx(len(series) / found.inefficiency)
    if np.ptp(series) > 0:
        assert found.interval[0] < found.mean < found.interval[1]


@given(st.lists(st.integers(-5, 5), min_size=4, max_size=60))
def test_any_series_can_be_tested_for_a_drift(series: list[int]) -> None:
    found = drift_test(series)
    assert 0 <= found.p_value <= 1
    assert found.standard_error >= 0
    mirrored = drift_test(series[::-1])
    assert mirrored.p_value == pytest.approx(found.p_value, abs=1e-6)
    assert mirrored.slope == pytest.approx(-found.slope, abs=1e-9)


def test_a_drift_seen_in_one_frame_of_two_hundred_is_no_rounding() -> None:
    step = drift_test([1e6] * 100 + [1e6 + 1] * 100)
    assert step.p_value < 0.05
    assert step.slope == pytest.approx(0.0075, rel=0.01)


def test_nothing_is_printed_about_optional_packages(capfd: pytest.CaptureFixture[str]) -> None:
    detect_equilibration(np.random.default_rng(0).normal(size=100))
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="counts has 0 values"):
        populations([])
    with pytest.raises(ValueError, match=r"counts\[1\] = nan"):
        populations([1.0, float("nan")])
    with pytest.raises(ValueError, match="names has 2 entries, counts has 1 columns"):
        populations([1, 2], ("a", "b"))
    with pytest.raises(ValueError, match="shares has 2 columns, counts has 1"):
        populations([1, 2], shares=[[0.1, 0.2]])
    with pytest.raises(ValueError, match=r"shares\[1\] = 1.5"):
        populations([1, 2], shares=[0.1, 1.5])
    with pytest.raises(ValueError, match="blocks = 0"):
        populations([1, 2], blocks=0)
    with pytest.raises(ValueError, match="level = 1"):
        populations([1, 2], level=1)
    with pytest.raises(ValueError, match="series has 3 values: must have at least 4"):
        drift_test([1, 2, 3])


@pytest.mark.parametrize("blocks", [1.5, float("nan"), "a", None])
def test_blocks_are_a_whole_number(blocks: object) -> None:
    with pytest.raises(ValueError, match=r"^blocks = .*: must be a whole number from 1"):
        populations([1, 2], blocks=blocks)  # type: ignore[arg-type]


@pytest.mark.parametrize("series", [[1.0], [1, 2], [1, 2, 1, 3, 1, 2, 1], [2.0] * 20])
def test_a_short_or_constant_series_is_taken_as_a_whole(series: list[float]) -> None:
    found = detect_equilibration(series)
    assert found.start == 0
    assert found.inefficiency == statistical_inefficiency(series)
    assert found.samples == len(series) / found.inefficiency


@pytest.mark.parametrize("factor", [1e-300, 1e-9, 1e90])
def test_the_unit_does_not_matter(factor: float) -> None:
    series = correlated(np.random.default_rng(2), 300, 0.8)
    assert statistical_inefficiency(factor * series) == pytest.approx(statistical_inefficiency(series))
    one, other = drift_test(series), drift_test(factor * series)
    assert other.p_value == pytest.approx(one.p_value)
    assert other.slope == pytest.approx(factor * one.slope)
    assert other.standard_error == pytest.approx(factor * one.standard_error)


SERIES = [1.0, 3.0, 2.0, 5.0, 4.0, 4.0, 3.0, 6.0, 2.0]
GOOD_CALLS: dict[Callable[..., object], dict[str, object]] = {
    statistical_inefficiency: {"series": SERIES},
    detect_equilibration: {"series": SERIES},
    drift_test: {"series": SERIES},
    populations: {"counts": SERIES, "names": ("count",), "shares": [0.5, 1.0], "blocks": 3, "level": 0.95},
}


@pytest.mark.parametrize("function", GOOD_CALLS, ids=lambda function: function.__name__)
@pytest.mark.filterwarnings("error")
@modest
@given(st.data())
def test_anything_is_averaged_or_named(function: Callable[..., object], data: st.DataObject) -> None:
    name, arguments = data.draw(spoiled(**GOOD_CALLS[function]))
    # a table of several columns needs as many names
    returned_or_named(lambda: function(**arguments), name, *({"names"} if name == "counts" else ()))


def test_the_mean_of_exchangeable_ions_has_the_variance_between_them() -> None:
    rng = np.random.default_rng(3)
    share = np.repeat([0.2, 0.8], 500)
    drawn = (rng.random((2000, 1000)) < rng.permuted(np.tile(share, (2000, 1)), axis=1)).sum(axis=1)
    ions = covariance_between_ions(np.column_stack([share, 1 - share]))
    assert ions[0, 0] == pytest.approx(1000 * 0.09, rel=0.01)
    assert ions[0, 1] == pytest.approx(-ions[0, 0])
    # another set of ions differs by the variance between ions and by that of each ion
    assert drawn.var() == pytest.approx(1000 * 0.16, rel=0.1)
