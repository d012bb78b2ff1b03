"""With the real program: nobody writes where another one does, and what a job leaves can be trusted."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.job.continuity import inexact_reason
from aiida_cse.lammps.job.records import (
    COMPRESSED_LOG,
    END_RECORD,
    UNFINISHED_LOG,
    EndRecord,
    StartRecord,
    job_scripts,
    read_record,
    soft_limit,
    wall_time_error,
)
from aiida_cse.lammps.job.script import FINAL_DATA, LOG, START_FILE, TRAJECTORY
from aiida_cse.lammps.log.outcome import judge
from aiida_cse.lammps.log.reader import classify_error
from tests.lammps.job.test_resume import NVT, assert_identical
from tests.lammps.jobs import Job, plan
from tests.systems import crystal_and_molecules

CADENCE = 200
LONG = plan(NVT, restart_interval=CADENCE, cutoff=9.0)


@pytest.fixture(scope="module")
def system() -> System:
    return crystal_and_molecules()


@pytest.fixture
def lmp(environment_bin: Path) -> Path:
    return environment_bin / "lmp"


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def processes_of(job: Job) -> dict[int, str]:
    """Return the processes in the folder of a job: ID -> script, wrapper, launcher or lammps."""
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, FileNotFoundError):
            if Path(process.cwd()) == job.folder and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = _role(process.cmdline())
    return found


def _role(command: list[str]) -> str:
    if command[:2] == ["bash", "job.sh"]:
        return "script"
    program = Path(command[0]).name if command else ""
    if program.startswith("python"):
        return "wrapper"
    return "lammps" if program == "lmp" else "launcher"


Running = tuple[Job, "subprocess.Popen[bytes]"]


@pytest.fixture
def running(system: System, lmp: Path, tmp_path: Path) -> Iterator[Running]:
    """A job with three checkpoints, in the midst of its run."""
    job = Job.prepare(tmp_path / "running", lmp, system, LONG)
    process = job.start()
    wait_for(lambda: len(job.checkpoints()) == 3)
    yield job, process
    for pid in processes_of(job):
        os.kill(pid, signal.SIGKILL)
    process.wait()


def kill(job: Job, *roles: str) -> None:
    """Kill processes of a job without warning."""
    found = {pid: role for pid, role in processes_of(job).items() if role in roles}
    assert set(roles) == set(found.values())
    for pid in sorted(found):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not set(found) & set(processes_of(job)))


def goes_on(job: Job, name: str = "next") -> Job:
    """Run the next job some steps beyond what the one before has written."""
    newest = int(job.checkpoints()[-1].suffix[1:])
    stop = plan(NVT, stop=newest + 10 * CADENCE, restart_interval=CADENCE, cutoff=9.0)
    later = Job.prepare(job.folder.parent / name, job.lmp, crystal_and_molecules(), stop, job)
    return later.run()


# -- who writes ------------------------------------------------------------------------------------------------


@pytest.mark.integration
def test_lammps_survives_its_wrapper_and_is_ended_by_the_next_job(running: Running) -> None:
    job, process = running
    kill(job, "script", "wrapper")
    process.wait()
    assert set(processes_of(job).values()) == {"lammps"}, "the child of the wrapper continues"
    later = goes_on(job)
    assert processes_of(job) == {}
    assert later.started_from.ended_processes == 1
    assert later.report.stages[0].first_step > 0
    stop = later.report.finished_step
    whole = plan(NVT, stop=stop, restart_interval=CADENCE, cutoff=9.0)
    assert later.report.reached(whole.target_step)
    assert_identical(
        Job.prepare(job.folder.parent / "whole", job.lmp, crystal_and_molecules(), whole).run().final, later.final
    )


@pytest.mark.integration
@pytest.mark.parametrize("role", ["wrapper", "lammps"])
def test_a_job_whose_lammps_was_killed_cleans_up_after_itself(running: Running, role: str) -> None:
    job, process = running
    kill(job, role)
    assert process.wait(timeout=60) == 0, "of its script"
    assert processes_of(job) == {}
    assert job.left.signal == "SIGKILL"
    assert (job.folder / "lock" / "released").exists()
    outcome = judge(job.report, LONG.target_step, job.stderr.splitlines())
    assert outcome is not None
    assert outcome.kind == "interrupted"
    assert gzip.decompress((job.folder / COMPRESSED_LOG).read_bytes()) == (job.folder / LOG).read_bytes()
    assert goes_on(job).started_from.ended_processes == 0


@pytest.mark.integration
def test_a_killed_job_leaves_no_process(running: Running) -> None:
    job, process = running
    os.killpg(process.pid, signal.SIGTERM)
    process.wait()
    wait_for(lambda: not processes_of(job))
    assert not (job.folder / "lock" / "released").exists()
    assert not (job.folder / COMPRESSED_LOG).exists()
    assert (job.folder / UNFINISHED_LOG).read_bytes() == (job.folder / LOG).read_bytes()
    later = goes_on(job)
    assert later.started_from.ended_processes == 0
    assert later.report.error is None


@pytest.mark.integration
def test_processes_of_mpirun_are_ended_in_any_process_group(
    system: System, lmp: Path, tmp_path: Path, environment_bin: Path
) -> None:
    job = Job.prepare(tmp_path / "running", lmp, system, LONG)
    process = job.start(launcher=f"setsid {environment_bin / 'mpirun'} -np 1")
    wait_for(lambda: len(job.checkpoints()) == 3)
    kill(job, "script")
    process.wait()
    left = processes_of(job)
    assert set(left.values()) >= {"lammps", "launcher"}
    assert all(os.getpgid(pid) != process.pid for pid in left)
    later = goes_on(job)
    assert processes_of(job) == {}
    assert later.started_from.ended_processes == len(left)
    assert later.report.error is None
    assert later.started_from.ranks == later.report.ranks == 1


@pytest.mark.integration
def test_a_second_writer_is_refused(running: Running) -> None:
    job, _ = running
    before = job.started_from, processes_of(job)
    again = subprocess.run(["bash", "job.sh"], cwd=job.folder, timeout=60, check=False)
    assert again.returncode == 75
    assert job.stderr.startswith(f"ERROR: folder in use: {job.folder} was taken by a job on {os.uname().nodename}")
    assert (job.started_from, processes_of(job)) == before
    outcome = judge(job.report, LONG.target_step, job.stderr.splitlines())
    assert outcome is not None
    assert outcome.kind == "folder_in_use"


@pytest.mark.integration
def test_a_job_that_is_launched_again_is_not_run_again(system: System, lmp: Path, tmp_path: Path) -> None:
    job = Job.prepare(tmp_path / "job", lmp, system, plan(NVT, stop=200)).run()
    left = {
        path: path.read_bytes() for path in job.folder.iterdir() if path.is_file() and path.name != "stderr.txt"
    }
    assert subprocess.run(["bash", "job.sh"], cwd=job.folder, timeout=60, check=False).returncode == 75
    assert {path: path.read_bytes() for path in left} == left
    assert judge(job.report, 200, job.stderr.splitlines()) is None, "what it has done counts"


def test_a_folder_that_cannot_be_written_to_is_refused(system: System, tmp_path: Path) -> None:
    job = Job.prepare(tmp_path / "job", Path("/bin/false"), system, LONG)
    (job.folder / "lock").touch()
    assert job.start().wait(timeout=60) == 75
    assert job.stderr == f"ERROR: Cannot open folder: {job.folder} cannot be written to\n"
    assert not (job.folder / LOG).exists()


@pytest.mark.integration
def test_processes_of_others_in_the_folder_are_not_ended(running: Running) -> None:
    """A shell of the user's, and a process that got the number of the job's script when that had ended."""
    job, process = running
    kill(job, "script", "wrapper", "lammps")
    process.wait()
    with subprocess.Popen(["sleep", "60"], cwd=job.folder, start_new_session=True) as other:
        owner = job.folder / "lock" / "owner"
        lines = owner.read_text().splitlines()
        owner.write_text(
            "\n".join(f"pid={other.pid}" if line.startswith("pid=") else line for line in lines) + "\n"
        )
        later = goes_on(job)
        assert other.poll() is None
        other.kill()
    assert later.report.error is None


@pytest.mark.integration
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by their environment")
@pytest.mark.parametrize("recorded", ["abc", "abc\njob=", "\njob=x", ""])
def test_a_name_that_begins_as_another_one_is_another_job(recorded: str, tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock" / "owner").write_text(f"job={recorded}\n")
    (tmp_path / "lock.sh").write_text(job_scripts()["lock.sh"])
    others = ({"CSE_JOB": "abcd"}, {"MY_CSE_JOB": "abc"}, {"NOTE": "CSE_JOB=abc"}, {"CSE_JOB": ""})
    environments = ({"CSE_JOB": "abc"}, *others)
    started = [subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"]} | one) for one in environments]
    try:
        living = ["sh", "-c", ". ./lock.sh; living . none"]
        found = subprocess.run(living, cwd=tmp_path, capture_output=True, text=True, check=False).stdout.split()
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert found == ([str(started[0].pid)] if recorded.startswith("abc") else [])


def test_a_job_on_another_machine_must_be_silent_first(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSE_QUIET_SECONDS", "2")
    job, process = running
    kill(job, "script", "wrapper", "lammps")
    process.wait()
    elsewhere(job)
    assert goes_on(job).report.error is None
    with subprocess.Popen(
        ["sh", "-c", f"while sleep 0.1; do echo >> {LOG}; done"], cwd=job.folder, start_new_session=True
    ) as writer:
        refused = goes_on(job, "refused")
        after = goes_on_from_refused(refused, "after")
        writer.kill()
    for later in (refused, after):
        assert later.report.error is not None
        assert later.report.error.startswith("ERROR: folder in use: parent")
        assert later.report.error.endswith("a job on elsewhere still writes there")
        assert classify_error(later.report.error or "") == "folder_in_use"
        assert later.started_from.restart == "none"
    assert goes_on_from_refused(refused, "last").report.finished_step is not None


def elsewhere(job: Job) -> None:
    """Let a job have run on another machine."""
    owner = job.folder / "lock" / "owner"
    owner.write_text(owner.read_text().replace(f"host={os.uname().nodename}", "host=elsewhere"))
    machine = next(line for line in owner.read_text().splitlines() if line.startswith("machine="))
    owner.write_text(owner.read_text().replace(machine, "machine=elsewhere 1 2"))


def goes_on_from_refused(job: Job, name: str) -> Job:
    stop = plan(NVT, stop=50 * CADENCE, restart_interval=CADENCE, cutoff=9.0)
    return Job.prepare(job.folder.parent / name, job.lmp, crystal_and_molecules(), stop, job).run()


# -- what is left ----------------------------------------------------------------------------------------------


@pytest.mark.integration
def test_a_job_records_the_files_that_it_leaves(system: System, lmp: Path, tmp_path: Path) -> None:
    job = Job.prepare(tmp_path / "job", lmp, system, plan(NVT | {"trajectory_ps": 0.1}, stop=200)).run()
    assert set(job.left.files) == {TRAJECTORY, FINAL_DATA, "restart.100", "restart.150", "restart.200"}
    for name, record in job.left.files.items():
        content = (job.folder / name).read_bytes()
        assert (record.sha256, record.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (job.left.status, job.left.signal) == (0, None)
    assert (job.left.lammps_version, job.left.ranks) == (job.report.version, 1)
    assert job.left.host == job.started_from.host == os.uname().nodename
    whole = (job.folder / LOG).read_text()
    kept = gzip.decompress((job.folder / COMPRESSED_LOG).read_bytes()).decode()
    rows = [line for line in whole.splitlines() if line.startswith("  - [")]
    assert kept.splitlines() == [line for line in whole.splitlines() if line not in rows]
    assert len(rows) > 3
    assert not (job.folder / UNFINISHED_LOG).is_symlink()


@pytest.mark.integration
def test_without_exactness_checkpoints_are_pruned_and_nothing_else_changes(
    system: System, lmp: Path, tmp_path: Path
) -> None:
    asked = plan(NVT, stop=2000, exact=False)
    pruned = Job.prepare(tmp_path / "pruned", lmp, system, asked).run()
    assert [path.name for path in pruned.checkpoints()] == ["restart.1900", "restart.1950", "restart.2000"]
    plain = Job.prepare(tmp_path / "plain", lmp, system, asked)
    script = plain.folder / "input.in"
    script.write_text(re.sub("pre no post no every .*", "", script.read_text()))
    assert_identical(pruned.final, plain.run().final)
    assert len(plain.checkpoints()) == 40


@pytest.mark.integration
def test_a_full_disk_is_named(running: Running) -> None:
    job, process = running
    (pid,) = (pid for pid, role in processes_of(job).items() if role == "lammps")
    limit = (job.folder / LOG).stat().st_size + 1000
    psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (limit, limit))
    process.wait(timeout=60)
    outcome = judge(job.report, LONG.target_step, [*job.stderr.splitlines(), str(job.left.signal)])
    assert outcome is not None
    assert outcome.kind == "disk_full"


@pytest.mark.parametrize(("limit", "full"), [("ulimit -f 40;", True), ("", False)])
def test_a_disk_that_is_full_at_the_end_is_noticed(limit: str, full: bool, system: System, tmp_path: Path) -> None:
    """The words of LAMMPS find no room either; a limit of the size of files stands for the disk."""
    job = Job.prepare(tmp_path / "job", Path("/bin/true"), system, LONG).run(launcher=limit)
    assert job.left.disk_full is full
    assert not (job.folder / "probe").exists()


# -- the portable way on -----------------------------------------------------------------------------------------


@pytest.fixture
def unreadable(system: System, lmp: Path, tmp_path: Path) -> Job:
    """A job that ended at step 300, with restart files that LAMMPS cannot read."""
    job = Job.prepare(tmp_path / "unreadable", lmp, system, plan(NVT, stop=300)).run()
    for checkpoint in job.checkpoints():
        checkpoint.write_bytes(checkpoint.read_bytes()[:-4])
    return job


@pytest.mark.integration
def test_the_data_file_is_used_if_no_restart_file_is_readable(unreadable: Job, system: System) -> None:
    folder = unreadable.folder.parent
    longer = plan(NVT, stop=400).model_copy(update={"resume_step": 300})
    later = Job.prepare(folder / "later", unreadable.lmp, system, longer, unreadable).run()
    assert later.started_from.restart == "parent/final.data"
    assert later.report.reached(400)
    assert later.report.stages[0].first_step == 300
    reason = inexact_reason(later.started_from, later.report, longer)
    assert reason is not None
    assert reason.startswith("no restart file could be read: the job continued from parent/final.data")
    short = plan(NVT, stop=300).model_copy(update={"resume_step": 300})
    again = Job.prepare(folder / "again", unreadable.lmp, system, short, unreadable).run()
    assert abs(again.final.unwrapped - unreadable.final.unwrapped).max() < 1e-9
    assert again.final.velocities is not None
    assert unreadable.final.velocities is not None
    assert abs(again.final.velocities - unreadable.final.velocities).max() < 1e-12


@pytest.mark.integration
def test_an_incomplete_data_file_is_ignored(unreadable: Job, system: System) -> None:
    data = unreadable.folder / FINAL_DATA
    content = data.read_bytes()
    for share in (0.0, 0.3, 0.7, 0.95, 0.999, 1.0):
        data.write_bytes(content[: min(int(share * len(content)), len(content) - 1)])
        later = Job.prepare(unreadable.folder.parent / f"later_{share}", unreadable.lmp, system, LONG, unreadable)
        assert later.choose_checkpoint().restart == "none", share


@pytest.mark.integration
def test_a_checkpoint_that_lammps_did_not_accept_is_not_tried_again(
    system: System, lmp: Path, tmp_path: Path
) -> None:
    """LAMMPS cannot be called before, and no checksum is known; the log states that the file is complete."""
    first = Job.prepare(tmp_path / "first", lmp, system, plan(NVT, stop=200)).run()
    (first.folder / END_RECORD).unlink()
    newest = first.checkpoints()[-1]
    newest.write_bytes(newest.read_bytes()[:-4])
    behind_launcher = tmp_path / "lmp"
    behind_launcher.write_text(f'#!/bin/sh\n[ "$1" = -in ] && exec {lmp} "$@"\n')
    behind_launcher.chmod(0o755)
    longer = plan(NVT, stop=300)
    second = Job.prepare(tmp_path / "second", behind_launcher, system, longer, first).run()
    assert second.started_from.restart == "parent/restart.200"
    assert classify_error(second.report.error or "") == "restart_unreadable"
    third = Job.prepare(tmp_path / "third", behind_launcher, system, longer, second).run()
    assert third.started_from.restart == "parent/parent/restart.150"
    assert third.started_from.unreadable == "parent/parent/restart.200"
    assert third.report.reached(300)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\x00\xff", b'{"restart": 1}', b'{"sha256": ""}'])
@pytest.mark.parametrize("model", [StartRecord, EndRecord])
def test_an_invalid_record_is_none(model: Any, content: bytes) -> None:
    assert read_record(model, content) is None


# -- the wall time -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "limit"), [(None, None), (0, None), (1, 1), (3600, 3420), (100_000, 95_000), (400_000, 380_000)]
)
def test_lammps_stops_before_the_wall_time(seconds: int | None, limit: int | None) -> None:
    assert soft_limit(seconds) == limit


@pytest.mark.parametrize(
    ("limit", "text"), [(3420, "00:57:00"), (95_000, "26:23:20"), (380_000, "105:33:20"), (0, "00:00:00")]
)
def test_lammps_gets_its_limit_in_hours_and_minutes(system: System, tmp_path: Path, limit: int, text: str) -> None:
    job = Job.prepare(tmp_path / "job", Path("/bin/false"), system, LONG)
    job.start(limit).wait(timeout=60)
    assert (job.folder / START_FILE).read_text() == f"variable timeout string {text}\nread_data system.data\n"


@pytest.mark.integration
def test_the_waiting_time_of_the_prologue_counts(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSE_QUIET_SECONDS", "3")
    job, process = running
    kill(job, "script", "wrapper", "lammps")
    process.wait()
    elsewhere(job)
    later = Job.prepare(job.folder.parent / "later", job.lmp, crystal_and_molecules(), LONG, job).run(limit=5)
    limit = (later.folder / START_FILE).read_text().splitlines()[0]
    assert limit in {f"variable timeout string 00:00:0{seconds}" for seconds in (1, 2, 3)}
    assert later.report.timed_out


def test_an_impossible_wall_time_is_refused() -> None:
    slow = plan(NVT, restart_interval=500_000)
    message = wall_time_error(4, slow)
    assert message is not None
    assert message.startswith(
        "max_wallclock_seconds = 4: no machine makes the 500000 steps to the first checkpoint"
    )
    assert wall_time_error(6, slow) is None
    assert wall_time_error(None, slow) is None
    assert wall_time_error(1, plan(NVT, stop=100, restart_interval=500_000)) is None, "its end comes first"
