"""The forecast of a process in words and tables."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from aiida_cse.workchains.forecast import Forecast, Part

__all__ = ["print_forecast"]


def print_forecast(found: Forecast, console: Console) -> None:
    """Print what a process will do, need and cost, and what speaks against it."""
    console.print(f"{found.label}: {sum(len(part.jobs) for phase in found.phases for part in phase)} LAMMPS jobs")
    if found.phases:
        table = Table(box=None, pad_edge=False)
        table.add_column("part")
        for name in ("jobs", "steps", "simulated"):
            table.add_column(name, justify="right")
        for phase in found.phases:
            for part in phase:
                table.add_row(*_row(part))
        console.print(table)
    for mark, sentences in (("✗", found.refusals), ("!", found.warnings)):
        for sentence in sentences:
            console.print(f"{mark} {sentence}")


def _row(part: Part) -> tuple[str, ...]:
    most = "≤ " if part.at_most else ""
    nanoseconds = part.picoseconds / 1000
    time = f"{nanoseconds:,.4g} ns" if nanoseconds >= 1 else f"{part.picoseconds:,.4g} ps"
    return part.name, f"{most}{len(part.jobs):,}", f"{most}{part.steps:,}", f"{most}{time}"
