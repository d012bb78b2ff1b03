"""Table of the results of productions, and the criteria of a verdict: from plain numbers, without AiiDA."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich import box
from rich.table import Table

from aiida_cse.analysis.registry import observables

__all__ = ["column_table", "criteria", "result_table"]

#: the results of a production by the names of its observables, each with its scalars
Run = Mapping[str, Mapping[str, Any]]

#: the observables that come first in the table of results
_FIRST = ("populations", "transitions", "equilibration", "barrier", "anion_barrier", "displacement_variance")


def column_table(title: str, headings: Iterable[str]) -> Table:
    """Return an empty table whose first column is ``title`` and whose other columns are aligned to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(title, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def result_table(runs: Mapping[str, Run]) -> Table:
    """Return the table of results with a column per run, with the lines that the observables register."""
    rows: dict[str, dict[str, str]] = {}
    for label, run in runs.items():
        for name, cell in _cells(run):
            rows.setdefault(name, {})[label] = cell
    table = column_table("Results", runs)
    for name, cells in rows.items():
        table.add_row(name, *(cells.get(label, "") for label in runs))
    return table


def _cells(run: Run) -> Iterator[tuple[str, str]]:
    """Yield name and value of each result that the run has."""
    ions = run["equilibration"]["decided_by"] if "equilibration" in run else []
    for name in (*_FIRST, *(name for name in observables() if name not in _FIRST)):
        rows = observables()[name].rows
        if name in run and rows is not None:
            yield from rows(run[name], ions)


def criteria(label: str, verdict: Mapping[str, Any]) -> Iterator[str]:
    """Yield the verdict of a run and its criteria, a line each, from the result ``equilibration``."""
    kind = verdict.get("kind", "equilibrated" if verdict["equilibrated"] else "not equilibrated")
    yield f"{label} is {kind}:"
    for reason in verdict["reasons"]:
        yield f"  {reason}"
    if verdict["equilibrated"] and (slowest := verdict.get("slowest_time_ns")) is not None:
        yield f"  – processes slower than {slowest:.3g} ns: not seen; other starts would show them"
