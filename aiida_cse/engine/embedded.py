"""The embedded engine: AiiDA processes stepped in this Python without a daemon, resumable after any interruption.

AiiDA's own ``run`` answers Ctrl-C by killing the process for good. This engine leaves the processes as they are:
each of them has a checkpoint in the profile, from which :func:`resume_embedded` continues.

The engine itself continues from the checkpoints after trouble with the database, as a lock or a restart of its
server. A step that meets it is left before AiiDA records an exception of the process, all other steps are left as
well, and once the database can be written, the processes are loaded again.
"""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from types import MethodType
from typing import Any

from aiida.engine import AiiDAPersister, Process, ProcessBuilder, ProcessState, Runner, WorkChain
from aiida.manage import get_manager
from aiida.orm import Group, ProcessNode, load_node
from plumpy.exceptions import PersistenceError

from aiida_cse.engine.checkpoints import awaited_children, load_tree, root_of
from aiida_cse.engine.daemon import daemon_runs
from aiida_cse.engine.database import Trouble, patience, roll_back, trouble_of, wait_for_locks, write_error
from aiida_cse.engine.hints import aiida_cse
from aiida_cse.engine.locks import EMBEDDED, ENGINE_EXTRA, ProcessBusyError, is_stop_requested, process_lock
from aiida_cse.engine.outline import refuse_other_outlines
from aiida_cse.engine.pauses import pause_reason
from aiida_cse.engine.stop_marks import unmark_stopped
from aiida_cse.engine.submission import submit_once
from aiida_cse.engine.terminal import log_without_tracebacks, stop_requests
from aiida_cse.engine.workers import look_again

__all__ = [
    "InterruptedRunError",
    "OnTick",
    "PausedRunError",
    "StepError",
    "StoppedRunError",
    "UnfinishedError",
    "is_embedded",
    "resume_embedded",
    "run_embedded",
]

#: called in the event loop with the root's node, once per :data:`TICK` and once at the end
OnTick = Callable[[ProcessNode], None]

#: interval between two calls of ``on_tick``, s
TICK = 0.5
#: interval at which a WorkChain polls the children that it waits for, s
_CHILD_POLL = 0.1
#: time for which one statement waits for a lock while processes are stepped, and while they are left; s. Ctrl-C
#: waits as long, and a longer lock loses nothing.
_STATEMENT, _LEAVING = 10.0, 0.5
#: time for which a run waits for its database before it ends, s
_PATIENCE = 900.0
#: interval between two attempts to write into the database, and the time that one may take; s
_ATTEMPT, _ATTEMPT_TIME = 2.0, 0.5
#: time without new trouble after which :data:`_PATIENCE` is counted from zero again, s
_QUIET = 60.0
#: time for which a WorkChain may wait for children that have all ended, s; their polls wake it within 0.1 s
_FORGOTTEN = 30.0

_LOGGER = logging.getLogger("aiida.cse.engine")


class UnfinishedError(RuntimeError):
    """The run of the process ``root`` stopped before its end; ``aiida-cse resume`` with ``pk`` continues it."""

    def __init__(self, root: ProcessNode | int, reason: str) -> None:
        pk = root if isinstance(root, int) else root.pk
        assert pk is not None
        super().__init__(f"{reason}; resume with: {aiida_cse('resume', pk)}")
        self.pk = pk


class InterruptedRunError(UnfinishedError):
    """The run was stopped by Ctrl-C, SIGTERM or a closed terminal."""


class StoppedRunError(UnfinishedError):
    """Another Python stopped the run, which also ends its LAMMPS jobs."""


class PausedRunError(UnfinishedError):
    """All remaining processes are paused, for example after a transport task failed five times."""


class StepError(UnfinishedError):
    """AiiDA itself failed while stepping a process, for example on a full disk or a database that stays locked."""


