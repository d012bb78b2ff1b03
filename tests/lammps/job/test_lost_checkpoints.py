"""With the real program: a checkpoint that is not as it was, or of which frames are missing, is passed over."""

from __future__ import annotations

import hashlib
import os
import signal
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.job.continuity import deviation, trajectory_bytes
from aiida_cse.lammps.job.records import END_RECORD
from aiida_cse.lammps.job.script import FINAL_DATA, IONS, LOG, TRAJECTORY
from tests.lammps.job.test_resume import NVT, assert_identical, frames
from tests.lammps.jobs import ION_TYPES, Job, plan
from tests.systems import crystal_and_molecules

pytestmark = pytest.mark.integration

WRITTEN = NVT | {"trajectory_ps": 0.01}


@pytest.fixture(scope="module")
def system() -> System:
    return crystal_and_molecules()


@pytest.fixture
def lmp(environment_bin: Path) -> Path:
    return environment_bin / "lmp"


@pytest.fixture
def earlier(system: System, lmp: Path, tmp_path: Path) -> Job:
    """A segment with checkpoints at 100, 150 and 200 and a frame every 10 steps."""
    job = Job.prepare(tmp_path / "earlier", lmp, system, plan(WRITTEN, stop=200)).run()
    assert [path.name for path in job.checkpoints()] == ["restart.100", "restart.150", "restart.200"]
    return job


def later(earlier: Job, system: System, name: str = "later") -> Job:
    segment = plan(WRITTEN, stop=300).model_copy(update={"resume_step": 200})
    return Job.prepare(earlier.folder.parent / name, earlier.lmp, system, segment, earlier)


def change_a_number(checkpoint: Path, number: float = float("nan")) -> None:
    """Put another number where a coordinate is: LAMMPS reads such a file without a word."""
    content = bytearray(checkpoint.read_bytes())
    half = len(content) // 2
    for place in range(half, len(content) - 8):
        (found,) = struct.unpack_from("<d", content, place)
        if 1 < abs(found) < 30 and found != round(found):
            struct.pack_into("<d", content, place, number)
            break
    checkpoint.write_bytes(content)


def test_a_changed_checkpoint_is_found_by_its_checksum(earlier: Job, system: System) -> None:
    change_a_number(earlier.folder / "restart.200")
    chosen = later(earlier, system).choose_checkpoint()
    assert (chosen.restart, chosen.unreadable) == ("parent/restart.150", "parent/restart.200")


def test_a_changed_data_file_is_not_used(earlier: Job, system: System) -> None:
    for checkpoint in earlier.checkpoints():
        checkpoint.write_bytes(b"")
    data = earlier.folder / FINAL_DATA
    data.write_text(data.read_text().replace("3", "4", 1))
    assert later(earlier, system).choose_checkpoint().restart == "none"


def test_a_readable_checkpoint_without_a_record_is_used(earlier: Job, system: System) -> None:
    (earlier.folder / END_RECORD).unlink()
    assert later(earlier, system).choose_checkpoint().restart == "parent/restart.200"


def test_a_segment_repeats_lost_steps_of_the_previous_one(
    earlier: Job, system: System, lmp: Path, tmp_path: Path
) -> None:
    whole = Job.prepare(tmp_path / "whole", lmp, system, plan(WRITTEN, stop=300)).run()
    (earlier.folder / "restart.200").unlink()
    job = later(earlier, system).run()
    assert job.started_from.restart == "parent/restart.150"
    assert job.report.reached(300)
    assert_identical(whole.final, job.final)
    joined = np.vstack([frames(earlier.folder)[:15], frames(job.folder)])
    assert np.array_equal(frames(whole.folder), joined)


