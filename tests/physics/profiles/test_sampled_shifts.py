"""Shifts of curves from blocks of time: the known one is found, and the error is that of repetitions."""

import numpy as np
import pytest

from aiida_cse.physics.profiles.sampled_shifts import sampled_shift
from aiida_cse.physics.statistics.resampling import jackknife_error, leave_one_out

Z = np.arange(-55, 55, 0.2) + 0.1
WINDOW = (23.0, 32.0)


def curve(z: np.ndarray) -> np.ndarray:
    """Return what a charge integral is like beside a slab: lobes that fade into the bulk."""
    return np.where(np.abs(z) < 55, np.exp(-np.abs(z - 20) / 6) * np.cos((z - 20) / 1.3), 0.0)


def groups(seed: int, shift: float, noise: float, number: int = 12) -> np.ndarray:
    """Return integrals of blocks (number, bins): what is noise in the charge is a random walk in the integral."""
    rng = np.random.default_rng(seed)
    walks = np.cumsum(rng.normal(scale=noise, size=(number, len(Z))), axis=1)
    return curve(Z + shift) + walks


@pytest.mark.parametrize("shift", [-0.45, 0.0, 0.13, 0.2, 0.45])
def test_a_known_shift_is_found(shift: float) -> None:
    hot, cold = leave_one_out(groups(1, 0, 0)), leave_one_out(groups(2, shift, 0) + 0.3)
    found = sampled_shift(Z, hot, cold, window=WINDOW)
    assert found.dz == pytest.approx(shift, abs=2e-4)
    assert found.df == pytest.approx(-0.3, abs=1e-3)
    assert found.rms < 1e-3
    assert found.rms_unmoved >= 0.3 * 0.99
    assert jackknife_error(found.from_hot) == pytest.approx([0, 0], abs=1e-12)


def test_the_error_is_that_of_repetitions() -> None:
    """Neighbouring bins of an integral share their noise: the scatter of seeds says how large the error is."""
    shifts, errors = [], []
    for seed in range(120):
        samples = [leave_one_out(groups(2 * seed + one, shift, 0.02)) for one, shift in ((0, 0.0), (1, 0.2))]
        found = sampled_shift(Z, *samples, window=WINDOW)
        shifts.append(found.dz)
        parts = (jackknife_error(part)[0] for part in (found.from_hot, found.from_cold))
        errors.append(np.hypot(*parts))
    assert np.mean(shifts) == pytest.approx(0.2, abs=3 * np.std(shifts) / np.sqrt(len(shifts)))
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(shifts), rel=0.2)


def test_leaving_out_a_group_is_what_a_new_fit_finds() -> None:
    hot, cold = leave_one_out(groups(5, 0, 0.01)), leave_one_out(groups(6, 0.2, 0.01))
    found = sampled_shift(Z, hot, cold, window=WINDOW)
    for number in (1, 5):
        again = sampled_shift(Z, hot[[number, number]], cold, window=WINDOW)
        assert again.dz - found.dz == pytest.approx(found.from_hot[number - 1, 0], rel=0.05, abs=1e-5)
        again = sampled_shift(Z, hot, cold[[number, number]], window=WINDOW)
        assert again.dz - found.dz == pytest.approx(found.from_cold[number - 1, 0], rel=0.05, abs=1e-5)


def test_bins_that_are_not_known_are_left_out() -> None:
    hot, cold = leave_one_out(groups(1, 0, 0)), leave_one_out(groups(2, 0.2, 0))
    cold[3, (Z > 26) & (Z < 27)] = np.nan
    found = sampled_shift(Z, hot, cold, window=WINDOW)
    whole = sampled_shift(Z, hot, leave_one_out(groups(2, 0.2, 0)), window=WINDOW)
    assert found.dz == pytest.approx(0.2, abs=1e-3)
    assert found.bins < whole.bins
    assert np.isfinite(found.from_cold).all()


def test_weights_are_those_of_the_errors() -> None:
    hot, cold = leave_one_out(groups(1, 0, 0)), leave_one_out(groups(2, 0.2, 0))
    hot[:, Z > 28] += 0.1
    error = np.where(Z > 28, 1.0, 0.01)
    found = sampled_shift(Z, hot, cold, window=WINDOW, error_hot=error, error_cold=np.full(len(Z), 0.01))
    assert found.dz == pytest.approx(0.2, abs=1e-3)
    assert sampled_shift(Z, hot, cold, window=WINDOW).dz != pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hot": np.zeros(5)}, "hot has the shape"),
        ({"cold": np.zeros((3, 4))}, "cold has the shape"),
        ({"window": (32.0, 23.0)}, "window is"),
        ({"max_shift": 1e3}, "max_shift is"),
        ({"hot": np.zeros((3, len(Z))), "cold": np.zeros((3, len(Z)))}, "straight line"),
    ],
)
def test_wrong_arguments_are_refused(change: dict[str, object], message: str) -> None:
    given = {"hot": groups(1, 0, 0.1), "cold": groups(2, 0, 0.1), "window": WINDOW} | change
    with pytest.raises(ValueError, match=message):
        sampled_shift(Z, **given)  # type: ignore[arg-type]
