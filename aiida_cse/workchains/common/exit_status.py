"""How a process ended: well, with a result that is not what was asked for, or with a failure."""

from __future__ import annotations

from typing import Any

from aiida import orm

__all__ = ["NORMAL_FROM", "ended_normally", "failure"]

#: exit codes from here on are results that are not what was asked for (not equilibrated), not failures
NORMAL_FROM = 500


def ended_normally(process: orm.ProcessNode) -> bool:
    """Whether a process has all its results, also where they are not what was asked for."""
    return process.is_finished and (process.exit_status == 0 or (process.exit_status or 0) >= NORMAL_FROM)


def failure(process: orm.ProcessNode) -> dict[str, Any]:
    """Return what the message of an exit code says of a process: ``pk``, ``status`` and ``reason``."""
    return {
        "pk": process.pk,
        "status": process.exit_status,
        "reason": process.exit_message or str(process.base.attributes.get(process.PROCESS_STATE_KEY)),
    }
