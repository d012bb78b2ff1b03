"""A comparison of findings on a terminal, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from aiida_cse.cli.display.library import ABSENT as ABSENT_WORDS
from aiida_cse.cli.display.library import WIDTH, print_differences, value_words
from aiida_cse.cli.display.published import letters
from aiida_cse.report.compared.results import Cell, Comparison, ResultRow
from aiida_cse.report.compared.settings import ABSENT, SettingDifference
from aiida_cse.report.rows import Row
from aiida_cse.report.view import verdict_of
from aiida_cse.report.words import number_words, printable, setting_words, signed

__all__ = ["comparison_csv", "comparison_json", "print_comparison_of"]

#: sources beside each other in one table; further ones follow in tables of their own, each with the first
_BESIDE = 4
_STYLES = {"✓": "green", "✗": "bold red", "–": "dim"}
_LEGEND = (
    "σ: difference from the first number over its standard error. An interval counts with the side that faces the "
    "other number, over the normal quantile of its level; errors are added in quadrature, as of independent runs. "
    "×: ratio, of rates and other numbers that are compared by their logarithms. ≥, ≤: one-sided bounds."
)


def print_comparison_of(comparison: Comparison, console: Console) -> None:
    """Print a comparison, at most 80 columns wide."""
    width = min(console.width, WIDTH)

    def say(words: str, style: str = "") -> None:
        console.print(Text(printable(words), style), width=width)

    for number, (name, source) in enumerate(zip(comparison.names, comparison.sources, strict=True), start=1):
        facts = [name, source.origin.state, f"aiida-cse {source.origin.version}" if source.origin.version else ""]
        say(f"{number}  {', '.join(fact for fact in facts if fact)}", "bold")
    if comparison.dependence:
        say("\nNot independent", "bold")
        for sentence in comparison.dependence:
            say(f"  {sentence}")
    say("\nRecipe", "bold")
    without = [str(number) for number, one in enumerate(comparison.sources, start=1) if not one.recipe]
    if without:
        say(f"  not known of {' and '.join(without)}", "dim")
    elif comparison.recipes:
        _print_settings(comparison.recipes, comparison, console)
    else:
        recipe = comparison.sources[0].recipe.get("name", "without a name")
        say(f"  the same: {printable(str(recipe))}")
    say("\nProtocol", "bold")
    found, others = comparison.settings
    if found:
        _print_settings(found, comparison, console)
    else:
        say("  no settings differ that are known of all")
    if others:
        groups = dict.fromkeys(name.partition(".")[0] for name in others)
        say(f"  known of some alone, not compared: {', '.join(groups)}", "dim")
    _print_results(comparison, console)


def _print_settings(found: Sequence[SettingDifference], comparison: Comparison, console: Console) -> None:
    """Print settings that differ, with the source of each value that is published."""
    headings = [str(number) for number in range(1, len(comparison.sources) + 1)]
    rows = []
    for one in found:
        cells = []
        for value, source in zip(one.values, one.published, strict=True):
            below = value if isinstance(value, Mapping) and value else {"": value}
            values = (
                {}
                if value is ABSENT
                else {(*one.place, *filter(None, key.split("."))): at for key, at in below.items()}
            )
            words = value_words(values, one.place)
            cells.append(printable(words) + (f" ({source})" if source else ""))
        rows.append((one.place, cells))
    print_differences(headings, rows, console)


# -- results -------------------------------------------------------------------------------------------------


def _print_results(comparison: Comparison, console: Console) -> None:
    """Print the results by temperature, and below why differences are not known."""
    width = min(console.width, WIDTH)
    notes: dict[str, str] = {}
    numbering = letters()

    def note(reason: str) -> str:
        if reason and reason not in notes:
            notes[reason] = next(numbering)
        return notes.get(reason, "")

    for kelvin, group in groupby(comparison.rows, key=lambda row: row.temperature):
        rows = list(group)
        heading = "Results of several runs" if kelvin is None else f"Results at {kelvin:g} K"
        console.print(Text(f"\n{heading}", "bold"), width=width)
        places = range(len(comparison.sources))
        first, *others = [number for number in places if any(row.cells[number] is not None for row in rows)]
        if not others:
            console.print(Text(f"  {first + 1} alone has them", "dim"), width=width)
            continue
        shown = [row for row in rows if row.known and row.beside]
        for at in range(0, len(others), _BESIDE - 1):
            chunk = (first, *others[at : at + _BESIDE - 1])
            console.print(_results_table(comparison, kelvin, shown, chunk, note, width))
        for words in _unshown(rows):
            console.print(Text(f"  {printable(words)}", "dim"), width=width)
    if not comparison.rows:
        console.print(Text("\nNo source has results."), width=width)
        return
    console.print()
    table = Table.grid(padding=(0, 2, 0, 0))
    for reason, letter in notes.items():
        table.add_row(f"{letter:>2}", Text(printable(reason)))
    if notes:
        console.print(table, width=width)
    console.print(Text(_LEGEND, "dim"), width=width)


def _unshown(rows: Sequence[ResultRow]) -> Iterator[str]:
    """Yield the names of the results that have no row, with the reason."""
    unknown = dict.fromkeys(row.name for row in rows if row.beside and not row.known)
    if unknown:
        yield f"not known in any: {', '.join(unknown)}"
    alone = dict.fromkeys(row.name for row in rows if not row.beside)
    if alone:
        yield f"of one alone: {', '.join(alone)}"


def _results_table(
    comparison: Comparison,
    kelvin: float | None,
    rows: Sequence[ResultRow],
    chunk: Sequence[int],
    note: Callable[[str], str],
    width: int,
) -> Table:
    """Return the results of the sources ``chunk``; of two with the difference in a column, of more below each."""
    two = len(chunk) == 2
    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    table.width = width
    for ratio in (23, *(20 for _ in chunk), *(12 for _ in range(two))):
        table.add_column(overflow="fold", ratio=ratio)
    headings = [Text(str(number + 1), "bold") for number in chunk]
    table.add_row("", *headings, *(Text("difference", "dim") for _ in range(two)))
    slots = () if kelvin is None else comparison.slots[kelvin]
    for slot in slots:
        shown = [slot[number] for number in chunk]
        cells = []
        for run in shown:
            mark, words = ("", "") if run is None else verdict_of(run)
            cells.append(Text.assemble((mark, _STYLES.get(mark, "")), f" {printable(words)}"))
        labels = dict.fromkeys(run.label for run in shown if run is not None)
        table.add_row(Text(printable(f"verdict of {' and '.join(labels)}")), *cells)
    by_section: dict[str, list[ResultRow]] = {}
    for row in rows:
        by_section.setdefault(row.section, []).append(row)
    for section, same in by_section.items():
        table.add_row(Text(printable(section), "dim"))
        for row in same:
            found = [row.cells[number] for number in chunk]
            runs = dict.fromkeys(cell.run for cell in found if cell is not None and cell.run)
            unit = f" ({row.unit})" if row.unit and row.unit != "events" else ""
            title = f"{row.name}{unit}" + (f", {'/'.join(runs)}" if len(slots) > 1 else "")
            pairs = [_cell_words(cell, note) for cell in found]
            values, differences = [Text(value) for value, _ in pairs], [difference for _, difference in pairs]
            if two:
                values.append(Text(differences[1]))
            else:
                values = [
                    Text.assemble(value, f"\n{difference}" if difference else "")
                    for value, difference in zip(values, differences, strict=True)
                ]
            table.add_row(Padding(Text(printable(title)), (0, 0, 0, 2)), *values)
    return table


def _cell_words(cell: Cell | None, note: Callable[[str], str]) -> tuple[str, str]:
    """Return a number with its interval, error or bound, – if there is none; and its difference from the first."""
    if cell is None:
        return ABSENT_WORDS, ""
    row = Row("", quantity=replace(cell.quantity, note="", reason=""))
    value, interval = row.value_words, row.interval_words
    if interval:
        value = f"{value} {interval}" if interval.startswith("±") else f"{value} ({interval})"
    value, found = signed(value), cell.difference
    if found is None:
        return value, ""
    if found.sigma is not None:
        return value, signed(f"{found.sigma:+.1f} σ" if abs(found.sigma) < 1e3 else f"{found.sigma:+.1e} σ")
    if found.value is None:
        words = "not known"
    elif found.scale == "log":
        words = f"× {number_words(found.value)}"
    else:
        words = signed(("+" if found.value > 0 else "") + number_words(found.value))
    return value, f"{words} {note(found.reason)}".strip()


# -- as data -------------------------------------------------------------------------------------------------

_COLUMNS = (
    "section",
    "temperature_K",
    "name",
    "key",
    "unit",
    "source",
    "run",
    "value",
    "low",
    "high",
    "standard_error",
    "lower_bound",
    "upper_bound",
    "scale",
    "difference",
    "sigma",
    "reason",
)


def comparison_json(comparison: Comparison) -> str:
    """Return a comparison as JSON: sources, dependence, recipe and protocol differences, results."""
    found, others = comparison.settings
    cells = [
        [
            None
            if cell is None
            else {
                "run": cell.run,
                "level": cell.level,
                **{key: at for key, at in asdict(cell.quantity).items() if key not in ("name", "key", "unit")},
                "difference": None if cell.difference is None else asdict(cell.difference),
            }
            for cell in row.cells
        ]
        for row in comparison.rows
    ]
    content = {
        "sources": [
            {"name": name, **{key: getattr(one.origin, key) for key in ("kind", "label", "pk", "uuid", "version")}}
            for name, one in zip(comparison.names, comparison.sources, strict=True)
        ],
        "not_independent": comparison.dependence,
        "recipe": [_setting_record(one) for one in comparison.recipes],
        "protocol": [_setting_record(one) for one in found],
        "not_compared": others,
        "verdicts": [
            {
                "temperature_K": kelvin,
                "runs": [
                    None
                    if run is None
                    else {"run": run.label, "equilibrated": run.equilibrated, "words": verdict_of(run)[1]}
                    for run in slot
                ],
            }
            for kelvin, slots in comparison.slots.items()
            for slot in slots
        ],
        "results": [
            {
                "temperature_K": row.temperature,
                "section": row.section,
                "name": row.name,
                "key": row.key,
                "unit": row.unit,
                "sources": sources,
            }
            for row, sources in zip(comparison.rows, cells, strict=True)
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=1)


def _setting_record(one: SettingDifference) -> dict[str, Any]:
    values = [{} if value is ABSENT else {"value": value} for value in one.values]
    marks = [{"source": source} if source else {} for source in one.published]
    return {
        "key": ".".join(one.place),
        "unit": one.unit,
        "sources": [value | mark for value, mark in zip(values, marks, strict=True)],
    }


def comparison_csv(comparison: Comparison) -> str:
    """Return a comparison as CSV: a line for each setting that differs and each result, of each source."""
    file = io.StringIO()
    writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for section, settings in (("recipe", comparison.recipes), ("protocol", comparison.settings[0])):
        for one in settings:
            for name, value in zip(comparison.names, one.values, strict=True):
                words = "" if value is ABSENT else setting_words(value)
                key = ".".join(one.place)
                writer.writerow({"section": section, "key": key, "unit": one.unit, "source": name, "value": words})
    for row in comparison.rows:
        writer.writerows(_lines(row, comparison.names))
    return file.getvalue()


def _lines(row: ResultRow, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for name, cell in zip(names, row.cells, strict=True):
        if cell is None:
            continue
        found, difference = cell.quantity, cell.difference
        low, high = found.interval or (None, None)
        line = {
            "section": row.section,
            "temperature_K": row.temperature,
            "name": row.name,
            "key": row.key,
            "unit": row.unit,
            "source": name,
            "run": cell.run,
            "value": found.value,
            "low": low,
            "high": high,
            "standard_error": found.error,
            "lower_bound": found.lower,
            "upper_bound": found.upper,
            "reason": found.reason,
        }
        if difference is not None:
            line |= {"scale": difference.scale, "difference": difference.value, "sigma": difference.sigma}
            line["reason"] = difference.reason
        yield line
