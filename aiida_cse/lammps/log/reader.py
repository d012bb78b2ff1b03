"""Streaming reader of LAMMPS logs: thermo series, stages, errors, and how far the run really came.

It reads a log that ends anywhere, holds NaN, warnings between rows or several runs with other columns, and
never raises on content. A run counts as complete only if the last line of the script reports the target step.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LogReport", "RunTable", "StageRecord", "classify_error", "parse_fields", "read_log"]

#: kinds of failure and the words that LAMMPS has for them, most specific first
ERROR_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("folder_in_use", re.compile(r"folder in use", re.I)),
    ("disk_full", re.compile(r"no space left|disk quota exceeded|file too large|short write", re.I)),
    (
        "out_of_memory",
        re.compile(r"failed to (re)?allocate|out[ -]of[ -]memory|cannot allocate memory|bad_alloc", re.I),
    ),
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


@dataclass
class RunTable:
    """The thermo rows of a stage, or of one run outside of stages; columns are named by their keyword."""

    columns: tuple[str, ...]
    stage: str | None
    rows: list[tuple[float, ...]] = field(default_factory=list)


@dataclass
class StageRecord:
    """What the log says of one stage; ``step`` is the last step it is known to have reached."""

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
        """The speed over all runs of the stage, None for a minimisation or if it is not known."""
        if not self.wall_seconds or self.timestep_fs is None or self.kind == "minimize":
            return None
        return self.steps_run * self.timestep_fs * 1e-6 / self.wall_seconds * 86400

    @property
    def complete(self) -> bool:
        """Whether the stage itself reported that it reached its target."""
        return self.ended and self.step >= self.target


@dataclass
class LogReport:
    """All that was found in a log; ``ended`` says that LAMMPS itself ended, wherever the run then was.

    ``ranks`` is the number of MPI processes; ``accelerated`` is the line that tells of threads or a GPU.
    """

    version: str | None = None
    ranks: int | None = None
    accelerated: str | None = None
    tables: list[RunTable] = field(default_factory=list)
    stages: list[StageRecord] = field(default_factory=list)
    restarts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str | None = None
    timed_out: bool = False
    ended: bool = False
    finished_step: int | None = None

    @property
    def error_kind(self) -> str | None:
        """The kind of the error (a key of :data:`ERROR_PATTERNS` or ``other``), None without one."""
        return None if self.error is None else classify_error(self.error)

    @property
    def last_step(self) -> int | None:
        """The last step seen in a stage or, without stages, in a table; None if there is none."""
        steps = [record.step for record in self.stages] or [
            int(table.rows[-1][0]) for table in self.tables if table.rows and math.isfinite(table.rows[-1][0])
        ]
        return max(steps) if steps else None

    def seconds_per_step(self, steps: int = 1) -> float | None:
        """Return the wall time of ``steps`` steps of the last stage of dynamics; None if it is not known."""
        for stage in reversed(self.stages):
            if stage.kind != "minimize" and stage.wall_seconds and stage.steps_run:
                return stage.wall_seconds / stage.steps_run * steps
        return None

    def reached(self, target: int) -> bool:
        """Whether the run proved that it reached step ``target`` without an error.

        The last line of the script says so, and no stage that began says otherwise. A log without stages is of a
        job that found nothing left to do, if it has its beginning.
        """
        if self.error is not None or self.finished_step is None or self.finished_step < target:
            return False
        if not self.stages and self.version is None:
            return False
        return all(stage.complete for stage in self.stages) and self.last_step in (None, self.finished_step)

    def not_a_number(self) -> tuple[str, int] | None:
        """Return the first column and step with a value that is no finite number, or None."""
        for table in self.tables:
            for row in table.rows:
                for column, value in zip(table.columns, row, strict=True):
                    if not math.isfinite(value):
                        return column, int(row[0]) if math.isfinite(row[0]) else -1
        return None


def classify_error(line: str) -> str:
    """Return the kind of failure that an error line of LAMMPS tells of."""
    return next((kind for kind, pattern in ERROR_PATTERNS if pattern.search(line)), "other")


def parse_fields(line: str) -> dict[str, str]:
    """Return the ``key=value`` fields of a ``CSE`` line."""
    return dict(_FIELD.findall(line))


def read_log(lines: Iterable[str]) -> LogReport:
    """Read a log line by line; never raises on what the lines hold."""
    reader = _Reader()
    for line in lines:
        reader.feed(line)
    return reader.report


def _integer(text: str | None) -> int | None:
    try:
        return int(float(text)) if text is not None else None
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _finite(text: str) -> float | None:
    value = _number(text)
    return value if value is not None and math.isfinite(value) else None


def _keyword(heading: str) -> str:
    """Return the keyword of ``thermo_style custom`` that stands under a heading."""
    name = heading.lower()
    return _KEYWORDS.get(name, name)


class _Reader:
    """The state of reading: the open table and the open stage."""

    def __init__(self) -> None:
        self.report = LogReport()
        self._table: RunTable | None = None
        self._plain = False
        self._events: tuple[tuple[str, Callable[[str], None]], ...] = (
            ("CSE ", self._cse),
            ("LAMMPS (", self._version),
            ("ERROR", self._error),
            ("WARNING", self._warning),
            ("keywords:", self._yaml_header),
            ("Loop time of", self._loop),
            ("Total wall time:", self._end),
            ("using ", self._threads),
            ("set ", self._threads),
        )

    def feed(self, raw: str) -> None:
        whole = raw.endswith("\n")
        # a node that went down leaves zeros where the end of the file was to be
        line = raw.rstrip("\n").replace("\0", "")
        text = line.lstrip()
        for prefix, handle in self._events:
            if text.startswith(prefix):
                # A sentinel that was cut short proves nothing.
                if whole or prefix in ("ERROR", "LAMMPS ("):
                    handle(text)
                return
        if text.startswith("Step ") or text == "Step":
            self._open(tuple(text.split()), plain=True)
        elif whole and self._table is not None:
            self._row(line)
        elif whole:
            self._machine(text.rstrip())

    def _open(self, columns: tuple[str, ...], *, plain: bool) -> None:
        stage = self.report.stages[-1].name if self.report.stages and not self.report.stages[-1].ended else None
        self._plain = plain
        table = RunTable(columns=tuple(_keyword(column) for column in columns), stage=stage)
        last = self.report.tables[-1] if self.report.tables else None
        if last is not None and stage is not None and (last.stage, last.columns) == (stage, table.columns):
            self._table = last
        else:
            self._table = table
            self.report.tables.append(table)

    def _row(self, line: str) -> None:
        match = _YAML_ROW.match(line)
        if match is None and _BROKEN_ROW.match(line):
            # one process died while the first one wrote the row
            self._error(line[line.index("ERROR") :])
        if self._table is None or (match is None and not self._plain):
            return
        words = match.group(1).replace(",", " ").split() if match else line.split()
        values = [_number(word) for word in words]
        if not values or len(values) != len(self._table.columns) or any(value is None for value in values):
            return
        row = tuple(value for value in values if value is not None)
        stage = self._open_stage()
        repeats = stage is not None and self._table.rows and self._table.rows[-1][0] == row[0]
        if repeats and all(map(math.isfinite, row)):
            return  # the first row of a run repeats the last one of the run before
        self._table.rows.append(row)
        if stage is not None and stage.kind != "minimize" and math.isfinite(row[0]):
            stage.step = max(stage.step, int(row[0]))

    def _open_stage(self) -> StageRecord | None:
        stages = self.report.stages
        return stages[-1] if stages and not stages[-1].ended else None

    def _cse(self, line: str) -> None:
        fields = parse_fields(line)
        if "begin" in fields:
            self._begin(fields)
        elif "end" in fields:
            stage, step = self._open_stage(), _integer(fields.get("step"))
            if stage is not None and stage.name == fields["end"] and step is not None:
                stage.step, stage.ended = step, True
        elif "restart" in fields:
            self._checkpoint(fields["restart"])
        elif line.startswith("CSE finished") and fields.get("timeout") in ("0", "1"):
            self.report.finished_step = _integer(fields.get("step"))
            self.report.timed_out |= fields.get("timeout") == "1"

    def _checkpoint(self, name: str) -> None:
        self.report.restarts.append(name)
        match, stage = _RESTART.fullmatch(name), self._open_stage()
        if match and stage is not None:
            stage.step = max(stage.step, int(match.group(1)))

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
                timestep_fs=_finite(fields.get("timestep_fs", "")),
            )
        )

    def _threads(self, line: str) -> None:
        match = _THREADS.match(line.rstrip())
        if match and int(match.group(1)) > 1:
            self.report.accelerated = self.report.accelerated or line.strip()

    def _machine(self, line: str) -> None:
        grid = _GRID.match(line)
        if grid and self.report.ranks is None:
            self.report.ranks = math.prod(map(int, grid.groups()))
        elif _ACCELERATOR.match(line):
            self.report.accelerated = self.report.accelerated or line

    def _version(self, line: str) -> None:
        self.report.version = self.report.version or line[len("LAMMPS (") :].split(")", 1)[0]

    def _error(self, line: str) -> None:
        self.report.error = self.report.error or line.strip()

    def _warning(self, line: str) -> None:
        if _TIMEOUT in line:
            self.report.timed_out = True
        if line not in self.report.warnings:
            self.report.warnings.append(line)

    def _yaml_header(self, line: str) -> None:
        self._open(tuple(_QUOTED.findall(line)), plain=False)

    def _loop(self, line: str) -> None:
        match, stage = _LOOP.match(line), self._open_stage()
        seconds = _finite(match.group(1)) if match else None
        if match and seconds is not None and stage is not None:
            stage.wall_seconds = (stage.wall_seconds or 0.0) + seconds
            stage.steps_run += int(match.group(2))
        self._table = None

    def _end(self, _: str) -> None:
        self.report.ended = True


def summarize_stage(record: StageRecord, tables: list[RunTable]) -> dict[str, Any]:
    """Return the record of a stage as a dictionary, with averages over the second half of its thermo rows."""
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
                index = table.columns.index(column)
                summary[key] = _mean([row[index] for row in late])
    return summary


def _mean(values: list[float]) -> float | None:
    """Return the mean, None if there is no finite one."""
    if not all(map(math.isfinite, values)):
        return None
    return math.fsum(value / len(values) for value in values)


_AVERAGES = {
    "temp": "temperature_K",
    "press": "pressure_atm",
    "density": "density_g_cm3",
    "lx": "lx_A",
    "ly": "ly_A",
    "lz": "lz_A",
}
