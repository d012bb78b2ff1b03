"""CIF and pymatgen structures give the same slab as the crystal written out in the recipe."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure
from pymatgen.io.cif import CifWriter
from scipy.spatial import cKDTree

from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.crystal.convert import as_crystal
from aiida_cse.building.crystal.model import CrystalStructure, pymatgen_crystal
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.lammps.files.system import System
from aiida_cse.schema import located

CRYSTALS = Path(__file__).parents[1] / "crystals"


def with_structure(recipe: Recipe, structure: Any) -> dict[str, Any]:
    content = recipe.model_dump(mode="json")
    content["ceramic"]["structure"] = structure
    return content


def tree(system: System, label: str) -> cKDTree:
    numbers = system.info.type_numbers(labels=(label,))
    positions = np.mod(system.data.positions[np.isin(system.data.types, numbers)], system.data.lengths)
    return cKDTree(positions, boxsize=system.data.lengths)


@pytest.fixture(scope="module")
def crystal(recipe: Recipe) -> Any:
    return pymatgen_crystal(recipe.ceramic.structure)


@pytest.mark.parametrize("how", ["structure", "as_dict", "cif", "cif with symmetry"])
def test_every_description_of_a_crystal_gives_the_same_slab(
    how: str, recipe: Recipe, slab: System, crystal: Any
) -> None:
    told = {
        "structure": crystal,
        "as_dict": crystal.as_dict(),
        "cif": {"cif": str(CifWriter(crystal))},
        "cif with symmetry": {"cif": str(CifWriter(crystal, symprec=0.01))},
    }[how]
    other = Recipe.model_validate(with_structure(recipe, told))
    sites = {(site.species, site.occupancy): len(site.coords) for site in other.ceramic.structure.sites}
    assert sites == {("La", 1): 24, ("Zr", 1): 16, ("O", 1): 96, ("Li", 0.542): 24, ("Li", 0.448): 96}
    found = build_slab(other)
    assert found.info.composition == slab.info.composition
    assert [entry.label for entry in found.info.types][-12:] == [entry.label for entry in slab.info.types][-12:]
    assert found.info.slab is not None
    assert found.info.slab.lithium == 112
    for label in ("La", "Zr", "O"):
        assert tree(slab, label).query(tree(found, label).data)[0].max() < 1e-6, label
    assert Recipe.model_validate(other.model_dump(mode="json")) == other, "it is written out whole"


def test_a_site_shared_by_two_species_becomes_two_sites(recipe: Recipe, crystal: Any) -> None:
    mixed = crystal.copy()
    mixed.replace_species({"Zr": {"Zr": 0.75, "Ta": 0.25}})
    content = with_structure(recipe, mixed)
    content["ceramic"]["framework"] = ["La"]
    sites = Recipe.model_validate(content).ceramic.structure.sites
    shared = [site for site in sites if site.species in ("Zr", "Ta")]
    assert [(site.species, site.occupancy, len(site.coords)) for site in shared] == [
        ("Zr", 0.75, 16),
        ("Ta", 0.25, 16),
    ]
    assert shared[0].coords == shared[1].coords


@pytest.fixture
def tetragonal(tmp_path: Path, recipe: Recipe) -> Path:
    """A recipe file with a CIF beside it: ordered, tetragonal LLZO, cut at (110)."""
    shutil.copy(CRYSTALS / "t-llzo.cif", tmp_path)
    content = with_structure(recipe, {"cif": "t-llzo.cif"})
    content["ceramic"] |= {"miller": [1, 1, 0], "repeat": [1, 2, 1], "shift": 0.05}
    path = tmp_path / "tetragonal.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_recipe_file_names_a_cif_beside_it(tetragonal: Path) -> None:
    slab = build_slab(load_recipe(tetragonal))
    assert {label: count for label, count in slab.info.composition.items() if count} == {
        "La": 96,
        "Zr": 64,
        "O": 384,
        "Li": 224,
    }
    np.testing.assert_allclose(slab.data.lengths, [13.134 * 2**0.5, 2 * 12.663, 13.134 * 2**0.5])
    zr_o = tree(slab, "O").query(tree(slab, "Zr").data, k=7)[0]
    la_o = tree(slab, "O").query(tree(slab, "La").data, k=9)[0]
    assert zr_o[:, 5].max() == pytest.approx(2.11, abs=0.01)
    assert zr_o[:, 6].min() > 3.9
    assert la_o[:, 7].max() < 2.64
    assert la_o[:, 8].min() > 4.1


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        ({"cif": "LLZO.cif"}, "cif: 'LLZO.cif' is not the text of a CIF; in a recipe file, give the name"),
        ({"cif": 5}, "cif: 5 is not the text of a CIF"),
        ({"cif": "data_x\n_cell_length_a 1\n"}, "cif: holds 0 crystals"),
        ({"cif": "LLZO\n"}, "cif: not a CIF: line 1: expected block header"),
        ({"cif": ""}, "cif: is empty; give a CIF with one crystal"),
        ({"cif": "data_x\n", "a": 12.97}, "cif: a CIF describes the whole crystal; leave out a"),
        ({"lattice": 3}, "not the as_dict"),
        ({"lattice": {}, "sites": []}, "not the as_dict"),
        ({"lattice": {"matrix": [[1, 0, 0], [2, 0, 0], [0, 0, 1]]}, "sites": []}, "lattice vectors span no cell"),
    ],
)
def test_an_invalid_crystal_is_refused(recipe: Recipe, structure: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message), located("recipe"):
        Recipe.model_validate(with_structure(recipe, structure))


#: the second of the symmetry operations, and the first atom, of the file
OPERATION, ATOM = "'-y, x+1/2, z+1/4'", "  Li  Li0  32  0.07960000  0.83630000  0.93490000  1"


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ("_symmetry_equiv_pos_as_xyz", "_symmetry_equiv_pos_as", "symmetry operations are not listed"),
        (f"  2  {OPERATION}\n", "", "operations cannot be used: symops list is incorrect or incomplete"),
        (OPERATION, "'-y, x+1/2'", "operations cannot be used: .* expected exactly two commas"),
        (OPERATION, "'-y, x+1/3, z+1/4'", "operations cannot be used"),
        ("number   142", "number   230", "operations cannot be used: space group number"),
        ("  Zr  Zr5", "  Vac  Vac1", "the atom 'Vac1' of type 'Vac' has no element"),
        ("  O  O6", "  OH  OH1", "the atom 'OH1' of type 'OH' has no element"),
        (ATOM, f"{ATOM}.5", r"the atom 'Li0' has the occupancy 1\.5; must be between 0 and 1"),
        (
            f"{ATOM}\n",
            "",
            "the atoms are .*Li24.*, but _chemical_formula_sum is 'Li56 La24 Zr16 O96'",
        ),
        ("'Li56 La24 Zr16 O96'", "'Li56 La24 ('", "is not a formula"),
    ],
)
def test_an_ambiguous_or_contradictory_cif_is_refused(
    recipe: Recipe, written: str, instead: str, message: str
) -> None:
    text = (CRYSTALS / "t-llzo.cif").read_text()
    assert written in text
    with pytest.raises(ValueError, match=message), located("recipe"):
        Recipe.model_validate(with_structure(recipe, {"cif": text.replace(written, instead)}))


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("_symmetry_equiv_pos_as_xyz", "_Symmetry_Equiv_Pos_As_XYZ"),
        ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz"),
        ("data_Li7La3Zr2O12", "data_global\n_journal_year 2009\ndata_I"),
        (ATOM, f"{ATOM[:-1]}."),
        ("  O  O6", "  O2-  O6"),
        ("_chemical_formula_sum   'Li56 La24 Zr16 O96'", "_chemical_formula_sum   ?"),
    ],
)
def test_equivalent_cifs_give_one_crystal(recipe: Recipe, written: str, instead: str) -> None:
    text = (CRYSTALS / "t-llzo.cif").read_text()
    assert written in text
    found, expected = (
        Recipe.model_validate(with_structure(recipe, {"cif": told})).ceramic.structure
        for told in (text.replace(written, instead), text)
    )
    assert found == expected


def test_a_cif_with_two_crystals_is_refused(recipe: Recipe) -> None:
    text = (CRYSTALS / "t-llzo.cif").read_text()
    both = text + text.replace("data_Li7La3Zr2O12", "data_other")
    with pytest.raises(ValueError, match=r"cif: holds 2 crystals \(Li7La3Zr2O12, other\)"), located("recipe"):
        Recipe.model_validate(with_structure(recipe, {"cif": both}))


def test_only_cell_and_places_of_a_mapping_are_read(recipe: Recipe, crystal: Any) -> None:
    told = crystal.as_dict()
    told["sites"][0]["properties"] = {"anything": {"@module": "antigravity", "@class": "Any"}}
    Recipe.model_validate(with_structure(recipe, told))
    assert "antigravity" not in sys.modules


def test_charges_of_one_element_share_its_place(recipe: Recipe, crystal: Any) -> None:
    charged = crystal.copy()
    charged.replace_species({"O": {"O2-": 0.5, "O-": 0.5}})
    structure = Recipe.model_validate(with_structure(recipe, charged)).ceramic.structure
    oxygen = [(site.occupancy, len(site.coords)) for site in structure.sites if site.species == "O"]
    assert oxygen == [(1.0, 96)]


def test_thirds_and_sixths_fill_a_place(recipe: Recipe, crystal: Any) -> None:
    mixed = crystal.copy()
    mixed.replace_species({"Zr": {"Zr": 2 / 3, "Ta": 1 / 6, "Nb": 1 / 6}})
    content = with_structure(recipe, mixed)
    content["ceramic"]["framework"] = ["La"]
    assert {"Zr", "Ta", "Nb"} <= set(Recipe.model_validate(content).ceramic.species)


def test_a_left_handed_cell_keeps_the_hand_of_its_crystal() -> None:
    quartz = Structure.from_spacegroup(
        "P3_121",
        Lattice.hexagonal(4.913, 5.405),
        ["Si", "O"],
        [[0.4697, 0, 1 / 3], [0.4135, 0.2669, 0.1191 + 1 / 3]],
    )
    turned = Structure(
        quartz.lattice.matrix[[1, 0, 2]], quartz.species, quartz.frac_coords[:, [1, 0, 2]], to_unit_cell=True
    )
    assert np.linalg.det(turned.lattice.matrix) < 0
    hands = []
    for crystal in (quartz, turned):
        described: Any = as_crystal(crystal)
        found = pymatgen_crystal(CrystalStructure.model_validate(described))
        hands.append(handedness(found))
    assert abs(hands[0]) > 0.1
    assert hands[1] == pytest.approx(hands[0], rel=1e-3)


def handedness(crystal: Any) -> float:
    """Return the triple product of bonds O–Si–O along the chains, whose sign is that of the crystal's hand."""
    total = 0.0
    for site in crystal:
        if site.specie.symbol != "O":
            continue
        first, second = sorted(crystal.get_neighbors(site, 1.8), key=lambda near: near.nn_distance)
        for near in crystal.get_neighbors(second, 1.8):
            if np.linalg.norm(near.coords - site.coords) > 0.1:
                a, b, c = site.coords - first.coords, second.coords - site.coords, near.coords - second.coords
                total += float(np.dot(a, np.cross(b, c)))
    return total


