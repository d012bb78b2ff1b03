"""Turn a pydantic error into sentences that say which field is wrong, its value, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

__all__ = ["explain", "nearest"]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the known word nearest to ``word``, or all of them."""
    words = sorted(known)
    close = get_close_matches(word, words, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known are {', '.join(words)}"


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the error's findings, one sentence each, joined by semicolons."""
    return "; ".join(_sentence(finding, model) for finding in error.errors())


def _sentence(finding: Any, model: type[BaseModel]) -> str:
    place = ".".join(str(part) for part in finding["loc"])
    if finding["type"] == "extra_forbidden":
        key = str(finding["loc"][-1])
        return f"'{place}' is no known key: {nearest(key, _known_keys(model))}"
    message = str(finding["msg"]).removeprefix("Value error, ")
    if not place:
        return message
    if finding["type"] == "missing":
        return f"'{place}' is missing"
    return f"'{place}' = {finding['input']!r}: {message}"


def _known_keys(model: type[BaseModel]) -> set[str]:
    """Return the field names of a model and of the models within it."""
    keys: set[str] = set()
    seen: set[type[BaseModel]] = set()
    queue: list[Any] = [model]
    while queue:
        current = queue.pop()
        if isinstance(current, type) and issubclass(current, BaseModel):
            if current in seen:
                continue
            seen.add(current)
            keys |= set(current.model_fields)
            queue.extend(field.annotation for field in current.model_fields.values())
        else:
            queue.extend(getattr(current, "__args__", ()))
    return keys
