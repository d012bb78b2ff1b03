"""Compilation of the hot loops by numba, and the two functions that all of them use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["EDGE", "compiled", "fraction", "weighted_sum"]

#: Å by which every position is moved up before it is placed in a bin or region: far above the rounding of the
#: slab's centre and of a periodic image (1e−12 Å), so that a position on an edge is counted above it wherever the
#: box starts, and far below the resolution of coordinates in single precision (1e−6 Å)
EDGE = 1e-9


def compiled(function: Callable[..., Any], *, contract: bool = False) -> Any:
    """Compile on first use, and keep the result on disk if there is a writable place for it.

    With ``contract``, a product and a sum may be rounded once instead of twice if the processor supports it.
    """
    fastmath = {"contract"} if contract else False
    try:
        return numba.njit(cache=True, nogil=True, fastmath=fastmath)(function)
    except RuntimeError:
        return numba.njit(nogil=True, fastmath=fastmath)(function)


@compiled
def weighted_sum(
    values: NDArray[np.float32], atoms: NDArray[np.int32], weights: NDArray[np.float64], first: int, stop: int
) -> Any:
    """Return the sum of weight × value over ``atoms[first:stop]``.

    Four interleaved partial sums are independent of each other, so that the processor need not wait for each.
    """
    a = b = c = d = 0.0
    whole = first + (stop - first) // 4 * 4
    for k in range(first, whole, 4):
        a += weights[k] * values[np.uint32(atoms[k])]
        b += weights[k + 1] * values[np.uint32(atoms[k + 1])]
        c += weights[k + 2] * values[np.uint32(atoms[k + 2])]
        d += weights[k + 3] * values[np.uint32(atoms[k + 3])]
    for k in range(whole, stop):
        a += weights[k] * values[np.uint32(atoms[k])]
    return (a + b) + (c + d)


@compiled
def fraction(z: float, inverse_length: float) -> Any:
    """Return the fractional coordinate of z in the box around 0, from 0 to 1 (1 after rounding only)."""
    place = z * inverse_length + 0.5
    return place - np.floor(place)
