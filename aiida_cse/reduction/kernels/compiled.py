"""Compilation of the hot loops by numba, and the functions that several of them use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["EDGE", "compiled", "copy", "fraction", "gather", "uncounted", "weighted_sum", "weighted_sums"]

#: Å by which every position is moved up before it is placed in a bin or region: far above the rounding of the
#: slab's centre and of a periodic image (1e−12 Å), so that a position on an edge is counted above it wherever the
#: box starts, and far below the resolution of coordinates in single precision (1e−6 Å)
EDGE = 1e-9


def compiled(function: Callable[..., Any], *, contract: bool = False, counted: bool = True) -> Any:
    """Compile on first use, and keep the result on disk if there is a writable place for it.

    With ``contract``, a product and a sum may be rounded once instead of twice if the processor supports it. If
    references to arrays are not ``counted``, the function can make views of arrays, but no new array.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": {"contract"} if contract else False, "_nrt": counted}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)


#: for functions that are called in each frame: the counters of references are atomic, so that threads which use
#: the same arrays would wait for each other at every view
uncounted = partial(compiled, counted=False)


@uncounted
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


@uncounted
def weighted_sums(
    values: NDArray[np.float32],
    starts: NDArray[np.int32],
    atoms: NDArray[np.int32],
    weights: NDArray[np.float64],
    sums: NDArray[np.float64],
    size: int,
) -> None:
    """Write the sums of :func:`weighted_sum` over ``atoms[starts[i]:starts[i + 1]]``, without a call for each.

    If ``size`` is not 0, each sum is over so many atoms, and all of them follow each other.
    """
    if size > 0:
        _sums_of_run(values[atoms[starts[0]] :], weights[starts[0] :], size, sums)
        return
    for number in range(sums.shape[0]):
        first, stop = np.uint64(starts[number]), np.uint64(starts[number + 1])
        whole = first + (stop - first) // np.uint64(4) * np.uint64(4)
        a = b = c = d = 0.0
        for k in range(first, whole, np.uint64(4)):
            a += weights[k] * values[np.uint32(atoms[k])]
            b += weights[k + np.uint64(1)] * values[np.uint32(atoms[k + np.uint64(1)])]
            c += weights[k + np.uint64(2)] * values[np.uint32(atoms[k + np.uint64(2)])]
            d += weights[k + np.uint64(3)] * values[np.uint32(atoms[k + np.uint64(3)])]
        for k in range(whole, stop):
            a += weights[k] * values[np.uint32(atoms[k])]
        sums[number] = (a + b) + (c + d)


@uncounted
def _sums_of_run(
    values: NDArray[np.float32], weights: NDArray[np.float64], size: int, sums: NDArray[np.float64]
) -> None:
    """Write the sums of :func:`weighted_sum` over ``size`` values each that follow each other."""
    for number in range(sums.shape[0]):
        first = np.uint64(number * size)
        stop, whole = first + np.uint64(size), first + np.uint64(size // 4 * 4)
        a = b = c = d = 0.0
        for k in range(first, whole, np.uint64(4)):
            a += weights[k] * values[k]
            b += weights[k + np.uint64(1)] * values[k + np.uint64(1)]
            c += weights[k + np.uint64(2)] * values[k + np.uint64(2)]
            d += weights[k + np.uint64(3)] * values[k + np.uint64(3)]
        for k in range(whole, stop):
            a += weights[k] * values[k]
        sums[number] = (a + b) + (c + d)


@uncounted
def copy(values: NDArray[np.generic], to: NDArray[np.generic]) -> None:
    """Copy an array (N,) in vector registers, which the assignment of a slice does not use."""
    for k in range(values.shape[0]):
        to[k] = values[k]


@uncounted
def gather(values: NDArray[np.generic], atoms: NDArray[np.int32], gathered: NDArray[np.generic]) -> None:
    """Write the values of the atoms to ``gathered``."""
    for k in range(atoms.shape[0]):
        gathered[k] = values[np.uint32(atoms[k])]


@uncounted
def fraction(z: float, inverse_length: float) -> Any:
    """Return the fractional coordinate of z in the box around 0, from 0 to 1 (1 after rounding only)."""
    place = z * inverse_length + 0.5
    return place - np.floor(place)
