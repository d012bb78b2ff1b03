"""Averages of correlated series against a process of known correlation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aiida_cse.physics.populations import (
    detect_equilibration,
    drift_test,
    populations,
    statistical_inefficiency,
)


def correlated(rng: np.random.Generator, frames: int, rho: float) -> NDArray[np.float64]:
    """Stationary AR(1) with unit variance: g = (1 + ρ) / (1 − ρ)."""
    series = np.empty(frames)
    series[0] = rng.normal()
    for frame, noise in enumerate(rng.normal(size=frames - 1) * np.sqrt(1 - rho**2), 1):
        series[frame] = rho * series[frame - 1] + noise
    return series


def test_inefficiency_of_a_known_process() -> None:
    series = correlated(np.random.default_rng(4), 20_000, 0.9)
    assert statistical_inefficiency(series) == pytest.approx(19, rel=0.2)
    assert statistical_inefficiency(np.random.default_rng(4).normal(size=2000)) == pytest.approx(1, abs=0.2)


def test_error_of_the_mean_covers() -> None:
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(200):
        found = populations(correlated(rng, 2000, 0.8))["count"]
        covered += abs(found.mean) < 1.96 * found.standard_error
    assert 0.90 <= covered / 200 <= 0.99


def test_columns_and_blocks() -> None:
    table = np.column_stack([np.arange(100), np.arange(100) % 2])
    found = populations(table, ("a", "b"), blocks=4)
    assert found["a"].block_means == (12.0, 37.0, 62.0, 87.0)
    assert found["b"].mean == 0.5


def test_a_constant_series_does_not_claim_an_error_of_zero() -> None:
    found = populations([3, 3, 3, 3, 3])["count"]
    assert found.mean == 3
    assert np.isnan(found.standard_error)
    assert found.samples == 1


def test_equilibration_is_found() -> None:
    rng = np.random.default_rng(1)
    series = np.concatenate([np.linspace(20, 0, 200), np.zeros(800)]) + rng.normal(size=1000)
    assert 100 <= detect_equilibration(series).start <= 300
    assert detect_equilibration([2.0] * 50).start == 0


def test_drift() -> None:
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
    assert found / 200 <= 0.12


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_any_series_of_counts_has_a_population(series: list[int]) -> None:
    found = populations(series)["count"]
    assert found.mean == pytest.approx(np.mean(series))
    assert 1 <= found.inefficiency <= len(series)
    assert found.samples == pytest.approx(len(series) / found.inefficiency)


def test_nothing_is_printed_about_optional_packages(capfd: pytest.CaptureFixture[str]) -> None:
    statistical_inefficiency(np.random.default_rng(0).normal(size=100))
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="counts has 0 values"):
        populations([])
    with pytest.raises(ValueError, match=r"counts\[1, 0\] is nan"):
        populations([1.0, float("nan")])
    with pytest.raises(ValueError, match="names has 2 entries, counts has 1 columns"):
        populations([1, 2], ("a", "b"))
    with pytest.raises(ValueError, match="blocks is 0"):
        populations([1, 2], blocks=0)
    with pytest.raises(ValueError, match="series has 3 values, it must have at least 4"):
        drift_test([1, 2, 3])
