"""The charge integral of known layers, its errors, and its changes of sign."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aiida_cse.physics.profiles.charge import charge_integral
from tests.physics.fuzzing import modest, returned_or_named, spoiled

BINS = 400
Z = (np.arange(BINS) + 0.5) * 0.3 - 60.0
#: layers of +, −−, + on either side of a slab: neutral, and symmetric
LAYERS = np.select([(np.abs(Z) > 20) & (np.abs(Z) < 23), (np.abs(Z) > 23) & (np.abs(Z) < 29)], [0.02, -0.01], 0.0)

DENSITIES = hnp.arrays(np.float64, st.integers(2, 40), elements=st.floats(-1, 1))


def test_layers_integrate_to_their_charge() -> None:
    # 3 Å of 0.02 e/Å³ hold what 6 Å of 0.01 e/Å³ hold: 0.06 e/Å²
    found = charge_integral(Z, LAYERS, "left")
    assert found.integral[np.abs(Z) > 29.2] == pytest.approx(0.0, abs=1e-12)
    # the largest value lies on an edge, half a bin of 0.02 e/Å³ away from the nearest centre
    between = np.argmin(np.abs(found.z + 23.0))
    assert found.integral[between] == pytest.approx(-0.06, abs=0.003 + 1e-12)
    assert found.integral[np.abs(Z) < 19.8] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(found.standard_error).all()


def test_a_bin_is_half_full_at_its_centre() -> None:
    found = charge_integral([0.5, 1.5, 2.5], [1.0, 2.0, -3.0], "left")
    assert found.integral.tolist() == [0.5, 2.0, 1.5]
    assert charge_integral([0.5, 1.5, 2.5], [1.0, 2.0, -4.0], "right").integral.tolist() == [1.5, 3.0, 2.0]
    assert charge_integral([0.5, 1.5, 2.5], [1.0, 2.0, -3.0], 1.25).integral.tolist() == [-1.0, 0.5, 0.0]


@modest
@given(DENSITIES, st.floats(0, 1))
def test_starts_differ_by_the_charge_between_them(density: np.ndarray, share: float) -> None:
    z = np.arange(len(density)) * 0.5 - 3.0
    left, right = (charge_integral(z, density, start).integral for start in ("left", "right"))
    assert left - right == pytest.approx(np.full(len(z), density.sum() * 0.5), abs=1e-12)
    start = z[0] - 0.25 + share * 0.5 * len(z)
    inside = charge_integral(z, density, min(start, z[-1] + 0.25))
    edges = z[0] - 0.25 + 0.5 * np.arange(len(z) + 1)
    cumulative = np.concatenate([[0.0], np.cumsum(density) * 0.5])
    assert inside.integral == pytest.approx(left - np.interp(start, edges, cumulative), abs=1e-12)


@modest
@given(DENSITIES)
def test_a_neutral_box_is_the_same_from_both_ends(density: np.ndarray) -> None:
    neutral = density - density.mean()
    z = np.arange(len(density)) * 0.2
    left = charge_integral(z, neutral, "left").integral
    assert charge_integral(z, neutral, "right").integral == pytest.approx(left, abs=1e-12)


@modest
@given(DENSITIES)
def test_the_mirror_image_has_the_mirrored_integral(density: np.ndarray) -> None:
    z = (np.arange(len(density)) - (len(density) - 1) / 2) * 0.2
    left = charge_integral(z, density, "left")
    right = charge_integral(z, density[::-1], "right")
    assert right.integral[::-1] == pytest.approx(-left.integral, abs=1e-12)


def test_signs_change_at_the_zeros_of_a_sine() -> None:
    z = np.linspace(0, 20, 2001)
    found = charge_integral(z, np.cos(z), "left")
    offset = np.sin(z[0] - 0.005)
    assert found.integral == pytest.approx(np.sin(z) - offset, abs=2e-5)
    assert found.sign_changes == pytest.approx(np.pi * np.arange(1, 7), abs=0.006)


def test_a_plateau_of_zeros_is_crossed_in_its_middle() -> None:
    z = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    found = charge_integral(z, [2.0, -2.0, 0.0, 0.0, 0.0, -4.0, 0.0], "left")
    assert found.integral.tolist() == [1.0, 1.0, 0.0, 0.0, 0.0, -2.0, -4.0]
    assert found.sign_changes.tolist() == [3.0]
    # and one between lobes of the same sign is none
    touching = charge_integral(z, [2.0, -2.0, 0.0, 0.0, 0.0, 4.0, 0.0], "left")
    assert touching.sign_changes.tolist() == []


def test_rounding_is_no_lobe() -> None:
    density = np.where(np.arange(BINS) % 2, 0.1, -0.1) * np.where(np.abs(Z) < 20, 1.0, 0.0)
    assert len(charge_integral(Z, np.abs(LAYERS) * 0, "left").sign_changes) == 0
    far = charge_integral(Z, density - density.mean(), "left")
    assert (far.sign_changes < 25).all()


def test_each_block_is_integrated() -> None:
    rng = np.random.default_rng(2)
    noise = 0.002 * rng.standard_normal((600, BINS))
    found = charge_integral(Z, (LAYERS + noise).mean(axis=0), "left", block_densities=LAYERS + noise)
    # the errors of the bins add up along z: √n × σ × width / √B
    expected = 0.002 * 0.3 * np.sqrt(np.arange(BINS) + 0.25) / np.sqrt(600)
    assert found.standard_error == pytest.approx(expected, rel=0.15)
    neutral = noise - noise.mean(axis=1, keepdims=True)
    pinned = charge_integral(Z, neutral.mean(axis=0), "left", block_densities=neutral)
    assert pinned.standard_error[-1] < 0.1 * pinned.standard_error[BINS // 2]


def test_noise_around_zero_makes_no_sign_changes() -> None:
    rng = np.random.default_rng(3)
    blocks = LAYERS + 0.002 * rng.standard_normal((40, BINS))
    blocks -= blocks.mean(axis=1, keepdims=True)
    mean = blocks.mean(axis=0)
    every = charge_integral(Z, mean, "left").sign_changes
    significant = charge_integral(Z, mean, "left", block_densities=blocks, significance=5.0).sign_changes
    # the layers give − and then +, the mirrored ones + and then −: one change, in the slab, and none in the bulk
    assert len(significant) == 1
    assert abs(significant[0]) < 20.5
    assert len(every) > 1


def test_one_block_has_no_error() -> None:
    found = charge_integral(Z, LAYERS, "left", block_densities=LAYERS[None])
    assert np.isnan(found.standard_error).all()
    assert len(found.sign_changes) == 1


@pytest.mark.filterwarnings("error")
@modest
@given(
    spoiled(
        z=[0.0, 1.0, 2.0],
        charge_density=[0.1, -0.2, 0.1],
        start=0.5,
        block_densities=[[0.1, -0.2, 0.1], [0.0, 0.0, 0.0]],
        significance=2.0,
    )
)
def test_anything_is_integrated_or_named(call: tuple[str, dict[str, Any]]) -> None:
    name, arguments = call
    found = returned_or_named(lambda: charge_integral(**arguments), name)
    assert found is None or np.isfinite(found.integral).all()
    assert found is None or (np.diff(found.sign_changes) > 0).all()


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"z": [0.0, 1.0, 3.0]}, "z must be ascending and equally spaced"),
        ({"z": [2.0, 1.0, 0.0]}, "z must be ascending and equally spaced"),
        ({"z": [0.0]}, "z has 1 values: must have at least 2"),
        ({"charge_density": [0.0, 1.0]}, "charge_density has 2 bins, z has 3"),
        ({"charge_density": [0.0, 1.0, np.nan]}, r"charge_density\[2\] = nan: must be finite"),
        ({"start": "middle"}, "start = 'middle': must be 'left', 'right' or a z in Å"),
        ({"start": 2.6}, "start = 2.6 Å: must lie within -0.5 to 2.5 Å"),
        ({"block_densities": [[0.0, 1.0]]}, "block_densities has 2 bins, z has 3"),
        ({"significance": -1.0}, "significance = -1.0"),
    ],
)
def test_bad_input_is_named(changed: dict[str, Any], match: str) -> None:
    good: dict[str, Any] = {"z": [0.0, 1.0, 2.0], "charge_density": [0.0, 1.0, -1.0], "start": "left"}
    with pytest.raises(ValueError, match=match):
        charge_integral(**(good | changed))
