"""Warnings about a rate whose parts cannot be trusted."""

from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.crossing.density import density_entries, density_warning
from aiida_cse.analysis.crossing.rate import _of_area, _warnings
from aiida_cse.lammps.protocol.crossing import CrossingPlan
from aiida_cse.physics.crossing.reactive_flux import CrossingRate, transmission
from aiida_cse.physics.crossing.umbrella import UmbrellaProfile


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        # four ladders: the standard deviation is twice the error
        ({"tst_barrier_error_K": 600.0}, ["the ladders differ by 2.4 k_BT"]),
        ({"correlation_ps": 30.0}, ["30 ps, is not short against the 100 ps of a window"]),
        ({"thin": [[1, -24.0, -23.5]]}, ["1 pair of windows overlaps too little"]),
    ],
    ids=["sound", "ladders", "slow", "thin"],
)
def test_what_speaks_against_a_rate_is_said(change: dict[str, Any], words: list[str]) -> None:
    found = {
        "temperature_K": 500.0,
        "tst_barrier_error_K": 400.0,
        "ladders_K": np.zeros((4, 10)),
        "window_ps": np.full(10, 400.0),
        "correlation_ps": 2.0,
        "thin": [],
    }
    rng = np.random.default_rng(1)
    kappa = transmission(np.abs(rng.normal(0, 0.01, 400)), rng.random(400) < 0.5, np.repeat(np.arange(8), 50))
    said = _warnings(found | change, kappa, kappa, 0.0, CrossingPlan())
    assert len(said) == len(words)
    assert all(one in sentence for one, sentence in zip(words, said, strict=True))


def test_crossings_per_area_have_the_errors_of_the_rate_and_of_the_ions() -> None:
    known = _of_area(CrossingRate(1e6, 0.3, 5e5, 2e6, 2e6), [4, 6], 10.0, 500.0, 0.95)
    assert known["crossings_per_nm2_per_s"] == pytest.approx(1e6 * 5 / 10)
    factor = np.exp(np.hypot(np.log(2), 1.959964 / np.sqrt(10)))
    assert known["crossings_interval_per_nm2_per_s"] == pytest.approx([5e5 / factor, 5e5 * factor])
    resistance = known["resistance_ohm_cm2"]
    assert known["resistance_interval_ohm_cm2"] == pytest.approx([resistance / factor, resistance * factor])
    assert known["resistance_lower_bound_ohm_cm2"] is None


def test_a_rate_with_bounds_only_bounds_the_resistance() -> None:
    found = _of_area(CrossingRate(1e6, np.nan, 0.0, 4e6, 2e6), [10], 10.0, 500.0, 0.95)
    factor = 4 * np.exp(1.959964 / np.sqrt(10))
    assert found["resistance_lower_bound_ohm_cm2"] == pytest.approx(found["resistance_ohm_cm2"] / factor)
    assert found["crossings_interval_per_nm2_per_s"] is found["resistance_interval_ohm_cm2"] is None
    assert set(_of_area(CrossingRate(1e6, 0.3, 5e5, 2e6, 2e6), [0], 10.0, 500.0, 0.95).values()) == {None}


def test_equal_curves_are_no_reason() -> None:
    rng = np.random.default_rng(4)
    edges = np.arange(0, 4.01, 0.2)
    z = (edges[:-1] + edges[1:]) / 2
    ladders = 100 * (z - 2) ** 2 + rng.normal(0, 20, (4, 20)) + rng.normal(0, 200, (4, 1))
    profile = UmbrellaProfile(edges, 500.0, ladders, 0.95, 1.0, 100, ())
    density = {"z_A": z, "li_K": 100 * (z - 2) ** 2 - 5000, "li_error_K": np.full(20, 20.0)}
    same = density_entries(profile, (1.0, 3.0), "Li", density)
    assert same["density_shift_K"] == pytest.approx(5000, abs=400)
    assert density_warning(same, 4, 500.0) == []
    other = density_entries(profile, (1.0, 3.0), "Li", density | {"li_K": density["li_K"] + 600 * z})
    (said,) = density_warning(other, 4, 500.0)
    assert "K off the density of ions in the run (root mean square), with a standard error of" in said


NINE = np.zeros(9)


@pytest.mark.parametrize(
    "density",
    [None, {}, {"z_A": "x"}, {"z_A": NINE, "li_K": NINE[1:], "li_error_K": NINE}, {"z_A": np.eye(3)}],
)
def test_a_profile_that_is_none_costs_no_rate(density: dict[str, Any] | None) -> None:
    profile = UmbrellaProfile(np.arange(0, 4.1, 0.2), 500.0, np.zeros((4, 20)), 0.95, 1.0, 100, ())
    found = density_entries(profile, (1.0, 3.0), "Li", density)
    assert set(found.values()) == {None}
    assert density_warning(found, 4, 500.0) == []
