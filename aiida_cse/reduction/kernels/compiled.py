"""Compilation of the hot loops by numba, and the functions that several of them use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["EDGE", "compiled", "fraction", "weighted_sum", "weighted_sums"]

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
    """Return the sum of weight × value over ``atoms[first:stop]``, which ascend.

    Four interleaved partial sums are independent of each other, so that the processor need not wait for each.
    """
    a = b = c = d = 0.0
    count = stop - first
    whole = count // 4 * 4
    own, parts = atoms[first:stop], weights[first:stop]
    if count > 0 and own[count - 1] - own[0] == count - 1:
        run = values[own[0] : own[0] + count]
        for k in range(0, whole, 4):
            a += parts[k] * run[k]
            b += parts[k + 1] * run[k + 1]
            c += parts[k + 2] * run[k + 2]
            d += parts[k + 3] * run[k + 3]
        for k in range(whole, count):
            a += parts[k] * run[k]
        return (a + b) + (c + d)
    for k in range(0, whole, 4):
        a += parts[k] * values[np.uint32(own[k])]
        b += parts[k + 1] * values[np.uint32(own[k + 1])]
        c += parts[k + 2] * values[np.uint32(own[k + 2])]
        d += parts[k + 3] * values[np.uint32(own[k + 3])]
    for k in range(whole, count):
        a += parts[k] * values[np.uint32(own[k])]
    return (a + b) + (c + d)


@compiled
def weighted_sums(
    values: NDArray[np.float32],
    starts: NDArray[np.int32],
    atoms: NDArray[np.int32],
    weights: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Write the sums of :func:`weighted_sum` over ``atoms[starts[i]:starts[i + 1]]``, without a call for each."""
    for number in range(sums.shape[0]):
        first, stop = np.uint32(starts[number]), np.uint32(starts[number + 1])
        whole = first + (stop - first) // np.uint32(4) * np.uint32(4)
        a = b = c = d = 0.0
        for k in range(first, whole, 4):
            a += weights[k] * values[np.uint32(atoms[k])]
            b += weights[k + 1] * values[np.uint32(atoms[k + 1])]
            c += weights[k + 2] * values[np.uint32(atoms[k + 2])]
            d += weights[k + 3] * values[np.uint32(atoms[k + 3])]
        for k in range(whole, stop):
            a += weights[k] * values[np.uint32(atoms[k])]
        sums[number] = (a + b) + (c + d)


@compiled
def fraction(z: float, inverse_length: float) -> Any:
    """Return the fractional coordinate of z in the box around 0, from 0 to 1 (1 after rounding only)."""
    place = z * inverse_length + 0.5
    return place - np.floor(place)
