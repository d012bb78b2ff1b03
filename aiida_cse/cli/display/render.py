"""Processes as text: the tree below one of them, and how far its LAMMPS jobs are."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from aiida.orm import CalcJobNode, load_node
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from aiida_cse.cli.display.joblog import LogFollower
from aiida_cse.cli.display.tree import Branch
from aiida_cse.lammps.job.script import LOG
from aiida_cse.lammps.log.progress import Progress
from aiida_cse.lammps.protocol.stage import JobPlan

__all__ = ["JobWatch", "duration", "progress_words", "render_tree"]

#: ended children shown one by one below a process
_ENDED_SHOWN = 6
_LAMMPS = "aiida.calculations:cse.lammps"
_MARKS = {"finished": ("✓", "green"), "excepted": ("✗", "red"), "killed": ("✗", "red")}


class JobWatch:
    """The progress of LAMMPS jobs that run on this machine, from the logs in their working folders."""

    def __init__(self) -> None:
        self._followers: dict[int, LogFollower | None] = {}

    def look(self, branch: Branch) -> Progress | None:
        """Return how far the job is, None if that cannot be known."""
        if branch.process_type != _LAMMPS or branch.workdir is None or branch.ended:
            return None
        if branch.pk not in self._followers:
            self._followers[branch.pk] = _follow(branch)
        follower = self._followers[branch.pk]
        return None if follower is None else follower.look()


def _follow(branch: Branch) -> LogFollower | None:
    node = load_node(branch.pk)
    assert isinstance(node, CalcJobNode)
    assert branch.workdir is not None
    if node.computer is None or node.computer.transport_type != "core.local":
        return None
    plan = JobPlan.model_validate(node.inputs.plan.get_dict()) if "plan" in node.inputs else None
    timesteps = {stage.name: stage.timestep_fs for stage in plan.stages} if plan else {}
    return LogFollower(Path(branch.workdir) / LOG, timesteps)


def duration(span: timedelta | float) -> str:
    """Return a time span in words: ``8 s``, ``3 min 20 s``, ``5 h 02 min``, ``2 d 4 h``."""
    seconds = round(span.total_seconds() if isinstance(span, timedelta) else span)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{minutes} min {seconds % 60:02d} s" if minutes else f"{seconds} s"


def render_tree(root: Branch, watch: JobWatch) -> Tree:
    """Return the tree below ``root``, open where something runs or has failed."""
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


def _line(branch: Branch, watch: JobWatch) -> RenderableType:
    mark, style = _MARKS.get(branch.state or "", ("▶", "cyan"))
    if branch.exit_status:
        mark, style = "!", "yellow"
    text = Text.assemble((mark, style), " ", (branch.label, "bold"), (f" <{branch.pk}>", "dim"))
    text.append(f"  {_words(branch)}")
    progress = watch.look(branch)
    return text if progress is None else Group(text, _bar(progress))


def _words(branch: Branch) -> str:
    spent = duration(branch.duration)
    if branch.exit_status:
        return f"[{branch.exit_status}] {branch.exit_message} ({spent})"
    if branch.state in ("excepted", "killed"):
        return f"{branch.state} after {spent}" + (f": {branch.status}" if branch.status else "")
    if branch.workdir and not branch.ended and branch.status:
        return f"{spent} · {branch.status}"
    return spent


def _bar(progress: Progress) -> Table:
    grid = Table.grid(padding=(0, 1))
    total = max(1, progress.target - progress.start)
    bar = ProgressBar(total=total, completed=progress.step - progress.start, width=24)
    grid.add_row(Text(progress.stage, style="bold"), bar, Text(progress_words(progress)))
    return grid


def progress_words(progress: Progress) -> str:
    """Return step and target, speed and the time that the stage still needs."""
    parts = [f"step {progress.step:,} of {progress.target:,}"]
    if progress.ns_per_day is not None:
        parts.append(f"{progress.ns_per_day:.2f} ns/day")
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    return " · ".join(parts)
