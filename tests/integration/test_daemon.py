"""AiiDA's own daemon with its ZeroMQ broker: a study on it, and daemon, broker and worker killed at once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml

from tests.integration.short import SETTLED, SHORT

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DEADLINE = 300

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

    def daemon(self, *words: object, **environment: str) -> str:
        return self.call("verdi", "daemon", *words, **environment)

    def python(self, script: str, *words: object) -> str:
        return self.call("python", "-c", script, *words).splitlines()[-1]

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


def wait_for(condition: Callable[[], bool], what: Callable[[], str] = str, timeout: float = DEADLINE) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(1)


def test_the_daemon_runs_a_study(profile: Profile, tmp_path: Path) -> None:
    overrides = tmp_path / "overrides.yaml"
    overrides.write_text(yaml.safe_dump(SHORT | SETTLED | {"temperatures": [500]}), encoding="utf-8")
    launched = profile.call(
        "aiida-cse", "launch", "study", "--recipe", "llzo-peo-litfsi-demo", "--protocol", "demo",
        "--overrides", overrides,
    )  # fmt: skip
    found = re.search(r"<?\b(\d+)\b>?", launched)
    assert found, launched
    pk = found.group(1)

    _pause_and_play(profile, pk)
    wait_for(
        lambda: re.search(rf"<{pk}>.*(Finished|Excepted|Killed)", profile.tree(pk)) is not None,
        lambda: profile.tree(pk),
    )
    tree = profile.tree(pk)
    assert re.search(rf"<{pk}> Finished \[0\]", tree), profile.call("verdi", "process", "report", pk)
    status = profile.status(pk)
    assert "T0500_r1" in status
    assert "not equilibrated" in status
    assert tree.count("LammpsStageCalculation") == 6
    assert "ReduceCalculation" in tree


def _pause_and_play(profile: Profile, pk: str) -> None:
    """Pause the production in its first segment: the segment ends, no other begins, and status says so."""
    wait_for(lambda: "ProductionWorkChain" in profile.tree(pk))
    found = re.search(r"ProductionWorkChain<(\d+)>", profile.tree(pk))
    assert found is not None
    production = found.group(1)
    profile.call("verdi", "process", "pause", production)

    def segments() -> list[str]:
        return re.findall(
            r"LammpsBaseWorkChain<.*", profile.tree(pk).split(f"ProductionWorkChain<{production}>")[1]
        )

    wait_for(lambda: all("Finished" in segment for segment in segments()))
    begun = len(segments())
    time.sleep(3)
    assert len(segments()) == begun, "no other segment begins"
    assert "ReduceCalculation" not in profile.tree(pk)
    assert "paused" in profile.status(pk)
    profile.call("verdi", "process", "play", production)


def test_nothing_is_lost_when_daemon_broker_and_worker_are_killed(profile: Profile, tmp_path: Path) -> None:
    before = profile.logs()
    pk = int(profile.python(SUBMIT))
    wait_for(lambda: profile.logs() > before, lambda: "LAMMPS did not start")
    profile.kill_all()
    assert "daemon start" in profile.status(pk)

    (tmp_path / "sitecustomize.py").write_text(SLOW_BROKER)
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    profile.daemon("start", "1", PYTHONPATH=paths)
    wait_for(lambda: "daemon restart" in profile.status(pk), lambda: profile.daemon("status"), 120)

    profile.daemon("restart")
    wait_for(lambda: json.loads(profile.python(STATE, pk))[0] == "finished", lambda: profile.daemon("status"))
    assert json.loads(profile.python(STATE, pk)) == ["finished", 0, ["LammpsStageCalculation"]]
    assert "daemon" not in profile.status(pk)
