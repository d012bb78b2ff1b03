"""The embedded engine under SIGKILL, Ctrl-C, SIGTERM and a Python that ends within a step."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
from aiida.engine import ProcessState, Runner
from aiida.manage.configuration import get_config
from aiida.orm import Int, Str
from sqlalchemy.exc import OperationalError

from aiida_cse.engine import embedded
from aiida_cse.engine.embedded import PausedRunError, StepError, resume_embedded, run_embedded
from aiida_cse.engine.locks import ProcessBusyError, is_held, process_lock
from tests.engine import engine_script
from tests.engine.engine_processes import InnerWorkChain, MarkCalculation

# waits most of the time, so it begins with the first
pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[2]
JOBS = {"InnerWorkChain": ("a1", "a2"), "OuterWorkChain": ("a1", "a2", "b1", "b2")}


class Python:
    """A Python of its own, forked from one that has imported the package: an import takes 2 s of CPU time."""

    def __init__(self, arguments: tuple[object, ...], settings: dict[str, object]) -> None:
        context = multiprocessing.get_context("forkserver")
        reader, writer = context.Pipe(duplex=False)
        words = [tuple(map(str, arguments)), {name: str(value) for name, value in settings.items()}]
        self._process = context.Process(target=engine_script.main_of_fork, args=(writer, *words))
        self._process.start()
        writer.close()
        self.stdout = os.fdopen(os.dup(reader.fileno()), encoding="utf-8")
        reader.close()
        self.pid = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float = 60) -> int:
        self._process.join(timeout)
        assert self.returncode is not None, f"it goes on after {timeout} s"
        return self.returncode

    def finish(self, timeout: float = 60) -> str:
        """Wait for the end of this Python and return what it printed since the last call."""
        self.wait(timeout)
        return self.stdout.read()

    def kill(self) -> None:
        self._process.kill()


class Commands:
    """Starts Pythons that run and resume processes in the profile of the module."""

    def __init__(self, folder: Path, marks: Path) -> None:
        self._folder = folder
        self.marks = marks
        self.marks.touch()
        self._started: list[Python] = []

    def start(self, *arguments: object, **settings: object) -> Python:
        process = Python(arguments, settings)
        self._started.append(process)
        return process

    def run(
        self, name: str = "InnerWorkChain", seconds: int = 1, command: str = "run", **settings: object
    ) -> tuple[Python, int]:
        """Start a run; return its Python and the PK of the process."""
        process = self.start(command, name, self.marks, seconds, **settings)
        line = next((line for line in process.stdout if line.startswith("PK ")), "PK -1")
        return process, int(line.split()[1])

    def resume(self, pk: int) -> list[dict[str, Any]]:
        process = self.start("resume", pk)
        output = process.finish(120)
        assert process.returncode == 0, output
        fates: list[dict[str, Any]] = json.loads(output.splitlines()[-1])
        return fates

    @property
    def database(self) -> Path:
        """The database of the profile."""
        (path,) = self._folder.glob(".aiida/repository/*/database.sqlite")
        return path

    @contextmanager
    def locked(self, *, reading: bool = False) -> Iterator[None]:
        """Lock the database as another program does: none can write, or only reading goes on."""
        with closing(sqlite3.connect(self.database, timeout=30, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE" if reading else "BEGIN EXCLUSIVE")
            yield
            database.execute("ROLLBACK")

    def await_mark(self, mark: str, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while mark not in self.marks.read_text():
            assert time.monotonic() < deadline, f"no {mark!r} within {timeout} s"
            time.sleep(0.05)

    def count(self) -> Counter[str]:
        return Counter(self.marks.read_text().split("\n"))

    def stop_all(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture(scope="module")
def profile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the profile that all Pythons of this module use; the first one creates the profile."""
    folder = tmp_path_factory.mktemp("embedded")
    (folder / ".aiida").mkdir()
    # AiiDA looks for its profiles when it is imported
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIIDA_PATH", str(folder))
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        forkserver.set_forkserver_preload(["tests.engine.engine_script"])
        forkserver.ensure_running()
    return folder


@pytest.fixture
def commands(profile_folder: Path, tmp_path: Path) -> Iterator[Commands]:
    commands = Commands(profile_folder, tmp_path / "marks")
    yield commands
    commands.stop_all()


