"""With the real program: a run that was cut, killed or split is the same run, to the last bit."""

import hashlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import MDAnalysis
import numpy as np
import pytest

from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.job.script import FINAL_DATA, IONS, START_FILE, TRAJECTORY
from aiida_cse.lammps.log.reader import classify_error
from aiida_cse.lammps.protocol.stage import JobPlan
from tests.lammps.jobs import ION_TYPES, Job, plan
from tests.systems import crystal_and_molecules

pytestmark = pytest.mark.integration

NVT: dict[str, Any] = {
    "name": "production",
    "kind": "nvt",
    "duration_ps": 600,
    "timestep_fs": 1,
    "temperature": [300, 400],
    "velocities": 300,
    "thermo_ps": 0.1,
}
NPT = NVT | {"kind": "npt", "pressure": 1, "barostat": "xy-z"}
FREE = NPT | {"barostat": "x-y-z"}
HELD = NPT | {"barostat": "z", "mobile": "electrolyte"}
SCALED = NVT | {"duration_ps": 1.5, "scale_z": 0.99}
MINIMIZE = {"name": "minimize", "kind": "minimize", "max_iterations": 20}


@pytest.fixture(scope="module")
def system() -> System:
    return crystal_and_molecules()


@pytest.fixture
def lmp(environment_bin: Path) -> Path:
    return environment_bin / "lmp"


def assert_identical(first: DataFile, second: DataFile) -> None:
    """Assert that positions, velocities and box agree in every bit."""
    assert first.velocities is not None
    assert second.velocities is not None
    for one, other in (
        (first.positions, second.positions),
        (first.images, second.images),
        (first.velocities, second.velocities),
        (first.box, second.box),
    ):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    "stage", [NVT, NPT, FREE, HELD, SCALED], ids=["nvt", "npt", "each-edge", "held", "scaled"]
)
def test_a_run_in_segments_is_the_uninterrupted_one(
    stage: dict[str, Any], system: System, lmp: Path, tmp_path: Path
) -> None:
    stage = stage | {"trajectory_ps": 0.1, "ions_ps": 0.02}
    whole = Job.prepare(tmp_path / "whole", lmp, system, plan(stage, stop=1500, restart_interval=100)).run()
    assert whole.report.reached(1500)
    part: Job | None = None
    folders = []
    for stop in (500, 1000, 1500):
        job = plan(stage, stop=stop, restart_interval=100)
        part = Job.prepare(tmp_path / f"to_{stop}", lmp, system, job, part).run()
        assert part.report.reached(stop)
        folders.append(part.folder)
    assert part is not None
    assert_identical(whole.final, part.final)
    for name in (TRAJECTORY, IONS):
        parts = [frames(folder, name) for folder in folders]
        assert np.array_equal(frames(whole.folder, name), np.vstack([parts[0], *(part[1:] for part in parts[1:])]))
    ions = np.isin(system.data.types, ION_TYPES)
    assert np.array_equal(frames(whole.folder)[:, ions], frames(whole.folder, IONS)[::5])


def test_a_scaled_box_ends_with_the_requested_length(system: System, lmp: Path, tmp_path: Path) -> None:
    job = plan(SCALED | {"duration_ps": 0.2, "temperature": 300}, stop=200, restart_interval=100)
    done = Job.prepare(tmp_path / "scaled", lmp, system, job).run()
    (before, after) = (np.diff(data.box, axis=1)[:, 0] for data in (system.data, done.final))
    np.testing.assert_allclose(after / before, [1, 1, 0.99], rtol=1e-9)


def frames(folder: Path, name: str = TRAJECTORY) -> np.ndarray:
    with MDAnalysis.coordinates.DCD.DCDReader(str(folder / name), convert_units=False) as reader:
        return np.array([frame.positions.copy() for frame in reader])


