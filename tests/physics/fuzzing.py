"""Fuzzing of arguments: a call returns, or raises a ValueError that names the argument."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

__all__ = ["ANYTHING", "NUMBERS", "modest", "returned_or_named", "spoiled"]

T = TypeVar("T")

#: floats of every kind, including infinite, tiny and NaN
NUMBERS = st.one_of(st.floats(), st.sampled_from([0.0, -1.0, 1.0, 1e-320, 1e308, -1e308]))
#: values that a caller may pass for a number or for an array
ANYTHING = st.one_of(
    NUMBERS,
    st.integers(-(10**400), 10**400),
    st.none(),
    st.sampled_from(["", "left", "x"]),
    st.lists(NUMBERS, max_size=4),
    st.lists(st.lists(NUMBERS, max_size=2), max_size=3),
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=NUMBERS),
)

#: the same few examples in every run
modest = settings(derandomize=True, max_examples=60, deadline=None)


def returned_or_named(call: Callable[[], T], *names: str) -> T | None:
    """Return what ``call`` returns, or None where it raises a ValueError with one of ``names`` in its message."""
    try:
        return call()
    except ValueError as error:
        named = [name for name in names if re.search(rf"\b{re.escape(name)}\b", str(error))]
        assert named, f"{error} names none of {', '.join(names)}"  # noqa: PT017
        return None


def spoiled(**good: object) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Draw the name of one argument, and the arguments of a valid call with this one replaced by any value."""
    return st.tuples(st.sampled_from(sorted(good)), ANYTHING).map(
        lambda drawn: (drawn[0], {**good, drawn[0]: drawn[1]})
    )
