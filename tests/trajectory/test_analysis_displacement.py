"""The variance of displacements from the moments of a state."""

from pathlib import Path

import numpy as np
import pytest

from aiida_cse.trajectory.analysis.displacement import displacement_variances
from aiida_cse.trajectory.analysis.settings import AnalysisSettings
from aiida_cse.trajectory.analysis.subject import Subject
from aiida_cse.trajectory.reduction import reduce_segments
from tests.trajectory.synthetic import config, make, write_dcd


def test_it_is_that_of_the_moments_of_the_window(tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "a.dcd", make(5, 100).positions)
    state = reduce_segments([path], config())
    found = displacement_variances(Subject(state, 700.0, AnalysisSettings(start_ns=0.4e-3)))
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
    assert found["variance_li_layer_left_z_error_A2"] > 0
    assert found["li_samples"].tolist() == counts.tolist()


def test_without_displacements_it_is_said(tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "a.dcd", make(5, 40).positions)
    state = reduce_segments([path], config(lags_ps=(), displacement_ps=None))
    with pytest.raises(ValueError, match="kept no displacements: its sampling has no lags_ps"):
        displacement_variances(Subject(state, 700.0))
