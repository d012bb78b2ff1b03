"""Molecules, their types and bonded terms, and the type table of a recipe."""

import math
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.electrolyte.emc_input import emc_field
from aiida_cse.building.electrolyte.molecules import anion_molecule, chain_molecule
from aiida_cse.building.electrolyte.typing import type_molecule
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.recipe import ForceFieldRecipe, Recipe, available_recipes, load_recipe
from aiida_cse.building.type_table import _refuse_net_charges, chemistry_of
from aiida_cse.forcefields import load_set
from aiida_cse.forcefields.include import read_pairs
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
    heading, line = differ
    assert heading[1] == "# Buckingham inside the ceramic (jalem-2015 zr_o=B)"
    assert "31502.78 0.3181" in line[1]
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


def test_missing_parameters_of_molecules_are_reported_at_once(recipe: Recipe) -> None:
    content = changed(recipe, "polymer.repeat_unit", "*CCOC*")
    content["salt"]["anion"]["smiles"] = TFSI.replace("FC(F)(F)", "CC", 1)
    with pytest.raises(ValueError, match="lacks parameters") as error:
        chemistry_of(Recipe.model_validate(content))
    message = str(error.value)
    assert "PEO: force-field set opls-aa-peo lacks parameters: type of C bonded to C, C, H, H" in message
    assert "TFSI: force-field set cl-p-2004 lacks parameters: type of C" in message


def test_all_missing_parameters_are_reported_with_their_surroundings(recipe: Recipe) -> None:
    """A ceramic, polymer and salt that the sets do not cover give one message with a line for each."""
    content = changed(recipe, "ceramic.structure.sites.1.species", "Ta")
    content["ceramic"]["framework"] = ["La", "Ta"]
    content["polymer"]["repeat_unit"] = "*CCOC*"
    content["salt"]["anion"]["smiles"] = TFSI.replace("FC(F)(F)", "CC", 1)
    full = load_set("jalem-2015").with_variants({}).model_dump(mode="json")
    content["forcefield"]["own_sets"] = {"mine": full | {"buckingham": full["buckingham"][1:2]}}
    content["forcefield"]["variants"] = {}
    content["forcefield"]["ceramic"] = "mine"
    with pytest.raises(ValueError, match="lacks parameters") as error:
        chemistry_of(Recipe.model_validate(content))
    ceramic, cross, polymer, anion = str(error.value).splitlines()
    assert ceramic == (
        "forcefield.ceramic: force-field set mine lacks parameters: type of Ta at [0.0, 0.0, 0.0];"
        " Buckingham Ta–O, O–O, O–Li"
    )
    assert cross == "forcefield.cross: force-field set uff-llzo lacks parameters: Lennard-Jones of Ta"
    assert polymer.startswith("PEO: force-field set opls-aa-peo lacks parameters: type of C bonded to C, C, H, H")
    assert anion.startswith("TFSI: force-field set cl-p-2004 lacks parameters: type of C")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "ceramic.structure.sites.2.species",
            "S",
            "forcefield.ceramic: force-field set jalem-2015 lacks parameters:"
            " type of S at [0.1003, 0.195, 0.2815]",
        ),
        (
            "forcefield.cross",
            "opls-aa-peo",
            "forcefield.cross: force-field set opls-aa-peo lacks parameters: Lennard-Jones of La;"
            " Lennard-Jones of Zr; Lennard-Jones of O",
        ),
        (
            "forcefield.salt",
            "opls-aa-peo",
            "forcefield.salt: force-field set opls-aa-peo lacks parameters: type of Li; Lennard-Jones of Li",
        ),
    ],
)
def test_missing_parameters_of_ions_are_reported_by_set(
    recipe: Recipe, path: str, value: str, message: str
) -> None:
    with pytest.raises(ValueError, match="lacks parameters") as error:
        chemistry_of(Recipe.model_validate(changed(recipe, path, value)))
    assert message in str(error.value).splitlines()


def test_terms_without_parameters_are_named(recipe: Recipe) -> None:
    full = load_set("opls-aa-peo")
    poor = full.model_copy(update={"angles": full.angles[:4], "dihedrals": full.dihedrals[1:], "lj": full.lj[1:]})
    problems: list[str] = []
    type_molecule("PEO", chain_molecule(recipe.polymer), poor, problems)
    expected = (
        "Lennard-Jones of OS; angle HC–CT–OS, of H(C)–C(C,H,H,O)–O(C,C);"
        " dihedral CT–CT–OS–CT, of C(C,H,H,H)–C(C,H,H,O)–O(C,C)–C(C,H,H,O)"
    )
    assert problems == [f"PEO: force-field set opls-aa-peo lacks parameters: {expected}"]


