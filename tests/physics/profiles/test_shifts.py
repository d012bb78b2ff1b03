"""Known shifts between two curves are found, with errors from the fit or from blocks of time."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_cse.physics.profiles.shifts import Shift, sampled_shift, shift_between
from aiida_cse.physics.statistics.resampling import jackknife_error, leave_one_out
from tests.physics.fuzzing import modest, returned_or_named, spoiled

Z = (np.arange(550) + 0.5) * 0.2 - 55.0
RIGHT = (23.0, 40.0)


def landscape(z: np.ndarray) -> np.ndarray:
    """Return a barrier at |z| = 23, a well and a maximum behind it, in K."""
    place = np.abs(z)
    barrier = 7500 * np.exp(-(((place - 23) / 1.8) ** 2))
    return barrier - 250 * np.cos(0.6 * (place - 29)) * np.exp(-(((place - 29) / 8) ** 2))


def test_published_shift() -> None:
    # RIGHT: the curve at 600 K must move by +0.18 Å and up by 360 K to lie on that at 700 K; LEFT by −0.18 Å
    hot, cold = landscape(Z), landscape(np.sign(Z) * (np.abs(Z) + 0.18)) - 360
    right = shift_between(Z, hot, cold, window=RIGHT)
    assert (right.dz, right.df) == (pytest.approx(0.18, abs=1e-4), pytest.approx(360, abs=0.1))
    left = shift_between(Z, hot, cold, window=(-40.0, -23.0))
    assert (left.dz, left.df) == (pytest.approx(-0.18, abs=1e-4), pytest.approx(360, abs=0.1))
    assert right.rms < 1
    assert right.bins == 85


@modest
@given(st.floats(-1.8, 1.8), st.floats(-2000, 2000))
def test_any_shift_comes_back(dz: float, df: float) -> None:
    found = shift_between(Z, landscape(Z - dz) + df, landscape(Z), window=(21.0, 42.0))
    assert found.dz == pytest.approx(dz, abs=1e-3)
    assert found.df == pytest.approx(df, abs=1.0)


@pytest.mark.parametrize("noise", [30.0, *(pytest.param(K, marks=pytest.mark.long) for K in (10.0, 100.0))])
@pytest.mark.parametrize("given_errors", [True, False])
@pytest.mark.parametrize("dz", [0.1, 0.2])
def test_errors_are_those_of_the_noise(noise: float, given_errors: bool, dz: float) -> None:
    """By half a bin and by a whole one, where interpolation averages the noise most and not at all."""
    rng = np.random.default_rng(41)
    found = []
    errors = {"error_hot": np.full(len(Z), noise), "error_cold": np.full(len(Z), noise)}
    for _ in range(150):
        hot = landscape(Z) + noise * rng.standard_normal(len(Z))
        cold = landscape(Z + dz) - 360 + noise * rng.standard_normal(len(Z))
        found.append(shift_between(Z, hot, cold, window=RIGHT, max_shift=0.6, **(errors if given_errors else {})))
    pulls = np.array([((one.dz - dz) / one.dz_error, (one.df - 360) / one.df_error) for one in found])
    # of 150 pulls the mean is known to 0.08, their standard deviation to 6 %
    assert np.abs(pulls.mean(axis=0)).max() < 0.25
    assert pulls.std(axis=0) == pytest.approx([1.0, 1.0], abs=0.2)


def test_a_noisy_part_counts_less() -> None:
    rng = np.random.default_rng(43)
    error = np.where(Z < 30, 20.0, 2000.0)
    hot = landscape(Z) + error * rng.standard_normal(len(Z))
    found = shift_between(Z, hot, landscape(Z + 0.18), window=RIGHT, error_hot=error)
    assert found.dz == pytest.approx(0.18, abs=0.02)
    assert found.dz_error < 0.01


def test_unknown_bins_are_left_out_and_not_bridged() -> None:
    hot, cold = landscape(Z), landscape(Z + 0.18) - 360
    lost = (Z > 25) & (Z < 27)
    spoiled_hot, spoiled_cold = np.where(lost, np.nan, hot), np.where(lost, np.nan, cold)
    everything = shift_between(Z, hot, cold, window=RIGHT)
    for one, other in ((spoiled_hot, cold), (hot, spoiled_cold), (spoiled_hot, spoiled_cold)):
        found = shift_between(Z, one, other, window=RIGHT)
        assert found.dz == pytest.approx(0.18, abs=1e-3)
        assert found.bins < everything.bins - 8
    # an error that is not known makes its bin unknown
    error = np.where(lost, np.nan, 10.0)
    assert shift_between(Z, hot, cold, window=RIGHT, error_hot=error).bins == everything.bins - lost.sum()


def test_swapping_the_curves_turns_the_shift_round() -> None:
    hot, cold = landscape(Z), landscape(Z + 0.18) - 360
    there = shift_between(Z, hot, cold, window=RIGHT)
    back = shift_between(Z, cold, hot, window=RIGHT)
    assert (there.dz, there.df) == (pytest.approx(-back.dz, abs=1e-3), pytest.approx(-back.df, abs=1))


GOOD: dict[str, Any] = {
    "z": np.arange(20.0),
    "F_hot": np.cos(np.arange(20.0)) * 100,
    "F_cold": np.cos(np.arange(20.0) + 0.5) * 100,
    "window": (2.0, 17.0),
    "max_shift": 1.5,
    "error_hot": np.ones(20),
    "error_cold": np.ones(20),
}


@pytest.mark.filterwarnings("error")
@modest
@given(spoiled(**GOOD))
def test_anything_is_superposed_or_named(call: tuple[str, dict[str, Any]]) -> None:
    name, arguments = call
    found = returned_or_named(lambda: shift_between(**arguments), name)
    if found is not None:
        assert np.isfinite([found.dz, found.df, found.rms]).all()
        assert min(found.dz_error, found.df_error) > 0
        assert isinstance(found, Shift)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"z": np.arange(20.0) ** 2}, "z must be ascending and equally spaced"),
        ({"F_hot": np.zeros(19)}, r"F_hot has the shape \(19,\), z has 20 bins"),
        ({"F_cold": np.full(20, np.inf)}, "F_cold is infinite or above"),
        ({"F_cold": np.full(20, np.nan)}, "F_hot and F_cold have at most 0 common known bins"),
        ({"F_hot": np.where(np.arange(20) % 3, np.nan, 1.0)}, "F_hot and F_cold have at most 5 common known bins"),
        ({"window": (5.0, 8.0)}, "at most 4 common known bins in the window, at least 6 are needed"),
        ({"window": (8.0, 5.0)}, r"window is \(8.0, 5.0\), it must be a lowest and a highest z"),
        ({"max_shift": 0.0}, "max_shift = 0.0"),
        ({"max_shift": 1e17}, r"max_shift is 1e\+17 Å, it must be at most the length of z, 19 Å"),
        ({"error_hot": np.zeros(20)}, r"error_hot\[0\] = 0: must be above 0"),
        ({"F_cold": np.arange(20.0)}, "F_cold is a straight line"),
        ({"F_cold": np.full(20, 500.0)}, "F_cold is a straight line"),
        (
            {"max_shift": 0.2},
            "the best shift, -?0.2 Å, lies at the edge of what F_hot and F_cold allow within max_shift",
        ),
        ({"error_cold": np.full(20, 1e4)}, "F_cold has no more curvature than its noise has"),
    ],
)
def test_bad_input_is_named(changed: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        shift_between(**(GOOD | changed))


# -- errors from blocks of time ------------------------------------------------------------------------------

GRID = np.arange(-55, 55, 0.2) + 0.1
LAYER = (23.0, 32.0)


def curve(z: np.ndarray) -> np.ndarray:
    """Return what a charge integral is like beside a slab: lobes that fade into the bulk."""
    return np.where(np.abs(z) < 55, np.exp(-np.abs(z - 20) / 6) * np.cos((z - 20) / 1.3), 0.0)


def groups(seed: int, shift: float, noise: float, number: int = 12) -> np.ndarray:
    """Return integrals of blocks (number, bins): what is noise in the charge is a random walk in the integral."""
    rng = np.random.default_rng(seed)
    walks = np.cumsum(rng.normal(scale=noise, size=(number, len(GRID))), axis=1)
    return curve(GRID + shift) + walks


@pytest.mark.parametrize("shift", [-0.45, 0.0, 0.13, 0.2, 0.45])
def test_a_known_shift_is_found(shift: float) -> None:
    hot, cold = leave_one_out(groups(1, 0, 0)), leave_one_out(groups(2, shift, 0) + 0.3)
    found = sampled_shift(GRID, hot, cold, window=LAYER)
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
        found = sampled_shift(GRID, *samples, window=LAYER)
        shifts.append(found.dz)
        parts = (jackknife_error(part)[0] for part in (found.from_hot, found.from_cold))
        errors.append(np.hypot(*parts))
    assert np.mean(shifts) == pytest.approx(0.2, abs=3 * np.std(shifts) / np.sqrt(len(shifts)))
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(shifts), rel=0.2)


def test_leaving_out_a_group_is_what_a_new_fit_finds() -> None:
    hot, cold = leave_one_out(groups(5, 0, 0.01)), leave_one_out(groups(6, 0.2, 0.01))
    found = sampled_shift(GRID, hot, cold, window=LAYER)
    for number in (1, 5):
        again = sampled_shift(GRID, hot[[number, number]], cold, window=LAYER)
        assert again.dz - found.dz == pytest.approx(found.from_hot[number - 1, 0], rel=0.05, abs=1e-5)
        again = sampled_shift(GRID, hot, cold[[number, number]], window=LAYER)
        assert again.dz - found.dz == pytest.approx(found.from_cold[number - 1, 0], rel=0.05, abs=1e-5)


def test_bins_that_are_not_known_are_left_out() -> None:
    hot, cold = leave_one_out(groups(1, 0, 0)), leave_one_out(groups(2, 0.2, 0))
    cold[3, (GRID > 26) & (GRID < 27)] = np.nan
    found = sampled_shift(GRID, hot, cold, window=LAYER)
    whole = sampled_shift(GRID, hot, leave_one_out(groups(2, 0.2, 0)), window=LAYER)
    assert found.dz == pytest.approx(0.2, abs=1e-3)
    assert found.bins < whole.bins
    assert np.isfinite(found.from_cold).all()


def test_weights_are_those_of_the_errors() -> None:
    hot, cold = leave_one_out(groups(1, 0, 0)), leave_one_out(groups(2, 0.2, 0))
    hot[:, GRID > 28] += 0.1
    error = np.where(GRID > 28, 1.0, 0.01)
    found = sampled_shift(GRID, hot, cold, window=LAYER, error_hot=error, error_cold=np.full(len(GRID), 0.01))
    assert found.dz == pytest.approx(0.2, abs=1e-3)
    assert sampled_shift(GRID, hot, cold, window=LAYER).dz != pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hot": np.zeros(5)}, "hot has the shape"),
        ({"cold": np.zeros((3, 4))}, "cold has the shape"),
        ({"window": (32.0, 23.0)}, "window is"),
        ({"max_shift": 1e3}, "max_shift is"),
        ({"hot": np.zeros((3, len(GRID))), "cold": np.zeros((3, len(GRID)))}, "straight line"),
    ],
)
def test_wrong_arguments_are_refused(change: dict[str, object], message: str) -> None:
    given = {"hot": groups(1, 0, 0.1), "cold": groups(2, 0, 0.1), "window": LAYER} | change
    with pytest.raises(ValueError, match=message):
        sampled_shift(GRID, **given)  # type: ignore[arg-type]