class _TroubleError(Exception):
    """The processes were left because of trouble with the database."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.words)
        self.trouble = trouble


class _ForgottenError(_TroubleError):
    """A WorkChain waits for children that have ended: the callback that would wake it has died."""


class _LeaveStep(BaseException):
    """Ends a step without a word in its process; no ``except Exception`` of AiiDA stops it."""


class _Persister(AiiDAPersister):
    """Stores checkpoints. AiiDA goes on without a checkpoint that could not be stored; here the step is left."""

    def save_checkpoint(self, process: Any, tag: str | None = None) -> Any:
        """Store the checkpoint of a process."""
        try:
            return super().save_checkpoint(process, tag)
        except PersistenceError as error:
            if trouble_of(error) is None:
                raise
            assert isinstance(process.runner, _EmbeddedRunner)
            raise process.runner.leave(error) from error


class _EmbeddedRunner(Runner):
    """A runner that keeps track of the processes it steps.

    Attributes
    ----------
    steppers
        The processes, by the tasks that step them.
    trouble
        What made a step or a callback fail; the processes are to be left. None if nothing did.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(poll_interval=_CHILD_POLL, loop=loop, communicator=None, persister=_Persister())
        self.steppers: dict[asyncio.Task[None], Process] = {}
        self.trouble: Trouble | None = None
        self._ended_at: dict[Any, float] = {}
        loop.set_exception_handler(self._on_failed_callback)

    @property
    def is_daemon_runner(self) -> bool:
        """True: only process functions read it, and without a daemon they would end Python on SIGINT."""
        return True

    def submit(self, process: Any, inputs: dict[str, Any] | None = None, **kwargs: Any) -> ProcessNode:
        """Create the process and step it in this loop."""
        instance: Process = self.instantiate_process(process, **(inputs or kwargs))
        self.step(instance)
        return instance.node

    def step(self, process: Process) -> None:
        """Step ``process`` to its end, concurrently with the others."""
        enter_excepted = process.on_except

        def on_except(_: Process, exc_info: Any) -> None:
            # a locked database is no fault of the process, and EXCEPTED would be for good
            if self.trouble is not None or trouble_of(exc_info[1]) is not None:
                raise self.leave(exc_info[1])
            enter_excepted(exc_info)

        process.on_except = MethodType(on_except, process)  # type: ignore[method-assign]
        self.steppers[self.loop.create_task(process.step_until_terminated())] = process

    def leave(self, error: BaseException) -> _LeaveStep:
        """Note the trouble that caused an exception, and return what ends the step that met it."""
        self.trouble = self.trouble or trouble_of(error)
        return _LeaveStep(str(error))

    def explain(self, error: BaseException) -> str | None:
        """Note the trouble that caused an exception in AiiDA's log, and return it in words.

        AiiDA repeats a failed task of a job in the same session, which cannot be used any more, and may submit the
        job twice if only its number could not be stored. The processes are therefore left and loaded again.
        """
        found = trouble_of(error)
        self.trouble = self.trouble or found
        return None if found is None else found.words

    def _poll_process(self, node: ProcessNode, callback: Callable[[], Any]) -> None:
        """Look whether a child has ended; AiiDA's own poll ends with the first exception and never looks again."""
        if self.trouble is not None:
            return
        try:
            super()._poll_process(node, callback)  # type: ignore[no-untyped-call]
        except Exception as error:
            self.trouble = trouble_of(error)
            if self.trouble is None:
                raise

    def _on_failed_callback(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Note the trouble of a callback that no task awaits; its own caller would wait for it for ever."""
        error = context.get("exception")
        found = trouble_of(error)
        if found is None and not isinstance(error, _LeaveStep):
            loop.default_exception_handler(context)
        self.trouble = self.trouble or found

    def drop(self) -> None:
        """Cancel the next poll of each scheduler, which never happens, without a warning of Python."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            for jobs in self.job_manager._job_lists.values():
                if jobs._update_handle is not None:
                    jobs._update_handle.cancel()

    def sweep(self, root: ProcessNode) -> None:
        """Forget the processes that have terminated.

        Raises
        ------
        _TroubleError
            A process met trouble, or waits for children that ended a while ago.
        StepError
            A task ended with another exception before its process did.
        """
        errors = []
        for task in [task for task in self.steppers if task.done()]:
            del self.steppers[task]
            if (error := task.exception()) is not None:
                errors.append(error)
                self.trouble = self.trouble or trouble_of(error)
        if self.trouble is not None:
            raise _TroubleError(self.trouble)
        for error in errors:
            reason = f"AiiDA could not step a process ({type(error).__name__}: {error})"
            raise StepError(root, reason) from error
        self._find_forgotten()

    def _find_forgotten(self) -> None:
        """Raise :class:`_ForgottenError` if a WorkChain has waited too long for children that have all ended."""
        alive = {process.pid for process in self.steppers.values()}
        waiting = {
            process.pid: awaited_children(process)
            for process in self.steppers.values()
            if isinstance(process, WorkChain) and process.state is ProcessState.WAITING and not process.paused
        }
        now = time.monotonic()
        self._ended_at = {
            pid: self._ended_at.get(pid, now) for pid, awaited in waiting.items() if not awaited & alive
        }
        for pid, since in self._ended_at.items():
            if now - since > _FORGOTTEN:
                children = ", ".join(map(str, sorted(waiting[pid]))) or "no child"
                raise _ForgottenError(Trouble(f"process {pid} waits for {children}, which ended", passes=True))

    def paused(self) -> list[Process]:
        """Return the paused processes if no other process can advance, else an empty list."""
        alive = {process.pid: process for process in self.steppers.values()}
        for process in alive.values():
            awaited = awaited_children(process) if process.state is ProcessState.WAITING else set()
            if not process.paused and not (awaited and awaited.issubset(alive)):
                return []
        return [process for process in alive.values() if process.paused]


def run_embedded(
    process: ProcessBuilder | type[Process],
    on_tick: OnTick | None = None,
    *,
    extras: dict[str, Any] | None = None,
    groups: Sequence[Group] = (),
    on_second_interrupt: Callable[[], None] | None = None,
) -> ProcessNode:
    """Run a process and its descendants in this Python until they terminate.

    Parameters
    ----------
    process
        A builder or a process class without required inputs, as for :func:`aiida.engine.run`.
    on_tick
        Called with the node of the process twice a second and at the end; it must return quickly.
    extras
        Extras of the node, set before the first step.
    groups
        Groups to which the node is added before the first step.
    on_second_interrupt
        Called before a second Ctrl-C ends this Python.

    Raises
    ------
    UnfinishedError
        The run has not finished. Every process keeps its last checkpoint, and running jobs continue.
    """

    async def session(runner: _EmbeddedRunner, stop: asyncio.Event) -> ProcessNode:
        root: Process = runner.instantiate_process(process)
        root.node.base.extras.set_many({ENGINE_EXTRA: EMBEDDED, **(extras or {})})
        for group in groups:
            group.add_nodes(root.node)
        with process_lock(root.node):
            runner.step(root)
            return await _drive(runner, root.node, on_tick, stop)

    return _run(session, on_second_interrupt)


def resume_embedded(
    process: int | ProcessNode,
    on_tick: OnTick | None = None,
    *,
    on_second_interrupt: Callable[[], None] | None = None,
) -> ProcessNode:
    """Continue an interrupted, killed or paused run from its checkpoints in the profile.

    Parameters
    ----------
    process
        The process, any of its descendants, or the PK of one of them.
    on_tick, on_second_interrupt
        As for :func:`run_embedded`.

    Returns
    -------
    ProcessNode
        The outermost process. It is returned unchanged if it had finished before.

    Raises
    ------
    ValueError
        The node is not a process.
    ProcessBusyError
        Another Python, or the daemon, runs the process.
    CheckpointError
        A checkpoint cannot be loaded.
    OutlineError
        An unfinished process was started with another version of its outline.
    UnfinishedError
        As for :func:`run_embedded`.
    """
    node = load_node(process) if isinstance(process, int) else process
    if not isinstance(node, ProcessNode):
        msg = f"node {node.pk} is a {type(node).__name__}, not a process; only processes can be resumed"
        raise ValueError(msg)
    root = root_of(node)
    profile = get_manager().get_profile()
    assert profile is not None
    if not is_embedded(root) and profile.process_control_backend is not None and daemon_runs():
        msg = f"process {root.pk} was submitted to the daemon, which is running: it needs no resume"
        raise ProcessBusyError(msg)
    refuse_other_outlines(root)

    async def session(runner: _EmbeddedRunner, stop: asyncio.Event) -> ProcessNode:
        with process_lock(root):
            instances = list(load_tree(root, runner))
            unmark_stopped(instance.node for instance in instances)
            for instance in instances:
                instance.play()
                runner.step(instance)
            return await _drive(runner, root, on_tick, stop)

    return _run(session, on_second_interrupt)


def is_embedded(node: ProcessNode) -> bool:
    """Return whether the outermost process ``node`` was started by this engine."""
    return bool(node.base.extras.get(ENGINE_EXTRA, None) == EMBEDDED)


def _run(
    session: Callable[[_EmbeddedRunner, asyncio.Event], Coroutine[Any, Any, ProcessNode]],
    on_second_interrupt: Callable[[], None] | None,
) -> ProcessNode:
    """Run ``session`` in an event loop of its own and close the loop afterwards."""
    wait_for_locks()
    submit_once()
    look_again()
    runner, stop = _EmbeddedRunner(asyncio.new_event_loop()), asyncio.Event()
    try:
        with stop_requests(runner.loop, stop, on_second_interrupt):
            node: ProcessNode = runner.run_until_complete(session(runner, stop))  # type: ignore[arg-type]
            return node
    finally:
        runner.close()


async def _drive(
    runner: _EmbeddedRunner, root: ProcessNode, on_tick: OnTick | None, stop: asyncio.Event
) -> ProcessNode:
    """Step all processes to their ends; after trouble with the database they are loaded from their checkpoints."""
    began = troubled = time.monotonic()
    forgotten = ""
    pk, uuid = root.pk, root.uuid  # under a lock they cannot be read
    assert pk is not None
    while True:
        try:
            if runner.trouble is not None:
                runner = _EmbeddedRunner(runner.loop)
                root = load_node(pk)  # type: ignore[assignment]
                for instance in load_tree(root, runner):
                    runner.step(instance)
            with patience(_STATEMENT), log_without_tracebacks(runner.explain):
                return await _step_all(runner, root, on_tick, stop)
        except Exception as error:  # noqa: PERF203 # a turn of this loop takes seconds at least
            found = error.trouble if isinstance(error, _TroubleError) else trouble_of(error)
            if found is None or isinstance(error, UnfinishedError):
                raise
            if isinstance(error, _ForgottenError) and str(error) == forgotten:
                raise StepError(pk, str(error)) from error
            forgotten = str(error) if isinstance(error, _ForgottenError) else forgotten
            runner.trouble = found
            if time.monotonic() - troubled > _QUIET:
                began = time.monotonic()
            await _outlast(found, began, pk, uuid, stop)
            troubled = time.monotonic()
        finally:
            runner.drop()


async def _outlast(trouble: Trouble, began: float, pk: int, uuid: str, stop: asyncio.Event) -> None:
    """Wait until the database can be written again.

    Raises
    ------
    StepError
        It cannot be written :data:`_PATIENCE` after ``began``, or nothing is to be hoped for.
    InterruptedRunError, StoppedRunError
        A user did not wait.
    """
    said = ""
    while True:
        roll_back()
        found = write_error(_ATTEMPT_TIME)
        if found is None and trouble.passes:
            return
        trouble = found or trouble
        if not trouble.passes:
            raise StepError(pk, trouble.words)
        waited = time.monotonic() - began
        if waited > _PATIENCE:
            raise StepError(pk, f"{trouble.words} for {max(1, round(waited / 60))} min")
        if trouble.words != said:
            said = trouble.words
            _LOGGER.warning("%s; the run continues by itself when this has ended", said)
        if stop.is_set():
            raise InterruptedRunError(pk, "interrupted")
        if is_stop_requested(uuid):
            raise StoppedRunError(pk, "stopped by aiida-cse stop")
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stop.wait(), _ATTEMPT)


async def _step_all(
    runner: _EmbeddedRunner, root: ProcessNode, on_tick: OnTick | None, stop: asyncio.Event
) -> ProcessNode:
    """Step all processes to their ends; no task is left when this returns or raises."""
    tick = on_tick or (lambda _: None)
    try:
        while runner.steppers:
            if stop.is_set():
                raise InterruptedRunError(root, "interrupted")
            if is_stop_requested(root.uuid):
                raise StoppedRunError(root, "stopped by aiida-cse stop")
            if paused := [process.node for process in runner.paused()]:
                reasons = (
                    f"process {node.pk} ({node.process_label}) is paused: {pause_reason(node)}" for node in paused
                )
                raise PausedRunError(root, "; ".join(reasons))
            tick(root)
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait([*runner.steppers, stopped], timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            runner.sweep(root)
        tick(root)
    finally:
        # tasks that start while others end are cancelled as well; processes keep their state and checkpoint
        with patience(_LEAVING):
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    return root
