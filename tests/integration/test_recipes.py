"""Other materials than the published one run the demo protocol as they are shipped, at the length of a test."""

from __future__ import annotations

from typing import Any

import pytest
from aiida.common.log import configure_logging
from aiida.engine import run_get_node
from aiida.orm import InstalledCode

from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.recipe import load_recipe
from aiida_cse.building.reduction import describe_system
from aiida_cse.data.system import CseSystemData
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.workchains.common.protocol import merge
from aiida_cse.workchains.interface import InterfaceWorkChain
from tests.integration.short import OPTIONS, SETTLED, short_study

pytestmark = pytest.mark.integration

LENGTH = SETTLED | {"production": {"plan": {"length_ps": 0.4, "segment_ps": 0.4}}}
#: what the how-to gives for an anion whose layer is not known
OFFSETS: dict[str, Any] = {"production": {"sampling": {"offsets": {"FSI": {"inner": -0.5, "outer": 6.0}}}}}
#: as the phases are built, the atoms are first pushed apart
PUSHED = [
    {"name": "push_off", "kind": "pushoff", "duration_ps": 0.1, "timestep_fs": 1, "temperature": "target",
     "velocities": 300, "mobile": "electrolyte"},
    {"name": "minimize", "kind": "minimize", "max_iterations": 20, "mobile": "electrolyte"},
]  # fmt: skip


@pytest.mark.long
def test_a_recipe_with_another_anion_runs_from_slab_to_verdict(module_codes: dict[str, InstalledCode]) -> None:
    configure_logging(with_orm=True)
    recipe, overrides = "llzo-peo-lifsi-demo", merge(LENGTH, OFFSETS)
    builder = short_study(module_codes, temperatures=[500.0], recipe=recipe, overrides=overrides)
    _, node = run_get_node(builder)
    assert node.is_finished_ok, [(n.process_label, n.exit_status, n.exit_message) for n in node.called_descendants]
    run = node.outputs.runs.T0500_r1
    assert run.interface.info.charge == pytest.approx(0, abs=1e-10)
    state = run.reduction.get_state()
    assert set(state.region_counts[:, 0].sum(axis=1).tolist()) == {119}
    assert set(state.region_counts[:, 1].sum(axis=1).tolist()) == {7}
    assert run.equilibration["equilibrated"] is False
    assert any(key.startswith("n_fsi_") for key in run.populations.get_dict())


@pytest.mark.parametrize(
    ("name", "lithium", "anion", "anions"),
    [
        ("ga-llzo-peo-litfsi-demo", 104, "TFSI", 4),
        ("llzo-ppo-litfsi-demo", 118, "TFSI", 6),
        ("llzo-peo-lifsi-demo", 119, "FSI", 7),
    ],
)
def test_a_recipe_is_assembled_to_an_interface_that_lammps_moves(
    name: str, lithium: int, anion: str, anions: int, module_codes: dict[str, InstalledCode]
) -> None:
    configure_logging(with_orm=True)
    recipe = load_recipe(name)
    slab = build_slab(recipe)
    lx, ly = (float(edge) for edge in slab.data.lengths[:2])
    phases: dict[str, Any] = {
        "ceramic": CseSystemData(slab),
        "electrolyte": CseSystemData(build_electrolyte(recipe, lx, ly)),
    }
    overrides = {"schedule": {"stages_per_job": 2, "stages": PUSHED}}
    builder = InterfaceWorkChain.get_builder_from_protocol(
        module_codes,
        recipe.model_dump(mode="json"),
        protocol="demo",
        overrides=overrides,
        options=OPTIONS,
        temperature=500.0,
        **phases,
    )
    _, node = run_get_node(builder)
    assert node.is_finished_ok, [(n.process_label, n.exit_status, n.exit_message) for n in node.called_descendants]
    assert [record["complete"] for record in node.outputs.stages["stages"]] == [True, True]
    system = node.outputs.interface.get_system()
    assert system.info.charge == pytest.approx(0, abs=1e-10)
    assert (system.info.composition["Li"], system.info.composition["NBT"]) == (lithium, anions)
    own = OFFSETS["production"]["sampling"] if anion == "FSI" else {}
    times = {"timestep_fs": 2, "frame_ps": 0.02, "block_ps": 0.2, "snapshot_ps": 0.1}
    sampling = Sampling.model_validate(times | own)
    assert list(ReductionConfig.build(describe_system(system), sampling).ions) == ["Li", anion]
