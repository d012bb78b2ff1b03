"""A set of one's own, from its file to what the builder made of it: provenance and cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from aiida import orm
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching
from click.testing import CliRunner

from aiida_cse.building.recipe import load_recipe
from aiida_cse.calculations.build import BuildCalculation
from aiida_cse.cli import main
from aiida_cse.data.forcefield import CseForceFieldData, find_forcefield
from aiida_cse.workchains.common.builders import build_inputs, recipe_node

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("aiida_profile_clean")]

MINE: dict[str, Any] = {
    "revises": "opls-aa-peo",
    "title": "OPLS-AA with another oxygen",
    "citations": ["A. Author, A Journal 2026, 1, 1"],
    "confidence": "made up for a test",
    "lj": [{"type": "OS", "epsilon": 0.15, "sigma": 2.9}],
}


@pytest.fixture
def polymer(tmp_path: Path) -> CseForceFieldData:
    """The set as the command takes it in."""
    path = tmp_path / "opls-mine.yaml"
    path.write_text(yaml.safe_dump(MINE), encoding="utf-8")
    done = CliRunner().invoke(main, ["forcefield", "import", str(path)])
    assert done.exit_code == 0, done.output
    return find_forcefield("opls-mine")


def build(lmp: orm.InstalledCode, cse: orm.InstalledCode, polymer: str) -> orm.CalcJobNode:
    content = load_recipe("llzo-peo-litfsi-demo").model_dump(mode="json")
    content["forcefield"]["polymer"] = polymer
    inputs = build_inputs({"lammps": lmp, "cse": cse}, recipe_node(content), {}, None)
    _, job = run_get_node(BuildCalculation, component="slab", **inputs)
    assert job.is_finished_ok, job.exit_message
    return job


def test_what_is_built_leads_back_to_the_imported_set(
    lmp: orm.InstalledCode, cse: orm.InstalledCode, polymer: CseForceFieldData
) -> None:
    first = build(lmp, cse, "opls-mine")
    system = first.outputs.system
    assert system.creator.inputs.forcefield.polymer.uuid == polymer.uuid
    assert system.info.forcefield_md5["opls-mine"] == polymer.md5
    assert f"# set opls-mine: md5 {polymer.md5}" in system.forcefield
    assert {node.md5 for node in first.inputs.forcefield.values()} == set(system.info.forcefield_md5.values())

    with enable_caching(identifier="aiida.calculations:cse.*"):
        again, other = build(lmp, cse, polymer.uuid), build(lmp, cse, "opls-aa-peo")
    assert again.base.caching.is_created_from_cache, "it is the same set, by name or by UUID"
    assert not other.base.caching.is_created_from_cache
    assert other.outputs.system.lammps_data == system.lammps_data, "the slab does not depend on the polymer"
    assert other.outputs.system.forcefield != system.forcefield
