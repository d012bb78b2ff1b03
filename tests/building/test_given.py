"""Crystals from elsewhere: CIF and pymatgen structures give the slab that the recipe's own words give."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pymatgen.io.cif import CifWriter
from scipy.spatial import cKDTree

from aiida_cse.building.crystal import pymatgen_crystal
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.building.slab import build_slab
from aiida_cse.lammps.system import System
from aiida_cse.validation import located

CRYSTALS = Path(__file__).parent / "crystals"


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
def test_the_same_crystal_is_the_same_slab_however_it_is_told(
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


def test_a_site_that_two_species_share_is_two_sites(recipe: Recipe, crystal: Any) -> None:
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
        ({"cif": "LLZO.cif"}, "cif: 'LLZO.cif' is not the text of a CIF; in a recipe file it is the name"),
        ({"cif": 5}, "cif: 5 is not the text of a CIF"),
        ({"cif": "data_x\n_cell_length_a 1\n"}, "cif: no crystal can be read from it"),
        ({"cif": "data_x\n", "a": 12.97}, "cif: a CIF says all of a crystal; leave out a"),
        ({"lattice": 3}, "it is not the as_dict"),
        ({"lattice": {}, "sites": []}, "it is not the as_dict"),
    ],
)
def test_what_is_no_crystal_is_refused(recipe: Recipe, structure: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message), located("recipe"):
        Recipe.model_validate(with_structure(recipe, structure))


def test_a_cif_without_its_symmetry_operations_is_refused(recipe: Recipe) -> None:
    lines = (CRYSTALS / "t-llzo.cif").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.endswith("'") or "_" in line)
    assert "_symmetry_equiv_pos_as_xyz" in text
    text = text.replace("loop_\n _symmetry_equiv_pos_site_id\n _symmetry_equiv_pos_as_xyz\n", "")
    with pytest.raises(ValueError, match="cif: its symmetry operations are not listed"), located("recipe"):
        Recipe.model_validate(with_structure(recipe, {"cif": text}))


def test_a_cif_with_two_crystals_is_refused(recipe: Recipe) -> None:
    text = (CRYSTALS / "t-llzo.cif").read_text()
    both = text + text.replace("data_Li7La3Zr2O12", "data_other")
    with pytest.raises(ValueError, match="cif: it holds 2 crystals"), located("recipe"):
        Recipe.model_validate(with_structure(recipe, {"cif": both}))


def test_a_cif_that_is_not_there_is_refused_with_its_place(tetragonal: Path) -> None:
    (tetragonal.parent / "t-llzo.cif").unlink()
    with pytest.raises(ValueError, match=r"tetragonal.yaml: ceramic.structure.cif: .*t-llzo.cif: cannot be read"):
        load_recipe(tetragonal)
