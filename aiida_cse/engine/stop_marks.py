"""Marks of processes that a user stopped, for views and for the restart chain."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone

from aiida.orm import CalcJobNode, ProcessNode

__all__ = ["STOPPED_EXTRA", "mark_stopped", "stopped_at", "unmark_stopped"]

#: extra of a process that a user stopped: when, in ISO 8601. A job keeps it, because it ended then.
STOPPED_EXTRA = "cse_stopped"


def mark_stopped(processes: Iterable[ProcessNode]) -> None:
    """Mark unfinished processes as stopped now."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    for node in processes:
        node.base.extras.set(STOPPED_EXTRA, now)


def unmark_stopped(processes: Iterable[ProcessNode]) -> None:
    """Remove the marks of processes that continue."""
    for node in processes:
        if not isinstance(node, CalcJobNode) and STOPPED_EXTRA in node.base.extras:
            node.base.extras.delete(STOPPED_EXTRA)


def stopped_at(node: ProcessNode) -> datetime | None:
    """Return when a process was stopped; None if it was not, or has been resumed."""
    found = node.base.extras.get(STOPPED_EXTRA, None)
    try:
        moment = datetime.fromisoformat(found) if isinstance(found, str) else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
