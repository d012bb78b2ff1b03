"""Regions follow the surface planes; for the published slab they are Table 1 of the study."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.reduction.layers import SurfaceOffsets, displacement_layers, surface_regions
from aiida_cse.schema import explain

TABLE_1 = {"Li": (-55, -32, -23, 23, 32, 55), "TFSI": (-55, -26, -19, 19, 26, 55)}


@pytest.mark.parametrize("species", TABLE_1)
def test_regions_of_the_published_slab_are_table_1(species: str) -> None:
    regions = surface_regions(19.5, 55.0, species)
    assert regions.names == REGION_NAMES
    assert regions.edges == pytest.approx(TABLE_1[species])


def test_margins_are_the_buffers_of_the_layer() -> None:
    offsets = SurfaceOffsets(inner=3.0, outer=9.0, margins=(0.5, 1.0, 1.5, 2.0))
    cores = surface_regions(20.0, 55.0, "X", offsets).cores
    assert cores == ((-55.0, -31.0), (-27.5, -24.0), (-22.5, 22.5), (24.0, 27.5), (31.0, 55.0))


@given(
    half=st.floats(2, 60),
    bulk=st.floats(0.01, 50),
    z=st.lists(st.floats(-200, 200), max_size=20),
    species=st.sampled_from(["Li", "TFSI"]),
)
def test_regions_are_symmetric_and_tile_the_box(half: float, bulk: float, z: list[float], species: str) -> None:
    end = half + 13.5 + bulk
    regions = surface_regions(half, end, species)
    assert np.allclose(regions.edges, -np.array(regions.edges)[::-1])
    labels = regions.label(z)
    assert ((labels >= 0) == [-end <= value < end for value in z]).all()
    cores = regions.core_label(z)
    assert (cores[cores >= 0] == labels[cores >= 0]).all()


def test_a_box_that_is_too_short_is_refused_with_the_length_needed() -> None:
    with pytest.raises(ValueError, match=r"box_half_length = 30 Å.*a box longer than 66 Å"):
        surface_regions(19.5, 30.0, "Li")


def test_a_slab_that_is_too_thin_is_refused_with_the_thickness_needed() -> None:
    with pytest.raises(ValueError, match=r"half_thickness = 0.5 Å.*more than 1.5 Å"):
        surface_regions(0.5, 55.0, "TFSI")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((-1.0, 55.0, "Li"), "half_thickness = -1.0"),
        ((19.5, float("nan"), "Li"), "box_half_length = nan"),
        ((19.5, 55.0, "Na"), "species = 'Na': offsets are known for Li, TFSI"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple[float, float, str], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        surface_regions(*arguments)


@pytest.mark.parametrize(
    ("offsets", "match"),
    [
        ({"inner": 3.0, "outer": 4.0}, "the core of the layer from 4 to 3 Å is empty; outer must lie farther out"),
        ({"inner": 3.0, "outer": 9.0, "margins": (1.0, -1.0, 1.0, 1.0)}, "margins.1 = -1.0"),
        ({"inner": "3", "outer": 9.0}, "inner = '3'"),
        ({"inner": 3.0, "outer": 9.0, "margin": 1.0}, "unknown key 'margin'; did you mean 'margins'?"),
    ],
)
def test_wrong_offsets_are_named(offsets: dict[str, object], match: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SurfaceOffsets.model_validate(offsets)
    assert match in explain(caught.value)


def test_displacement_layers_separate_the_surface_from_the_inside() -> None:
    names, edges = displacement_layers(surface_regions(19.5, 55.0, "Li"), 19.5)
    assert dict(zip(names, edges, strict=False)) == {
        "bulk_left": -55.0,
        "layer_left": -32.0,
        "surface_left": -23.0,
        "inside": -15.0,
        "surface_right": 15.0,
        "layer_right": 23.0,
        "bulk_right": 32.0,
    }
