"""Correlation of anions with cations at the snapshots."""

import numpy as np
import pytest

from aiida_cse.analysis.populations import anions_per_cation
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.physics.statistics.correlation import anion_cation_correlation
from aiida_cse.reduction.state import State
from tests.reduction.synthetic import config

STRIDE = 3
FRAMES = 3000
SLOPE, PEARSON = "tfsi_layer_per_li_ceramic", "correlation_tfsi_layer_li_ceramic"


def state(frames: int = FRAMES, seed: int = 4) -> State:
    """Return a state in which each additional Li in the ceramic brings an anion to one of the layers."""
    rng = np.random.default_rng(seed)
    made = State.empty(config(), 0, frames, ions=20)
    lithium = 10 + np.cumsum(rng.choice([-1, 0, 1], frames, p=[0.01, 0.98, 0.01]))
    made.region_counts[:, 0, 2] = lithium
    anions = 20 + lithium + rng.integers(-1, 2, frames)
    made.region_counts[:, 1, 1] = anions // 2
    made.region_counts[:, 1, 3] = anions - anions // 2
    # between the snapshots something else is seen
    made.region_counts[1::STRIDE, 1, 1] = 0
    return made


def test_one_anion_per_additional_cation_is_found_at_the_snapshots() -> None:
    made = state()
    found = anions_per_cation(ReducedProduction(made, 700.0, AnalysisSettings(level=0.9)))
    lithium = made.region_counts[::STRIDE, 0, 2]
    layers = made.region_counts[::STRIDE, 1, [1, 3]].sum(axis=1)
    expected = anion_cation_correlation(lithium, layers, 0.9)
    assert found[SLOPE] == expected.slope == pytest.approx(1, abs=0.05)
    assert found[f"{SLOPE}_error"] == expected.slope_error
    assert found[f"{SLOPE}_samples"] == expected.slope_samples
    assert found[PEARSON] == expected.pearson
    assert found[f"{PEARSON}_interval"] == list(expected.pearson_interval)
    assert found[f"{PEARSON}_samples"] == expected.samples


def test_numbers_that_never_change_have_no_slope() -> None:
    made = state()
    made.region_counts[:, 0, 2] = 7
    found = anions_per_cation(ReducedProduction(made, 700.0))
    assert found[SLOPE] is found[f"{SLOPE}_error"] is found[PEARSON] is found[f"{PEARSON}_interval"] is None


def test_too_few_snapshots_have_no_slope() -> None:
    enough = anions_per_cation(ReducedProduction(state(3 * STRIDE + 1), 700.0))
    found = anions_per_cation(ReducedProduction(state(3 * STRIDE), 700.0))
    assert list(found) == list(enough)
    assert set(found.values()) == {None}
    assert enough[f"{SLOPE}_samples"] is not None
