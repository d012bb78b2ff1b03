"""The log reader on real logs: whole, cut short in every way, failed; and on what chance makes of them."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiida_cse.lammps.log.reader import LogReport, classify_error, read_log, read_progress, summarize_stage

LOGS = Path(__file__).parents[1] / "logs"
FINISHED = (LOGS / "finished.log").read_text()
#: the first two stages of ``finished`` are the minimisation (one step) and 200 steps of NVT, the third 200 of NPT
TARGET = 401
KILLED = (LOGS / "killed.log").read_text()
LAST_LINE = f"CSE finished step={TARGET} timeout=0\n"


def read(name: str) -> LogReport:
    with (LOGS / f"{name}.log").open() as lines:
        return read_log(lines)


def read_text(text: str) -> LogReport:
    return read_log(text.splitlines(keepends=True))


def test_a_finished_run_is_complete() -> None:
    report = read("finished")
    assert report.reached(TARGET)
    assert not report.reached(TARGET + 1)
    assert report.finished_step == report.last_step == TARGET
    assert (report.error, report.timed_out, report.ended) == (None, False, True)
    assert report.version is not None
    assert report.version.startswith("22 Jul 2025")
    assert [(s.name, s.kind, s.start, s.target, s.first_step, s.step) for s in report.stages] == [
        ("minimize", "minimize", 0, 1, 0, 1),
        ("heat", "nvt", 1, 201, 1, 201),
        ("relax", "npt", 201, 401, 201, 401),
    ]
    assert all(stage.complete for stage in report.stages)
    assert report.restarts == ["restart.1", "restart.101", "restart.201", "restart.301", "restart.401"]
    assert len(report.warnings) == len(set(report.warnings)) > 0


def test_the_rows_of_a_stage_are_one_series() -> None:
    tables = {table.stage: table for table in read("finished").tables}
    assert list(tables) == ["minimize", "heat", "relax"]
    assert tables["heat"].columns[:3] == ("step", "temp", "press")
    steps = [row[0] for row in tables["heat"].rows]
    assert steps == sorted(set(steps)), "the run from checkpoint to checkpoint repeats no row"
    assert {1, 20, 101, 200, 201} <= set(steps)


def test_the_record_of_a_stage_holds_its_steps_and_averages() -> None:
    report = read("finished")
    minimize, heat, _ = (summarize_stage(stage, report.tables) for stage in report.stages)
    assert heat["complete"]
    rows = next(table.rows for table in report.tables if table.stage == "heat")
    late = [row[1] for row in rows[len(rows) // 2 :]]
    assert heat["temperature_K"] == pytest.approx(sum(late) / len(late))
    assert heat["density_g_cm3"] == pytest.approx(2.1254, abs=1e-3)
    assert heat["lz_A"] == pytest.approx(35.2)
    assert heat["ns_per_day"] == pytest.approx(200e-6 / heat["wall_seconds"] * 86400)
    assert minimize["ns_per_day"] is None
    assert "temperature_K" not in minimize


def test_a_run_stopped_by_the_wall_time_has_timed_out() -> None:
    report = read("timed_out")
    assert report.timed_out
    assert report.ended
    assert report.error is None
    assert report.finished_step == report.last_step
    assert report.finished_step is not None
    assert report.finished_step % 500 == 1, "stopped at a checkpoint, counted from the start of the stage"
    assert not report.reached(500_001)
    assert not report.stages[-1].complete


@pytest.mark.parametrize("name", ["killed", "killed_mid_line", "not_a_number"])
def test_a_killed_run_is_never_finished(name: str) -> None:
    report = read(name)
    assert (report.finished_step, report.error, report.ended, report.timed_out) == (None, None, False, False)
    assert report.last_step is not None
    assert not report.reached(1)
    assert not report.stages[-1].ended


def test_the_last_step_of_a_killed_run_lies_beyond_its_last_checkpoint() -> None:
    report = read("killed")
    assert report.restarts[-1] == "restart.601"
    assert report.last_step is not None
    assert report.last_step > 601


def test_an_incomplete_row_is_ignored() -> None:
    lines = (LOGS / "killed_mid_line.log").read_text().splitlines()
    assert lines[-1].startswith("  - [")
    assert not lines[-1].endswith("]")
    last_whole = int(lines[-2].split("[")[1].split(",")[0])
    assert read("killed_mid_line").last_step == last_whole


def test_not_a_number_is_found() -> None:
    found = read("not_a_number").not_a_number()
    assert found is not None
    column, step = found
    assert column == "press"
    assert step == 0
    assert read("finished").not_a_number() is None


@pytest.mark.parametrize(
    ("name", "kind", "error"),
    [
        ("lost_atoms", "lost_atoms", "ERROR: Lost atoms: original 113 current 111"),
        ("bond_atoms_missing", "bond_atoms_missing", "ERROR on proc 0: Bond atoms 74 75 missing"),
        (
            "kspace_out_of_range",
            "kspace_out_of_range",
            "ERROR on proc 0: Out of range atoms - cannot compute PPPM",
        ),
        ("non_numeric", "not_a_number", "ERROR on proc 0: Non-numeric atom coords - simulation unstable"),
        ("restart_unreadable", "restart_unreadable", "ERROR: Incomplete or corrupted LAMMPS restart file"),
        ("no_checkpoint", "restart_unreadable", "ERROR: no restart file of step 400 or later to go on from"),
        ("other_error", "other", "ERROR: Bond coeffs are not set"),
    ],
)
def test_an_error_has_its_kind(name: str, kind: str, error: str) -> None:
    report = read(name)
    assert report.error is not None
    assert report.error.startswith(error)
    assert classify_error(report.error or "") == kind
    assert not report.reached(0)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("ERROR: Too many atoms lost in fix", "lost_atoms"),
        ("ERROR: Bond extent > half of periodic box length", "bond_atoms_missing"),
        ("ERROR: Angle atoms 1 2 3 missing on proc 0 at step 5", "bond_atoms_missing"),
        ("ERROR: Dihedral atom missing in delete_bonds", "bond_atoms_missing"),
        ("ERROR: Out of range atoms - cannot compute PPPMDisp", "kspace_out_of_range"),
        ("ERROR: Non-numeric pressure - simulation unstable", "not_a_number"),
        ("ERROR: Cannot open restart file restart.5: No such file", "restart_unreadable"),
        ("ERROR: Unrecognized pair style", "other"),
    ],
)
def test_error_lines_are_classified(line: str, kind: str) -> None:
    assert classify_error(line) == kind


def test_runs_with_other_columns_are_read_in_either_style() -> None:
    tables = read("columns").tables
    assert [table.columns for table in tables] == [
        ("step", "temp", "pe"),
        ("step", "temp", "press", "vol", "lx"),
        ("step", "temp", "pe", "v_cutoff"),
        ("step", "temp", "e_pair", "e_mol", "etotal", "press"),
    ]
    assert [[row[0] for row in table.rows] for table in (tables[0], tables[1], tables[3])][:2] == [
        [0, 10, 20],
        [20, 30, 40],
    ]
    assert tables[3].rows, "the plain style"
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)


# -- whatever happens to a log ---------------------------------------------------------------------------


def says_nothing_false(text: str) -> None:
    """Read a damaged log: no exception, all that would be stored is finite, and only a whole last line proves."""
    report = read_text(text)
    assert not report.reached(TARGET) or (LAST_LINE in text and report.error is None)
    records = [summarize_stage(stage, report.tables) for stage in report.stages]
    stored = json.dumps([records, report.warnings, report.error, report.restarts], allow_nan=False)
    assert "\\u0000" not in stored
    report.not_a_number()
    assert report.last_step is None or isinstance(report.last_step, int)


@given(st.integers(0, len(FINISHED)))
@example(FINISHED.index(LAST_LINE) + len(LAST_LINE) - 1)
@example(FINISHED.index(LAST_LINE) + len(LAST_LINE))
def test_a_log_truncated_anywhere_can_be_read(length: int) -> None:
    says_nothing_false(FINISHED[:length])


SPAN = st.tuples(st.integers(0, len(FINISHED)), st.integers(0, 300))


@given(SPAN, st.text(max_size=40))
@example((FINISHED.index("keywords:"), 200), "keywords: []\ndata:\n  - []\n  - []\n")
@example((FINISHED.index(LAST_LINE), len(LAST_LINE)), "CSE finished step=401")
@example((FINISHED.index(LAST_LINE), 0), "\0" * 40)
def test_a_log_with_a_replaced_piece_can_be_read(span: tuple[int, int], text: str) -> None:
    start, length = span
    damaged = FINISHED[:start] + text + FINISHED[start + length :]
    says_nothing_false(damaged)


LINES = FINISHED.splitlines(keepends=True)


@given(st.lists(st.integers(0, len(LINES) - 1), max_size=60))
def test_lines_in_any_order_can_be_read(numbers: list[int]) -> None:
    says_nothing_false("".join(LINES[number] for number in numbers))


VALUES = st.sampled_from(["inf", "-inf", "nan", "-nan", "1e308", "-1e308", "", "x", "0"])


@given(st.lists(VALUES, min_size=14, max_size=14), st.integers(1, 4))
@example(["201"] + ["1e308"] * 13, 4)
def test_rows_of_any_content_can_be_read(values: list[str], times: int) -> None:
    row = f"  - [{', '.join(values)}, ]\n"
    other = row.replace("inf", "-inf").replace("--", "")
    where = FINISHED.index("  - [201,")
    says_nothing_false(FINISHED[:where] + (row + other) * times + FINISHED[where:])


@given(VALUES)
def test_a_loop_time_of_any_content_can_be_read(seconds: str) -> None:
    where = FINISHED.rindex("Loop time of ")
    line = f"Loop time of {seconds} on 1 procs for 100 steps with 113 atoms\n"
    says_nothing_false(FINISHED[:where] + line + FINISHED[where:])


def test_infinite_values_have_no_mean() -> None:
    report = read_text(FINISHED.replace("  - [401,", "  - [399, inf" + ", 0" * 12 + ", ]\n  - [401,", 1))
    record = summarize_stage(report.stages[-1], report.tables)
    assert record["temperature_K"] is None
    assert math.isfinite(record["pressure_atm"])


# -- progress ------------------------------------------------------------------------------------------


def test_there_is_no_progress_before_the_first_stage() -> None:
    assert read_progress("") is None
    assert read_progress(KILLED[: KILLED.index("CSE begin=")]) is None


def test_progress_names_the_running_stage_and_its_step() -> None:
    progress = read_progress(KILLED)
    assert progress is not None
    assert (progress.stage, progress.start, progress.target) == ("production", 1, 1_000_001)
    assert progress.step >= 800
    assert progress.ns_per_day is not None, "from the runs between checkpoints"
    assert progress.seconds_left is None, "unknown without a clock"


def test_speed_and_remaining_time_follow_from_the_clock() -> None:
    progress = read_progress(KILLED, elapsed=10.0, timestep_fs=1.0)
    assert progress is not None
    rate = (progress.step - 1) / 10.0
    assert progress.ns_per_day == pytest.approx(rate * 1e-6 * 86400)
    assert progress.seconds_left == pytest.approx((1_000_001 - progress.step) / rate)


def test_a_minimisation_has_no_speed() -> None:
    progress = read_progress(KILLED[: KILLED.index("CSE restart=restart.1\n")], elapsed=5.0)
    assert progress is not None
    assert (progress.stage, progress.step, progress.ns_per_day) == ("minimize", 0, None)


def test_every_beginning_of_a_log_can_be_read() -> None:
    steps = [found.step for end in range(0, len(KILLED), 97) if (found := read_progress(KILLED[:end])) is not None]
    assert steps == sorted(steps)


@pytest.mark.parametrize("name", ["finished", "timed_out"])
def test_progress_of_an_ended_log_is_that_of_its_last_stage(name: str) -> None:
    log = (LOGS / f"{name}.log").read_text()
    progress = read_progress(log)
    assert progress is not None
    assert f"CSE end={progress.stage} step={progress.step}\n" in log
