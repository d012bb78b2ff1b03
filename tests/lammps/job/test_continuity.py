"""Continuity of a run: exactness, the state after a checkpoint, and the size of the trajectory."""

from pathlib import Path

import pytest

from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.job.continuity import deviation, inexact_reason, trajectory_error
from aiida_cse.lammps.job.records import StartRecord
from aiida_cse.lammps.job.script import TRAJECTORY
from aiida_cse.lammps.log.reader import LogReport, RunTable, StageRecord
from tests.lammps.job.test_resume import NVT
from tests.lammps.jobs import Job, plan
from tests.systems import crystal_and_molecules

LONG = plan(NVT, restart_interval=200, cutoff=9.0)
START = StartRecord(restart="parent/restart.5", sha256="0", lammps_version="1 Jan 2025", ranks=4)
REPORT = LogReport(version="1 Jan 2025", ranks=4)


def test_under_the_same_conditions_a_continued_run_is_exact() -> None:
    assert inexact_reason(START, REPORT, LONG) is None
    assert inexact_reason(None, REPORT, LONG) is None
    fresh = StartRecord(restart="none", sha256="")
    assert inexact_reason(fresh, LogReport(version="2 Feb 2025", ranks=1), LONG) is None


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (
            LogReport(version="2 Feb 2025", ranks=4),
            "LAMMPS 1 Jan 2025 wrote the checkpoint, the job ran with 2 Feb",
        ),
        (LogReport(version="1 Jan 2025", ranks=8), "4 MPI processes wrote the checkpoint, the job ran with 8"),
        (LogReport(accelerated="set 2 OpenMP thread(s) per MPI task"), "set 2 OpenMP thread(s)"),
        (
            LogReport(stages=[StageRecord("push", "pushoff", start=0, target=9, first_step=5, step=9)]),
            "inside the push-off push, whose random numbers restart",
        ),
    ],
)
def test_the_reason_for_an_inexact_run_is_named(report: LogReport, words: str) -> None:
    reason = inexact_reason(START, report, LONG)
    assert reason is not None
    assert words in reason


def test_a_run_that_need_not_be_exact_is_not() -> None:
    assert inexact_reason(START, REPORT, plan(NVT, exact=False)) == "settings.exact is false"


@pytest.mark.parametrize(
    ("row", "damaged"),
    [
        ("150, 300.0, -1000.0, 5.0", None),
        ("150, 300.0, -1000.0, 5.5", False),
        ("150, 300.00000001, -1000.0, 5.0", False),
        ("150, 300.01, -1000.0, 5.0", True),
        ("150, nan, -1000.0, 5.0", True),
        ("150, 300.0, -1000.0", None),
        ("149, 301.0, -1000.0, 5.0", None),
        ("150, 30-", None),
        ("", None),
    ],
)
def test_rounding_errors_are_distinguished_from_damage(row: str, damaged: bool | None) -> None:
    table = RunTable(("step", "temp", "pe", "press"), "production", [(150.0, 300.0, -1000.0, 5.0)])
    start = StartRecord(restart="parent/restart.150", sha256="0", row=row)
    found = deviation(start, LogReport(tables=[table]))
    assert (None if found is None else found.damaged) is damaged


@pytest.fixture(scope="module")
def system() -> System:
    return crystal_and_molecules()


@pytest.fixture
def lmp(environment_bin: Path) -> Path:
    return environment_bin / "lmp"


@pytest.mark.integration
@pytest.mark.parametrize("exact", [True, False])
def test_missing_frames_are_found_by_the_size_of_the_trajectory(
    exact: bool, system: System, lmp: Path, tmp_path: Path
) -> None:
    """A continued job starts with the frame of its first step, if that step has one."""
    stage = NVT | {"trajectory_ps": 0.03}
    earlier: Job | None = None
    for stop in (150, 160, 300):
        asked = plan(stage, stop=stop, exact=exact)
        job = Job.prepare(tmp_path / f"to_{stop}", lmp, system, asked, earlier).run()
        assert job.report.reached(stop)
        assert trajectory_error(asked, job.report, system.info.natoms, job.left) is None
        earlier = job
    frame = 56 + 3 * (4 * system.info.natoms + 8)
    cut = job.left.files[TRAJECTORY].model_copy(update={"bytes": job.left.files[TRAJECTORY].bytes - frame})
    for files in ({}, {TRAJECTORY: cut}):
        missing = trajectory_error(
            asked, job.report, system.info.natoms, job.left.model_copy(update={"files": files})
        )
        assert missing is not None
        assert missing.startswith("trajectory.dcd has ")
    assert trajectory_error(asked, job.report, system.info.natoms, None) is None, (
        "the record of a killed job is missing"
    )
    assert trajectory_error(plan(NVT, stop=300), job.report, system.info.natoms, job.left) is None