def assert_each_job_ran_once(commands: Commands, jobs: tuple[str, ...] = JOBS["InnerWorkChain"]) -> None:
    counted = commands.count()
    assert {job: (counted[f"start {job}"], counted[f"end {job}"]) for job in jobs} == dict.fromkeys(jobs, (1, 1))


@pytest.mark.parametrize(
    ("chain", "moment"),
    [
        ("OuterWorkChain", "start a1"),
        pytest.param("InnerWorkChain", "start function", marks=pytest.mark.long),
    ],
)
def test_a_killed_run_is_resumed_and_nothing_runs_twice(commands: Commands, chain: str, moment: str) -> None:
    python, pk = commands.run(chain)
    commands.await_mark(moment)
    python.kill()

    fates = commands.resume(pk)

    assert (fates[0]["state"], fates[0]["exit_status"]) == ("finished", 0)
    assert_each_job_ran_once(commands, JOBS[chain])
    assert [fate for fate in fates if not fate["sealed"] or fate["checkpoint"]] == []
    jobs = [fate for fate in fates if fate["label"] == "MarkCalculation"]
    assert [job["state"] for job in jobs] == ["finished"] * len(JOBS[chain])


def test_a_run_that_is_killed_repeatedly_finishes(commands: Commands) -> None:
    python, pk = commands.run()
    commands.await_mark("start a1")
    python.kill()
    for moment in ("start a2", "start function"):
        python = commands.start("resume", pk)
        commands.await_mark(moment)
        python.kill()
        python.wait()

    assert commands.resume(pk)[0]["exit_status"] == 0
    assert_each_job_ran_once(commands)


@pytest.mark.parametrize(
    ("number", "chain", "moment"),
    [
        pytest.param(signal.SIGINT, "InnerWorkChain", "start a1", marks=pytest.mark.long),
        (signal.SIGINT, "OuterWorkChain", "start function"),
        (signal.SIGTERM, "InnerWorkChain", "start a2"),
    ],
)
def test_a_stopped_run_can_be_resumed(commands: Commands, number: signal.Signals, chain: str, moment: str) -> None:
    python, pk = commands.run(chain)
    commands.await_mark(moment)
    os.killpg(python.pid, number)
    output = python.finish(60)

    assert python.returncode == 130
    assert output.splitlines()[-1].startswith("interrupted; resume with: "), output
    assert output.splitlines()[-1].endswith(f"aiida-cse resume {pk}")
    assert "Traceback" not in output
    assert "never awaited" not in output

    fates = commands.resume(pk)
    assert {(fate["state"], fate["exit_status"]) for fate in fates} == {("finished", 0)}
    assert_each_job_ran_once(commands, JOBS[chain])


@pytest.mark.parametrize("answers", [True, False])
def test_another_python_stops_a_run_whether_or_not_it_answers_in_time(commands: Commands, answers: bool) -> None:
    python, pk = commands.run(seconds=12)
    commands.await_mark("start a1")
    said = commands.start("stop", pk, 30 if answers else 0).finish(60)

    assert f"asking process {python.pid} to leave it" in said
    assert "MarkCalculation takes little and ends by itself" in said
    ended = {130} if answers else {130, 128 + signal.SIGTERM, -signal.SIGKILL}
    assert python.wait(timeout=60) in ended
    assert ("did not answer" in said) is not answers
    fates = json.loads(said.splitlines()[-1])
    assert {fate["state"] for fate in fates} == {"waiting"}
    assert {fate["label"] for fate in fates if fate["stopped"]} == {"InnerWorkChain"}

    fates = commands.resume(pk)
    assert {(fate["state"], fate["exit_status"], fate["stopped"]) for fate in fates} == {("finished", 0, False)}
    assert_each_job_ran_once(commands)


def test_a_second_ctrl_c_ends_python_at_once(commands: Commands) -> None:
    python, pk = commands.run(seconds=0)
    commands.await_mark("start function")
    os.kill(python.pid, signal.SIGINT)
    time.sleep(0.3)
    os.kill(python.pid, signal.SIGINT)
    python.finish(2)

    assert python.returncode == 128 + signal.SIGINT
    assert commands.resume(pk)[0]["exit_status"] == 0


