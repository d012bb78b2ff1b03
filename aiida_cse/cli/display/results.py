"""Tables of results: stages and results of a study, its time, and the checks of a validation."""

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
from aiida_cse.cli.display.progress import LAMMPS, duration
from aiida_cse.cli.display.tree import ProcessTree
from aiida_cse.lammps.job.script import LOG

__all__ = ["TimeShare", "check_table", "has_results", "print_results", "time_share"]

Stage = Mapping[str, Any]

_STUDY = "aiida.workflows:cse.study"
#: created at the start of a job, and empty unless something fails
_STARTED = "_scheduler-stdout.txt"


def has_results(node: ProcessNode) -> bool:
    """Return whether the process is a terminated study with at least one run to show."""
    return node.process_type == _STUDY and node.is_terminated and "runs" in node.outputs


def print_results(node: ProcessNode, console: Console) -> None:
    """Print the tables of a study, the criteria of each run, its kinetics, and where its time went."""
    if "stages" in node.outputs:
        console.print(_stage_table(node))
    runs = dict(sorted(node.outputs.runs.items()))
    console.print(_result_table(runs))
    for label, run in runs.items():
        if "equilibration" in run:
            found = run["equilibration"].get_dict()
            console.print(f"{label} is {'' if found['equilibrated'] else 'not '}equilibrated:")
            for reason in found["reasons"]:
                console.print(f"  {reason}", soft_wrap=True)
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


# -- time ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TimeShare:
    """Total time of the LAMMPS jobs of a process, and the part in which their programs ran, s."""

    jobs: int
    seconds: float
    program_seconds: float

    @property
    def percent(self) -> float:
        """Share of the programs in %."""
        return 100 * self.program_seconds / self.seconds

    @property
    def overhead_per_job(self) -> float:
        """Time of a job outside its program, s: AiiDA, the scheduler and the transport of files."""
        return (self.seconds - self.program_seconds) / self.jobs


def time_share(node: ProcessNode) -> TimeShare | None:
    """Return the time of the LAMMPS jobs of ``node``; None if their folders cannot be read from here.

    The program of a job runs from the start of the job to the last line of its log.
    """
    jobs, seconds, program_seconds = 0, 0.0, 0.0
    for branch in ProcessTree(node).root.descendants():
        if branch.process_type != LAMMPS or branch.workdir is None:
            continue
        folder = Path(branch.workdir)
        try:
            program_seconds += (folder / LOG).stat().st_mtime - (folder / _STARTED).stat().st_mtime
        except OSError:
            continue
        jobs += 1
        seconds += branch.duration.total_seconds()
    return TimeShare(jobs, seconds, program_seconds) if jobs else None


# -- stages --------------------------------------------------------------------------------------------------

_AVERAGES = (("temperature_K", "T (K)", ".0f"), ("density_g_cm3", "ρ (g/cm³)", ".2f"), ("lz_A", "Lz (Å)", ".1f"))


def _stage_table(node: ProcessNode) -> Table:
    table = _table("Stages", ("steps", "time", "ns/day", *(heading for _, heading, _ in _AVERAGES)))
    for part, records in sorted(node.outputs.stages.items(), key=lambda item: item[1].ctime):
        table.add_row(part, style="bold")
        # stages of one schedule are consecutive, and their names differ in the number at the end
        for _, group in groupby(records["stages"], key=lambda stage: re.sub(r"_\d+$", "_", stage["name"])):
            table.add_row(*_stage_cells(list(group)))
    return table


def _stage_cells(stages: list[Stage]) -> Iterator[str]:
    """Yield a row: the sums over the stages, and the averages of the last one."""
    first, last = stages[0], stages[-1]
    steps = sum(stage["step"] - stage["start_step"] for stage in stages if stage["kind"] != "minimize")
    times = [stage["wall_seconds"] for stage in stages if stage["wall_seconds"] is not None]
    yield f"  {first['name']}" if first is last else f"  {first['name']} … {last['name'].rsplit('_', 1)[1]}"
    yield f"{steps:,}" if steps else ""
    yield duration(sum(times)) if times else ""
    for key, form in (("ns_per_day", ".2f"), *((key, form) for key, _, form in _AVERAGES)):
        value = last.get(key)
        yield "" if value is None else format(value, form)


