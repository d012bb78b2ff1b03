"""The view of findings on a terminal, as JSON and as CSV; and the checks of a validation."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from aiida_cse.report.rows import Row, Section, View
from aiida_cse.report.words import number_words, printable

__all__ = ["print_view", "view_csv", "view_json"]

#: widest line, and widest column of names
_WIDTH, _NAMES = 80, 34
_STYLES = {"✓": "green", "✗": "bold red", "–": "dim"}
_COLUMNS = (
    "section",
    "run",
    "name",
    "mark",
    "value",
    "unit",
    "low",
    "high",
    "standard_error",
    "lower_bound",
    "upper_bound",
    "text",
    "reason",
    "source",
)


def _text(words: str, style: str = "") -> Text:
    """Return words of results, which may hold anything, for a terminal."""
    return Text(printable(words), style)


def print_view(view: View, console: Console) -> None:
    """Print a view, at most 80 columns wide; sentences wrap between words."""
    width = min(console.width, _WIDTH)
    console.print(_text(view.title, style="bold"), width=width)
    facts = Table.grid(padding=(0, 2, 0, 0))
    for name, words in view.facts:
        facts.add_row(_text(f"  {name}", style="dim"), _text(words))
    console.print(facts, width=width)
    for section in view.sections:
        console.print()
        heading = Text.assemble((section.title, "bold"), (f"  {section.note}" if section.note else "", "dim"))
        console.print(heading, width=width)
        console.print(_section(section, len(view.runs) > 1), width=width)


def _section(section: Section, several: bool) -> RenderableType:
    """Return the rows of a section; ``several``: there are several runs, so that their labels are needed."""
    if section.headings:
        return _cells(section)
    parts: list[RenderableType] = []
    for is_number, rows in groupby(section.rows, key=lambda row: row.quantity is not None):
        if is_number:
            parts.append(_quantities(list(rows), several))
            continue
        for row in rows:
            grid = Table.grid(padding=(0, 1, 0, 0))
            # criteria are indented below their verdict
            grid.add_column(width=3 if row.name in ("criterion", "layer") else 1, justify="right", no_wrap=True)
            grid.add_column(overflow="fold")
            words = row.text if row.mark else f"{row.name}: {row.text}"
            head = "bold" if row.name in ("verdict", "starts") else ""
            grid.add_row(Text(row.mark, style=_STYLES.get(row.mark, "")), _text(words, style=head))
            parts.append(grid)
    return Group(*parts)


def _quantities(rows: Sequence[Row], several: bool) -> Table:
    """Return a table of numbers; those of several runs stand below their common name."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=1, no_wrap=True)
    table.add_column(max_width=_NAMES, overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for title, same in groupby(rows, key=lambda row: row.title):
        group = list(same)
        below = several and any(row.run for row in group)
        if below:
            table.add_row("", _text(title))
        for row in group:
            mark = Text(row.mark, style=_STYLES.get(row.mark, ""))
            name = _text(f"  {row.run}", style="dim") if below else _text(title)
            value = "" if row.mark == row.value_words else row.value_words
            table.add_row(mark, name, _text(value), _text(f" {row.interval_words}"))
    return table


def _cells(section: Section) -> Table:
    """Return a table with headings; the runs or parts head their rows."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", max_width=_NAMES, overflow="fold")
    for heading in section.headings:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    parts = {row.run for row in section.rows}
    for run, rows in groupby(section.rows, key=lambda row: row.run):
        if run and len(parts) > 1:
            table.add_row(_text(f"  {run}"))
        indent = "    " if run and len(parts) > 1 else "  "
        for row in rows:
            if row.cells is None:
                table.add_row(_text(f"{indent}{row.name}: {row.text}"))
                continue
            cells = (_cell(row.cells.get(heading), form) for heading, form in section.headings.items())
            mark = Text(row.mark, style=_STYLES.get(row.mark, ""))
            table.add_row(_text(f"{indent}{row.name}"), *cells, mark)
    return table


def _cell(value: Any, form: str) -> str:
    """Return a value of a table in words."""
    if not isinstance(value, float):
        return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    if not math.isfinite(value):
        return "–"
    if form:
        return format(value, form)
    # the spread with which a number is written with four digits
    spread = 10.0 ** (math.floor(math.log10(abs(value))) - 2) if value else None
    return number_words(value, spread)


# -- as data -------------------------------------------------------------------------------------------------


def view_json(view: View) -> str:
    """Return a view as JSON: title, facts, and the sections with their rows."""
    sections = []
    for section in view.sections:
        records = []
        for row in section.rows:
            record: dict[str, Any] = {"name": row.name, "run": row.run, "mark": row.mark, "text": row.text}
            if row.quantity is not None:
                record |= {key: value for key, value in asdict(row.quantity).items() if key not in ("name", "key")}
                record["source"] = row.source
            if row.cells is not None:
                record["cells"] = dict(row.cells)
            records.append(record)
        sections.append({"title": section.title, "note": section.note, "rows": records})
    content = {
        "title": view.title,
        "facts": dict(view.facts),
        "runs": view.runs,
        "sections": sections,
    }
    return json.dumps(content, ensure_ascii=False, indent=1)


def view_csv(view: View) -> str:
    """Return a view as CSV with one line per row; the cells of a table are one line each."""
    file = io.StringIO()
    writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for section in view.sections:
        for row in section.rows:
            writer.writerows(_lines(section.title, row))
    return file.getvalue()


def _lines(section: str, row: Row) -> Iterator[dict[str, Any]]:
    line: dict[str, Any] = {
        "section": section,
        "run": row.run,
        "name": row.name.strip(),
        "mark": row.mark,
        "text": row.text,
    }
    found = row.quantity
    if row.cells is not None:
        for heading, value in row.cells.items():
            yield line | {"name": f"{row.name}, {heading}", "value": value}
    elif found is None:
        yield line
    else:
        low, high = found.interval or (None, None)
        yield line | {
            "value": found.value,
            "unit": found.unit,
            "low": low,
            "high": high,
            "standard_error": found.error,
            "lower_bound": found.lower,
            "upper_bound": found.upper,
            "text": found.note,
            "reason": found.reason,
            "source": row.source,
        }
