"""Calculation functions of systems and records: nodes, or exit codes with the reason."""

from typing import Any

import numpy as np
import pytest
from aiida import orm

from aiida_cse.calculations.functions.assembly import CANNOT_ASSEMBLE, CANNOT_CUT, assemble, cut_slab
from aiida_cse.calculations.functions.records import collect_looks, collect_stages
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import System
from tests.nodes import system_node
from tests.systems import SPACING, crystal_and_molecules

pytestmark = [
    pytest.mark.usefixtures("aiida_profile"),
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]


def parts() -> tuple[System, System]:
    """Return the crystal and the molecules of the small system, each in a box of its own."""
    whole = crystal_and_molecules()
    ceramic = whole.data.molecules == 1
    crystal, molecules = whole.data.select(ceramic), whole.data.select(~ceramic)
    crystal.box = np.vstack([whole.data.box[:2], [(-2 * SPACING, 2 * SPACING)]])
    molecules.box = np.vstack([whole.data.box[:2], [(0.0, whole.data.box[2, 1])]])
    return whole.evolved(crystal, phase="slab"), whole.evolved(molecules, phase="electrolyte")


def test_a_slab_is_cut() -> None:
    crystal, _ = parts()
    found, node = cut_slab.run_get_node(CseSystemData(crystal), CseSystemData(crystal))
    assert node.is_finished_ok
    assert isinstance(found, CseSystemData)
    assert found.info.phase == "ceramic"
    assert found.info.natoms == 64


def test_other_atoms_cannot_be_cut() -> None:
    crystal, molecules = parts()
    _, node = cut_slab.run_get_node(CseSystemData(crystal), CseSystemData(molecules))
    assert node.exit_status == CANNOT_CUT == 332
    assert (
        node.exit_message == "the slab cannot be cut: the equilibrated crystal has 49 atoms, the slab as built 64"
    )


def test_phases_are_joined() -> None:
    crystal, molecules = parts()
    slab = cut_slab(CseSystemData(crystal), CseSystemData(crystal))
    found, node = assemble.run_get_node(slab, CseSystemData(molecules), orm.Float(2.5))
    assert node.is_finished_ok
    assert isinstance(found, CseSystemData)
    assert found.info.phase == "interface"
    assert found.info.composition == system_node().info.composition


def test_phases_that_do_not_fit_cannot_be_joined() -> None:
    crystal, molecules = parts()
    molecules.data.box[0, 1] *= 1.1
    _, node = assemble.run_get_node(CseSystemData(crystal), CseSystemData(molecules), orm.Float(2.5))
    assert node.exit_status == CANNOT_ASSEMBLE == 333
    assert node.exit_message is not None
    assert node.exit_message.startswith("slab and electrolyte cannot be joined: box edge Lx: 11.2")


def record(name: str, first_step: int, step: int, target: int, wall: float | None = 1.5) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "nvt",
        "start_step": 0,
        "first_step": first_step,
        "step": step,
        "target_step": target,
        "complete": step == target,
        "wall_seconds": wall,
    }


def job(*stages: dict[str, Any]) -> orm.Dict:
    wall = sum(stage["wall_seconds"] or 0 for stage in stages)
    return orm.Dict({"stages": list(stages), "wall_seconds": wall, "step": stages[-1]["step"]})


def test_a_stage_that_took_several_jobs_has_one_record() -> None:
    found = collect_stages(
        job_0002=job(record("heat", 300, 500, 500), record("relax", 500, 700, 900)),
        job_0001=job(record("minimize", 0, 1, 1, None), record("heat", 1, 300, 500)),
        job_0010=job(record("relax", 700, 900, 900, 2.0)),
    ).get_dict()
    minimize, heat, relax = found["stages"]
    assert (minimize["name"], minimize["wall_seconds"]) == ("minimize", None)
    assert (heat["first_step"], heat["step"], heat["complete"], heat["wall_seconds"]) == (1, 500, True, 3.0)
    assert (relax["first_step"], relax["step"], relax["complete"], relax["wall_seconds"]) == (500, 900, True, 3.5)
    assert (found["jobs"], found["steps"], found["wall_seconds"]) == (3, 900, 6.5)


def test_looks_are_numbered_after_those_before() -> None:
    seen = dict.fromkeys(("end_ns", "ec", "ec_lower_bound", "rate_upper_bound_per_s", "criteria"))
    one = {
        "equilibration": orm.Dict(seen | {"equilibrated": True, "decided_by": ["TFSI"], "reasons": ["all well"]}),
        "transitions": orm.Dict({"s_in_tfsi_layer": 4, "s_out_tfsi_layer": 3}),
    }
    first = collect_looks(look_001=one)
    both = collect_looks(before=first, look_001=one)
    assert isinstance(both, orm.List)
    assert [record["look"] for record in both.get_list()] == [1, 2]
    assert both[1] | {"look": 1} == both[0]
    assert (both[0]["entries"], both[0]["exits"], both[0]["reasons"]) == (4, 3, ["all well"])
