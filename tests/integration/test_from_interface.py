"""A quench of the relaxed interface of a stored study, whose hot run stops at the first look."""

from __future__ import annotations

import numpy as np
import pytest
from aiida.common.log import configure_logging
from aiida.engine import run_get_node
from aiida.orm import InstalledCode

from aiida_cse.data.system import CseSystemData
from aiida_cse.workchains.common.protocol import merge
from aiida_cse.workchains.quench import QuenchWorkChain
from tests.golden.archives import demo_interface
from tests.integration.short import EQUILIBRATED, OPTIONS, SHORT, jobs

pytestmark = pytest.mark.integration

#: criteria that a picosecond can meet
LENIENT = {"minimum_coefficient": 0.0, "minimum_lower_bound": 0.0, "significance": 1e-6, "maximum_remaining": None}


#: seed of the velocities
SEED = {"seeds": {"velocities": 7}}


@pytest.fixture(scope="module")
def interface(aiida_profile: object) -> CseSystemData:
    """The relaxed interface of a study by an earlier release."""
    configure_logging(with_orm=True)
    return demo_interface().store()


def test_an_interface_is_quenched(interface: CseSystemData, module_codes: dict[str, InstalledCode]) -> None:
    """Hot, cooled in two steps under pressure, cold, and compared: every part goes on from the one before.

    The hot run stops at the first look that says so, after one of its two segments.
    """
    until_equilibrated = {"plan": {"stop": EQUILIBRATED}, "analysis": {"settings": LENIENT}}
    cooling = {"rate_K_per_ns": 2e5, "step_K": 50, "hold_ps": 0.1, "last_ps": 0.2, "stages_per_job": 4}
    in_one_segment = merge(SHORT["production"], {"plan": {"segment_ps": 1.2}})
    builder = QuenchWorkChain.get_builder_from_protocol(
        codes=module_codes,
        recipe=SEED,
        system=interface,
        temperature=500.0,
        protocol="demo",
        overrides={
            "hot_temperature": 600,
            "hot": merge(SHORT["production"], until_equilibrated),
            "cold": in_one_segment,
            "cooling": {"plan": cooling | {"settings": {"restart_interval": 100}}},
        },
        options=OPTIONS,
    )
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, [(n.process_label, n.exit_status, n.exit_message) for n in node.called_descendants]
    assert [n.process_label for n in node.called] == [
        "ProductionWorkChain", "CoolingWorkChain", "ProductionWorkChain", "compare",
    ]  # fmt: skip
    stages = node.outputs.cooling.stages["stages"]
    assert [stage["name"] for stage in stages] == ["cool_01", "hold_01", "cool_02", "hold_02"]
    assert all(stage["complete"] for stage in stages)
    hot, cooling_run, cold, _ = node.called
    assert len(jobs(hot, "cse.lammps")) == 1
    assert [look["equilibrated"] for look in hot.outputs.looks.get_list()] == [True]
    assert hot.outputs.stages["steps"] == hot.outputs.reduction.base.attributes.get("last_step") == 300
    assert cooling_run.inputs.system.uuid == hot.outputs.system.uuid
    assert cold.inputs.system.uuid == cooling_run.outputs.system.uuid
    lengths = [np.diff(system.info.box[2])[0] for system in (hot.outputs.system, cold.inputs.system)]
    assert lengths[0] != pytest.approx(lengths[1], abs=1e-6), "the box follows the pressure"
    assert cold.outputs.stages["stages"][0]["temperature_K"] == pytest.approx(500, rel=0.1)
    found = outputs["comparison"]
    assert (found["temperature_hot_K"], found["temperature_cold_K"]) == (600, 500)
    for run, production in (("hot", hot), ("cold", cold)):
        assert found[f"n_li_ceramic_{run}"] == pytest.approx(production.outputs.populations["n_li_ceramic"])
    assert found["peak_tfsi_right_hot_per_A3"] is None or found["peak_tfsi_right_hot_per_A3"] > 0
