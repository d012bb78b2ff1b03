"""Daemon workers after trouble: processes without checkpoint, children of other workers, jobs submitted twice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from aiida.common.links import LinkType
from aiida.engine import AiiDAPersister, ProcessState, Runner
from aiida.engine.exceptions import PastException
from aiida.orm import CalcJobNode, Computer, WorkChainNode
from kiwipy import LocalCommunicator

from aiida_cse.engine import submission, workers
from aiida_cse.engine.checkpoints import CheckpointError
from aiida_cse.engine.database import Trouble
from aiida_cse.engine.locks import Claims
from aiida_cse.engine.submission import end_job, submit_once
from aiida_cse.engine.workers import guard_worker

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

TROUBLE = Trouble("the database is locked by another program", passes=True)

#: claims a process as another worker does, and says so
OTHER_WORKER = """
import fcntl, sys, time
stream = open(sys.argv[1], "ab")
fcntl.lockf(stream, fcntl.LOCK_EX, 1, int(sys.argv[2]), 0)
print("claimed", flush=True)
time.sleep(600)
"""


class NobodyAnswers(LocalCommunicator):
    """Workers that still start, or whose registrations the broker has lost."""

    def rpc_send(self, recipient_id: Any, msg: Any) -> Any:
        from concurrent.futures import Future

        answer: Future[Any] = Future()
        answer.set_exception(Exception(f"Recipient not found: {recipient_id}"))
        return answer


@pytest.fixture
def runner(aiida_profile: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The runner of a guarded worker that loses no time."""
    for name in ("_FIRST", "_KILL_AGAIN", "_CLAIM_AGAIN"):
        monkeypatch.setattr(workers, name, 0.01)
    runner: Any = Runner(
        loop=asyncio.new_event_loop(), communicator=NobodyAnswers(), broker_submit=True, persister=AiiDAPersister()
    )
    guard_worker(runner)
    yield runner
    runner.close()
    runner.cse_guard.claims._stream.close()


