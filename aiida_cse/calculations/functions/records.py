"""Records of a run, collected into nodes: its stages, its looks, and the changes made to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import calcfunction

from aiida_cse.analysis.registry import Documented

__all__ = [
    "CHANGE_RECORD",
    "FROM_RESULTS",
    "LOOK_RECORD",
    "OF_EQUILIBRATION",
    "STAGES",
    "STAGE_RECORD",
    "collect_looks",
    "collect_stages",
    "join_changes",
    "list_changes",
    "look_record",
]


STAGE_RECORD = Documented(
    "a record of stages",
    "One entry of the list `stages`; the averages are over the second half of the rows of the thermo table.",
    {
        "name": ("", "Name of the stage"),
        "kind": ("", "minimize, pushoff, nvt or npt"),
        "start_step": ("", "First step of the stage"),
        "target_step": ("", "Last step of the stage"),
        "first_step": ("", "Step at which its first job started"),
        "step": ("", "Step reached"),
        "complete": ("", "Whether the target step was reached"),
        "wall_seconds": ("s", "Time of LAMMPS"),
        "ns_per_day": ("ns/day", "Speed; null for a minimisation"),
        "temperature_K": ("K", "Temperature of the mobile atoms"),
        "pressure_atm": ("atm", "Pressure"),
        "density_g_cm3": ("g/cm³", "Density of the box"),
        "lx_A": ("Å", "Length of the box"),
        "ly_A": ("Å", "Length of the box"),
        "lz_A": ("Å", "Length of the box"),
    },
)

STAGES = Documented(
    "stages",
    "Stages of a phase or production, gathered from its jobs.",
    {
        "stages": ("", "One record per stage, in order"),
        "wall_seconds": ("s", "Wall time of LAMMPS over all jobs"),
        "jobs": ("", "Number of jobs"),
        "steps": ("", "Last step"),
        "bytes": (
            "",
            "Size of the files left in the folders of the jobs (trajectory, restart files, `final.data`)",
        ),
    },
)


@calcfunction
def collect_stages(**results: orm.Dict) -> orm.Dict:
    """Return `stages` (one record per stage; see the LAMMPS job), `wall_seconds`, `jobs`, `steps` and `bytes`.

    A stage that took several jobs has one record: that of the job that came furthest, with the wall time of all.

    :param results: the `results` of the jobs, with keys in their order.
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


LOOK_RECORD = Documented(
    "a record of looks",
    (
        "One entry of the list `looks` of a production; see [until it has "
        "equilibrated](../howto/until-equilibrated.md)."
    ),
    {
        "look": ("", "Its number"),
        "end_ns": ("ns", "Length of the production at the look"),
        "equilibrated": ("", "The verdict"),
        "ec": ("", "EC of the ions that decide"),
        "ec_lower_bound": ("", "Its lower bound"),
        "rate_upper_bound_per_s": ("s⁻¹", "Upper bound of the rate of entries"),
        "reasons": ("", "The sentences of the verdict"),
        "criteria": ("", "Settings of the verdict"),
        "entries": ("events", "Entries of the first of the ions that decide"),
        "exits": ("events", "Exits of the same ions"),
    },
)


#: keys of the node ``equilibration`` that are copied
OF_EQUILIBRATION = (
    "end_ns",
    "equilibrated",
    "ec",
    "ec_lower_bound",
    "rate_upper_bound_per_s",
    "reasons",
    "criteria",
)


@calcfunction
def collect_looks(**looks: Any) -> orm.List:
    """Return the record of each look at a production, in order.

    A record has `look` (its number); `end_ns` (time of the last frame), `equilibrated`, `ec`, `ec_lower_bound`,
    `rate_upper_bound_per_s`, `reasons` and `criteria` from the result `equilibration`; and `entries` and `exits`
    of the first of the ions that decide.

    :param looks: per look, with labels in order, its `equilibration` and `transitions`; the list `before` holds
    the records of earlier looks.
    """
    before = looks.pop("before", None)
    records: list[dict[str, Any]] = [] if before is None else before.get_list()
    for number, (_, look) in enumerate(sorted(looks.items()), len(records) + 1):
        records.append({"look": number, **look_record(look["equilibration"], look["transitions"])})
    return orm.List(records)


def look_record(equilibration: Mapping[str, Any], transitions: orm.Dict) -> dict[str, Any]:
    """Return the record of one look, from the results ``equilibration`` and ``transitions`` of its analysis."""
    ion = str(equilibration["decided_by"][0]).lower()
    counts = transitions.get_dict()
    region = next(name for name in ("ceramic", "layer") if f"s_in_{ion}_{name}" in counts)
    return {
        **{key: equilibration[key] for key in OF_EQUILIBRATION},
        "entries": counts[f"s_in_{ion}_{region}"],
        "exits": counts[f"s_out_{ion}_{region}"],
    }


CHANGE_RECORD = Documented(
    "a record of changes",
    (
        "One entry of the list `changes` of a restart chain, a phase or a production; see "
        "[handlers](../science/handlers.md)."
    ),
    {
        "run": (
            "",
            (
                "Run of the phase or production in which it happened (`job_001`, `segment_001`); absent from the "
                "list of the chain itself"
            ),
        ),
        "job": ("", "First job of the chain to which it applied (`job_0002`)"),
        "change": ("", "timestep, neighbours, checkpoint, relaxation, memory, stash, anew or continuation"),
        "words": ("", "The same in words"),
        "exit_status": ("", "Exit code of the job before, which made it necessary"),
        "reason": ("", "Its message"),
        "exact": ("", "Whether the run is still identical, bit for bit, to the one without the change"),
        "until_step": ("", "Step up to which it applies"),
        "from_step": ("", "Step at which its job started"),
        "restart_file": ("", "Restart file from which its job started"),
        "reached_step": ("", "Step reached by its job"),
    },
)


#: keys that the results of the changed job add to a change
FROM_RESULTS = {"from_step": "first_step", "restart_file": "restart_file", "reached_step": "step"}


@calcfunction
def list_changes(changes: orm.List, **results: orm.Dict) -> orm.List:
    """Return the changes, each with the first step of the changed job and the step that it reached.

    A change has `job` (label of the first job that was changed), `change`, `words`, `exit_status` and `reason` (of
    the job before, which made it necessary), `exact` (whether the run is still identical to that without the
    change), `until_step` (None: no end), and of its job `from_step`, `restart_file` and `reached_step`.

    :param changes: the decisions of the restart chain, in order.
    :param results: the `results` of the jobs by their labels, if they left any.
    """
    found = []
    for change in changes.get_list():
        job: dict[str, Any] = results[change["job"]].get_dict() if change["job"] in results else {}
        found.append(change | {key: job.get(name) for key, name in FROM_RESULTS.items()})
    return orm.List(found)


@calcfunction
def join_changes(**runs: orm.List) -> orm.List:
    """Return the changes of several runs in order, each with the label of its `run`.

    :param runs: the `changes` of the runs by their labels.
    """
    return orm.List(
        [{"run": label} | change for label, changes in sorted(runs.items()) for change in changes.get_list()]
    )
