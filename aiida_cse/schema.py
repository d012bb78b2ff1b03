"""Strict models for everything that users write, and the one form of every refusal.

Models are frozen and refuse unknown keys. A refusal has the form
``field.path = value: what is wrong; what would be right``.
"""

from __future__ import annotations

import difflib
import json
import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = [
    "Flag",
    "Name",
    "Number",
    "StrictModel",
    "UnknownKeyError",
    "Whole",
    "explain",
    "located",
    "nearest",
    "parse_json",
    "placed",
    "refusals",
    "unknown_keys",
    "worded",
]

Model = TypeVar("Model", bound=BaseModel)
#: requirement in words for each pattern that a text field must match
_WORDS: dict[str, str] = {}


def worded(pattern: str, words: str) -> str:
    """Return ``pattern`` and register ``words`` as its description in messages."""
    _WORDS[pattern] = words
    return pattern


_NAME = worded(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", "letters, digits, '.', '_' and '-', first a letter or digit")
#: safe as a file name and as a LAMMPS label: no spaces, quotes, dollars or slashes
Name = Annotated[str, Field(strict=True, pattern=_NAME, max_length=80)]
#: strict number types: no text, no number in place of a flag, no flag in place of a number
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]

#: longest value, in characters, that a message quotes
_LONGEST_VALUE = 100
#: a message that starts with the path of a field, "name: ..." or "name = value: ..."
_STARTS_WITH_FIELD = re.compile(r"[a-z_][\w-]*(\.[\w-]+)*(: | = )")
_REPR = reprlib.Repr()
_REPR.maxdict = _REPR.maxlist = _REPR.maxtuple = _LONGEST_VALUE
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 2 * _LONGEST_VALUE
_SUBJECT = re.compile(r"^(Input|String) should ")
_MUST_BE = {
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
}


class UnknownKeyError(ValueError):
    """A key that a model does not have; the message names the nearest known one."""

    def __init__(self, key: object, known: Iterable[str]) -> None:
        shown = key[:_LONGEST_VALUE] if isinstance(key, str) else key
        super().__init__(f"unknown key {shown!r}; {nearest(str(shown), known)}")
        self.key = key


class StrictModel(BaseModel):
    """A frozen model that refuses unknown keys and names the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for key in values:
                if key not in cls.model_fields:
                    raise UnknownKeyError(key, cls.model_fields)
        return values


def parse_json(model: type[Model], text: str | bytes, most_bytes: int) -> Model:
    """Return the model that a JSON text of at most ``most_bytes`` describes.

    The parser of pydantic copies the whole content into each of its findings, which takes minutes and gigabytes
    for some megabytes that are no such model.

    Raises
    ------
    ValueError
        The text is too long, no JSON, or describes no such model.
    """
    if len(text) > most_bytes:
        raise ValueError(f"has {len(text):,} bytes; must have at most {most_bytes:,}")
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("is nested too deeply for JSON of this kind") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error}") from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ValueError(explain(error)) from None


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of a refusal: ``did you mean 'x'?``, or all known names if none is similar."""
    names = sorted(known)
    match = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"did you mean {match[0]!r}?" if match else f"known: {', '.join(names) or 'none'}"


@contextmanager
def located(place: str | Path) -> Iterator[None]:
    """Put a place before the message of a ValueError raised inside.

    Parameters
    ----------
    place
        The path of a field, as text, which continues in the message (``recipe`` and ``name: ...`` become
        ``recipe.name: ...``); or the :class:`~pathlib.Path` of a file.

    Raises
    ------
    ValueError
        With the place in its message. Errors of pydantic are explained.
    """
    try:
        yield
    except ValidationError as error:
        raise ValueError(explain(error, place)) from error
    except ValueError as error:
        raise ValueError(placed(place, str(error))) from error


def explain(error: ValidationError, place: str | Path = "") -> str:
    """Return the findings of a pydantic error as refusals, joined by ``; ``; ``place`` as in :func:`located`."""
    sentences = [sentence for _, sentence in refusals(error)]
    if isinstance(place, Path):
        return placed(place, "; ".join(sentences))
    return "; ".join(placed(place, sentence) for sentence in sentences)


def refusals(error: ValidationError) -> list[tuple[tuple[str | int, ...], str]]:
    """Return the findings of a pydantic error: the keys that lead to each, and the refusal.

    A list that is reported as too short only because its entries are wrong is left out.
    """
    findings, found = error.errors(), []
    for one in findings:
        place = one["loc"]
        below = (other for other in findings if len(other["loc"]) > len(place))
        if one["type"] == "too_short" and any(other["loc"][: len(place)] == place for other in below):
            continue
        found.append((place, _sentence(one)))
    return found


def unknown_keys(error: ValidationError) -> list[tuple[str | int, ...]]:
    """Return the places of the unknown keys among the findings of a pydantic error, one of each model."""
    found = ((one["loc"], one.get("ctx", {}).get("error")) for one in error.errors())
    return [(*place, str(cause.key)) for place, cause in found if isinstance(cause, UnknownKeyError)]


def placed(place: str | Path, message: str) -> str:
    """Return a message with its place in front; ``place`` as in :func:`located`."""
    if not place:
        return message
    is_path = isinstance(place, str) and _STARTS_WITH_FIELD.match(message)
    return f"{place}{'.' if is_path else ': '}{message}"


def _sentence(finding: Any) -> str:
    kind, message, context = finding["type"], str(finding["msg"]), finding.get("ctx", {})
    place = ".".join(str(part) for part in finding["loc"])
    if kind == "missing":
        return f"{place}: is missing"
    if kind == "value_error":
        return placed(place, message.removeprefix("Value error, "))
    if kind == "string_pattern_mismatch" and context["pattern"] in _WORDS:
        message = f"must be {_WORDS[context['pattern']]}"
    elif kind == "too_short":
        least = context["min_length"]
        message = f"needs at least {least} {'entry' if least == 1 else 'entries'}"
    elif kind == "too_long":
        message = f"can have at most {context['max_length']} entries"
    message = _MUST_BE.get(kind, _SUBJECT.sub("must ", message))
    # of a value that is huge or deep only the beginning is written
    value = _REPR.repr(finding["input"])
    shown = value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"
    return f"{place} = {shown}: {message}" if place else f"{shown} {message}"
