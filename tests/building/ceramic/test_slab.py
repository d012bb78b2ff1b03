"""The slab as built: composition, neutrality, terminations, ion distances and geometry."""

import hashlib
import math

import numpy as np
import pytest
from scipy.spatial import cKDTree

from aiida_cse.building.ceramic.occupancy import draw_occupancy, site_counts
from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, System
from tests.building.test_recipe import changed


def labels(system: System) -> np.ndarray:
    return np.array([entry.label for entry in system.info.types])[system.data.types - 1]


def shortest(positions: np.ndarray, lengths: np.ndarray) -> float:
    return float(cKDTree(positions, boxsize=lengths).query(positions, k=2)[0][:, 1].min())


def test_the_paper_slab_has_5184_atoms(paper_recipe: Recipe) -> None:
    slab = build_slab(paper_recipe)
    counts = {label: count for label, count in slab.info.composition.items() if count}
    assert counts == {"La": 648, "Zr": 432, "O": 2592, "Li": 1512}
    assert slab.info.natoms == 5184
    assert slab.data.lengths == pytest.approx([38.91] * 3)
    assert abs(math.fsum(slab.data.charges)) < 1e-10
    lithium = slab.data.positions[labels(slab) == "Li"]
    assert shortest(lithium, slab.data.lengths) >= 1.5
    surfaces(slab)


def surfaces(slab: System) -> None:
    """The left face (low z) ends in O, the right one (high z) in Li."""
    z, species = slab.data.positions[:, 2], labels(slab)
    lowest, highest = np.argmin(z), np.argmax(z)
    assert species[lowest] == "O"
    assert species[highest] == "Li"
    assert z[species == "O"].max() < z.max() - 0.3


def test_the_demo_slab(slab: System) -> None:
    assert slab.info.natoms == 384
    assert slab.info.phase == "slab"
    assert slab.info.charge == 0
    assert slab.info.slab is not None
    assert slab.info.slab.lithium == 112
    assert slab.info.seeds == {"slab": 20251, "electrolyte": 20252, "velocities": 20253}
    assert (slab.data.molecules == CERAMIC_MOLECULE).all()
    assert slab.data.velocities is None
    assert slab.data.topology_types == {"bonds": 7, "angles": 12, "dihedrals": 9, "impropers": 0}
    surfaces(slab)


def test_neighbour_distances_are_those_of_the_garnet(slab: System) -> None:
    species, data = labels(slab), slab.data
    oxygen = cKDTree(data.positions[species == "O"], boxsize=data.lengths)
    zr_o = oxygen.query(data.positions[species == "Zr"], k=7)[0]
    la_o = oxygen.query(data.positions[species == "La"], k=8)[0]
    assert zr_o[:, :6] == pytest.approx(2.108, abs=0.01)
    assert zr_o[:, 6].min() > 3.0
    assert la_o[:, 0] == pytest.approx(2.514, abs=0.01)
    assert la_o[:, 7] == pytest.approx(2.582, abs=0.01)


def test_the_midplane_offset_is_that_of_the_framework(slab: System) -> None:
    framework = np.isin(labels(slab), ["La", "Zr"])
    masses = slab.data.masses[slab.data.types[framework] - 1]
    centre = np.average(slab.data.positions[framework, 2], weights=masses)
    assert slab.info.slab is not None
    assert slab.info.slab.thickness == pytest.approx(25.94)
    assert centre + slab.info.slab.midplane_offset == pytest.approx(25.94 / 2)


def test_unflipped_slab_is_the_same_turned_over(recipe: Recipe, slab: System) -> None:
    other = build_slab(Recipe.model_validate(changed(recipe, "ceramic.flip", False)))
    z, species = other.data.positions[:, 2], labels(other)
    assert species[np.argmax(z)] == "O"
    assert slab.info.slab is not None
    assert other.info.slab is not None
    assert other.info.slab.midplane_offset == pytest.approx(-slab.info.slab.midplane_offset)


