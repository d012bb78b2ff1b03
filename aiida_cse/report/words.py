"""Numbers and time spans in words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

__all__ = [
    "FormError",
    "duration",
    "number_words",
    "of_form",
    "printable",
    "setting_words",
    "signed",
    "size_words",
    "unreadable",
    "with_error",
]

#: from here on a whole number is no count, and is rounded
_LARGEST_COUNT = 10**12
_LARGEST_FLOAT = 10**300
#: from here on a whole number of a setting is not printed
_LARGEST = 10**18
#: longest text of a setting that is quoted in full
_LONGEST = 120
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def number_words(value: float, spread: float | None = None) -> str:
    """Return a number with three digits, or with two digits of its error or half interval.

    Numbers of 10⁵ and more, and those below 10⁻⁴, have the form 1.2e+10; others keep all digits before the point.
    Of a positive number below 10⁻³⁰, which no measurement distinguishes from zero, only this is said.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and abs(value) >= _LARGEST_FLOAT:
        return "a number of more than 300 digits"
    # a node may hold a large number as a whole one
    if value == 0 or (isinstance(value, int) and abs(value) < _LARGEST_COUNT):
        return f"{value:,}" if isinstance(value, int) else "0"
    if 0 < value < 1e-30:
        return "<1e-30"
    size = math.floor(math.log10(abs(value)))
    digits = 3
    if spread is not None and spread > 0 and math.isfinite(spread):
        digits = max(1, min(6, size - math.floor(math.log10(spread)) + 2))
    if not -4 <= size < 5:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - size)
    return f"{value:,.{decimals}f}"


def size_words(count: float) -> str:
    """Return a number of bytes in words, two digits."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.2g} {unit}" if count < 99.5 * size else f"{count / size:.0f} {unit}"
    return f"{count / 1e3:.0f} kB"


def signed(words: str) -> str:
    """Return a number in words with the minus sign of print."""
    return words.replace("-", "−")


def with_error(value: float, error: float | None) -> str:
    """Return a number and its standard error, both to the second digit of the error, with a printed minus."""
    if error is None or not (math.isfinite(error) and error > 0):
        return f"{signed(number_words(value))} (error not known)"
    if error < 1e-4 or not abs(value) < 1e5:
        return signed(f"{number_words(value, error)} ± {number_words(error, error)}")
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return signed(f"{value:,.{decimals}f} ± {error:,.{decimals}f}")


def setting_words(value: Any, unit: str = "") -> str:
    """Return the value of a setting as YAML writes it, numbers with separated thousands and their unit.

    Of what is too long for a cell, the beginning or the number of values is told.
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return "a number of more than 18 digits"
    if isinstance(value, int | float):
        return f"{value:,.10g}{f' {unit}' if unit else ''}"
    if isinstance(value, Mapping):
        words = "{" + ", ".join(f"{key}: {setting_words(one)}" for key, one in value.items()) + "}"
        return words if len(words) <= 2 * _LONGEST else f"{len(value):,} values"
    if isinstance(value, list | tuple):
        numbers = unit if any(not isinstance(one, str) for one in value) else ""
        words = "[" + ", ".join(map(setting_words, value)) + "]" + (f" {numbers}" if numbers else "")
        return words if len(words) <= 2 * _LONGEST else f"{len(value):,} entries"
    text = printable(str(value)).strip()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


class FormError(ValueError):
    """Results are not of the form that they should have; the message says where and why."""


def printable(text: str) -> str:
    """Return a text without control characters, which a terminal would obey; ends of lines and tabs are kept."""
    return _CONTROL.sub("", text)


def unreadable(error: Exception) -> str:
    """Return in words that results are not of the form that they should have, or that a file cannot be read."""
    if isinstance(error, FormError):
        return str(error)
    if isinstance(error, OSError):
        return f"cannot be read: {error}"
    return f"not of the form of results of aiida-cse: {type(error).__name__}: {error}"


@contextmanager
def of_form(place: str) -> Iterator[None]:
    """Name the place of results that are not of the form that they should have.

    Raises
    ------
    FormError
        With the place, for every error inside that such results cause.
    """
    try:
        yield
    except FormError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError) as error:
        raise FormError(f"{place}: {unreadable(error)}") from error


def duration(span: timedelta | float) -> str:
    """Return a time span (s) in words: ``8 s``, ``3 min 20 s``, ``5 h 02 min``, ``2 d 4 h``."""
    seconds = round(span.total_seconds() if isinstance(span, timedelta) else span)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{minutes} min {seconds % 60:02d} s" if minutes else f"{seconds} s"
