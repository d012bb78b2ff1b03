"""A daemon with AiiDA's own ZeroMQ broker that dies while a job runs, as on a machine that loses its power."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
               {"name": "heat", "kind": "nvt", "duration_ps": 8, "temperature": 300, "velocities": 300}],
    "settings": {"cutoff": 5, "restart_interval": 500},
}
print(engine.submit(builder).pk)
"""

STATE = """
import json, sys
from aiida import load_profile, orm
load_profile()
node = orm.load_node(int(sys.argv[1]))
children = [[child.process_label, child.exit_status] for child in node.called]
print(json.dumps([node.process_state.value, node.exit_status, children]))
"""


class Profile:
    """A folder with a profile whose processes a daemon runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = Path(sys.executable).parent
        path = os.pathsep.join([str(self.bin), os.environ["PATH"]])  # the daemon looks for verdi there
        self._environment = os.environ | {"AIIDA_PATH": str(folder / ".aiida"), "PATH": path}

    def call(self, *words: object, code: int = 0) -> str:
        done = subprocess.run(
            list(map(str, words)),
            cwd=REPOSITORY,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def cse(self, *words: object, code: int = 0) -> str:
        return self.call(self.bin / "aiida-cse", *words, code=code)

    def python(self, script: str, *words: object) -> str:
        return self.call(sys.executable, "-c", script, *words).splitlines()[-1]

    def start(self) -> None:
        self.call(self.bin / "verdi", "daemon", "start", "1")

    def stop(self) -> None:
        self.call(self.bin / "verdi", "daemon", "stop")

    def kill(self) -> None:
        """Kill circus, broker and worker at once."""
        (pidfile,) = (self.folder / ".aiida" / "daemon").glob("circus-*.pid")
        circus = psutil.Process(int(pidfile.read_text()))
        for process in [circus, *circus.children(recursive=True)]:
            process.kill()

    def state(self, pk: int) -> list[Any]:
        """Return state, exit status and children of a process."""
        found: list[Any] = json.loads(self.python(STATE, pk))
        return found

    def await_end(self, pk: int, timeout: float = 480) -> list[Any]:
        deadline = time.monotonic() + timeout
        while (found := self.state(pk))[0] not in ("finished", "excepted", "killed"):
            assert time.monotonic() < deadline, found
            time.sleep(5)
        return found


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    profile = Profile(tmp_path)
    profile.cse("setup", "--daemon")
    profile.start()
    yield profile
    profile.stop()


def test_a_job_survives_the_death_of_the_daemon_and_runs_once(profile: Profile) -> None:
    pk = int(profile.python(SUBMIT))
    deadline = time.monotonic() + 120
    while not list(profile.folder.glob(".aiida/scratch/**/log.lammps")):
        assert time.monotonic() < deadline
        time.sleep(0.2)

    assert f"Error: process {pk} was submitted to the daemon" in profile.cse("resume", pk, code=1)
    profile.kill()
    assert profile.state(pk)[0] == "waiting"
    profile.start()

    assert profile.await_end(pk) == ["finished", 0, [["LammpsStageCalculation", 0]]]
    assert "LammpsBaseWorkChain" in profile.cse("status", pk)
