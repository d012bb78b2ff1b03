"""Runs stopped on purpose: what steps them and their LAMMPS jobs end, and they can be resumed.

Killing a job through AiiDA ends its process for good. Here the engine leaves first, or the daemon pauses the
processes. Only then the jobs end, by their scheduler. When the run is resumed, AiiDA retrieves what they left, and
the restart chain continues from their newest checkpoints.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from signal import Signals
from typing import Any

import psutil  # type: ignore[import-untyped]
from aiida.common import AiidaException
from aiida.engine import Runner
from aiida.engine.daemon.execmanager import kill_calculation
from aiida.engine.processes.control import pause_processes, play_processes
from aiida.manage import get_manager
from aiida.orm import CalcJobNode, ProcessNode, QueryBuilder
from aiida.schedulers import JobState

from aiida_cse.engine.checkpoints import load_process, root_of
from aiida_cse.engine.daemon import daemon_runs
from aiida_cse.engine.embedded import is_embedded
from aiida_cse.engine.hints import aiida_cse
from aiida_cse.engine.locks import process_lock, running_python
from aiida_cse.engine.stop_marks import mark_stopped, unmark_stopped
from aiida_cse.lammps.job.script import LOG

__all__ = ["StopError", "is_on_daemon", "play_tree", "running_jobs", "stop_run"]

#: receives a line on each step
Say = Callable[[str], None]

LAMMPS = "aiida.calculations:cse.lammps"
#: states of a scheduler that starts a job at once, as a process of the computer that it is called on
_DIRECT = "core.direct"
#: time that a Python has to leave its run, first when asked, then after a signal; s
_PATIENCE, _AFTER_SIGNAL = 30.0, 10.0
#: time that the daemon has to pause all processes, for one request, and between two; s
_PAUSE_WITHIN, _REQUEST, _BETWEEN_REQUESTS = 60.0, 5.0, 0.2
#: time that a scheduler has to end a job, and between two questions whether it has; s
_LEAVES_QUEUE, _ASK_QUEUE = 60.0, 2.0
#: ends what is left of a job in its folder and prints the step of its newest checkpoint. A job that has not locked
#: its folder yet is its script alone, which is known by its number and its folder.
_END_HERE = """
pid=$1
if [ -f lock.sh ] && [ -d lock ]; then
    . ./lock.sh
    ended=
    end_processes . none 2>/dev/null || exit 1
