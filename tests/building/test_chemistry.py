"""Molecules, their types and bonded terms, and the one type table of a recipe."""

import math
from collections import Counter

import pytest

from aiida_cse.building.chains import chain_molecule
from aiida_cse.building.chemistry import _refuse_net_charges, chemistry_of
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.salt import anion_molecule
from aiida_cse.building.topology import type_molecule
from aiida_cse.forcefields import load_set
from tests.building.test_recipe import TFSI, changed


def test_the_chain_of_the_paper_has_148_atoms_and_all_its_terms(paper_recipe: Recipe) -> None:
    chain = chemistry_of(paper_recipe).chain
    assert chain.natoms == 148
    assert {kind: len(terms) for kind, terms in chain.topology.items()} == {
        "bonds": 147,
        "angles": 272,
        "dihedrals": 309,
        "impropers": 0,
    }


def test_the_chain_is_methyl_ended_ethylene_oxide(recipe: Recipe) -> None:
    chemistry = chemistry_of(recipe)
    labels = Counter(chemistry.types[number - 1].label for number in chemistry.chain.types.tolist())
    assert labels == {"OS": 7, "CT2": 14, "CT3": 2, "HCO": 28, "HC": 6}
    backbone = [chemistry.types[number - 1].label for number in chemistry.chain.types[:23].tolist()]
    assert backbone == ["CT3", *["CT2", "OS", "CT2"] * 7, "CT3"]


def test_the_anion_has_its_published_number_of_terms(recipe: Recipe) -> None:
    chemistry = chemistry_of(recipe)
    assert chemistry.anion.natoms == 15
    assert [len(chemistry.anion.topology[kind]) for kind in ("bonds", "angles", "dihedrals")] == [14, 25, 24]
    of_type = Counter(chemistry.anion.topology["dihedrals"][:, 0].tolist())
    assert sorted(of_type.values()) == [2, 4, 6, 12]


def test_one_type_table_in_the_documented_order(recipe: Recipe) -> None:
    types = chemistry_of(recipe).types
    phases = [entry.phase for entry in types]
    assert [entry.label for entry in types[:4]] == ["La", "Zr", "O", "Li"]
    assert phases == ["ceramic"] * 3 + ["both"] + ["electrolyte"] * 10 + ["wall"]
    assert [entry.species for entry in types[4:14]] == ["PEO"] * 5 + ["TFSI"] * 5
    assert types[-1].label == "W"
    assert types[-1].charge == 0.0


def test_charges_are_scaled_and_neutral(recipe: Recipe) -> None:
    chemistry = chemistry_of(recipe)
    charges = chemistry.charges
    assert charges[chemistry.number("Li") - 1] == 0.7
    assert math.fsum(charges[chemistry.chain.types - 1]) == pytest.approx(0, abs=1e-10)
    assert math.fsum(charges[chemistry.anion.types - 1]) == pytest.approx(-0.7, abs=1e-10)
    assert charges[chemistry.number("OS") - 1] == -0.4, "the polymer keeps its full charges"


def test_hydrogen_carries_the_mass_of_deuterium(recipe: Recipe) -> None:
    masses = {entry.label: entry.mass for entry in chemistry_of(recipe).types}
    assert masses["HCO"] == masses["HC"] == 2.014


def test_both_recipes_of_one_chemistry_have_the_same_types(recipe: Recipe, paper_recipe: Recipe) -> None:
    demo, paper = chemistry_of(recipe), chemistry_of(paper_recipe)
    assert demo.types == paper.types
    assert demo.pairs == paper.pairs
    assert demo.forcefield.splitlines()[1:] == paper.forcefield.splitlines()[1:]


def test_the_variant_changes_only_its_own_line(recipe: Recipe) -> None:
    other = Recipe.model_validate(changed(recipe, "forcefield.variants", {"zr_o": "B"}))
    mine, theirs = chemistry_of(recipe), chemistry_of(other)
    differ = [
        pair
        for pair in zip(mine.forcefield.splitlines(), theirs.forcefield.splitlines(), strict=True)
        if len({*pair}) > 1
    ]
    assert len(differ) == 1
    assert "31502.78 0.3181" in differ[0][1]
    assert "jalem-2015 zr_o=B" in theirs.sources


def test_another_polymer_is_another_recipe(recipe: Recipe) -> None:
    content = changed(
        recipe,
        "polymer",
        {
            "name": "glyme",
            "repeat_unit": "*OCC*",
            "end_groups": ["*C", "*OC"],
            "length": 4,
            "chains": 3,
        },
    )
    chemistry = chemistry_of(Recipe.model_validate(content))
    labels = Counter(chemistry.types[number - 1].label for number in chemistry.chain.types.tolist())
    assert labels == {"OS": 5, "CT2": 8, "CT3O": 2, "HCO": 22}
    assert "CT3" not in [entry.label for entry in chemistry.types]


def test_all_that_polymer_and_anion_lack_is_named_at_once(recipe: Recipe) -> None:
    content = changed(recipe, "polymer.repeat_unit", "*CCOC*")
    content["salt"]["anion"]["smiles"] = TFSI.replace("FC(F)(F)", "CC", 1)
    with pytest.raises(ValueError, match="lacks parameters") as error:
        chemistry_of(Recipe.model_validate(content))
    message = str(error.value)
    assert "PEO: force-field set opls-aa-peo lacks parameters: type of C bonded to C, C, H, H" in message
    assert "TFSI: force-field set cl-p-2004 lacks parameters: type of C" in message


def test_terms_without_parameters_are_named(recipe: Recipe) -> None:
    full = load_set("opls-aa-peo")
    poor = full.model_copy(update={"angles": full.angles[:4], "dihedrals": full.dihedrals[1:], "lj": full.lj[1:]})
    problems: list[str] = []
    type_molecule("PEO", chain_molecule(recipe.polymer), poor, problems)
    expected = "Lennard-Jones of OS; angle HC–CT–OS; dihedral CT–CT–OS–CT"
    assert problems == [f"PEO: force-field set opls-aa-peo lacks parameters: {expected}"]


def test_a_charged_chain_is_refused(recipe: Recipe) -> None:
    full = load_set("opls-aa-peo")
    oxygen = full.atom_types[0].model_copy(update={"charge": -0.5})
    charged = full.model_copy(update={"atom_types": (oxygen, *full.atom_types[1:])})
    chain = type_molecule("PEO", chain_molecule(recipe.polymer), charged, [])
    anion = type_molecule("TFSI", anion_molecule(recipe.salt), load_set("cl-p-2004"), [])
    with pytest.raises(ValueError, match=r"polymer: PEO has the charge -0\.7 e with set opls-aa-peo, must be 0"):
        _refuse_net_charges(recipe, chain, anion)
