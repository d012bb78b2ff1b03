"""Runs that stand still although nothing is wrong with them, and the messages that wake them.

AiiDA wakes a parent when a child ends, by a message and, should it get lost, by a poll. A poll that fails, as on a
locked database, is never repeated: the parent then waits for ever. A process can also be on no worker at all, if
the broker has lost its task. What wakes both is safe at any time. The message that a child has ended is read by a
parent that still waits for it and by nobody else, and a new task is sent only for a process that no worker knows.
"""

from __future__ import annotations

import concurrent.futures
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from aiida.manage import get_config_option, get_manager
from aiida.orm import CalcJobNode, ProcessNode, QueryBuilder, WorkChainNode, load_node
from plumpy.futures import unwrap_kiwi_future

from aiida_cse.engine.checkpoints import root_of
from aiida_cse.engine.daemon import (
    daemon_hint,
    is_unroutable,
    slots_hint,
    slots_in_use,
    tasks_of_broker,
    worker_slots,
)
from aiida_cse.engine.embedded import is_embedded
from aiida_cse.engine.hints import aiida_cse, verdi
from aiida_cse.engine.locks import running_python

__all__ = ["ForgottenParent", "forgotten_parents", "nudge"]

#: status that AiiDA gives a WorkChain that waits for children
_WAITS = "Waiting for child processes: "
_ENDED = ("finished", "excepted", "killed")
#: an embedded run wakes such a parent itself within this time, s
_EMBEDDED_AFTER = 120.0
#: polls of the daemon after which one of them must have come
_POLLS = 3
#: time that a worker has to say that it has a process, s; it may be in a slow step
_ANSWER = 5.0
#: time for which a process must be unchanged before it counts as lost, s; before, its task may be on its way
_SETTLED = 60.0


@dataclass(frozen=True)
class ForgottenParent:
    """A WorkChain that waits for children although they ended a while ago.

    Attributes
    ----------
    pk, root
        The WorkChain and the outermost process of its run.
    children
        The children that it waits for and that have ended.
    """

    pk: int
    root: ProcessNode
    children: tuple[int, ...]

    def __str__(self) -> str:
        children = ", ".join(f"<{pk}>" for pk in self.children)
        return f"<{self.pk}> waits for {children}, which ended a while ago"


def forgotten_parents(root: ProcessNode | None = None, *, at_once: bool = False) -> list[ForgottenParent]:
    """Return the WorkChains that wait for ended children, callers first.

    Parameters
    ----------
    root
        Outermost process of the run; None for all runs of the profile.
    at_once
        Do not leave the engine the time in which it wakes a parent itself.
    """
    filters: dict[str, Any] = {
        "attributes.process_state": "waiting",
        "attributes.process_status": {"like": f"{_WAITS}%"},
        "attributes.paused": {"!==": True},
    }
    query = QueryBuilder().append(WorkChainNode, filters=filters, project=["id", "attributes.process_status"])
    awaited = {pk: [int(word) for word in re.findall(r"\d+", words)] for pk, words in query.all()}
    children = sorted({child for pks in awaited.values() for child in pks})
    if not children:
        return []
    query = QueryBuilder().append(
        ProcessNode,
        filters={"id": {"in": children}, "attributes.process_state": {"in": _ENDED}},
        project=["id", "mtime"],
    )
    ended: dict[int, datetime] = dict(query.all())
    now, polls = datetime.now(timezone.utc), _POLLS * float(get_config_option("runner.poll.interval"))
    found = []
    for pk in sorted(awaited):
        if not (there := [child for child in awaited[pk] if child in ended]):
            continue
        outermost = root_of(load_node(pk))  # type: ignore[arg-type]
        limit = 0.0 if at_once else _EMBEDDED_AFTER if is_embedded(outermost) else max(polls, _EMBEDDED_AFTER)
        late = tuple(child for child in there if now - ended[child] >= timedelta(seconds=limit))
        if late and (root is None or outermost.pk == root.pk):
            found.append(ForgottenParent(pk, outermost, late))
    return found


