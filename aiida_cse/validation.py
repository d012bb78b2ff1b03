"""What all user-facing models share: unknown keys are refused, errors name field, value and what is right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = ["Name", "Number", "StrictModel", "explain", "located", "nearest"]

#: what may become a file name or a LAMMPS label: no spaces, quotes, dollars or slashes
Name = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]

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
    if not place:
        return message
    if finding["type"] == "missing":
        return f"'{place}' is missing"
    if finding["type"] == "value_error":
        return f"'{place}': {message}"
    return f"'{place}' = {_shortened(repr(finding['input']))}: {message}"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
