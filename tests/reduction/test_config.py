"""Configurations that make no sense name the field."""

from typing import Any

import pytest

from aiida_cse.physics.exchange.regions import REGION_NAMES, SurfaceOffsets, surface_regions
from aiida_cse.reduction.config import ReductionConfig, sampling_stride, whole_frames
from tests.reduction.synthetic import HALF, LENGTH, config


def test_defaults_are_those_of_the_published_slab() -> None:
    made = config()
    assert made.ions["Li"].edges == (-55.0, -32.0, -23.0, 23.0, 32.0, 55.0)
    assert made.ions["TFSI"].edges == (-55.0, -26.0, -19.0, 19.0, 26.0, 55.0)
    assert (made.block_frames, made.snapshot_frames, made.frame_ps) == (10, 3, 0.02)


def test_json_round_trip() -> None:
    assert ReductionConfig.model_validate_json(config().model_dump_json()) == config()


def test_another_chemistry_gives_its_own_offsets() -> None:
    layer = SurfaceOffsets(2.0, 9.0)
    made = config(cation="Na", offsets={"Na": layer})
    assert made.ions["Na"].edges[3:5] == (21.5, 28.5)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"block_ps": 0.03}, "block_ps is 0.03 ps, it must be a multiple of the 0.02 ps of a frame"),
        ({"snapshot_ps": 0.0}, "snapshot_ps is 0 ps"),
        ({"snapshot_ps": float("inf")}, "snapshot_ps is inf ps"),
        ({"box": (20.0, 20.0, 60.0)}, "box_half_length is 30 Å"),
        ({"cation": "Na"}, "species is 'Na'"),
        ({"framework": [9]}, "framework: no atom has one of the types"),
        ({"cation_types": [9]}, "ions.Li.types: no atom has one of the types"),
        ({"molecules": [1]}, "molecules has 1 entries, it must have 52"),
        ({"masses": [1.0]}, "masses has 1 entries, it must have 5"),
        ({"labels": ["A", "B"], "masses": [1.0] * 2, "charges": [0.0] * 2}, "atom_types has type 5"),
        ({"labels": ["A"] * 5}, "each must be there once"),
        ({"masses": [1, 2, 3, 4, -5]}, "masses"),
        ({"midplane_offset": float("nan")}, "midplane_offset"),
        ({"anion": "li", "offsets": {"li": SurfaceOffsets(2.0, 9.0)}}, "must differ by more than case"),
        ({"bins": 0}, "bins"),
        ({"core_scales": (0.5, 0.5)}, r"core_scales are \(0.5, 0.5\), each must be there once and none be 1"),
        ({"core_scales": (1,)}, r"core_scales are \(1.0,\)"),
        ({"core_scales": (-1,)}, "core_scales.0"),
        ({"core_scales": (2.3,)}, "core_scales: scale is 2.3: layer_left of Li would have no core, .* below 2.25"),
        ({"lags_ps": (0.3, 0.12)}, r"lags are \(15, 6\), they must ascend"),
        ({"lags_ps": (0.11,)}, "lags_ps is 0.11 ps, it must be a multiple of the 0.02 ps of a frame"),
        ({"displacement_ps": 0.05}, "displacement_ps is 0.05 ps, it must be a multiple"),
        ({"lags_ps": (0.1,)}, "lags: 5 frames is no multiple of displacement_frames 3"),
        ({"block_ps": 2e9}, "displacement_frames is 3 in blocks of 100000000000 frames: .* could overflow"),
    ],
)
def test_wrong_settings_name_the_field(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        config(**changes)


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("edges", (-55, -23, -32, 23, 32, 55), "they must ascend"),
        ("cores", ((-55, -33),) * 5, "cores: that of layer_left"),
        ("types", (), "types"),
        ("layers", ("a", "b"), "layer_edges has 8 entries, 2 layers must have 3"),
        ("layers", ("a",) * 7, "layers are .*, each name must be there once"),
        ("layers", ("a b",), "layers.0"),
        ("layer_edges", (-55, -32, -23, 15, -15, 23, 32, 55), "layer_edges are .*, they must ascend"),
        ("point", "oxygen", "point"),
    ],
)
def test_wrong_species_name_the_field(field: str, value: object, match: str) -> None:
    made = config().model_dump()
    made["ions"]["Li"][field] = value
    with pytest.raises(ValueError, match=match):
        ReductionConfig.model_validate(made)


def test_whole_frames() -> None:
    assert whole_frames("block_ps", 1000.0, 0.1) == 10_000


@pytest.mark.parametrize(("frames", "lags"), [(None, (5,)), (5, ())])
def test_displacements_need_frames_and_lags(frames: int | None, lags: tuple[int, ...]) -> None:
    made = config().model_dump() | {"displacement_frames": frames, "lags": lags}
    with pytest.raises(ValueError, match=r"displacement_frames is .* give both, or neither"):
        ReductionConfig.model_validate(made)


def test_the_layers_of_the_cation_tell_the_surface_from_the_inside() -> None:
    ions = config().ions
    assert dict(zip(ions["Li"].layers, ions["Li"].layer_edges, strict=False)) == {
        "bulk_left": -55.0,
        "layer_left": -32.0,
        "surface_left": -23.0,
        "inside": -15.0,
        "surface_right": 15.0,
        "layer_right": 23.0,
        "bulk_right": 32.0,
    }
    assert (ions["TFSI"].layers, ions["TFSI"].layer_edges) == (REGION_NAMES, ions["TFSI"].edges)


def test_a_thin_slab_has_no_inside() -> None:
    thin = config(half_thickness=4.0, core_scales=()).ions["Li"]
    assert (thin.layers, thin.layer_edges) == (REGION_NAMES, thin.edges)


@pytest.mark.parametrize(
    ("lags", "given", "stride"),
    [
        ((500,), None, 10),
        ((50, 200), None, 10),
        ((24, 36), None, 6),
        ((7,), None, 7),
        ((500,), 4, 4),
        ((), 4, None),
    ],
)
def test_the_default_of_the_displacement_frames(lags: tuple[int, ...], given: int | None, stride: int) -> None:
    assert sampling_stride(lags, given) == stride


def test_regions_of_a_species_are_those_it_was_made_from() -> None:
    for name, species in config().ions.items():
        assert species.regions(name) == surface_regions(HALF, LENGTH / 2, name)
