"""The embedded engine: AiiDA processes in this Python, without a daemon, that survive the end of this Python.

AiiDA's own ``run`` answers Ctrl-C by killing the process for good. Here a stop leaves the processes where they
are: every one of them has its checkpoint in the profile, and :func:`resume_embedded` goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from aiida.engine import Process, ProcessBuilder, ProcessState
from aiida.engine.runners import TYPE_SUBMIT_PROCESS, Runner
from aiida.engine.utils import loop_scope, prepare_inputs
from aiida.manage import get_manager
from aiida.orm import ProcessNode, load_node
from plumpy import ensure_portal

from aiida_cse.engine.checkpoints import awaited_children, load_tree, root_of
from aiida_cse.engine.daemon import daemon_runs
from aiida_cse.engine.hints import aiida_cse
from aiida_cse.engine.locks import ProcessBusyError, process_lock
from aiida_cse.engine.signals import stop_requests

__all__ = [
    "InterruptedRunError",
    "OnTick",
    "PausedRunError",
    "StepError",
    "UnfinishedError",
    "is_embedded",
    "resume_embedded",
    "run_embedded",
]

#: called in the event loop with the root's node, once per :data:`TICK` and once at the end
OnTick = Callable[[ProcessNode], None]

#: seconds between two calls of ``on_tick``
TICK = 0.5
#: seconds between two looks of a WorkChain at a child that it waits for
_CHILD_POLL = 0.1
#: extra of a root process that this engine runs
_ENGINE_EXTRA = "cse_engine"
_EMBEDDED = "embedded"


class UnfinishedError(RuntimeError):
    """The run stopped before its end; ``pk`` is what resumes it."""

    def __init__(self, pk: int, reason: str) -> None:
        super().__init__(f"{reason}; go on with: {aiida_cse('resume', pk)}")
        self.pk = pk


class InterruptedRunError(UnfinishedError):
    """Ctrl-C, SIGTERM or a closed terminal."""


class PausedRunError(UnfinishedError):
    """Nothing can go on, because AiiDA paused what is left (a transport that failed five times, for one)."""


class StepError(UnfinishedError):
    """AiiDA itself failed while it stepped a process (a full disk, a locked database)."""


class _EmbeddedRunner(Runner):
    """A runner that knows which processes it steps."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            poll_interval=_CHILD_POLL, loop=loop, communicator=None, persister=get_manager().get_persister()
        )
        self.steppers: dict[asyncio.Task[None], Process] = {}

    @property
    def is_daemon_runner(self) -> bool:
        """True: only process functions ask this, before they take SIGINT for themselves to die of it."""
        return True

    def submit(
        self, process: TYPE_SUBMIT_PROCESS, inputs: dict[str, Any] | None = None, **kwargs: Any
    ) -> ProcessNode:
        """Make the process and step it in this loop."""
        instance: Process = self.instantiate_process(process, **prepare_inputs(inputs, **kwargs))
        self.step(instance)
        return instance.node

    def step(self, process: Process) -> None:
        """Step ``process`` to its end, beside the others."""
        self.steppers[self.loop.create_task(process.step_until_terminated())] = process

    def sweep(self) -> None:
        """Forget the processes that have come to their end.

        Raises
        ------
        Exception
            Whatever ended a task before its process.
        """
        for task in [task for task in self.steppers if task.done()]:
            del self.steppers[task]
            task.result()

    def paused(self) -> list[Process]:
        """Return the paused processes if nothing but them is left to go on, else an empty list."""
        alive = {process.pid: process for process in self.steppers.values()}
        idle = [process for process in alive.values() if process.paused or _waits_for(process, alive)]
        return [process for process in idle if process.paused] if len(idle) == len(alive) else []


def _waits_for(process: Process, alive: Iterable[object]) -> bool:
    awaited = awaited_children(process)
    return process.state is ProcessState.WAITING and bool(awaited) and awaited.issubset(alive)


def run_embedded(
    process: ProcessBuilder | type[Process], on_tick: OnTick | None = None, *, extras: dict[str, Any] | None = None
) -> ProcessNode:
    """Run a process and all that it calls in this Python, to the end.

    Parameters
    ----------
    process
        What to run, as for :func:`aiida.engine.run`.
    on_tick
        Called with the process' node twice a second, and at the end; it must be quick.
    extras
        Extras for the process' node, set before anything runs.

    Raises
    ------
    UnfinishedError
        The run is not finished; every process is kept as its last checkpoint has it, and a scheduler's jobs go on.
    """

    async def session(runner: _EmbeddedRunner, stop: asyncio.Event) -> ProcessNode:
        root: Process = runner.instantiate_process(process)
        root.node.base.extras.set_many({_ENGINE_EXTRA: _EMBEDDED, **(extras or {})})
        with process_lock(root.node):
            runner.step(root)
            return await _to_the_end(runner, root.node, on_tick, stop)

    return _run(session)


