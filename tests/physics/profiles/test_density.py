"""Profiles of samples from a known landscape, and the bounds of empty bins."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aiida_cse.physics.profiles.density import density_profile, free_energy_profile
from tests.physics.fuzzing import modest, returned_or_named, spoiled

Z = np.linspace(-5, 5, 101)


def double_well(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Free energy in kelvin, 2000 K high at z = 0 and 0 at z = ±2.5."""
    return 2000 * ((z / 2.5) ** 2 - 1) ** 2


def sampled_counts(rng: np.random.Generator, total: int, temperature: float) -> NDArray[np.int64]:
    weights = np.exp(-double_well(Z) / temperature)
    return rng.multinomial(total, weights / weights.sum())


def test_the_density_of_known_counts_is_exact() -> None:
    profile = density_profile([10, 0, 30], 5, 2.0, block_counts=[[4, 0, 10], [6, 0, 20]], block_frames=2)
    assert profile.density.tolist() == [1.0, 0.0, 3.0]
    assert profile.standard_error == pytest.approx([0.25, 0.0, 1.25])
    assert np.isnan(density_profile([1, 2], 5, 2.0).standard_error).all()


def test_a_known_landscape_comes_back() -> None:
    counts = sampled_counts(np.random.default_rng(9), 2_000_000, 700.0)
    profile = free_energy_profile(counts, 700.0, 0.1, [-2.5, 2.5], z=Z)
    seen = counts > 100
    assert seen[50]
    deviation = np.abs(profile.free_energy - double_well(Z))[seen] / profile.standard_error[seen]
    assert (deviation < 5).all()
    assert np.isnan(profile.free_energy[counts == 0]).all()


def test_empty_bins_get_a_bound_below_the_truth_and_no_number() -> None:
    rng = np.random.default_rng(10)
    too_high = 0
    empty = 0
    for _ in range(300):
        counts = sampled_counts(rng, 3000, 300.0)
        profile = free_energy_profile(counts, 300.0, 1.0, [-2.5, 2.5], z=Z)
        bins = (counts == 0) & (np.abs(Z) < 2)
        assert np.isnan(profile.free_energy[bins]).all()
        assert np.isnan(profile.lower_bound[counts > 0]).all()
        too_high += int((profile.lower_bound[bins] > double_well(Z)[bins] + 60).sum())
        empty += int((np.abs(Z) < 2).sum())
    assert too_high / empty < 0.05


def test_the_zero_lies_in_a_bulk_or_at_the_lowest_bin() -> None:
    counts = [10, 20, 0, 30]
    bulk = free_energy_profile(counts, 500.0, 1.0, reference_mask=[True, True, False, False])
    assert bulk.free_energy[:2] == pytest.approx(-500 * np.log(np.array([10, 20]) / 15))
    assert free_energy_profile(counts, 500.0, 1.0).free_energy[3] == 0.0


