"""``aiida-cse system``: boxes that were not built here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiida_cse.cli import inputs
from aiida_cse.cli.inputs import InputError, find_recipe, input_errors
from aiida_cse.engine.hints import aiida_cse

if TYPE_CHECKING:
    from aiida_cse.lammps.files.system import System

__all__ = ["system"]

#: of a data file; that of 5 million atoms with velocities
_MOST_BYTES = 2_000_000_000

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def system() -> None:
    """Import boxes that were not built here."""


@system.command("import")
@click.argument("file", type=_FILE)
@click.option("--facts", type=_FILE, help="YAML file with what the data file does not say: types, slab, phase.")
@click.option("--forcefield", type=_FILE, help="Include file with styles and coefficients.")
@click.option(
    "--recipe", metavar="FILE|NAME", help="Recipe whose atom types, by label, slab and force field these are."
)
@click.option("--check", is_flag=True, help="Only say what is missing; stores nothing.")
@inputs.PROFILE
def import_(
    file: Path, facts: Path | None, forcefield: Path | None, recipe: str | None, check: bool, profile: str | None
) -> None:
    """Import the LAMMPS data file FILE (atom style full, units real) as a system node.

    What is missing or wrong is told all at once. A production starts from a system of the phase interface.
    """
    found = _read(file, facts, forcefield, recipe, profile)
    _tell(found)
    if check:
        click.echo("nothing is missing")
        return
    from aiida_cse.cli.profile import load

    load(profile)
    from aiida_cse.data.system import CseSystemData

    node = CseSystemData(found, label=file.name, description=f"imported from {file.name}").store()
    click.echo(f"stored as system <{node.pk}>")
    if found.info.phase in ("interface", "production"):
        words = ["--system", node.pk, "--temperature", "K"]
        words += [] if "velocities" in found.info.seeds else ["--seed", "N"]
        click.echo(f"go on with: {aiida_cse('launch', 'production', *words)}")


def _read(
    file: Path, facts: Path | None, forcefield: Path | None, recipe: str | None, profile: str | None
) -> System:
    with input_errors():
        from aiida_cse.building.imported.facts import OwnBox
        from aiida_cse.building.imported.system import import_system
        from aiida_cse.schema import located
        from aiida_cse.yaml_io import read_mapping, read_text

        content = {} if facts is None else read_mapping(facts, "facts about a box")
        with located(facts or "facts"):
            box = OwnBox.model_validate(content)
        include = "" if forcefield is None else read_text(forcefield, "a force field")
        chosen = None if recipe is None else find_recipe(recipe, profile)
        text = read_text(file, "a data file", _MOST_BYTES)
    try:
        return import_system(text, box, include, chosen)
    except ValueError as error:
        lines = str(error).splitlines()
        if len(lines) == 1:
            raise InputError(f"{file}: {lines[0]}") from error
        points = "".join(f"\n  {line}" for line in lines)
        raise InputError(f"{file}: {len(lines)} things are missing or wrong:{points}") from error


def _tell(found: System) -> None:
    info = found.info
    composition = ", ".join(f"{label} {count}" for label, count in info.composition.items() if count)
    lengths = " × ".join(f"{high - low:.2f}" for low, high in info.box)
    click.echo(f"{info.phase}: {info.natoms} atoms ({composition}), box {lengths} Å, charge {info.charge:g} e")
    if info.slab is not None:
        slab = info.slab
        click.echo(
            f"slab: {slab.thickness:.3f} Å thick, mid-plane {slab.midplane_offset:+.3f} Å from the mass centre of "
            f"{' and '.join(slab.framework)}; it started with {slab.lithium} mobile ions"
        )
