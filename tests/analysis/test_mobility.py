"""Variance of displacements from the moments of a state."""

from pathlib import Path

import numpy as np
import pytest

from aiida_cse.analysis.mobility import displacement_variances
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.physics.profiles.displacements import displacement_variance
from aiida_cse.reduction.reduce import reduce_segments
from tests.reduction.synthetic import config, make, write_dcd


def test_the_variance_is_that_of_the_moments_in_the_window(tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "a.dcd", make(5, 100).positions)
    state = reduce_segments([path], config())
    found = displacement_variances(ReducedProduction(state, 700.0, AnalysisSettings(start_ns=0.4e-3)))
    moments = state.displacement_moments("Li")
    first = 0.4 / 0.2
    counts, sums, squares = (
        part[int(first) :].sum(axis=0) for part in (moments.counts, moments.sums, moments.squares)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = squares / counts[..., None] - (sums / counts[..., None]) ** 2
    assert found["li_variance_A2"] == pytest.approx(expected, nan_ok=True)
    assert found["lags_ps"] == pytest.approx([0.12, 0.3])
    assert found["li_layers"] == list(moments.layers)
    row = found["li_layers"].index("layer_left")
    assert found["variance_li_layer_left_z_A2"] == pytest.approx(expected[row, 0, 2])
    # 8 blocks of 0.2 ps are fewer than 5 groups of 5 lags of 0.12 ps
    assert found["variance_li_layer_left_z_error_A2"] is None
    assert found["li_samples"].tolist() == counts.tolist()


def test_errors_are_those_of_groups_of_several_lags(tmp_path: Path) -> None:
    # 800 frames of 0.02 ps: 80 blocks of 0.2 ps, added up to 20 groups of 0.8 ps for the lag of 0.12 ps
    path = write_dcd(tmp_path / "a.dcd", make(6, 800).positions)
    state = reduce_segments([path], config())
    found = displacement_variances(ReducedProduction(state, 700.0))
    moments = state.displacement_moments("Li")
    grouped = [
        getattr(moments, name)[:, :, 0]
        .astype(float)
        .reshape(20, 4, *getattr(moments, name)[0, :, 0].shape)
        .sum(axis=1)
        for name in ("counts", "sums", "squares")
    ]
    expected = displacement_variance(*grouped, blocks=True)
    assert found["li_error_A2"][:, 0] == pytest.approx(expected.standard_error, nan_ok=True)
    assert found["variance_li_layer_left_z_error_A2"] > 0


def test_a_reduction_without_displacements_is_refused(tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "a.dcd", make(5, 40).positions)
    state = reduce_segments([path], config(lags_ps=(), displacement_ps=None))
    with pytest.raises(ValueError, match="kept no displacements: its sampling has no lags_ps"):
        displacement_variances(ReducedProduction(state, 700.0))
