"""Free energy from umbrella windows: harmonic answers, ladders, overlap, and refusals."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from aiida_cse.physics.crossing.umbrella import UmbrellaProfile, UmbrellaWindow, umbrella_profile

KELVIN = 500.0
#: F = A z² / 2 with A in K/Å²
CURVATURE = 800.0
EDGES = np.linspace(-1.5, 1.5, 16)
WELL = (-1.5, 0.0)


def windows(
    rng: np.random.Generator, ladders: int, samples: int = 400, spring: float = 2000.0
) -> list[UmbrellaWindow]:
    """Return exact independent samples: a normal distribution around the shifted centre."""
    found = []
    for ladder in range(ladders):
        for centre in np.arange(-1.5, 1.6, 0.5):
            mean, width = spring * centre / (spring + CURVATURE), math.sqrt(KELVIN / (spring + CURVATURE))
            found.append(UmbrellaWindow(float(centre), spring, rng.normal(mean, width, samples), ladder))
    return found


def expected() -> NDArray[np.float64]:
    share = np.diff(stats.norm.cdf(EDGES, scale=math.sqrt(KELVIN / CURVATURE)))
    middle = (EDGES[:-1] + EDGES[1:]) / 2
    inside = (middle >= WELL[0]) & (middle <= WELL[1])
    return np.asarray(-KELVIN * np.log(share / np.diff(EDGES) / share[inside].sum()))


def test_a_parabola_is_found_with_its_interval() -> None:
    held = []
    for seed in range(8):
        profile = umbrella_profile(windows(np.random.default_rng(seed), 4, 150), EDGES, KELVIN, WELL)
        low, high = profile.interval()
        held.append((low <= expected()) & (expected() <= high))
        # of 28 × 150 independent samples
        assert profile.free_energy == pytest.approx(expected(), abs=250)
    assert 0.90 < np.mean(held) < 0.99


def test_the_number_in_the_well_is_the_zero() -> None:
    profile = umbrella_profile(windows(np.random.default_rng(1), 4), EDGES, KELVIN, WELL)
    inside = (profile.centres >= WELL[0]) & (profile.centres <= WELL[1])
    for ladder in profile.ladders:
        assert float((np.exp(-ladder / KELVIN) * np.diff(EDGES))[inside].sum()) == pytest.approx(1)
    assert profile.at(0.05)[1] > 0


@pytest.mark.parametrize("place", [0.0, 0.03, 0.1, -0.17])
def test_a_sharp_top_has_its_own_height_and_not_that_of_its_bin(place: float) -> None:
    edges = np.linspace(-1.0, 1.0, 11)
    fine = np.linspace(-1.0, 1.0, 10_001)
    # F = −10,000 z² K: the bin of 0.2 Å on top is 17 K lower, the line between two bins 50 K
    density = np.exp(10_000 * fine**2 / 700)
    of_bins = np.array([density[(fine >= low) & (fine <= high)].mean() for low, high in pairwise(edges)])
    ladders = np.tile(-700 * np.log(of_bins), (4, 1))
    profile = UmbrellaProfile(edges, 700.0, ladders, 0.95, 1.0, 100, ())
    assert profile.at(place)[0] == pytest.approx(-10_000 * place**2, abs=4)


def test_what_is_far_above_the_well_is_not_lost() -> None:
    rng, slope, spring = np.random.default_rng(8), 10 * KELVIN, 12_500.0
    width = math.sqrt(KELVIN / spring)
    given = [
        UmbrellaWindow(float(centre), spring, rng.normal(centre - slope / spring, width, 300), ladder)
        for ladder in range(3)
        for centre in np.arange(0.0, 6.1, 0.2)
    ]
    found = umbrella_profile(given, np.linspace(-0.5, 5.5, 31), KELVIN, (-0.5, 0.0)).free_energy / KELVIN
    assert found[-2] - found[1] == pytest.approx(10 * 5.4, abs=2), "a share of 1e-24 of the samples of the well"


def test_two_ladders_have_no_interval() -> None:
    profile = umbrella_profile(windows(np.random.default_rng(2), 2), EDGES, KELVIN, WELL)
    assert np.isnan(profile.standard_error).all()
    assert math.isnan(profile.at(0.0)[1])


def test_correlated_samples_count_by_their_inefficiency_and_the_relaxation_is_left_out() -> None:
    rng = np.random.default_rng(3)
    noise, series = rng.normal(size=20_000), np.zeros(20_000)
    series[0] = 5.0
    for step in range(1, len(series)):
        series[step] = 0.9 * series[step - 1] + noise[step] * math.sqrt(1 - 0.9**2)
    rest, inefficiency = UmbrellaWindow(0.0, 1.0, series, 0).relaxed()
    # an exponential correlation of exp(-0.105 n): 1 + 2 τ = 19 samples, of which 3 τ are left out
    assert inefficiency == pytest.approx(19, rel=0.2)
    assert len(series) - len(rest) == pytest.approx(27, rel=0.3)
    assert abs(rest[0]) < 4


def test_neighbours_that_do_not_overlap_are_named() -> None:
    rng = np.random.default_rng(4)
    few = [window for window in windows(rng, 3, spring=20_000.0) if window.centre in (-1.5, -0.5, 0.5, 1.5)]
    thin = umbrella_profile(few, EDGES, KELVIN, (-1.6, -1.2)).thin
    assert {(one, other) for _, one, other in thin} == {(-1.5, -0.5), (-0.5, 0.5), (0.5, 1.5)}


def test_a_ladder_may_be_one_window() -> None:
    width = math.sqrt(KELVIN / (2000.0 + CURVATURE))
    series = np.random.default_rng(7).normal(0, width, (3, 4000))
    given = [UmbrellaWindow(0.0, 2000.0, one, ladder) for ladder, one in enumerate(series)]
    profile = umbrella_profile(given, np.linspace(-0.5, 0.5, 6), KELVIN, (-0.5, 0.0))
    assert profile.free_energy[4] - profile.free_energy[2] == pytest.approx(0.5 * CURVATURE * 0.4**2, abs=60)
    assert profile.thin == ()


def profile_with(**changes: object) -> UmbrellaProfile:
    given = windows(np.random.default_rng(5), 3, samples=50)
    return umbrella_profile(given, **{"edges": EDGES, "temperature": KELVIN, "well": WELL, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": EDGES[::-1]}, "edges must ascend"),
        ({"edges": [-1.5, 0.0]}, "edges has 2 values: must have at least 3"),
        ({"temperature": 0.0}, "temperature"),
        ({"well": (5.0, 6.0)}, "well = 5 to 6 Å: there is no bin in it"),
        ({"level": 1.5}, "level"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        profile_with(**changes)


def test_wrong_windows_are_refused() -> None:
    given = windows(np.random.default_rng(6), 3, samples=50)
    for wrong, message in (
        (replace(given[0], spring=0.0), r"windows\[0\].spring"),
        (replace(given[0], centre=math.nan), r"windows\[0\].centre"),
        (replace(given[0], series=np.array([1.0])), r"windows\[0\].series"),
        (replace(given[0], ladder=7), "ladders = .* must be numbered from 0 without gaps"),
    ):
        with pytest.raises(ValueError, match=message):
            umbrella_profile([wrong, *given[1:]], EDGES, KELVIN, WELL)
    copies = [replace(window, ladder=3) for window in given if window.ladder == 0]
    with pytest.raises(ValueError, match="ladders 0 and 3 share a series"):
        umbrella_profile([*given, *copies], EDGES, KELVIN, WELL)
    with pytest.raises(ValueError, match="ladder 0: MBAR finds no free energies"):
        umbrella_profile([replace(one, spring=1e300) for one in given], EDGES, KELVIN, WELL)
    right = [window for window in given if window.centre > 0]
    with pytest.raises(ValueError, match="it has no sample in the well"):
        umbrella_profile(right, EDGES, KELVIN, (-1.5, -1.3))
    with pytest.raises(ValueError, match="z = 9"):
        profile_with().at(9.0)
