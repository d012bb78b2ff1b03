"""Streaming reader of LAMMPS logs: thermo series, stages, errors, and the progress of a run.

The log may end anywhere, contain NaN, warnings between rows, or several runs with different columns; no content
raises an exception. A run counts as complete only if the last line of the script reports the target step.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiida_cse.lammps.log.messages import pattern_of

__all__ = [
    "LogReport",
    "Progress",
    "RunTable",
    "StageRecord",
    "classify_error",
    "read_log",
    "read_progress",
    "summarize_stage",
]

#: kinds of failure and the words that LAMMPS uses for them, most specific first
ERROR_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("folder_in_use", re.compile(r"folder in use", re.I)),
    ("disk_full", pattern_of("disk_full")),
    ("out_of_memory", pattern_of("out_of_memory")),
    ("lost_atoms", re.compile(r"Lost atoms|Too many atoms lost", re.I)),
    ("bond_atoms_missing", re.compile(r"(bond|angle|dihedral|improper) atoms? .*missing|bond extent", re.I)),
    ("kspace_out_of_range", re.compile(r"out of range atoms.*(pppm|kspace)", re.I)),
    ("not_a_number", re.compile(r"non-numeric|not a number|\bnan\b", re.I)),
    ("restart_unreadable", re.compile(r"restart file|read_restart", re.I)),
    ("cannot_open", re.compile(r"cannot open|no such file|permission denied|read-only file system", re.I)),
)

_YAML_ROW = re.compile(r"^\s*- \[(.*)\]\s*$")
_BROKEN_ROW = re.compile(r"^[\s\d.,eE+\-\[]+ERROR(: | on proc)")
_QUOTED = re.compile(r"'([^']*)'")
_FIELD = re.compile(r"([a-z_]+)=(\S+)")
_LOOP = re.compile(r"^Loop time of (\S+) on \d+ procs for (\d+) steps")
_RESTART = re.compile(r"restart\.(\d+)")
_GRID = re.compile(r"^(\d+) by (\d+) by (\d+) MPI processor grid$")
_THREADS = re.compile(r"^(?:using|set) (\d+) OpenMP thread\(s\) per MPI task$")
_ACCELERATOR = re.compile(r"^(KOKKOS mode|- Using acceleration for|Using .*accelerator)", re.I)
_KEYWORDS = {"poteng": "pe", "kineng": "ke", "toteng": "etotal", "volume": "vol"}
_TIMEOUT = "Wall time limit reached"
#: thermo columns that are averaged, and the keys of the averages
_AVERAGES = {
    "temp": "temperature_K",
    "press": "pressure_atm",
    "density": "density_g_cm3",
    "lx": "lx_A",
    "ly": "ly_A",
    "lz": "lz_A",
}


@dataclass
class RunTable:
    """Thermo rows of a stage, or of one run outside stages; columns are named by their thermo keyword."""

    columns: tuple[str, ...]
    stage: str | None
    rows: list[tuple[float, ...]] = field(default_factory=list)


@dataclass
class StageRecord:
    """Log entries of one stage; ``step`` is the last step that it is known to have reached."""

    name: str
    kind: str
    start: int
    target: int
    first_step: int
    step: int
    timestep_fs: float | None = None
    ended: bool = False
    wall_seconds: float | None = None
    steps_run: int = 0

    @property
    def ns_per_day(self) -> float | None:
        """Speed over all runs of the stage; None for a minimisation or if unknown."""
        if not self.wall_seconds or self.timestep_fs is None or self.kind == "minimize":
            return None
        return self.steps_run * self.timestep_fs * 1e-6 / self.wall_seconds * 86400

    @property
    def complete(self) -> bool:
        """Whether the stage reported that it reached its target."""
        return self.ended and self.step >= self.target


@dataclass
class LogReport:
    """Content of a log.

    ``ended`` is true if LAMMPS itself terminated, at whichever step. ``ranks`` is the number of MPI processes;
    ``accelerated`` is the line that reports threads or a GPU. ``culprit`` is the line after the error that quotes
    the failed command.
    """

    version: str | None = None
    ranks: int | None = None
    accelerated: str | None = None
    tables: list[RunTable] = field(default_factory=list)
    stages: list[StageRecord] = field(default_factory=list)
    restarts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str | None = None
    culprit: str | None = None
    timed_out: bool = False
    ended: bool = False
    finished_step: int | None = None

    @property
    def last_step(self) -> int | None:
        """Last step seen in a stage or, without stages, in a table; None if there is none."""
        steps = [record.step for record in self.stages] or [
            int(table.rows[-1][0]) for table in self.tables if table.rows and math.isfinite(table.rows[-1][0])
        ]
        return max(steps) if steps else None

    def seconds_per_step(self, steps: int = 1) -> float | None:
        """Return the wall time of ``steps`` steps of the last dynamics stage, s; None if unknown."""
        for stage in reversed(self.stages):
            if stage.kind != "minimize" and stage.wall_seconds and stage.steps_run:
                return stage.wall_seconds / stage.steps_run * steps
        return None

    def reached(self, target: int) -> bool:
        """Return whether the log proves that the run reached step ``target`` without an error.

        The last line of the script must report the step, and no started stage may contradict it. A log without
        stages but with its first line belongs to a job that had nothing left to do.
        """
        if self.error is not None or self.finished_step is None or self.finished_step < target:
            return False
        if not self.stages and self.version is None:
            return False
        return all(stage.complete for stage in self.stages) and self.last_step in (None, self.finished_step)

    def not_a_number(self) -> tuple[str, int] | None:
        """Return column and step of the first value that is not finite; None if all are finite."""
        for table in self.tables:
            for row in table.rows:
                for column, value in zip(table.columns, row, strict=True):
                    if not math.isfinite(value):
                        return column, int(row[0]) if math.isfinite(row[0]) else -1
        return None


def classify_error(line: str) -> str:
    """Return the kind of failure in a LAMMPS error line: a key of :data:`ERROR_PATTERNS` or ``other``."""
    return next((kind for kind, pattern in ERROR_PATTERNS if pattern.search(line)), "other")


def read_log(lines: Iterable[str]) -> LogReport:
    """Read a log line by line; no content raises an exception."""
    reader = _Reader()
    for line in lines:
        reader.feed(line)
    return reader.report


def _finite(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _integer(text: str | None) -> int | None:
    value = _finite(text)
    return None if value is None else int(value)


class _Reader:
    """State of the reading: the report so far and the open table."""

    def __init__(self) -> None:
        self.report = LogReport()
        self._table: RunTable | None = None
        self._plain = False
        self._events = {
            "CSE ": self._cse,
            "LAMMPS (": self._machine,
            "ERROR": self._complaint,
            "WARNING": self._complaint,
            "keywords:": lambda line: self._open(tuple(_QUOTED.findall(line)), plain=False),
            "Loop time of": self._timing,
            "Total wall time:": self._timing,
            "using ": self._machine,
            "set ": self._machine,
            "Last ": self._complaint,
        }

    def feed(self, raw: str) -> None:
        whole = raw.endswith("\n")
        # after a crash of the node, the end of the file may consist of zeros
        line = raw.rstrip("\n").replace("\0", "")
        text = line.lstrip()
        event = next((prefix for prefix in self._events if text.startswith(prefix)), None)
        if event is not None:
            # a truncated sentinel line proves nothing
            if whole or event in ("ERROR", "LAMMPS ("):
                self._events[event](text)
        elif text.startswith("Step ") or text == "Step":
            self._open(tuple(text.split()), plain=True)
        elif whole and self._table is not None:
            self._row(line)
        elif whole:
            self._machine(text.rstrip())

    def _open(self, columns: tuple[str, ...], *, plain: bool) -> None:
        stage = self._open_stage()
        keywords = (_KEYWORDS.get(column.lower(), column.lower()) for column in columns)
        self._plain = plain
        self._table = RunTable(columns=tuple(keywords), stage=stage.name if stage else None)
        last = self.report.tables[-1] if self.report.tables else None
        if last and stage and (last.stage, last.columns) == (self._table.stage, self._table.columns):
            self._table = last
        else:
            self.report.tables.append(self._table)

    def _row(self, line: str) -> None:
        match = _YAML_ROW.match(line)
        if match is None and _BROKEN_ROW.match(line):
            # another process failed while the first one wrote the row
            self._complaint(line[line.index("ERROR") :])
        if self._table is None or (match is None and not self._plain):
            return
        words = match.group(1).replace(",", " ").split() if match else line.split()
        try:
            row = tuple(float(word) for word in words)
        except ValueError:
            return
        if not row or len(row) != len(self._table.columns):
            return
        stage = self._open_stage()
        repeats = stage is not None and self._table.rows and self._table.rows[-1][0] == row[0]
        if repeats and all(map(math.isfinite, row)):
            return  # the first row of a run repeats the last row of the run before
        self._table.rows.append(row)
        if stage is not None and stage.kind != "minimize" and math.isfinite(row[0]):
            stage.step = max(stage.step, int(row[0]))

    def _open_stage(self) -> StageRecord | None:
        stages = self.report.stages
        return stages[-1] if stages and not stages[-1].ended else None

    def _cse(self, line: str) -> None:
        fields = dict(_FIELD.findall(line))
        step, stage = _integer(fields.get("step")), self._open_stage()
        if "begin" in fields:
            self._begin(fields)
        elif "end" in fields:
            if stage is not None and stage.name == fields["end"] and step is not None:
                stage.step, stage.ended = step, True
        elif "restart" in fields:
            self.report.restarts.append(fields["restart"])
            match = _RESTART.fullmatch(fields["restart"])
            if match and stage is not None:
                stage.step = max(stage.step, int(match.group(1)))
        elif line.startswith("CSE finished") and fields.get("timeout") in ("0", "1"):
            self.report.finished_step = step
            self.report.timed_out |= fields["timeout"] == "1"

    def _begin(self, fields: dict[str, str]) -> None:
        start, target, step = (_integer(fields.get(key)) for key in ("start", "target", "step"))
        if start is None or target is None or step is None:
            return
        self._table = None
        self.report.stages.append(
            StageRecord(
                name=fields["begin"],
                kind=fields.get("kind", ""),
                start=start,
                target=target,
                first_step=step,
                step=step,
                timestep_fs=_finite(fields.get("timestep_fs")),
            )
        )

    def _machine(self, line: str) -> None:
        """Read the version of LAMMPS, the number of MPI processes, and a line on threads or a GPU."""
        grid, threads = _GRID.match(line), _THREADS.match(line.rstrip())
        if line.startswith("LAMMPS ("):
            self.report.version = self.report.version or line[len("LAMMPS (") :].split(")", 1)[0]
        elif grid and self.report.ranks is None:
            self.report.ranks = math.prod(map(int, grid.groups()))
        elif _ACCELERATOR.match(line) or (threads and int(threads.group(1)) > 1):
            self.report.accelerated = self.report.accelerated or line.strip()

    def _complaint(self, line: str) -> None:
        """Read an error, of which the first counts, the command that LAMMPS quotes below it, or a warning."""
        report = self.report
        if line.startswith("ERROR"):
            report.error = report.error or line.strip()
        elif line.startswith("Last "):
            if report.error is not None and report.culprit is None:
                report.culprit = line.strip()
        else:
            report.timed_out |= _TIMEOUT in line
            if line not in report.warnings:
                report.warnings.append(line)

    def _timing(self, line: str) -> None:
        """Read the time and the steps of a run, whose table ends here, or the end of the log.

        The times of several runs of a stage add up.
        """
        if line.startswith("Total wall time:"):
            self.report.ended = True
            return
        match, stage = _LOOP.match(line), self._open_stage()
        seconds = _finite(match.group(1)) if match else None
        if match and seconds is not None and stage is not None:
            stage.wall_seconds = (stage.wall_seconds or 0.0) + seconds
            stage.steps_run += int(match.group(2))
        self._table = None


def summarize_stage(record: StageRecord, tables: list[RunTable]) -> dict[str, Any]:
    """Return the record of a stage as a dictionary, with averages over the second half of its thermo rows.

    An average over values that are not all finite is None.
    """
    summary: dict[str, Any] = {
        "name": record.name,
        "kind": record.kind,
        "start_step": record.start,
        "target_step": record.target,
        "first_step": record.first_step,
        "step": record.step,
        "complete": record.complete,
        "wall_seconds": record.wall_seconds,
        "ns_per_day": record.ns_per_day,
    }
    table = next((t for t in reversed(tables) if t.stage == record.name and t.rows), None)
    if table is not None and record.kind != "minimize":
        late = table.rows[len(table.rows) // 2 :]
        for column, key in _AVERAGES.items():
            if column in table.columns:
                values = [row[table.columns.index(column)] for row in late]
                finite = all(map(math.isfinite, values))
                summary[key] = math.fsum(value / len(values) for value in values) if finite else None
    return summary


@dataclass(frozen=True)
class Progress:
    """Running stage with its step and target, its speed, and the remaining time in s."""

    stage: str
    step: int
    start: int
    target: int
    ns_per_day: float | None
    seconds_left: float | None


def read_progress(log: str, elapsed: float | None = None, timestep_fs: float = 2.0) -> Progress | None:
    """Return the progress of a running job, or None before its first stage.

    Parameters
    ----------
    log
        Text of the log so far.
    elapsed
        Time since the start of the running stage in s, if known; gives the speed and the remaining time.
    timestep_fs
        Timestep of the running stage, fs.
    """
    report = read_log(log.splitlines(keepends=True))
    if not report.stages:
        return None
    stage = report.stages[-1]
    done = stage.step - stage.first_step
    rate = done / elapsed if elapsed and done > 0 else None
    return Progress(
        stage=stage.name,
        step=stage.step,
        start=stage.start,
        target=stage.target,
        ns_per_day=rate * timestep_fs * 1e-6 * 86400 if rate else stage.ns_per_day,
        seconds_left=(stage.target - stage.step) / rate if rate else None,
    )
