"""``aiida-cse system``: import of systems built by other programs."""

from __future__ import annotations

from pathlib import Path

import click

from aiida_cse.cli import inputs
from aiida_cse.cli.cmd_build import echo_system
from aiida_cse.cli.inputs import InputError, find_recipe, input_errors
from aiida_cse.engine.hints import aiida_cse

__all__ = ["system"]

#: largest data file, about that of 5 million atoms with velocities
_MOST_BYTES = 2_000_000_000

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def system() -> None:
    """Import systems built by other programs."""


@system.command("import")
@click.argument("file", type=_FILE)
@click.option("--facts", type=_FILE, help="YAML file with types, slab and phase, which a data file lacks.")
@click.option("--forcefield", type=_FILE, help="Include file with styles and coefficients.")
@click.option(
    "--recipe",
    metavar="FILE|NAME",
    help="Recipe that defines atom types (by label), slab and force field.",
)
@click.option("--check", is_flag=True, help="Only report what is missing; store nothing.")
@inputs.PROFILE
def import_(
    file: Path, facts: Path | None, forcefield: Path | None, recipe: str | None, check: bool, profile: str | None
) -> None:
    """Import the LAMMPS data file FILE (atom style full, units real) as a system node.

    All missing or wrong information is reported at once. A production starts from a system of the phase interface.
    """
    with input_errors():
        from aiida_cse.building.imported.description import SystemDescription
        from aiida_cse.building.imported.system import import_system
        from aiida_cse.schema import located
        from aiida_cse.yaml_io import read_mapping, read_text

        content = {} if facts is None else read_mapping(facts, "the description of a system")
        with located(facts or "facts"):
            description = SystemDescription.model_validate(content)
        include = "" if forcefield is None else read_text(forcefield, "a force field")
        chosen = None if recipe is None else find_recipe(recipe, profile)
        text = read_text(file, "a data file", _MOST_BYTES)
    try:
        found = import_system(text, description, include, chosen)
    except ValueError as error:
        lines = str(error).splitlines()
        if len(lines) == 1:
            raise InputError(f"{file}: {lines[0]}") from error
        points = "".join(f"\n  {line}" for line in lines)
        raise InputError(f"{file}: {len(lines)} things are missing or wrong:{points}") from error
    echo_system(found)
    slab = found.info.slab
    if slab is not None:
        click.echo(
            f"slab: {slab.thickness:.3f} Å thick, mid-plane {slab.midplane_offset:+.3f} Å from the centre of mass"
            f" of {' and '.join(slab.framework)}; {slab.lithium} mobile ions at the start"
        )
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
        click.echo(f"continue with: {aiida_cse('launch', 'production', *words)}")