def test_a_charged_chain_is_refused(recipe: Recipe) -> None:
    full = load_set("opls-aa-peo")
    oxygen = full.atom_types[0].model_copy(update={"charge": -0.5})
    charged = full.model_copy(update={"atom_types": (oxygen, *full.atom_types[1:])})
    chain = type_molecule("PEO", chain_molecule(recipe.polymer), charged, [])
    anion = type_molecule("TFSI", anion_molecule(recipe.salt.anion), load_set("cl-p-2004"), [])
    with pytest.raises(ValueError, match=r"polymer: PEO has the charge -0\.7 e with set opls-aa-peo; must be 0"):
        _refuse_net_charges(recipe, chain, anion)


@pytest.fixture
def by_origin(recipe: Recipe) -> Recipe:
    return Recipe.model_validate(changed(recipe, "forcefield.lithium", "by-origin"))


def test_lithium_by_origin_has_two_types_of_one_species(by_origin: Recipe) -> None:
    chemistry = chemistry_of(by_origin)
    mobile = [entry for entry in chemistry.types if entry.phase == "both"]
    assert [(entry.label, entry.species, entry.charge) for entry in mobile] == [
        ("Li", "Li", 0.7),
        ("Li_salt", "Li", 0.7),
    ]
    assert chemistry.cation.types.tolist() == [chemistry.number("Li_salt")] == [5]


def test_lithium_by_origin_keeps_the_potential_of_its_phase(by_origin: Recipe, recipe: Recipe) -> None:
    rows = {row.labels: row for row in chemistry_of(by_origin).pairs}
    one = {row.labels: row for row in chemistry_of(recipe).pairs}
    inside = {"La", "Zr", "O", "Li"}
    for labels, row in rows.items():
        bound = set(labels) <= inside and "O" in labels
        assert row.style == ("buck/coul/long" if bound else "lj/cut/coul/long"), labels
        if "Li" in labels and set(labels) <= inside:
            assert row.coefficients == one[labels].coefficients, "the ceramic is the same"
    oxygen, own, cross = load_set("uff-llzo").lennard_jones("O"), (0.01828, 2.126), (0.025, 2.1836)
    assert rows["Li_salt", "Li_salt"].coefficients == own
    assert rows["O", "Li_salt"].coefficients == pytest.approx(
        (math.sqrt(oxygen.epsilon * own[0]), (oxygen.sigma + own[1]) / 2)
    )
    for label in ("OS", "OBT"):
        assert rows["Li_salt", label].coefficients == one["Li", label].coefficients, "and so is the electrolyte"
    assert rows["Li", "OS"].coefficients == pytest.approx((math.sqrt(cross[0] * 0.14), (cross[1] + 2.90) / 2))
    assert rows["Li", "OS"].source == "opls-aa-peo + uff-llzo"


def test_emc_uses_the_salt_s_own_lithium_type(by_origin: Recipe, recipe: Recipe) -> None:
    mine, theirs = (
        {entry.label: entry for entry in emc_field(chosen, chemistry_of(chosen)).types}
        for chosen in (by_origin, recipe)
    )
    assert (mine.keys() - theirs.keys(), theirs.keys() - mine.keys()) == ({"Li_salt"}, {"Li"})
    assert mine["Li_salt"].surroundings == theirs["Li"].surroundings


def test_lithium_by_origin_needs_the_ceramics_own_lennard_jones(recipe: Recipe) -> None:
    content = changed(recipe, "forcefield.lithium", "by-origin")
    full = load_set("uff-llzo").model_dump(mode="json")
    content["forcefield"]["cross"] = "no-li"
    content["forcefield"]["own_sets"] = {"no-li": full | {"lj": full["lj"][:-1]}}
    with pytest.raises(ValueError, match=r"forcefield\.cross: .* no-li lacks parameters: Lennard-Jones of Li$"):
        chemistry_of(Recipe.model_validate(content))
    content["forcefield"]["lithium"] = "one"
    chemistry_of(Recipe.model_validate(content))
    with pytest.raises(ValueError, match=r"forcefield\.lithium"):
        Recipe.model_validate(changed(recipe, "forcefield.lithium", "two"))


def test_lithium_s_parameters_are_chosen_by_name(recipe: Recipe) -> None:
    other = Recipe.model_validate(changed(recipe, "forcefield.variants", {"li_lj": "jensen-jorgensen-2006"}))
    chemistry = chemistry_of(other)
    row = next(row for row in chemistry.pairs if row.labels == ("Li", "OS"))
    assert row.coefficients == pytest.approx((math.sqrt(0.0005 * 0.14), (2.87 + 2.90) / 2))
    assert row.source == "cl-p-2004 li_lj=jensen-jorgensen-2006 + opls-aa-peo"
    assert any("Jensen" in citation for citation in chemistry.citations)
    assert not any("Åqvist" in citation for citation in chemistry.citations)


