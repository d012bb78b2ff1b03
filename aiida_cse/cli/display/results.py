"""The tables of a finished study: its stages, its results per run, and where its time went."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from aiida.orm import ProcessNode
from rich import box
from rich.console import Console
from rich.table import Table

from aiida_cse.analysis.kinetics import conclusions
from aiida_cse.cli.display.render import duration
from aiida_cse.cli.display.tree import ProcessTree
from aiida_cse.lammps.job.script import LOG

__all__ = ["TimeShare", "has_results", "print_results", "time_share"]

Stage = Mapping[str, Any]

_STUDY = "aiida.workflows:cse.study"
_LAMMPS = "aiida.calculations:cse.lammps"
#: made by a job before it does anything else, and empty unless something goes wrong
_STARTED = "_scheduler-stdout.txt"


@dataclass(frozen=True)
class TimeShare:
    """Seconds of the LAMMPS jobs of a process, and of these the seconds that their programs ran."""

    jobs: int
    seconds: float
    program_seconds: float

    @property
    def percent(self) -> float:
        """Share of the programs in %."""
        return 100 * self.program_seconds / self.seconds

    @property
    def overhead_per_job(self) -> float:
        """What a job costs besides its programs, in s: AiiDA, the scheduler, the transport of files."""
        return (self.seconds - self.program_seconds) / self.jobs


def has_results(node: ProcessNode) -> bool:
    """Return whether the process is a study with at least one run to show."""
    return node.process_type == _STUDY and node.is_terminated and "runs" in node.outputs


def print_results(node: ProcessNode, console: Console) -> None:
    """Print the tables of a study."""
    if "stages" in node.outputs:
        console.print(_stage_table(node))
    console.print(_result_table(node))
    for label, run in sorted(node.outputs.runs.items()):
        if "equilibration" in run:
            _print_verdict(label, run["equilibration"], console)
    if "kinetics" in node.outputs:
        for sentence in conclusions(node.outputs.kinetics.get_dict()):
            console.print(sentence, soft_wrap=True)
    share = time_share(node)
    if share is not None:
        console.print(
            f"{share.jobs} LAMMPS jobs took {duration(share.seconds)}: {share.percent:.0f} % in LAMMPS, "
            f"the rest in orchestration, {share.overhead_per_job:.1f} s per job",
            soft_wrap=True,
        )


def time_share(node: ProcessNode) -> TimeShare | None:
    """Return where the time of the LAMMPS jobs of ``node`` went, None where their folders are not at hand."""
    known = []
    for branch in ProcessTree(node).root.descendants():
        if branch.process_type == _LAMMPS and branch.workdir is not None:
            seconds = _program_seconds(Path(branch.workdir))
            known += [] if seconds is None else [(branch, seconds)]
    if not known:
        return None
    return TimeShare(
        jobs=len(known),
        seconds=sum(branch.duration.total_seconds() for branch, _ in known),
        program_seconds=sum(seconds for _, seconds in known),
    )


def _program_seconds(workdir: Path) -> float | None:
    """Return the time from the start of a job here to the last line of its log, as its files tell it."""
    try:
        return (workdir / LOG).stat().st_mtime - (workdir / _STARTED).stat().st_mtime
    except OSError:
        return None


# -- stages --------------------------------------------------------------------------------------------------

_AVERAGES = (("temperature_K", "T (K)", ".0f"), ("density_g_cm3", "ρ (g/cm³)", ".2f"), ("lz_A", "Lz (Å)", ".1f"))


def _stage_table(node: ProcessNode) -> Table:
    table = _table("Stages")
    for heading in ("steps", "time", "ns/day", *(heading for _, heading, _ in _AVERAGES)):
        table.add_column(heading, justify="right", no_wrap=True)
    for part, records in sorted(node.outputs.stages.items(), key=lambda item: item[1].ctime):
        table.add_row(part, style="bold")
        for stages in _series(records["stages"]):
            name, *cells = _stage_cells(stages)
            table.add_row(f"  {name}", *cells)
    return table


def _table(title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(title, no_wrap=True)
    return table


def _series(stages: Iterable[Stage]) -> list[list[Stage]]:
    """Group what is one schedule: consecutive stages whose names differ in a number at the end only."""
    return [list(group) for _, group in groupby(stages, key=lambda stage: re.sub(r"_\d+$", "_", stage["name"]))]


def _stage_cells(stages: list[Stage]) -> Iterator[str]:
    """Yield a row: the sums over the stages, and the averages of the last one."""
    first, last = stages[0], stages[-1]
    steps = sum(stage["step"] - stage["start_step"] for stage in stages if stage["kind"] != "minimize")
    times = [stage["wall_seconds"] for stage in stages if stage["wall_seconds"] is not None]
    yield first["name"] if first is last else f"{first['name']} … {last['name'].rsplit('_', 1)[1]}"
    yield f"{steps:,}" if steps else ""
    yield duration(sum(times)) if times else ""
    yield _cell(last.get("ns_per_day"), ".2f")
    for key, _, form in _AVERAGES:
        yield _cell(last.get(key), form)


# -- results -------------------------------------------------------------------------------------------------


def _result_table(node: ProcessNode) -> Table:
    runs = dict(sorted(node.outputs.runs.items()))
    table = _table("Results")
    for label in runs:
        table.add_column(label, justify="right", no_wrap=True)
    rows: dict[str, dict[str, str]] = {}
    for label, run in runs.items():
        for name, cell in _result_cells(run):
            rows.setdefault(name, {})[label] = cell
    for name, cells in rows.items():
        table.add_row(name, *(cells.get(label, "") for label in runs))
    return table


def _result_cells(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is shown of a run, as far as the run came."""
    if "populations" in run:
        found = run["populations"].get_dict()
        for key, name in (("n_{}_excess", "N({} excess)"), ("n_{}_layer", "N({} 1st layer)")):
            for ion in _ions(found):
                if key.format(ion) in found:
                    number, error = found[key.format(ion)], found.get(f"{key.format(ion)}_error")
                    yield name.format(_name(ion)), _with_error(number, error)
    if "transitions" in run and "equilibration" in run:
        yield from _exchange_cells(run["transitions"].get_dict(), run["equilibration"].get_dict())
        if "barrier" in run:
            yield from _barrier_cells(run["barrier"].get_dict(), run["equilibration"]["decided_by"])
        if "displacement_variance" in run:
            yield from _mobility_cells(run["displacement_variance"], run["equilibration"]["decided_by"])
    if "charge_integral" in run:
        found = run["charge_integral"].base.attributes.all
        changes = [found.get(f"sign_changes_{side}_electrolyte") for side in ("left", "right")]
        if None not in changes:
            yield "charge reversals outside, left / right", " / ".join(map(str, changes))


