"""A study on AiiDA's own daemon with its ZeroMQ broker, launched and read with the commands that a user types."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.short import SETTLED, SHORT

pytestmark = pytest.mark.integration

Command = Callable[..., str]
BIN = Path(sys.executable).parent
DEADLINE = 300


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Run a program of this environment on a fresh profile whose daemon runs; it is stopped at the end."""
    folder = tmp_path_factory.mktemp("daemon")
    (folder / ".aiida").mkdir()
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])  # the daemon looks for verdi there
    environment = os.environ | {"AIIDA_PATH": str(folder), "HOME": str(folder), "PATH": path}

    def run(*words: str) -> str:
        words = (str(BIN / words[0]), *words[1:])
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    run("aiida-cse", "setup", "--daemon")
    run("verdi", "config", "set", "daemon.timeout", "60")  # by default 2 s, little for a machine that is busy
    run("verdi", "daemon", "start", "1")
    try:
        yield run
    finally:
        run("verdi", "daemon", "stop")


def test_the_daemon_runs_a_study(command: Command, tmp_path: Path) -> None:
    overrides = tmp_path / "overrides.yaml"
    overrides.write_text(yaml.safe_dump(SHORT | SETTLED | {"temperatures": [500]}), encoding="utf-8")
    launched = command(
        "aiida-cse", "launch", "study", "--recipe", "llzo-peo-litfsi-demo", "--protocol", "demo",
        "--overrides", str(overrides),
    )  # fmt: skip
    pk = re.search(r"<?\b(\d+)\b>?", launched)
    assert pk, launched

    _pause_and_play(command, pk.group(1))
    state = _wait(command, pk.group(1))
    assert "Finished [0]" in state, command("verdi", "process", "report", pk.group(1))
    status = command("aiida-cse", "status", pk.group(1))
    assert "T0500_r1" in status
    assert "not equilibrated" in status
    tree = command("verdi", "process", "status", pk.group(1))
    assert tree.count("LammpsStageCalculation") == 6
    assert "ReduceCalculation" in tree


def _pause_and_play(command: Command, pk: str) -> None:
    """Pause the production in its first segment: it comes to its end, no other begins, and status says so."""

    def tree() -> str:
        return command("verdi", "process", "status", pk)

    _until(lambda: "ProductionWorkChain" in tree())
    found = re.search(r"ProductionWorkChain<(\d+)>", tree())
    assert found is not None
    production = found.group(1)
    command("verdi", "process", "pause", production)

    def segments() -> list[str]:
        return re.findall(r"LammpsBaseWorkChain<.*", tree().split(f"ProductionWorkChain<{production}>")[1])

    _until(lambda: all("Finished" in segment for segment in segments()))
    begun = len(segments())
    time.sleep(3)
    assert len(segments()) == begun, "none follows"
    assert "ReduceCalculation" not in tree()
    assert "paused" in command("aiida-cse", "status", pk)
    command("verdi", "process", "play", production)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(1)


def _wait(command: Command, pk: str) -> str:
    """Return the state of the process when it ended, or after the deadline."""
    end = time.monotonic() + DEADLINE
    while True:
        state = next(line for line in command("verdi", "process", "status", pk).splitlines() if f"<{pk}>" in line)
        if re.search(r"Finished|Excepted|Killed", state) or time.monotonic() > end:
            return state
        time.sleep(5)
