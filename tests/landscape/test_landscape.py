"""The landscape: energies, slopes, quadrature and what is drawn from a seed."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import integrate

from aiida_cse.landscape.expected import expected_runs
from aiida_cse.landscape.model import ANION, CATION, Landscape, draw_landscape
from aiida_cse.landscape.settings import Planted, ValidationSettings
from aiida_cse.physics.kinetics.transition_state import joule_from_kelvin, vibrational_frequency

SEEDS = range(1, 21)
Z = np.linspace(-24, 24, 48_001)


@pytest.mark.parametrize("seed", SEEDS)
def test_f_has_its_energies_where_the_regions_expect_them(seed: int) -> None:
    one = draw_landscape(seed)
    half = one.half_thickness
    places = {-half - 3.5: one.barrier_left, half + 3.5: one.barrier_right, half + 8.5: 0.0, 0.0: -one.depth,
              24.0: one.bulk}  # fmt: skip
    for z, energy in places.items():
        assert one.cation.evaluate(z)[0] == pytest.approx(energy, abs=1e-6)
        assert one.cation.evaluate(z)[1] == pytest.approx(0, abs=1e-6)
    left, top = one.regions(CATION).edges[2], one.top
    assert -left == top


@pytest.mark.parametrize("ion", [CATION, ANION])
def test_the_slope_is_that_of_f_and_f_does_not_jump(ion: str) -> None:
    one = draw_landscape(4)
    curve = one.cation if ion == CATION else one.anion
    values = curve.evaluate(Z)[0]
    assert np.abs(np.diff(values)).max() < 20
    differences = np.gradient(values, Z)
    assert np.abs(differences - curve.evaluate(Z)[1]).max() < 5


def test_k_and_nu_are_those_of_the_layers_well() -> None:
    one = draw_landscape(5)
    near = np.linspace(-0.5, 0.5, 11)
    left, right = (one.cation.evaluate(side * (one.half_thickness + 8.5) + near)[0] for side in (-1, 1))
    assert np.polyfit(near, (left + right) / 2, 2)[0] == pytest.approx(one.curvature)
    kilograms = one.mass * 1.66053907e-27
    assert one.frequency == pytest.approx(vibrational_frequency(joule_from_kelvin(one.curvature), kilograms))


def test_shares_are_those_of_another_quadrature() -> None:
    one = draw_landscape(6)
    for ion, curve in ((CATION, one.cation), (ANION, one.anion)):
        regions = one.regions(ion)
        weights = [
            integrate.simpson(np.exp(-curve.evaluate(z)[0] / 700), x=z)
            for z in (np.linspace(region.lower, region.upper, 20_001) for region in regions.regions)
        ]
        known = dict(zip(regions.names, np.array(weights) / sum(weights), strict=True))
        assert one.shares(ion, 700) == pytest.approx(known, rel=1e-5, abs=1e-9)


def test_a_seed_gives_one_landscape() -> None:
    assert draw_landscape(7) == draw_landscape(7)
    assert len({draw_landscape(seed).barrier_left for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("seed", [*SEEDS[:5], *(pytest.param(seed, marks=pytest.mark.long) for seed in SEEDS[5:])])
def test_a_straight_line_through_the_hot_rates_meets_the_cold_one(seed: int) -> None:
    """Or an extrapolation would be wrong by more than by chance: by less than a sixth of e here."""
    one, settings = draw_landscape(seed), ValidationSettings(shots=4000)
    rates = [
        (1 / run["temperature"], np.log(run["rate"]))
        for run in expected_runs(one, settings, frame_fs=200, start_ns=1, end_ns=3, seed=1)
    ]
    inverse, logarithms = np.array(rates).T
    line = np.polyfit(inverse[:3], logarithms[:3], 1)
    assert np.polyval(line, inverse[-1]) == pytest.approx(logarithms[-1], abs=0.35)


def test_displacements_are_followed_where_a_run_can_equilibrate() -> None:
    one = draw_landscape(1, "drifting")
    settings = ValidationSettings(world="drifting", reduced_barriers=(4, 8, 16), shots=100)
    runs = expected_runs(one, settings, frame_fs=200, start_ns=0.3, end_ns=0.8, seed=1, lag_ps=0.4)
    assert [run["relaxation_ns"] < 0.8 for run in runs] == [True, False, False]
    assert [np.shape(run["variances"]) for run in runs] == [(7, 2), (0,), (0,)]


def test_planted_errors_are_only_in_the_copy() -> None:
    one = draw_landscape(8)
    wrong = Planted(barrier=1.2, mass=2.0).applied(one)
    assert wrong.barrier == pytest.approx(1.2 * one.barrier)
    assert wrong.mass == 2 * one.mass
    assert Planted().applied(one) == one


def test_temperatures_must_fall() -> None:
    with pytest.raises(ValidationError, match="must ascend, the hottest run first"):
        ValidationSettings(reduced_barriers=(4.0, 16.0, 8.0))
    with pytest.raises(ValidationError, match="did you mean 'depth'"):
        Landscape.model_validate({"depht": 1.0})
