"""The labels of atom types, which a data file may tell in a section of their own or in comments on the masses."""

from __future__ import annotations

import re

__all__ = ["type_labels"]

_SECTION = re.compile(r"^(?P<title>[A-Z][A-Za-z ]*?)\s*(?:#.*)?$")
_LABEL = re.compile(r"^\s*(?P<number>\d+)\s+(?P<label>[^\s#]+)\s*(?:#.*)?$")
_MASS = re.compile(r"^\s*(?P<number>\d+)\s+[-+.\deE]+\s*#\s*(?P<label>\S+)")


def type_labels(text: str) -> dict[int, str]:
    """Return the label of each atom type that a data file names one for: number → label.

    The section ``Atom Type Labels`` is believed before the first word of the comments in ``Masses``.
    """
    found: dict[str, dict[int, str]] = {"Atom Type Labels": {}, "Masses": {}}
    title = ""
    for line in text.splitlines()[1:]:
        heading = _SECTION.match(line)
        if heading:
            title = heading["title"]
        elif title in found:
            entry = (_LABEL if title == "Atom Type Labels" else _MASS).match(line)
            if entry:
                found[title][int(entry["number"])] = entry["label"]
    return found["Atom Type Labels"] or found["Masses"]
