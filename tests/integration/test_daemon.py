"""AiiDA's own daemon with its ZeroMQ broker: a production on it, and daemon, broker and worker killed at once.

Runs on it and in a Python of their own are stopped and resumed.
"""

from __future__ import annotations

import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import yaml
from aiida import orm
from aiida.manage.configuration.config import Config

from tests.integration.short import SETTLED, SHORT

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DEADLINE = 600
NUDGE = ("aiida-cse", "nudge")

STORE_INTERFACE = """
from aiida import load_profile
load_profile()
from tests.golden.archives import demo_interface
print(demo_interface().store().pk)
"""

SUBMIT = """
import sys
from aiida import load_profile
load_profile()
from aiida import engine, orm
from aiida_cse.data.system import CseSystemData
from aiida_cse.workchains.base import LammpsBaseWorkChain
from tests.systems import crystal_and_molecules

builder = LammpsBaseWorkChain.get_builder()
builder.lammps.code = orm.load_code("lmp@localhost")
builder.lammps.system = CseSystemData(crystal_and_molecules())
builder.lammps.plan = {
    "stages": [{"name": "relax", "kind": "minimize"},
               {"name": "heat", "kind": "nvt", "duration_ps": 4, "temperature": 300, "velocities": 300}],
    "settings": {"cutoff": 5, "restart_interval": 500},
}
if len(sys.argv) > 1:
    from aiida_cse.engine.embedded import run_embedded
    run_embedded(builder)
else:
    print(engine.submit(builder).pk)
"""

#: imported by every Python that has its folder on PYTHONPATH: keeps the broker from starting before the worker
SLOW_BROKER = """
import sys, time
if any("zeromq" in word or word == "broker" for word in sys.orig_argv):
    time.sleep(15)
"""

#: imported by every Python that has its folder on PYTHONPATH: a worker is not told that a child has ended
DEAF_WORKER = """
import sys
if "worker" in sys.orig_argv:
    from aiida.brokers.zeromq.communicator import ZeromqCommunicator
    from aiida.engine.runners import Runner
    from aiida_cse.engine import outline
    outline.guard_worker = lambda *_: None
    Runner._poll_process = lambda *_: None
    ZeromqCommunicator.broadcast_send = lambda *_, **__: True
"""

#: imported by every Python that has its folder on PYTHONPATH: a worker waits for a lock a third of a second
HASTY_WORKER = """
import sys
if "worker" in sys.orig_argv:
    from aiida_cse.engine import database
    database._LOCK_MS = 300
"""

SUBMIT_MARKS = """
import sys
from pathlib import Path
from aiida import engine, load_profile, orm
load_profile()
from aiida_cse.cli.site.environment import ensure_code
from tests.engine import engine_processes
builder = getattr(engine_processes, sys.argv[2]).get_builder()
computer = orm.load_computer("localhost")
builder.code = ensure_code(computer, "bash", Path("/bin/bash"), "core.arithmetic.add", with_mpi=False).entity
builder.marks, builder.seconds = orm.Str(sys.argv[1]), orm.Int(2)
if sys.argv[2] == "InnerWorkChain":
    builder.name = orm.Str("a")
print(engine.submit(builder).pk)
"""


class Process(NamedTuple):
    """What is asked of a process."""

    pk: int
    label: str
    state: str
    exit_status: int | None


