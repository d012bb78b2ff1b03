"""What the WorkChains know of the files of their jobs without looking at them: folders, stashes, checkpoints."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from aiida import orm

from aiida_cse.lammps.stage import JobPlan

__all__ = ["Folder", "checkpoint_step", "lineage", "path_of", "stash_of", "wrote_checkpoint"]

Folder: TypeAlias = orm.RemoteData | orm.RemoteStashData

OUT_OF_WALLTIME = 400
#: the link by which a job reaches the folder that it goes on from
_PARENT = "parent/"
_CHECKPOINT = re.compile(r"restart\.(\d+)$")


def results_of(job: orm.CalcJobNode) -> dict[str, Any]:
    """Return the results of a job, none if it left none."""
    found: dict[str, Any] = job.outputs.results.get_dict() if "results" in job.outputs else {}
    return found


def path_of(folder: Folder) -> str:
    """Return where a folder or stash lies."""
    path = folder.get_remote_path() if isinstance(folder, orm.RemoteData) else folder.target_basepath
    return str(path)


def checkpoint_step(job: orm.CalcJobNode) -> int | None:
    """Return the step of the restart file that a job went on from, None if it found or needed none."""
    match = _CHECKPOINT.search(str(results_of(job).get("restart_file")))
    return int(match.group(1)) if match else None


def wrote_checkpoint(job: orm.CalcJobNode, plan: JobPlan) -> bool:
    """Whether a job has certainly written a checkpoint; one that came less far may have done so too."""
    results = results_of(job)
    first, step = results.get("first_step"), results.get("step")
    if first is None or step is None:
        return False
    if job.exit_status == OUT_OF_WALLTIME:
        return bool(step > first)
    return bool(step >= first + plan.settings.restart_interval)


def stash_of(folder: Folder) -> orm.RemoteStashData | None:
    """Return the newest stash with checkpoints of the job that wrote ``folder``, or of those before it."""
    while isinstance(folder, orm.RemoteData) and folder.creator is not None:
        job = folder.creator
        results = results_of(job)
        moved = results.get("step") is not None and results["step"] > (results.get("first_step") or 0)
        if "remote_stash" in job.outputs and moved:
            stash: orm.RemoteStashData = job.outputs.remote_stash
            return stash
        parent = job.base.links.get_incoming(link_label_filter="parent_folder").first()
        if parent is None:
            return None
        folder = parent.node
    return None


def lineage(folder: Folder) -> list[orm.CalcJobNode]:
    """Return the jobs whose steps make up the run that ends in ``folder``, first to last.

    What a job went on from says which job came before it; those in between, whose steps were run again, are no
    part of the run, whatever they said of their end.
    """
    jobs: list[orm.CalcJobNode] = []
    job = folder.creator
    while isinstance(job, orm.CalcJobNode):
        jobs.append(job)
        job = _job_before(job)
    return jobs[::-1]


def _job_before(job: orm.CalcJobNode) -> orm.CalcJobNode | None:
    """Return the job whose checkpoint a job went on from; without a record, that of its parent folder."""
    source = results_of(job).get("restart_file") or _PARENT
    before: Any = job
    for _ in range(str(source).count(_PARENT)):
        folder = before.base.links.get_incoming(link_label_filter="parent_folder").first()
        before = None if folder is None else folder.node.creator
        if before is None:
            return None
    return None if before is job else before