def test_children_of_an_interrupted_step_are_killed_and_submitted_again(commands: Commands) -> None:
    python = commands.start("run", "DyingWorkChain", commands.marks, 0)
    assert python.wait(timeout=60) == -signal.SIGKILL
    pk = newest_workchain(commands)

    root, *children = commands.resume(pk)

    assert (root["state"], root["exit_status"]) == ("finished", 0)
    assert sorted(child["state"] for child in children) == ["finished", "killed"]
    assert all(child["sealed"] for child in children)
    assert_each_job_ran_once(commands, jobs=("a",))


@pytest.mark.parametrize("seconds", [0, 6])
def test_a_started_job_without_stored_id_is_not_started_again(commands: Commands, seconds: int) -> None:
    python = commands.start("run-and-die-at-submission", "InnerWorkChain", commands.marks, seconds)
    assert python.wait(timeout=60) == -signal.SIGKILL
    commands.await_mark("start a1" if seconds else "end a1")

    assert commands.resume(newest_workchain(commands))[0]["exit_status"] == 0
    assert_each_job_ran_once(commands)


def newest_workchain(commands: Commands) -> int:
    with closing(sqlite3.connect(commands.database)) as database:
        query = "SELECT max(id) FROM db_dbnode WHERE node_type LIKE 'process.workflow.workchain%'"
        return int(database.execute(query).fetchone()[0])


def test_two_pythons_cannot_run_the_same_process(commands: Commands) -> None:
    python, pk = commands.run(seconds=3)
    second = commands.start("resume", pk)
    output = second.finish(60)

    assert second.returncode == 1
    assert f"process {pk} is being run by another Python (process ID {python.pid}" in output


def test_the_lock_is_released_with_its_holder(
    aiida_profile: object, installed_code: Callable[..., Any], tmp_path: Path
) -> None:
    node = run_embedded(mark_builder(installed_code, tmp_path))
    assert not is_held(node)
    with process_lock(node):
        assert is_held(node)
        with pytest.raises(ProcessBusyError, match=f"process ID {os.getpid()}"), process_lock(node):
            pass
    assert not is_held(node)


def test_a_paused_process_ends_the_run_and_can_be_resumed(
    localhost: Any, installed_code: Callable[..., Any], tmp_path: Path
) -> None:
    builder = mark_builder(installed_code, tmp_path)
    folder, attempts = localhost.get_workdir(), "transport.task_maximum_attempts"
    (tmp_path / "file").touch()
    localhost.set_workdir(str(tmp_path / "file" / "work"))
    get_config().set_option(attempts, 1)
    try:
        with pytest.raises(PausedRunError, match=r"is paused: .*upload_calculation failed") as caught:
            run_embedded(builder)
    finally:
        localhost.set_workdir(folder)
        get_config().unset_option(attempts)

    node = resume_embedded(caught.value.pk)
    assert node.is_finished_ok
    assert not node.paused


def test_resuming_a_finished_process_returns_it(
    aiida_profile: object, installed_code: Callable[..., Any], tmp_path: Path
) -> None:
    node = run_embedded(mark_builder(installed_code, tmp_path), extras={"answer": 42})
    assert node.base.extras.get("answer") == 42
    assert resume_embedded(node).pk == node.pk
    assert (tmp_path / "marks").read_text().split() == ["start", "x", "end", "x"]


def test_a_node_that_is_not_a_process_is_refused(aiida_profile: object) -> None:
    node = Int(1).store()
    assert node.pk is not None
    with pytest.raises(ValueError, match=f"node {node.pk} is a Int, not a process"):
        resume_embedded(node.pk)


def test_on_tick_is_called_during_the_run_and_at_the_end(
    aiida_profile: object, installed_code: Callable[..., Any], tmp_path: Path
) -> None:
    seen: list[bool] = []
    run_embedded(mark_builder(installed_code, tmp_path), lambda node: seen.append(node.is_terminated))
    assert seen[0] is False
    assert seen[-1] is True


def mark_builder(installed_code: Callable[..., Any], folder: Path) -> Any:
    builder = MarkCalculation.get_builder()
    builder.code = installed_code("bash", Path("/bin/bash"), "core.arithmetic.add")
    builder.marks, builder.name, builder.seconds = Str(str(folder / "marks")), Str("x"), Int(0)
    return builder


