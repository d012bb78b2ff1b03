"""The tables of studies and of runs on a terminal, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.table import Table

from aiida_cse.cli.display.fitting import Column, fitted_table
from aiida_cse.query.frames import record_of_study
from aiida_cse.query.rows import RunRow, StudyRow
from aiida_cse.report.words import number_words, signed

__all__ = ["run_lines", "studies_csv", "studies_json", "study_lines"]

_STYLES = {
    "running": "cyan",
    "waiting": "cyan",
    "paused": "yellow",
    "stopped": "yellow",
    "never started": "yellow",
    "finished": "green",
    "failed": "red",
    "killed": "red",
}


def study_lines(rows: Sequence[StudyRow], width: int) -> Table:
    """Return studies as a table that is at most ``width`` characters wide."""
    return fitted_table(_STUDY_COLUMNS, rows, width, name=1, styles=_STYLES)


def run_lines(rows: Sequence[StudyRow], width: int) -> Table:
    """Return the runs of studies as a table that is at most ``width`` characters wide."""
    pairs = [(row, run) for row in rows for run in row.rows]
    return fitted_table(_RUN_COLUMNS, pairs, width, name=1, styles=_STYLES)


def _name(row: StudyRow) -> str:
    """Return kind and label, as in the title of ``aiida-cse show``."""
    return row.label if row.label.startswith(row.kind) else f"{row.kind} {row.label}".rstrip()


def _lengths(row: StudyRow | RunRow, most: str = "") -> str:
    done = "" if row.done_ns is None else f"{row.done_ns:.4g}"
    return done if row.asked_ns is None else f"{done or 0}/{most}{row.asked_ns:.4g}"


def _verdict(row: StudyRow) -> str:
    if row.runs > 1 and row.runs_judged:
        return f"{row.runs_equilibrated}/{row.runs}"
    return {True: "yes", False: "no", None: ""}[row.equilibrated]


def _range(key: str, form: str) -> Callable[[StudyRow], str]:
    """Return a function that gives the smallest and the largest value of the runs in words."""

    def words(row: StudyRow) -> str:
        record = record_of_study(row)
        low, high = (record[key.format(end)] for end in ("min", "max"))
        if low is None:
            return ""
        first, last = (signed(format(value, form)) for value in (low, high))
        return first if first == last else f"{first}…{last}"

    return words


def _kelvins(row: StudyRow) -> str:
    listed = [f"{kelvin:g}" for kelvin in sorted(row.temperatures_K)]
    if len(listed) > 2:
        return f"{listed[0]}…{listed[-1]}"
    return ", ".join(listed)


def _time(when: datetime) -> str:
    """Return a time of the last ten months as day and time, an earlier one as date."""
    local = when.astimezone()
    recent = datetime.now().astimezone() - local < timedelta(days=300)
    return f"{local:%m-%d %H:%M}" if recent else f"{local:%Y-%m-%d}"


def _exit(row: StudyRow) -> str:
    return f"[{row.exit_status}] {row.exit_message}"[:40].rstrip() if row.exit_status else ""


_STUDY_COLUMNS = (
    Column("PK", lambda row: str(row.pk), 0),
    Column("study", _name, 0, "left"),
    Column("T (K)", _kelvins, 1),
    Column("ns", lambda row: _lengths(row, "≤" if row.may_stop_early else ""), 4),
    Column("EC", lambda row: _number(record_of_study(row)["ec_min"], ".2f"), 3),
    Column("EC ≥", lambda row: _number(record_of_study(row)["ec_lower_bound_min"], ".2f"), 5),
    Column("equil.", _verdict, 2),
    Column("N excess", _range("n_excess_{}", ".1f"), 7),
    Column("barrier (K)", _range("barrier_{}_K", ",.0f"), 8),
    Column("recipe", lambda row: row.recipe, 9, "left"),
    Column("protocol", lambda row: row.protocol, 10, "left"),
    Column("state", lambda row: row.state, 0, "left"),
    Column("since", lambda row: _time(row.since), 0),
    Column("exit", _exit, 11, "left"),
)


def _quantity(key: str, form: str) -> Callable[[tuple[StudyRow, RunRow]], str]:
    """Return a function that gives a number of the ion that decides, with its error or bound, in words."""
    stem = key.removesuffix("_K")
    unit = key.removeprefix(stem)

    def words(pair: tuple[StudyRow, RunRow]) -> str:
        run = pair[1]
        value, error = run.of_ion(key), run.of_ion(f"{stem}_error{unit}")
        if value is None:
            bound = run.of_ion(f"{stem}_lower_bound{unit}")
            return f"≥{format(bound, form)}" if bound else ""
        return signed(format(value, form)) + (f" ± {format(error, form)}" if error else "")

    return words


def _number(value: float | None, form: str = "") -> str:
    """Return a number in words, with three digits without a form; empty if there is none."""
    if value is None:
        return ""
    return format(value, form) if form else number_words(value)


def _rate(pair: tuple[StudyRow, RunRow]) -> str:
    run = pair[1]
    rate = run.of_ion("rate_in_{}_ceramic_per_ion_per_s")
    return _number(rate) if rate else (f"≤{_number(bound)}" if (bound := run.rate_upper_bound_per_s) else "")


_RUN_COLUMNS = (
    Column("PK", lambda pair: str(pair[0].pk), 0),
    Column("study", lambda pair: _name(pair[0]), 0, "left"),
    Column("run", lambda pair: pair[1].run, 0, "left"),
    Column("T (K)", lambda pair: _number(pair[1].temperature_K, "g"), 10),
    Column("ns", lambda pair: _lengths(pair[1], "≤" if pair[0].may_stop_early else ""), 3),
    Column("EC", lambda pair: _number(pair[1].ec, ".2f"), 1),
    Column("EC ≥", lambda pair: _number(pair[1].ec_lower_bound, ".2f"), 5),
    Column("equil.", lambda pair: {True: "yes", False: "no", None: ""}[pair[1].equilibrated], 2),
    Column("N excess", _quantity("n_{}_excess", ".1f"), 4),
    Column("barrier (K)", _quantity("barrier_{}_K", ",.0f"), 6),
    Column("Γ (s⁻¹)", _rate, 7),
    Column("κ", lambda pair: _number(pair[1].of_ion("kappa_{}")), 8),
    Column("recipe", lambda pair: pair[0].recipe, 9, "left"),
    Column("state", lambda pair: pair[0].state, 0, "left"),
)


# -- as data -------------------------------------------------------------------------------------------------


def studies_json(records: Iterable[Mapping[str, Any]]) -> str:
    """Return records as JSON: a list of objects, times in ISO 8601."""
    return json.dumps(list(records), default=_plain, ensure_ascii=False, indent=1)


def studies_csv(records: Iterable[Mapping[str, Any]]) -> str:
    """Return records as CSV with a head line; several values in one cell are separated by blanks."""
    listed = list(records)
    stream = io.StringIO()
    columns = dict.fromkeys(key for record in listed for key in record)
    writer = csv.DictWriter(stream, list(columns), lineterminator="\n")
    writer.writeheader()
    for record in listed:
        writer.writerow(
            {
                key: " ".join(map(str, value)) if isinstance(value, tuple) else _plain(value)
                for key, value in record.items()
            }
        )
    return stream.getvalue()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
