"""The tree of a process and its descendants, read with one database query per level."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from aiida.common import LinkType
from aiida.orm import ProcessNode, QueryBuilder

from aiida_cse.engine.stop_marks import STOPPED_EXTRA

__all__ = ["Branch", "ProcessTree"]

_ENDED = {"finished", "excepted", "killed"}
_CALLS = {"type": {"in": [LinkType.CALL_CALC.value, LinkType.CALL_WORK.value]}}
_PROJECTED = {
    "pk": "id",
    "node_type": "node_type",
    "process_type": "process_type",
    "started": "ctime",
    "changed": "mtime",
    "name": "attributes.process_label",
    "state": "attributes.process_state",
    "status": "attributes.process_status",
    "exit_status": "attributes.exit_status",
    "exit_message": "attributes.exit_message",
    "workdir": "attributes.remote_workdir",
    "cached_from": "extras._aiida_cached_from",
    "stopped": f"extras.{STOPPED_EXTRA}",
}


@dataclass
class Branch:
    """One process as last read from the database, with its children in the order of their calls."""

    pk: int
    node_type: str
    process_type: str | None
    started: datetime
    changed: datetime
    name: str | None
    state: str | None
    status: str | None
    exit_status: int | None
    exit_message: str | None
    workdir: str | None
    cached_from: str | None
    stopped: str | None
    call: str = ""
    children: list[Branch] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """True if the process has terminated, successfully or not."""
        return self.state in _ENDED

    @property
    def cached(self) -> bool:
        """True if AiiDA took the results of an equal process from its cache."""
        return self.cached_from is not None

    @property
    def is_function(self) -> bool:
        """True for a calcfunction or workfunction."""
        return "function" in self.node_type

    @property
    def duration(self) -> timedelta:
        """Time from the start of the process to its end, or until now."""
        return (self.changed if self.ended else datetime.now(timezone.utc)) - self.started

    @property
    def label(self) -> str:
        """Name that the caller gave to this call, or else the name of the process."""
        return self.call if self.call not in ("", "CALL") else self.name or self.node_type

    def descendants(self) -> Iterator[Branch]:
        """Yield this process and all processes below it."""
        yield self
        for child in self.children:
            yield from child.descendants()

    def parts(self, above: str = "") -> Iterator[tuple[str, Branch]]:
        """Yield each process below this one with the part of the work: the first labelled call above it."""
        for child in self.children:
            yield above or child.label, child
            yield from child.parts(above or child.label)


class ProcessTree:
    """The tree below one process. :meth:`refresh` reads only what can have changed."""

    def __init__(self, root: ProcessNode) -> None:
        assert root.pk is not None
        self._pk = root.pk
        self.root = self._read_root()
        self.refresh()

    def refresh(self) -> None:
        """Read the processes that had not ended, and their new children."""
        known = {branch.pk: branch for branch in self.root.descendants()}
        if not self.root.ended:
            fresh = self._read_root()
            fresh.children = self.root.children
            self.root = known[fresh.pk] = fresh
        level = [self.root]
        while level:
            level = _read_children(level, known)

    def _read_root(self) -> Branch:
        query = QueryBuilder().append(ProcessNode, filters={"id": self._pk}, project=list(_PROJECTED.values()))
        return Branch(**dict(zip(_PROJECTED, query.one(), strict=True)))


def _read_children(callers: list[Branch], known: dict[int, Branch]) -> list[Branch]:
    """Read the children of ``callers``; return those whose own children can have changed."""
    query = QueryBuilder()
    query.append(ProcessNode, filters={"id": {"in": [one.pk for one in callers]}}, tag="caller", project="id")
    query.append(
        ProcessNode,
        with_incoming="caller",
        edge_filters=_CALLS,
        project=list(_PROJECTED.values()),
        edge_project="label",
    )
    children: dict[int, list[Branch]] = {caller.pk: [] for caller in callers}
    unsettled = []
    row: list[Any]
    for row in query.all():
        caller, *values, call = row
        child = Branch(**dict(zip(_PROJECTED, values, strict=True)), call=call)
        before = known.get(child.pk)
        child.children = before.children if before else []
        children[caller].append(child)
        if (before is None or not before.ended) and not child.is_function:
            unsettled.append(child)
    for one in callers:
        one.children = sorted(children[one.pk], key=lambda branch: (branch.started, branch.pk))
    return unsettled
