"""Checks of arguments that every module of this floor shares."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "at_least",
    "broadcast",
    "centres",
    "count",
    "count_between",
    "counts_array",
    "distinct_names",
    "finite",
    "finite_array",
    "finite_values",
    "nonnegative",
    "nonnegative_values",
    "one_of",
    "positive",
    "positive_values",
    "probability",
    "real_values",
    "representable",
    "series",
    "whole_counts",
    "whole_values",
]

#: whole numbers up to this one are exact as floats; nothing that is counted comes near
_LARGEST_COUNT: Final = 2**53
#: values up to this size can be squared and summed
_LARGEST_IN_SERIES: Final = 1e100


def finite(name: str, value: float) -> float:
    """Return ``value``, a finite number."""
    if not _is_finite(value):
        raise ValueError(f"{name} is {value!r}, it must be a finite number")
    return float(value)


def positive(name: str, value: float) -> float:
    """Return ``value``, a finite number above zero."""
    if not (_is_finite(value) and value > 0):
        raise ValueError(f"{name} is {value!r}, it must be a finite number above zero")
    return float(value)


def nonnegative(name: str, value: float) -> float:
    """Return ``value``, a finite number that is not negative."""
    if not (_is_finite(value) and value >= 0):
        raise ValueError(f"{name} is {value!r}, it must be a finite number of at least zero")
    return float(value)


def at_least(name: str, value: float, least: float) -> float:
    """Return ``value``, a finite number of at least ``least``."""
    if not (_is_finite(value) and value >= least):
        raise ValueError(f"{name} is {value!r}, it must be a finite number of at least {least:g}")
    return float(value)


def probability(name: str, value: float) -> float:
    """Return ``value``, a number between 0 and 1, both excluded."""
    if not (_is_finite(value) and 0 < value < 1):
        raise ValueError(f"{name} is {value!r}, it must lie between 0 and 1, both excluded")
    return float(value)


def count(name: str, value: float, least: int = 0) -> int:
    """Return ``value``, a whole number of at least ``least`` that is exact as a float."""
    if not (_is_finite(value) and value >= least and value == int(value)):
        raise ValueError(f"{name} is {value!r}, it must be a whole number of at least {least or 'zero'}")
    if value > _LARGEST_COUNT:
        raise ValueError(f"{name} is {value!r}, it must be at most {_LARGEST_COUNT}")
    return int(value)


def one_of(name: str, value: str, choices: Collection[str]) -> str:
    """Return ``value``, one of ``choices``."""
    if not (isinstance(value, str) and value in choices):
        raise ValueError(f"{name} is {value!r}, it must be one of {', '.join(choices)}")
    return value


def distinct_names(name: str, values: Collection[str]) -> tuple[str, ...]:
    """Return ``values``, texts that differ from each other, as a tuple."""
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} is {values!r}, it must be a tuple of names")
    if len(set(values)) < len(values):
        raise ValueError(f"{name} is {values!r}, its names must differ")
    return tuple(values)


def count_between(name: str, value: float, low: int, high: int) -> int:
    """Return ``value``, a whole number of at least ``low`` and at most ``high``."""
    if not (_is_finite(value) and value == int(value) and low <= value <= high):
        raise ValueError(f"{name} is {value!r}, it must be a whole number from {low} to {high}")
    return int(value)


def real_values(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return ``values``, numbers of any shape, as float64; NaN and infinite ones pass."""
    try:
        array = np.asarray(values)
        # numpy would read a number from a text, and drop the imaginary part
        if array.dtype.kind not in "biufO":
            raise TypeError(f"{values!r} is of type {array.dtype}")
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from error


