"""The checks of an installation as lines with marks, and the table of a calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from aiida_cse.cli.site.checks import Section
from aiida_cse.report.words import printable

__all__ = ["print_section", "print_speeds"]

_STYLES = {"✓": "green", "✗": "red", "–": "dim"}


def print_section(section: Section, console: Console) -> None:
    """Print a heading and, below it, each check with what to do."""
    console.print(Text(printable(section.heading), style="bold"))
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=1)
    table.add_column(overflow="fold")
    for check in section.checks:
        table.add_row(Text(check.mark, style=_STYLES[check.mark]), Text(printable(check.words)))
        if check.remedy is not None:
            table.add_row("", Text(f"→ {printable(check.remedy)}"))
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def print_speeds(speeds: Mapping[str, Any], console: Console) -> None:
    """Print the speed with each number of ranks and threads, and the flags and settings of the fastest."""
    rows: Sequence[Mapping[str, Any]] = speeds["rows"]
    table = Table(box=None, pad_edge=False)
    table.add_column("accelerator")
    for name in ("ranks", "threads", "ns/day", "efficiency"):
        table.add_column(name, justify="right")
    table.add_column("exact")
    table.add_column("")
    for number, row in enumerate(rows):
        day, efficiency = row["ns_per_day"], row["efficiency"]
        table.add_row(
            row["accelerator"],
            str(row["ranks"]),
            str(row["threads"]),
            "failed" if day is None else f"{day:.3g}",
            "" if efficiency is None else f"{100 * efficiency:.0f} %",
            "yes" if row["exact"] else "no",
            "← fastest" if number == speeds["fastest"] else "",
        )
    console.print(table)
    for name, words in (("fastest", "fastest"), ("fastest_exact", "fastest that is exact")):
        number = speeds[name]
        if number is not None and (name == "fastest" or number != speeds["fastest"]):
            row = rows[number]
            usual = {"accelerator": "none", "threads": 1, "gpus": 0}
            changed = {key: row[key] for key, value in usual.items() if row[key] != value}
            changed |= {} if row["exact"] else {"exact": "false"}
            given = ", ".join(f"{key}: {value}" for key, value in changed.items())
            settings = f", settings {{{given}}}" if given else ""
            console.print(f"{words}: --mpiprocs {row['ranks']}{settings}", soft_wrap=True)