elif [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(pwd -P)" ]; then
    kill "$pid"
fi
"""


class StopError(RuntimeError):
    """A run, or a job of it, could not be stopped; the message says what still runs."""


def stop_run(process: ProcessNode, say: Say) -> ProcessNode:
    """Stop the run of a process: what steps it ends or pauses, then its LAMMPS jobs end.

    Parameters
    ----------
    process
        Any process of the run. The whole run is stopped.
    say
        Receives a line on each step.

    Returns
    -------
    ProcessNode
        The outermost process. If it has ended before, only what is left of its LAMMPS jobs ends.

    Raises
    ------
    StopError
        Something still runs.
    """
    root = root_of(process)
    if not root.is_terminated:
        if is_embedded(root):
            _end_python(root, say)
        else:
            _pause_tree(root, say)
    with process_lock(root):
        unfinished, jobs = list(_unfinished(root)), running_jobs(root)
        mark_stopped([*(node for node in unfinished if not isinstance(node, CalcJobNode)), *jobs])
        # further jobs of which processes are left on this machine, by their environment
        names: set[str] = set()
        for other in psutil.process_iter():
            with suppress(psutil.Error):
                names.add(other.environ().get("CSE_JOB", ""))
        query = QueryBuilder().append(CalcJobNode, filters={"uuid": {"in": sorted(names - {""})}})
        there = {job.pk for job in jobs}
        found: list[CalcJobNode] = query.all(flat=True) if names - {""} else []
        left = [job for job in found if job.pk not in there and root_of(job).pk == root.pk]
        failures = list(_end_jobs(jobs + left, say))
    for job in unfinished:
        if isinstance(job, CalcJobNode) and job.process_type != LAMMPS and job.get_job_id() is not None:
            say(f"job <{job.pk}>: {job.process_label} takes little and ends by itself")
    if failures:
        raise StopError("; ".join(failures))
    return root


def running_jobs(root: ProcessNode) -> list[CalcJobNode]:
    """Return the LAMMPS jobs of a run that AiiDA has started and not yet found ended."""
    jobs = [node for node in _unfinished(root) if isinstance(node, CalcJobNode) and node.process_type == LAMMPS]
    return [job for job in jobs if job.get_remote_workdir() is not None]


def is_on_daemon(root: ProcessNode) -> bool:
    """Return whether the daemon, which is running, steps a process."""
    profile = get_manager().get_profile()
    has_broker = profile is not None and profile.process_control_backend is not None
    return has_broker and not is_embedded(root) and daemon_runs()


def play_tree(root: ProcessNode) -> int:
    """Let the daemon continue all paused processes of a run, and return their number."""
    paused = [node for node in _unfinished(root) if node.paused]
    unmark_stopped(_unfinished(root))
    if paused:
        with _quiet_control():
            # callers last: what they wait for runs by then
            play_processes(paused[::-1], timeout=_PAUSE_WITHIN)
    return len(paused)


def _unfinished(root: ProcessNode) -> Iterator[ProcessNode]:
    """Yield the unfinished processes of a run, callers first, as the database has them now."""
    # the end of the read transaction lets the next read see what another Python has written since
    storage: Any = get_manager().get_profile_storage()
    if hasattr(storage, "get_session"):
        storage.get_session().commit()
    if root.is_terminated:
        return
    yield root
    for child in root.called:
        yield from _unfinished(child)


def _named(node: ProcessNode) -> str:
    return f"{node.process_label} <{node.pk}>"


# -- what steps the processes --------------------------------------------------------------------------------


def _end_python(root: ProcessNode, say: Say) -> None:
    """Ask the Python that runs a process to leave it, and end that Python if it does not."""
    holder = running_python(root)
    if holder is None:
        say(f"{_named(root)}: nothing runs it")
        return
    if not holder.is_here:
        call = aiida_cse("stop", root.pk)
        raise StopError(f"{_named(root)} is run by process {holder.pid} on {holder.host}; call there: {call}")
    say(f"{_named(root)}: asking process {holder.pid} to leave it …")
    holder.request_stop()
    if holder.has_left(_PATIENCE):
        return
    # it may be in a slow step, or suspended; all that is lost is the step
    python = holder.process()
    for signal in (Signals.SIGTERM, Signals.SIGTERM, Signals.SIGKILL):
        with suppress(psutil.NoSuchProcess):
            if python is not None:
                python.send_signal(signal)
        if python is None or holder.has_left(_AFTER_SIGNAL):
            break
    if not holder.has_left(0):
        raise StopError(f"process {holder.pid}, which runs {_named(root)}, does not end; end it and stop again")
    say(f"process {holder.pid} did not answer and was ended")


def _pause_tree(root: ProcessNode, say: Say) -> None:
    """Pause a process on the daemon and all below it; those that no worker has are paused in their checkpoints."""
    profile = get_manager().get_profile()
    if profile is None or profile.process_control_backend is None:
        raise StopError(
            f"{_named(root)} was started by a Python of its own (engine.run of AiiDA), which alone can end it"
        )
    deadline = time.monotonic() + _PAUSE_WITHIN
    reason = f"stopped; continue with: {aiida_cse('resume', root.pk)}"
    alive = daemon_runs()
    while awake := [node for node in _unfinished(root) if not node.paused]:
        if not alive or time.monotonic() > deadline:
            _pause_checkpoints(awake, reason)
            break
        with _quiet_control():
            # a process that is paused submits no others, so callers come first
            pause_processes(awake, msg_text=reason, timeout=_REQUEST)
        time.sleep(_BETWEEN_REQUESTS)
    number = sum(1 for _ in _unfinished(root))
    say(f"{_named(root)}: paused, with {number - 1} processes below it")


def _pause_checkpoints(nodes: Iterable[ProcessNode], reason: str) -> None:
    """Pause processes that no worker has, so that a worker that takes them later leaves them paused."""
    runner = Runner(
        poll_interval=1, loop=asyncio.new_event_loop(), communicator=None, persister=get_manager().get_persister()
    )
    assert runner.persister is not None
    try:
        for node in nodes:
            process = load_process(node, runner)
            process.pause(reason)
            runner.persister.save_checkpoint(process)
    finally:
        runner.close()


@contextmanager
def _quiet_control() -> Iterator[None]:
    """Keep AiiDA from printing a line on each request to a process."""
    logger = logging.getLogger("aiida.process_control")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


# -- the jobs ------------------------------------------------------------------------------------------------


def _end_jobs(jobs: list[CalcJobNode], say: Say) -> Iterator[str]:
    """End jobs, one connection per computer; yields what failed."""
    computers: dict[str, list[CalcJobNode]] = {}
    for job in jobs:
        assert job.computer is not None
        computers.setdefault(job.computer.label, []).append(job)
    for label, there in computers.items():
        names = ", ".join(f"<{job.pk}>" for job in there)
        try:
            with there[0].get_authinfo().get_transport() as transport:
                for job in there:
                    say(f"job <{job.pk}>: {_end_job(job, transport)}")
        except (AiidaException, OSError, StopError) as error:
            yield f"{label}: the LAMMPS jobs {names} may still run: {error}"


def _end_job(job: CalcJobNode, transport: Any) -> str:
    """End a job by its scheduler, and return in words what ended and from where the run will continue."""
    folder = shlex.quote(str(job.get_remote_workdir()))
    if job.computer is not None and job.computer.scheduler_type == _DIRECT:
        script = f"cd {folder} && sh -c {shlex.quote(_END_HERE)} end {shlex.quote(str(job.get_job_id() or ''))}"
        status, _, complaint = transport.exec_command_wait(script)
        if status != 0:
            raise StopError(f"job {job.pk}: {complaint.strip() or 'its processes do not end'}")
    elif job.get_job_id() is None:
        return "AiiDA has no number of it in the queue; if it was submitted just now, it runs on"
    else:
        kill_calculation(job, transport)
        if not _leaves_queue(job, transport):
            return f"its scheduler was told to end it and has not done so within {_LEAVES_QUEUE:.0f} s"
    _, listing, _ = transport.exec_command_wait(f"cd {folder} && ls")
    names = listing.split()
    if LOG not in names:
        return "LAMMPS had not begun; it does not begin any more"
    numbers = [name.removeprefix("restart.") for name in names if name.startswith("restart.")]
    newest = max((int(number) for number in numbers if number.isdecimal()), default=None)
    checkpoint = "it had written no checkpoint" if newest is None else f"its newest checkpoint is step {newest:,}"
    return f"LAMMPS has ended; {checkpoint}"


def _leaves_queue(job: CalcJobNode, transport: Any) -> bool:
    """Wait until the scheduler has ended a job, which takes it some seconds; return whether it has."""
    number = str(job.get_job_id())
    scheduler: Any = job.computer.get_scheduler() if job.computer is not None else None
    scheduler.set_transport(transport)
    deadline = time.monotonic() + _LEAVES_QUEUE
    while True:
        found = scheduler.get_jobs(jobs=[number], as_dict=True).get(number)
        if found is None or found.job_state == JobState.DONE:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_ASK_QUEUE)
