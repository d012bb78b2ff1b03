"""The regression of anions on cations: scipy for independent samples, and coverage for correlated ones."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import signal, stats

from aiida_cse.physics.statistics.correlation import anion_cation_correlation
from tests.physics.fuzzing import modest, returned_or_named, spoiled


def autoregressive(rng: np.random.Generator, frames: int, time: float) -> np.ndarray:
    """Return a stationary series of unit variance with the correlation time ``time`` in frames."""
    decay = np.exp(-1 / time)
    steps = rng.standard_normal(frames + int(20 * time)) * np.sqrt(1 - decay**2)
    return np.asarray(signal.lfilter([1.0], [1.0, -decay], steps))[-frames:]


@modest
@given(st.integers(4, 60), st.integers(0, 10_000))
def test_slope_and_r_are_those_of_scipy(frames: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lithium, noise = rng.poisson(40, frames) + np.arange(frames) % 2, rng.normal(size=frames)
    found = anion_cation_correlation(lithium, 0.9 * lithium + noise)
    expected = stats.linregress(lithium, 0.9 * lithium + noise)
    assert found.slope == pytest.approx(expected.slope)
    assert found.pearson == pytest.approx(expected.rvalue)
    # correlation can only take samples away, and with them certainty
    assert found.slope_error >= expected.stderr * (1 - 1e-9)
    assert 1 <= found.samples <= found.slope_samples <= frames
    assert found.pearson_interval[0] <= found.pearson <= found.pearson_interval[1]


def test_independent_samples_have_the_textbook_interval() -> None:
    rng = np.random.default_rng(5)
    lithium = rng.normal(size=400)
    tfsi = lithium + rng.normal(size=400)
    found = anion_cation_correlation(lithium, tfsi, 0.9)
    interval = stats.pearsonr(lithium, tfsi).confidence_interval(0.9)
    assert found.samples > 250
    assert found.pearson_interval == (
        pytest.approx(interval.low, abs=0.02),
        pytest.approx(interval.high, abs=0.02),
    )


@pytest.mark.parametrize(("slow", "fast"), [(20, 5), (20, 20), (2, 50), (50, 2)])
def test_intervals_cover_in_correlated_series(slow: float, fast: float) -> None:
    """One more TFSI per Li, which changes within ``slow`` frames, and a life of their own within ``fast``."""
    rng = np.random.default_rng(31)
    experiments, in_slope, in_r = 150, 0, 0
    for _ in range(experiments):
        lithium = autoregressive(rng, 380, slow)
        found = anion_cation_correlation(lithium, lithium + autoregressive(rng, 380, fast))
        reach = stats.t.ppf(0.975, max(found.slope_samples - 2, 1)) * found.slope_error
        in_slope += abs(found.slope - 1) <= reach
        in_r += found.pearson_interval[0] <= np.sqrt(0.5) <= found.pearson_interval[1]
    # at least 95 %, less three standard errors of as many experiments
    least = 0.95 - 3 * np.sqrt(0.95 * 0.05 / experiments)
    assert in_slope / experiments > least
    assert in_r / experiments > least


def test_a_constant_series_has_no_correlation() -> None:
    for lithium, tfsi in ([[28] * 6, [1, 2, 3, 1, 2, 3]], [[1, 2, 3, 1, 2, 3], [28] * 6], [[0.1] * 6, [0.1] * 6]):
        found = anion_cation_correlation(lithium, tfsi)
        assert np.isnan([found.slope, found.slope_error, found.pearson, *found.pearson_interval]).all()
        assert found.samples == found.slope_samples == 1.0


def test_points_on_a_line_have_no_error() -> None:
    found = anion_cation_correlation([1, 2, 4, 3, 7], [12, 22, 42, 32, 72])
    assert (found.slope, found.pearson) == (pytest.approx(10.0), pytest.approx(1.0))
    assert np.isnan([found.slope_error, *found.pearson_interval]).all()


def test_few_samples_leave_r_open() -> None:
    # one jump: two independent states at most
    found = anion_cation_correlation([1] * 50 + [2] * 50, [10, 11] * 25 + [11, 12] * 25)
    assert found.samples <= 3
    assert found.pearson_interval == (-1.0, 1.0)


@modest
@given(hnp.arrays(np.float64, st.tuples(st.integers(4, 30), st.just(2)), elements=st.floats(0, 100)))
def test_any_series_give_ordered_intervals(series: np.ndarray) -> None:
    found = anion_cation_correlation(series[:, 0], series[:, 1])
    low, high = found.pearson_interval
    assert np.isnan(low) or -1 <= low <= found.pearson <= high <= 1
    assert np.isnan(found.slope_error) or found.slope_error >= 0


@pytest.mark.filterwarnings("error")
@modest
@given(spoiled(cations=[1.0, 3.0, 2.0, 5.0], anions=[2.0, 2.0, 3.0, 5.0], level=0.95))
def test_anything_is_correlated_or_named(call: tuple[str, dict[str, Any]]) -> None:
    name, arguments = call
    found = returned_or_named(lambda: anion_cation_correlation(**arguments), name)
    assert found is None or np.isnan(found.pearson) or abs(found.pearson) <= 1


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([1, 2, 3], [1, 2, 3]), "cations has 3 values: must have at least 4"),
        (([1, 2, 3, 4], [1, 2, 3, 4, 5]), "anions has 5 values, cations has 4"),
        (([1, 2, 3, 4], [1, np.nan, 3, 4]), r"anions\[1\] = nan: must be finite"),
        (([[1, 2, 3, 4]], [1, 2, 3, 4]), "cations has 2 axes: must have 1"),
        (([1, 2, 3, 4], [1, 2, 3, 5], 1.0), "level = 1.0"),
    ],
)
def test_bad_input_is_named(arguments: tuple[Any, ...], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        anion_cation_correlation(*arguments)
