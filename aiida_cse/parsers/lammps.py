"""Parser of the LAMMPS CalcJob: thermo series, stage records and the outcome of the run."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.analysis.registry import Documented
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.job.continuity import Deviation, deviation, inexact_reason, trajectory_error
from aiida_cse.lammps.job.records import (
    COMPRESSED_LOG,
    END_RECORD,
    START_RECORD,
    EndRecord,
    StartRecord,
    read_record,
)
from aiida_cse.lammps.job.script import FINAL_DATA, LOG, SHOTS
from aiida_cse.lammps.log.outcome import Outcome, diagnose, did_not_start, judge, last_words
from aiida_cse.lammps.log.reader import LogReport, read_log, summarize_stage
from aiida_cse.lammps.log.shots import Shot, missing_shots, read_shots, shot_arrays
from aiida_cse.lammps.protocol.production import PRODUCTION
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.parsers.build import output_lines, report_lines
from aiida_cse.physics.periodic import find_contacts

__all__ = ["RESULTS", "LammpsStageParser"]

#: label of the exit code of each kind of outcome
EXIT_CODE_OF_OUTCOME = {
    "folder_in_use": "ERROR_FOLDER_IN_USE",
    "disk_full": "ERROR_DISK_FULL",
    "out_of_memory": "ERROR_OUT_OF_MEMORY",
    "lost_atoms": "ERROR_LOST_ATOMS",
    "bond_atoms_missing": "ERROR_BOND_ATOMS_MISSING",
    "kspace_out_of_range": "ERROR_KSPACE_OUT_OF_RANGE",
    "not_a_number": "ERROR_NOT_A_NUMBER",
    "restart_unreadable": "ERROR_RESTART_UNREADABLE",
    "cannot_open": "ERROR_CANNOT_OPEN",
    "other": "ERROR_LAMMPS",
    "timed_out": "ERROR_OUT_OF_WALLTIME",
    "too_slow": "ERROR_WALLTIME_TOO_SHORT",
    "time_limit": "ERROR_INTERRUPTED",
    "segmentation_fault": "ERROR_SEGMENTATION_FAULT",
    "mpi_abort": "ERROR_MPI_ABORT",
    "interrupted": "ERROR_INTERRUPTED",
}
#: outcomes for which an exit code of the scheduler takes precedence, because it is more specific
OF_THE_MACHINE = ("interrupted", "time_limit", "out_of_memory", "segmentation_fault", "mpi_abort")
#: exit code of aiida-core for a job that the scheduler ended at its wall time
OUT_OF_WALLTIME = 120
#: outcomes that overlapping atoms or a long timestep cause
BREAKDOWNS = ("lost_atoms", "bond_atoms_missing", "kspace_out_of_range", "not_a_number")
#: signals by which somebody else ends a program
_KILLED = ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT")

#: steps after the start of a run within which a breakdown points to its starting system or its timestep
_EARLY_STEPS = 1000
#: distance below which atoms of two molecules, or of one, overlap, Å
_OVERLAP, _OVERLAP_IN_MOLECULE = 1.0, 0.6

#: bytes at the end of the job's output that are read
_TAIL = 2**16


RESULTS = Documented(
    "results",
    "Result of one LAMMPS job (`cse.lammps`), also of a failed one.",
    {
        "step": ("", "Step reached"),
        "first_step": ("", "Step at which it started"),
        "target_step": ("", "Step that proves completion"),
        "complete": ("", "Whether its last line reports the target step"),
        "timed_out": ("", "Whether the wall time stopped it"),
        "error": ("", "The error message of LAMMPS or of the machine, null without one"),
        "stages": ("", "Its stages, see below `stages`"),
        "wall_seconds": ("s", "Time of LAMMPS"),
        "ns_per_day": ("ns/day", "Speed of the last stage"),
        "seconds_per_checkpoint": (
            "s",
            "Wall time between checkpoints, which the wall-time limit must exceed; null if unknown",
        ),
        "lammps_version": ("", "Version of LAMMPS"),
        "ranks": ("", "Number of MPI processes"),
        "warnings": ("", "The first 20 warnings"),
        "restart_file": (
            "",
            (
                "Checkpoint from which it continued, `none` for a start from step 0, null if the job did not get "
                "that far"
            ),
        ),
        "restart_sha256": ("", "Its SHA-256"),
        "restart_unreadable": ("", "Newer checkpoints that LAMMPS could not read"),
        "ended_processes": (
            "",
            "Number of processes of earlier jobs of the run that were still alive and were ended",
        ),
        "exact": (
            "",
            (
                "Whether, as far as the job can tell, the run is identical, bit for bit, to an uninterrupted one; "
                "see [exactness](../science/exactness.md)"
            ),
        ),
        "exact_reason": ("", "If not, the reason in one sentence"),
        "host": ("", "Name of the machine on which its script ran"),
        "restart_damaged": (
            "",
            (
                "Whether its first row differs by more than rounding from the row that the job before wrote at "
                "that checkpoint"
            ),
        ),
        "files_before": ("", "Of each trajectory of an earlier job that was killed: `sha256` and `bytes`"),
        "files": (
            "",
            (
                "Of each file left in its folder (trajectories, final.data, restart files): `sha256` and `bytes`; "
                "empty for a job that was killed"
            ),
        ),
    },
)


class LammpsStageParser(Parser):
    """Read the log, store its results, and accept a run as finished only if the log proves it."""

    def parse(self, retrieved_temporary_folder: str | None = None, **_: Any) -> ExitCode | None:
        """Attach the outputs and return the exit code; a killed run never succeeds."""
        said = list(self._said(retrieved_temporary_folder))
        report = self._log(retrieved_temporary_folder)
        if report is None:
            return self._without_log(said)
        if "plan" not in self.node.inputs:
            self.out("results", orm.Dict({"error": report.error, "lammps_version": report.version}))
            return self._exit_code(judge(report, None, said), report, "the end of the script", said)
        plan = self._plan()
        start = self._record(StartRecord, START_RECORD)
        exact = plan.one_trajectory and inexact_reason(start, report, plan) is None
        # the first state of a job that continues exactly must be the checkpointed one
        deviates = deviation(start, report) if exact else None
        shots = self._shots(plan)
        outcome: Outcome | None
        if deviates is not None and deviates.damaged:
            outcome = Outcome("restart_unreadable", deviates.words)
        else:
            outcome = judge(report, plan.target_step, said)
            info, end = self.node.inputs.system.info, self._record(EndRecord, END_RECORD)
            ions = info.atoms_of(info.ion_types()) if plan.writes_ions else 0
            missing = trajectory_error(plan, report, info.natoms, end, ions) or missing_shots(plan, report, shots)
            if outcome is None and missing is not None:
                outcome = Outcome("disk_full", missing)
        self.out("results", orm.Dict(self._results(report, plan, outcome, deviates)))
        if any(table.rows for table in report.tables):
            self.out("thermo", thermo_arrays(report))
        if shots:
            numbers = {record.name: number for number, record in enumerate(report.stages)}
            self.out("shots", orm.ArrayData(shot_arrays(plan, shots, numbers)))
        if outcome is not None:
            if outcome.kind in BREAKDOWNS and (start is None or start.restart in ("", "none")):
                outcome = replace(outcome, error=outcome.error + self._early_breakdown(plan, report))
            return self._exit_code(outcome, report, plan.target_step, said)
        return self._final_system(plan, retrieved_temporary_folder)

    def _log(self, folder: str | None) -> LogReport | None:
        """Return the content of the log; None if LAMMPS wrote none.

        The whole log is in the temporary ``folder``. Jobs of earlier versions and of a user's own script have it
        among the retrieved files. That which the epilogue has compressed may lack the thermo rows.
        """
        stored, whole = self.retrieved.base.repository, Path(folder or ".") / LOG
        with ExitStack() as stack:
            handle: Any
            if folder is not None and whole.is_file():
                handle = stack.enter_context(whole.open("rb"))
            elif LOG in (names := stored.list_object_names()):
                handle = stack.enter_context(stored.open(LOG, "rb"))
            elif COMPRESSED_LOG in names:
                packed = stack.enter_context(stored.open(COMPRESSED_LOG, "rb"))
                handle = stack.enter_context(gzip.open(packed))
            else:
                return None
            lines = stack.enter_context(io.TextIOWrapper(handle, encoding="utf-8", errors="replace"))
            return read_log(_readable(lines))

    def _without_log(self, said: list[str]) -> ExitCode:
        """Return the exit code of a job without a log: LAMMPS could not start, or the job was ended before."""
        outcome, end = diagnose(said), self._record(EndRecord, END_RECORD)
        words = last_words(said)
        if outcome is not None and outcome.kind not in OF_THE_MACHINE:
            label = EXIT_CODE_OF_OUTCOME[outcome.kind]
            target = "its last step" if "plan" not in self.node.inputs else self._plan().target_step
            return self._code(label, error=outcome.error, step=0, target=target)
        by_itself = end is not None and end.status != 0 and end.signal not in _KILLED
        out_of_memory = outcome is not None and outcome.kind == "out_of_memory"
        if self.node.exit_status is None and not out_of_memory and (by_itself or did_not_start(said)):
            code = self.node.inputs.code.full_label if "code" in self.node.inputs else "of the job"
            if end is not None:
                words = " | ".join(filter(None, [words, f"exit status {end.status}"]))
            return self._code("ERROR_NOT_STARTED", code=code, error=words)
        return self._failure("ERROR_NO_LOG", words, said=words or "nothing")

    def _early_breakdown(self, plan: JobPlan, report: LogReport) -> str:
        """Return what points to the cause of a breakdown within the first steps of a run; else an empty text."""
        if not report.stages or (report.last_step or 0) - report.stages[0].first_step > _EARLY_STEPS:
            return ""
        stage = next((stage for stage in plan.stages if stage.name == report.stages[-1].name), plan.stages[0])
        pair = closest_atoms(self.node.inputs.system.get_system())
        place = f"{report.last_step} steps after the start, in stage '{stage.name}'"
        start = f"the starting system <{self.node.inputs.system.pk}>"
        if pair is not None:
            return f"; {place}: {pair} in {start}; separate them, or begin with a stage of kind minimize"
        return (
            f"; {place}: no atoms overlap in {start}; a timestep_fs below {stage.timestep_fs:g}, or a stage of "
            "kind minimize before it, may help"
        )

    def _results(
        self, report: LogReport, plan: JobPlan, outcome: Outcome | None, deviates: Deviation | None
    ) -> dict[str, Any]:
        """Return the results: the course of the run from its log, checkpoint and files from the job's records."""
        start, end = self._record(StartRecord, START_RECORD), self._record(EndRecord, END_RECORD)
        reason = inexact_reason(start, report, plan)
        if deviates is not None:
            reason = f"{deviates.words}: another machine or binary, or a damaged file"
        stages = [summarize_stage(record, report.tables) for record in report.stages]
        wall = [stage["wall_seconds"] for stage in stages if stage["wall_seconds"] is not None]
        speeds = [stage["ns_per_day"] for stage in stages if stage["ns_per_day"]]
        return {
            "step": report.finished_step if report.finished_step is not None else report.last_step,
            "first_step": report.stages[0].first_step if report.stages else None,
            "target_step": plan.target_step,
            "complete": outcome is None,
            "timed_out": report.timed_out,
            "error": outcome.error or None if outcome else None,
            "stages": stages,
            "wall_seconds": sum(wall),
            "ns_per_day": speeds[-1] if speeds else None,
            "seconds_per_checkpoint": report.seconds_per_step(plan.settings.restart_interval),
            "lammps_version": report.version,
            "ranks": report.ranks,
            "warnings": report.warnings[:20],
            "restart_file": start.restart if start else None,
            "restart_sha256": start.sha256 if start else None,
            "restart_unreadable": start.unreadable.split() if start else [],
            "ended_processes": start.ended_processes if start else 0,
            "exact": reason is None,
            "exact_reason": reason,
            "host": start.host if start else None,
            "restart_damaged": deviates is not None and deviates.damaged,
            "files_before": {name: file.model_dump() for name, file in start.left.items()} if start else {},
            "files": {name: file.model_dump() for name, file in end.files.items()} if end else {},
        }

    def _plan(self) -> JobPlan:
        return JobPlan.model_validate(self.node.inputs.plan.get_dict())

    def _shots(self, plan: JobPlan) -> list[Shot]:
        """Return the short trajectories that the job made; none if it left no file of them."""
        if not plan.has_shots or SHOTS not in self.retrieved.base.repository.list_object_names():
            return []
        with (
            self.retrieved.base.repository.open(SHOTS, "rb") as handle,
            io.TextIOWrapper(handle, encoding="utf-8", errors="replace") as lines,
        ):
            return read_shots(lines, plan)

    def _record(self, model: type[Any], name: str) -> Any:
        try:
            return read_record(model, self.retrieved.base.repository.get_object_content(name, "rb"))
        except FileNotFoundError:
            return None

    def _said(self, folder: str | None) -> Iterator[str]:
        """Yield the exit status of LAMMPS and the last lines of LAMMPS, shell and scheduler outside the log."""
        end = self._record(EndRecord, END_RECORD)
        if end is not None and end.signal is not None:
            yield f"exit status {end.status}: {end.signal}"
        if end is not None and end.disk_full:
            yield "no space left for the files of the job"
        output = Path(folder or ".") / (self.node.get_option("output_filename") or "lammps.out")
        yield from output_lines(self, tail(output).decode("utf-8", errors="replace"))
        yield from report_lines(self)

    def _exit_code(
        self, outcome: Outcome | None, report: LogReport, target: int | str, said: list[str]
    ) -> ExitCode | None:
        """Return the exit code of a failed run; None for a successful one."""
        if outcome is None:
            return None
        kind = outcome.kind
        killed = kind in OF_THE_MACHINE and self.node.exit_status == OUT_OF_WALLTIME
        if (killed or kind == "time_limit") and not report.restarts:
            kind = "too_slow"
        label = EXIT_CODE_OF_OUTCOME[kind]
        error = " | ".join(filter(None, [outcome.error, report.culprit]))
        fields = {"error": error, "step": report.last_step, "target": target}
        if kind not in OF_THE_MACHINE:
            return self._code(label, **fields)
        words = last_words(said)
        return self._failure(label, words, said=f": {words}" if words else "", **fields)

    def _code(self, label: str, **fields: Any) -> ExitCode:
        code: ExitCode = self.exit_codes[label]
        return code.format(**fields)

    def _failure(self, label: str, words: str, **fields: Any) -> ExitCode:
        """Return the exit code of the scheduler, if any, with the job's last words; else that of this label."""
        if self.node.exit_status is not None:
            said = f" It said: {words}" if words else ""
            return ExitCode(self.node.exit_status, f"{self.node.exit_message or ''}{said}")
        return self._code(label, **fields)

    def _final_system(self, plan: JobPlan, folder: str | None) -> ExitCode | None:
        settings = self.node.inputs.settings.get_dict() if "settings" in self.node.inputs else {}
        if not settings.get("keep_system", False):
            return None
        try:
            data = DataFile.read(Path(folder or ".") / FINAL_DATA)
            # velocities were drawn by this job, or by an earlier one of its phase
            drawn = any(stage.velocities is not None or stage.kind == "pushoff" for stage in plan.stages)
            system = self.node.inputs.system.get_system().evolved(
                data,
                phase="production" if plan.stages[-1].name == PRODUCTION else None,
                seeds={"velocities": plan.seed} if drawn or plan.first_step > 0 else {},
            )
        except FileNotFoundError:
            return self._code("ERROR_FINAL_SYSTEM", error=f"the job left no {FINAL_DATA}")
        except OSError as error:
            return self._code("ERROR_FINAL_SYSTEM", error=f"{FINAL_DATA}: {error.strerror}")
        except ValueError as error:
            return self._code("ERROR_FINAL_SYSTEM", error=str(error))
        self.out("system", CseSystemData(system))
        return None


