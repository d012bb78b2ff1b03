"""States of outermost processes: whether a process advances, and since when it is in its state.

AiiDA stores ``running`` and ``waiting`` also for a process whose Python or worker has gone. Here a process is
``running`` only if something advances it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Literal

from aiida.manage import get_manager
from aiida.orm import load_node

from aiida_cse.engine.daemon import daemon_hint
from aiida_cse.engine.locks import EMBEDDED, is_held
from aiida_cse.query.reading import Called, Process
from aiida_cse.workchains.common.exit_status import NORMAL_FROM

__all__ = ["STATES", "Engine", "State", "changed_at", "has_ended", "state_of"]

State = Literal["running", "waiting", "paused", "stopped", "never started", "finished", "failed", "killed"]

#: the states, each with its meaning
STATES: dict[State, str] = {
    "running": "a Python or a daemon advances it",
    "waiting": "its jobs are in the queue of a scheduler, or it is to be started by a worker of the daemon",
    "paused": "it, or a process below it, is paused, for example after five failed connections",
    "stopped": "unfinished, and nothing advances it; it can be resumed",
    "never started": "created, but nothing has begun to run it",
    "finished": "all results are there, whether equilibrated or not",
    "failed": "ended with an error",
    "killed": "killed",
}

_ENDED = ("finished", "excepted", "killed")
_STARTED = ("running", "waiting")
_QUEUED = ("queued", "queued held", "suspended")
#: a Python that is not ours changes the nodes of its jobs more often than this
_SILENCE = timedelta(hours=1)


class Engine:
    """Finds out whether a process advances now."""

    @cached_property
    def _daemon_works(self) -> bool | None:
        """True if the daemon of the profile works; None in a profile without a broker."""
        profile = get_manager().get_profile()
        if profile is None or profile.process_control_backend is None:
            return None
        return daemon_hint() is None

    def advances(self, process: Process, below: Iterable[Called]) -> bool:
        """Return whether something advances an unfinished process.

        That is the Python that holds its lock, for an embedded one, else the daemon. In a profile without a broker
        it can also be a script with ``aiida.engine.run``: its jobs change while it lives.
        """
        if process.engine == EMBEDDED:
            return is_held(load_node(process.pk))  # type: ignore[arg-type]
        if self._daemon_works is not None:
            return self._daemon_works
        newest = max((one.changed for one in below), default=process.changed)
        return process.state in _STARTED and datetime.now(timezone.utc) - newest < _SILENCE


def has_ended(one: Process | Called) -> bool:
    """Return whether a process has terminated, successfully or not."""
    return one.state in _ENDED


def state_of(process: Process, below: Iterable[Called], engine: Engine) -> State:
    """Return the state of an outermost process.

    Parameters
    ----------
    process
        The process.
    below
        The WorkChains and jobs below it, if it is unfinished.
    """
    if process.state == "finished":
        status = process.exit_status
        normal = status == 0 or (isinstance(status, int) and status >= NORMAL_FROM)
        return "finished" if normal else "failed"
    if has_ended(process):
        return "killed" if process.state == "killed" else "failed"
    unfinished = [one for one in below if not has_ended(one)]
    advances = engine.advances(process, unfinished)
    if process.state not in _STARTED:
        return "waiting" if advances else "never started"
    if process.paused or any(one.paused for one in unfinished):
        # `aiida-cse stop` pauses a run of the daemon
        return "stopped" if process.stopped else "paused"
    if not advances:
        return "stopped"
    jobs = [one for one in unfinished if "calcjob" in one.node_type]
    return "waiting" if jobs and all(one.scheduler_state in _QUEUED for one in jobs) else "running"


def changed_at(process: Process, below: Iterable[Called]) -> datetime:
    """Return when a process last changed its state.

    That is its end. Of an unfinished process it is the last time that a process below it began or ended: its own
    node also changes when a label is set, or when the engine polls.
    """
    if has_ended(process):
        return process.changed
    times = [process.created, *(one.created for one in below), *(one.changed for one in below if has_ended(one))]
    return max(times).astimezone(timezone.utc)
