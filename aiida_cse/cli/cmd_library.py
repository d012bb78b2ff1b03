"""Commands on recipes and protocols: ``recipe`` and ``protocol``. None needs a profile for what is shipped."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_cse.cli import inputs
from aiida_cse.cli import profile as profiles
from aiida_cse.engine.hints import aiida_cse

if TYPE_CHECKING:
    from aiida_cse.workchains.common.protocol_values import Place, ProtocolValue

__all__ = ["protocol", "recipe"]

_PARTS = (
    "study",
    "ceramic",
    "electrolyte",
    "interface",
    "production",
    "analysis",
    "quench",
    "validate",
    "crossing",
    "validate_crossing",
)
_PART = click.option("--part", type=click.Choice(_PARTS), help="This part alone.")


# -- recipe --------------------------------------------------------------------------------------------------

_RECIPE = click.argument("recipe_", metavar="NAME|FILE|PK|UUID|LABEL", shell_complete=inputs.complete_recipe)


@click.group()
def recipe() -> None:
    """Show the shipped recipes, start one of your own from them, and check it."""


@recipe.command("list")
def list_recipes() -> None:
    r"""List the shipped recipes.

    \b
    Example:
      aiida-cse recipe list
    """
    from rich.console import Console

    from aiida_cse.building.recipe import available_recipes, read_recipe
    from aiida_cse.cli.display.library import print_names

    rows = [
        (name, " ".join(str(read_recipe(name).get("description", "")).split())) for name in available_recipes()
    ]
    print_names(rows, Console(highlight=False))
    click.echo(f"\nstart one of your own with: {aiida_cse('recipe', 'new', 'NAME')}")


@recipe.command("show")
@_RECIPE
@inputs.PROFILE
def show_recipe(recipe_: str, profile: str | None) -> None:
    r"""Show a recipe as YAML.

    NAME is that of a shipped recipe, FILE a YAML file. PK, UUID or LABEL is of a recipe or of a process that has
    one, as a study, and needs the profile; its crystal is written out without symmetry.

    \b
    Examples:
      aiida-cse recipe show llzo-peo-litfsi
      aiida-cse recipe show 834
    """
    click.echo(_read(recipe_, profile)[1], nl=False)


@recipe.command("check")
@_RECIPE
@inputs.PROFILE
def check_recipe(recipe_: str, profile: str | None) -> None:
    r"""Check a recipe: everything that is wrong with it, or what it gives.

    All fields are checked at once. If they are right, the molecules are typed, the slab is cut and made neutral,
    and a chain is placed in the electrolyte, as before a study runs. A recipe that passes is summarised: atoms,
    charge, Li:EO, box, thickness of the electrolyte at 400 and 700 K, and the room that the layers of the ions
    need.

    \b
    Example:
      aiida-cse recipe check my.yaml
    """
    content, text = _read(recipe_, profile)
    from rich.console import Console

    from aiida_cse.building.recipe import unknown_sets
    from aiida_cse.building.recipe_file import check_content

    if unknown_sets(content) and (profile or profiles.has_default()):
        profiles.load(profile)
        from aiida_cse.workchains.common.forcefields import with_stored_sets

        # a set that the profile does not have either is refused together with all other errors
        with suppress(ValueError):
            content = with_stored_sets(content)
    found, problems = check_content(content, text)
    if found is None or problems:
        from aiida_cse.cli.display.library import print_problems

        print_problems(recipe_, problems, Console(highlight=False, stderr=True))
        raise click.exceptions.Exit(inputs.InputError.exit_code)
    from aiida_cse.cli.display.recipe import print_recipe

    with inputs.input_errors():
        print_recipe(recipe_, found, Console(highlight=False))


@recipe.command("new")
@click.argument("name")
@click.option(
    "--from",
    "base",
    metavar="NAME",
    default="llzo-peo-litfsi",
    show_default=True,
    help="Shipped recipe to start from.",
    shell_complete=inputs.complete_recipe,
)
@click.option(
    "--output",
    type=inputs.OutPath(dir_okay=False, path_type=Path),
    help="The file, which must not exist [default: NAME.yaml].",
)
def new_recipe(name: str, base: str, output: Path | None) -> None:
    """Write the recipe NAME: a copy of a shipped one, with a comment for each field, to be changed.

    \b
    Example:
      aiida-cse recipe new my-interface --from llzo-peo-litfsi-demo
    """
    from aiida_cse.building.recipe_file import commented_copy
    from aiida_cse.report.whole_files import write_whole

    path = output or Path(f"{name}.yaml")
    if path.suffix not in (".yaml", ".yml"):
        raise inputs.InputError(f"--output = {path}: a recipe is a YAML file; its name must end with .yaml")
    with inputs.input_errors():
        text = commented_copy(name, base, path.name)
        if path.exists():
            raise inputs.InputError(f"--output = {path}: the file exists; give another name")
        click.echo(f"wrote {write_whole(path, text.encode())}")
    click.echo(f"check it with: {aiida_cse('recipe', 'check', path)}")


def _read(name: str, profile: str | None) -> tuple[Mapping[str, Any], str]:
    """Return the content of a recipe and its text; that of a node is written as YAML.

    Raises
    ------
    InputError
        There is no such recipe, or it cannot be read.
    """
    from aiida_cse.building.recipe import available_recipes, read_recipe, recipe_text
    from aiida_cse.yaml_io import dump_mapping, read_text

    is_file = Path(name).suffix in (".yaml", ".yml")
    with inputs.input_errors():
        if name not in available_recipes() and not is_file and (profile or profiles.has_default()):
            content = _recipe_of_node(name, profile)
            return content, dump_mapping(content)
        content = read_recipe(name)
        text = read_text(Path(name), "a recipe") if is_file else recipe_text(name)
    return content, text


def _recipe_of_node(name: str, profile: str | None) -> dict[str, Any]:
    """Return the recipe of a node, or the one that a process has as input."""
    profiles.load(profile)
    from aiida.orm import Dict, Node, ProcessNode

    from aiida_cse.building.recipe import available_recipes
    from aiida_cse.data.lookup import find_node
    from aiida_cse.schema import nearest

    try:
        node: Any = find_node(int(name) if name.isdecimal() else name, Node)
    except ValueError as error:
        known = "" if name.isdecimal() else f"; of the shipped recipes {nearest(name, available_recipes())}"
        raise inputs.InputError(f"recipe = {error}{known}") from error
    if isinstance(node, ProcessNode) and "recipe" in node.inputs:
        node = node.inputs.recipe
    if not isinstance(node, Dict):
        what = node.process_label if isinstance(node, ProcessNode) else type(node).__name__
        raise inputs.InputError(f"recipe = {name}: node {node.pk} is a {what} without a recipe; give a study")
    return dict(node.get_dict())


# -- protocol ------------------------------------------------------------------------------------------------


@click.group()
def protocol() -> None:
    """Show the protocols: their values with units and sources, and how two of them differ."""


@protocol.command("list")
def list_protocols() -> None:
    """List the protocols with what they are for.

    \b
    Example:
      aiida-cse protocol list
    """
    from rich.console import Console

    from aiida_cse.cli.display.library import print_names
    from aiida_cse.workchains.common.protocol_values import available_protocols, protocol_class

    default = {part: protocol_class(part).get_default_protocol() for part in ("study", "validate")}
    rows = []
    for name, descriptions in available_protocols().items():
        part, words = next(iter(descriptions.items()))
        marks = [*(["of aiida-cse validate"] if part == "validate" else [])]
        marks += ["default"] if default[part] == name else []
        rows.append((name, words + (f" ({', '.join(marks)})" if marks else "")))
    print_names(rows, Console(highlight=False))
    click.echo(f"\nshow the values with: {aiida_cse('protocol', 'show', 'NAME', '--part', 'production')}")


@protocol.command("show")
@click.argument("name", shell_complete=inputs.complete_protocol)
@_PART
@inputs.ROWS_FORMAT
def show_protocol(name: str, part: str | None, form: str) -> None:
    """Show the values of the protocol NAME with units and sources.

    A group of values has its place among the keys of overrides as heading. `target` is the temperature of the run,
    a list of two temperatures or pressures a ramp, `recipe` the value in the section `kinetics` of the recipe. A
    source is that of a published value, or `here` if the value was chosen for this program.

    \b
    Example:
      aiida-cse protocol show paper --part production
    """
    values, descriptions = _values(name, part, "NAME")
    if form == "table":
        from rich.console import Console

        from aiida_cse.cli.display.library import print_protocol

        print_protocol(values, descriptions, Console(highlight=False))
        return
    headings = ("part", "key", "value", "unit", "source")
    _echo_rows(
        headings, [(one.part, ".".join(one.place), one.value, one.unit, one.source) for one in values], form
    )


@protocol.command("diff")
@click.argument("first", shell_complete=inputs.complete_protocol)
@click.argument("second", shell_complete=inputs.complete_protocol)
@_PART
@inputs.ROWS_FORMAT
def diff_protocols(first: str, second: str, part: str | None, form: str) -> None:
    """Show where the protocols FIRST and SECOND differ, with both values.

    – is a value or a stage that a protocol does not have. The keys are those of overrides, below the name of the
    part; the name of a stage stands for its place in the list.

    \b
    Example:
      aiida-cse protocol diff moderate fast
    """
    from aiida_cse.workchains.common.protocol_values import differences, unit_of

    one, other = _values(first, part, "FIRST")[0], _values(second, part, "SECOND")[0]
    mine, theirs = ({(each.part, *each.place): each.value for each in values} for values in (one, other))
    places = list(differences(mine, theirs))
    if form != "table":
        rows = [
            (".".join(place), *(_at(values, place) for values in (mine, theirs)), unit_of(place))
            for place in places
        ]
        _echo_rows(("key", first, second, "unit"), rows, form)
    elif places:
        from rich.console import Console

        from aiida_cse.cli.display.library import print_differences, value_words

        words = [(place, [value_words(values, place) for values in (mine, theirs)]) for place in places]
        print_differences((first, second), words, Console(highlight=False))
    else:
        click.echo(f"{first} and {second} do not differ" + (f" in {part}" if part else ""))


def _at(values: Mapping[Place, Any], place: Place) -> Any:
    """Return the value at a place or, of a stage, its fields; None if there is nothing."""
    if place in values:
        return values[place]
    below = {
        ".".join(there[len(place) :]): value for there, value in values.items() if there[: len(place)] == place
    }
    return below or None


def _values(name: str, part: str | None, argument: str) -> tuple[list[ProtocolValue], dict[str, str]]:
    """Return all values of a protocol, or those of a part, and its descriptions by part.

    Raises
    ------
    InputError
        There is no such protocol, or the part has none of this name.
    """
    from aiida_cse.schema import nearest
    from aiida_cse.workchains.common.protocol_values import available_protocols, protocol_values

    known = available_protocols()
    if name not in known:
        raise inputs.InputError(f"{argument} = {name}: there is no such protocol; {nearest(name, known)}")
    if part is not None and part not in known[name]:
        raise inputs.InputError(f"{argument} = {name}: has no part {part}; it has {', '.join(known[name])}")
    values = [one for own in ([part] if part else known[name]) for one in protocol_values(name, own)]
    return values, known[name]


def _echo_rows(headings: Sequence[str], rows: Sequence[Sequence[Any]], form: str) -> None:
    """Print rows as JSON, or as CSV, in which what is no number or text is JSON as well."""
    if form == "json":
        click.echo(
            json.dumps([dict(zip(headings, row, strict=True)) for row in rows], ensure_ascii=False, indent=1)
        )
        return
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(
        [
            cell if isinstance(cell, str | int | float) and not isinstance(cell, bool) else json.dumps(cell)
            for cell in row
        ]
        for row in rows
    )
    click.echo(file.getvalue(), nl=False)
