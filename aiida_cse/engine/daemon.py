"""Diagnosis of the profile's daemon and of its workers, with the commands that repair them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import psutil  # type: ignore[import-untyped]

__all__ = ["daemon_hint", "daemon_runs", "has_no_worker", "slots_in_use", "worker_slots"]

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
    """Return how many processes of the profile hold a slot of a worker: those that have not ended or paused."""
    from aiida.orm import ProcessNode, QueryBuilder

    filters = {"attributes.process_state": {"in": _ACTIVE}, "attributes.paused": {"!==": True}}
    return QueryBuilder().append(ProcessNode, filters=filters).count()
