"""Lineage of jobs: folders, stashes and checkpoints of a run, known from nodes without reading files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from aiida import orm

from aiida_cse.lammps.job.script import IONS, TRAJECTORY
from aiida_cse.lammps.protocol.stage import JobPlan

__all__ = [
    "Folder",
    "checksums_of",
    "covered_jobs",
    "earlier_folders",
    "folder_to_continue",
    "found_checkpoint",
    "lineage",
    "numbered",
    "path_of",
    "reductions_of",
    "results_of",
    "stash_of",
    "step_of",
    "thermo_of",
    "unreduced",
    "wrote_checkpoint",
]

Folder: TypeAlias = orm.RemoteData | orm.RemoteStashData

OUT_OF_WALLTIME = 400
#: path by which a job reaches the folder of its parent
_PARENT = "parent/"


def results_of(job: orm.CalcJobNode) -> dict[str, Any]:
    """Return the results of a job; empty if it has none."""
    found: dict[str, Any] = job.outputs.results.get_dict() if "results" in job.outputs else {}
    return found


def path_of(folder: Folder) -> str:
    """Return the path of a folder or stash."""
    path = folder.get_remote_path() if isinstance(folder, orm.RemoteData) else folder.target_basepath
    return str(path)


def step_of(folder: orm.RemoteData) -> int | None:
    """Return the last step of the job of a folder, or None if the job was not successful."""
    job = folder.creator
    if not isinstance(job, orm.CalcJobNode) or not job.is_finished_ok:
        return None
    step: int | None = results_of(job).get("step")
    return step


def found_checkpoint(job: orm.CalcJobNode) -> str | None:
    """Return the restart file from which a job continued, or None if it started without one."""
    found = results_of(job).get("restart_file")
    return None if found in (None, "", "none") else str(found)


def wrote_checkpoint(job: orm.CalcJobNode, plan: JobPlan) -> bool:
    """Return whether a job has certainly written a checkpoint; a job that stopped earlier may have, too."""
    results = results_of(job)
    first, step = results.get("first_step"), results.get("step")
    if first is None or step is None:
        return False
    if job.exit_status == OUT_OF_WALLTIME:
        return bool(step > first)
    return bool(step >= first + plan.settings.restart_interval)


def stash_of(folder: Folder) -> orm.RemoteStashData | None:
    """Return the newest stash with checkpoints of the job of ``folder`` or of its predecessors."""
    while isinstance(folder, orm.RemoteData) and folder.creator is not None:
        job = folder.creator
        results = results_of(job)
        moved = results.get("step") is not None and results["step"] > (results.get("first_step") or 0)
        if "remote_stash" in job.outputs and moved:
            stash: orm.RemoteStashData = job.outputs.remote_stash
            if not stash.base.extras.get(orm.RemoteData.KEY_EXTRA_CLEANED, False):
                return stash
        parent = job.base.links.get_incoming(link_label_filter="parent_folder").first()
        if parent is None:
            return None
        folder = parent.node
    return None


def earlier_folders(folder: Folder, needed_step: int = 0) -> Iterator[Folder]:
    """Yield where a run can go on whose folder is gone, newest first: stashes and folders of its jobs before.

    Folders that AiiDA has freed, or that are no longer on this machine, are left out, and so is what ended before
    ``needed_step``, the earliest step from which the run can continue.
    """
    seen: Any = folder
    job = folder.creator
    while isinstance(job, orm.CalcJobNode):
        results = results_of(job)
        first, step = results.get("first_step") or 0, results.get("step")
        if step is not None and step < needed_step:
            return
        # a run continues from a stash only because the folder was gone; that of a job without progress has nothing
        names = [] if isinstance(seen, orm.RemoteStashData) else ["remote_folder"]
        names += ["remote_stash"] if step is not None and step > first else []
        for place in (job.outputs[name] for name in names if name in job.outputs):
            if place.uuid != folder.uuid and not _is_gone(place):
                yield place
        parent = job.base.links.get_incoming(link_label_filter="parent_folder").first()
        if parent is None:
            return
        seen = parent.node
        job = seen.creator


def _is_gone(folder: Folder) -> bool:
    """Return whether a folder was freed by AiiDA or, on this machine, does not exist."""
    if folder.base.extras.get(orm.RemoteData.KEY_EXTRA_CLEANED, False):
        return True
    local = folder.computer is not None and folder.computer.transport_type == "core.local"
    return local and isinstance(folder, orm.RemoteData) and not Path(path_of(folder)).is_dir()


def folder_to_continue(production: orm.ProcessNode) -> orm.RemoteData | None:
    """Return the folder of the last complete segment of a production; None if there is none."""
    links = production.base.links.get_outgoing(link_label_filter="segment_%").all()
    segments = [link.node for link in sorted(links, key=lambda link: link.link_label) if link.node.is_finished_ok]
    outputs: Any = segments[-1].outputs if segments else {}
    return outputs.remote_folder if "remote_folder" in outputs else None


def lineage(folder: Folder) -> list[orm.CalcJobNode]:
    """Return the jobs whose steps make up the run that ends in ``folder``, first to last.

    The restart file of a job identifies its predecessor. Jobs in between, whose steps were repeated, do not belong
    to the run, whatever their exit status.
    """
    jobs: list[orm.CalcJobNode] = []
    job = folder.creator
    while isinstance(job, orm.CalcJobNode):
        jobs.append(job)
        job = _job_before(job)
    return jobs[::-1]


def _job_before(job: orm.CalcJobNode) -> orm.CalcJobNode | None:
    """Return the job whose checkpoint a job used; without a record, the job of its parent folder."""
    source = results_of(job).get("restart_file") or _PARENT
    before: Any = job
    for _ in range(str(source).count(_PARENT)):
        folder = before.base.links.get_incoming(link_label_filter="parent_folder").first()
        before = None if folder is None else folder.node.creator
        if before is None:
            return None
    return None if before is job else before


def numbered(pieces: list[Any]) -> dict[str, Any]:
    """Return the pieces of a trajectory with ordered labels."""
    return {f"segment_{number:04d}": piece for number, piece in enumerate(pieces, 1)}


def unreduced(jobs: list[orm.CalcJobNode], reduced: list[str], reduced_to: int) -> dict[str, orm.CalcJobNode]:
    """Return the jobs of a run that a reduction lacks, with labels that count all jobs of the run.

    If the run went back to before the end of the reduction, all jobs are returned: the repeated steps may differ.

    Parameters
    ----------
    jobs
        The jobs of the run, first to last.
    reduced
        UUIDs of the reduced jobs.
    reduced_to
        The last step of the reduction.
    """
    labels, done = numbered(jobs), len(reduced)
    new = dict(list(labels.items())[done:])
    if [job.uuid for job in jobs[:done]] != reduced:
        return labels
    starts = [results_of(job).get("first_step") for job in new.values()]
    return labels if any(start is not None and start < reduced_to for start in starts) else new


def reductions_of(reduction: orm.Data) -> list[tuple[Any, list[str]]]:
    """Return a reduction and those that it extends, newest first, each with the UUIDs of the jobs that it covers.

    The jobs are known from the provenance; a reduction that has none, as after an import, covers no known job.
    """
    found: list[tuple[Any, list[str]]] = []
    newest: Any = reduction
    while newest is not None:
        links = [] if newest.creator is None else newest.creator.base.links.get_incoming().all()
        folders = sorted((link.link_label, link.node) for link in links if link.link_label.startswith("folders__"))
        found.append((newest, [node.creator.uuid if node.creator else "" for _, node in folders]))
        newest = next((link.node for link in links if link.link_label == "previous"), None)
    covered: list[str] = []
    for place, (one, jobs) in reversed(list(enumerate(found))):
        covered = covered + jobs
        found[place] = (one, covered)
    return found


def covered_jobs(reduction: orm.Data, folder: Folder) -> int:
    """Return how many first jobs of the run that ends in ``folder`` a reduction holds; 0 if it holds other steps.

    It may hold steps of a job that was dropped since: the job that repeated them was compared with it.
    """
    held, jobs = reductions_of(reduction)[0][1], [job.uuid for job in lineage(folder)]
    if not held or held[-1] not in jobs:
        return 0
    count = jobs.index(held[-1]) + 1
    return count if set(jobs[:count]) <= set(held) else 0


def checksums_of(results: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the known SHA-256 of the trajectories of jobs from their results, by label.

    That of a trajectory of the ions is under LABEL/ions. The checksum of a job that was killed is in the
    results of the following job.
    """
    found_later = [later.get("files_before", {}) for later in [*list(results.values())[1:], {}]]
    files = [one.get("files") or later for one, later in zip(results.values(), found_later, strict=True)]
    return {
        key: one[name]["sha256"]
        for label, one in zip(results, files, strict=True)
        for name, key in ((TRAJECTORY, label), (IONS, f"{label}/ions"))
        if name in one
    }


def thermo_of(jobs: list[orm.CalcJobNode]) -> dict[str, dict[str, np.ndarray]]:
    """Return the thermo columns of each stage over the jobs of a run, in order of time.

    Rows that a later job repeated are taken from the later job.
    """
    parts: dict[str, list[dict[str, np.ndarray]]] = {}
    for job in jobs:
        if "thermo" not in job.outputs or "results" not in job.outputs:
            continue
        thermo = job.outputs.thermo
        columns = {name: thermo.get_array(name) for name in thermo.get_arraynames()}
        for index, stage in enumerate(results_of(job)["stages"]):
            rows = columns["stage"] == index
            if rows.any():
                parts.setdefault(stage["name"], []).append(
                    {name: column[rows] for name, column in columns.items()}
                )
    return {name: _joined(stages) for name, stages in parts.items()}


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    ends = [later["step"][0] for later in parts[1:]] + [np.inf]
    kept = [part["step"] < end for part, end in zip(parts, ends, strict=True)]
    names = set.intersection(*(set(part) for part in parts))
    return {
        name: np.concatenate([part[name][rows] for part, rows in zip(parts, kept, strict=True)]) for name in names
    }
