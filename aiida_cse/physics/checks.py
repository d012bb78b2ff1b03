"""Checks of arguments that every module of this floor shares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["count", "counts_array", "finite_array", "nonnegative", "positive", "probability"]


def positive(name: str, value: float) -> float:
    """Return ``value``, a finite number above zero."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value!r}, it must be a finite number above zero")
    return float(value)


def nonnegative(name: str, value: float) -> float:
    """Return ``value``, a finite number that is not negative."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {value!r}, it must be a finite number of at least zero")
    return float(value)


def probability(name: str, value: float) -> float:
    """Return ``value``, a number between 0 and 1, both excluded."""
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value!r}, it must lie between 0 and 1, both excluded")
    return float(value)


def count(name: str, value: float) -> int:
    """Return ``value``, a whole number of at least zero."""
    if not (math.isfinite(value) and value >= 0 and value == int(value)):
        raise ValueError(f"{name} is {value!r}, it must be a whole number of at least zero")
    return int(value)


def finite_array(name: str, values: ArrayLike, *, ndim: int, minimum: int = 1) -> NDArray[np.float64]:
    """Return ``values`` as float64: finite, of ``ndim`` axes, at least ``minimum`` long on the first."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim:
        raise ValueError(f"{name} has {array.ndim} axes, it must have {ndim}")
    if len(array) < minimum:
        raise ValueError(f"{name} has {len(array)} values, it must have at least {minimum}")
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}{list(where)} is {array[where]}, it must be finite")
    return array


def counts_array(name: str, values: ArrayLike, *, ndim: int, minimum: int = 1) -> NDArray[Any]:
    """Return ``values`` as an array of counts: finite and nowhere negative."""
    array = finite_array(name, values, ndim=ndim, minimum=minimum)
    if (array < 0).any():
        where = tuple(int(i) for i in np.argwhere(array < 0)[0])
        raise ValueError(f"{name}{list(where)} is {array[where]:g}, a count must not be negative")
    return array
