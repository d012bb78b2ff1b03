"""Diagnosis of a daemon that does not run, or whose workers do not reach its broker."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from typing import Any

import pytest
from aiida.engine import ProcessState, Runner
from aiida.manage import get_manager
from aiida.orm import Computer, User, WorkChainNode
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from aiida_cse.cli import main
from aiida_cse.engine import workers
from aiida_cse.engine.daemon import daemon_runs, has_no_worker
from aiida_cse.engine.workers import guard_worker

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
def test_a_broker_without_workers_is_found(change: dict[str, Any], expected: bool) -> None:
    assert has_no_worker(HEALTHY | change, NOW) is expected


def test_a_broker_without_a_status_is_not_judged() -> None:
    assert not has_no_worker({"connected": True, "error": "no status file"}, NOW)


def test_a_pid_file_alone_is_no_running_daemon(monkeypatch: pytest.MonkeyPatch, aiida_profile: object) -> None:
    """A killed daemon leaves its PID file; what was submitted to it can then be resumed."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    client = get_manager().get_daemon_client()
    for pid, runs in ((None, False), (ended.pid, False), (os.getpid(), True)):
        monkeypatch.setattr(client, "get_daemon_pid", lambda pid=pid: pid)
        assert daemon_runs() is runs


def test_status_does_not_mention_a_daemon_without_broker(aiida_profile: object) -> None:
    node = WorkChainNode(process_type="aiida.workflows:cse.study")
    node.set_process_label("StudyWorkChain")
    node.set_process_state(ProcessState.WAITING)
    node.store()
    result = CliRunner().invoke(main, ["status", str(node.pk)])
    assert result.exit_code == 0
    assert "daemon" not in result.output


def test_a_worker_repeats_a_poll_that_met_a_locked_database(
    monkeypatch: pytest.MonkeyPatch, aiida_profile: object
) -> None:
    monkeypatch.setattr(workers, "_POLL_AGAIN", 0.0)
    runner: Any = Runner(poll_interval=1, loop=asyncio.new_event_loop(), communicator=None)
    runner._broker_submit = True
    guard_worker(runner)
    guarded = runner._poll_process
    guard_worker(runner)
    assert runner._poll_process is guarded

    class Child:
        pk, looks = 1, 0

        @property
        def is_terminated(self) -> bool:
            Child.looks += 1
            if Child.looks == 1:
                raise OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked"))
            return True

    monkeypatch.setattr(workers, "load_node", lambda _: Child())
    guarded(Child(), runner.loop.stop)
    runner.loop.run_forever()
    assert Child.looks == 2
    runner.close()


def test_a_transport_that_could_not_be_made_does_not_stop_later_ones(
    monkeypatch: pytest.MonkeyPatch, aiida_localhost: Computer
) -> None:
    """AiiDA keeps the request of the first, which is never fulfilled."""
    loop = asyncio.new_event_loop()
    runner: Any = Runner(poll_interval=1, loop=loop, communicator=None)
    runner._broker_submit = True
    guard_worker(runner)
    info, trouble = aiida_localhost.get_authinfo(User.collection.get_default()), ["the first time"]
    make = info.get_transport

    def get_transport() -> Any:
        if trouble:
            raise OperationalError("SELECT", {}, sqlite3.OperationalError(trouble.pop()))
        return make()

    monkeypatch.setattr(info, "get_transport", get_transport)

    async def request() -> bool:
        async with runner.transport.request_transport(info) as transport:
            return bool((await asyncio.wait_for(transport, 10)).is_open)

    with pytest.raises(OperationalError):
        loop.run_until_complete(request())
    assert loop.run_until_complete(request())
    assert not runner.transport._transport_requests
    runner.close()
