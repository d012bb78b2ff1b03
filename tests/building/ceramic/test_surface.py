"""Planes of the cut: right-angled boxes that repeat the crystal, checked by distances and by pymatgen's slabs."""

from typing import Any

import numpy as np
import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.surface import SlabGenerator
from scipy.spatial import cKDTree

from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.ceramic.surface import SlabSites, has_unlike_edges, right_angled_axes, slab_sites
from aiida_cse.building.crystal.model import CrystalStructure, pymatgen_crystal
from aiida_cse.building.recipe import Recipe
from tests.building.test_recipe import changed

#: heights at which no atom lies, by plane
PLANES = [
    ((1, 0, 0), 0.9),
    ((0, 0, 1), 0.07),
    ((1, 1, 0), 0.9),
    ((1, 1, 1), 0.07),
    ((2, 1, 1), 0.9),
    ((-1, 1, 2), 0.9),
    ((1, 2, 3), 0.07),
]


def cut(recipe: Recipe, **ceramic: Any) -> SlabSites:
    content = recipe.model_dump(mode="json")
    content["ceramic"] |= ceramic
    return slab_sites(Recipe.model_validate(content).ceramic)


@pytest.mark.parametrize(("miller", "shift"), PLANES)
def test_a_slab_of_any_plane_is_the_garnet_in_its_bulk(
    recipe: Recipe, miller: tuple[int, int, int], shift: float
) -> None:
    slab = cut(recipe, miller=miller, shift=shift, repeat=[1, 1, 1])
    cells = len(slab.sites) / 256
    assert np.prod(slab.lengths) == pytest.approx(cells * 12.97**3)
    assert np.bincount(slab.sites).tolist() == [24 * cells, 16 * cells, 96 * cells, 24 * cells, 96 * cells]
    oxygen = cKDTree(slab.positions[slab.sites == 2], boxsize=slab.lengths)
    zr_o = oxygen.query(slab.positions[slab.sites == 1], k=7)[0]
    la_o = oxygen.query(slab.positions[slab.sites == 0], k=8)[0]
    assert zr_o[:, :6] == pytest.approx(2.108, abs=0.01)
    assert zr_o[:, 6].min() > 3.0
    assert la_o[:, 0] == pytest.approx(2.514, abs=0.01)
    assert la_o[:, 7] == pytest.approx(2.582, abs=0.01)


