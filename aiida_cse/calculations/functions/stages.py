"""The stage records of a phase, gathered from its jobs."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import calcfunction

__all__ = ["collect_stages"]


@calcfunction
def collect_stages(**results: orm.Dict) -> orm.Dict:
    """Return `stages` (one record per stage; see the LAMMPS job), `wall_seconds`, `jobs`, `steps` and `bytes`.

    A stage that took several jobs has one record: that of the job which came furthest, with the wall time of all.

    :param results: the `results` of the jobs, keyed in their order.
    """
    records: dict[str, dict[str, Any]] = {}
    jobs = [node.get_dict() for _, node in sorted(results.items())]
    for job in jobs:
        for stage in job["stages"]:
            earlier = records.get(stage["name"])
            if earlier is not None:
                furthest = stage if stage["step"] >= earlier["step"] else earlier
                stage = furthest | {
                    "first_step": min(earlier["first_step"], stage["first_step"]),
                    "wall_seconds": (earlier["wall_seconds"] or 0.0) + (stage["wall_seconds"] or 0.0),
                }
            records[stage["name"]] = stage
    return orm.Dict(
        {
            "stages": list(records.values()),
            "wall_seconds": sum(job["wall_seconds"] for job in jobs),
            "jobs": len(jobs),
            "bytes": sum(file["bytes"] for job in jobs for file in job.get("files", {}).values()),
            "steps": max((job["step"] for job in jobs if job["step"] is not None), default=None),
        }
    )
