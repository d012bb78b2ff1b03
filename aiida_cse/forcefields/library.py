"""Force-field sets: those that are shipped, in a file or in a recipe, and the revision of one by another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from aiida_cse.forcefields.models import ForceFieldSet, canonical
from aiida_cse.schema import located, nearest
from aiida_cse.yaml_io import parse_mapping, read_mapping

__all__ = ["available_sets", "load_set", "make_set", "read_set", "settle_variants"]

_FOLDER = resources.files("aiida_cse.forcefields") / "sets"

#: the lists of a set, and the key that identifies their entries
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
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


@lru_cache
def load_set(name: str) -> ForceFieldSet:
    """Return the shipped set called ``name``.

    Raises
    ------
    ValueError
        There is no such set, or its file is not valid.
    """
    return make_set(name, _content(name))


def make_set(name: str, content: Mapping[str, Any]) -> ForceFieldSet:
    """Return the set ``name`` that a file or a recipe describes, completed from the one that it revises.

    Raises
    ------
    ValueError
        The content is not valid, or it revises a set that is not shipped.
    """
    own = dict(content)
    if isinstance(own.get("revises"), str):
        own = _revised(_content(own["revises"]), own)
    return ForceFieldSet.model_validate({**own, "name": name})


def read_set(path: Path, name: str | None = None) -> ForceFieldSet:
    """Return the set that a YAML file describes.

    Its name is ``name``, else the one in the file, else that of the file.

    Raises
    ------
    ValueError
        The file cannot be read, its content is not valid, or a shipped set has the name; names file and field.
    """
    content = read_mapping(path, "a force-field set")
    called = name or content.get("name") or path.stem
    with located(path):
        if called in available_sets():
            raise ValueError(f"name = {called!r}: is the name of a shipped set; give yours another one")
        return make_set(called, content)


def settle_variants(sets: Sequence[ForceFieldSet], choices: Mapping[str, str]) -> list[ForceFieldSet]:
    """Return the sets with their variants settled by those of the ``choices`` that each set knows.

    Raises
    ------
    ValueError
        No set has a variant of that name, or the variant has no such option.
    """
    known = {group for chosen in sets for group in chosen.variants}
    for group in choices:
        if group not in known:
            names = ", ".join(dict.fromkeys(chosen.name for chosen in sets))
            raise ValueError(
                f"there is no variant {group!r} in the force-field sets {names}; {nearest(group, known)}"
            )
    return [
        chosen.with_variants({group: option for group, option in choices.items() if group in chosen.variants})
        for chosen in sets
    ]


def _content(name: str) -> dict[str, Any]:
    """Return the content of a shipped set, completed from the one that it revises."""
    known = available_sets()
    if name not in known:
        raise ValueError(
            f"there is no force-field set {name!r}; {nearest(name, known)} (available: {', '.join(known)})"
        )
    text = (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    content = parse_mapping(text, f"{name}.yaml", "a force-field set")
    return _revised(_content(content["revises"]), content) if "revises" in content else content


def _revised(base: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with its entries replaced and completed by those of ``content``.

    Content without the form of a set is refused by the model.
    """
    merged = {**base, **content}
    for field, key in _ENTRIES.items():
        sources = [base.get(field, ()), content.get(field, ())]
        keyed = all(
            isinstance(entry, Mapping) and isinstance(entry.get(key), str | list | tuple)
            for entries in sources
            for entry in (entries if isinstance(entries, list | tuple) else [None])
        )
        if keyed:
            found = {}
            for entry in itertools.chain(*sources):
                value = entry[key]
                found[value if isinstance(value, str) else canonical(value)] = entry
            merged[field] = list(found.values())
    if isinstance(content.get("variants", {}), Mapping):
        merged["variants"] = {**base.get("variants", {}), **content.get("variants", {})}
    if isinstance(content.get("citations"), list | tuple):
        merged["citations"] = list(dict.fromkeys([*content["citations"], *base["citations"]]))
    return merged
