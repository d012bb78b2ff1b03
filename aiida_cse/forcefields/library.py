"""The shipped force-field sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

from aiida_cse.forcefields.models import ForceFieldSet, canonical
from aiida_cse.validation import nearest

__all__ = ["available_sets", "load_set", "settle_variants"]

_FOLDER = resources.files("aiida_cse.forcefields") / "sets"

#: the lists of a set and what tells their entries apart
_ENTRIES = {
    "atom_types": "name",
    "typing": "smarts",
    "lj": "type",
    "buckingham": "pair",
    "bonds": "atoms",
    "angles": "atoms",
    "dihedrals": "atoms",
}


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
    return ForceFieldSet.model_validate({"name": name, **_content(name)})


def settle_variants(sets: Sequence[ForceFieldSet], choices: Mapping[str, str]) -> list[ForceFieldSet]:
    """Return the sets with their variants settled, each by those of the ``choices`` that it knows.

    Raises
    ------
    ValueError
        No set has a variant of that name, or the variant no such option.
    """
    known = {group for chosen in sets for group in chosen.variants}
    for group in choices:
        if group not in known:
            names = ", ".join(dict.fromkeys(chosen.name for chosen in sets))
            msg = f"there is no variant {group!r} in the force-field sets {names}; {nearest(group, known)}"
            raise ValueError(msg)
    return [
        chosen.with_variants({group: option for group, option in choices.items() if group in chosen.variants})
        for chosen in sets
    ]


def _content(name: str) -> dict[str, Any]:
    """Return what the set's file says, with the entries of the set that it revises."""
    known = available_sets()
    if name not in known:
        msg = f"there is no force-field set {name!r}; {nearest(name, known)} (available: {', '.join(known)})"
        raise ValueError(msg)
    content: dict[str, Any] = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return _revised(_content(content["revises"]), content) if "revises" in content else content


def _revised(base: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the entries of ``content`` in place of its own or behind them."""
    merged = base | content
    for field, key in _ENTRIES.items():
        entries = {_identity(entry[key]): entry for source in (base, content) for entry in source.get(field, ())}
        if entries:
            merged[field] = list(entries.values())
    merged["variants"] = base.get("variants", {}) | content.get("variants", {})
    merged["citations"] = list(dict.fromkeys([*content["citations"], *base["citations"]]))
    return merged


def _identity(value: str | list[str]) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else canonical(value)
