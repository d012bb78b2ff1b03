"""Barriers of analytic landscapes, bounds from few visits, joined sides, and invalid input."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from aiida_cse.physics.profiles.barriers import Barrier, ExchangeStatistics, boltzmann_average, find_barrier
from tests.physics.fuzzing import modest, returned_or_named, spoiled

WIDTH = 0.2
Z = np.arange(-40, 40, WIDTH) + WIDTH / 2
TOP, WELL = (20.5, 25.5), (25.5, 32.0)
LEFT = {"top": (-25.5, -20.5), "well": (-32.0, -25.5)}
RIGHT = {"top": TOP, "well": WELL}
T = 700.0


def landscape(height: float) -> np.ndarray:
    """F in K: a cosine between the well at |z| = 28 Å and the top at 23 Å, symmetric about the well."""
    outside = height * (1 + np.cos(np.pi * (np.abs(Z) - 23) / 5)) / 2
    return np.where(np.abs(Z) > 33, height, np.where(np.abs(Z) < 18, 0.0, outside))


def drawn(height: float, well_counts: float, seed: int, blocks: int = 40) -> np.ndarray:
    mean = well_counts * np.exp(-landscape(height) / T) / blocks
    return np.random.default_rng(seed).poisson(mean, (blocks, len(Z)))


def barrier_of(blocks: np.ndarray, **options: Any) -> Barrier:
    return find_barrier(Z, blocks.sum(axis=0), T, **{**RIGHT, "block_counts": blocks, **options})


def test_a_known_landscape_gives_back_its_barrier_well_and_curvature() -> None:
    # k = ½ F″ = height π² / 100, and the mean slope over the middle half of a cosine
    found = [barrier_of(drawn(4000, 2e6, seed), samples=300) for seed in range(40)]
    free_energy = landscape(4000)
    in_bins = free_energy[(Z > 20.5) & (Z < 25.5)].max() - free_energy[(Z > 25.5) & (Z < 32)].min()
    for truth, intervals in (
        (in_bins, [one.maximum.interval for one in found]),
        (4000 * np.pi**2 / 100, [one.well_curvature_interval for one in found]),
    ):
        # 38 of 40 expected; fewer than 33 has a probability of 1 in 100
        assert sum(low < truth < high for low, high in intervals) >= 33
    assert all(one.maximum.interval[1] - one.maximum.interval[0] < 60 for one in found)
    assert np.mean([one.top_z for one in found]) == pytest.approx(23, abs=0.05)
    assert np.mean([one.well_z for one in found]) == pytest.approx(28, abs=0.05)
    assert np.mean([one.slope for one in found]) == pytest.approx(4000 * np.sin(np.pi / 4) / 2.5, rel=0.05)
    assert all(one.maximum.lower_bound < 4000 for one in found)


@pytest.mark.parametrize("height", [3000, 8000])
def test_the_fit_of_a_cosine_is_biased_by_less_than_3_kelvin(height: float) -> None:
    counts = 1e9 * np.exp(-landscape(height) / T)
    found = find_barrier(Z, counts, T, **RIGHT, samples=50)
    assert found.parabola == pytest.approx(height, abs=3)
    assert found.maximum.value == pytest.approx(height, abs=20)


def rough(roughness: float, period: float) -> np.ndarray:
    return landscape(4000) + roughness * np.cos(2 * np.pi * (np.abs(Z) - 23) / period)


def test_tst_and_resistance_barriers_are_the_integrals_over_the_landscape() -> None:
    free_energy = rough(300, 1.2)
    top, layer = (Z > 20.5) & (Z < 25.5), (Z > 23) & (Z < 32)
    well = T * np.log(np.exp(-free_energy[layer] / T).sum() * WIDTH)
    found = find_barrier(Z, 1e8 * np.exp(-free_energy / T), T, **RIGHT, layer=(23.0, 32.0), samples=50)
    assert found.tst.value == pytest.approx(free_energy[top].max() + well, abs=3)
    resistance = T * np.log(np.exp(free_energy[top] / T).sum() * WIDTH)
    assert found.resistance.value == pytest.approx(resistance + well, abs=3)
    assert found.tst.lower_bound < found.tst.value
    assert found.resistance.lower_bound < found.resistance.value


@pytest.mark.parametrize(("roughness", "period"), [(300, 0.6), (600, 1.2), (300, 2.5)])
def test_a_rough_top_is_seen_and_not_smoothed_away(roughness: float, period: float) -> None:
    free_energy = rough(roughness, period)
    truth = free_energy[(Z > 20.5) & (Z < 25.5)].max() - free_energy[(Z > 25.5) & (Z < 32)].min()
    draws = [
        np.random.default_rng(seed).poisson(6e4 / 40 * np.exp(-free_energy / T), (40, len(Z)))
        for seed in range(12)
    ]
    found = [barrier_of(blocks, samples=200) for blocks in draws]
    # 11.4 of 12 expected; fewer than 9 has a probability of 1 in 500
    assert sum(one.maximum.interval[0] < truth < one.maximum.interval[1] for one in found) >= 9
    if period < 2:  # a parabola follows the slower cosine within its window
        assert np.median([one.parabola for one in found]) < truth - roughness
        assert np.median([one.parabola_p_value for one in found]) < 0.05


@pytest.mark.parametrize("sharp", [False, True])
def test_one_feature_of_a_smooth_top_is_not_taken_for_noise(sharp: bool) -> None:
    away = np.abs(np.abs(Z) - 23)
    free_energy = landscape(4000) + 900 * (away < 0.2 if sharp else np.exp(-((away / 0.25) ** 2) / 2))
    truth = free_energy[(Z > 20.5) & (Z < 25.5)].max() - free_energy[(Z > 25.5) & (Z < 32)].min()
    draws = [
        np.random.default_rng(seed).poisson(2e4 / 40 * np.exp(-free_energy / T), (40, len(Z)))
        for seed in range(12)
    ]
    found = [barrier_of(blocks, samples=200).maximum for blocks in draws]
    # 11.4 of 12 expected; fewer than 9 has a probability of 1 in 500
    assert sum(one.interval[0] < truth < one.interval[1] for one in found) >= 9
    assert abs(np.mean([one.value for one in found]) - truth) < 100


def test_off_equilibrium_there_are_bounds_that_allow_for_an_empty_ceramic() -> None:
    # nothing comes back from the ceramic: half of the density on the top, and less behind it
    fed = 1 / (1 + np.exp(-2 * (Z - 23)))
    blocks = np.random.default_rng(3).poisson(2e5 / 40 * fed * np.exp(-landscape(4000) / T), (40, len(Z)))
    biased, bound = barrier_of(blocks), barrier_of(blocks, equilibrated=False)
    assert biased.maximum.interval[0] > 4000
    for one in (bound.maximum, bound.tst, bound.resistance):
        assert np.isnan([*one.interval, one.standard_error]).all()
    assert 2500 < bound.maximum.lower_bound < 4000


def test_both_sides_of_a_symmetric_profile_agree() -> None:
    blocks = drawn(4000, 2e6, seed=2)
    mirrored = find_barrier(Z, blocks[:, ::-1].sum(axis=0), T, **LEFT, block_counts=blocks[:, ::-1])
    right = barrier_of(blocks)
    assert mirrored.parabola == pytest.approx(right.parabola)
    assert mirrored.maximum.value == pytest.approx(right.maximum.value, abs=5)
    assert mirrored.resistance.value == pytest.approx(right.resistance.value, abs=5)
    assert (mirrored.top_z, mirrored.well_z) == pytest.approx((-right.top_z, -right.well_z))
    assert mirrored.slope == pytest.approx(right.slope)


def test_the_barrier_from_a_plateau_rests_on_its_mean_density() -> None:
    """An ion enters a layer from a flat bulk: its fullest bin is a fluctuation and no minimum."""
    height = 2700.0
    profile = np.where(np.abs(Z - 26) < 4, height * (1 + np.cos(np.pi * (Z - 26) / 4)) / 2, 0.0)
    mean = 1e5 * np.exp(-profile / T) / 40
    windows = {"top": (23.5, 28.5), "well": (30.0, 40.0), "plateau": True}
    draws = [np.random.default_rng(seed).poisson(mean, (40, len(Z))) for seed in range(40)]
    found = [barrier_of(blocks, **windows) for blocks in draws]
    assert np.mean([one.maximum.value for one in found]) == pytest.approx(height, abs=15)
    assert sum(one.maximum.interval[0] < height < one.maximum.interval[1] for one in found) >= 33
    assert all(one.maximum.lower_bound < height for one in found)
    one = found[0]
    assert one.top_z == pytest.approx(26, abs=0.3)
    unknown = (one.well_z, one.well_curvature, *one.well_curvature_interval, one.slope, *one.slope_interval)
    assert np.isnan(unknown).all()


def test_maximum_minus_minimum_is_biased_and_the_fit_is_not() -> None:
    # 10 expected counts per bin on the top
    height = T * np.log(1e5 / 10)
    found = [find_barrier(Z, drawn(height, 1e5, seed, blocks=1)[0], T, **RIGHT, samples=50) for seed in range(40)]
    for name, values in (
        ("parabola", [one.parabola for one in found]),
        ("maximum", [one.maximum.value for one in found]),
    ):
        assert abs(np.mean(values) - height) < 0.5 * np.std(values), name
        assert np.mean([one.raw for one in found]) - height > np.std(values), name


def test_without_blocks_every_count_is_a_visit() -> None:
    blocks = drawn(4000, 1e5, seed=3)
    found = find_barrier(Z, blocks.sum(axis=0), T, **RIGHT)
    assert found.visits == found.counts
    assert found.maximum.standard_error == pytest.approx(barrier_of(blocks).maximum.standard_error, rel=0.3)


def test_fewer_blocks_than_groups_are_taken_as_they_are() -> None:
    found = barrier_of(drawn(4000, 1e5, seed=3, blocks=7))
    assert found.blocks == 7
    assert found.maximum.interval[0] < found.maximum.value < found.maximum.interval[1]


def test_bursts_of_counts_are_one_visit_each() -> None:
    # each visit is counted 20 times
    blocks = 20 * drawn(4000, 1e4, seed=4)
    found = barrier_of(blocks)
    assert found.visits == pytest.approx(found.counts / 20, rel=0.5)
    plain = find_barrier(Z, blocks.sum(axis=0), T, **RIGHT)
    assert found.resistance.standard_error > 2 * plain.resistance.standard_error


@pytest.mark.parametrize("well_counts", [10, 100, 3000])
def test_few_visits_give_a_bound_only(well_counts: int) -> None:
    blocks = drawn(6000, well_counts, seed=5)
    found = barrier_of(blocks)
    assert found.visits < 30
    for one in (found.maximum, found.tst, found.resistance):
        assert np.isnan([*one.interval, one.standard_error]).all()
    assert found.maximum.lower_bound < 6000


def test_a_top_without_a_visit_has_a_bound_and_no_number() -> None:
    blocks = drawn(4000, 1e5, seed=6)
    blocks[:, (Z > 20) & (Z < 26)] = 0
    found = barrier_of(blocks)
    assert np.isnan([found.parabola, found.maximum.value, found.tst.value]).all()
    assert found.raw == np.inf
    assert found.visits == 0
    # at most 3.69 visits (97.5 %) in the 10 or 11 bins of the window
    assert found.maximum.lower_bound == pytest.approx(T * np.log(1e5 * 10.5 / 3.69), abs=60)


def test_slow_exchange_widens_the_interval_as_its_equation_says() -> None:
    blocks = drawn(4000, 2e6, seed=7)
    plain, slow = barrier_of(blocks), barrier_of(blocks, exchange=ExchangeStatistics(0, 15, 60))
    for name in ("maximum", "tst", "resistance"):
        one, other = getattr(plain, name), getattr(slow, name)
        expected = np.hypot(one.standard_error, T * np.sqrt(1 / 15 + 1 / 60) / 2)
        assert other.standard_error == pytest.approx(expected, rel=0.1)
        assert other.value == one.value
        assert other.lower_bound < one.lower_bound


def test_error_of_slow_exchange_falls_with_the_events() -> None:
    errors = [ExchangeStatistics(events, 15, 60).relative_error() for events in (0, 1, 10, 100, 1000)]
    assert errors == sorted(errors, reverse=True)
    # over many relaxation times u the variance is 2/u of that at one time
    u = 1000 * (1 / 15 + 1 / 60) / 2
    assert errors[-1] == pytest.approx(errors[0] * np.sqrt(2 / u), rel=0.02)
    # long blocks show all of it themselves
    assert (
        ExchangeStatistics(1e5, 15, 60).relative_error(20) < 0.1 * ExchangeStatistics(1e5, 15, 60).relative_error()
    )


def test_same_seed_same_samples() -> None:
    blocks = drawn(4000, 1e5, seed=8)
    one, same, other = barrier_of(blocks), barrier_of(blocks), barrier_of(blocks, seed=1)
    assert np.array_equal(one.maximum.samples, same.maximum.samples)
    assert not np.array_equal(one.maximum.samples, other.maximum.samples)


def test_published_sides_are_joined() -> None:
    # 8000 K and 7500 K, the published 7700 K with two digits
    assert boltzmann_average([8000, 7500], 700) == pytest.approx(7706, abs=0.5)
    assert boltzmann_average([[8000.0, 7700.0], [7500.0, 7700.0]], 700) == pytest.approx([7706, 7700], abs=0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"top": (38, 45)}, "top = 38 to 45 Å: reaches out of the profile"),
        ({"top": (25.5, 20.5)}, "top = .* the lower one first"),
        ({"well": (27.01, 27.05)}, "well = .* no bin"),
        ({"top": (27.0, 29.0)}, "top = 27 to 29 Å: F has its maximum at the end"),
        ({"well": (29.0, 32.0)}, "well = 29 to 32 Å: F has its minimum at the end"),
        ({"top": (23.0, 23.2)}, r"top = 23 to 23.2 Å: 1 bin\(s\) of 0.2 Å; must have at least 3"),
        ({"top_half_width": 0.1}, "top_half_width = 0.1 Å: its window has"),
        ({"block_counts": np.ones((1, len(Z)))}, "block_counts has 1 values: must have at least 5"),
        ({"block_counts": np.ones((6, 3))}, "block_counts has 3 bins"),
        ({"block_counts": 2 * drawn(4000, 1e5, seed=9)}, "block_counts: add up to .*, where counts has"),
        ({"block_counts": np.zeros((6, len(Z)))}, "block_counts: add up to 0 of"),
        ({"samples": 1}, "samples = 1"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        barrier_of(drawn(4000, 1e5, seed=9), **change)


def test_an_empty_well_is_refused() -> None:
    counts = np.where(Z < 25, 5, 0)
    with pytest.raises(ValueError, match="counts: all bins of the well"):
        find_barrier(Z, counts, T, **RIGHT)


@modest
@given(
    spoiled(
        z=Z,
        counts=drawn(4000, 1e4, seed=10).sum(axis=0),
        temperature=T,
        top=TOP,
        well=WELL,
        block_counts=drawn(4000, 1e4, seed=10),
        top_half_width=1.0,
        well_half_width=1.5,
        groups=20,
        level=0.95,
        samples=50,
        seed=0,
    )
)
def test_any_wrong_argument_is_named(case: tuple[str, dict[str, Any]]) -> None:
    name, arguments = case
    # the message may name the argument that does not fit to the wrong one
    related = {
        "z": ("counts", "top", "well"),
        "counts": ("well", "top"),
        "block_counts": ("top", "well"),
        "top_half_width": ("top",),
        "well_half_width": ("well",),
    }
    returned_or_named(lambda: find_barrier(**arguments), name, *related.get(name, ()))


@modest
@given(spoiled(barriers=[8000.0, 7500.0], temperature=700.0))
def test_any_wrong_argument_of_the_join_is_named(case: tuple[str, dict[str, Any]]) -> None:
    returned_or_named(lambda: boltzmann_average(**case[1]), case[0])
