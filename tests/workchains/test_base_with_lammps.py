"""The restart chain with LAMMPS: recovery of a failed run, and continuation from stashes and earlier segments."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node

from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import System
from aiida_cse.workchains.base import LammpsBaseWorkChain
from aiida_cse.workchains.common.options import STASHED
from aiida_cse.workchains.restart.lineage import lineage
from tests.systems import crystal_and_molecules

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]

HEAT: dict[str, Any] = {
    "name": "heat",
    "kind": "nvt",
    "duration_ps": 0.2,
    "timestep_fs": 1,
    "temperature": 300,
    "velocities": 300,
    "thermo_ps": 0.02,
}
SETTINGS = {"cutoff": 6.0, "kspace_accuracy": 1e-3, "restart_interval": 50}

#: exit codes of a breakdown of the simulation
BREAKDOWNS = {410, 411, 412, 413}

Run = Callable[..., orm.WorkChainNode]


def overlapping() -> System:
    """Return the small system with two overlapping atoms."""
    system = crystal_and_molecules()
    positions = system.data.unwrapped.copy()
    positions[-2:] = positions[-4:-2] + np.array([0.0, 0.0, 0.05])
    system.data.set_unwrapped(positions)
    return system


@pytest.fixture
def run(lmp: orm.InstalledCode) -> Run:
    """Return a function that runs a plan from a system to its end."""

    def start(
        system: System,
        *stages: dict[str, Any],
        plan: dict[str, Any] | None = None,
        job: dict[str, Any] | None = None,
        **inputs: Any,
    ) -> orm.WorkChainNode:
        whole = {"stages": list(stages), "settings": SETTINGS, "seed": 7} | (plan or {})
        lammps = {"code": lmp, "system": CseSystemData(system), "plan": orm.Dict(whole)} | (job or {})
        _, node = run_get_node(LammpsBaseWorkChain, lammps=lammps, **inputs)
        return node

    return start


def test_overlapping_atoms_are_separated_by_recovery(run: Run) -> None:
    node = run(overlapping(), HEAT)
    assert node.is_finished_ok, node.exit_message
    changes = node.outputs.changes.get_list()
    assert [changes[0]["change"], changes[-1]["change"]] == ["timestep", "relaxation"]
    assert {change["exit_status"] for change in changes} <= BREAKDOWNS
    assert not any(change["exact"] for change in changes)
    assert changes[-1]["reached_step"] == 200
    assert node.outputs.results["complete"]
    assert node.outputs.results["stages"][0]["first_step"] == 0
    assert len(node.called) == len(changes) + 2, "a job per change, the first job, and the list of changes"


@pytest.mark.long
def test_a_run_beyond_recovery_ends_with_its_cause(run: Run) -> None:
    node = run(overlapping(), HEAT, max_changes=orm.Int(1))
    assert node.exit_status in BREAKDOWNS
    assert "ERROR" in node.exit_message
    assert [change["change"] for change in node.outputs.changes] == ["timestep"]
    assert len(dict(node.outputs.folders)) == 2


def final_positions(node: orm.WorkChainNode) -> np.ndarray:
    positions: np.ndarray = node.outputs.system.get_system().data.unwrapped
    return positions


def test_a_purged_segment_continues_from_its_stash(run: Run, tmp_path: Path) -> None:
    """The continued run ends like the uninterrupted one."""
    system = crystal_and_molecules()
    stage = HEAT | {"trajectory_ps": 0.02}
    keep = {"settings": orm.Dict({"keep_system": True})}
    whole = run(system, stage, job=keep)
    stash = {"target_base": str(tmp_path), "stash_mode": "copy", "source_list": list(STASHED)}
    first = run(system, stage, plan={"stop_step": 100}, job={"metadata": {"options": {"stash": stash}}})
    assert first.is_finished_ok
    folder = first.outputs.remote_folder
    shutil.rmtree(folder.get_remote_path())

    second = run(system, stage, plan={"resume_step": 100}, job=keep | {"parent_folder": folder})
    assert second.is_finished_ok, second.exit_message
    (change,) = second.outputs.changes.get_list()
    assert (change["change"], change["exact"], change["from_step"]) == ("stash", True, 100)
    job = second.outputs.remote_folder.creator
    assert job.inputs.parent_folder.uuid == folder.creator.outputs.remote_stash.uuid
    assert np.array_equal(final_positions(second), final_positions(whole))
    assert [made.pk for made in lineage(second.outputs.remote_folder)] == [folder.creator.pk, job.pk]


def test_a_purged_segment_is_run_again_from_the_one_before(run: Run) -> None:
    """The segment after it continues from there, and ends like the uninterrupted run."""
    system, keep = crystal_and_molecules(), {"settings": orm.Dict({"keep_system": True})}
    stage = HEAT | {"trajectory_ps": 0.02}
    whole = run(system, stage, job=keep)
    first = run(system, stage, plan={"stop_step": 50}).outputs.remote_folder
    second = run(system, stage, plan={"resume_step": 50, "stop_step": 100}, job={"parent_folder": first})
    gone = second.outputs.remote_folder
    shutil.rmtree(gone.get_remote_path())
    third = run(system, stage, plan={"resume_step": 100}, job=keep | {"parent_folder": gone})
    assert third.is_finished_ok, third.exit_message
    (change,) = third.outputs.changes.get_list()
    assert (change["change"], change["exact"], change["from_step"]) == ("folder", True, 50)
    last = third.outputs.remote_folder
    assert [job.pk for job in lineage(last)] == [first.creator.pk, last.creator.pk], "no frame is counted twice"
    assert np.array_equal(final_positions(third), final_positions(whole))
