"""Places and times of umbrella windows, and the top of a profile."""

from dataclasses import replace

import numpy as np
import pytest

from aiida_cse.physics.crossing.layout import added_centres, find_surface, next_times, window_centres
from aiida_cse.physics.crossing.umbrella import UmbrellaProfile, UmbrellaWindow

EDGES = np.arange(-8.0, 1.61, 0.2)
WELL = (-7.0, -3.0)


def profile(top: float = 0.3) -> UmbrellaProfile:
    """Return a hump around ``top``, with two ladders more that differ a little."""
    z = (EDGES[:-1] + EDGES[1:]) / 2
    hump = 5000 * np.exp(-(((z - top) / 2) ** 2))
    return UmbrellaProfile(EDGES, 500.0, np.array([hump - 40, hump, hump + 40]), 0.95, 2.0, 1000, ())


def window(centre: float, ladder: int, shift: float, samples: int = 400) -> UmbrellaWindow:
    noise = np.random.default_rng([ladder, round(100 - 10 * centre)]).normal(0, 0.3, samples)
    return UmbrellaWindow(centre, 3000.0, centre + shift + noise, ladder)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [((-3.0, -1.0), [-3, -2.5, -2, -1.5, -1]), ((3.0, 1.9), [3, 2.633333, 2.266667, 1.9])],
    ids=["inward from the left", "inward from the right"],
)
def test_windows_cover_both_ends_at_most_a_spacing_apart(ends: tuple[float, float], expected: list[float]) -> None:
    np.testing.assert_allclose(window_centres(*ends, 0.5), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="must cover a range"):
        window_centres(1.0, 1.0, 0.5)


def test_the_surface_is_the_top_between_the_bins() -> None:
    assert find_surface(profile(0.27), -1.0, 1.4) == pytest.approx(0.27, abs=0.02)


def test_the_surface_is_a_bin_where_its_neighbour_is_empty() -> None:
    known = profile(0.27)
    known.ladders[1, np.argmin(np.abs(known.centres - 0.3)) - 1] = np.nan
    place = find_surface(known, -1.0, 1.4)
    assert place == pytest.approx(0.3)
    assert known.at(place)[0] == pytest.approx(5000, abs=10)


@pytest.mark.parametrize("limits", [(-3.0, -1.0), (-1.0, -0.9)], ids=["a slope", "two bins"])
def test_there_is_no_surface_without_a_top(limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"highest at the end|a top takes 4"):
        find_surface(profile(), *limits)


def test_time_goes_where_the_ladders_differ_and_not_beyond_the_top() -> None:
    centres = window_centres(-7.0, 1.0, 1.0)
    rough = {-2.0: (-0.2, 0.0, 0.2)}
    windows = [
        window(float(centre), ladder, rough.get(float(centre), (0.0, 0.0, 0.0))[ladder])
        for centre in centres
        for ladder in range(3)
    ]
    times = next_times(windows, profile(0.3), WELL, 0.3, total=900.0, least=25.0)
    assert sum(times.values()) == pytest.approx(900)
    assert max(times, key=times.__getitem__) == -2.0
    assert times[1.0] == 25, "a window beyond the surface says nothing about its height"
    assert times[-7.0] < times[-1.0], "most of the well lies between this window and the surface"
    with pytest.raises(ValueError, match="is less than 200 for each of 9 windows"):
        next_times(windows, profile(0.3), WELL, 0.3, total=900.0, least=200.0)


def test_a_gap_between_windows_gets_one_more_until_they_are_close() -> None:
    whole = replace(profile(), thin=((1, -4.0, -3.0), (0, 0.0, 1.0)))
    whole.ladders[2, np.abs(whole.centres + 1.5) < 0.15] = np.nan
    places = [float(place) for place in range(-7, 2)]
    assert added_centres(places, whole, -7.0, 0.5, 1.0) == [-3.5, -1.5, 0.5]
    assert added_centres(places, whole, -7.0, -0.5, 1.0) == [-3.5, -1.5], "what is beyond the range does not count"
    close = replace(whole, thin=((1, -4.0, -3.5), (1, -3.5, -3.25)))
    added = added_centres([*places, -3.5, -3.25], close, -7.0, -3.1, 1.0)
    assert added == [-3.75], "no two windows are closer than a quarter of the first spacing"