def resume_embedded(process: int | ProcessNode, on_tick: OnTick | None = None) -> ProcessNode:
    """Go on with a run that was interrupted, killed or paused, from the checkpoints in the profile.

    Parameters
    ----------
    process
        The process or its PK, or any process that it called.
    on_tick
        As for :func:`run_embedded`.

    Returns
    -------
    ProcessNode
        The outermost process, which may have been finished before.

    Raises
    ------
    ProcessBusyError
        Another Python, or the daemon, runs it.
    CheckpointError
        A checkpoint cannot be loaded.
    UnfinishedError
        As for :func:`run_embedded`.
    """
    node = load_node(process) if isinstance(process, int) else process
    if not isinstance(node, ProcessNode):
        msg = f"node {node.pk} is a {type(node).__name__}, not a process: there is nothing to resume"
        raise ValueError(msg)
    root = root_of(node)
    _refuse_what_the_daemon_runs(root)

    async def session(runner: _EmbeddedRunner, stop: asyncio.Event) -> ProcessNode:
        with process_lock(root):
            for instance in list(load_tree(root, runner)):
                instance.play()
                runner.step(instance)
            return await _to_the_end(runner, root, on_tick, stop)

    return _run(session)


def is_embedded(node: ProcessNode) -> bool:
    """Return whether the outermost process ``node`` was started by this engine."""
    return bool(node.base.extras.get(_ENGINE_EXTRA, None) == _EMBEDDED)


def _refuse_what_the_daemon_runs(root: ProcessNode) -> None:
    profile = get_manager().get_profile()
    assert profile is not None
    if is_embedded(root) or profile.process_control_backend is None:
        return
    if daemon_runs():
        msg = f"process {root.pk} was submitted to the daemon, which is running: nothing has to be resumed"
        raise ProcessBusyError(msg)


def _run(
    session: Callable[[_EmbeddedRunner, asyncio.Event], Coroutine[Any, Any, ProcessNode]],
) -> ProcessNode:
    """Run ``session`` in a loop of its own and take the loop down without a trace in the processes."""
    loop = asyncio.new_event_loop()
    with loop_scope(loop):
        runner = _EmbeddedRunner(loop)
        stop = asyncio.Event()
        try:
            with stop_requests(loop, stop):
                return loop.run_until_complete(_with_portal(session(runner, stop)))
        finally:
            runner.close()


async def _with_portal(session: Coroutine[Any, Any, ProcessNode]) -> ProcessNode:
    await ensure_portal()  # process functions are synchronous and step the loop from inside
    return await session


async def _to_the_end(
    runner: _EmbeddedRunner, root: ProcessNode, on_tick: OnTick | None, stop: asyncio.Event
) -> ProcessNode:
    """Step all processes to their ends; whatever happens, no task is left when this returns."""
    assert root.pk is not None
    tick = on_tick or (lambda _: None)
    try:
        while runner.steppers:
            _raise_if_it_cannot_go_on(runner, root.pk, stop)
            tick(root)
            await _next_event(runner, stop)
            _sweep(runner, root.pk)
        tick(root)
    finally:
        await _cancel_all()
    return root


def _raise_if_it_cannot_go_on(runner: _EmbeddedRunner, pk: int, stop: asyncio.Event) -> None:
    if stop.is_set():
        raise InterruptedRunError(pk, "interrupted")
    if paused := runner.paused():
        raise PausedRunError(pk, "; ".join(map(_why_paused, paused)))


def _sweep(runner: _EmbeddedRunner, pk: int) -> None:
    try:
        runner.sweep()
    except Exception as error:
        reason = f"AiiDA could not step a process ({type(error).__name__}: {error})"
        raise StepError(pk, reason) from error


def _why_paused(process: Process) -> str:
    node = process.node
    return f"process {node.pk} ({node.process_label}) is paused: {node.process_status}"


async def _next_event(runner: _EmbeddedRunner, stop: asyncio.Event) -> None:
    """Return after a tick, or as soon as a process ends or a stop is requested."""
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait([*runner.steppers, stopped], timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()


async def _cancel_all() -> None:
    """End every task, also those that others begin as they end; a process keeps its state and its checkpoint."""
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
