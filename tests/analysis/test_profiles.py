"""Charge integral of each half against sums over the histograms."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.profiles import Counts, charge_integrals, density_profiles
from aiida_cse.analysis.registry import observables
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.reduction.grid import Grid
from aiida_cse.reduction.state import State
from tests.reduction.synthetic import LENGTH, config

FRAMES, BLOCKS = 40, 4
AREA = 20.0 * 20.0


def state(bins: int, counts: np.ndarray[Any, Any], whole: int = FRAMES) -> State:
    """Return a state with these counts (blocks, bins) of Li; nothing else is there."""
    settings = config(bins=bins)
    made = State.empty(settings, 0, whole, ions=20)
    made.histograms[:, settings.labels.index("Li")] = counts
    return made


def charges(bins: int, seed: int = 5) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).poisson(40, (BLOCKS, bins))


@pytest.mark.parametrize("bins", [110, 111])
def test_each_half_is_integrated_from_its_end(bins: int) -> None:
    counts = charges(bins)
    found = charge_integrals(ReducedProduction(state(bins, counts), 700.0))
    charge = 0.7 * counts.sum(axis=0) / FRAMES / AREA
    left, right = found["left_e_per_A2"], found["right_e_per_A2"]
    last = (bins - 1) // 2
    assert np.isfinite(left).sum() == np.isfinite(right).sum() == last + 1
    assert left[0] == pytest.approx(charge[0] / 2)
    assert left[last] == pytest.approx(charge[:last].sum() + charge[last] / 2)
    assert right[-1] == pytest.approx(-charge[-1] / 2)
    assert right[bins - 1 - last] == pytest.approx(-(charge[bins - last :].sum() + charge[bins - 1 - last] / 2))
    enclosed = found["charge_enclosed_left_e_per_A2"], found["charge_enclosed_right_e_per_A2"]
    assert sum(enclosed) == pytest.approx(charge.sum())
    half = charge[bins // 2] / 2 if bins % 2 else 0.0
    assert enclosed[0] == pytest.approx(charge[: bins // 2].sum() + half)


def test_a_symmetric_box_has_the_same_integral_inward_on_both_sides() -> None:
    counts = charges(110)
    made = state(110, counts + counts[:, ::-1])
    found = charge_integrals(ReducedProduction(made, 700.0, AnalysisSettings(charge_direction="inward")))
    assert found["charge_direction"] == "inward"
    np.testing.assert_allclose(found["right_e_per_A2"][::-1], found["left_e_per_A2"])
    along = charge_integrals(ReducedProduction(made, 700.0))
    np.testing.assert_array_equal(along["right_e_per_A2"], -found["right_e_per_A2"])
    assert along["sign_changes_right_A"] == found["sign_changes_right_A"]


def test_errors_follow_from_the_integrals_of_whole_blocks() -> None:
    counts = charges(110)
    found = charge_integrals(ReducedProduction(state(110, counts), 700.0))
    per_block = 0.7 * counts[:, :55].sum(axis=1) / (FRAMES / BLOCKS) / AREA
    expected = per_block.std(ddof=1) / np.sqrt(BLOCKS)
    assert found["charge_enclosed_left_error_e_per_A2"] == pytest.approx(expected)
    assert found["left_error_e_per_A2"][54] == pytest.approx(expected, rel=0.05)
    assert np.isnan(found["left_error_e_per_A2"][55:]).all()


def test_with_one_whole_block_there_is_no_error() -> None:
    made = state(110, charges(110)[:2], whole=15)
    found = charge_integrals(ReducedProduction(made, 700.0))
    assert found["charge_enclosed_right_error_e_per_A2"] is None
    assert np.isnan(found["right_error_e_per_A2"]).all()


def test_a_system_without_charges_has_no_charge_profile() -> None:
    made = state(110, charges(110))
    made = replace(made, config=made.config.model_copy(update={"charges": (0.0,) * 5}))
    production = ReducedProduction(made, 700.0)
    assert np.isnan(density_profiles(production)["charge_e_per_A3"]).all()
    need = observables()["charge_integral"].need
    assert need is not None
    assert not need.met(made.config)
    assert need.met(config())


def test_charge_reversal_is_found_on_its_side() -> None:
    """Layers of alternating charge on the right make the integral change its sign there, not on the left."""
    z = (np.arange(110) + 0.5) - LENGTH / 2
    made = state(110, np.zeros((BLOCKS, 110), dtype=np.int64))
    li, nitrogen = (made.config.labels.index(label) for label in ("Li", "N"))
    made = replace(made, config=made.config.model_copy(update={"charges": (0.0, 0.0, 1.0, -1.0, 0.0)}))
    for low, high, row in ((20, 23, li), (24, 30, nitrogen), (31, 34, li)):
        made.histograms[:, row, (z > low) & (z < high)] += 100
    made.histograms[:, li, (z > -30) & (z < -25)] += 100
    found = charge_integrals(ReducedProduction(made, 700.0))
    assert found["sign_changes_right"] == 1
    assert found["sign_changes_right_A"] == pytest.approx([27.0])
    assert found["sign_changes_left"] == 0
    assert found["charge_enclosed_right_e_per_A2"] == pytest.approx(0, abs=1e-12)
    assert found["charge_enclosed_left_e_per_A2"] == pytest.approx(5 * 100 * BLOCKS / FRAMES / AREA)


@pytest.mark.parametrize("length", [9.0, 10.0, 14.0])
def test_barriers_see_the_bins_inside_the_box_whatever_lies_beyond(length: float) -> None:
    grid, one = Grid.of_width(1.0, 10.0), np.ones(1, np.int64)
    volumes = grid.volumes(np.array([[2.0, 3.0, length]]))
    blocks = np.zeros((1, 1, grid.bins), np.int64)
    counts = Counts(grid, blocks, 1, one, 0 * one, np.array([6.0]), volumes[None])
    inside = np.abs(grid.centres) < min(length, 10.0) / 2 - 0.5 + 1e-9
    np.testing.assert_array_equal(counts.complete(), inside)
