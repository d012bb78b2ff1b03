"""Processes restored from the checkpoints that an ended Python left in the profile."""

from __future__ import annotations

from collections.abc import Iterator

from aiida.engine import Process, ProcessState, Runner
from aiida.orm import CalcJobNode, ProcessNode
from plumpy.exceptions import PersistenceError
from plumpy.persistence import LoadSaveContext

from aiida_cse.engine.submission import end_job

__all__ = ["CheckpointError", "awaited_children", "kill_orphan", "load_tree", "load_unfinished", "root_of"]


class CheckpointError(RuntimeError):
    """A process has no checkpoint that can be loaded."""


def root_of(node: ProcessNode) -> ProcessNode:
    """Return the outermost caller of ``node``, or ``node`` itself if no process called it."""
    caller = node.caller
    return node if caller is None else root_of(caller)


def awaited_children(process: Process) -> set[int]:
    """Return the PKs of the children that a WorkChain waits for."""
    return {awaitable.pk for awaitable in getattr(process, "_awaitables", [])}


def load_tree(node: ProcessNode, runner: Runner, *, is_awaited: bool = True) -> Iterator[Process]:
    """Load ``node`` and its unfinished descendants from their checkpoints.

    A checkpoint is written when a process enters a state. If Python ends within a step, the checkpoint of the
    parent does not contain the children that this step had submitted. The step is repeated and submits new ones;
    the first ones are killed here, so that nothing runs twice.

    Raises
    ------
    CheckpointError
        An unfinished process has no readable checkpoint.
    """
    awaited: set[int] | None = None
    process = load_unfinished(node, runner, is_awaited=is_awaited)
    if process is not None:
        awaited = awaited_children(process)
        yield process
    for child in node.called:
        if child.is_terminated or awaited is None or child.pk in awaited:
            yield from load_tree(child, runner, is_awaited=awaited is not None and child.pk in awaited)
        else:
            kill_orphan(child)


def load_unfinished(node: ProcessNode, runner: Runner, *, is_awaited: bool = True) -> Process | None:
    """Load a process from its checkpoint, or seal its node and return None if it has ended.

    AiiDA deletes the checkpoint of a process last. A finished one that still has its checkpoint may lack outputs,
    which a locked database did not take; its last step is repeated, if somebody waits for it.

    Raises
    ------
    CheckpointError
        The process is unfinished and has no readable checkpoint.
    """
    cut_off = is_awaited and node.is_finished and not node.is_sealed and node.checkpoint is not None
    if node.is_terminated and not cut_off:
        _seal(node)
        return None
    if cut_off:
        node.set_process_state(ProcessState.RUNNING)
    return load_process(node, runner)


def load_process(node: ProcessNode, runner: Runner) -> Process:
    """Load an unfinished process from its checkpoint.

    Raises
    ------
    CheckpointError
        It has no readable checkpoint.
    """
    assert runner.persister is not None
    assert node.pk is not None
    try:
        bundle = runner.persister.load_checkpoint(node.pk)
        process = bundle.unbundle(LoadSaveContext(loop=runner.loop, runner=runner))
    except (PersistenceError, ImportError, ValueError) as error:
        msg = f"process {node.pk} ({node.process_label}) cannot be resumed: its checkpoint does not load: {error}"
        raise CheckpointError(msg) from error
    assert isinstance(process, Process)
    return process


def _seal(node: ProcessNode) -> None:
    """Seal a terminated process that Python left open between two writes: only sealed ones can be exported."""
    if not node.is_sealed:
        node.delete_checkpoint()
        node.seal()


def kill_orphan(node: ProcessNode) -> None:
    """End a process that nothing runs, with its job and its descendants."""
    for child in node.called:
        if not child.is_terminated:
            kill_orphan(child)
    if isinstance(node, CalcJobNode):
        end_job(node)
    node.logger.report("killed: submitted in an interrupted step, which is repeated and submits a new process")
    node.set_process_status("Killed: its caller was interrupted and repeats the step")
    node.set_process_state(ProcessState.KILLED)
    _seal(node)
