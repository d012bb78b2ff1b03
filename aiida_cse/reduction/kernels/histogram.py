"""Bins of all atoms of a frame, compiled by numba: the result of double precision at the cost of single.

The bin of an atom is defined in double precision. Almost all atoms are so far from the edge of a bin that single
precision, which takes half the time, gives the same. Atoms are therefore placed in single precision first, in
groups. A group is placed again in double precision if one of its atoms is so close to an edge that rounding could
have moved it across, so far away that the bound below does not hold, or beyond the end of the box. The result is
that of double precision, bit for bit.

With u = 2⁻²⁴, the length L of the box and places p = S (z/L + b − n) in units of 1/S of the box (0 ≤ b < 1 for the
shift, n for the periodic image) the error of single precision is below u S (4 max(b, 1 − b) + b + 1): The product
of n and the leading 18 bits of L is exact for the images that are allowed; z − n L takes two roundings of at
most u max(b, 1 − b) L, the scale and its product one each, the start u b S and the last sum u S.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.kernels.compiled import fraction, uncounted

__all__ = ["bin_of", "count_atoms"]

#: number of atoms that are placed again together; larger groups take longer to repeat, smaller ones to start
_GROUP = 512
#: largest distance in boxes, so that the image is a whole number of six bits
_IMAGES = 60
#: bits of the length of the box whose product with the image fits the 24 of single precision
_LEADING_BITS = 18
_SIGNIFICAND_BITS = 24
_UNIT = 2.0**-_SIGNIFICAND_BITS


class _Grid(NamedTuple):
    """Bins of a frame in single precision; places are counted in units of 2^−digits bins.

    Attributes
    ----------
    inverse, shift
        z × inverse + shift is the place in boxes.
    leading, rest
        Length of the box, Å, in two parts.
    scale, start
        Places per Å, and the place of z = 0.
    digits
        Number of fractional binary digits of a place.
    margin
        Bound on the error of single precision, in places.
    farthest
        Largest |z|, Å, as its bits.
    """

    inverse: np.float32
    shift: np.float32
    leading: np.float32
    rest: np.float32
    scale: np.float32
    start: np.float32
    digits: np.int32
    margin: np.int32
    farthest: np.int32


@uncounted
def _grid(centre: float, length: float, bins: int) -> Any:
    """Return the bins around ``centre`` in a box of ``length``."""
    digits = 0
    while bins << (digits + 1) <= 1 << _SIGNIFICAND_BITS:
        digits += 1
    places = float(bins << digits)
    shift = 0.5 - centre / length
    shift -= np.floor(shift)
    step = 2.0 ** (np.ceil(np.log2(length)) - _LEADING_BITS)
    leading = np.floor(length / step) * step
    error = _UNIT * places * (4 * max(shift, 1 - shift) + shift + 1)
    return _Grid(
        np.float32(1 / length),
        np.float32(shift),
        np.float32(leading),
        np.float32(length - leading),
        np.float32(places / length),
        np.float32(places * shift),
        np.int32(digits),
        np.int32(error) + np.int32(1),
        np.float32(_IMAGES * length).view(np.int32),
    )


@partial(uncounted, contract=True)
def _place_roughly(
    z: NDArray[np.float32],
    bits: NDArray[np.int32],
    first: int,
    stop: int,
    grid: _Grid,
    places: int,
    rows: NDArray[np.int32],
    indices: NDArray[np.int32],
) -> Any:
    """Write the flat bins of atoms to ``indices``; return whether single precision is exact for all of them.

    ``bits`` are those of ``z``; ``places`` is the number of places in the box.
    """
    nearest, last, farthest = np.int32(2**30), np.uint32(0), np.int32(0)
    fraction_bits = np.int32((np.int32(1) << grid.digits) - 1)
    for atom in range(np.uint64(first), np.uint64(stop)):
        image = np.floor(z[atom] * grid.inverse + grid.shift)
        place = np.int32(((z[atom] - image * grid.leading) - image * grid.rest) * grid.scale + grid.start)
        indices[atom] = rows[atom] + np.int32(place >> (grid.digits & np.int32(31)))
        nearest = min(nearest, np.int32(np.int32(place + grid.margin) & fraction_bits))
        last = max(last, np.uint32(place))
        farthest = max(farthest, np.int32(bits[atom] & np.int32(0x7FFFFFFF)))
    return farthest <= grid.farthest and last < np.uint32(places) and nearest >= 2 * grid.margin


@uncounted
def _place_exactly(
    z: NDArray[np.float32],
    centre: float,
    inverse: float,
    bins: int,
    rows: NDArray[np.int32],
    indices: NDArray[np.int32],
) -> Any:
    """Write the flat bin of each atom to ``indices``; return whether all coordinates are finite."""
    lowest, top = np.int32(0), np.int32(bins - 1)
    for atom in range(z.shape[0]):
        share = fraction(z[atom] - centre, inverse)
        share = share if share >= 0.0 else -1.0
        place = np.int32(share * bins)
        lowest = min(lowest, place)
        indices[atom] = rows[atom] + max(np.int32(0), min(place, top))
    return lowest >= 0


@uncounted
def _count(indices: NDArray[np.int32], histogram: NDArray[np.uint32]) -> None:
    """Add one to the histogram at each of the indices, none of which is negative."""
    whole = indices.shape[0] // 4 * 4
    for k in range(0, whole, 4):
        # read four before counting, because the compiler cannot exclude that the two arrays overlap
        a, b = np.uint32(indices[k]), np.uint32(indices[k + 1])
        c, d = np.uint32(indices[k + 2]), np.uint32(indices[k + 3])
        histogram[a] += np.uint32(1)
        histogram[b] += np.uint32(1)
        histogram[c] += np.uint32(1)
        histogram[d] += np.uint32(1)
    for k in range(whole, indices.shape[0]):
        histogram[np.uint32(indices[k])] += np.uint32(1)


@uncounted
def bin_of(share: float, length: float, bins: int, width: float) -> Any:
    """Return the bin at a fractional coordinate (0 to 1) of the box; ``width`` as in :func:`count_atoms`."""
    if width == 0.0:
        return min(int(share * bins), bins - 1)
    place = np.floor((share - 0.5) * length / width) + bins // 2
    return int(max(0.0, min(place, bins - 1.0)))


@uncounted
def _count_by_width(
    z: NDArray[np.float32],
    centre: float,
    length: float,
    bins: int,
    width: float,
    rows: NDArray[np.int32],
    indices: NDArray[np.int32],
    histogram: NDArray[np.uint32],
) -> Any:
    """Count atoms in bins of a fixed width; parameters and result as for :func:`count_atoms`."""
    inverse = 1.0 / length
    for atom in range(z.shape[0]):
        share = fraction(z[atom] - centre, inverse)
        if not share >= 0.0:
            return False
        indices[atom] = rows[atom] + np.int32(bin_of(share, length, bins, width))
    _count(indices, histogram)
    return True


@uncounted
def count_atoms(
    z: NDArray[np.float32],
    centre: float,
    length: float,
    bins: int,
    width: float,
    rows: NDArray[np.int32],
    indices: NDArray[np.int32],
    histogram: NDArray[np.uint32],
) -> Any:
    """Add the atoms of a frame to a flat histogram; return whether all coordinates are finite.

    ``rows`` (N,) are the offsets of the rows of the atoms in ``histogram``; ``indices`` (N,) takes the bins. If
    ``width`` is 0, the bins are equal parts of the box. Otherwise they have this width, Å, half of them lie on
    either side of ``centre``, and the first and the last one hold everything beyond them.
    """
    if width != 0.0:
        return _count_by_width(z, centre, length, bins, width, rows, indices, histogram)
    grid, bits, inverse = _grid(centre, length, bins), z.view(np.int32), 1.0 / length
    places = bins << grid.digits
    for first in range(0, z.shape[0], _GROUP):
        stop = min(first + _GROUP, z.shape[0])
        if _place_roughly(z, bits, first, stop, grid, places, rows, indices):
            continue
        if not _place_exactly(z[first:stop], centre, inverse, bins, rows[first:stop], indices[first:stop]):
            return False
    _count(indices, histogram)
    return True
