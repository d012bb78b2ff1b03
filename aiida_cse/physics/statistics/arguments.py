"""Checks of the numbers and arrays that enter public functions.

Each check returns its argument, converted, or raises a ``ValueError`` that names it. Models check their own
fields, and functions that receive checked values do not check them again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LARGEST_COUNT",
    "SUMMABLE",
    "array",
    "centres",
    "count",
    "distinct_names",
    "elementwise",
    "number",
    "one_of",
    "probability",
    "representable",
]

Floats = NDArray[np.float64]

#: whole numbers up to this one are exact as floats
LARGEST_COUNT: Final = 2**53
#: values up to this size can be squared and summed
SUMMABLE: Final = 1e100


def number(
    name: str, value: float, *, above: float = -math.inf, least: float = -math.inf, most: float = math.inf
) -> float:
    """Return ``value``, a finite number above ``above``, and from ``least`` to ``most``."""
    if not (_is_finite(value) and value > above and least <= value <= most):
        limits = [
            f"{words} {limit:g}"
            for words, limit in (("above", above), ("of at least", least), ("of at most", most))
            if math.isfinite(limit)
        ]
        raise ValueError(f"{name} = {value!r}: must be a finite number {' and '.join(limits)}".rstrip())
    return float(value)


def probability(name: str, value: float) -> float:
    """Return ``value``, a number between 0 and 1, both excluded."""
    if not (_is_finite(value) and 0 < value < 1):
        raise ValueError(f"{name} = {value!r}: must lie between 0 and 1, both excluded")
    return float(value)


def count(name: str, value: float, least: int = 0, most: int = LARGEST_COUNT) -> int:
    """Return ``value``, a whole number from ``least`` to ``most``."""
    if not (_is_finite(value) and value == int(value) and least <= value <= most):
        raise ValueError(f"{name} = {value!r}: must be a whole number from {least} to {most}")
    return int(value)


def one_of(name: str, value: str, choices: Collection[str]) -> str:
    """Return ``value``, one of ``choices``."""
    if not (isinstance(value, str) and value in choices):
        raise ValueError(f"{name} = {value!r}: must be one of {', '.join(choices)}")
    return value


def distinct_names(name: str, values: Collection[str]) -> tuple[str, ...]:
    """Return ``values``, texts that differ from each other, as a tuple."""
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} = {values!r}: must be a tuple of names")
    if len(set(values)) < len(values):
        raise ValueError(f"{name} = {values!r}: must be names that differ")
    return tuple(values)


def array(
    name: str,
    values: ArrayLike,
    *,
    ndim: int | None = None,
    length: int = 0,
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = math.inf,
    whole: bool = False,
    finite: bool = True,
) -> Floats:
    """Return ``values`` as float64.

    Parameters
    ----------
    ndim, length
        Number of axes, any number if None, and least length of the first axis.
    above, least, most
        Limits of each value.
    whole, finite
        Whether values must be whole numbers, and whether they must be finite.
    """
    try:
        found = np.asarray(values)
        # numpy would read a number from a text, and drop the imaginary part
        if found.dtype.kind not in "biufO":
            raise TypeError(f"{values!r} is of type {found.dtype}")
        found = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from error
    if ndim is not None and found.ndim != ndim:
        raise ValueError(f"{name} has {found.ndim} axes: must have {ndim}")
    if found.ndim and len(found) < length:
        raise ValueError(f"{name} has {len(found)} values: must have at least {length}")
    if finite:
        _require(name, found, np.isfinite(found), "must be finite")
    if above > -math.inf:
        _require(name, found, found > above, f"must be above {above:g}")
    if least > -math.inf:
        _require(name, found, found >= least, f"must be at least {least:g}")
    if most < math.inf:
        _require(name, found, found <= most, f"must be at most {most:g}")
    if whole:
        _require(name, found, found == np.floor(found), "must be a whole number")
    return found


def elementwise(
    *,
    finite: Mapping[str, ArrayLike] | None = None,
    positive: Mapping[str, ArrayLike] | None = None,
    nonnegative: Mapping[str, ArrayLike] | None = None,
) -> list[Floats]:
    """Return the arguments of a function that broadcasts, by name and in this order, as float64."""
    found = {name: array(name, values) for name, values in (finite or {}).items()}
    found |= {name: array(name, values, above=0) for name, values in (positive or {}).items()}
    found |= {name: array(name, values, least=0) for name, values in (nonnegative or {}).items()}
    try:
        np.broadcast_shapes(*(values.shape for values in found.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {values.shape}" for name, values in found.items())
        raise ValueError(f"shapes do not broadcast together: {shapes}") from None
    return list(found.values())


def representable(what: str, result: ArrayLike) -> Floats:
    """Return ``result``, described by ``what``; refuse a value that is too large for a float."""
    values = np.asarray(result, dtype=np.float64)
    found: Floats = _require(what, values, np.isfinite(values), "too large for a number")[()]
    return found


def centres(name: str, values: ArrayLike, length: int = 2) -> Floats:
    """Return ``values``, the ascending and equally spaced centres of at least ``length`` bins."""
    found = array(name, values, ndim=1, length=length)
    with np.errstate(over="ignore"):
        steps, width = np.diff(found), (found[-1] - found[0]) / (len(found) - 1)
    if not (0 < width < np.inf and np.allclose(steps, width, rtol=1e-6, atol=0)):
        raise ValueError(f"{name} must be ascending and equally spaced")
    return found


def _is_finite(value: object) -> bool:
    # Python takes an array of one value for a number
    if isinstance(value, np.ndarray) and value.ndim:
        return False
    try:
        return math.isfinite(value)  # type: ignore[arg-type]
    except (TypeError, OverflowError):
        return False


def _require(name: str, values: Floats, good: NDArray[np.bool_], rule: str) -> Floats:
    """Return ``values``; refuse the first one where ``good`` (same shape) is false, with the rule it breaks."""
    if not good.all():
        where = tuple(int(i) for i in np.argwhere(~good)[0])
        place = list(where) if where else ""
        raise ValueError(f"{name}{place} = {values[where]:g}: {rule}")
    return values
