"""Comparison of what is made now with what was stored: keys and numbers exactly, prose by its place."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import numpy as np
from aiida import orm

#: keys whose text is prose for people, which may be worded anew
PROSE = ("reasons", "reasons_*", "*_zero", "exact_reason")
#: keys of mappings from stored names to prose
PROSE_BY_NAME = ("excluded",)
#: keys of results whose estimator is a better one since: they are there, with another number or none
ESTIMATED_ANEW = (
    "n_*_error",
    "n_*_interval",
    # the dispersion of counts by ion and time
    "rate_in_*_interval",
    "rate_*upper_bound_per_s",
    "s_total_*_interval",
    "ec_*lower_bound",
    "burst_index_*",
    # barriers from the posterior of the density, and only bounds off equilibrium
    "barrier_*_error_K",
    "barrier_*_interval_K",
    "barrier_*_lower_bound_K",
    "slope_*_interval_K_per_A",
    "rate_tst_*_log_error",
    "kappa_*_interval",
)
#: keys of results whose estimator is a better one since, and the largest relative difference
ESTIMATED_NEARLY = {
    "barrier_*_K": 0.04,
    "barrier_*_kJ_per_mol": 0.04,
    # from the TST barrier instead of the parabola of the well
    "kappa*": 0.2,
    "rate_tst_*_per_s": 0.2,
    "expected_in_*": 0.2,
    # Garwood's interval of a number of bursts that is not rounded
    "low": 0.7,
    "high": 0.05,
}
RELATIVE = 1e-12

_TOKEN = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?|\w*_\w+")


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Yield where ``new`` differs from ``old``; it may have more keys."""
    key = place.rsplit(".", 1)[-1]
    if any(fnmatch(key, name) for name in ESTIMATED_ANEW):
        return
    if any(fnmatch(key, name) for name in PROSE):
        if type(old) is not type(new) or (old and not new):
            yield f"{place}: {old!r} was prose, now {new!r}"
    elif isinstance(old, dict) and isinstance(new, dict):
        yield from (f"{place}.{name}: lost" for name in old if name not in new)
        if key not in PROSE_BY_NAME:
            for name in old.keys() & new.keys():
                yield from differences(old[name], new[name], f"{place}.{name}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from differences(one, other, f"{place}.{number}")
    elif not _same(
        old, new, next((far for name, far in ESTIMATED_NEARLY.items() if fnmatch(key, name)), RELATIVE)
    ):
        yield f"{place}: {old!r}, now {new!r}"


def _same(old: Any, new: Any, tolerance: float) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=tolerance, abs_tol=0) or (math.isnan(old) and math.isnan(new))
    return type(old) is type(new) and bool(old == new)


def node_differences(old: orm.Data, new: orm.Data, place: str) -> Iterator[str]:
    """Yield where one stored node differs from another: attributes, arrays, files."""
    if old.node_type != new.node_type:
        yield f"{place}: {old.node_type}, now {new.node_type}"
    yield from differences(old.base.attributes.all, new.base.attributes.all, place)
    if isinstance(old, orm.ArrayData) and isinstance(new, orm.ArrayData):
        for name in set(old.get_arraynames()) - set(new.get_arraynames()):
            yield f"{place}[{name}]: lost"
        for name in set(old.get_arraynames()) & set(new.get_arraynames()):
            yield from _array_differences(old.get_array(name), new.get_array(name), f"{place}[{name}]")
    else:
        files, others = old.base.repository, new.base.repository
        for name in files.list_object_names():
            if files.get_object_content(name, "rb") != others.get_object_content(name, "rb"):
                yield f"{place}: the file {name} has another content"


def _array_differences(old: Any, new: Any, place: str) -> Iterator[str]:
    if old.dtype != new.dtype or old.shape != new.shape:
        yield f"{place}: {old.dtype} {old.shape}, now {new.dtype} {new.shape}"
    elif np.issubdtype(old.dtype, np.floating):
        if not np.allclose(old, new, rtol=RELATIVE, atol=0, equal_nan=True):
            yield f"{place}: differs by up to {np.nanmax(np.abs(old - new)):g}"
    elif not np.array_equal(old, new):
        yield f"{place}: differs"


def tokens(text: str) -> list[tuple[str, ...]]:
    """Return numbers and stored names of each line that has any, without the PKs that a profile gives."""
    lines = (re.sub(r"<\d+>", "", line) for line in text.splitlines())
    return [found for line in lines if (found := tuple(_TOKEN.findall(line)))]


def lost_lines(old: str, new: str) -> list[tuple[str, ...]]:
    """Return the lines of ``old`` whose numbers and names ``new`` has not, or not as often, in any order."""
    return sorted((Counter(tokens(old)) - Counter(tokens(new))).elements())
