"""Processes that AiiDA paused, and why: it keeps the words of scheduler and connection only in its log."""

from __future__ import annotations

import re

from aiida.orm import Log, ProcessNode, QueryBuilder

from aiida_cse.lammps.log.outcome import last_words

__all__ = ["PAUSED_BY_TRANSPORT", "pause_reason"]

#: first words of the status of a process whose upload, submission, query or retrieval failed repeatedly
PAUSED_BY_TRANSPORT = "Pausing after failed transport task"

#: records of the log of a process that are searched, the newest first
_SEARCHED = 20
#: a line of a traceback that names the exception
_EXCEPTION = re.compile(r"^[a-z_][\w.]*(?:error|exception|exit|timeout|interrupt)(?:: |$)", re.I)
#: what a scheduler plugin puts before the output of a command
_STREAM = re.compile(r"^(?:stdout|stderr)=")


def pause_reason(node: ProcessNode) -> str:
    """Return why a process is paused, with the last words of scheduler or connection if these failed."""
    status = str(node.process_status or "paused")
    if not status.startswith(PAUSED_BY_TRANSPORT):
        return status
    words = _last_exception(node)
    return f"{status.partition(': ')[2] or status}{': ' if words else ''}{words}"


def _last_exception(node: ProcessNode) -> str:
    """Return the message of the last exception in the log of a process; empty if there is none."""
    query = QueryBuilder().append(Log, filters={"dbnode_id": node.pk}, project="message", tag="log")
    for text in query.order_by({"log": {"id": "desc"}}).limit(_SEARCHED).all(flat=True):
        lines = str(text).splitlines()
        starts = [number for number, line in enumerate(lines) if _EXCEPTION.match(line)]
        if starts and lines[0].startswith("Traceback"):
            message = [_EXCEPTION.sub("", lines[starts[-1]]), *lines[starts[-1] + 1 :]]
            return last_words(_STREAM.sub("", line) for line in message)
    return ""
