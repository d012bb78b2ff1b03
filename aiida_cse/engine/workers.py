"""Patience of daemon workers: a process that meets trouble with its database is left and loaded again.

The workers are aiida-core's own. There an exception within a step ends its process for good, also one that says
nothing about the process, as that of a locked database. This module changes a worker that loads a process of
this package: a step or a transport task that meets such trouble is left before AiiDA records an exception. Once
the database can be written, the process continues from its checkpoint, as in the embedded engine. Only the process
that met the trouble is left; the others of the worker may not have noticed.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from types import MethodType
from typing import Any

from aiida.engine import CalcJob, Process, ProcessState, Runner, utils
from aiida.engine.exceptions import PastException
from aiida.engine.processes.calcjobs.manager import JobsList
from aiida.engine.processes.launcher import ProcessLauncher
from aiida.engine.transports import TransportQueue
from aiida.orm import CalcJobNode, ProcessNode, load_node
from plumpy.exceptions import PersistenceError
from plumpy.persistence import LoadSaveContext
from plumpy.process_states import Interruption

from aiida_cse.engine.checkpoints import kill_orphan, load_unfinished
from aiida_cse.engine.daemon import is_unroutable
from aiida_cse.engine.database import Trouble, roll_back, trouble_of, wait_for_locks, write_error
from aiida_cse.engine.locks import Claims
from aiida_cse.engine.submission import end_job, submit_once

__all__ = ["GuardedCalcJob", "guard_worker", "look_again"]

#: interval between two polls of a child, or of a scheduler, while the database does not answer, s
_POLL_AGAIN = 10.0
#: first pause before a look whether the database can be written, and the longest, to which it doubles; s
_FIRST, _LONGEST = 1.0, 60.0
#: time that one attempt to write may take, s
_ATTEMPT_TIME = 0.5
#: times in a row that a process is left although the database can be written: then AiiDA records its exception
_TIMES = 30
#: time without trouble after which they are counted from zero again, s
_QUIET = 600.0
#: interval between two requests to end a process whose caller repeats its step, s
_KILL_AGAIN = 10.0
#: interval between two attempts to claim a process that another worker has, s
_CLAIM_AGAIN = 1.0

_LOGGER = logging.getLogger("aiida.cse.engine")


class _LeftError(BaseException):
    """Ends a step without a word in its process; no ``except Exception`` of AiiDA stops it."""


class _LeftTaskError(Interruption):
    """Ends a transport task, which AiiDA would repeat in a session that cannot be used any more."""


def guard_worker(runner: Runner) -> None:
    """Let the processes that a worker loads from now on outlast trouble with their database."""
    if type(runner) is not Runner or not runner.is_daemon_runner or "cse_guard" in vars(runner):
        return
    wait_for_locks()
    runner.cse_guard = _Guard(runner)  # type: ignore[attr-defined]
    _change_aiida()
    submit_once()


class GuardedCalcJob(CalcJob):
    """A CalcJob that outlasts trouble with the database, also on a worker that has loaded nothing else."""

    def load_instance_state(self, saved_state: MutableMapping[str, Any], load_context: LoadSaveContext) -> None:
        """Guard the worker and load a checkpoint."""
        guard_worker(load_context.runner)
        super().load_instance_state(saved_state, load_context)


def _guard_of(process: Any) -> _Guard | None:
    """Return the guard of the worker that steps a process; None if nothing guards the process."""
    guard: _Guard | None = None if process is None else vars(process.runner).get("cse_guard")
    if guard is None or process.pid not in guard.steps or process.pid in guard.hopeless:
        return None
    return guard


class _Guard:
    """The processes of a worker that outlast trouble.

    Attributes
    ----------
    steps
        The tasks that step the processes, by their PKs.
    claims
        The processes that this worker has and no other one takes.
    hopeless
        Processes that met trouble so often that AiiDA shall record it.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.steps: dict[int, asyncio.Task[None]] = {}
        self.claims = Claims()
        self._met: dict[int, BaseException] = {}
        self.hopeless: set[int] = set()
        self._turn = asyncio.Lock()
        persister = runner.persister

        def poll(node: Any, callback: Callable[[], Any], pk: int | None = None) -> None:
            """Look whether a child has ended; AiiDA's own poll ends with the first exception."""
            pk, pause = pk or node.pk, float(runner._poll_interval)
            try:
                # after trouble the session may have let go of the node
                node = node or load_node(pk)
                if node.is_terminated:
                    runner.loop.call_soon(callback)
                    return
            except Exception as error:
                if trouble_of(error) is None:
                    raise
                roll_back(only_unusable=True)
                node, pause = None, _POLL_AGAIN
            runner.loop.call_later(pause, poll, node, callback, pk)

        runner._poll_process = poll  # type: ignore[method-assign]
        if persister is None:
            return
        save = persister.save_checkpoint

        def save_or_leave(process: Any, tag: str | None = None) -> Any:
            """Store a checkpoint; AiiDA goes on without one that could not be stored."""
            try:
                return save(process, tag)
            except PersistenceError as error:
                if trouble_of(error) is None or not (_guard_of(process) or _guard_of(Process.current())):
                    raise
                raise _LeftError from error

        persister.save_checkpoint = save_or_leave  # type: ignore[method-assign]

    def guard(self, first: Process) -> None:
        """Let a process that was just loaded outlast trouble.

        Not WorkChains of other packages: repeating a step is safe only if each child that it submits is awaited.
        """
        if not isinstance(first, CalcJob) and not hasattr(first, "OUTLINE_VERSION"):
            return
        enter_excepted, pid, left = first.on_except, first.node.pk, False
        assert pid is not None
        self.claims.take(pid)

        def on_except(_: Process, exc_info: Any) -> None:
            nonlocal left
            error = exc_info[1]
            if not left and (pid in self.hopeless or trouble_of(error) is None):
                enter_excepted(exc_info)
                return
            task = self.steps.get(pid)
            if not left and task is not None and task is not asyncio.current_task():
                # a callback failed, and the step would wait for it for ever
                self._met[pid] = error
                task.cancel()
            left = True
            raise _LeftError from error

        # AiiDA checks that it is a method
        first.on_except = MethodType(on_except, first)  # type: ignore[method-assign]
        first.step_until_terminated = functools.partial(self._step, pid, first)  # type: ignore[method-assign]

    async def _step(self, pid: int, first: Process) -> None:
        """Step a process to its end; after trouble it is loaded again from its checkpoint."""
        process: Process | None = first
        times = 0
        try:
            while process is not None:
                began = time.monotonic()
                try:
                    await self._step_once(pid, process)
                    break
                except (_LeftError, Exception) as error:
                    if (found := trouble_of(error)) is None:
                        raise
                process.close()
                times = times + 1 if found.passes and time.monotonic() - began < _QUIET else 1
                if times > _TIMES:
                    self.hopeless.add(pid)
                process = await self._load(pid, found, times)
        finally:
            self.claims.release(pid)
        if process is not first:
            # the launcher of the worker reads the result from the process that it has loaded
            first._future = first.future() if process is None else process.future()
            if not first.future().done():
                first.future().set_result(None)
        self.hopeless.discard(pid)

    async def _step_once(self, pid: int, process: Process) -> None:
        """Step a process until it has ended or is left; raises what made it leave."""
        task = self.runner.loop.create_task(type(process).step_until_terminated(process))
        self.steps[pid] = task
        try:
            await asyncio.wait([task])
        finally:
            del self.steps[pid]
            task.cancel()
        if (met := self._met.pop(pid, None)) is not None:
            raise _LeftError from met
        await task

    async def _load(self, pid: int, found: Trouble, times: int) -> Process | None:
        """Load a process from its checkpoint when the trouble has ended; None if the process has ended itself.

        One that cannot be loaded ends as excepted, since its caller would wait for it for ever.
        """
        began, failure, words = time.monotonic(), None, found.words
        while True:
            try:
                await self.outlast(pid, found, times)
                node = load_node(pid)
                assert isinstance(node, ProcessNode)
                if failure is not None:
                    self._give_up(node, failure)
                    return None
                await self._end_orphans(node)
                if not node.is_sealed:
                    waited = time.monotonic() - began
                    node.logger.report(f"{words}: continued from the last checkpoint {waited:.0f} s later")
                # last, since what fails after it would leave a process that answers
                return load_unfinished(node, self.runner)
            except Exception as error:  # noqa: PERF203 # a turn of this loop takes seconds at least
                if (again := trouble_of(error)) is not None:
                    found, times = again, times + 1
                elif failure is None:
                    failure, times = error, 1
                else:
                    raise

    def _give_up(self, node: ProcessNode, error: Exception) -> None:
        """End a process that cannot be loaded, and tell its caller."""
        if not node.is_terminated:
            node.logger.error(f"it cannot continue after trouble with the database: {error}")
            words = "".join(traceback.format_exception(error))
            node.set_exception(words.rstrip())
            node.set_process_status(None)
            node.set_process_state(ProcessState.EXCEPTED)
        if not node.is_sealed:
            node.seal()
        assert self.runner.communicator is not None
        self.runner.communicator.broadcast_send(
            None, sender=node.pk, subject=f"state_changed.waiting.{ProcessState.EXCEPTED.value}"
        )

    async def outlast(self, pid: int, found: Trouble, times: int) -> None:
        """Wait until the database can be written again.

        Meanwhile the process answers that it is on this worker, so that nobody sends it to another one.
        """
        _LOGGER.warning("process %d: %s; it continues by itself when this has ended", pid, found.words)
        communicator = self.runner.communicator
        assert communicator is not None
        place = communicator.add_rpc_subscriber(lambda *_: False, identifier=str(pid))
        try:
            roll_back(only_unusable=True)
            await asyncio.sleep(min(_FIRST * 2 ** min(times - 1, 10), _LONGEST))
            async with self._turn:  # one process looks for all
                while write_error(_ATTEMPT_TIME) is not None:
                    await asyncio.sleep(_FIRST)
            roll_back(only_unusable=True)
        finally:
            communicator.remove_rpc_subscriber(place)

    async def _end_orphans(self, node: ProcessNode) -> None:
        """End the children of a process that its checkpoint does not know: the repeated step submits new ones."""
        unfinished = [child for child in node.called if not child.is_terminated]
        persister = self.runner.persister
        if not unfinished or persister is None:
            return
        assert node.pk is not None
        awaited = {awaitable.pk for awaitable in persister.load_checkpoint(node.pk).get("_awaitables") or ()}
        for child in unfinished:
            if child.pk not in awaited:
                await self._end(child)

    async def _end(self, child: ProcessNode) -> None:
        """End a process for which nobody waits: by the worker that has it, or here if none has it.

        A worker may take as long as it likes to answer. That it does not have the process is known from the broker
        and from the claim, which then keeps others from taking it.
        """
        assert child.pk is not None
        assert self.runner.controller is not None
        waits = False
        while not child.is_terminated:
            asked = self.runner.controller.kill_process(
                child.pk, "its caller was interrupted and repeats the step"
            )
            # a job ends with the next look of its worker
            again = time.monotonic() + _KILL_AGAIN
            while time.monotonic() < again and not child.is_terminated:
                await asyncio.sleep(_FIRST / 5)
                if _is_nowhere(asked) and self.claims.take(child.pk):
                    try:
                        for grandchild in child.called:
                            await self._end(grandchild)
                        kill_orphan(child)
                    finally:
                        self.claims.release(child.pk)
            if not waits and not child.is_terminated:
                waits = True
                _LOGGER.warning("process %d is to be repeated by its caller, which waits for its end", child.pk)
        if isinstance(child, CalcJobNode) and child.is_killed and child.get_job_id() is None:
            end_job(child)