def _exchange_cells(transitions: dict[str, Any], found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for ion in found["decided_by"]:
        for direction in ("in", "out"):
            yield f"S_{direction} ({ion})", str(transitions[f"s_{direction}_{ion.lower()}_ceramic"])
    yield "EC (lower bound)", f"{found['ec']:.2f} (≥ {found['ec_lower_bound']:.2f})"
    if (bound := found["rate_upper_bound_per_s"]) is not None:
        yield "entries per second", f"< {bound:.2g}"
    yield "equilibrated", "yes" if found["equilibrated"] else "no"


def _barrier_cells(found: dict[str, Any], ions: Iterable[str]) -> Iterator[tuple[str, str]]:
    for ion in ions:
        joined = list(_barrier_cell(found, ion, ion.lower(), ""))
        yield from joined
        if not joined:
            for side in ("left", "right"):
                yield from _barrier_cell(found, ion, f"{ion.lower()}_{side}", f", {side}")
        if (kappa := found.get(f"kappa_{ion.lower()}")) is not None:
            low, high = found[f"kappa_{ion.lower()}_interval"]
            yield f"κ of {ion}", f"{kappa:.2g} ({low:.2g} to {high:.2g})"


def _barrier_cell(found: dict[str, Any], ion: str, key: str, side: str) -> Iterator[tuple[str, str]]:
    """Yield a barrier with its error, or its bound, or nothing."""
    error, bound = found.get(f"barrier_{key}_error_K"), found.get(f"barrier_{key}_lower_bound_K")
    if error is not None:
        yield f"barrier of {ion}{side} (K)", f"{found[f'barrier_{key}_K']:.0f} ± {error:.0f}"
    elif bound is not None:
        yield f"barrier of {ion}{side} (K)", f"> {bound:.0f}"


def _mobility_cells(node: Any, ions: Iterable[str]) -> Iterator[tuple[str, str]]:
    found = node.base.attributes.all
    for ion in ions:
        for layer, name in (("layer_right", "1st layer"), ("inside", "in the ceramic")):
            value = found.get(f"variance_{ion.lower()}_{layer}_x_A2")
            if value is not None:
                error = found[f"variance_{ion.lower()}_{layer}_x_error_A2"]
                title = f"Var(Δx) of {ion}, {name}, {found['lags_ps'][0]:g} ps (Å²)"
                yield title, _with_error(value, error)


def _print_verdict(label: str, equilibration: Any, console: Console) -> None:
    found = equilibration.get_dict()
    if found["equilibrated"]:
        console.print(f"{label} is equilibrated:")
    else:
        console.print(f"{label} is not equilibrated, because not all of this holds:")
    for reason in found["reasons"]:
        console.print(f"  {reason}", soft_wrap=True)


def _ions(populations: Mapping[str, Any]) -> list[str]:
    suffix = "_bulk"
    return [key[2 : -len(suffix)] for key in populations if key.startswith("n_") and key.endswith(suffix)]


def _name(ion: str) -> str:
    """Return an ion as the field writes it: Li, but TFSI."""
    return ion.capitalize() if len(ion) <= 2 else ion.upper()


def _with_error(number: float, error: float | None) -> str:
    return f"{number:.2f}" if error is None else f"{number:.2f} ± {error:.2f}"


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