def test_correlated_blocks_widen_the_error() -> None:
    blocks = np.array([[40, 0], [0, 40], [40, 0], [0, 40]])
    alone = free_energy_profile(blocks.sum(axis=0), 300.0, 1.0)
    known = free_energy_profile(blocks.sum(axis=0), 300.0, 1.0, block_counts=blocks)
    assert alone.dispersion == 1.0
    assert known.dispersion == pytest.approx(80 / 3)
    assert (known.standard_error > 5 * alone.standard_error).all()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"temperature": 0.0}, "temperature = 0.0"),
        ({"bin_volume": -1.0}, "bin_volume = -1.0"),
        ({"counts": [0, 0, 0]}, "counts are all zero"),
        ({"counts": [1, -2, 0]}, r"counts\[1\] = -2"),
        ({"counts": [1, float("nan"), 0]}, r"counts\[1\] = nan"),
        ({"reference_z": 0.0}, "z = None"),
        ({"reference_z": 9.0, "z": [0, 1, 2]}, "must lie within -0.5 to 2.5 Å"),
        ({"reference_z": 1.0, "z": [0, 1, 2]}, "reference_z = 1 Å: that bin is empty"),
        ({"reference_z": 1.0, "z": [0, 2, 3]}, "ascending and equally spaced"),
        ({"reference_z": 1.0, "z": [0, 1]}, "z has 2 values, counts has 3"),
        ({"reference_mask": [False, True, False]}, "reference_mask: its bins are empty"),
        ({"reference_mask": [True]}, "reference_mask has shape"),
        ({"reference_mask": [True] * 3, "reference_z": 0.0}, "both given"),
        ({"block_counts": [[1, 2]]}, "block_counts has 2 bins, counts has 3"),
        ({"level": 1.0}, "level = 1.0"),
        ({"frames": 1.5}, "frames = 1.5: must be a whole number"),
        ({"reference_z": [], "z": [0, 1, 2]}, "reference_z has 0 values: must have at least 1"),
        ({"reference_z": "a", "z": [0, 1, 2]}, "reference_z must be numbers"),
        ({"reference_z": float("nan"), "z": [0, 1, 2]}, "reference_z = nan: must be finite"),
        ({"reference_mask": [1.0, float("nan"), 0.0]}, r"reference_mask\[1\] = nan"),
        ({"reference_mask": [1, 2, 0]}, "reference_mask = .*: must be true or false in each bin"),
        ({"counts": [1e-320, 0, 0]}, "largest free energy, from temperature and counts, = inf"),
        (
            {"temperature": 1e308, "counts": [1, 0, 10**6]},
            "largest free energy, from temperature and counts, = inf",
        ),
    ],
)
def test_bad_input_is_named(arguments: dict[str, object], match: str) -> None:
    good: dict[str, object] = {"counts": [5, 0, 7], "temperature": 300.0, "bin_volume": 1.0}
    with pytest.raises(ValueError, match=match):
        free_energy_profile(**(good | arguments))  # type: ignore[arg-type]


def test_bad_frames_are_named() -> None:
    with pytest.raises(ValueError, match="frames = 0"):
        density_profile([1], 0, 1.0)
    with pytest.raises(ValueError, match="block_frames = 0"):
        density_profile([1], 1, 1.0, block_counts=[[1], [1]])


BLOCKS = [[2, 0, 3], [3, 0, 4]]
GOOD_CALLS: dict[Callable[..., object], dict[str, object]] = {
    density_profile: {
        "counts": [5, 0, 7],
        "frames": 4,
        "bin_volume": 2.0,
        "block_counts": BLOCKS,
        "block_frames": 2,
    },
    free_energy_profile: {
        "counts": [5, 0, 7],
        "temperature": 300.0,
        "bin_volume": 2.0,
        "reference_z": 1.0,
        "z": [1.0, 2.0, 3.0],
        "frames": 4,
        "block_counts": BLOCKS,
        "level": 0.95,
    },
}
MASKED = {"counts": [5, 0, 7], "temperature": 300.0, "bin_volume": 2.0, "reference_mask": [True, False, True]}


@pytest.mark.parametrize("function", GOOD_CALLS, ids=lambda function: function.__name__)
@pytest.mark.filterwarnings("error")
@modest
@given(st.data())
def test_anything_gives_a_profile_or_is_named(function: Callable[..., object], data: st.DataObject) -> None:
    name, arguments = data.draw(spoiled(**GOOD_CALLS[function]))
    # other counts may leave the bin of the reference empty
    found = returned_or_named(lambda: function(**arguments), name, *({"reference_z"} if name == "counts" else ()))
    if found is not None:
        assert not np.isinf([value for value in vars(found).values() if isinstance(value, np.ndarray)]).any()


@pytest.mark.filterwarnings("error")
@modest
@given(spoiled(**MASKED))
def test_any_mask_gives_a_profile_or_is_named(call: tuple[str, dict[str, object]]) -> None:
    name, arguments = call
    returned_or_named(lambda: free_energy_profile(**arguments), name, "reference_mask")  # type: ignore[arg-type]
