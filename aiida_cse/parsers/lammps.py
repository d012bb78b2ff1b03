"""The parser of the LAMMPS CalcJob: thermo series, stage records, and what really became of the run."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.datafile import DataFile
from aiida_cse.lammps.log import LogReport, read_log, summarize_stage
from aiida_cse.lammps.production import PRODUCTION
from aiida_cse.lammps.script import FINAL_DATA, LOG, START_RECORD
from aiida_cse.lammps.stage import JobPlan
from aiida_cse.lammps.system import Phase

__all__ = ["LammpsStageParser"]

#: kind of error in the log -> label of the exit code
EXIT_CODE_OF_ERROR = {
    "lost_atoms": "ERROR_LOST_ATOMS",
    "bond_atoms_missing": "ERROR_BOND_ATOMS_MISSING",
    "kspace_out_of_range": "ERROR_KSPACE_OUT_OF_RANGE",
    "not_a_number": "ERROR_NOT_A_NUMBER",
    "restart_unreadable": "ERROR_RESTART_UNREADABLE",
    "other": "ERROR_LAMMPS",
}


class LammpsStageParser(Parser):
    """Read the log, store what is small, and call the run finished only if it proved that it is."""

    def parse(self, retrieved_temporary_folder: str | None = None, **_: Any) -> ExitCode | None:
        """Attach the outputs and return the exit code; a killed run is never a success."""
        if LOG not in self.retrieved.base.repository.list_object_names():
            return self._failure("ERROR_NO_LOG")
        with (
            self.retrieved.base.repository.open(LOG, "rb") as handle,
            io.TextIOWrapper(handle, encoding="utf-8", errors="replace") as lines,
        ):
            report = read_log(lines)
        if "plan" not in self.node.inputs:
            return self._script_outcome(report)
        plan = JobPlan.model_validate(self.node.inputs.plan.get_dict())
        self.out("results", orm.Dict(self._results(report, plan)))
        if any(table.rows for table in report.tables):
            self.out("thermo", thermo_arrays(report))
        failure = self._outcome(report, plan)
        if failure is not None:
            return failure
        return self._final_system(plan, retrieved_temporary_folder)

    def _results(self, report: LogReport, plan: JobPlan) -> dict[str, Any]:
        stages = [summarize_stage(record, report.tables) for record in report.stages]
        wall = [stage["wall_seconds"] for stage in stages if stage["wall_seconds"] is not None]
        speeds = [stage["ns_per_day"] for stage in stages if stage["ns_per_day"]]
        return {
            "step": report.finished_step if report.finished_step is not None else report.last_step,
            "first_step": report.stages[0].first_step if report.stages else None,
            "target_step": plan.target_step,
            "complete": report.reached(plan.target_step),
            "timed_out": report.timed_out,
            "error": report.error,
            "stages": stages,
            "wall_seconds": sum(wall),
            "ns_per_day": speeds[-1] if speeds else None,
            "lammps_version": report.version,
            "warnings": report.warnings[:20],
            **self._start_record(),
        }

    def _start_record(self) -> dict[str, Any]:
        """Return which checkpoint the job went on from, as its prologue wrote it down."""
        try:
            record = json.loads(self.retrieved.base.repository.get_object_content(START_RECORD, "r"))
        except (FileNotFoundError, ValueError):
            return {}
        if not isinstance(record, dict):
            return {}
        return {"restart_file": record.get("restart"), "restart_sha256": record.get("sha256")}

    def _outcome(self, report: LogReport, plan: JobPlan) -> ExitCode | None:
        """Return the exit code of a run that did not reach its target, None if it did."""
        if report.error is not None:
            label = EXIT_CODE_OF_ERROR[report.error_kind or "other"]
            return self._code(label, error=report.error)
        broken = report.not_a_number()
        if broken is not None:
            return self._code("ERROR_NOT_A_NUMBER", error=f"{broken[0]} at step {broken[1]}")
        if report.reached(plan.target_step):
            return None
        where = {"step": report.last_step, "target": plan.target_step}
        if report.timed_out:
            return self._code("ERROR_OUT_OF_WALLTIME", **where)
        return self._failure("ERROR_INTERRUPTED", **where)

    def _script_outcome(self, report: LogReport) -> ExitCode | None:
        """Judge a script of the user's own: of it can be known whether LAMMPS complained or did not end."""
        self.out("results", orm.Dict({"error": report.error, "lammps_version": report.version}))
        if report.error is not None:
            return self._code(EXIT_CODE_OF_ERROR[report.error_kind or "other"], error=report.error)
        where = {"step": report.last_step, "target": "the end of the script"}
        if report.timed_out:
            return self._code("ERROR_OUT_OF_WALLTIME", **where)
        return None if report.ended else self._failure("ERROR_INTERRUPTED", **where)

    def _code(self, label: str, **fields: Any) -> ExitCode:
        code: ExitCode = self.exit_codes[label]
        return code.format(**fields)

    def _failure(self, label: str, **fields: Any) -> ExitCode:
        """Return the scheduler's own exit code if it set one, for it knows more; else the one named."""
        if self.node.exit_status is not None:
            return ExitCode(self.node.exit_status, self.node.exit_message)
        return self._code(label, **fields)

    def _final_system(self, plan: JobPlan, folder: str | None) -> ExitCode | None:
        settings = self.node.inputs.settings.get_dict() if "settings" in self.node.inputs else {}
        if not settings.get("keep_system", False):
            return None
        try:
            data = DataFile.read(Path(folder or ".") / FINAL_DATA)
            system = self.node.inputs.system.get_system().evolved(data, phase=_phase(plan), seeds=_seeds(plan))
        except (OSError, ValueError) as error:
            return self._code("ERROR_FINAL_SYSTEM", error=str(error))
        self.out("system", CseSystemData(system))
        return None


def _phase(plan: JobPlan) -> Phase | None:
    return "production" if plan.stages[-1].name == PRODUCTION else None


def _seeds(plan: JobPlan) -> dict[str, int]:
    """Return the seed of the velocities if the job, or one before it in its phase, drew any."""
    drawn = any(stage.velocities is not None or stage.kind == "pushoff" for stage in plan.stages)
    return {"velocities": plan.seed} if drawn or plan.first_step > 0 else {}


def thermo_arrays(report: LogReport) -> orm.ArrayData:
    """Return one array per thermo column over all rows, and the index of the stage of each row."""
    names = [record.name for record in report.stages]
    tables = [table for table in report.tables if table.rows]
    columns = list(dict.fromkeys(column for table in tables for column in table.columns))
    node = orm.ArrayData()
    for column in columns:
        node.set_array(
            re.sub(r"[^0-9a-zA-Z_]", "_", column),
            np.concatenate([_column(table.columns, table.rows, column) for table in tables]),
        )
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


def _column(columns: tuple[str, ...], rows: list[tuple[float, ...]], column: str) -> np.ndarray:
    if column not in columns:
        return np.full(len(rows), np.nan)
    index = columns.index(column)
    values = np.array([row[index] for row in rows])
    return values.astype(np.int64) if column == "step" and np.isfinite(values).all() else values
