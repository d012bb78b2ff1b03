"""Regions follow the surface and are Table 1 of the published study for its slab."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_cse.physics.exchange.regions import REGION_NAMES, Region, RegionSet, SurfaceOffsets, surface_regions

TABLE_1 = {"Li": (-55, -32, -23, 23, 32, 55), "TFSI": (-55, -26, -19, 19, 26, 55)}


@pytest.mark.parametrize("species", TABLE_1)
def test_table_1(species: str) -> None:
    regions = surface_regions(19.5, 55.0, species)
    assert regions.names == REGION_NAMES
    assert regions.edges == pytest.approx(TABLE_1[species])


def test_labels() -> None:
    regions = surface_regions(19.5, 55.0, "Li")
    z = [-55.1, -55.0, -32.0, -23.01, -23.0, 0.0, 22.99, 23.0, 32.0, 54.9, 55.0, np.nan]
    assert regions.label(z).tolist() == [-1, 0, 1, 1, 2, 2, 2, 3, 4, 4, -1, -1]


def test_cores_leave_a_buffer() -> None:
    regions = surface_regions(19.5, 55.0, "Li")
    assert regions.core_label([20.9, 21.0, 23.0, 25.9, 26.0, 30.9, 31.0, 33.0]).tolist() == [
        2, -1, -1, -1, 3, 3, -1, 4,
    ]  # fmt: skip


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


def test_a_box_that_is_too_short_is_told_its_length() -> None:
    with pytest.raises(ValueError, match=r"box_half_length is 30 Å.*a box longer than 66 Å"):
        surface_regions(19.5, 30.0, "Li")


def test_a_slab_that_is_too_thin_is_told() -> None:
    with pytest.raises(ValueError, match=r"half_thickness is 0.5 Å.*more than 1.5 Å"):
        surface_regions(0.5, 55.0, "TFSI")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((-1.0, 55.0, "Li"), "half_thickness is -1.0"),
        ((19.5, float("nan"), "Li"), "box_half_length is nan"),
        ((19.5, 55.0, "Na"), "species is 'Na'; offsets are known for Li, TFSI"),
        ((19.5, 55.0, "X", SurfaceOffsets(3.0, 4.0)), "has no core left"),
        ((19.5, 55.0, "X", SurfaceOffsets(3.0, 9.0, (1.0, -1.0, 1.0, 1.0))), "margins of X is -1.0"),
    ],
)
def test_bad_input_is_named(arguments: tuple[float, float, str], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        surface_regions(*arguments)


def test_regions_with_a_gap_are_refused() -> None:
    with pytest.raises(ValueError, match="a ends at 1 Å, b starts at 2 Å"):
        RegionSet("X", (Region("a", 0, 1, (0, 1)), Region("b", 2, 3, (2, 3))))


def test_a_core_outside_its_region_is_refused() -> None:
    with pytest.raises(ValueError, match="region a of X: core -1 to 1 Å"):
        RegionSet("X", (Region("a", 0, 1, (-1, 1)),))


def test_buffers_scale() -> None:
    regions = surface_regions(19.5, 55.0, "Li")
    assert regions.scaled_cores(1.0) == regions
    assert regions.scaled_cores(0.0).cores == tuple((one.lower, one.upper) for one in regions.regions)
    assert regions.scaled_cores(0.5).cores[2:] == ((-22.0, 22.0), (24.5, 31.5), (32.5, 55.0))
    assert regions.scaled_cores(2.0).cores[2:] == ((-19.0, 19.0), (29.0, 30.0), (34.0, 55.0))


def test_buffers_that_leave_no_core_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"scale is 3: layer_left of Li would have no core, it must be below 2\.25"
    ):
        surface_regions(19.5, 55.0, "Li").scaled_cores(3.0)


@given(half=st.floats(5, 60), scale=st.floats(allow_nan=True, allow_infinity=True))
def test_scaled_cores_lie_inside_or_scale_is_named(half: float, scale: float) -> None:
    regions = surface_regions(half, half + 40, "Li")
    try:
        scaled = regions.scaled_cores(scale)
    except ValueError as error:
        assert str(error).startswith("scale is")  # noqa: PT017
        return
    assert scaled.edges == regions.edges
    inside = scaled.core_label(np.linspace(-half - 40, half + 40, 500, endpoint=False))
    assert set(inside.tolist()) - {-1} <= set(range(5))
