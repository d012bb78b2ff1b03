"""F in the well from windows and from the density of free ions: zeros, errors, and curves that differ."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from aiida_cse.physics.crossing.umbrella import UmbrellaProfile
from aiida_cse.physics.crossing.well_density import WellDensity, compare_in_well
from aiida_cse.physics.profiles.density import free_energy_profile

KELVIN, WELL = 500.0, (-4.0, 2.0)
EDGES = np.linspace(-5, 3, 41)
Z = (EDGES[:-1] + EDGES[1:]) / 2
TRUE = 150 * (Z + 1) ** 2
#: standard errors from which on two curves disagree, with four ladders
REACH = stats.t.ppf(0.975, 3)


def profile(rng: np.random.Generator, error: float, tilt: float = 0.0, ladders: int = 4) -> UmbrellaProfile:
    """Return F whose ladders have errors that add up along z, as those of MBAR do."""
    steps = np.cumsum(rng.normal(0, error / np.sqrt(len(Z)), (ladders, len(Z))), axis=1)
    own = TRUE + 2000 + tilt * (Z + 1) + steps + rng.normal(0, 300, (ladders, 1))
    return UmbrellaProfile(EDGES, KELVIN, own, 0.95, 1.0, 100, ())


def density(rng: np.random.Generator, ions: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return F and its error from independent visits of the bins."""
    weights = np.exp(-TRUE / KELVIN)
    counts = rng.multinomial(ions // 20, weights / weights.sum(), size=20)
    found = free_energy_profile(counts.sum(axis=0), KELVIN, 1.0, block_counts=counts)
    return found.free_energy, found.standard_error


def compared(seed: int, tilt: float = 0.0) -> WellDensity:
    rng = np.random.default_rng([2026, seed])
    energy, error = density(rng, 4000)
    found = compare_in_well(profile(rng, 80.0, tilt), Z, energy, error, WELL)
    assert found is not None
    return found


def test_the_zero_of_the_density_is_moved_to_that_of_the_windows() -> None:
    found = [compared(seed) for seed in range(50)]
    one = found[0]
    assert ((one.z > WELL[0]) & (one.z < WELL[1])).all()
    moved = np.array([one.free_energy[np.argmin(np.abs(one.z + 1.1))] for one in found])
    assert moved.mean() == pytest.approx(2000 + 1.5, abs=4 * 150 / np.sqrt(50))


def test_equal_curves_differ_by_what_their_errors_explain() -> None:
    found = [compared(seed) for seed in range(300)]
    ratios = np.array([one.deviation / one.expected for one in found])
    assert np.sqrt((ratios**2).mean()) == pytest.approx(1, abs=0.15)
    assert (ratios > REACH).mean() < 0.03


def test_curves_of_other_shapes_differ_by_more() -> None:
    ratios = [one.deviation / one.expected for one in (compared(seed, tilt=200.0) for seed in range(50))]
    assert np.mean(np.array(ratios) > REACH) > 0.9


def test_bins_of_the_density_may_be_wider_than_those_of_the_windows() -> None:
    edges = np.linspace(-3.5, 2.5, 13)
    wide = (edges[:-1] + edges[1:]) / 2
    fine = np.linspace(edges[0], edges[-1], 6001)
    shares = np.exp(-600 * (fine[:-1] + 0.0005 + 1) ** 2 / KELVIN).reshape(12, 500).mean(axis=1)
    steep = np.tile(600 * (Z + 1) ** 2, (4, 1)) + np.array([[-10.0], [0.0], [0.0], [10.0]])
    windows = UmbrellaProfile(EDGES, KELVIN, steep, 0.95, 1.0, 100, ())
    found = compare_in_well(windows, wide, -KELVIN * np.log(shares), np.full(12, 10.0), WELL)
    assert found is not None
    assert found.deviation < 15
    gap = UmbrellaProfile(EDGES, KELVIN, np.where(np.abs(Z + 0.5) < 0.15, np.nan, steep), 0.95, 1.0, 100, ())
    fewer = compare_in_well(gap, wide, -KELVIN * np.log(shares), np.full(12, 10.0), WELL)
    assert fewer is not None
    assert set(found.z) - set(fewer.z) == {-0.25, -0.75}


def test_too_little_in_common_is_not_compared() -> None:
    rng = np.random.default_rng(1)
    energy, error = density(rng, 4000)
    assert compare_in_well(profile(rng, 80.0), Z, energy, error, (2.5, 2.9)) is None
    assert compare_in_well(profile(rng, 80.0, ladders=2), Z, energy, error, WELL) is None
    with pytest.raises(ValueError, match="must be a number for each bin"):
        compare_in_well(profile(rng, 80.0), Z, energy[1:], error, WELL)
