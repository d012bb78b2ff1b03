"""Both front ends of EMC in use make a build script from the setup script and field."""

import re
import subprocess
from pathlib import Path

import pytest

from aiida_cse.building.electrolyte.emc_input import BUILD_SCRIPT, emc_files
from aiida_cse.building.recipe import Recipe, load_recipe
from tests.emc import emc_script

pytestmark = pytest.mark.integration

MORE_THAN_METHYL = {"repeat_unit": "*CCO*", "end_groups": ["*OC", "*C"]}


@pytest.fixture(scope="module", params=["emc.pl", "emc_setup.pl"])
def front_end(request: pytest.FixtureRequest) -> Path:
    return emc_script(request.param)


def build_script(front_end: Path, recipe: Recipe, folder: Path) -> str:
    """Return the build script with single blanks as white space."""
    for name, text in emc_files(recipe, 12.97, 13.5).items():
        (folder / name).write_text(text)
    done = subprocess.run(
        ["perl", front_end, "electrolyte.esh"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Error" not in done.stdout + done.stderr
    assert "Warning" not in done.stdout + done.stderr
    return re.sub(r"\s+", " ", (folder / BUILD_SCRIPT).read_text())


@pytest.mark.parametrize("name", ["llzo-peo-litfsi", "llzo-ppo-litfsi-demo", "llzo-peo-lifsi-demo"])
def test_the_build_script_holds_the_recipe(front_end: Path, name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    script = build_script(front_end, recipe, tmp_path)
    polymer, salt = recipe.polymer, recipe.salt
    counts = {"chains": polymer.chains, "cations": salt.pairs, "anions": salt.pairs}
    for cluster, count in counts.items():
        assert f"f_{cluster} -> {count}," in script
    for group, smiles in (("monomer", polymer.repeat_unit), ("terminal", "*C"), ("anion", salt.anion.smiles)):
        assert f'chem_{group} -> "{smiles}"' in script
    assert f"seed -> {recipe.seeds.electrolyte}," in script
    assert f"nrepeat -> {{{polymer.length}, 2}}" in script
    assert "mode -> opls" in script
    assert re.search(r'name -> \{location1?\+field\+".prm", location1?\+field\+".top"\}', script)
    assert 'field -> "./electrolyte"' in script


def test_a_chain_runs_from_head_to_tail(front_end: Path, recipe: Recipe, tmp_path: Path) -> None:
    content = recipe.model_dump(mode="json")
    content["polymer"] |= MORE_THAN_METHYL
    script = build_script(front_end, Recipe.model_validate(content), tmp_path)
    found = re.findall(r"\{source -> (\$end\d), destination -> \{(\w+), (\$end\d)\}\}", script)
    assert set(found) == {
        ("$end1", "monomer", "$end2"),
        ("$end2", "monomer", "$end1"),
        ("$end1", "head", "$end1"),
        ("$end2", "tail", "$end1"),
        ("$end1", "monomer", "$end1"),
    }
    assert "groups -> {monomer, head, tail}" in script
    assert "nrepeat -> {7, 1, 1}" in script


def test_emc_setup_uses_the_recipe_s_box(front_end: Path, recipe: Recipe, tmp_path: Path) -> None:
    script = build_script(front_end, recipe, tmp_path)
    lengths = "lxx -> 12.97, lyy -> 13.5, lzz -> 108.7956518"
    assert script.count(" build = {") == 1, "the front end's own, for a box with two equal edges, is left out"
    assert script.index("lbox ->") < script.index(lengths) < script.index(" build = {")
    assert script.index(" build = {") < script.index("lammps = {name -> output, mode -> put, forcefield -> opls")
