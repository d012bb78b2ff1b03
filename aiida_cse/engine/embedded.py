"""The embedded engine: AiiDA processes stepped in this Python without a daemon, resumable after any interruption.

AiiDA's own ``run`` answers Ctrl-C by killing the process for good. This engine leaves the processes as they are:
each of them has a checkpoint in the profile, from which :func:`resume_embedded` continues.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aiida.engine import Process, ProcessBuilder, ProcessState, Runner
from aiida.manage import get_manager
from aiida.orm import Group, ProcessNode, load_node

from aiida_cse.engine.checkpoints import awaited_children, load_tree, root_of
from aiida_cse.engine.daemon import daemon_runs
from aiida_cse.engine.hints import aiida_cse
from aiida_cse.engine.locks import EMBEDDED, ENGINE_EXTRA, ProcessBusyError, is_stop_requested, process_lock
from aiida_cse.engine.outline import refuse_other_outlines
from aiida_cse.engine.pauses import pause_reason
from aiida_cse.engine.stop_marks import unmark_stopped
from aiida_cse.engine.terminal import stop_requests

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


class UnfinishedError(RuntimeError):
    """The run of the process ``root`` stopped before its end; ``aiida-cse resume`` with ``pk`` continues it."""

    def __init__(self, root: ProcessNode, reason: str) -> None:
        super().__init__(f"{reason}; resume with: {aiida_cse('resume', root.pk)}")
        assert root.pk is not None
        self.pk = root.pk


class InterruptedRunError(UnfinishedError):
    """The run was stopped by Ctrl-C, SIGTERM or a closed terminal."""


class StoppedRunError(UnfinishedError):
    """Another Python stopped the run, which also ends its LAMMPS jobs."""


class PausedRunError(UnfinishedError):
    """All remaining processes are paused, for example after a transport task failed five times."""


class StepError(UnfinishedError):
    """AiiDA itself failed while stepping a process, for example on a full disk or a locked database."""


class _EmbeddedRunner(Runner):
    """A runner that keeps track of the processes it steps."""

    def __init__(self) -> None:
        super().__init__(
            poll_interval=_CHILD_POLL,
            loop=asyncio.new_event_loop(),
            communicator=None,
            persister=get_manager().get_persister(),
        )
        self.steppers: dict[asyncio.Task[None], Process] = {}

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
        self.steppers[self.loop.create_task(process.step_until_terminated())] = process

    def close(self) -> None:
        """Close the loop, without a warning of Python on the next poll of each scheduler, which never happens."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            for jobs in self.job_manager._job_lists.values():
                if jobs._update_handle is not None:
                    jobs._update_handle.cancel()
        super().close()

    def sweep(self, root: ProcessNode) -> None:
        """Forget the processes that have terminated.

        Raises
        ------
        StepError
            A task ended with an exception before its process did.
        """
        for task in [task for task in self.steppers if task.done()]:
            del self.steppers[task]
            if (error := task.exception()) is not None:
                reason = f"AiiDA could not step a process ({type(error).__name__}: {error})"
                raise StepError(root, reason) from error

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
            return await _step_all(runner, root.node, on_tick, stop)

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
            return await _step_all(runner, root, on_tick, stop)

    return _run(session, on_second_interrupt)


def is_embedded(node: ProcessNode) -> bool:
    """Return whether the outermost process ``node`` was started by this engine."""
    return bool(node.base.extras.get(ENGINE_EXTRA, None) == EMBEDDED)


def _run(
    session: Callable[[_EmbeddedRunner, asyncio.Event], Coroutine[Any, Any, ProcessNode]],
    on_second_interrupt: Callable[[], None] | None,
) -> ProcessNode:
    """Run ``session`` in an event loop of its own and close the loop afterwards."""
    runner, stop = _EmbeddedRunner(), asyncio.Event()
    try:
        with stop_requests(runner.loop, stop, on_second_interrupt):
            node: ProcessNode = runner.run_until_complete(session(runner, stop))  # type: ignore[arg-type]
            return node
    finally:
        runner.close()


async def _step_all(
    runner: _EmbeddedRunner, root: ProcessNode, on_tick: OnTick | None, stop: asyncio.Event
) -> ProcessNode:
    """Step all processes to their ends; no task is left when this returns or raises."""
    tick = on_tick or (lambda _: None)
    try:
        while runner.steppers:
            if stop.is_set():
                raise InterruptedRunError(root, "interrupted")
            if is_stop_requested(root):
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
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return root
