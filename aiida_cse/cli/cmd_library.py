"""Commands on recipes and protocols: ``recipe`` and ``protocol``. None needs a profile for what is shipped."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from aiida_cse.cli import inputs
from aiida_cse.engine.hints import aiida_cse

if TYPE_CHECKING:
    from aiida_cse.workchains.common.protocol_values import Place, ProtocolValue

__all__ = ["protocol"]

_PARTS = ("study", "ceramic", "electrolyte", "interface", "production", "analysis", "quench", "validate")
_PART = click.option("--part", type=click.Choice(_PARTS), help="This part alone.")
_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json", "csv")),
    default="table",
    show_default=True,
    help="A table for the terminal, or the same rows as data.",
)


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
@click.argument("name")
@_PART
@_FORMAT
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
@click.argument("first")
@click.argument("second")
@_PART
@_FORMAT
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
