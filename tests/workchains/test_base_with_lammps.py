"""The restart chain with the real program: a run that breaks and is brought through, and what is then served."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node

from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.system import System
from aiida_cse.workchains.base import LammpsBaseWorkChain
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

#: exit codes of a simulation that breaks
BREAKDOWNS = {410, 411, 412, 413}

Run = Callable[..., orm.WorkChainNode]


def overlapping() -> System:
    """Return the small system with two of its atoms on top of each other."""
    system = crystal_and_molecules()
    positions = system.data.unwrapped.copy()
    positions[-2:] = positions[-4:-2] + np.array([0.0, 0.0, 0.05])
    system.data.set_unwrapped(positions)
    return system


@pytest.fixture
def run(lmp: orm.InstalledCode) -> Run:
    """Return a function that runs a plan from a system to its end."""

    def start(system: System, *stages: dict[str, Any], **inputs: Any) -> orm.WorkChainNode:
        plan = {"stages": list(stages), "settings": SETTINGS, "seed": 7}
        lammps = {"code": lmp, "system": CseSystemData(system), "plan": orm.Dict(plan)}
        _, node = run_get_node(LammpsBaseWorkChain, lammps=lammps, **inputs)
        return node

    return start


def test_atoms_that_lie_on_each_other_are_brought_apart(run: Run) -> None:
    node = run(overlapping(), HEAT)
    assert node.is_finished_ok, node.exit_message
    changes = node.outputs.changes.get_list()
    assert [changes[0]["change"], changes[-1]["change"]] == ["timestep", "relaxation"]
    assert {change["exit_status"] for change in changes} <= BREAKDOWNS
    assert not any(change["exact"] for change in changes)
    assert changes[-1]["reached_step"] == 200
    assert node.outputs.results["complete"]
    assert node.outputs.results["stages"][0]["first_step"] == 0
    assert len(node.called) == len(changes) + 2, "one job more than changes, and their list"


def test_a_run_that_no_change_mends_ends_with_its_cause(run: Run) -> None:
    node = run(overlapping(), HEAT, max_changes=orm.Int(1))
    assert node.exit_status in BREAKDOWNS
    assert "ERROR" in node.exit_message
    assert [change["change"] for change in node.outputs.changes] == ["timestep"]
    assert len(dict(node.outputs.folders)) == 2
