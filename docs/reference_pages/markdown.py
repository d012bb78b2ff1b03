"""Pieces of Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["anchor", "code", "first_line", "plain", "section", "table"]

_ROLE = re.compile(r":[\w:]+:`~?([^`]+)`")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; cells may hold anything but line breaks, which become spaces."""
    lines = [_row(headings), _row(["---"] * len(headings)), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def section(title: str, *parts: str, level: int = 2) -> str:
    """Return a heading with its content."""
    return "\n\n".join([f"{'#' * level} {title}", *(part.strip("\n") for part in parts if part)]) + "\n"


def code(value: object) -> str:
    """Return ``value`` as code."""
    return f"`{value}`"


def anchor(title: str) -> str:
    """Return the target of a link to the section called ``title`` on the same page."""
    return re.sub(r"[^a-z0-9_-]", "", title.lower().replace(" ", "-"))


def plain(text: str) -> str:
    """Return a docstring without the roles of Sphinx: the last part of a name, as code."""
    return _ROLE.sub(lambda match: f"`{match.group(1).rsplit('.', 1)[-1]}`", text).replace("``", "`")


def first_line(thing: Any) -> str:
    """Return the first line of a docstring."""
    return plain((inspect.getdoc(thing) or "").split("\n\n")[0])


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(" ".join(str(cell).replace("|", r"\|").split()) for cell in cells) + " |"
