"""The drawn tree of a process and its descendants, with the progress of the jobs that run here."""

from __future__ import annotations

from pathlib import Path

from aiida.orm import CalcJobNode, load_node
from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from aiida_cse.cli.display.progress import LAMMPS, LogFollower, progress_words
from aiida_cse.lammps.job.script import LOG
from aiida_cse.lammps.log.reader import Progress
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.report.process_tree import Branch
from aiida_cse.report.words import duration

__all__ = ["JobWatch", "render_tree"]

#: ended children that are shown one by one below a process
_ENDED_SHOWN = 6
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
        words = "from the cache" if branch.cached else spent
    text = Text.assemble((mark, style), " ", (branch.label, "bold"), (f" <{branch.pk}>", "dim"), f"  {words}")
    progress = watch.look(branch)
    if progress is None:
        return text
    grid = Table.grid(padding=(0, 1))
    total = max(1, progress.target - progress.start)
    bar = ProgressBar(total=total, completed=progress.step - progress.start, width=24)
    grid.add_row(Text(progress.stage, style="bold"), bar, Text(progress_words(progress)))
    return Group(text, grid)
