"""Checks of an installation as lines with marks."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from aiida_cse.cli.site.checks import Check, Section

__all__ = ["print_section"]

_STYLES = {"✓": "green", "✗": "red", "–": "dim"}


def print_section(section: Section, console: Console) -> None:
    """Print a heading and, below it, each check with what to do."""
    console.print(Text(section.heading, style="bold"))
    console.print(Padding(_lines(section.checks), (0, 0, 0, 2), expand=False))


def _lines(checks: Sequence[Check]) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=1)
    table.add_column(overflow="fold")
    for check in checks:
        table.add_row(Text(check.mark, style=_STYLES[check.mark]), Text(check.words))
        if check.remedy is not None:
            table.add_row("", Text(f"→ {check.remedy}"))
    return table