class Profile:
    """A folder with a profile whose processes a daemon runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = os.pathsep.join([str(BIN), os.environ["PATH"]])  # the daemon looks for verdi there
        self._environment = os.environ | {"AIIDA_PATH": str(folder), "HOME": str(folder), "PATH": path}

    def call(self, *words: object, **environment: str) -> str:
        """Run a program of this Python environment and return its output."""
        program, *arguments = map(str, words)
        done = subprocess.run(
            [str(BIN / program), *arguments],
            cwd=REPOSITORY,
            env=self._environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE,
        )
        assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout}"
        return done.stdout

    def status(self, pk: object) -> str:
        return self.call("aiida-cse", "status", pk)

    def tree(self, pk: object) -> str:
        return self.call("verdi", "process", "status", pk)

    def processes(self, root: int, label: str = "%") -> list[Process]:
        """Return a process and those made since, oldest first, by label; read here, which starts no Python."""
        profile = Config.from_file(str(self.folder / ".aiida" / "config.json")).get_profile()
        with closing(profile.storage_cls(profile)) as backend:
            query = orm.QueryBuilder(backend=backend)
            filters = {"id": {">=": root}, "attributes.process_label": {"like": label}}
            keys = [f"attributes.{name}" for name in ("process_label", "process_state", "exit_status")]
            query.append(orm.ProcessNode, filters=filters, project=["id", *keys], tag="process")
            return [Process(*row) for row in query.order_by({"process": "id"}).all()]

    def ended(self, root: int) -> bool:
        """Return whether a process has terminated, in one way or another."""
        return self.processes(root)[0].state in ("finished", "excepted", "killed")

    def daemon(self, *words: object, **environment: str) -> str:
        return self.call("verdi", "daemon", *words, **environment)

    def python(self, script: str, *words: object) -> str:
        return self.call("python", "-c", script, *words).splitlines()[-1]

    def start(self, script: str, *words: object) -> subprocess.Popen[bytes]:
        """Start a Python that ends by itself."""
        command = [str(BIN / "python"), "-c", script, *map(str, words)]
        return subprocess.Popen(command, cwd=REPOSITORY, env=self._environment, stdout=subprocess.DEVNULL)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the database as another program does."""
        (path,) = (self.folder / ".aiida").glob("repository/*/database.sqlite")
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as database:
            database.execute("BEGIN EXCLUSIVE")
            yield
            database.execute("ROLLBACK")

    def newest_log(self) -> str:
        """Return the newest log of LAMMPS."""
        return max(self.folder.rglob("log.lammps"), key=lambda path: path.stat().st_mtime).read_text()

    def logs(self) -> int:
        """Return the number of logs of LAMMPS."""
        return len(list(self.folder.rglob("log.lammps")))

    def kill_all(self) -> None:
        """Kill circus, broker and worker at once."""
        (pidfile,) = (self.folder / ".aiida" / "daemon").glob("circus-*.pid")
        circus = psutil.Process(int(pidfile.read_text()))
        for process in [circus, *circus.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):  # circus took it along
                process.kill()


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Profile]:
    """A fresh profile whose daemon runs; the daemon is stopped at the end."""
    folder = tmp_path_factory.mktemp("daemon")
    (folder / ".aiida").mkdir()
    profile = Profile(folder)
    profile.call("aiida-cse", "setup", "--daemon")
    profile.call("verdi", "config", "set", "daemon.timeout", "60")  # by default 2 s, too little on a busy machine
    profile.daemon("start", "1")
    yield profile
    profile.daemon("stop")


def wait_for(
    condition: Callable[[], bool], what: Callable[[], str] = str, timeout: float = DEADLINE, pause: float = 1.0
) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(pause)


def launched(profile: Profile, *words: object) -> int:
    """Submit a run of the protocol ``demo`` and return its PK."""
    said = profile.call("aiida-cse", "launch", *words, "--protocol", "demo")
    found = re.search(r"submitted \w+ <(\d+)>", said)
    assert found, said
    return int(found[1])


def test_the_daemon_runs_a_production(profile: Profile, tmp_path: Path) -> None:
    """From the relaxed interface of a stored study; the test of the services runs a whole study on a daemon."""
    overrides = tmp_path / "overrides.yaml"
    overrides.write_text(yaml.safe_dump(SHORT["production"]), encoding="utf-8")
    system = profile.python(STORE_INTERFACE)
    given = ("--system", system, "--temperature", 500, "--seed", 7, "--overrides", overrides)
    pk = launched(profile, "production", *given)

    _pause_and_play(profile, pk)
    wait_for(lambda: profile.ended(pk), lambda: profile.tree(pk))
    tree = profile.tree(pk)
    assert re.search(rf"<{pk}> Finished \[0\]", tree), profile.call("verdi", "process", "report", pk)
    assert tree.count("LammpsStageCalculation") == 2
    assert tree.count("ReduceCalculation") == 1


@pytest.mark.long
def test_the_daemon_runs_a_study(profile: Profile, tmp_path: Path) -> None:
    overrides = tmp_path / "overrides.yaml"
    overrides.write_text(yaml.safe_dump(SHORT | SETTLED | {"temperatures": [500]}), encoding="utf-8")
    pk = launched(profile, "study", "--recipe", "llzo-peo-litfsi-demo", "--overrides", overrides)

    status = _pause_and_play(profile, pk)
    assert re.search(r"it holds at most 4 of the \d+ slots of 1 worker$", status, re.MULTILINE)
    wait_for(lambda: profile.ended(pk), lambda: profile.tree(pk))
    tree = profile.tree(pk)
    assert re.search(rf"<{pk}> Finished \[0\]", tree), profile.call("verdi", "process", "report", pk)
    status = profile.status(pk)
    assert "T0500_r1" in status
    assert "not equilibrated" in status
    assert tree.count("LammpsStageCalculation") == 5
    assert "ReduceCalculation" in tree


