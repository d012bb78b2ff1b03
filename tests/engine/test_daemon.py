"""What is said of a daemon that does not work on what was handed to it; the whole of it: tests/integration."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from aiida.engine import ProcessState
from aiida.manage import get_manager
from aiida.orm import WorkChainNode
from click.testing import CliRunner

from aiida_cse.cli import main
from aiida_cse.engine.daemon import daemon_runs, has_no_worker

NOW = 1_000_000.0
HEALTHY: dict[str, Any] = {"connected": True, "timestamp": NOW - 4, "task_subscribers": 2}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, False),
        ({"task_subscribers": 0}, True),
        ({"task_subscribers": 0, "timestamp": NOW - 1000}, False),
        ({"task_subscribers": 0, "timestamp": None}, False),
        ({"task_subscribers": 0, "connected": False}, False),
    ],
)
def test_a_broker_that_no_worker_knows(change: dict[str, Any], expected: bool) -> None:
    assert has_no_worker(HEALTHY | change, NOW) is expected


def test_a_broker_without_a_status_says_nothing() -> None:
    assert not has_no_worker({"connected": True, "error": "no status file"}, NOW)


def test_a_pid_file_is_no_daemon(monkeypatch: pytest.MonkeyPatch, aiida_profile: object) -> None:
    """A daemon that was killed leaves it; what was submitted to that daemon can then be resumed."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    client = get_manager().get_daemon_client()
    for pid, runs in ((None, False), (ended.pid, False), (os.getpid(), True)):
        monkeypatch.setattr(client, "get_daemon_pid", lambda pid=pid: pid)
        assert daemon_runs() is runs


def test_where_there_is_no_broker_there_is_nothing_to_say(aiida_profile: object) -> None:
    node = WorkChainNode(process_type="aiida.workflows:cse.study")
    node.set_process_label("StudyWorkChain")
    node.set_process_state(ProcessState.WAITING)
    node.store()
    result = CliRunner().invoke(main, ["status", str(node.pk)])
    assert result.exit_code == 0
    assert "daemon" not in result.output
