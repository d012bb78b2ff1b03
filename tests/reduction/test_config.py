"""Configurations of the published slab, and refusals that name the field."""

from typing import Any

import numpy as np
import pytest

from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.layers import SurfaceOffsets, surface_regions
from aiida_cse.reduction.system import IonDescription
from tests.reduction.synthetic import HALF, LENGTH, NATOMS, config


def test_defaults_are_those_of_the_published_slab() -> None:
    made = config()
    assert made.ions["Li"].edges == (-55.0, -32.0, -23.0, 23.0, 32.0, 55.0)
    assert made.ions["TFSI"].edges == (-55.0, -26.0, -19.0, 19.0, 26.0, 55.0)
    assert (made.block_frames, made.snapshot_frames, made.frame_ps) == (10, 3, 0.02)


def test_a_configuration_survives_json() -> None:
    assert ReductionConfig.model_validate_json(config().model_dump_json()) == config()


def test_another_chemistry_gives_its_own_offsets() -> None:
    layer = SurfaceOffsets(inner=2.0, outer=9.0)
    made = config(cation=IonDescription("Na", (3,)), offsets={"Na": layer})
    assert made.ions["Na"].edges[3:5] == (21.5, 28.5)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"block_ps": 0.03}, "block_ps = 0.03: must be a multiple of the 0.02 ps between frames"),
        ({"snapshot_ps": 0.0}, "snapshot_ps\n.*greater than 0"),
        ({"snapshot_ps": 1e-3}, "snapshot_ps = 0.001: must be a multiple"),
        ({"box": (20.0, 20.0, 60.0)}, "box_half_length = 30 Å"),
        ({"cation": IonDescription("Na", (3,))}, "species = 'Na'"),
        ({"framework": (9,)}, "framework = 9: there are 5 atom types"),
        ({"cation": IonDescription("Li", (9,))}, "cation.types = 9: there are 5 atom types"),
        ({"molecules": np.array([1])}, "molecules has 1 entries: must have 52"),
        ({"masses": [1.0]}, "masses has 1 entries: must have 5"),
        ({"types": np.full(52, 6)}, "atom_types has type 6"),
        ({"labels": ["A"] * 5}, "each must occur once"),
        ({"masses": [1, 2, 3, 4, -5]}, "masses"),
        ({"midplane_offset": float("nan")}, "midplane_offset"),
        (
            {"anion": IonDescription("li", (4, 5)), "offsets": {"li": SurfaceOffsets(inner=2.0, outer=9.0)}},
            "names must differ by more than case",
        ),
        ({"bins": 9}, "bins\n.*at least|bins\n.*greater than or equal to 10"),
        ({"core_scales": (0.5, 0.5)}, r"core_scales = \(0.5, 0.5\): each must occur once and none be 1"),
        ({"core_scales": (1,)}, r"core_scales = \(1.0,\)"),
        ({"core_scales": (-1,)}, "core_scales.0"),
        ({"core_scales": (2.3,)}, "core_scales.scale = 2.3: layer_left of Li would have no core; .* below 2.25"),
        ({"lags_ps": (0.3, 0.12)}, "lags_ps = 0.3, 0.12: lags must ascend"),
        ({"lags_ps": (0.11,)}, "lags_ps = 0.11: must be a multiple of the 0.02 ps between frames"),
        ({"displacement_ps": 0.05}, "displacement_ps = 0.05: must be a multiple"),
        ({"lags_ps": (0.1,)}, "lags_ps = 0.1: no multiple of displacement_ps = 0.06"),
        ({"block_ps": 1e9}, "displacement_frames = 3 in blocks of 50000000000 frames: .* could overflow"),
    ],
)
def test_wrong_settings_name_the_field(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        config(**changes)


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("edges", (-55, -23, -32, 23, 32, 55), "edges = .*: must ascend"),
        ("cores", ((-55, -33),) * 5, "cores: .* of layer_left must lie within"),
        ("types", (), "types"),
        ("layers", ("a", "b"), "layer_edges has 8 entries: 2 layers need 3"),
        ("layers", ("a",) * 7, "layers = .*: each name must occur once"),
        ("layers", ("a b",), "layers.0"),
        ("layer_edges", (-55, -32, -23, 15, -15, 23, 32, 55), "layer_edges = .*: must ascend"),
        ("point", "oxygen", "point"),
    ],
)
def test_wrong_species_name_the_field(field: str, value: object, match: str) -> None:
    made = config().model_dump()
    made["ions"]["Li"][field] = value
    with pytest.raises(ValueError, match=match):
        ReductionConfig.model_validate(made)


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("bins", 0, "bins"),
        ("lags", (15, 6), r"lags = \(15, 6\): must ascend"),
        ("lags", (5,), "lags = 5: no multiple of displacement_frames = 3"),
        ("core_scales", (-1,), "core_scales.0"),
    ],
)
def test_wrong_stored_settings_name_the_field(field: str, value: object, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ReductionConfig.model_validate(config().model_dump() | {field: value})


@pytest.mark.parametrize(("frames", "lags"), [(None, (5,)), (5, ())])
def test_displacements_need_frames_and_lags(frames: int | None, lags: tuple[int, ...]) -> None:
    made = config().model_dump() | {"displacement_frames": frames, "lags": lags}
    with pytest.raises(ValueError, match=r"displacement_frames = .* give both, or neither"):
        ReductionConfig.model_validate(made)


def test_only_the_cation_has_layers_beside_its_regions() -> None:
    ions = config().ions
    assert len(ions["Li"].layers) == 7
    assert (ions["TFSI"].layers, ions["TFSI"].layer_edges) == (REGION_NAMES, ions["TFSI"].edges)


def test_a_thin_slab_has_no_inside() -> None:
    thin = config(thickness=8.0, core_scales=()).ions["Li"]
    assert (thin.layers, thin.layer_edges) == (REGION_NAMES, thin.edges)


def test_regions_of_a_species_are_those_it_was_made_from() -> None:
    for name, species in config().ions.items():
        assert species.regions(name) == surface_regions(HALF, LENGTH / 2, name)


def test_the_sampling_of_the_published_study_becomes_streams() -> None:
    streams = {"density": {"every_ps": 0.1}, "charge": {"every_ps": 0.2, "bin_width": 0.326}}
    settings = config(streams=streams, bins=520, ion_bin_width=0.2)
    assert settings.bins == 550
    assert settings.grid.width == pytest.approx(0.2)
    assert {name: one.every_frames for name, one in settings.streams.items()} == {"density": 5, "charge": 10}
    assert settings.stream_grid("density") == settings.grid
    assert (settings.stream_grid("charge").bins, settings.shared_stream) == (337, None)
    assert (settings.stream_for("charge"), settings.stream_for("other")) == ("charge", None)
    assert config().stream_for("charge") == "atoms"
    assert ReductionConfig.model_validate_json(settings.model_dump_json()) == settings


def test_a_subset_keeps_the_ids_of_its_atoms() -> None:
    ids = np.arange(5, 5 + NATOMS)
    settings = config(ids=ids)
    assert settings.atom_ids == tuple(ids.tolist())
    for wrong, message in ((ids[::-1], "atom_ids: must ascend"), (ids[:-1], f"atom_ids has {NATOMS - 1} entries")):
        with pytest.raises(ValueError, match=message):
            ReductionConfig.model_validate(settings.model_dump() | {"atom_ids": tuple(wrong.tolist())})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"bin_width": 1.0, "lags": (), "displacement_frames": None},
            "bins = 110: with bin_width = 1 .* must be 112",
        ),
        ({"bin_width": 90.0, "bins": 4}, "bin_width = 90: no bin of this width fits into half the box"),
        (
            {"streams": {"a": {"bin_width": 1.0}}},
            "streams.a.bin_width = 1: the bins of the ions are given by bins",
        ),
        ({"streams": {"a": {"every_frames": 0}}}, "every_frames"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_wrong_bins_and_streams_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReductionConfig.model_validate(config().model_dump() | changes)


def test_layers_must_lie_in_the_box_and_be_of_an_ion() -> None:
    for name, edges, message in (
        ("Li", [-55.0, 0.0], "layers.Li.edges = -55, 0: they must lie within the box, between -55 and 55"),
        ("Na", [-5.0, 0.0], "layers = 'Na': no ion of the system"),
    ):
        with pytest.raises(ValueError, match=message):
            config(layers={name: {"names": ["a", "b", "c"], "edges": edges}})
