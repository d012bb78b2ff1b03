"""Recipes: the shipped ones are valid, and a wrong one is refused by its field."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from aiida_cse.building.recipe import Recipe, available_recipes, load_recipe
from aiida_cse.forcefields import load_set

TFSI = "FC(F)(F)S(=O)(=O)[N-]S(=O)(=O)C(F)(F)F"


def changed(recipe: Recipe, path: str, value: Any) -> dict[str, Any]:
    """Return the recipe as a mapping with the value at ``path`` (dots, list indices) replaced or added."""
    content: dict[str, Any] = copy.deepcopy(recipe.model_dump(mode="json"))
    node: Any = content
    *parents, last = path.split(".")
    for key in parents:
        node = node[int(key) if isinstance(node, list) else key]
    node[int(last) if isinstance(node, list) else last] = value
    return content


@pytest.mark.parametrize("name", available_recipes())
def test_shipped_recipes_are_valid_and_survive_a_round_trip(name: str) -> None:
    shipped = load_recipe(name)
    assert shipped.name == name
    assert Recipe.model_validate(shipped.model_dump(mode="json")) == shipped


def test_the_paper_recipe_is_the_published_system(paper_recipe: Recipe) -> None:
    assert paper_recipe.ceramic.repeat == (3, 3, 3)
    assert paper_recipe.ceramic.shift == 0.9
    assert (paper_recipe.polymer.chains, paper_recipe.polymer.length, paper_recipe.salt.pairs) == (45, 20, 90)
    assert paper_recipe.forcefield.salt_charge_scale == 0.7


def test_the_demo_recipe_has_one_lithium_for_ten_ether_oxygens(recipe: Recipe) -> None:
    assert recipe.polymer.chains * recipe.polymer.length == 10 * recipe.salt.pairs


WRONG = [
    ("name", "a b", "name"),
    ("name", "../x", "name"),
    ("name", 'x"$(rm)', "name"),
    ("ceramic.repeat", [3, 3], "ceramic.repeat"),
    ("ceramic.repeat", [3, 3, 0], "ceramic.repeat.2"),
    ("ceramic.repeat", [3, 3, 2.5], "ceramic.repeat.2"),
    ("ceramic.repeat", [3, 3, True], "ceramic.repeat.2"),
    ("ceramic.miller", [0, 0, 0], "miller"),
    ("ceramic.shift", 1.2, "ceramic.shift"),
    ("ceramic.min_distance", -1.0, "ceramic.min_distance"),
    ("ceramic.flip", "yes", "ceramic.flip"),
    ("ceramic.mobile", "Na", "mobile = 'Na': is on no site of the structure"),
    ("ceramic.mobile", "La", "framework: 'La' must be an immobile species"),
    ("ceramic.framework", [], "ceramic.framework"),
    ("ceramic.framework", ["La", "Ti"], "framework: 'Ti'"),
    ("ceramic.structure.a", 0.1, "ceramic.structure.a"),
    ("ceramic.structure.a", float("nan"), "ceramic.structure.a"),
    ("ceramic.structure.spacegroup", "Ia-3d; shell rm", "ceramic.structure.spacegroup"),
    ("ceramic.structure.sites", [], "ceramic.structure.sites"),
    ("ceramic.structure.sites.3.occupancy", 0.0, "ceramic.structure.sites.3.occupancy"),
    ("ceramic.structure.sites.3.occupancy", 1.2, "ceramic.structure.sites.3.occupancy"),
    (
        "ceramic.structure.sites.0.occupancy",
        0.5,
        "structure.sites.0.occupancy = 0.5: La is in the framework, which has no disorder",
    ),
    ("ceramic.structure.sites.4.coords", [1.375, 0.0, 0.25], "ceramic.structure.sites.4.coords.0"),
    (
        "ceramic.structure.sites.4.coords",
        [0.125, 0.0, -0.75],
        r"sites\.4\.occupancy = 0\.448: Li fills the orbit of .* to 1\.448; at most 1",
    ),
    ("ceramic.dopant_distance", 5.0, "ceramic.dopant_distance"),
    ("ceramic.structure.sites.0.coords", [0.1, 0.2], "ceramic.structure.sites.0.coords"),
    ("ceramic.structure.sites.0.species", "la", "ceramic.structure.sites.0.species"),
    ("ceramic.structure.sites.0.species", "Ba", "framework: 'La'"),
    ("polymer.name", "li", "polymer.name = 'li': already names a species of the ceramic"),
    ("polymer.name", "TFSI", "salt.anion.name = 'TFSI': already names polymer.name"),
    ("polymer.name", "Wall", "polymer.name = 'Wall': already names the wall's dummy atoms"),
    ("polymer.name", "PEO-7", "polymer.name"),
    ("polymer.name", "7PEO", "polymer.name"),
    ("polymer.length", 0, "polymer.length"),
    ("polymer.length", "20", "polymer.length"),
    ("polymer.lenght", 20, "unknown key 'lenght'; did you mean 'length'"),
    ("polymer.chains", -3, "polymer.chains"),
    ("polymer.repeat_unit", "COC", "repeat_unit = 'COC': has 0 open ends"),
    ("polymer.repeat_unit", "*CO(C", "repeat_unit = .*: is not a valid SMILES"),
    ("polymer.repeat_unit", "*COC*;quit", "polymer.repeat_unit"),
    ("polymer.repeat_unit", "*=COC*", "repeat_unit"),
    ("polymer.end_groups", ["*C"], "polymer.end_groups"),
    ("polymer.end_groups", ["*C", "C"], "end_groups.1 = 'C': has 0 open ends"),
    ("polymer.end_groups", ["*C", "*C[NH3+]"], "end_groups.1 = .*: has the charge 1"),
    ("salt.cation", "Na", "salt.cation = 'Na': must be the ceramic's mobile species 'Li'"),
    ("salt.anion.smiles", "FC(F)(F)", "smiles = .*: has the charge 0; must be -1"),
    ("salt.anion.smiles", f"{TFSI}.[Li+]", "is more than one molecule"),
    ("salt.anion.name", "Li", "salt.anion.name = 'Li': already names a species of the ceramic"),
    ("salt.anion.name", "peo", "salt.anion.name = 'peo': already names polymer.name"),
    ("salt.anion.name", "TF-SI", "salt.anion.name"),
    ("salt.anion.name", "TFSI\n", "salt.anion.name"),
    ("salt.pairs", 0, "salt.pairs"),
    ("forcefield.ceramic", "jalem", "ceramic: there is no force-field set 'jalem'.*available: cl-p-2004"),
    ("forcefield.ceramic", "cl-p-2004", "variants: .*no variant 'zr_o' in .* cl-p-2004, uff-llzo.*; known: li_lj"),
    ("forcefield.own_sets", {"cl-p-2004": {}}, r"own_sets\s.*cl-p-2004: is the name of a shipped set"),
    ("forcefield.own_sets", {"mine": {"revises": "x"}}, "mine: there is no force-field set 'x'"),
    (
        "forcefield.own_sets",
        {"mine": {"title": "x"}},
        "mine.citations: is missing; mine.confidence: is missing",
    ),
    ("forcefield.own_sets", {"mine": 3}, "own_sets.mine"),
    ("forcefield.own_sets", {"a b": {"revises": "cl-p-2004"}}, "own_sets"),
    ("forcefield.own_sets", [1], "own_sets"),
    ("forcefield.variants", {"zr_o": "C"}, "variants: .*no option 'C' of zr_o; known: A, B"),
    ("forcefield.variants", {"li_lj": "dang"}, "no option 'dang' of li_lj; known: aqvist, emc-opls, jensen"),
    ("forcefield.variants", {"zro": "A"}, "variants: .*no variant 'zro' in .*; did you mean 'zr_o'"),
    ("forcefield.mixing", "geometric", "forcefield.mixing"),
    (
        "forcefield.salt_charge_scale",
        0.8,
        "forcefield.salt_charge_scale = 0.8: gives Li of the salt the charge 0.8",
    ),
    ("forcefield.salt_charge_scale", 0, "forcefield.salt_charge_scale"),
    ("forcefield.hydrogen_mass", 20.0, "forcefield.hydrogen_mass"),
    ("electrolyte.density", 3.0, "electrolyte.density"),
    ("electrolyte.padding", 0.0, "electrolyte.padding"),
    ("electrolyte.wall.spacing", 0.0, "electrolyte.wall.spacing"),
    ("seeds.slab", 0, "seeds.slab"),
    ("seeds.slab", 1.5, "seeds.slab"),
    ("seeds", {"slab": 1, "electrolyte": 2}, "seeds.velocities"),
    ("temperature", 700.0, "unknown key 'temperature'"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG, ids=[f"{path}={value}" for path, value, _ in WRONG])
def test_wrong_recipes_are_refused_naming_the_field(recipe: Recipe, path: str, value: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(changed(recipe, path, value))


def test_a_missing_part_is_named(recipe: Recipe) -> None:
    content = recipe.model_dump(mode="json")
    del content["salt"]
    with pytest.raises(ValidationError, match=r"salt\n  Field required"):
        Recipe.model_validate(content)


def test_unknown_recipe_names_the_shipped_ones() -> None:
    with pytest.raises(ValueError, match=r"no recipe 'llzo-peo'; did you mean .*available: .*demo"):
        load_recipe("llzo-peo")
    with pytest.raises(ValueError, match=r"there is no recipe file nowhere\.yaml"):
        load_recipe("nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "mine.yaml: not valid YAML"),
        ("- a\n- b\n", "mine.yaml: a recipe must be a mapping"),
        ("", "mine.yaml: a recipe must be a mapping"),
        ("nam: x\n", r"mine\.yaml: unknown key 'nam'; did you mean 'name'\?$"),
    ],
)
def test_files_without_a_recipe_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_recipe(path)


def test_a_recipe_file_is_read(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(yaml.safe_dump(changed(recipe, "name", "mine")))
    assert load_recipe(path).name == "mine"


def test_bonded_terms_of_a_ceramic_are_refused_by_name(recipe: Recipe) -> None:
    """A thiophosphate whose P-S bonds would be dropped; terms of a polymer in the same set are no concern."""
    own = load_set(recipe.forcefield.ceramic).model_dump(mode="json")
    polymer = {"atoms": ["CT", "OS"], "k": 300.0, "r0": 1.4}
    content = changed(recipe, "forcefield.own_sets", {"own": own | {"name": "own", "bonds": [polymer]}})
    content["forcefield"]["ceramic"] = "own"
    Recipe.model_validate(content)
    bond = {"atoms": ["Zr", "O"], "k": 300.0, "r0": 2.1}
    content["forcefield"]["own_sets"]["own"]["bonds"] = [polymer, bond]
    with pytest.raises(
        ValidationError, match=r"forcefield\.ceramic = 'own': it bonds .* \(bond Zr-O\), .* pair terms"
    ):
        Recipe.model_validate(content)
