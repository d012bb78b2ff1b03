"""A validation that is too short to be sure of anything: every part runs, and what is certain holds."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import InstalledCode, WorkChainNode

from aiida_cse.cli.cmd_site import write_figures
from aiida_cse.landscape.consistency import STATE_CHECKS, inconsistency
from aiida_cse.landscape.identities import RECOUNTS
from aiida_cse.landscape.model import Landscape
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.reduction.state import State
from aiida_cse.report.processes import findings_of
from aiida_cse.report.view import view_of
from aiida_cse.workchains.validate import CrossingValidationWorkChain, ValidationWorkChain

pytestmark = pytest.mark.integration

TINY = {
    "settings": {"ions": {"cations": 60, "anions": 20}, "reduced_barriers": [2.5, 3.0, 16.0], "shots": 300},
    "production": {
        "plan": {"length_ps": 80, "segment_ps": 80, "settings": {"restart_interval": 5000}},
        "sampling": {"block_ps": 4, "snapshot_ps": 4},
        "analysis": {"settings": {"start_ns": 0.02, "minimum_excess": 2}},
    },
}


@pytest.fixture(scope="module")
def validation(module_codes: dict[str, InstalledCode]) -> WorkChainNode:
    """The validation, run once for all tests of this module."""
    builder = ValidationWorkChain.get_builder_from_protocol(module_codes, seed=3, overrides=TINY)
    _, node = run_get_node(builder)
    assert isinstance(node, WorkChainNode)
    return node


def test_every_run_is_compared(validation: WorkChainNode) -> None:
    assert validation.exit_status in (0, 361)
    checks = validation.outputs.checks["checks"]
    assert {check["run"] for check in checks} == set(validation.outputs.runs)
    coldest = validation.outputs.runs[min(validation.outputs.runs)]
    assert coldest["transitions"]["s_in_li_ceramic"] == 0
    held = {check["quantity"]: check["holds"] for check in checks if check["run"] == min(validation.outputs.runs)}
    assert held["S_t"]
    assert held["N(Li, slab)"]


def test_both_starts_at_the_highest_temperature_are_judged(validation: WorkChainNode) -> None:
    judged = validation.outputs.second_start.starts
    assert len(judged["runs"]) == 2
    checks = {check["quantity"]: check for check in validation.outputs.checks["checks"]}
    assert checks["gap of two starts"]["expected"] == 30
    assert checks["gap of two starts"]["holds"]
    assert checks["gap of two starts, sum of layers"]["holds"]
    assert checks["equilibrated from both sides"]["found"] == float(
        judged["kind"] == "equilibrated from both sides"
    )


def test_ions_enter_as_often_as_the_reference_says(validation: WorkChainNode) -> None:
    rates = [check for check in validation.outputs.checks["checks"] if check["quantity"] == "Γ"]
    assert len(rates) == 2
    assert all(check["holds"] for check in rates), rates


def test_what_lammps_made_is_consistent_and_every_result_is_found_again(validation: WorkChainNode) -> None:
    found = validation.outputs.checks.get_dict()
    assert found["not_checked"] == []
    exact = [check for check in found["checks"] if "again" in check["quantity"] or "state, " in check["quantity"]]
    assert [check["quantity"] for check in exact if not check["holds"]] == []
    assert len(exact) == 3 * (len(RECOUNTS) + len(STATE_CHECKS)) + 1
    moved = [
        check
        for check in found["checks"]
        if "all layers" in check["quantity"] or "thermostat" in check["quantity"]
    ]
    assert len(moved) == 9
    assert all(check["holds"] for check in moved), moved


def wrong_centres(state: State) -> None:
    state.centres = state.centres + state.config.midplane_offset


def lost_events(state: State) -> None:
    state.tracks["core"].events = np.delete(state.tracks["core"].events, np.s_[::20], axis=0)


def empty_charge(state: State) -> None:
    state.streams["charge"][:] = 0


def shifted_points(state: State) -> None:
    state.point_histograms = np.roll(state.point_histograms, 1, axis=-1)


@pytest.mark.parametrize(
    ("plant", "seen"),
    [
        (wrong_centres, {"motion of the slab"}),
        (lost_events, {"labels"}),
        (empty_charge, {"numbers of atoms", "places of ions"}),
        (shifted_points, {"places of ions"}),
    ],
)
def test_a_fault_in_a_state_is_seen_without_statistics(
    validation: WorkChainNode, plant: Any, seen: set[str]
) -> None:
    landscape = Landscape.model_validate(validation.outputs.landscape.get_dict())
    settings = ValidationSettings.model_validate(validation.inputs.settings.get_dict())
    run = validation.outputs.runs[max(validation.outputs.runs)]
    state = deepcopy(run["reduction"].get_state())
    plan = validation.inputs.production.plan.get_dict() | {"temperature": run["transitions"]["temperature_K"]}

    def failing() -> set[str]:
        with np.errstate(invalid="ignore"):
            return {name for name in STATE_CHECKS if inconsistency(name, state, landscape, settings.ions, plan)[0]}

    assert failing() == set()
    plant(state)
    assert failing() == seen


def test_there_are_two_figures_and_a_table(validation: WorkChainNode, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("exchange.svg", "exchange.png", "rates.svg", "rates.png")]
    assert list(write_figures(validation, tmp_path, ("exchange", "rates"))) == [f"wrote {path}" for path in paths]
    assert all(path.stat().st_size > 10_000 for path in paths)
    known = next(
        section for section in view_of(findings_of(validation)).sections if section.title == "Known and found"
    )
    assert len(known.rows) == len(validation.outputs.checks["checks"])


@pytest.mark.long
def test_a_small_crossing_is_compared_with_the_exact_one(module_codes: dict[str, InstalledCode]) -> None:
    small = {"ladders": 4, "window_ps": 8, "rounds": 1, "structures": 2, "starts": 20}
    builder = CrossingValidationWorkChain.get_builder_from_protocol(module_codes, 3, overrides={"plan": small})
    _, node = run_get_node(builder)
    assert isinstance(node, WorkChainNode)
    assert node.exit_status in (0, 361), node.exit_message
    (section,) = [one for one in view_of(findings_of(node)).sections if one.title == "Known and found"]
    assert len(section.rows) == 7
    made: Any = node.outputs.checks.creator
    assert made.inputs.landscape.uuid == node.outputs.landscape.uuid
    assert made.inputs.crossing.uuid == node.outputs.crossing.uuid