def _table(title: str, headings: Iterable[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(title, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


# -- results -------------------------------------------------------------------------------------------------


def _result_table(runs: Mapping[str, Mapping[str, Any]]) -> Table:
    rows: dict[str, dict[str, str]] = {}
    for label, run in runs.items():
        for name, cell in _result_cells(run):
            rows.setdefault(name, {})[label] = cell
    table = _table("Results", runs)
    for name, cells in rows.items():
        table.add_row(name, *(cells.get(label, "") for label in runs))
    return table


def _result_cells(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and value of each result that the run has."""
    if "populations" in run:
        yield from _population_cells(run["populations"].get_dict())
    if "transitions" in run and "equilibration" in run:
        verdict = run["equilibration"].get_dict()
        yield from _exchange_cells(run["transitions"].get_dict(), verdict)
        if "barrier" in run:
            yield from _barrier_cells(run["barrier"].get_dict(), verdict["decided_by"])
        if "displacement_variance" in run:
            yield from _mobility_cells(run["displacement_variance"].base.attributes.all, verdict["decided_by"])
    if "charge_integral" in run:
        found = run["charge_integral"].base.attributes.all
        changes = [found.get(f"sign_changes_{side}_electrolyte") for side in ("left", "right")]
        if None not in changes:
            yield "charge reversals outside, left / right", " / ".join(map(str, changes))


def _population_cells(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    ions = [key[2:-5] for key in found if key.startswith("n_") and key.endswith("_bulk")]
    for region, name in (("excess", "excess"), ("layer", "1st layer")):
        for ion in ions:
            if (number := found.get(f"n_{ion}_{region}")) is not None:
                written = ion.capitalize() if len(ion) <= 2 else ion.upper()  # Li, but TFSI
                yield f"N({written} {name})", _with_error(number, found.get(f"n_{ion}_{region}_error"))


def _exchange_cells(transitions: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for ion in found["decided_by"]:
        for direction in ("in", "out"):
            yield f"S_{direction} ({ion})", str(transitions[f"s_{direction}_{ion.lower()}_ceramic"])
    yield "EC (lower bound)", f"{found['ec']:.2f} (≥ {found['ec_lower_bound']:.2f})"
    if (bound := found["rate_upper_bound_per_s"]) is not None:
        yield "entries per second", f"< {bound:.2g}"
    yield "equilibrated", "yes" if found["equilibrated"] else "no"


def _barrier_cells(found: Mapping[str, Any], ions: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each barrier with its error, or its bound: of both sides together, else of each side."""
    for ion in ions:
        for sides in ({"": ""}, {"_left": ", left", "_right": ", right"}):
            cells = []
            for suffix, side in sides.items():
                key = f"barrier_{ion.lower()}{suffix}"
                error, bound = found.get(f"{key}_error_K"), found.get(f"{key}_lower_bound_K")
                if error is not None:
                    cells.append((f"barrier of {ion}{side} (K)", f"{found[f'{key}_K']:.0f} ± {error:.0f}"))
                elif bound is not None:
                    cells.append((f"barrier of {ion}{side} (K)", f"> {bound:.0f}"))
            if cells:
                yield from cells
                break
        if (kappa := found.get(f"kappa_{ion.lower()}")) is not None:
            low, high = found[f"kappa_{ion.lower()}_interval"]
            yield f"κ of {ion}", f"{kappa:.2g} ({low:.2g} to {high:.2g})"


def _mobility_cells(found: Mapping[str, Any], ions: Iterable[str]) -> Iterator[tuple[str, str]]:
    for ion in ions:
        for layer, name in (("layer_right", "1st layer"), ("inside", "in the ceramic")):
            key = f"variance_{ion.lower()}_{layer}_x"
            if (value := found.get(f"{key}_A2")) is not None:
                title = f"Var(Δx) of {ion}, {name}, {found['lags_ps'][0]:g} ps (Å²)"
                yield title, _with_error(value, found[f"{key}_error_A2"])


def _with_error(number: float, error: float | None) -> str:
    return f"{number:.2f}" if error is None else f"{number:.2f} ± {error:.2f}"


# -- a validation --------------------------------------------------------------------------------------------


def check_table(checks: Iterable[Mapping[str, Any]]) -> Table:
    """Return the checks of a validation, run by run: known value, found value and its interval."""
    table = Table(title="Known and found", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("run", "quantity"):
        table.add_column(heading, no_wrap=True)
    for heading in ("known", "found", "from", "to"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for run, group in groupby(checks, key=lambda check: check["run"]):
        for number, check in enumerate(group):
            values = [_number(check[name]) for name in ("expected", "found", "low", "high")]
            mark = "[green]✓[/]" if check["holds"] else "[bold red]✗[/]"
            unit = f" ({check['unit']})" if check["unit"] else ""
            table.add_row("" if number else run, check["quantity"] + unit, *values, mark)
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if abs(value) >= 1e5 or 0 < abs(value) < 1e-3 else f"{value:.4g}"