def _readable(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines up to the place where a compressed file is damaged."""
    with suppress(EOFError, OSError, zlib.error):
        yield from lines


def closest_atoms(system: System) -> str | None:
    """Return the closest two atoms that overlap, in words; None if there are none."""
    data = system.data
    try:
        pairs, distances = find_contacts(data.positions, data.lengths, _OVERLAP)
    except ValueError as error:
        return str(error)
    same = data.molecules[pairs[:, 0]] == data.molecules[pairs[:, 1]]
    overlapping = np.flatnonzero(~same | (distances < _OVERLAP_IN_MOLECULE))
    if not len(overlapping):
        return None
    first, second = pairs[overlapping[0]]
    labels = [system.info.types[data.types[atom] - 1].label for atom in (first, second)]
    others = f", the closest of {len(overlapping)} overlapping pairs," if len(overlapping) > 1 else ""
    return (
        f"atoms {first + 1} ({labels[0]}) and {second + 1} ({labels[1]}){others} are "
        f"{distances[overlapping[0]]:.2f} Å apart"
    )


def tail(path: Path) -> bytes:
    """Return the last bytes of a file; none if it does not exist."""
    try:
        with path.open("rb") as handle:
            handle.seek(0, io.SEEK_END)
            handle.seek(max(0, handle.tell() - _TAIL))
            return handle.read()
    except OSError:
        return b""


def thermo_arrays(report: LogReport) -> orm.ArrayData:
    """Return one array per thermo column over all rows, and the stage index of each row."""
    names = [record.name for record in report.stages]
    tables = [table for table in report.tables if table.rows]
    columns = list(dict.fromkeys(column for table in tables for column in table.columns))
    node = orm.ArrayData()
    for column in columns:
        parts = []
        for table in tables:
            values = np.full(len(table.rows), np.nan)
            if column in table.columns:
                index = table.columns.index(column)
                values = np.array([row[index] for row in table.rows])
                if column == "step" and np.isfinite(values).all():
                    values = values.astype(np.int64)
            parts.append(values)
        node.set_array(re.sub(r"[^0-9a-zA-Z_]", "_", column), np.concatenate(parts))
    node.set_array(
        "stage",
        np.concatenate(
            [
                np.full(len(table.rows), names.index(table.stage) if table.stage in names else -1)
                for table in tables
            ]
        ),
    )
    return node
