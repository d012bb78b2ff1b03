"""Configurations that make no sense name the field."""

from typing import Any

import pytest

from aiida_cse.physics.regions import SurfaceOffsets
from aiida_cse.trajectory.config import ReductionConfig, whole_frames
from tests.trajectory.synthetic import config


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