@pytest.mark.parametrize(("miller", "shift"), PLANES[:1] + PLANES[2:4])
def test_the_order_of_layers_is_that_of_pymatgen_s_slab_generator(
    recipe: Recipe, miller: tuple[int, int, int], shift: float
) -> None:
    slab = cut(recipe, miller=miller, shift=shift, repeat=[1, 1, 1], flip=False)
    peer = SlabGenerator(
        pymatgen_crystal(recipe.ceramic.structure),
        miller,
        min_slab_size=1,
        min_vacuum_size=0,
        in_unit_planes=True,
        primitive=False,
        max_normal_search=None if miller == (1, 0, 0) else 1,
    ).get_slab(shift=shift)
    height = peer.lattice.volume / np.linalg.norm(np.cross(*peer.lattice.matrix[:2]))
    assert slab.lengths[2] == pytest.approx(height)
    theirs = np.array(peer.site_properties["site"])
    for site in range(5):
        ours_z = np.sort(slab.positions[slab.sites == site, 2])
        peer_z = np.sort(peer.frac_coords[theirs == site, 2] * height)
        np.testing.assert_allclose(
            ours_z, np.sort(np.repeat(peer_z, len(ours_z) // len(peer_z))), atol=1e-6, err_msg=str(site)
        )


def test_repeats_and_flips_of_an_oblique_plane(recipe: Recipe) -> None:
    one = cut(recipe, miller=[1, 1, 0], repeat=[1, 1, 1], flip=False)
    many = cut(recipe, miller=[1, 1, 0], repeat=[2, 1, 3], flip=True)
    np.testing.assert_allclose(many.lengths, one.lengths * (2, 1, 3))
    heights = np.add.outer(one.lengths[2] * np.arange(3), one.positions[:, 2]).ravel()
    expected = np.sort(np.repeat(many.lengths[2] - heights, 2))
    np.testing.assert_allclose(np.sort(many.positions[:, 2]), expected, atol=1e-9)


def test_a_slab_of_another_plane_is_filled_and_neutral(recipe: Recipe) -> None:
    content = changed(recipe, "ceramic.miller", [1, 1, 0])
    content["ceramic"]["repeat"] = [1, 1, 1]
    slab = build_slab(Recipe.model_validate(content))
    assert {label: count for label, count in slab.info.composition.items() if count} == {
        "La": 48,
        "Zr": 32,
        "O": 192,
        "Li": 112,
    }
    assert abs(slab.info.charge) < 1e-10


@pytest.mark.parametrize(
    ("lattice", "miller", "axes"),
    [
        (Lattice.cubic(5), (2, 0, 0), [[0, 1, 0], [0, 0, 1], [1, 0, 0]]),
        (Lattice.cubic(5), (2, 1, 1), [[1, -1, -1], [0, 1, -1], [2, 1, 1]]),
        (Lattice.hexagonal(8.5, 20.8), (0, 0, 1), [[2, 1, 0], [0, 1, 0], [0, 0, 1]]),
        (Lattice.hexagonal(8.5, 20.8), (1, 0, 0), [[0, 1, 0], [0, 0, 1], [2, 1, 0]]),
        (Lattice.tetragonal(13.134, 12.663), (1, 1, 0), [[1, -1, 0], [0, 0, -1], [1, 1, 0]]),
        (Lattice.tetragonal(13.134, 12.663), (1, 0, 1), None),
        (Lattice.monoclinic(5, 6, 7.3, 100), (1, 0, 0), None),
        (Lattice.from_parameters(5, 6, 7.3, 80, 95, 100), (0, 0, 1), None),
    ],
)
def test_axes_of_a_plane_are_at_right_angles(
    lattice: Lattice, miller: tuple[int, int, int], axes: list[list[int]] | None
) -> None:
    found = right_angled_axes(lattice.matrix, miller)
    assert (None if found is None else found.tolist()) == axes
    if found is not None:
        vectors = found @ lattice.matrix
        np.testing.assert_allclose(vectors @ vectors.T, np.diag(np.sum(vectors**2, axis=1)), atol=1e-9)
        assert np.linalg.det(vectors) > 0


@pytest.mark.parametrize(
    ("cell", "miller", "off"),
    [
        ({"b": 12.97, "c": 12.97, "alpha": 90.0005}, (1, 0, 0), 0.0005),
        ({"b": 12.9702, "c": 12.97}, (1, 1, 0), 0.00088),
    ],
)
def test_a_nearly_right_angled_cell_is_refused_with_its_deviation(
    recipe: Recipe, cell: dict[str, float], miller: tuple[int, int, int], off: float
) -> None:
    content = recipe.model_dump(mode="json")
    content["ceramic"]["structure"] |= {"spacegroup": "P1", **cell}
    content["ceramic"]["miller"] = list(miller)
    with pytest.raises(ValueError, match=rf"the angles of the crystal's cell miss right angles by {off:.2g}°"):
        slab_sites(Recipe.model_validate(content).ceramic)


@pytest.mark.parametrize(
    ("spacegroup", "missing"), [("P1", "b and c"), ("Pnma", "b and c"), ("I4_1/acd", "c"), ("R-3c", "c")]
)
def test_edges_not_fixed_by_symmetry_are_required(recipe: Recipe, spacegroup: str, missing: str) -> None:
    content = changed(recipe, "ceramic.structure.spacegroup", spacegroup)
    with pytest.raises(ValueError, match=rf"ceramic\.structure: {missing} missing; {spacegroup} is"):
        slab_sites(Recipe.model_validate(content).ceramic)


def test_a_plane_without_right_angles_is_refused_with_one_that_has_them(recipe: Recipe) -> None:
    content = recipe.model_dump(mode="json")
    content["ceramic"]["structure"] |= {"spacegroup": "P1", "b": 12.1, "c": 11.3}
    content["ceramic"]["miller"] = [1, 1, 0]
    with pytest.raises(ValueError, match=r"miller = \(1, 1, 0\): .* no right-angled cell .* such as \(1, 0, 0\)"):
        slab_sites(Recipe.model_validate(content).ceramic)


@pytest.mark.parametrize(
    ("cell", "miller", "unlike"),
    [
        ({}, (1, 1, 0), False),
        ({"b": 12.97, "c": 12.5}, (0, 0, 1), False),
        ({"b": 12.97, "c": 12.5}, (1, 0, 0), True),
        ({"b": 12.97, "c": 12.5}, (1, 1, 0), True),
        ({"b": 12.97, "c": 20.8, "gamma": 120}, (0, 0, 1), False),
        ({"b": 12.1, "c": 12.5}, (0, 0, 1), True),
    ],
)
def test_inequivalent_edges_expand_independently(
    recipe: Recipe, cell: dict[str, float], miller: tuple[int, int, int], unlike: bool
) -> None:
    content = recipe.model_dump(mode="json")
    content["ceramic"]["structure"] |= {"spacegroup": "P1", **cell} if cell else {}
    content["ceramic"]["miller"] = list(miller)
    assert has_unlike_edges(Recipe.model_validate(content).ceramic) is unlike


def test_too_many_sites_are_refused_before_they_are_made(recipe: Recipe) -> None:
    content = changed(recipe, "ceramic.miller", [1, 2, 3])
    content["ceramic"]["repeat"] = [50, 50, 50]
    with pytest.raises(
        ValueError, match=r"ceramic\.repeat = \(50, 50, 50\): makes 1344000000 sites; at most 5000000"
    ):
        slab_sites(Recipe.model_validate(content).ceramic)


def test_edges_fixed_by_symmetry_default_to_the_first(recipe: Recipe) -> None:
    structure = recipe.ceramic.structure
    assert structure.parameters == (12.97, 12.97, 12.97, 90, 90, 90)
    other = CrystalStructure.model_validate(structure.model_dump() | {"spacegroup": "P1", "c": 20.8, "gamma": 120})
    assert other.parameters == (12.97, 12.97, 20.8, 90, 90, 120)