@pytest.fixture
def keep_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every checkpoint of a run."""
    monkeypatch.setattr("aiida_cse.lammps.job.script.KEPT_CHECKPOINTS", 10**4)


@pytest.mark.usefixtures("keep_all")
@pytest.mark.parametrize("step", [100, 700, 1300])
def test_every_checkpoint_leads_to_the_same_end(step: int, system: System, lmp: Path, tmp_path: Path) -> None:
    job = plan(NVT, stop=2000, restart_interval=100)
    whole = Job.prepare(tmp_path / "whole", lmp, system, job).run()
    for checkpoint in whole.checkpoints():
        if int(checkpoint.suffix[1:]) != step:
            checkpoint.unlink()
    resumed = Job.prepare(tmp_path / "resumed", lmp, system, job, whole).run()
    assert resumed.started_from.restart == f"parent/restart.{step}"
    assert_identical(whole.final, resumed.final)


@pytest.mark.parametrize("stage", [NVT, HELD], ids=["nvt", "held"])
def test_a_run_stopped_by_the_wall_time_continues_exactly(
    stage: dict[str, Any], system: System, lmp: Path, tmp_path: Path
) -> None:
    settings = {"cutoff": 9.0, "restart_interval": 200}
    cut = Job.prepare(tmp_path / "cut", lmp, system, plan(MINIMIZE, stage, **settings)).run(limit=1)
    assert cut.report.timed_out
    stopped = cut.report.finished_step
    assert stopped is not None
    assert 1 < stopped < 600_000
    assert (stopped - 1) % 200 == 0
    longer = plan(MINIMIZE, stage, stop=stopped + 1000, **settings)
    resumed = Job.prepare(tmp_path / "resumed", lmp, system, longer, cut).run()
    assert resumed.report.stages[0].first_step == stopped
    whole = Job.prepare(tmp_path / "whole", lmp, system, longer).run()
    assert_identical(whole.final, resumed.final)


def test_a_killed_run_continues_exactly(system: System, lmp: Path, tmp_path: Path) -> None:
    endless = plan(NVT, restart_interval=200, cutoff=9.0)
    killed = Job.prepare(tmp_path / "killed", lmp, system, endless)
    process = killed.start()
    deadline = time.monotonic() + 60
    while len(killed.checkpoints()) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed.folder / FINAL_DATA).exists()
    assert killed.report.finished_step is None

    stop = 1400 + int(killed.checkpoints()[-1].suffix[1:])
    job = plan(NVT, stop=stop, restart_interval=200, cutoff=9.0)
    resumed = Job.prepare(tmp_path / "resumed", lmp, system, job, killed).run()
    assert resumed.report.reached(stop)
    assert resumed.report.stages[0].first_step >= 200, "not from the start"
    whole = Job.prepare(tmp_path / "whole", lmp, system, job).run()
    assert_identical(whole.final, resumed.final)


def test_stages_in_one_job_and_in_several_give_the_same_run(system: System, lmp: Path, tmp_path: Path) -> None:
    stages = [
        MINIMIZE,
        NVT | {"name": "heat", "duration_ps": 0.21},
        NPT | {"name": "relax", "duration_ps": 0.33, "velocities": None},
        HELD | {"name": "polymer", "duration_ps": 0.2, "velocities": None},
    ]
    packed = Job.prepare(tmp_path / "packed", lmp, system, plan(*stages)).run()
    job: Job | None = None
    for stage, span in zip(stages, plan(*stages).spans, strict=True):
        single: JobPlan = plan(stage).model_copy(update={"first_step": span.start})
        job = Job.prepare(tmp_path / span.stage.name, lmp, system, single, job).run()
        assert job.report.reached(span.end)
    assert job is not None
    assert_identical(packed.final, job.final)


def test_a_completed_job_does_nothing(system: System, lmp: Path, tmp_path: Path) -> None:
    job = plan(MINIMIZE, NVT, stop=201)
    done = Job.prepare(tmp_path / "done", lmp, system, job).run()
    again = Job.prepare(tmp_path / "again", lmp, system, job, done).run()
    assert again.report.reached(201)
    assert again.report.stages == []
    assert_identical(done.final, again.final)


def test_a_minimisation_without_time_is_not_complete(system: System, lmp: Path, tmp_path: Path) -> None:
    cut = Job.prepare(tmp_path / "cut", lmp, system, plan(MINIMIZE)).run(limit=0)
    assert cut.report.timed_out
    assert cut.report.finished_step == 0
    assert not cut.report.reached(1)
    resumed = Job.prepare(tmp_path / "resumed", lmp, system, plan(MINIMIZE), cut).run()
    assert resumed.report.reached(1)
    assert not np.array_equal(resumed.final.positions, cut.final.positions)


def test_without_exactness_a_run_still_stops_in_time_and_continues(
    system: System, lmp: Path, tmp_path: Path
) -> None:
    settings = {"cutoff": 9.0, "restart_interval": 200, "exact": False}
    cut = Job.prepare(tmp_path / "cut", lmp, system, plan(NVT, **settings)).run(limit=1)
    stopped = cut.report.finished_step
    assert cut.report.timed_out
    assert stopped is not None
    resumed = Job.prepare(tmp_path / "resumed", lmp, system, plan(NVT, stop=stopped + 200, **settings), cut).run()
    assert resumed.report.reached(stopped + 200)
    assert resumed.report.stages[0].first_step == stopped


def test_a_held_ceramic_is_at_rest_and_the_electrolyte_has_its_temperature(
    system: System, lmp: Path, tmp_path: Path
) -> None:
    settle = NVT | {
        "temperature": 300,
        "mobile": "electrolyte",
        "duration_ps": 2,
        "thermo_ps": 0.02,
        "name": "settle",
    }
    hold = HELD | {"temperature": 300, "duration_ps": 8, "thermo_ps": 0.02, "velocities": None, "name": "hold"}
    minimize = MINIMIZE | {"mobile": "electrolyte", "max_iterations": 200}
    job = Job.prepare(tmp_path / "job", lmp, system, plan(minimize, settle, hold, restart_interval=2000)).run()
    ceramic = system.data.molecules == 1
    assert job.report.reached(10_001)
    held = [table for table in job.report.tables if "c_held_shift" in table.columns]
    assert [table.stage for table in held] == ["settle", "hold"]
    assert {row[table.columns.index("c_held_shift")] for table in held for row in table.rows} == {0.0}
    assert np.abs(job.final.unwrapped - system.data.unwrapped)[ceramic].max() < 1e-12
    assert job.final.velocities is not None
    assert np.abs(job.final.velocities[ceramic]).max() == 0
    moved = np.abs(job.final.unwrapped - system.data.unwrapped)[~ceramic].max(axis=1)
    assert moved.min() > 0.01
    table = next(table for table in job.report.tables if table.stage == "hold")
    temperature = np.array([row[table.columns.index("temp")] for row in table.rows[len(table.rows) // 4 :]])
    # 49 atoms: standard deviation of a frame 35 K, of the mean of 6 ps with a correlation time near 0.1 ps 5 K
    assert temperature.mean() == pytest.approx(300, abs=20)


# -- the choice of the checkpoint -------------------------------------------------------------------------


def test_the_last_checkpoints_of_a_stage_are_kept(system: System, lmp: Path, tmp_path: Path) -> None:
    job = Job.prepare(tmp_path / "job", lmp, system, plan(NVT, stop=500)).run()
    assert [path.name for path in job.checkpoints()] == ["restart.400", "restart.450", "restart.500"]


def test_a_segment_without_its_predecessor_does_not_start(system: System, lmp: Path, tmp_path: Path) -> None:
    """Its folder is there, its checkpoints are gone: a scratch that was purged by file."""
    emptied = Job.prepare(tmp_path / "first", lmp, system, plan(NVT, stop=200)).run()
    for checkpoint in emptied.checkpoints():
        checkpoint.unlink()
    (emptied.folder / FINAL_DATA).unlink()
    second = plan(NVT, stop=300).model_copy(update={"resume_step": 200})
    job = Job.prepare(tmp_path / "second", lmp, system, second, emptied).run()
    assert job.report.error == "ERROR: no restart file of step 1 or later to go on from"
    assert job.report.finished_step is None


@pytest.fixture
def earlier(system: System, lmp: Path, tmp_path: Path, keep_all: None) -> Job:
    """A job with checkpoints at 50, 100, 150 and 200."""
    job = Job.prepare(tmp_path / "earlier", lmp, system, plan(NVT, stop=200)).run()
    assert [path.name for path in job.checkpoints()] == ["restart.50", "restart.100", "restart.150", "restart.200"]
    return job


def later(earlier: Job, system: System, folder: str = "later") -> Job:
    return Job.prepare(earlier.folder.parent / folder, earlier.lmp, system, plan(NVT, stop=300), earlier)


def test_the_newest_checkpoint_is_chosen_by_its_number(earlier: Job, system: System) -> None:
    os.utime(earlier.folder / "restart.50")
    job = later(earlier, system)
    digest = hashlib.sha256((earlier.folder / "restart.200").read_bytes()).hexdigest()
    chosen = job.choose_checkpoint()
    assert (chosen.restart, chosen.sha256, chosen.unreadable) == ("parent/restart.200", digest, "")
    assert (chosen.lammps_version, chosen.ranks) == (earlier.report.version, 1)
    assert (job.folder / START_FILE).read_text() == (
        "variable timeout string off\nread_restart parent/restart.200\n"
    )


def test_an_incomplete_checkpoint_is_ignored(earlier: Job, system: System) -> None:
    newest, second = earlier.folder / "restart.200", earlier.folder / "restart.150"
    newest.write_bytes(newest.read_bytes()[:-4])
    second.write_bytes(b"")
    job = later(earlier, system).run()
    digest = hashlib.sha256((earlier.folder / "restart.100").read_bytes()).hexdigest()
    assert (job.started_from.restart, job.started_from.sha256) == ("parent/restart.100", digest)
    assert job.started_from.unreadable == "parent/restart.200 parent/restart.150"
    assert job.report.reached(300)


def test_the_log_decides_if_lammps_cannot_run_alone(earlier: Job, system: System) -> None:
    log = earlier.folder / "log.lammps"
    log.write_text(log.read_text().replace("CSE restart=restart.200\n", ""))
    job = later(earlier, system)
    assert Job(job.folder, Path("/bin/false")).choose_checkpoint().restart == "parent/restart.150"


def test_checkpoints_of_earlier_jobs_are_found(earlier: Job, system: System) -> None:
    between = later(earlier, system, "between")
    job = later(between, system)
    assert job.choose_checkpoint().restart == "parent/parent/restart.200"


def test_without_an_earlier_job_the_run_starts(system: System, lmp: Path, tmp_path: Path) -> None:
    job = Job.prepare(tmp_path / "first", lmp, system, plan(NVT, stop=100))
    chosen = job.choose_checkpoint()
    assert (chosen.restart, chosen.sha256, chosen.unreadable, chosen.ranks) == ("none", "", "", None)
    assert (job.folder / START_FILE).read_text() == "variable timeout string off\nread_data system.data\n"


def test_after_a_job_without_checkpoints_the_run_starts(system: System, lmp: Path, tmp_path: Path) -> None:
    empty = Job.prepare(tmp_path / "empty", lmp, system, plan(NVT, stop=100))
    job = later(empty, system)
    assert job.run().report.reached(300)
    assert job.report.stages[0].first_step == 0


def test_a_missing_folder_does_not_restart_the_run(earlier: Job, system: System) -> None:
    job = later(earlier, system)
    earlier.folder.rename(earlier.folder.with_name("purged"))
    report = job.run().report
    assert job.started_from.restart == "none"
    assert report.error == "ERROR: no restart file: the folder of an earlier job is gone"
    assert classify_error(report.error or "") == "restart_unreadable"
    assert later(job, system, "after").run().report.error == report.error, "nor for the job after it"


def test_a_later_job_of_a_phase_needs_its_checkpoint(system: System, lmp: Path, tmp_path: Path) -> None:
    empty = Job.prepare(tmp_path / "empty", lmp, system, plan(MINIMIZE))
    job = plan(MINIMIZE).model_copy(update={"first_step": 300})
    report = Job.prepare(tmp_path / "later", lmp, system, job, empty).run().report
    assert report.error == "ERROR: no restart file of step 300 or later to go on from"
    assert report.stages == []
