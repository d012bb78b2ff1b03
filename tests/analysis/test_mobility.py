"""Variance of displacements from the moments of a state."""

from pathlib import Path

import numpy as np
import pytest

from aiida_cse.analysis.mobility import displacement_variances
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.settings import AnalysisSettings, DisplacementRanges
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


def test_displacements_begin_in_ranges_of_their_own(tmp_path: Path) -> None:
    state = reduce_segments([write_dcd(tmp_path / "a.dcd", make(5, 100).positions)], config())
    ranges = {"cation": 0.8e-3, "anion": [0.4e-3, 9.0]}
    settings = AnalysisSettings.model_validate({"start_ns": 1.6e-3, "displacement_ns": ranges})
    found = displacement_variances(ReducedProduction(state, 700.0, settings))
    for ion, start in (("li", 1.2e-3), ("tfsi", 0.4e-3)):
        alone = displacement_variances(ReducedProduction(state, 700.0, AnalysisSettings(start_ns=start)))
        assert found[f"{ion}_samples"].tolist() == alone[f"{ion}_samples"].tolist()
        assert found[f"{ion}_variance_A2"] == pytest.approx(alone[f"{ion}_variance_A2"], nan_ok=True)
        assert (found[f"{ion}_start_ns"], found[f"{ion}_end_ns"]) == pytest.approx((start, 1.98e-3))
    late = settings.model_copy(update={"displacement_ns": DisplacementRanges(anion=(0.1, 0.2))})
    nothing = displacement_variances(ReducedProduction(state, 700.0, late))
    assert (nothing["tfsi_start_ns"], nothing["variance_tfsi_bulk_left_x_A2"]) == (None, None)
    assert not nothing["tfsi_samples"].any()
    assert nothing["li_samples"].any()


def test_layers_of_ones_own_are_named_with_their_edges(tmp_path: Path) -> None:
    positions = make(5, 60).positions
    path = write_dcd(tmp_path / "a.dcd", positions)
    layers = {"Li": {"names": ["below", "slab", "above"], "edges": [-20.5, 20.5]}}
    state = reduce_segments([path], config(layers=layers))
    found = displacement_variances(ReducedProduction(state, 700.0))
    assert found["li_layers"] == ["below", "slab", "above"]
    assert found["li_layer_edges_A"] == [-55, -20.5, 20.5, 55]
    assert found["tfsi_layer_edges_A"] == list(state.config.ions["TFSI"].edges)
    # ions in a layer at the origins of the first lag, which are 3 frames apart and end 6 frames later
    settings = state.config
    types = np.array(settings.atom_types)
    slab = np.isin(types, settings.framework)
    z = positions[:, :, 2].astype(np.float64)
    z -= z[:, slab] @ (weights := np.array(settings.masses)[types[slab] - 1])[:, None] / weights.sum() + 0.35
    place = (z[0:54:3][:, types == 3] + 55) % 110 - 55
    expected = np.bincount(np.searchsorted([-20.5, 20.5], place.ravel(), side="right"), minlength=3)
    assert found["li_samples"][:, 0].tolist() == expected.tolist()


def test_a_reduction_without_displacements_is_refused(tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "a.dcd", make(5, 40).positions)
    state = reduce_segments([path], config(lags_ps=(), displacement_ps=None))
    with pytest.raises(ValueError, match="kept no displacements: its sampling has no lags_ps"):
        displacement_variances(ReducedProduction(state, 700.0))
