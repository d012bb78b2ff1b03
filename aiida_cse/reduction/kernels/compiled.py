"""What the hot loops share: how they are compiled, a sum, a place in the box."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["compiled", "fraction", "weighted_sum"]


def compiled(
    function: Callable[..., Any], inline: Literal["never", "always"] = "never", *, contract: bool = False
) -> Any:
    """Compile on first use, and keep the result on disk where there is a writable place for it.

    With ``contract`` a product and a sum may be rounded once instead of twice, where the processor can.
    """
    fastmath = {"contract"} if contract else False
    try:
        return numba.njit(cache=True, nogil=True, inline=inline, fastmath=fastmath)(function)
    except RuntimeError:
        return numba.njit(nogil=True, inline=inline, fastmath=fastmath)(function)


def _weighted_sum(
    values: NDArray[np.float32], atoms: NDArray[np.int32], weights: NDArray[np.float64], first: int, stop: int
) -> Any:
    """Return the sum of weight × value over ``atoms[first:stop]``, in four interleaved parts.

    One part would wait for each sum before the next.
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


def _fraction(z: float, inverse_length: float) -> Any:
    """Return where z lies in the box around 0, from 0 (lower end) to 1 (upper end, after rounding only)."""
    place = z * inverse_length + 0.5
    return place - np.floor(place)


weighted_sum = compiled(_weighted_sum)
fraction = compiled(_fraction)
