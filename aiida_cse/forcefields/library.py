"""The shipped force-field sets."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

import yaml

from aiida_cse.forcefields.models import ForceFieldSet
from aiida_cse.validation import nearest

__all__ = ["available_sets", "load_set"]

_FOLDER = resources.files("aiida_cse.forcefields") / "sets"


def available_sets() -> tuple[str, ...]:
    """Return the names of the shipped sets."""
    return tuple(
        sorted(entry.name.removesuffix(".yaml") for entry in _FOLDER.iterdir() if entry.name.endswith(".yaml"))
    )


@lru_cache
def load_set(name: str) -> ForceFieldSet:
    """Return the shipped set called ``name``.

    Raises
    ------
    ValueError
        There is no such set, or its file is not valid.
    """
    known = available_sets()
    if name not in known:
        msg = f"there is no force-field set {name!r}; {nearest(name, known)} (available: {', '.join(known)})"
        raise ValueError(msg)
    content = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return ForceFieldSet.model_validate({"name": name, **content})
