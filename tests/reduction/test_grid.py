"""Bins along z: equal parts of the box, bins of a fixed width, their volumes, and how they are joined."""

from __future__ import annotations

import numpy as np
import pytest

from aiida_cse.reduction.grid import Grid


@pytest.mark.parametrize(("width", "bins"), [(1.0, 112), (0.5, 222), (0.326, 338), (55.0, 4), (30.0, 4)])
def test_bins_of_a_width_fill_the_box_with_one_more_at_each_end(width: float, bins: int) -> None:
    grid = Grid.of_width(width, 110.0)
    assert grid.bins == bins
    assert grid.width == pytest.approx(width)
    assert 55 - width < grid.bounds[-2] <= 55 + 1e-9
    assert grid.bounds[grid.bins // 2] == 0
    assert np.isinf(grid.bounds[[0, -1]]).all()


def test_a_bin_wider_than_half_the_box_is_refused() -> None:
    with pytest.raises(ValueError, match=r"bin_width = 60: .* it must be at most 55"):
        Grid.of_width(60, 110.0)


@pytest.mark.parametrize("width", [1.0, 0.7, 20.0])
def test_volumes_of_bins_are_those_within_each_frame(width: float) -> None:
    rng = np.random.default_rng(1)
    boxes = np.column_stack([rng.uniform(19, 21, (50, 2)), rng.uniform(100, 120, 50)])
    grid = Grid.of_width(width, 110.0)
    bounds = np.clip(grid.bounds, -1e3, 1e3)
    expected = np.zeros(grid.bins)
    for x, y, z in boxes:
        expected += x * y * np.diff(np.clip(bounds, -z / 2, z / 2))
    np.testing.assert_allclose(grid.volumes(boxes), expected, rtol=1e-9)
    assert grid.volumes(boxes).sum() == pytest.approx(boxes.prod(axis=1).sum(), rel=1e-12)


def test_a_bin_that_no_box_reaches_has_no_volume() -> None:
    volumes = Grid.of_width(1.0, 110.0).volumes(np.array([[10.0, 10.0, 106.5], [10.0, 10.0, 107.0]]))
    assert volumes[:4].tolist() == volumes[::-1][:4].tolist() == [0, 0, pytest.approx(75), 200]


@pytest.mark.parametrize("grid", [Grid(12, 110.0), Grid.of_width(10.0, 110.0)])
def test_joined_bins_hold_the_bins_that_lie_in_them(grid: Grid) -> None:
    for bins, factor in grid.factors().items():
        joined = grid.joined(factor)
        assert joined.bins == bins
        place = np.searchsorted(joined.bounds, grid.centres, side="right") - 1
        np.testing.assert_array_equal(
            np.searchsorted(grid.starts(factor), np.arange(grid.bins), "right") - 1, place
        )


def test_numbers_of_joined_bins_are_known() -> None:
    assert list(Grid(12, 110.0).factors()) == [12, 6, 4, 3, 2, 1]
    assert Grid.of_width(10.0, 110.0).factors() == {12: 1, 6: 2, 4: 3}
    for factor in (0, 5):
        with pytest.raises(ValueError, match=f"factor = {factor}: must divide the 12 bins"):
            Grid(12, 110.0).joined(factor)
    with pytest.raises(ValueError, match="factor = 6: must be 1 to 5, the bins between mid-plane and end"):
        Grid.of_width(10.0, 110.0).joined(6)
