"""Bins of atoms, placed in single precision where that is exact: those of double precision, everywhere."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aiida_cse.reduction.kernels.histogram import count_atoms


def expected(z: NDArray[np.float32], centre: float, length: float, bins: int) -> NDArray[np.int64]:
    """Return the bins that numpy finds in double precision."""
    place = (z.astype(np.float64) - centre) * (1 / length) + 0.5
    return np.minimum(((place - np.floor(place)) * bins).astype(np.int64), bins - 1)


def placed(z: NDArray[np.float32], centre: float, length: float, bins: int, rows: NDArray[np.int32]) -> Any:
    """Return whether all are finite, the bins, and the histogram."""
    indices, histogram = np.zeros(len(z), np.int32), np.zeros(int(rows.max()) + bins, np.uint32)
    return count_atoms(z, centre, length, bins, 0.0, rows, indices, histogram), indices, histogram


def near_edges(
    rng: np.random.Generator, centre: float, length: float, bins: int, images: int
) -> NDArray[np.float32]:
    """Return atoms on edges of bins, one step of single precision beside them, and anywhere."""
    edges = centre + length * (
        rng.integers(0, bins + 1, 900) / bins - 0.5 + rng.integers(-images, images + 1, 900)
    )
    on = edges.astype(np.float32)
    beside = np.nextafter(on, np.float32(np.inf)), np.nextafter(on, np.float32(-np.inf))
    anywhere = rng.uniform(-(images + 1) * length, (images + 1) * length, 900).astype(np.float32)
    return np.concatenate([on, *beside, anywhere])


#: as many bins as single precision has places, and one more
MANY = 2**24 + 1


@pytest.mark.parametrize("images", [0, 3, 200])
@pytest.mark.parametrize("bins", [1, 2, 110, 520, 1023, 1024, 70_000, pytest.param(MANY, marks=pytest.mark.long)])
@pytest.mark.parametrize("length", [7.3, 104.237123, 110.0])
def test_bins_are_those_of_double_precision(length: float, bins: int, images: int) -> None:
    check_bins(length, bins, images, (0.0, length / 2, -length / 2, 0.31 * length, 7.31 * length, -123.456))


def test_more_bins_than_single_precision_has_places() -> None:
    check_bins(104.237123, MANY, 3, (-123.456,))


def check_bins(length: float, bins: int, images: int, centres: tuple[float, ...]) -> None:
    rng = np.random.default_rng(11)
    for centre in centres:
        z = near_edges(rng, centre, length, bins, images)
        rows = np.zeros(len(z), np.int32)
        finite, indices, histogram = placed(z, centre, length, bins, rows)
        assert finite
        np.testing.assert_array_equal(indices, expected(z, centre, length, bins))
        np.testing.assert_array_equal(histogram, np.bincount(indices, minlength=bins))


@settings(max_examples=60)
@given(
    st.floats(1, 5000),
    st.integers(1, 5000),
    st.floats(-3000, 3000),
    st.integers(0, 80),
    st.integers(0, 2**32),
)
def test_bins_are_exact_for_any_box_and_centre(
    length: float, bins: int, centre: float, images: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    z = near_edges(rng, centre, length, bins, images)
    rows = (rng.integers(0, 3, len(z)) * bins).astype(np.int32)
    finite, indices, histogram = placed(z, centre, length, bins, rows)
    assert finite
    np.testing.assert_array_equal(indices - rows, expected(z, centre, length, bins))
    np.testing.assert_array_equal(histogram, np.bincount(indices, minlength=len(histogram)))


@pytest.mark.parametrize("atom", [0, 511, 512, 1300])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_coordinate_that_is_not_finite_stops_the_count(bad: float, atom: int) -> None:
    z = np.zeros(1301, np.float32)
    z[atom] = bad
    finite, _, histogram = placed(z, 0.3, 110.0, 520, np.zeros(len(z), np.int32))
    assert not finite
    assert not histogram.any()


def test_an_atom_very_far_away_is_counted() -> None:
    z = np.array([0.0, 1e30, -3e38], np.float32)
    finite, indices, _ = placed(z, 0.3, 110.0, 520, np.zeros(3, np.int32))
    assert finite
    np.testing.assert_array_equal(indices, expected(z, 0.3, 110.0, 520))


@pytest.mark.parametrize("length", [60.0, 104.237123, 131.0])
def test_bins_of_a_fixed_width_begin_at_the_centre(length: float) -> None:
    rng = np.random.default_rng(1)
    z = rng.uniform(-200, 200, 10_000).astype(np.float32)
    rows = np.zeros(len(z), np.int32)
    indices, histogram, centre, width, bins = np.zeros(len(z), np.int32), np.zeros(102, np.uint32), 3.7, 1.0, 102
    assert count_atoms(z, centre, length, bins, width, rows, indices, histogram)
    share = (z.astype(np.float64) - centre) / length + 0.5
    place = (share - np.floor(share) - 0.5) * length
    expected = np.clip(np.floor(place), -51, 50).astype(int) + 51
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(histogram, np.bincount(expected, minlength=102))
    z[7] = np.nan
    assert not count_atoms(z, centre, length, bins, width, rows, indices, histogram)
