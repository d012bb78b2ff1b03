"""The tree of a process and its descendants: read with one database query per level, and drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from aiida.common import LinkType
from aiida.orm import CalcJobNode, ProcessNode, QueryBuilder, load_node
from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from aiida_cse.cli.display.progress import LAMMPS, LogFollower, duration, progress_words
from aiida_cse.lammps.job.script import LOG
from aiida_cse.lammps.log.reader import Progress
from aiida_cse.lammps.protocol.stage import JobPlan

__all__ = ["Branch", "JobWatch", "ProcessTree", "render_tree"]

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
}
#: ended children that are shown one by one below a process
_ENDED_SHOWN = 6


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
    call: str = ""
    children: list[Branch] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """True if the process has terminated, successfully or not."""
        return self.state in _ENDED

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


# -- drawing -------------------------------------------------------------------------------------------------

_MARKS = {"finished": ("✓", "green"), "excepted": ("✗", "red"), "killed": ("✗", "red")}


class JobWatch:
    """Followers of the LAMMPS jobs that run on this machine, by the PK of the job."""

    def __init__(self) -> None:
        self._followers: dict[int, LogFollower | None] = {}

    def look(self, branch: Branch) -> Progress | None:
        """Return the progress of a job; None if it has ended, is no LAMMPS job, or runs elsewhere."""
        if branch.process_type != LAMMPS or branch.workdir is None or branch.ended:
            return None
        if branch.pk not in self._followers:
            node = load_node(branch.pk)
            assert isinstance(node, CalcJobNode)
            here = node.computer is not None and node.computer.transport_type == "core.local"
            plan = JobPlan.model_validate(node.inputs.plan.get_dict()) if "plan" in node.inputs else None
            timesteps = {stage.name: stage.timestep_fs for stage in plan.stages} if plan else {}
            self._followers[branch.pk] = LogFollower(Path(branch.workdir) / LOG, timesteps) if here else None
        follower = self._followers[branch.pk]
        return None if follower is None else follower.look()


def render_tree(root: Branch, watch: JobWatch) -> Tree:
    """Return the drawn tree below ``root``, expanded where a process runs or has failed."""
    tree = Tree(_line(root, watch))
    _add_children(tree, root, watch)
    return tree


def _add_children(tree: Tree, branch: Branch, watch: JobWatch) -> None:
    children = [child for child in branch.children if not child.is_function or child.exit_status]
    ended = [child for child in children if child.ended and not child.exit_status]
    hidden = {child.pk for child in ended[:-_ENDED_SHOWN]}
    if hidden:
        tree.add(Text(f"✓ {len(hidden)} more", style="green dim"))
    for child in children:
        if child.pk not in hidden:
            twig = tree.add(_line(child, watch))
            if not child.ended or child.exit_status or child.state != "finished":
                _add_children(twig, child, watch)


def _line(branch: Branch, watch: JobWatch) -> Text | Group:
    mark, style = _MARKS.get(branch.state or "", ("▶", "cyan"))
    spent = duration(branch.duration)
    if branch.exit_status:
        mark, style = "!", "yellow"
        words = f"[{branch.exit_status}] {branch.exit_message} ({spent})"
    elif branch.state in ("excepted", "killed"):
        words = f"{branch.state} after {spent}" + (f": {branch.status}" if branch.status else "")
    elif branch.workdir and not branch.ended and branch.status:
        words = f"{spent} · {branch.status}"
    else:
        words = spent
    text = Text.assemble((mark, style), " ", (branch.label, "bold"), (f" <{branch.pk}>", "dim"), f"  {words}")
    progress = watch.look(branch)
    if progress is None:
        return text
    grid = Table.grid(padding=(0, 1))
    total = max(1, progress.target - progress.start)
    bar = ProgressBar(total=total, completed=progress.step - progress.start, width=24)
    grid.add_row(Text(progress.stage, style="bold"), bar, Text(progress_words(progress)))
    return Group(text, grid)