@pytest.mark.parametrize(
    ("smiles", "labels", "terms"),
    [
        (TFSI, {"CBT": 2, "FBT": 6, "SBT": 2, "NBT": 1, "OBT": 4}, (14, 25, 24)),
        ("[O-]S(=O)(=O)C(F)(F)F", {"CBT": 1, "FBT": 3, "SBT": 1, "OTF": 3}, (7, 12, 9)),
        ("FS(=O)(=O)[N-]S(=O)(=O)F", {"FSI": 2, "SBT": 2, "NBT": 1, "OBT": 4}, (8, 13, 6)),
    ],
)
def test_anions_of_the_family_are_typed_completely(
    recipe: Recipe, smiles: str, labels: dict[str, int], terms: tuple[int, int, int]
) -> None:
    content = changed(recipe, "salt.anion", {"name": "anion", "smiles": smiles})
    content["forcefield"]["salt"] = "cl-p-2017"
    chemistry = chemistry_of(Recipe.model_validate(content))
    found = Counter(chemistry.types[number - 1].label for number in chemistry.anion.types.tolist())
    assert found == labels
    assert tuple(len(chemistry.anion.topology[kind]) for kind in ("bonds", "angles", "dihedrals")) == terms
    charge = sum(chemistry.charges[number - 1] for number in chemistry.anion.types)
    assert charge == pytest.approx(-0.7, abs=1e-10)


def test_the_include_file_names_the_sets_by_checksum(recipe: Recipe) -> None:
    header = chemistry_of(recipe).forcefield.splitlines()[1:5]
    names = ("jalem-2015", "uff-llzo", "opls-aa-peo", "cl-p-2004")
    assert header == [f"# set {name}: md5 {load_set(name).md5}" for name in names]


def test_the_pair_table_is_read_back_from_the_include_file(recipe: Recipe) -> None:
    chemistry = chemistry_of(recipe)
    read = read_pairs(chemistry.forcefield)
    assert [(r.i, r.j, r.labels, r.style, r.rule, r.source) for r in read] == [
        (r.i, r.j, r.labels, r.style, r.rule, r.source) for r in chemistry.pairs
    ]
    for mine, theirs in zip(read, chemistry.pairs, strict=True):
        assert mine.coefficients == pytest.approx(theirs.coefficients, rel=1e-9)


def test_a_pair_without_rule_is_not_read() -> None:
    with pytest.raises(ValueError, match=r"line 2: 'pair_coeff 1 1 lj/cut 0\.1 3\.0' does not say of which pair"):
        read_pairs("units real\npair_coeff 1 1 lj/cut 0.1 3.0\n")


def test_a_recipe_may_contain_a_set(recipe: Recipe) -> None:
    propylene = load_recipe("llzo-ppo-litfsi-demo")
    chemistry = chemistry_of(propylene)
    labels = Counter(chemistry.types[number - 1].label for number in chemistry.chain.types.tolist())
    assert labels == {"OS": 6, "CT2": 6, "CT1": 6, "CT3": 8, "HCO": 18, "HC": 24}
    row = next(row for row in chemistry.pairs if row.labels == ("CT1", "CT1"))
    assert (row.coefficients, row.source) == ((0.066, 3.50), "opls-aa-ppo")
    own = propylene.forcefield.own_sets["opls-aa-ppo"]
    assert f"# set opls-aa-ppo: md5 {own.md5}" in chemistry.forcefield.splitlines()
    assert "opls-aa-ppo" in chemistry.sources


def test_the_set_of_the_how_to_is_that_of_the_recipe() -> None:
    page = Path(__file__).parents[2] / "docs" / "howto" / "forcefields.md"
    choice, own = re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    forcefield = yaml.safe_load(choice)["forcefield"] | yaml.safe_load(own)["forcefield"]
    mine = ForceFieldRecipe.model_validate(forcefield).sets().polymer
    shipped = load_recipe("llzo-ppo-litfsi-demo").forcefield.sets().polymer
    assert mine.model_copy(update={"confidence": "", "citations": ()}) == shipped.model_copy(
        update={"confidence": "", "citations": ()}
    )


@pytest.mark.parametrize("name", [name for name in available_recipes() if name.endswith("-demo")])
def test_every_small_recipe_builds_neutral(name: str) -> None:
    shipped = load_recipe(name)
    slab = build_slab(shipped)
    lx, ly = (float(edge) for edge in slab.data.lengths[:2])
    joined = assemble(cut_slab(slab, slab.data), build_electrolyte(shipped, lx, ly))
    assert abs(math.fsum(joined.data.charges)) < 1e-10
    assert 1000 < joined.info.natoms < 1200
