"""LAMMPS jobs through the engine, on a computer whose scheduler sets no limit and ends nothing."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import CalculationFactory

from tests.lammps.jobs import plan
from tests.lammps.make_logs import LONG
from tests.nodes import system_node

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]

CADENCE = 200
RUN = LONG | {"trajectory_ps": 0.1, "temperature": 300, "velocities": 300}

Run = Callable[..., orm.CalcJobNode]


@pytest.fixture
def run(lmp: orm.InstalledCode) -> Run:
    """Return a function that runs a job to a step, or without end."""
    system = system_node()

    def start(stop: int | None = None, parent: orm.CalcJobNode | None = None, **options: Any) -> orm.CalcJobNode:
        asked = plan(RUN, stop=stop, restart_interval=CADENCE, cutoff=9.0)
        inputs: dict[str, Any] = {} if parent is None else {"parent_folder": parent.outputs.remote_folder}
        _, node = run_get_node(
            CalculationFactory("cse.lammps"),
            code=lmp,
            system=system,
            plan=asked.model_dump(mode="json", exclude_none=True),
            metadata={"options": options},
            **inputs,
        )
        return node

    return start


def folder_of(job: orm.CalcJobNode) -> Path:
    return Path(job.outputs.remote_folder.get_remote_path())


def test_it_stops_by_itself_and_the_next_one_goes_on(run: Run) -> None:
    first = run(max_wallclock_seconds=4)
    assert first.exit_status == 400, first.exit_message
    results = first.outputs.results
    assert results["timed_out"]
    assert results["step"] % CADENCE == 0
    assert 0 < results["seconds_per_checkpoint"] < 4
    assert set(results["files"]) >= {"trajectory.dcd", "final.data", f"restart.{results['step']}"}
    for name, record in results["files"].items():
        content = (folder_of(first) / name).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (record["sha256"], record["bytes"])

    second = run(results["step"] + 2 * CADENCE, first)
    assert second.is_finished_ok, second.exit_message
    assert second.outputs.results["restart_sha256"] == results["files"][f"restart.{results['step']}"]["sha256"]
    assert second.outputs.results["first_step"] == results["step"]
    assert second.outputs.results["exact"]
    assert second.outputs.results["ended_processes"] == 0


def test_what_lives_on_when_the_job_was_killed_is_ended_by_the_next(run: Run, tmp_path: Path) -> None:
    """The scheduler's script dies alone, and to AiiDA the job has ended."""
    killer = threading.Thread(target=kill_the_script, args=(tmp_path.parent,))
    killer.start()
    first = run()
    killer.join()
    assert first.exit_status == 420, first.exit_message
    assert living(folder_of(first)), "LAMMPS goes on"
    newest = max(int(path.suffix[1:]) for path in folder_of(first).glob("restart.*"))
    second = run(parent=first, max_wallclock_seconds=3)
    assert second.exit_status == 400, second.exit_message
    assert second.outputs.results["ended_processes"] >= 1
    assert second.outputs.results["first_step"] >= newest
    assert living(folder_of(first)) == []


def living(folder: Path) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cwd", "status"])
        if process.info["cwd"] == str(folder.resolve()) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def kill_the_script(within: Path) -> None:
    """Wait for the second checkpoint of a job in a folder, and kill its script."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for process in psutil.process_iter(["cmdline", "cwd"]):
            cwd, command = process.info["cwd"], process.info["cmdline"] or []
            if "_aiidasubmit.sh" not in command or not cwd or not Path(cwd).is_relative_to(within.resolve()):
                continue
            if len(list(Path(cwd).glob("restart.*"))) >= 2:
                os.kill(process.pid, signal.SIGKILL)
                return
        time.sleep(0.05)
