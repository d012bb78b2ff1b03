"""From the checkpoints that a dead Python left in the profile back to processes that can be stepped."""

from __future__ import annotations

from collections.abc import Iterator

from aiida.engine import Process, ProcessState
from aiida.engine.daemon.execmanager import kill_calculation
from aiida.engine.runners import Runner
from aiida.orm import CalcJobNode, ProcessNode
from plumpy.exceptions import PersistenceError
from plumpy.persistence import LoadSaveContext

from aiida_cse.engine.jobs import note_started_job

__all__ = ["CheckpointError", "awaited_children", "load_tree", "root_of"]


class CheckpointError(RuntimeError):
    """A process has no checkpoint that can be loaded."""


def root_of(node: ProcessNode) -> ProcessNode:
    """Return the process that a user launched: ``node`` itself, or the outermost of those that called it."""
    caller = node.caller
    return node if caller is None else root_of(caller)


def awaited_children(process: Process) -> set[int]:
    """Return the PKs of the children that a WorkChain waits for."""
    return {awaitable.pk for awaitable in getattr(process, "_awaitables", [])}


def load_tree(node: ProcessNode, runner: Runner) -> Iterator[Process]:
    """Load ``node`` and all its unfinished descendants from their checkpoints.

    A checkpoint is written when a process enters a state. A Python that dies inside a step leaves children that
    the step had made, but that the parent's checkpoint does not know: the step is repeated and makes them anew, so
    the first ones are closed here and not run a second time.

    Raises
    ------
    CheckpointError
        A process that has to go on has no readable checkpoint.
    """
    awaited: set[int] | None = None
    if node.is_terminated:
        _seal(node)
    else:
        process = _load(node, runner)
        awaited = awaited_children(process)
        yield process
    for child in node.called:
        if child.is_terminated or awaited is None or child.pk in awaited:
            yield from load_tree(child, runner)
        else:
            _abandon(child)


def _load(node: ProcessNode, runner: Runner) -> Process:
    assert runner.persister is not None
    assert node.pk is not None
    if isinstance(node, CalcJobNode):
        note_started_job(node)
    try:
        bundle = runner.persister.load_checkpoint(node.pk)
        process = bundle.unbundle(LoadSaveContext(loop=runner.loop, runner=runner))
    except (PersistenceError, ImportError, ValueError) as error:
        msg = f"process {node.pk} ({node.process_label}) cannot go on: its checkpoint cannot be loaded: {error}"
        raise CheckpointError(msg) from error
    assert isinstance(process, Process)
    return process


def _seal(node: ProcessNode) -> None:
    """Finish what a Python that died between two writes left open: only sealed processes can be exported."""
    if not node.is_sealed:
        node.delete_checkpoint()
        node.seal()


def _abandon(node: ProcessNode) -> None:
    for child in node.called:
        if not child.is_terminated:
            _abandon(child)
    if isinstance(node, CalcJobNode) and node.get_job_id() is not None:
        with node.get_authinfo().get_transport() as transport:
            kill_calculation(node, transport)
    node.logger.report("closed: made in a step that was cut short; the step is repeated and makes it anew")
    node.set_process_status("Killed: its caller was interrupted and makes it anew")
    node.set_process_state(ProcessState.KILLED)
    _seal(node)
