"""Whether the daemon of the profile works on what was handed to it, and what to do if it does not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import psutil  # type: ignore[import-untyped]

__all__ = ["daemon_hint", "daemon_runs", "hears_nobody"]

#: the broker writes down every 5 s who listens to it; what is older than this is not its present state, in s
FRESH = 60.0


def daemon_hint() -> str | None:
    """Return what is wrong with the daemon and how to mend it, None if nothing is or that cannot be known."""
    from aiida.brokers.zeromq import ZeromqBroker
    from aiida.manage import get_manager

    from aiida_cse.engine.hints import verdi

    manager = get_manager()
    profile = manager.get_profile()
    if profile is None or profile.process_control_backend is None:
        return None
    if not daemon_runs():
        return f"the daemon does not run; start it with: {verdi('daemon', 'start')}"
    broker = manager.get_broker()
    if isinstance(broker, ZeromqBroker) and hears_nobody(broker.probe_service_status(), time.time()):
        return (
            "the daemon's workers do not reach its broker, as after all of them were killed at once; "
            f"mend it with: {verdi('daemon', 'restart')}"
        )
    return None


def daemon_runs() -> bool:
    """Return whether the daemon of the profile runs; that of a daemon that was killed is still named in a file."""
    from aiida.manage import get_manager

    return _lives(get_manager().get_daemon_client().get_daemon_pid())


def _lives(pid: int | None) -> bool:
    """Whether a process runs."""
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def hears_nobody(status: Mapping[str, Any], now: float) -> bool:
    """Whether a broker runs with this status, which it writes down itself, and no worker has registered with it.

    A worker that starts before the new broker finds the address of the one that was killed, and waits there for
    ever: aiida-core 2.9 takes the address from a file that a killed broker leaves behind.
    """
    written = status.get("timestamp")
    if not status.get("connected") or not isinstance(written, (int, float)) or now - written > FRESH:
        return False
    return status.get("task_subscribers") == 0