def test_the_slab_is_a_function_of_its_seed(recipe: Recipe, slab: System) -> None:
    def md5(system: System) -> str:
        return hashlib.md5(system.data.format().encode()).hexdigest()

    assert md5(build_slab(recipe)) == md5(slab)
    assert md5(build_slab(Recipe.model_validate(changed(recipe, "seeds.slab", 7)))) != md5(slab)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("ceramic.structure.spacegroup", "Ia-3q", "ceramic.structure.spacegroup = 'Ia-3q': "),
        (
            "ceramic.structure.sites.3.occupancy",
            0.9,
            "ceramic.structure.sites.occupancy: occupancies imply 129.22 mobile ions; neutrality needs 112",
        ),
        ("ceramic.min_distance", 2.3, "ceramic.min_distance: .* pairs of ions stay closer than 2.3"),
        ("ceramic.structure.sites.4.coords", [0.1, 0.2, 0.3], r"Li of sites\.4 is 0\.25 Å from an immobile atom"),
        ("ceramic.shift", 0.0, "ceramic.shift = 0.0: the cut passes through atoms"),
        (
            "ceramic.miller",
            [9, 8, 7],
            r"ceramic.miller = \(9, 8, 7\): on this plane the crystal has no right-angled cell",
        ),
    ],
)
def test_crystals_that_cannot_be_built_are_refused(recipe: Recipe, path: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_slab(Recipe.model_validate(changed(recipe, path, value)))


def test_a_crystal_that_no_whole_number_of_ions_makes_neutral_is_refused(recipe: Recipe) -> None:
    content = changed(recipe, "ceramic.structure.sites.0.species", "Zr")
    content["ceramic"]["framework"] = ["Zr"]
    content["ceramic"]["structure"]["sites"][0]["coords"] = [0.0, 0.0, 0.0]
    content["ceramic"]["structure"]["sites"][1]["species"] = "La"
    content["ceramic"]["structure"]["sites"][1]["coords"] = content["ceramic"]["structure"]["sites"][2]["coords"]
    del content["ceramic"]["structure"]["sites"][2]
    with pytest.raises(ValueError, match=r"ceramic\.structure: no whole number of Li"):
        build_slab(Recipe.model_validate(content))


def test_site_counts_round_to_the_exact_total() -> None:
    capacities, occupancies = np.array([24, 96]), np.array([0.542, 0.448])
    assert site_counts(capacities, occupancies, 56).tolist() == [13, 43]
    assert site_counts(27 * capacities, occupancies, 1512).tolist() == [351, 1161]
    with pytest.raises(ValueError, match=r"imply 56.02 mobile ions; neutrality needs 60"):
        site_counts(capacities, occupancies, 60)
    with pytest.raises(ValueError, match="do not fit"):
        site_counts(np.array([10]), np.array([1.0]), 11)


def test_the_occupancy_separates_pairs_at_fixed_counts() -> None:
    pairs = np.repeat(np.arange(20.0)[:, None] * [3.0, 0, 0] + 0.5, 2, axis=0)
    pairs[1::2, 1] += 0.8
    groups = np.zeros(40, dtype=np.int64)
    occupied = draw_occupancy(pairs, np.array([60.0, 9.0, 9.0]), groups, np.array([20]), 1.5, seed=3)
    assert occupied.reshape(20, 2).sum(axis=1).tolist() == [1] * 20
    with pytest.raises(ValueError, match=r"1 pairs of ions stay closer than 1\.5 Å"):
        draw_occupancy(pairs, np.array([60.0, 9.0, 9.0]), groups, np.array([21]), 1.5, seed=3)


# -- dopants -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def doped() -> System:
    return build_slab(load_recipe("ga-llzo-peo-litfsi-demo"))


def positions_of(system: System, label: str) -> np.ndarray:
    (number,) = system.info.type_numbers(labels=(label,))
    return system.data.positions[system.data.types == number]


def test_each_dopant_replaces_three_ions(doped: System, slab: System) -> None:
    assert doped.info.composition["Ga"] == 4
    assert doped.info.composition["Li"] == slab.info.composition["Li"] - 3 * 4
    assert abs(math.fsum(doped.data.charges)) < 1e-10
    assert doped.info.slab is not None
    assert doped.info.slab.framework == ("La", "Zr")


def test_dopants_sit_in_tetrahedra_with_no_ion_near(doped: System) -> None:
    gallium, box = positions_of(doped, "Ga"), doped.data.lengths
    oxygens, _ = cKDTree(positions_of(doped, "O"), boxsize=box).query(gallium, k=5)
    assert oxygens[:, :4] == pytest.approx(1.916, abs=1e-3)
    assert oxygens[:, 4].min() > 3
    lithium, _ = cKDTree(positions_of(doped, "Li"), boxsize=box).query(gallium)
    assert lithium.min() >= 2.0


def test_the_seed_moves_the_dopants(doped: System) -> None:
    recipe = load_recipe("ga-llzo-peo-litfsi-demo")
    assert np.array_equal(build_slab(recipe).data.positions, doped.data.positions)
    other = build_slab(Recipe.model_validate(changed(recipe, "seeds.slab", 4)))
    assert not np.array_equal(positions_of(other, "Ga"), positions_of(doped, "Ga"))


def test_dopants_that_do_not_fit_are_refused() -> None:
    recipe = load_recipe("ga-llzo-peo-litfsi-demo")
    crowded = changed(recipe, "ceramic.dopant_distance", 4.0)
    crowded["ceramic"]["structure"]["sites"][4]["occupancy"] = 0.1
    crowded["ceramic"]["structure"]["sites"][2]["occupancy"] = 0.9
    with pytest.raises(ValueError, match=r"ceramic\.dopant_distance: \d+ pairs of ions stay closer than 4\.0 Å"):
        build_slab(Recipe.model_validate(crowded))
    crowded["ceramic"]["structure"]["sites"][2]["occupancy"] = 0.5
    crowded["ceramic"]["structure"]["sites"][5]["occupancy"] = 0.182
    complaint = "ceramic.min_distance: 5 ions of site 4 do not fit on the 0 places left to them"
    with pytest.raises(ValueError, match=complaint):
        build_slab(Recipe.model_validate(crowded))
