"""Daemon, broker and worker killed at once while LAMMPS runs, and a broker that comes up after its worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[2]

SUBMIT = """
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
print(engine.submit(builder).pk)
"""

STATE = """
import json, sys
from aiida import load_profile, orm
load_profile()
node = orm.load_node(int(sys.argv[1]))
print(json.dumps([node.process_state.value, node.exit_status, [child.process_label for child in node.called]]))
"""

#: imported by every Python that has its folder on PYTHONPATH: keeps the broker from starting before the worker
SLOW_BROKER = """
import sys, time
if any("zeromq" in word or word == "broker" for word in sys.orig_argv):
    time.sleep(15)
"""


class Profile:
    """A folder with a profile whose processes a daemon runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = Path(sys.executable).parent
        path = os.pathsep.join([str(self.bin), os.environ["PATH"]])  # the daemon looks for verdi there
        self.environment = os.environ | {"AIIDA_PATH": str(folder), "HOME": str(folder), "PATH": path}

    def call(self, *words: object, **environment: str) -> str:
        done = subprocess.run(
            list(map(str, words)),
            cwd=REPOSITORY,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def status(self, pk: int) -> str:
        return self.call(self.bin / "aiida-cse", "status", pk)

    def daemon(self, *words: object, **environment: str) -> str:
        return self.call(self.bin / "verdi", "daemon", *words, **environment)

    def python(self, script: str, *words: object) -> str:
        return self.call(sys.executable, "-c", script, *words).splitlines()[-1]

    def kill_all(self) -> None:
        """Kill circus, broker and worker at once."""
        (pidfile,) = (self.folder / ".aiida" / "daemon").glob("circus-*.pid")
        circus = psutil.Process(int(pidfile.read_text()))
        for process in [circus, *circus.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):  # circus took it along
                process.kill()


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    (tmp_path / ".aiida").mkdir()
    profile = Profile(tmp_path)
    profile.call(profile.bin / "aiida-cse", "setup", "--daemon")
    # by default 2 s, little for a machine that is busy
    profile.call(profile.bin / "verdi", "config", "set", "daemon.timeout", "60")
    profile.daemon("start", "1")
    yield profile
    profile.daemon("stop")


def wait_for(condition: Callable[[], bool], what: str, timeout: float = 240) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(1)


def test_a_worker_that_waits_for_a_dead_broker_is_found_and_nothing_is_lost(profile: Profile) -> None:
    pk = int(profile.python(SUBMIT))
    wait_for(lambda: bool(list(profile.folder.rglob("log.lammps"))), "LAMMPS did not start")
    profile.kill_all()
    assert "daemon start" in profile.status(pk)

    slow = profile.folder / "slow"
    slow.mkdir()
    (slow / "sitecustomize.py").write_text(SLOW_BROKER)
    paths = os.pathsep.join([str(slow), *filter(None, [os.environ.get("PYTHONPATH")])])
    profile.daemon("start", "1", PYTHONPATH=paths)
    wait_for(lambda: "daemon restart" in profile.status(pk), profile.daemon("status"), 120)

    profile.daemon("restart")
    wait_for(lambda: json.loads(profile.python(STATE, pk))[0] == "finished", profile.daemon("status"))
    assert json.loads(profile.python(STATE, pk)) == ["finished", 0, ["LammpsStageCalculation"]]
    assert "daemon" not in profile.status(pk)