def nudge(process: ProcessNode) -> Iterator[str]:
    """Wake what stands still in a run; yields in words what was found and done, at least one line.

    Parameters
    ----------
    process
        Any process of the run.
    """
    root = root_of(process)
    name = f"{root.process_label} <{root.pk}>"
    if root.is_terminated:
        yield f"{name} has ended; there is nothing to wake"
        return
    if is_embedded(root):
        holder = running_python(root)
        parents = forgotten_parents(root)
        if holder is None:
            yield f"{name}: nothing runs it; resume with: {aiida_cse('resume', root.pk)}"
        elif parents:
            yield from (f"{parent}" for parent in parents)
            yield f"process {holder.pid} did not wake it; stop it and resume: {aiida_cse('stop', root.pk)}"
        else:
            yield f"{name}: process {holder.pid} runs it; nothing stands still"
        return
    if (hint := daemon_hint()) is not None:
        yield hint
        return
    profile = get_manager().get_profile()
    if profile is None or profile.process_control_backend is None:
        yield f"{name} was started by a Python of its own, without a broker; only that Python can wake it"
        return
    yield from _nudge_workers(root)


def _nudge_workers(root: ProcessNode) -> Iterator[str]:
    """Wake the parents of a run that wait for ended children, and send what no worker has to a worker."""
    quiet = True
    communicator = get_manager().get_communicator()
    for parent in forgotten_parents(root, at_once=True):
        for child in parent.children:
            state = QueryBuilder().append(ProcessNode, filters={"id": child}, project="attributes.process_state")
            subject = f"state_changed.running.{state.first(flat=True)}"
            communicator.broadcast_send(body=None, sender=child, subject=subject)
        quiet = False
        yield f"{parent}; it was told"
    unfinished = [
        node
        for node in [root, *root.called_descendants]
        if not node.is_terminated and not node.paused and isinstance(node, (WorkChainNode, CalcJobNode))
    ]
    where = {node: _place(node) for node in unfinished}
    lost = [node for node in unfinished if where[node] == "nowhere"]
    controller = get_manager().get_process_controller()
    # callers last: by then the children that they wait for are known to a worker
    for node in lost[::-1]:
        controller.continue_process(node.pk, nowait=False, no_reply=True)
        quiet = False
        yield f"{node.process_label} <{node.pk}> was on no worker; it was sent to one"
    for place, words in (
        ("silent", f"the worker does not answer; if it stays so: {verdi('daemon', 'restart')}"),
        ("recent", "on no worker, but it changed just now; ask again in a minute"),
        ("queued", slots_hint() or "in the queue of the broker; a worker takes it soon"),
    ):
        if there := [f"<{node.pk}>" for node in unfinished if where[node] == place]:
            quiet = False
            yield f"{', '.join(there)}: {words}"
    if quiet:
        yield f"{root.process_label} <{root.pk}>: workers have all its processes; nothing stands still"


def _place(node: ProcessNode) -> Literal["worker", "silent", "recent", "queued", "nowhere"]:
    """Return where an unfinished process of the daemon is; that of one that changed recently is not known."""
    try:
        status = get_manager().get_process_controller().get_status(node.pk)
        unwrap_kiwi_future(status).result(timeout=_ANSWER)
        return "worker"
    except (TimeoutError, concurrent.futures.TimeoutError):
        return "silent"
    except Exception as error:
        if not is_unroutable(error):
            return "silent"
    if datetime.now(timezone.utc) - node.mtime < timedelta(seconds=_SETTLED):
        return "recent"
    tasks = tasks_of_broker()
    if tasks is not None:
        return "queued" if node.pk in tasks else "nowhere"
    # a worker with a free slot takes a message at once, so there is none
    slots = worker_slots()
    return "nowhere" if slots is not None and slots_in_use() <= slots[1] else "queued"
