"""Tables of results: stages and results of a study or a single run, its time, and the checks of a validation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from aiida.orm import ProcessNode
from rich import box
from rich.console import Console
from rich.table import Table

from aiida_cse.analysis.kinetics import conclusions
from aiida_cse.analysis.registry import observables
from aiida_cse.analysis.starts import starts_lines
from aiida_cse.cli.display.observables import column_table, criteria, result_table
from aiida_cse.cli.display.progress import LAMMPS, duration
from aiida_cse.lammps.job.script import LOG
from aiida_cse.report.process_tree import ProcessTree

__all__ = ["TimeShare", "check_table", "has_results", "print_results", "time_share"]

Stage = Mapping[str, Any]

_STUDY = "aiida.workflows:cse.study"
#: processes of one run, whose results are their own outputs
_SINGLE = ("aiida.workflows:cse.production", "aiida.workflows:cse.analysis")
#: created at the start of a job, and empty unless something fails
_STARTED = "_scheduler-stdout.txt"


def has_results(node: ProcessNode) -> bool:
    """Return whether the process is a terminated study, production or analysis with at least one run to show."""
    if not node.is_terminated:
        return False
    if node.process_type == _STUDY:
        return "runs" in node.outputs
    return node.process_type in _SINGLE and "equilibration" in node.outputs


def print_results(node: ProcessNode, console: Console) -> None:
    """Print the tables of a process, the criteria of each run, its kinetics, and where its time went."""
    if "stages" in node.outputs:
        console.print(_stage_table(node))
    if node.process_type == _STUDY:
        runs = dict(sorted(node.outputs.runs.items()))
    else:
        runs = {f"{node.outputs.equilibration.base.attributes.get('temperature_K'):g} K": node.outputs}
    found = {
        label: {name: run[name].base.attributes.all for name in observables() if name in run}
        for label, run in runs.items()
    }
    console.print(result_table(found))
    for label, results in found.items():
        if "equilibration" in results:
            for line in criteria(label, results["equilibration"]):
                console.print(line, soft_wrap=True)
    for line in _joint_lines(node):
        console.print(line, soft_wrap=True)
    share = time_share(node)
    if share is not None:
        percent = 100 * share.program_seconds / share.seconds
        console.print(
            f"{share.jobs} LAMMPS jobs took {duration(share.seconds)}: {percent:.0f} % in LAMMPS, "
            f"the rest in orchestration, {share.overhead_per_job:.1f} s per job",
            soft_wrap=True,
        )


def _joint_lines(node: ProcessNode) -> Iterator[str]:
    """Yield the conclusions of a study from several runs: of those with different starts, and of its kinetics."""
    if "starts" in node.outputs:
        for _, starts in sorted(node.outputs.starts.items()):
            yield from starts_lines(starts.get_dict())
    if "kinetics" in node.outputs:
        yield from conclusions(node.outputs.kinetics.get_dict())


# -- time ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TimeShare:
    """Total time of the LAMMPS jobs of a process, and the part in which their programs ran, s."""

    jobs: int
    seconds: float
    program_seconds: float

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
    table = column_table("Stages", ("steps", "time", "ns/day", *(heading for _, heading, _ in _AVERAGES)))
    stages = node.outputs.stages
    parts = stages.items() if node.process_type == _STUDY else [("production", stages)]
    for part, records in sorted(parts, key=lambda item: item[1].ctime):
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


# -- a validation --------------------------------------------------------------------------------------------


def check_table(checks: Iterable[Mapping[str, Any]], not_checked: Sequence[str] = ()) -> Table:
    """Return the checks of a validation, run by run: known value, found value and its interval.

    ``not_checked`` names what a validation of an earlier version has no results for.
    """
    table = Table(title="Known and found", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    if not_checked:
        table.caption, table.caption_justify = f"not checked: {', '.join(not_checked)}", "left"
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
