"""Runs with the outputs of a restart chain: jobs that continue from each other."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.common.datastructures import StashMode

from aiida_cse.data.system import CseSystemData
from tests.nodes import interface, job_node, returns, run_node
from tests.systems import crystal_and_molecules

PLAN = {
    "length_ps": 6,
    "segment_ps": 2,
    "frame_ps": 0.02,
    "all_atoms_ps": None,
    "settings": {"restart_interval": 500},
}


def newest(kind: type[orm.ProcessNode]) -> Any:
    """Return the newest process."""
    return orm.QueryBuilder().append(kind, tag="p").order_by({"p": {"id": "desc"}}).first(flat=True)


DIGEST = "0123456789abcdef" * 4


def results(*names: str, step: int, source: str | None = None, first_step: int | None = None) -> orm.Dict:
    stages = [
        {
            "name": name,
            "first_step": 0,
            "step": step,
            "wall_seconds": 2.0,
            "temperature_K": 700.0,
            "density_g_cm3": 2.0,
            "lz_A": 35.2,
        }
        for name in names
    ]
    return orm.Dict(
        {
            "stages": stages,
            "wall_seconds": 2.0 * len(names),
            "first_step": first_step,
            "step": step,
            "target_step": step,
            "restart_file": source,
            "files": {"trajectory.dcd": {"sha256": DIGEST, "bytes": 1_000_000}},
        }
    )


def finished(
    computer: orm.Computer,
    number: int,
    *names: str,
    step: int,
    system: bool = False,
    after: orm.WorkChainNode | None = None,
    source: str | None = None,
    stash: str | None = None,
    changes: list[dict[str, Any]] | None = None,
    plan: dict[str, Any] | None = None,
    first_step: int | None = None,
) -> orm.WorkChainNode:
    """Return a restart chain of one job that ran these stages, from a checkpoint of the run ``after`` it."""
    made: dict[str, orm.Data] = {"results": results(*names, step=step, source=source, first_step=first_step)}
    if system:
        made["system"] = CseSystemData(crystal_and_molecules())
    if stash is not None:
        made["remote_stash"] = orm.RemoteStashFolderData(
            computer=computer, target_basepath=stash, stash_mode=StashMode.COPY, source_list=["*"]
        )
    run = run_node("cse.base")
    inputs: dict[str, orm.Data] = {} if after is None else {"parent_folder": after.outputs.remote_folder}
    if plan is not None:
        inputs |= {"plan": orm.Dict(plan), "system": CseSystemData(interface())}
    folder = f"/scratch/{number}"
    job = job_node("cse.lammps", computer, inputs, outputs=made, exit_status=0, folder=folder, caller=run)
    remote = job.outputs.remote_folder
    made |= {"remote_folder": remote, "folders.job_0001": remote}
    if changes is not None:
        made["changes"] = orm.List(changes)
    returns(run, made)
    return run


def chain_of(
    computer: orm.Computer, *sources: str, stashes: tuple[str | None, ...] = ()
) -> list[orm.WorkChainNode]:
    """Return runs, each with the previous one as parent, that continued from these restart files."""
    runs: list[orm.WorkChainNode] = []
    for number, source in enumerate(sources, 1):
        stash = stashes[number - 1] if stashes else None
        last = number == len(sources)
        after = runs[-1] if runs else None
        runs.append(
            finished(
                computer, number, "production", step=100, after=after, source=source, stash=stash, system=last
            )
        )
    return runs