@pytest.mark.parametrize(
    ("cut", "chosen"),
    [((0, 0), "restart.200"), ((2, 0), "restart.150"), ((0, 6), "restart.150"), ((7, 11), "restart.100")],
)
def test_a_checkpoint_needs_the_frames_of_both_trajectories(
    cut: tuple[int, int], chosen: str, system: System, lmp: Path, tmp_path: Path
) -> None:
    """A job is killed while it writes the two, and one of them lacks frames."""
    stage = WRITTEN | {"ions_ps": 0.002}
    whole = Job.prepare(tmp_path / "whole", lmp, system, plan(stage, stop=300)).run()
    job = Job.prepare(tmp_path / "job", lmp, system, plan(stage, stop=200)).run()
    atoms = (len(system.data.positions), int(np.isin(system.data.types, ION_TYPES).sum()))
    for name, missing, natoms in zip((TRAJECTORY, IONS), cut, atoms, strict=True):
        frame = trajectory_bytes(natoms, 0, 0, 10) - trajectory_bytes(natoms, 1, 1, 10)
        os.truncate(job.folder / name, (job.folder / name).stat().st_size - missing * frame)
    resumed = Job.prepare(tmp_path / "later", lmp, system, plan(stage, stop=300), job).run()
    assert resumed.started_from.restart == f"parent/{chosen}"
    start = int(chosen.split(".")[1])
    for name, stride in ((TRAJECTORY, 10), (IONS, 2)):
        kept = frames(job.folder, name)[: start // stride]
        assert np.array_equal(frames(whole.folder, name), np.vstack([kept, frames(resumed.folder, name)]))


@pytest.mark.parametrize(
    "lose", [Path.unlink, lambda path: os.truncate(path, 0), lambda path: os.truncate(path, 100)]
)
def test_a_lost_trajectory_of_a_killed_job_has_no_frames(
    earlier: Job, system: System, lose: Callable[[Path], None]
) -> None:
    (earlier.folder / END_RECORD).unlink()
    lose(earlier.folder / TRAJECTORY)
    assert later(earlier, system).choose_checkpoint().restart == "none"


def test_a_checkpoint_before_the_first_frame_needs_no_trajectory(earlier: Job, system: System) -> None:
    (earlier.folder / END_RECORD).unlink()
    os.truncate(earlier.folder / TRAJECTORY, 0)
    log = earlier.folder / LOG
    log.write_text(log.read_text().replace("start=0 target=200 step=0 ", "start=0 target=200 step=191 "))
    script = earlier.folder / "input.in"
    script.write_text(script.read_text().replace(" dcd 10 ", " dcd 150 "))
    assert later(earlier, system).choose_checkpoint().restart == "parent/restart.200"


def test_a_discarded_trajectory_of_an_ended_job_is_not_missed(earlier: Job, system: System) -> None:
    (earlier.folder / TRAJECTORY).unlink()
    assert later(earlier, system).choose_checkpoint().restart == "parent/restart.200"


def test_a_stage_without_a_trajectory_of_its_own_needs_no_frames(earlier: Job, system: System) -> None:
    os.truncate(earlier.folder / TRAJECTORY, 300)
    job = Job.prepare(earlier.folder.parent / "other", earlier.lmp, system, plan(NVT, stop=300), earlier)
    assert job.choose_checkpoint().restart == "parent/restart.200"


def test_the_next_job_records_the_files_of_a_killed_one(system: System, lmp: Path, tmp_path: Path) -> None:
    killed = Job.prepare(tmp_path / "killed", lmp, system, plan(WRITTEN, restart_interval=200, cutoff=9.0))
    process = killed.start()
    deadline = time.monotonic() + 60
    while len(killed.checkpoints()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    start = later(killed, system).choose_checkpoint()
    content = (killed.folder / TRAJECTORY).read_bytes()
    assert start.left.keys() == {TRAJECTORY}
    found = start.left[TRAJECTORY]
    assert (found.sha256, found.bytes) == (hashlib.sha256(content).hexdigest(), len(content))


def test_recorded_files_are_not_recorded_again(earlier: Job, system: System) -> None:
    assert later(earlier, system).choose_checkpoint().left == {}


def test_a_job_starts_in_the_state_of_its_checkpoint(earlier: Job, system: System) -> None:
    (earlier.folder / "restart.200").unlink()
    job = later(earlier, system).run()
    assert job.started_from.row.startswith("150, ")
    assert deviation(job.started_from, job.report) is None


def test_silent_damage_is_found_in_the_first_row(earlier: Job, system: System) -> None:
    """Of a job that was killed there is no checksum."""
    (earlier.folder / END_RECORD).unlink()
    (earlier.folder / "restart.200").unlink()
    change_a_number(earlier.folder / "restart.150", 3.25)
    job = later(earlier, system).run()
    assert job.started_from.restart == "parent/restart.150"
    found = deviation(job.started_from, job.report)
    assert found is not None
    assert found.damaged
    assert found.words.startswith(
        "parent/restart.150 does not lead to the state in which it was written: at step 150"
    )
