"""A validation that is too short to be sure of anything: every part runs, and what is certain holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiida.engine import run_get_node
from aiida.orm import InstalledCode, WorkChainNode

from aiida_cse.cli.display.results import check_table
from aiida_cse.report.validation import write_figures
from aiida_cse.workchains.validate import ValidationWorkChain

pytestmark = pytest.mark.integration

TINY = {
    "settings": {"ions": {"cations": 60, "anions": 20}, "reduced_barriers": [2.5, 3.0, 16.0], "shots": 500},
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


def test_ions_enter_as_often_as_the_reference_says(validation: WorkChainNode) -> None:
    rates = [check for check in validation.outputs.checks["checks"] if check["quantity"] == "Γ"]
    assert len(rates) == 2
    assert all(check["holds"] for check in rates), rates


def test_there_are_two_figures_and_a_table(validation: WorkChainNode, tmp_path: Path) -> None:
    paths = write_figures(validation, tmp_path)
    assert [path.name for path in paths] == ["exchange.svg", "exchange.png", "rates.svg", "rates.png"]
    assert all(path.stat().st_size > 10_000 for path in paths)
    checks = validation.outputs.checks["checks"]
    assert check_table(checks).row_count == len(checks)