def finite_values(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return ``values``, finite numbers of any shape, as float64."""
    array = real_values(name, values)
    return _require(name, array, np.isfinite(array), "it must be finite")


def positive_values(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return ``values``, finite numbers above zero of any shape, as float64."""
    array = finite_values(name, values)
    return _require(name, array, array > 0, "it must be above zero")


def nonnegative_values(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return ``values``, finite numbers of at least zero of any shape, as float64."""
    array = finite_values(name, values)
    return _require(name, array, array >= 0, "it must be at least zero")


def whole_values(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return ``values``, whole numbers of at least zero of any shape, as float64."""
    array = nonnegative_values(name, values)
    return _require(name, array, array == np.floor(array), "it must be a whole number")


def broadcast(**arrays: NDArray[Any]) -> tuple[int, ...]:
    """Return the shape to which the arrays of these names broadcast."""
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"shapes do not broadcast together: {shapes}") from None


def representable(what: str, result: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``result``, which ``what`` tells the making of; refuse one that is too large for a float."""
    return _require(what, np.asarray(result), np.isfinite(result), "too large a number")[()]


def finite_array(name: str, values: ArrayLike, *, ndim: int, minimum: int = 1) -> NDArray[np.float64]:
    """Return ``values`` as float64: finite, of ``ndim`` axes, at least ``minimum`` long on the first."""
    array = real_values(name, values)
    if array.ndim != ndim:
        raise ValueError(f"{name} has {array.ndim} axes, it must have {ndim}")
    if len(array) < minimum:
        raise ValueError(f"{name} has {len(array)} values, it must have at least {minimum}")
    return finite_values(name, array)


def series(name: str, values: ArrayLike, *, ndim: int = 1, minimum: int = 1) -> NDArray[np.float64]:
    """Return ``values`` as float64 like :func:`finite_array`, none of them too large to be squared and summed."""
    array = finite_array(name, values, ndim=ndim, minimum=minimum)
    within = np.abs(array) <= _LARGEST_IN_SERIES
    return _require(name, array, within, f"its size must be at most {_LARGEST_IN_SERIES:g}")


def counts_array(name: str, values: ArrayLike, *, ndim: int, minimum: int = 1) -> NDArray[Any]:
    """Return ``values`` as an array of counts: finite and nowhere negative."""
    array = finite_array(name, values, ndim=ndim, minimum=minimum)
    return _require(name, array, array >= 0, "a count must not be negative")


def whole_counts(name: str, values: ArrayLike, *, ndim: int, minimum: int = 1) -> NDArray[Any]:
    """Return ``values`` as float64 array of counts: whole numbers of at least zero."""
    array = counts_array(name, values, ndim=ndim, minimum=minimum)
    array = _require(name, array, array == np.floor(array), "a count must be a whole number")
    return _require(name, array, array <= _LARGEST_COUNT, f"a count must be at most {_LARGEST_COUNT}")


def centres(name: str, values: ArrayLike, minimum: int = 2) -> NDArray[np.float64]:
    """Return ``values``, the ascending and equally spaced centres of at least ``minimum`` bins."""
    array = finite_array(name, values, ndim=1, minimum=minimum)
    with np.errstate(over="ignore"):
        steps, width = np.diff(array), (array[-1] - array[0]) / (len(array) - 1)
    if not (0 < width < np.inf and np.allclose(steps, width, rtol=1e-6, atol=0)):
        raise ValueError(f"{name} must be ascending and equally spaced")
    return array


def _is_finite(value: object) -> bool:
    # an array of one value is no number, though Python takes it for one
    if isinstance(value, np.ndarray) and value.ndim:
        return False
    try:
        return math.isfinite(value)  # type: ignore[arg-type]
    except (TypeError, OverflowError):
        return False


def _require(name: str, array: NDArray[np.float64], good: NDArray[np.bool_], rule: str) -> NDArray[np.float64]:
    """Return ``array``; name the first value where ``good`` (same shape) is false, and the rule it breaks."""
    if not good.all():
        where = tuple(int(i) for i in np.argwhere(~good)[0])
        place = list(where) if where else ""
        raise ValueError(f"{name}{place} is {array[where]:g}, {rule}")
    return array
