"""The drawn tree of a process and its descendants, with the progress of its jobs, here and on other computers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida.orm import CalcJobNode, QueryBuilder, load_node
from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from aiida_cse.cli.display.progress import LAMMPS, LogFollower, progress_words
from aiida_cse.cli.display.remote_logs import RemoteLogs
from aiida_cse.engine.pauses import PAUSED_BY_TRANSPORT, pause_reason
from aiida_cse.lammps.job.script import LOG
from aiida_cse.lammps.log.reader import Progress
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.report.process_tree import Branch
from aiida_cse.report.words import duration, printable

__all__ = ["JobWatch", "render_tree"]

#: characters of a child's message from which it is not repeated in the message of its caller
_QUOTED_BELOW = 20
#: ended children that are shown one by one below a process
_ENDED_SHOWN = 6
_MARKS = {"finished": ("✓", "green"), "excepted": ("✗", "red"), "killed": ("✗", "red")}


#: words that AiiDA puts before the state of a job in the queue
_SCHEDULER = "Monitoring scheduler: job state "
#: reasons of Slurm for which a job waits, in words
_WAITS_FOR = {
    "Priority": "jobs of higher priority go first",
    "Resources": "waits for free nodes",
    "Dependency": "waits for another job",
    "BeginTime": "its earliest start has not come",
    "JobHeldUser": "held by the user; release it with scontrol",
    "JobHeldAdmin": "held by the administrators",
    "ReqNodeNotAvail": "its nodes are down or reserved",
    "PartitionTimeLimit": "asks for more time than the partition allows; it never starts",
    "PartitionNodeLimit": "asks for more nodes than the partition allows; it never starts",
    "PartitionConfig": "asks for what the partition does not have; it never starts",
    "AssocGrpBillingMinutes": "the account has no time left",
    "AssocGrpCPUMinutesLimit": "the account has no time left",
    "QOSMaxWallDurationPerJobLimit": "asks for more time than its qos allows; it never starts",
    "QOSMaxJobsPerUserLimit": "as many jobs run as its qos allows",
    "AssocMaxJobsLimit": "as many jobs run as the account allows",
}


class JobWatch:
    """Progress of the unfinished jobs of a tree: from files on this machine, through transports elsewhere."""

    def __init__(self) -> None:
        self._followers: dict[int, LogFollower | None] = {}
        self._timesteps: dict[int, dict[str, float]] = {}
        self._remote = RemoteLogs()
        self._pauses: dict[tuple[int, str], str] = {}

    def wait(self, root: Branch, seconds: float) -> None:
        """Ask the other computers for the logs of the jobs of a tree, and wait for them at most this time."""
        for branch in root.descendants():
            self.look(branch)
        self._remote.wait(seconds)

    def close(self) -> None:
        """End the connections to other computers."""
        self._remote.close()

    def look(self, branch: Branch) -> Progress | None:
        """Return the progress of a job; None if it has ended, is no LAMMPS job, or has no log that can be read."""
        if branch.process_type != LAMMPS or branch.workdir is None or branch.ended or branch.stopped:
            return None
        if branch.pk not in self._followers:
            node = load_node(branch.pk)
            assert isinstance(node, CalcJobNode)
            here = node.computer is not None and node.computer.transport_type == "core.local"
            plan = JobPlan.model_validate(node.inputs.plan.get_dict()) if "plan" in node.inputs else None
            steps = {stage.name: stage.timestep_fs for stage in plan.stages} if plan else {}
            self._timesteps[branch.pk] = steps
            self._followers[branch.pk] = LogFollower(Path(branch.workdir) / LOG, steps) if here else None
            if not here and node.computer is not None:
                self._remote.follow(node)
        follower = self._followers[branch.pk]
        return self._remote.look(branch.pk, self._timesteps[branch.pk]) if follower is None else follower.look()

    def note(self, branch: Branch) -> str:
        """Return the state of an unfinished job in words: why it waits or is paused, or cannot be reached."""
        status = branch.status or ""
        if status.startswith(PAUSED_BY_TRANSPORT):
            key = (branch.pk, status)
            if key not in self._pauses:
                node = load_node(branch.pk)
                self._pauses[key] = f"paused: {pause_reason(node)}" if isinstance(node, CalcJobNode) else status
            return self._pauses[key]
        state = status.removeprefix(_SCHEDULER).lower()
        if state in ("queued", "queued held"):
            query = QueryBuilder().append(
                CalcJobNode, filters={"id": branch.pk}, project="attributes.last_job_info"
            )
            found: Any = query.first(flat=True)
            info = found if isinstance(found, dict) else {}
            reason = info.get("annotation")
            if not isinstance(reason, str) or not reason.strip() or reason == "None":
                why = ""
            else:
                reason = printable(reason.strip())[:60]
                words = _WAITS_FOR.get(reason)
                why = f": {reason}" + (f" ({words})" if words else "")
            return f"{state}{why}"
        trouble = self._remote.trouble(branch.pk)
        return f"{status} · {trouble}" if trouble else status


def render_tree(root: Branch, watch: JobWatch) -> Tree:
    """Return the drawn tree below ``root``, expanded where a process runs or has failed."""
    tree = Tree(_line(root, watch))
    expanded = [(tree, root)]
    for twig, branch in expanded:
        children = [child for child in branch.children if not child.is_function or child.exit_status]
        ended = [child for child in children if child.ended and not child.exit_status]
        hidden = {child.pk for child in ended[:-_ENDED_SHOWN]}
        if hidden:
            twig.add(Text(f"✓ {len(hidden)} more", style="green dim"))
        for child in children:
            if child.pk not in hidden:
                below = twig.add(_line(child, watch))
                if not child.ended or child.exit_status or child.state != "finished":
                    expanded.append((below, child))
    return tree


def _line(branch: Branch, watch: JobWatch) -> Text | Group:
    mark, style = _MARKS.get(branch.state or "", ("▶", "cyan"))
    spent, progress = duration(branch.duration), watch.look(branch)
    if branch.stopped and (branch.exit_status or not branch.ended):
        mark, style, words = "■", "yellow", f"stopped after {spent}" if branch.ended else "stopped"
    elif branch.exit_status:
        mark, style = "!", "yellow"
        message = branch.exit_message or ""
        for child in branch.children:
            if child.exit_status and child.exit_message and len(child.exit_message) > _QUOTED_BELOW:
                message = message.replace(child.exit_message, "…", 1)
        words = f"[{branch.exit_status}] {message} ({spent})"
    elif branch.state in ("excepted", "killed"):
        words = f"{branch.state} after {spent}" + (f": {branch.status}" if branch.status else "")
    elif not branch.ended and branch.status and (branch.workdir or branch.status.startswith(PAUSED_BY_TRANSPORT)):
        words = f"{spent} · {watch.note(branch)}"
    else:
        words = "from the cache" if branch.cached else spent
    label, words = printable(branch.label), printable(words)
    text = Text.assemble((mark, style), " ", (label, "bold"), (f" <{branch.pk}>", "dim"), f"  {words}")
    if progress is None:
        return text
    grid = Table.grid(padding=(0, 1))
    total = max(1, progress.target - progress.start)
    bar = ProgressBar(total=total, completed=progress.step - progress.start, width=12)
    grid.add_row(Text(progress.stage, style="bold"), bar, Text(progress_words(progress)))
    return Group(text, grid)
