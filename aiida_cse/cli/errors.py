"""Errors as the command line tells them: one line, no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

__all__ = ["InputError", "input_errors"]


#: what AiiDA says before what is wrong with an input
_OF_AIIDA = "invalid attribute value "


class InputError(click.ClickException):
    """What the user gave cannot be used."""

    exit_code = 2


@contextmanager
def input_errors() -> Iterator[None]:
    """Turn a ValueError or an unreadable or unwritable file into one line and the exit code 2."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise InputError(" ".join(str(error).removeprefix(_OF_AIIDA).split())) from error
