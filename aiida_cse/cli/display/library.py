"""Recipes and protocols on a terminal: names, errors, values with sources, differences of settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aiida_cse.report.words import printable, setting_words
from aiida_cse.workchains.common.protocol_values import HERE, Place, ProtocolValue, sources, unit_of

if TYPE_CHECKING:
    from aiida_cse.building.recipe_file import Problem

__all__ = [
    "ABSENT",
    "WIDTH",
    "print_differences",
    "print_names",
    "print_problems",
    "print_protocol",
    "value_words",
]

#: widest line
WIDTH = 80
#: a setting that a source does not have
ABSENT = "–"
#: most fields of a stage or group in one cell
_MOST_FIELDS = 20
#: keys above those of a stage
_STAGES = ("schedule", "stages")


def print_names(names: Iterable[tuple[str, str]], console: Console) -> None:
    """Print names, each with a description that wraps beside it."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", ratio=1)
    for name, words in names:
        table.add_row(Text(printable(name), "bold"), Text(printable(words)))
    console.print(table, width=min(console.width, WIDTH))


def print_protocol(values: Sequence[ProtocolValue], descriptions: Mapping[str, str], console: Console) -> None:
    """Print the values of a protocol by part and group; a stage is one row."""
    width = min(console.width, WIDTH)
    for part, group in groupby(values, key=lambda one: one.part):
        console.print(Text.assemble((part, "bold"), f"  {descriptions.get(part, '')}"), width=width)
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, min_width=25)
        table.add_column(overflow="fold", ratio=1)
        table.add_column(overflow="fold", max_width=20)
        rows: dict[Place, dict[str, list[ProtocolValue]]] = {}
        for one in group:
            place = one.place[:3] if one.place[:2] == _STAGES else one.place
            rows.setdefault(place[:-1], {}).setdefault(place[-1], []).append(one)
        for above, found in sorted(rows.items(), key=lambda item: bool(item[0])):
            if above:
                table.add_row(Text(f"  {'.'.join(above)}", "dim"))
            indent = "    " if above else "  "
            for name, same in found.items():
                fields = {one.place: one.value for one in same}
                words = value_words(fields, (*above, name))
                by_source: dict[str, list[str]] = {}
                for value in same:
                    by_source.setdefault(value.source, []).append(value.place[-1])
                if len(by_source) == 1:
                    source = next(iter(by_source))
                else:
                    source = "; ".join(
                        f"{word}: {', '.join(keys)}" for word, keys in by_source.items() if word != HERE
                    )
                table.add_row(Text(indent + name), Text(words), Text(source, "dim"))
        console.print(table, width=width)
        console.print()
    used = {one.source for one in values}
    print_names(((word, meaning) for word, meaning in sources().items() if word in used), console)


def print_differences(
    headings: Sequence[str], rows: Sequence[tuple[Place, Sequence[str]]], console: Console
) -> None:
    """Print settings that differ: below each group of keys a row per setting, with a column per source."""
    width = min(console.width, WIDTH)
    groups: dict[Place, list[tuple[str, Sequence[str]]]] = {}
    for place, words in rows:
        # the stages of a schedule are one group
        depth = place.index("stages") + 1 if "stages" in place[:-1] else len(place) - 1
        groups.setdefault(place[:depth], []).append((".".join(place[depth:]), words))
    console.print(_columns([("", [Text(heading, "bold") for heading in headings])], width))
    for above, found in groups.items():
        if above:
            console.print(Text(f"  {'.'.join(above)}", "dim"), width=width)
        indent = "    " if above else "  "
        console.print(_columns([(indent + name, list(map(Text, words))) for name, words in found], width))


def _columns(rows: Sequence[tuple[str, Sequence[Text]]], width: int) -> Table:
    """Return a table of names and values whose columns are as wide in every table with as many columns."""
    columns = max(len(cells) for _, cells in rows)
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.width = width
    table.add_column(overflow="fold", ratio=6 if columns < 3 else 4)
    for _ in range(columns):
        table.add_column(overflow="fold", ratio=5 if columns < 3 else 3)
    for name, cells in rows:
        table.add_row(Text(name), *cells)
    return table


def print_problems(name: str, problems: Sequence[Problem], console: Console) -> None:
    """Print what is wrong with a recipe, one refusal below the other with its line in the file."""
    width = min(console.width, WIDTH)
    count = f"{len(problems)} error{'s' if len(problems) != 1 else ''}"
    console.print(Text(f"{printable(name)}: {count}", "bold"), soft_wrap=True)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in problems:
        table.add_row("" if one.line is None else f"  line {one.line}", Text(printable(one.message)))
    console.print(table, width=width)


def value_words(values: Mapping[Place, Any], place: Place) -> str:
    """Return in words what a set of values has at a place: a value, the fields of a stage or group, or –."""
    if place in values:
        return setting_words(values[place], unit_of(place))
    fields = {}
    for there, value in values.items():
        if there[: len(place)] == place:
            key, unit = ".".join(there[len(place) :]), unit_of(there)
            fields[key] = setting_words(value, "" if key.endswith(f"_{unit}") else unit)
    if not fields:
        return ABSENT
    if len(fields) > _MOST_FIELDS:
        return f"{len(fields):,} values"
    kind = [fields.pop("kind")] if "kind" in fields else []
    return ", ".join([*kind, *(f"{key} {words}" for key, words in fields.items())])