def _is_nowhere(asked: Any) -> bool:
    """Return whether the broker has answered that nobody has the process that was asked."""
    return bool(asked.done() and not asked.cancelled() and is_unroutable(asked.exception()))


# -- changes of aiida-core -----------------------------------------------------------------------------------


@functools.cache
def _change_aiida() -> None:
    """Let guarded workers leave what AiiDA would record of trouble, or repeat in a session that has failed."""
    _change(Process, "load_instance_state", _load_and_guard)
    _change(utils, "exponential_backoff_retry", _repeat_or_leave)
    _change(ProcessLauncher, "_continue", _take_patiently)
    _change(ProcessLauncher, "handle_continue_exception", _record_or_leave)
    look_again()


@functools.cache
def look_again() -> None:
    """Let the looks at jobs go on after trouble with the database, in this Python, with or without workers."""
    _change(JobsList, "_get_next_update_delay", _pause_or_wait)
    _change(TransportQueue, "request_transport", _request_or_forget)


def _change(owner: Any, name: str, changed: Callable[..., Any]) -> None:
    """Replace a function of AiiDA by one that gets the original as its first argument."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def call(*arguments: Any, **settings: Any) -> Any:
        return changed(original, *arguments, **settings)

    is_static = isinstance(vars(owner)[name], staticmethod)
    setattr(owner, name, staticmethod(call) if is_static else call)


def _load_and_guard(load: Any, process: Process, saved_state: Any, load_context: Any) -> None:
    """Load a process from its checkpoint and guard it, if its worker is guarded."""
    load(process, saved_state, load_context)
    guard = vars(process.runner).get("cse_guard")
    if guard is not None:
        guard.guard(process)


async def _repeat_or_leave(
    repeat: Any, function: Any, *arguments: Any, ignore_exceptions: Any = None, **settings: Any
) -> Any:
    """Repeat a transport task that fails, but leave its process on trouble with the database.

    A full disk may be that of the job: AiiDA pauses the process after some repetitions.
    """
    task = utils.ensure_coroutine(function)
    is_guarded = _guard_of(Process.current()) is not None

    @functools.wraps(function)
    async def attempt() -> Any:
        try:
            return await task()
        except Exception as error:
            if isinstance(error, OSError) or trouble_of(error) is None:
                raise
            if is_guarded:
                raise _LeftTaskError(str(error)) from error
            roll_back(only_unusable=True)
            raise

    given = ignore_exceptions if isinstance(ignore_exceptions, tuple) else (ignore_exceptions or (),)
    ignored = (*given, _LeftTaskError)
    return await repeat(attempt, *arguments, ignore_exceptions=ignored, **settings)


async def _take_patiently(
    take: Any, launcher: Any, communicator: Any, pid: int, *arguments: Any, **settings: Any
) -> Any:
    """Run a process that the broker has sent, also if the database does not answer when it is to be loaded.

    One that another worker still has, as after a broker that lost its memory, is waited for. If it is this worker,
    the message is a second one, which AiiDA drops as well.
    """
    guard, times = vars(launcher._load_context.runner).get("cse_guard"), 0
    found: Trouble | None = None
    if guard is None:
        return await take(launcher, communicator, pid, *arguments, **settings)
    if pid in guard.claims:
        return False
    while guard.claims.take(pid) is False:
        await asyncio.sleep(_CLAIM_AGAIN)
    try:
        while True:
            try:
                if found is not None:
                    await guard.outlast(pid, found, times)
                return await take(launcher, communicator, pid, *arguments, **settings)
            except PastException:  # noqa: PERF203 # a turn of this loop takes seconds at least
                raise  # it has ended, and its exception is on its node
            except Exception as error:
                if (found := trouble_of(error)) is None:
                    raise
                times += 1
    finally:
        guard.claims.release(pid)


def _record_or_leave(record: Any, node: ProcessNode, exception: BaseException, message: str) -> None:
    """Record an exception of a process that could not be loaded, unless the trouble passes."""
    if trouble_of(exception) is None:
        record(node, exception, message)


def _pause_or_wait(pause: Any, jobs: JobsList) -> float:
    """Return the pause before the next look at the jobs of a scheduler, which is read from the database.

    If this fails, AiiDA takes the look before for one that is still to come, and never looks again.
    """
    try:
        return float(pause(jobs))
    except Exception as error:
        if trouble_of(error) is None:
            raise
        roll_back(only_unusable=True)
        return _POLL_AGAIN


@asynccontextmanager
async def _request_or_forget(request: Any, queue: TransportQueue, authinfo: Any) -> AsyncIterator[Any]:
    """Request a transport, which is made from what the database has of its computer.

    If this fails, AiiDA keeps the request although nobody opens its transport, and all later ones wait for it.
    """
    pk = authinfo.pk
    try:
        async with request(queue, authinfo) as transport:
            yield transport
    finally:
        kept = queue._transport_requests.get(pk)
        if kept is not None and kept.count == 0:
            del queue._transport_requests[pk]