def _pause_and_play(profile: Profile, root: int) -> str:
    """Pause the production in its first segment, after which no other begins; return what status says then."""
    wait_for(lambda: bool(profile.processes(root, "ProductionWorkChain")))
    production = profile.processes(root, "ProductionWorkChain")[0].pk
    profile.call("verdi", "process", "pause", production)

    def segments() -> list[Process]:
        return profile.processes(production, "LammpsBaseWorkChain")

    wait_for(lambda: all(segment.state == "finished" for segment in segments()))
    begun = len(segments())
    time.sleep(3)
    assert len(segments()) == begun, "no other segment begins"
    assert profile.processes(production, "ReduceCalculation") == []
    status = profile.status(root)
    assert "paused" in status
    profile.call("verdi", "process", "play", production)
    return status


def test_nothing_is_lost_when_daemon_broker_and_worker_are_killed(profile: Profile, tmp_path: Path) -> None:
    before = profile.logs()
    pk = int(profile.python(SUBMIT))
    wait_for(lambda: profile.logs() > before, lambda: "LAMMPS did not start", pause=0.2)
    profile.kill_all()
    assert "daemon start" in profile.status(pk)

    (tmp_path / "sitecustomize.py").write_text(SLOW_BROKER)
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    profile.daemon("start", "1", PYTHONPATH=paths)
    wait_for(lambda: "daemon restart" in profile.status(pk), lambda: profile.daemon("status"), 120, pause=5)

    profile.daemon("restart")
    wait_for(lambda: profile.ended(pk), lambda: profile.daemon("status"))
    chain, *jobs = profile.processes(pk)
    assert (chain.state, chain.exit_status) == ("finished", 0)
    assert [job.label for job in jobs] == ["LammpsStageCalculation"]
    assert "daemon" not in profile.status(pk)


def nudge_until_ended(profile: Profile, pk: int) -> str:
    """Nudge a run until it has ended; return what was said."""
    said: list[str] = []

    def ended() -> bool:
        said.append(profile.call(*NUDGE, pk))
        return profile.ended(pk)

    wait_for(ended, lambda: "".join(said))
    return "".join(said)


@pytest.mark.long
def test_processes_whose_tasks_the_broker_has_lost_are_sent_to_a_worker(profile: Profile) -> None:
    before = profile.logs()
    pk = int(profile.python(SUBMIT))
    wait_for(lambda: profile.logs() > before, lambda: "LAMMPS did not start")
    profile.daemon("stop")
    for task in (profile.folder / ".aiida" / "broker").glob("*/storage/tasks/*/*.json"):
        task.unlink()
    profile.daemon("start", "1")
    assert "was on no worker; it was sent to one" in nudge_until_ended(profile, pk)
    chain, *jobs = profile.processes(pk)
    assert (chain.state, chain.exit_status) == ("finished", 0)
    assert [job.label for job in jobs] == ["LammpsStageCalculation"]


@pytest.fixture(scope="module")
def undisturbed(profile: Profile) -> list[str]:
    """The last thermo rows of a run that nothing disturbed."""
    assert profile.start(SUBMIT, "here").wait(DEADLINE) == 0
    return last_rows(profile.newest_log())


def last_rows(log: str) -> list[str]:
    return re.findall(r"^  - \[.*\]$", log, re.MULTILINE)[-3:]


def freeze_lammps(folder: Path) -> list[psutil.Process]:
    """Suspend the LAMMPS below a folder once it has written a checkpoint, and return its processes."""
    frozen: list[psutil.Process] = []

    def found() -> bool:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if "CSE_JOB" in process.environ() and Path(process.cwd()).is_relative_to(folder):
                    log = Path(process.cwd()) / "log.lammps"
                    if log.is_file() and re.search(r"^CSE restart=restart\.\d{3}", log.read_text(), re.MULTILINE):
                        process.suspend()
                        frozen.append(process)
        return bool(frozen)

    wait_for(found, lambda: "LAMMPS wrote no checkpoint", pause=0.2)
    return frozen


