"""The forecast of a process in words and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.console import Console
from rich.table import Table

from aiida_cse.building.forecast import InterfaceForecast
from aiida_cse.engine.hints import aiida_cse
from aiida_cse.report.words import duration, printable, size_words
from aiida_cse.workchains.common.costs import Part
from aiida_cse.workchains.forecast import Forecast

__all__ = ["print_forecast"]

#: runs with the same jobs that have a row each
_SHOWN = 4


def print_forecast(found: Forecast, console: Console) -> None:
    """Print what a process will do, need and cost, and what speaks against it."""
    console.print(printable(found.title), style="bold", markup=False)
    if found.interface is not None:
        console.print(_rows(_interface_rows(found.interface, found)))
    if found.phases:
        console.print()
        console.print(_jobs(found))
        console.print()
        console.print(_rows(_cost_rows(found)))
    for mark, style, sentences in (
        ("✗", "red", found.refusals),
        ("!", "yellow", found.warnings),
        ("·", "", found.notes),
    ):
        for sentence in sentences:
            console.print(_rows([(mark, printable(sentence))], style=style))


def _rows(rows: list[tuple[str, str]], style: str = "") -> Table:
    """Return lines with a heading each."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style=style)
    grid.add_column()
    for heading, words in rows:
        grid.add_row(heading, words)
    return grid


# -- the system ------------------------------------------------------------------------------------------


def _interface_rows(built: InterfaceForecast, found: Forecast) -> list[tuple[str, str]]:
    oxygens = f"{built.cation}:O({built.polymer}) 1:{built.ether_oxygens:.3g}, " if built.ether_oxygens else ""
    charge = 0.0 if abs(built.charge) < 1e-6 else built.charge
    rows = [
        (
            "atoms",
            f"{built.atoms:,}: slab {built.slab:,} with {built.initial_cations:,} {built.cation}, electrolyte "
            f"{built.electrolyte:,}; {oxygens}charge {charge:g} e",
        )
    ]
    lx, ly = built.edges
    section = f"{lx:.2f} × {ly:.2f} Å² as built"
    if not found.layers:
        return [*rows, ("box", f"{section}; slab {built.thickness:.1f} Å")]
    temperatures = sorted(found.layers)
    fits = [found.layers[kelvin] for kelvin in temperatures]
    lengths = [built.thickness + fit.thickness for fit in fits]
    low, high = f"{min(lengths):.0f}", f"{max(lengths):.0f}"
    length = f"{low} Å long" if low == high else f"{low} to {high} Å long"
    lowest, highest = f"{temperatures[0]:g}", f"{temperatures[-1]:g} K"
    several = len(temperatures) > 1
    span = f"from {lowest} to {highest}" if several else f"at {highest}"
    rows.append(("box", f"{section}, some {length} {span}; slab {built.thickness:.1f} Å"))
    fit = min(fits, key=lambda one: one.thickness)
    left = fit.thickness - fit.needed
    bulk = f"{left:.0f} Å are left" if left > 0 else "nothing is left"
    layer = (
        f"some {fit.thickness:.0f} Å thick ({fit.least:.0f} to {fit.most:.0f}); the layers of {fit.ion} need "
        f"{fit.needed:g} Å, {bulk} for the bulk"
    )
    rows.append(("electrolyte", layer + (f" at {lowest} K" if several else "")))
    return rows


# -- jobs and costs ----------------------------------------------------------------------------------------


def _jobs(found: Forecast) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("part")
    for name in ("jobs", "steps", "simulated", "wall time"):
        table.add_column(name, justify="right")
    for phase in found.phases:
        alike: dict[tuple[str, int, int], list[Part]] = {}
        for part in phase:
            alike.setdefault((part.name.split()[0], len(part.jobs), part.steps), []).append(part)
        for parts in alike.values():
            rows = [parts] if len(parts) > _SHOWN else [[part] for part in parts]
            for row in rows:
                part, runs = row[0], len(row)
                took = found.durations.get(part.name)
                name = printable(part.name) if runs == 1 else f"{part.name.split()[0]}, each of {runs} runs"
                most = "" if part.earliest is None else "≤ "
                nanoseconds = part.picoseconds / 1000
                time = f"{nanoseconds:,.4g} ns" if nanoseconds >= 1 else f"{part.picoseconds:,.4g} ps"
                spent = "unknown" if took is None else most + duration(took.most)
                table.add_row(name, f"{most}{len(part.jobs):,}", f"{most}{part.steps:,}", f"{most}{time}", spent)
    return table


