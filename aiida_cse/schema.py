"""What all user-facing models share: unknown keys are refused, errors name field, value and what is right."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = ["Flag", "Name", "Number", "StrictModel", "Whole", "explain", "located", "nearest", "worded"]

#: what a text that has to match a pattern must be, in words
_WORDS: dict[str, str] = {}


def worded(pattern: str, words: str) -> str:
    """Return ``pattern``, and let messages about text that does not match it say it in ``words``."""
    _WORDS[pattern] = words
    return pattern


_NAME = worded(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", "letters, digits, '.', '_' and '-', first a letter or digit")
#: what may become a file name or a LAMMPS label: no spaces, quotes, dollars or slashes
Name = Annotated[str, Field(strict=True, pattern=_NAME, max_length=80)]
#: numbers, whole numbers and true or false as they are: neither text nor one of the others is taken for them
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]

#: characters of a wrong value that a message shows
_LONGEST_VALUE = 100


@contextmanager
def located(field: str) -> Iterator[None]:
    """Put the name of the field before the message of a ValueError raised inside, pydantic's in sentences."""
    try:
        yield
    except ValidationError as error:
        msg = f"{field}: {explain(error)}"
        raise ValueError(msg) from error
    except ValueError as error:
        msg = f"{field}: {error}"
        raise ValueError(msg) from error


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` or, if nothing is near, all that is known: to end an error message with."""
    names = sorted(known)
    match = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"did you mean {match[0]!r}?" if match else f"known: {', '.join(names) or 'none'}"


class StrictModel(BaseModel):
    """A frozen model that names the nearest known key when it meets an unknown one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for key in values:
                if key not in cls.model_fields:
                    msg = f"unknown key {key!r}; {nearest(str(key), cls.model_fields)}"
                    raise ValueError(msg)
        return values


def explain(error: ValidationError) -> str:
    """Return the findings of a pydantic error, one sentence each, joined by semicolons."""
    findings = error.errors()
    return "; ".join(_sentence(finding) for finding in findings if not _follows(finding, findings))


def _follows(finding: Any, findings: Any) -> bool:
    """Whether a list is only called too short because its entries are wrong, which is said already."""
    place = finding["loc"]
    return finding["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in findings
    )


def _sentence(finding: Any) -> str:
    place = ".".join(str(part) for part in finding["loc"])
    message = str(finding["msg"]).removeprefix("Value error, ")
    if not place and finding["type"] == "value_error":
        return message
    if finding["type"] == "missing":
        return f"'{place}' is missing"
    if finding["type"] == "value_error":
        return f"'{place}': {message}"
    said = _WORDED[finding["type"]](finding) if finding["type"] in _WORDED else message
    value = _shortened(repr(finding["input"]))
    return f"'{place}' = {value}: {said}" if place else f"{value} {said}"


def _pattern(finding: Any) -> str:
    pattern = finding["ctx"]["pattern"]
    return f"must be {_WORDS[pattern]}" if pattern in _WORDS else str(finding["msg"])


def _too_short(finding: Any) -> str:
    least = finding["ctx"]["min_length"]
    return f"needs at least {least} {'entry' if least == 1 else 'entries'}"


def _too_long(finding: Any) -> str:
    return f"can have at most {finding['ctx']['max_length']} entries"


#: kinds of findings whose own words are those of Python, not those of a recipe
_WORDED: dict[str, Callable[[Any], str]] = {
    "string_pattern_mismatch": _pattern,
    "too_short": _too_short,
    "too_long": _too_long,
    "tuple_type": lambda _: "must be a list",
    "list_type": lambda _: "must be a list",
    "dict_type": lambda _: "must be a mapping of keys to values",
    "model_type": lambda _: "must be a mapping of keys to values",
}


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
