"""The electrolyte as built: counts, neutrality, whole molecules along z, the wall."""

import hashlib
import math

import numpy as np
import pytest
from scipy.spatial import cKDTree

from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.electrolyte.packing import PackingRegion, wall_positions
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.lammps.files.system import WALL_MOLECULE, System
from tests.building.test_recipe import changed


def test_counts_of_the_demo(electrolyte: System) -> None:
    composition = electrolyte.info.composition
    assert sum(composition.values()) - composition["W"] == 682
    assert composition["Li"] == 7
    assert composition["W"] == 25
    assert len(electrolyte.data.topology["bonds"]) == 10 * 56 + 7 * 14
    assert electrolyte.info.phase == "electrolyte"
    assert electrolyte.data.velocities is None


def test_counts_of_the_paper_without_building_it(paper_recipe: Recipe) -> None:
    chemistry = chemistry_of(paper_recipe)
    chains, pairs = paper_recipe.polymer.chains, paper_recipe.salt.pairs
    atoms = chains * chemistry.chain.natoms + pairs * (chemistry.anion.natoms + 1)
    bonds = chains * len(chemistry.chain.topology["bonds"]) + pairs * len(chemistry.anion.topology["bonds"])
    angles = chains * len(chemistry.chain.topology["angles"]) + pairs * len(chemistry.anion.topology["angles"])
    assert (atoms, atoms + 5184, bonds, angles) == (8100, 13284, 7875, 14490)


def test_the_slab_is_neutral(electrolyte: System) -> None:
    assert abs(math.fsum(electrolyte.data.charges)) < 1e-10


def test_molecules_are_numbered_chains_cations_anions(electrolyte: System) -> None:
    data = electrolyte.data
    ids, sizes = np.unique(data.molecules, return_counts=True)
    assert ids.tolist() == [WALL_MOLECULE, *range(2, 26)]
    assert sizes.tolist() == [25, *[57] * 10, *[1] * 7, *[15] * 7]
    for terms in data.topology.values():
        members = data.molecules[terms[:, 1:] - 1]
        assert (members == members[:, :1]).all(), "no term joins two molecules"


def test_every_molecule_is_whole_along_z_and_inside_the_padding(electrolyte: System, recipe: Recipe) -> None:
    data = electrolyte.data
    molecules = data.molecules != WALL_MOLECULE
    z = data.unwrapped[molecules, 2]
    assert (data.images[:, 2] == 0).all()
    assert z.min() >= recipe.electrolyte.padding - 1e-9
    assert z.max() <= data.box[2, 1] - recipe.electrolyte.padding + 1e-9
    assert ((data.positions >= data.box[:, 0]) & (data.positions < data.box[:, 1])).all()


def test_bonds_have_the_lengths_of_their_shapes(electrolyte: System) -> None:
    data = electrolyte.data
    ends = data.topology["bonds"][:, 1:] - 1
    lengths = np.linalg.norm(data.unwrapped[ends[:, 0]] - data.unwrapped[ends[:, 1]], axis=1)
    assert lengths.min() > 0.9
    assert lengths.max() < 2.0


def test_the_layer_has_the_density_of_the_recipe(electrolyte: System, recipe: Recipe) -> None:
    data = electrolyte.data.select(electrolyte.data.molecules != WALL_MOLECULE)
    lx, ly, lz = data.lengths
    mass = data.masses[data.types - 1].sum()
    assert mass * 1.66053906660 / (lx * ly * (lz - 2 * recipe.electrolyte.padding)) == pytest.approx(0.5)


def test_the_wall_is_a_flat_commensurate_grid() -> None:
    wall = wall_positions(38.91, 12.97, 2.594)
    assert len(wall) == 15 * 5
    assert (wall[:, 2] == 0).all()
    assert cKDTree(wall, boxsize=[38.91, 12.97, 10.0]).query(wall, k=2)[0][:, 1] == pytest.approx(2.594)
    assert len(wall_positions(1.0, 1.0, 2.594)) == 1


def test_the_electrolyte_is_a_function_of_its_seed(recipe: Recipe, electrolyte: System) -> None:
    def md5(system: System) -> str:
        return hashlib.md5(system.data.format().encode()).hexdigest()

    lx, ly = (float(edge) for edge in electrolyte.data.lengths[:2])
    assert md5(build_electrolyte(recipe, lx, ly)) == md5(electrolyte)
    other = Recipe.model_validate(changed(recipe, "seeds.electrolyte", 7))
    assert md5(build_electrolyte(other, lx, ly)) != md5(electrolyte)


def test_molecules_that_do_not_fit_are_refused(recipe: Recipe) -> None:
    few = changed(recipe, "polymer.chains", 1)
    few["salt"]["pairs"] = 1
    with pytest.raises(ValueError, match=r"electrolyte\.density = 0\.5: .* PEO does not fit; lower the density"):
        build_electrolyte(Recipe.model_validate(few), 60.0, 60.0)


@pytest.mark.parametrize("edge", [0.0, -1.0, 4.9, 1e5, float("inf"), float("nan")])
def test_a_cross_section_that_is_none_is_refused(recipe: Recipe, edge: float) -> None:
    with pytest.raises(ValueError, match=r"lx, ly = .*: edges of the cross-section must be 5 to 10000 Å"):
        build_electrolyte(recipe, edge, 12.97)


def test_placement_avoids_what_is_placed_and_its_own_images() -> None:
    rng = np.random.default_rng(5)
    layer = PackingRegion(12.0, 12.0, bottom=2.0, top=42.0)
    rod = np.column_stack([np.zeros(10), np.zeros(10), np.linspace(-5.4, 5.4, 10)])
    placed = [layer.place(rod, rng) for _ in range(8)]
    assert all(positions is not None for positions in placed)
    wrapped = np.concatenate([positions for positions in placed if positions is not None])
    wrapped[:, :2] %= 12.0
    tree = cKDTree(wrapped, boxsize=[12.0, 12.0, 100.0])
    pairs = tree.query_pairs(1.19, output_type="ndarray")
    assert len(pairs) == 0
    assert layer.place(rng.normal(scale=40.0, size=(50, 3)), rng) is None
