"""Diagnosis of the profile's daemon and of its workers, with the commands that repair them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

__all__ = [
    "adding_workers",
    "daemon_hint",
    "daemon_runs",
    "has_no_worker",
    "is_unroutable",
    "slots_hint",
    "slots_in_use",
    "tasks_of_broker",
    "worker_slots",
]

#: the broker writes its status every 5 s; an older status does not describe the present, s
FRESH = 60.0
#: states of processes that hold a slot of a worker
_ACTIVE = ["created", "running", "waiting"]


def daemon_hint() -> str | None:
    """Return what is wrong with the daemon and how to repair it; None if nothing is, or if it cannot be known."""
    from aiida.brokers import ZeromqBroker
    from aiida.manage import get_manager

    from aiida_cse.engine.hints import verdi

    manager = get_manager()
    profile = manager.get_profile()
    if profile is None or profile.process_control_backend is None:
        return None
    if not daemon_runs():
        return f"the daemon is not running; start it with: {verdi('daemon', 'start')}"
    broker = manager.get_broker()
    if isinstance(broker, ZeromqBroker) and has_no_worker(broker.probe_service_status(), time.time()):
        return (
            "the daemon's workers do not reach its broker (this happens when all of them were killed at once); "
            f"repair it with: {verdi('daemon', 'restart')}"
        )
    return None


def daemon_runs() -> bool:
    """Return whether the daemon of the profile runs; the PID file of a killed daemon is not enough."""
    from aiida.manage import get_manager

    pid = get_manager().get_daemon_client().get_daemon_pid()
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def has_no_worker(status: Mapping[str, Any], now: float) -> bool:
    """Return whether a running broker, according to the status that it writes, has no registered worker.

    A worker that starts before the new broker reads the address of the killed one and waits there forever:
    aiida-core 2.9 takes the address from a file that a killed broker leaves behind.
    """
    written = status.get("timestamp")
    if not status.get("connected") or not isinstance(written, (int, float)) or now - written > FRESH:
        return False
    return status.get("task_subscribers") == 0


def is_unroutable(error: BaseException | None) -> bool:
    """Return whether a broker says that no worker has the process to which a message was sent."""
    from kiwipy import UnroutableError  # type: ignore[import-untyped]

    # the communicator of ZeroMQ raises no class of its own
    return isinstance(error, UnroutableError) or str(error).startswith(("Recipient not found", "No handler for"))


def worker_slots() -> tuple[int, int] | None:
    """Return how many workers the daemon has, and how many processes they can hold together.

    A process that waits for others keeps its slot. None if there is no daemon, or if it does not answer.
    """
    from aiida.common.exceptions import AiidaException
    from aiida.manage import get_config_option, get_manager

    profile = get_manager().get_profile()
    if profile is None or profile.process_control_backend is None or not daemon_runs():
        return None
    try:
        workers = get_manager().get_daemon_client().get_number_of_workers(timeout=5)
    except AiidaException:
        return None
    return workers, workers * int(get_config_option("daemon.worker_process_slots"))


def slots_in_use() -> int:
    """Return how many processes hold a slot of a worker or wait for one; a paused process holds one as well."""
    from aiida.orm import ProcessNode, QueryBuilder

    tasks = tasks_of_broker()
    if tasks is not None:
        return len(tasks)
    return QueryBuilder().append(ProcessNode, filters={"attributes.process_state": {"in": _ACTIVE}}).count()


def tasks_of_broker() -> set[int] | None:
    """Return the processes with a task in the queue of the broker or on a worker; None if it cannot be known.

    AiiDA's own reader of the queue of ZeroMQ takes tasks from the workers, since it expects a daemon that is
    stopped. The queue of RabbitMQ cannot be read without taking its messages.
    """
    from aiida.brokers import ZeromqBroker
    from aiida.manage import get_manager

    broker = get_manager().get_broker()
    if not isinstance(broker, ZeromqBroker):
        return None
    found = set()
    folder: Path = broker._storage_path / "tasks"
    for path in folder.glob("*/*.json"):
        # a task may have been taken just now, or may be none of a process
        with suppress(OSError, ValueError, TypeError, KeyError):
            found.add(int(json.loads(path.read_text(encoding="utf-8"))["body"]["args"]["pid"]))
    return found


def adding_workers(lacking: int, slots: tuple[int, int]) -> str:
    """Return in words, with the command, that workers are to be added to ``slots`` for processes that lack one."""
    from aiida.manage import get_config_option

    from aiida_cse.engine.hints import verdi

    workers, total = slots
    each = total // workers if workers else int(get_config_option("daemon.worker_process_slots"))
    more = math.ceil(lacking / max(1, each))
    return f"add {'a worker' if more == 1 else f'{more} workers'} with: {verdi('daemon', 'incr', more)}"


def slots_hint() -> str | None:
    """Return that more processes want a slot than there are, and the command that adds workers; None if not so.

    A process that waits for others keeps its slot. If all slots are held by such processes, nothing ever advances.
    """
    slots = worker_slots()
    if slots is None or (wanted := slots_in_use()) <= slots[1] or not slots[0]:
        return None
    return (
        f"{wanted} processes want a slot, and the daemon has {slots[1]}; a process that waits keeps its slot, and "
        f"its children find none; {adding_workers(wanted - slots[1], slots)}"
    )