@pytest.fixture
def other_worker(runner: Any) -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    """Start a worker that has a process, and does nothing."""
    started = []

    def start(pk: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", OTHER_WORKER, runner.cse_guard.claims._stream.name, str(pk)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout is not None
        assert started[-1].stdout.readline() == "claimed\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def process(caller: WorkChainNode | None = None) -> WorkChainNode:
    node = WorkChainNode(process_type="aiida.workflows:cse.study")
    node.set_process_state(ProcessState.WAITING)
    if caller is not None:
        node.base.links.add_incoming(caller, LinkType.CALL_WORK, "run")
    return node.store()


def test_a_process_whose_checkpoint_is_lost_ends_and_its_caller_is_told(runner: Any) -> None:
    node = process()
    told = runner.loop.create_future()

    def listen(_: Any, body: Any, sender: int, subject: str, correlation_id: Any) -> None:
        told.set_result((sender, subject))

    runner.communicator.add_broadcast_subscriber(listen)
    assert runner.loop.run_until_complete(runner.cse_guard._load(node.pk, TROUBLE, 1)) is None
    assert node.is_excepted
    assert node.is_sealed
    assert CheckpointError.__name__ in str(node.exception)
    said = runner.loop.run_until_complete(asyncio.wait_for(told, 30))
    assert said == (node.pk, "state_changed.waiting.excepted")


def test_the_child_of_a_silent_worker_is_left_alone_until_the_worker_ends(
    runner: Any, other_worker: Callable[[int], subprocess.Popen[str]]
) -> None:
    caller = process()
    child = process(caller)
    grandchild = process(child)
    workers_of = [other_worker(node.pk) for node in (child, grandchild)]  # type: ignore[arg-type]

    async def end() -> list[bool]:
        ending = asyncio.ensure_future(runner.cse_guard._end(child))
        seen = []
        for other in workers_of:
            await asyncio.sleep(0.3)
            seen.append(child.is_terminated or grandchild.is_terminated)
            other.send_signal(signal.SIGKILL)
            other.wait()
        await asyncio.wait_for(ending, 30)
        return seen

    assert runner.loop.run_until_complete(end()) == [False, False]
    assert [child.is_killed, grandchild.is_killed, caller.is_terminated] == [True, True, False]
    assert child.is_sealed
    assert runner.cse_guard.claims.take(child.pk), "it is claimed by nobody"


def test_a_process_that_another_worker_has_is_taken_when_this_worker_has_ended(
    runner: Any, other_worker: Callable[[int], subprocess.Popen[str]]
) -> None:
    other, taken = other_worker(7), []
    launcher: Any = SimpleNamespace(_load_context=SimpleNamespace(runner=runner))

    async def take(_: Any, __: Any, pid: int) -> None:
        taken.append(pid)
        assert pid in runner.cse_guard.claims
        again = await workers._take_patiently(take, launcher, None, pid)
        assert again is False, "a second message about it is dropped"

    async def run() -> None:
        taking = asyncio.ensure_future(workers._take_patiently(take, launcher, None, 7))
        await asyncio.sleep(0.2)
        assert taken == []
        other.kill()
        other.wait()
        await asyncio.wait_for(taking, 30)

    runner.loop.run_until_complete(run())
    assert taken == [7]
    assert 7 not in runner.cse_guard.claims


def test_a_process_that_the_database_has_ended_is_not_taken_again(aiida_profile: object) -> None:
    async def take(*_: Any) -> None:
        raise PastException("no further SQL can be emitted within this transaction")

    runner = SimpleNamespace(cse_guard=SimpleNamespace(claims=Claims()))
    launcher = SimpleNamespace(_load_context=SimpleNamespace(runner=runner))
    with pytest.raises(PastException):
        asyncio.run(workers._take_patiently(take, launcher, None, 1))


# -- jobs ----------------------------------------------------------------------------------------------------


@pytest.fixture
def job(localhost: Computer, tmp_path: Path) -> CalcJobNode:
    """A job that was uploaded: it notes that it has started, and goes on for a long time."""
    (tmp_path / "_aiidasubmit.sh").write_text("echo started >> marks\nexec sleep 600\n")
    node = CalcJobNode(computer=localhost)
    node.set_remote_workdir(str(tmp_path))
    node.set_process_state(ProcessState.WAITING)
    return node.store()


def submit(job: CalcJobNode) -> str:
    """Submit the job as AiiDA does, but lose its number."""
    submit_once()
    assert job.computer is not None
    scheduler = job.computer.get_scheduler()
    with job.get_authinfo().get_transport() as transport:
        scheduler.set_transport(transport)
        number = scheduler.submit_job(str(job.get_remote_workdir()), "_aiidasubmit.sh")
    assert isinstance(number, str)
    return number


def test_a_job_whose_number_got_lost_is_submitted_once_and_can_be_ended(job: CalcJobNode, tmp_path: Path) -> None:
    number = submit(job)
    assert submit(job) == number
    deadline = time.monotonic() + 30
    while not (tmp_path / "marks").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (tmp_path / "marks").read_text() == "started\n"

    end_job(job)
    assert psutil.wait_procs([psutil.Process(int(number))] if psutil.pid_exists(int(number)) else [], 30)[1] == []


def test_a_submission_that_is_still_under_way_is_awaited(
    job: CalcJobNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = tmp_path / f"_scheduler-answer-{tmp_path.name}.txt"
    part = answer.with_name(f"{answer.name}.part")
    part.touch()
    slow = subprocess.Popen(["sh", "-c", f"sleep 1; echo 4194305 > {part}; mv {part} {answer}"])
    assert submit(job) == "4194305"
    slow.wait()
    assert not (tmp_path / "marks").exists()

    answer.unlink()
    part.touch()
    monkeypatch.setattr(submission, "_IN_FLIGHT", 1)
    os.kill(int(submit(job)), signal.SIGKILL)
    assert not part.exists()


def test_a_refused_submission_tells_why_and_can_be_repeated(job: CalcJobNode, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    script = submission._ONCE.format(answer="answer", seconds=1, submit="echo no; echo queue >&2; [ -e allowed ]")
    done = [subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True)]
    (folder / "allowed").touch()
    done += [subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True) for _ in range(2)]
    assert [(one.returncode, one.stdout, one.stderr) for one in done] == [
        (1, "no\n", "queue\n"), (0, "no\n", "queue\n"), (0, "no\n", ""),
    ]  # fmt: skip