def test_a_missing_cif_is_refused_with_its_path(tetragonal: Path) -> None:
    (tetragonal.parent / "t-llzo.cif").unlink()
    with pytest.raises(ValueError, match=r"tetragonal.yaml: ceramic.structure.cif: 't-llzo.cif' must be the name"):
        load_recipe(tetragonal)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; give a CIF with one crystal"),
        ("\n \n", "is empty; give a CIF with one crystal"),
        ("data_x\n_cell_length_a 1\nLLZO 3\n", "not a CIF: line 3: parse error"),
        ("data_x\n_cell_length_a 1\n", "holds 0 crystals; give a single one"),
    ],
)
def test_a_fault_of_a_cif_names_that_file(tetragonal: Path, text: str, message: str) -> None:
    path = tetragonal.parent / "t-llzo.cif"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {message}')}"):
        load_recipe(tetragonal)


@pytest.mark.parametrize("name", ["../t-llzo.cif", "/etc/hostname", "/dev/stdin", "nothing.cif", "."])
def test_a_recipe_file_reads_only_files_beside_it(tetragonal: Path, name: str) -> None:
    content = yaml.safe_load(tetragonal.read_text())
    content["ceramic"]["structure"] = {"cif": name}
    tetragonal.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=f"{name!r} must be the name of a file beside the recipe"):
        load_recipe(tetragonal)


def test_a_byte_order_mark_is_no_part_of_a_file(tetragonal: Path) -> None:
    path = tetragonal.parent / "t-llzo.cif"
    path.write_text("\ufeff" + path.read_text(), encoding="utf-8")
    assert load_recipe(tetragonal).ceramic.structure.parameters == (13.134, 13.134, 12.663, 90, 90, 90)
