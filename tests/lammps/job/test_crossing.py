"""With the real program: windows and short trajectories that are interrupted repeat the uninterrupted ones."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_cse.lammps.job.script import SHOTS
from aiida_cse.lammps.log.shots import Shot, missing_shots, read_shots
from aiida_cse.lammps.protocol.stage import JobPlan
from tests.lammps.job.test_resume import assert_identical
from tests.lammps.jobs import Job, plan
from tests.lammps.make_logs import SHOOT, SPRING, WINDOW
from tests.systems import crystal_and_molecules

pytestmark = pytest.mark.integration

SHOTS_30 = SHOOT | {"shots": SHOOT["shots"] | {"number": 30, "trace_fs": 10}}
NEXT = WINDOW | {"name": "next", "velocities": None, "bias": SPRING | {"centre": -16.5}}


def shots_of(job: Job, asked: JobPlan) -> list[Shot]:
    path = job.folder / SHOTS
    if not path.exists():
        return []
    with path.open() as lines:
        return read_shots(lines, asked)


def rows(job: Job, stage: str) -> dict[float, tuple[float, ...]]:
    return {row[0]: row for table in job.report.tables if table.stage == stage for row in table.rows}


def by(stage: dict[str, Any], engine: str) -> dict[str, Any]:
    return stage | {"bias": stage["bias"] | {"by": engine}}


def test_colvars_applies_the_force_of_the_spring(environment_bin: Path, tmp_path: Path) -> None:
    found = {}
    for engine in ("spring", "colvars"):
        job = Job.prepare(
            tmp_path / engine, environment_bin / "lmp", crystal_and_molecules(), plan(by(WINDOW, engine))
        )
        assert job.run().report.reached(200), job.report.error
        found[engine] = np.array(list(rows(job, "window").values()))
    assert len(found["spring"]) > 10
    np.testing.assert_allclose(found["colvars"], found["spring"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("engine", ["spring", "colvars"])
def test_interrupted_windows_and_shots_are_the_uninterrupted_ones(
    environment_bin: Path, tmp_path: Path, engine: str
) -> None:
    system, lmp = crystal_and_molecules(), environment_bin / "lmp"
    asked = plan(by(WINDOW, engine), SHOTS_30, by(NEXT, engine))
    whole = Job.prepare(tmp_path / "whole", lmp, system, asked).run()
    assert whole.report.reached(430), whole.report.error
    shots = shots_of(whole, asked)
    assert missing_shots(asked, whole.report, shots) is None
    assert len(shots) == 30

    killed = Job.prepare(tmp_path / "killed", lmp, system, asked)
    process = killed.start()
    deadline = time.monotonic() + 100
    while len(shots_of(killed, asked)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    stopped = Job.prepare(tmp_path / "stopped", lmp, system, asked, killed).run(limit=2)
    last = Job.prepare(tmp_path / "last", lmp, system, asked, stopped).run()
    jobs = [killed, stopped, last]
    assert last.report.reached(430), last.report.error

    merged = {shot.start: shot for job in jobs for shot in shots_of(job, asked)}
    assert [merged[start] for start in sorted(merged)] == shots
    assert_identical(whole.final, last.final)
    for stage in ("window", "next"):
        # the first row of a job has the pressure from new neighbour lists, in another order of sums
        merged_rows = {step: row for job in reversed(jobs) for step, row in rows(job, stage).items()}
        assert merged_rows == rows(whole, stage)

    # the spring pulls the ion through the end of the box
    columns = next(table.columns for table in whole.report.tables if table.stage == "window")
    table = np.array(list(rows(whole, "window").values()))
    z, force, inside = (table[:, columns.index(f"v_{name}")] for name in ("bias_z", "bias_force", "inside"))
    assert z[0] < -17.3 < z[-1]
    np.testing.assert_allclose(force, -30 * (z + 17), atol=1e-9)
    assert set(inside) == {0}
    for shot in shots:
        assert shot.z == shots[0].z
        assert bool(shot.trace) == shot.followed == (shot.start % 4 == 1)
        assert (shot.forward_steps > 0) == (shot.followed or shot.backward == 1)
        if shot.trace:
            assert shot.trace[0] == pytest.approx(shot.z, abs=1e-6)
            assert shot.trace[1] == pytest.approx(shot.z + 10 * shot.velocity, abs=0.02)
