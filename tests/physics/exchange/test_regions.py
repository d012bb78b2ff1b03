"""Regions label positions, and their buffers scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_cse.physics.exchange.regions import Region, RegionSet
from aiida_cse.reduction.layers import surface_regions


def test_positions_are_labelled_by_region() -> None:
    regions = surface_regions(19.5, 55.0, "Li")
    z = [-55.1, -55.0, -32.0, -23.01, -23.0, 0.0, 22.99, 23.0, 32.0, 54.9, 55.0, np.nan]
    assert regions.label(z).tolist() == [-1, 0, 1, 1, 2, 2, 2, 3, 4, 4, -1, -1]


def test_cores_leave_a_buffer_at_each_boundary() -> None:
    regions = surface_regions(19.5, 55.0, "Li")
    assert regions.core_label([20.9, 21.0, 23.0, 25.9, 26.0, 30.9, 31.0, 33.0]).tolist() == [
        2, -1, -1, -1, 3, 3, -1, 4,
    ]  # fmt: skip


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
    with pytest.raises(ValueError, match=r"scale = 3: layer_left of Li would have no core; must be below 2\.25"):
        surface_regions(19.5, 55.0, "Li").scaled_cores(3.0)


@given(half=st.floats(5, 60), scale=st.floats(allow_nan=True, allow_infinity=True))
def test_scaled_cores_lie_inside_or_scale_is_named(half: float, scale: float) -> None:
    regions = surface_regions(half, half + 40, "Li")
    try:
        scaled = regions.scaled_cores(scale)
    except ValueError as error:
        assert str(error).startswith("scale =")  # noqa: PT017
        return
    assert scaled.edges == regions.edges
    inside = scaled.core_label(np.linspace(-half - 40, half + 40, 500, endpoint=False))
    assert set(inside.tolist()) - {-1} <= set(range(5))
