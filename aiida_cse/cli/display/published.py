"""The published numbers beside those found, as a table of at most 80 columns with notes below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, groupby
from string import ascii_lowercase

from rich import box
from rich.console import Console
from rich.table import Table

from aiida_cse.report.findings import Findings
from aiida_cse.report.published import (
    LEGEND,
    ComparedNumber,
    compared_cell,
    here_cell,
    other_system,
    published,
    published_cells,
)

__all__ = ["letters", "print_comparison"]

WIDTH = 80


def print_comparison(findings: Findings, compared: Sequence[ComparedNumber], console: Console) -> None:
    """Print each published number beside that of each run, and below why some cannot be compared."""
    study, origin = published(), findings.origin
    process = "" if origin.pk is None else f" <{origin.pk}>"
    console.print(f"{origin.kind} {origin.label}{process} beside the published study", markup=False, style="bold")
    console.print(f"{study.citation}\ndoi {study.doi}", markup=False, highlight=False)
    temperatures = ", ".join(f"{one:g}" for one in findings.temperatures) or "none"
    console.print(f"here: {temperatures} K; published: 400, 500, 600 and 700 K", markup=False)
    if other := other_system(findings):
        console.print(f"{other[0].upper()}{other[1:]}. Nothing below tests a reproduction.", markup=False)
    notes: dict[str, str] = {}
    numbering = letters()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), width=WIDTH)
    for heading, width in (("", 27), ("published", 13), ("here, interval", 20), ("difference", 12)):
        table.add_column(heading, overflow="fold", width=width)
    for figure, group in groupby(compared, key=lambda one: one.published.figure):
        table.add_row(f"[bold]{figure}[/]")
        for one in group:
            reasons = [reason for reason in one.reasons if reason != other]
            for reason in reasons:
                if reason not in notes:
                    notes[reason] = next(numbering)
            marks = " ".join(notes[reason] for reason in reasons)
            cells = (*published_cells(one, compared), here_cell(one))
            table.add_row(*cells, f"{compared_cell(one)} {marks}".strip())
    console.print(table)
    for reason, letter in notes.items():
        console.print(f"{letter:>2}  {reason}", markup=False)
    console.print(LEGEND, markup=False)


def letters() -> Iterator[str]:
    """Yield a, b, …, z, aa, ab and so on."""
    for number in count():
        first, last = divmod(number, len(ascii_lowercase))
        yield (ascii_lowercase[first - 1] if first else "") + ascii_lowercase[last]
