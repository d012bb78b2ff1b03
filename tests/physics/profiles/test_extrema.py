"""Peaks of densities: known answers, and errors that are those of repetitions."""

import numpy as np
import pytest

from aiida_cse.physics.profiles.extrema import find_peak
from aiida_cse.physics.statistics.resampling import leave_one_out

Z = np.arange(20, 40, 0.2) + 0.1


def density(centre: float = 29.93, height: float = 40.0) -> np.ndarray:
    return 2 + height * np.exp(-((Z - centre) ** 2) / (2 * 1.4**2))


def test_a_peak_between_two_bins_is_found() -> None:
    found = find_peak(Z, leave_one_out(np.tile(density(), (10, 1))), 23, 38)
    assert found.z == pytest.approx(29.93, abs=0.01)
    assert found.height == pytest.approx(42, rel=0.01)
    assert found.z_error == pytest.approx(0, abs=1e-6)


def test_errors_are_those_of_repetitions() -> None:
    rng = np.random.default_rng(3)
    peaks = [find_peak(Z, leave_one_out(rng.poisson(density(), (10, len(Z)))), 23, 38) for _ in range(150)]
    for name, true in (("z", 29.93), ("height", 42.0)):
        values = np.array([getattr(peak, name) for peak in peaks])
        errors = np.array([getattr(peak, f"{name}_error") for peak in peaks])
        assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.2)
        assert values.mean() == pytest.approx(true, abs=4 * values.std() / np.sqrt(len(values)) + 0.002 * true)


def test_few_groups_have_no_error() -> None:
    found = find_peak(Z, leave_one_out(np.tile(density(), (2, 1))), 23, 38)
    assert np.isnan(found.z_error)
    assert np.isfinite(found.z)


@pytest.mark.parametrize(
    ("samples", "low", "high", "message"),
    [
        (np.zeros((3, len(Z))), 23, 38, "no count between low = 23 and high = 38"),
        (np.ones((3, 4)), 23, 38, "samples has 4 bins"),
        (-np.ones((3, len(Z))), 23, 38, "must be at least 0"),
        (np.ones((3, len(Z))), np.nan, 38, "low = nan"),
        (np.ones((3, len(Z))), 50, 60, "no count between"),
    ],
)
def test_wrong_arguments_are_refused(samples: np.ndarray, low: float, high: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_peak(Z, samples, low, high)
