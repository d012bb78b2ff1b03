"""Ions in a landscape with a known answer: a quench brings them where they belong, a cold run alone does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from aiida.common.log import configure_logging
from aiida.engine import run_get_node
from aiida.orm import InstalledCode

from aiida_cse.data.system import CseSystemData
from aiida_cse.landscape.model import CATION, Ions, draw_landscape
from aiida_cse.landscape.system import landscape_system
from aiida_cse.workchains.production import ProductionWorkChain
from aiida_cse.workchains.quench import QuenchWorkChain

# a quench of a real interface is in test_from_interface, known answers of single runs in test_validate
pytestmark = [pytest.mark.integration, pytest.mark.long]

SEED, CATIONS, INSIDE = 11, 200, 0.2
OPTIONS = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}}
SETTINGS = {"cutoff": 2.5, "kspace_style": "none", "skin": 5.0, "restart_interval": 25000, "exact": False}
#: the density is that of a landscape, not of matter
BASE: dict[str, Any] = {"sanity": {"density": {"fail": None}}}
BATH = {"timestep_fs": 4, "thermostat": "langevin", "thermostat_fs": 100, "thermo_ps": 20, "settings": SETTINGS}
RUN: dict[str, Any] = {
    "base": BASE,
    "plan": BATH | {"length_ps": 400, "segment_ps": 400, "frame_ps": 0.2, "velocities": "draw"},
    "sampling": {"block_ps": 20, "snapshot_ps": 10, "bins": 240, "core_scales": [], "lags_ps": []},
    "analysis": {"settings": {"start_ns": 0.2, "rule": "core"}},
}


def test_the_cold_run_starts_from_the_right_populations(module_codes: dict[str, InstalledCode]) -> None:
    configure_logging(with_orm=True)
    landscape = draw_landscape(SEED)
    hot, cold = (float(round(landscape.barrier / reduced)) for reduced in (3.5, 12.0))
    system = landscape_system(landscape, Ions(cations=CATIONS, anions=50, inside=INSIDE), SEED)
    given: dict[str, Any] = {
        "codes": module_codes,
        "recipe": {"seeds": {"velocities": SEED}},
        "system": CseSystemData(system).store(),
        "temperature": cold,
        "protocol": "demo",
        "options": OPTIONS,
    }
    ramp = {"rate_K_per_ns": (hot - cold) / 0.2, "step_K": (hot - cold) / 4, "hold_ps": 4, "last_ps": 4}
    cooling = {"base": BASE, "plan": BATH | ramp | {"box": "scaled", "expansion_per_K": 0, "stages_per_job": 8}}
    of_a_quench = {"hot_temperature": hot, "hot": RUN, "cold": RUN, "cooling": cooling}
    outputs, node = run_get_node(QuenchWorkChain.get_builder_from_protocol(**given, overrides=of_a_quench))
    assert node.is_finished_ok, [(n.process_label, n.exit_status, n.exit_message) for n in node.called_descendants]
    _, alone = run_get_node(ProductionWorkChain.get_builder_from_protocol(**given, overrides=RUN))
    assert alone.is_finished_ok, alone.exit_message

    expected = [landscape.shares(CATION, temperature)["ceramic"] * CATIONS for temperature in (hot, cold)]
    noise = np.sqrt(CATIONS) / 2
    found = outputs["comparison"]
    assert found["n_li_ceramic_hot"] == pytest.approx(expected[0], abs=4 * noise)
    # the ions stop crossing somewhere on the way down
    assert min(expected) - 4 * noise < found["n_li_ceramic_cold"] < max(expected) + 4 * noise
    for name in ("dz", "dz_free_energy"):
        assert found[f"{name}_A"] == pytest.approx(0, abs=4 * found[f"{name}_error_A"]), (
            "a landscape does not contract"
        )
    assert alone.outputs.populations["n_li_ceramic"] == pytest.approx(INSIDE * CATIONS, abs=4)
    assert abs(INSIDE * CATIONS - expected[1]) > 4 * noise, "or the start would have been right"