def _cost_rows(found: Forecast) -> list[tuple[str, str]]:
    disk = found.disk
    folders, repository = (
        size_words(size) + ("" if free is None else f" ({size_words(free)} free)")
        for size, free in ((disk.folders, disk.folders_free), (disk.repository, disk.repository_free))
    )
    spans = found.seconds
    if spans is None:
        wall_time = f"unknown: no speed of this code was measured{_calibrate(found)}"
    else:
        least, most = spans
        end = datetime.now().astimezone() + timedelta(seconds=most)
        when = f"{end:%Y-%m-%d %H:%M}" if most < 86400 else f"{end:%Y-%m-%d}"
        if least < 0.99 * most:
            wall_time = f"some {duration(least)} to {duration(most)}, ends by {when} at the latest"
        else:
            wall_time = f"some {duration(most)}, ends about {when}"
    bound = "≤ " if any(part.earliest is not None for part in found.parts) else ""
    # to two digits
    nodes = round(found.nodes, -max(0, len(str(found.nodes)) - 2))
    return [
        ("wall time", wall_time),
        *[("", line) for line in _measured(found)],
        *_core_hours(found),
        ("disk", f"work folder {bound}{folders}; repository {repository}"),
        ("nodes", f"some {nodes:,}; {found.slots} processes at once"),
    ]


def _core_hours(found: Forecast) -> Iterator[tuple[str, str]]:
    """Yield the time of all cores, which an allocation is charged."""
    if found.seconds is None or not found.parts:
        return
    yield "core hours", _core_hours_of(found, found.parts)
    # the ladders of a crossing are named after it
    crossings = {part.name.rpartition(" ")[0] for part in found.parts if part.name.startswith("crossing ")}
    if crossings:
        first = min(crossings)
        own = [part for part in found.parts if part.name.startswith(f"{first} ")]
        yield "", f"{_core_hours_of(found, own)} for {'each' if len(crossings) > 1 else 'the'} crossing, about"


def _core_hours_of(found: Forecast, parts: Sequence[Part]) -> str:
    spent = [(part.cores, one) for part in parts if (one := found.durations.get(part.name)) is not None]
    least, most = (
        sum(cores * seconds for (cores, _), seconds in zip(spent, times, strict=True)) / 3600
        for times in ([one.least for _, one in spent], [one.most for _, one in spent])
    )
    return f"{least:,.2g} to {most:,.2g}" if least < 0.99 * most else f"some {most:,.2g}"


def _calibrate(found: Forecast) -> str:
    """Return the command that measures the speed of the system, empty if it has none."""
    if not found.subject:
        return ""
    code = printable(found.parts[-1].code.full_label)
    lammps = () if code == "lmp@localhost" else ("--lammps", code)
    return f"; measure it with: {aiida_cse('calibrate', *found.subject, *lammps)}"


def _measured(found: Forecast) -> Iterator[str]:
    """Yield from which measurement the time of the longest part follows, and how far it is extrapolated."""
    known = [(part, one) for part in found.parts if (one := found.durations.get(part.name)) is not None]
    if found.seconds is None or not known:
        return
    part, one = max(known, key=lambda pair: pair[1].most)
    first, cores = one.measured[0], one.measured[0].ranks * one.measured[0].threads
    count = "a job" if len(one.measured) == 1 else f"{len(one.measured)} jobs"
    extrapolated = f"; extrapolated to {', '.join(one.differences)}{_calibrate(found)}" if one.differences else ""
    yield (
        f"from {count} of {printable(part.code.full_label)} with {first.atoms:,} atoms on {cores} "
        f"{'core' if cores == 1 else 'cores'} (such as <{first.pk}>){extrapolated}"
    )