@pytest.mark.parametrize("place", ["here", pytest.param("daemon", marks=pytest.mark.long)])
def test_a_stopped_run_continues_as_if_nothing_had_happened(
    profile: Profile, undisturbed: list[str], place: str
) -> None:
    newest = profile.processes(0)[-1].pk
    python = profile.start(SUBMIT, "here") if place == "here" else None
    if python is None:
        profile.python(SUBMIT)
    frozen = freeze_lammps(profile.folder.resolve())
    pk = next(process.pk for process in profile.processes(newest + 1) if process.label == "LammpsBaseWorkChain")

    said = profile.call("aiida-cse", "stop", pk)
    assert re.search(r"LAMMPS has ended; its newest checkpoint is step [\d,]+\n", said), said
    # one that has ended stays a zombie until its parent, or the init process, asks for it
    assert [one for one in frozen if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    if python is not None:
        assert python.wait(DEADLINE) == 1
    status = profile.status(pk)
    assert status.count("■") == 2
    assert f"resume {pk}" in status
    assert not profile.ended(pk)

    profile.call("aiida-cse", "resume", pk)
    wait_for(lambda: profile.ended(pk), lambda: profile.tree(pk))
    chain, *jobs = profile.processes(pk)
    assert (chain.state, chain.exit_status) == ("finished", 0)
    assert [job.exit_status for job in jobs if job.label == "LammpsStageCalculation"] == [420, 0]
    assert last_rows(profile.newest_log()) == undisturbed
    assert "nothing to stop" in profile.call("aiida-cse", "stop", pk)


# the last ones: their workers stay as they are
@pytest.mark.long
def test_a_parent_that_missed_the_end_of_its_child_is_woken(profile: Profile, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(DEAF_WORKER)
    profile.daemon("stop")
    profile.daemon("start", "1", PYTHONPATH=str(tmp_path))
    pk = int(profile.python(SUBMIT))
    wait_for(lambda: [one.state for one in profile.processes(pk)][1:] == ["finished"], lambda: profile.tree(pk))
    assert profile.processes(pk)[0].state == "waiting"

    assert re.fullmatch(rf"<{pk}> waits for <\d+>, which ended .*; it was told\n", profile.call(*NUDGE, pk))
    wait_for(lambda: profile.ended(pk), lambda: profile.tree(pk))
    assert profile.processes(pk)[0].exit_status == 0


def test_a_worker_outlasts_locks_that_are_longer_than_it_waits(profile: Profile, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HASTY_WORKER)
    marks = tmp_path / "marks"
    marks.touch()
    profile.daemon("stop")
    profile.daemon("start", "1", PYTHONPATH=os.pathsep.join([str(tmp_path), str(REPOSITORY)]))
    pk = int(profile.python(SUBMIT_MARKS, marks, "InnerWorkChain"))
    for mark in ("start a1", "end a1", "start function"):
        wait_for(lambda mark=mark: mark in marks.read_text(), lambda: profile.tree(pk), pause=0.05)  # type: ignore
        with profile.locked():
            time.sleep(2)
    wait_for(lambda: profile.ended(pk), lambda: profile.tree(pk))

    chain, *called = profile.processes(pk)
    reports = "".join(profile.call("verdi", "process", "report", process.pk) for process in (chain, *called))
    assert (chain.state, chain.exit_status) == ("finished", 0), reports
    # a session that met the lock may be used once more before it is known
    words = r"the database (is locked by process \d+ .*|failed in an earlier step)"
    assert re.search(rf"{words}: continued from the last checkpoint \d+ s", reports), reports
    jobs = [process for process in called if process.label == "MarkCalculation"]
    assert [(job.state, job.exit_status) for job in jobs] == [("finished", 0)] * 2
    assert [marks.read_text().count(f"start a{number}") for number in (1, 2)] == [1, 1]


@pytest.mark.long
def test_two_workers_outlast_locks_at_random_moments(profile: Profile, tmp_path: Path) -> None:
    """A step that had submitted a child repeats it: the first child is killed and may have started its job."""
    (tmp_path / "sitecustomize.py").write_text(HASTY_WORKER)
    marks, moments = tmp_path / "marks", random.Random(7)
    marks.touch()
    profile.daemon("stop")
    profile.daemon("start", "2", PYTHONPATH=os.pathsep.join([str(tmp_path), str(REPOSITORY)]))
    pk = int(profile.python(SUBMIT_MARKS, marks, "OuterWorkChain"))
    wait_for(lambda: "start" in marks.read_text(), lambda: profile.tree(pk), pause=0.05)
    for _ in range(8):
        with profile.locked():
            time.sleep(moments.uniform(1, 4))
        time.sleep(moments.uniform(0.1, 3))
    wait_for(lambda: profile.ended(pk), lambda: profile.tree(pk))

    chain, *called = profile.processes(pk)
    assert (chain.state, chain.exit_status) == ("finished", 0)
    assert {process.state for process in called} <= {"finished", "killed"}
    ended = [process for process in called if process.state == "finished"]
    assert [process.exit_status for process in ended] == [0] * len(ended)
    for name in ("a1", "a2", "b1", "b2"):
        assert f"end {name}" in marks.read_text()
