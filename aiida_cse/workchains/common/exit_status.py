"""Exit status of processes: success, a result that misses its criterion, or a failure."""

from __future__ import annotations

from typing import Any

from aiida import orm

__all__ = ["NORMAL_FROM", "ended_normally", "failure"]

#: exit codes from here up mark complete results that miss a criterion (not equilibrated)
NORMAL_FROM = 500


def ended_normally(process: orm.ProcessNode) -> bool:
    """Return whether a process has all its results, even if they miss a criterion."""
    return process.is_finished and (process.exit_status == 0 or (process.exit_status or 0) >= NORMAL_FROM)


def failure(process: orm.ProcessNode) -> dict[str, Any]:
    """Return ``pk``, ``status`` and ``reason`` of a failed process for the message of an exit code."""
    return {
        "pk": process.pk,
        "status": process.exit_status,
        "reason": process.exit_message or str(process.base.attributes.get(process.PROCESS_STATE_KEY)),
    }