def test_an_error_of_aiida_ends_the_run_and_keeps_the_checkpoint(
    aiida_profile: object,
    installed_code: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as broken:

        async def fail(_: Any) -> None:
            raise OSError("No space left on device")

        broken.setattr(MarkCalculation, "step_until_terminated", fail)
        with pytest.raises(StepError, match=r"\(OSError: No space left on device\); resume with: ") as caught:
            run_embedded(mark_builder(installed_code, tmp_path))

    assert resume_embedded(caught.value.pk).is_finished_ok


# -- trouble with the database -------------------------------------------------------------------------------

#: a lock of two seconds is a long one
HASTY: dict[str, float] = {"_STATEMENT": 0.2, "_LEAVING": 0.1, "_ATTEMPT": 0.2, "_ATTEMPT_TIME": 0.1}


@pytest.mark.parametrize("reading", [pytest.param(True, marks=pytest.mark.long), False])
def test_a_run_outlasts_locks_of_its_database(commands: Commands, reading: bool) -> None:
    python, _ = commands.run("OuterWorkChain", **HASTY)
    for moment in ("start a1", "end b1", "start function"):
        commands.await_mark(moment)
        with commands.locked(reading=reading):
            time.sleep(2)
    output = python.finish(60)

    assert python.returncode == 0, output
    assert "the database is locked by process" in output
    assert "Traceback" not in output
    assert len(output.splitlines()) < 15
    fates = json.loads(output.splitlines()[-1])
    awaited = [fate for fate in fates if fate["label"] != "slow_sum"]
    assert {(fate["state"], fate["exit_status"]) for fate in awaited} == {("finished", 0)}
    assert all(fate["sealed"] for fate in fates)
    assert_each_job_ran_once(commands, JOBS["OuterWorkChain"])


def test_a_run_whose_database_stays_locked_ends_with_the_command_that_resumes_it(commands: Commands) -> None:
    python, pk = commands.run(**HASTY, _PATIENCE=1)
    commands.await_mark("start a1")
    with commands.locked():
        output = python.finish(60)

    assert python.returncode == 130
    last = output.splitlines()[-1]
    assert f"the database is locked by process {os.getpid()} (" in last
    assert re.search(rf" for 1 min; resume with: \S*aiida-cse resume {pk}$", last), last
    assert "Traceback" not in output
    assert commands.resume(pk)[0]["exit_status"] == 0
    assert_each_job_ran_once(commands)


def test_a_full_disk_ends_the_run_with_the_command_that_resumes_it(commands: Commands) -> None:
    python, pk = commands.run(command="run-on-a-full-disk")
    output = python.finish(60)

    assert python.returncode == 130
    assert re.search(rf" cannot be written \(.*; resume with: \S*aiida-cse resume {pk}$", output.splitlines()[-1])
    assert "Traceback" not in output
    assert commands.resume(pk)[0]["exit_status"] == 0
    assert_each_job_ran_once(commands)


def test_a_parent_whose_callback_has_died_is_woken(
    aiida_profile: object, installed_code: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_FORGOTTEN", 0.5)
    watch, lost = Runner.call_on_process_finish, []

    def lose_the_first(runner: Any, pk: int, callback: Any) -> None:
        if lost:
            watch(runner, pk, callback)
        lost.append(pk)

    monkeypatch.setattr(Runner, "call_on_process_finish", lose_the_first)
    builder = InnerWorkChain.get_builder()
    builder.code = installed_code("bash", Path("/bin/bash"), "core.arithmetic.add")
    builder.marks, builder.name, builder.seconds = Str(str(tmp_path / "marks")), Str("x"), Int(0)
    assert run_embedded(builder).is_finished_ok
    assert lost[:2] == [lost[0]] * 2
    assert (tmp_path / "marks").read_text().count("start x1") == 1


def test_a_process_that_is_finished_without_its_outputs_repeats_its_last_step(
    aiida_profile: object, installed_code: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, failures = MarkCalculation.update_outputs, []

    def fail_at_the_end(process: Any) -> None:
        if process.state is ProcessState.FINISHED and not failures:
            failures.append(process.pid)
            raise OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"))
        add(process)

    monkeypatch.setattr(MarkCalculation, "update_outputs", fail_at_the_end)
    node = run_embedded(mark_builder(installed_code, tmp_path))
    assert failures == [node.pk]
    assert node.is_finished_ok
    assert node.is_sealed
    assert "retrieved" in node.outputs
