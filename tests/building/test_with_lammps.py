"""LAMMPS reads the systems that were built: every coefficient is set, and energies are finite."""

import math
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure
from scipy.spatial.distance import cdist

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.electrolyte.molecules import anion_molecule, chain_molecule
from aiida_cse.building.electrolyte.typing import BondedTerm, type_molecule
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.recipe import Recipe
from aiida_cse.forcefields import load_set
from aiida_cse.forcefields.models import AngleTerm, BondTerm
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import FILENAMES, System
from tests.building.test_recipe import changed

pytestmark = pytest.mark.integration

SCRIPT = f"""\
units real
atom_style full
variable cutoff index 10.0
read_data {FILENAMES["data"]}
include {FILENAMES["forcefield"]}
kspace_style pppm 1e-6
thermo_style custom step evdwl ecoul elong ebond eangle edihed
run 0
variable energy equal pe
variable ebond equal ebond
variable eangle equal eangle
variable edihedral equal edihed
print "energy ${{energy}}"
print "ebond ${{ebond}}"
print "eangle ${{eangle}}"
print "edihedral ${{edihedral}}"
write_restart state.restart
write_data back.data nocoeff
clear
variable cutoff index 10.0
read_restart state.restart
include {FILENAMES["forcefield"]}
kspace_style pppm 1e-6
run 0
variable again equal pe
print "again ${{again}}"
"""

#: crystals that are not among the shipped recipes
CRYSTALS = Path(__file__).parent / "crystals"

PRINTED = ("energy ", "again ", "ebond ", "eangle ", "edihedral ")

#: said of every run 0, and of a wall without charges
HARMLESS = ("No fixes with time integration", "Neighbor exclusions used with KSpace solver")


def run(system: System, folder: Path, environment_bin: Path) -> dict[str, float]:
    """Run the script on the system; return the printed energies."""
    system.write(folder)
    (folder / "run.in").write_text(SCRIPT)
    done = subprocess.run(
        [environment_bin / "lmp", "-in", "run.in", "-log", "none"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    warnings = [line for line in done.stdout.splitlines() if line.startswith("WARNING")]
    assert [line for line in warnings if not any(known in line for known in HARMLESS)] == []
    printed = [line.split() for line in done.stdout.splitlines() if line.startswith(PRINTED)]
    return {name: float(value) for name, value in printed}


@pytest.fixture(scope="module")
def interface(slab: System, electrolyte: System) -> System:
    return assemble(cut_slab(slab, slab.data), electrolyte)


@pytest.mark.parametrize("name", ["slab", "electrolyte", "interface"])
def test_lammps_reads_every_phase(
    name: str, tmp_path: Path, environment_bin: Path, request: pytest.FixtureRequest
) -> None:
    system: System = request.getfixturevalue(name)
    energies = run(system, tmp_path, environment_bin)
    assert math.isfinite(energies["energy"])
    assert energies["again"] == pytest.approx(energies["energy"], rel=1e-9), (
        "the include file serves a restart too"
    )
    back = DataFile.read(tmp_path / "back.data")
    assert back.positions == pytest.approx(system.data.positions, abs=1e-9)
    assert np.array_equal(back.images, system.data.images)
    assert np.array_equal(back.molecules, system.data.molecules)
    assert {k: len(t) for k, t in back.topology.items()} == {k: len(t) for k, t in system.data.topology.items()}


def test_lithium_by_origin(
    recipe: Recipe, slab: System, electrolyte: System, tmp_path: Path, environment_bin: Path
) -> None:
    """The ceramic has the energies of one lithium type; Li+ of the electrolyte also have Lennard-Jones terms."""
    two = Recipe.model_validate(changed(recipe, "forcefield.lithium", "by-origin"))
    lx, ly, _ = slab.data.lengths.tolist()
    below, above = build_slab(two), build_electrolyte(two, lx, ly)
    for mine, theirs in ((below, slab), (above, electrolyte)):
        assert np.array_equal(mine.data.positions, theirs.data.positions), "the draws are the same"
    systems = {
        "slab": slab,
        "slab_two": below,
        "electrolyte": electrolyte,
        "electrolyte_two": above,
        "interface": assemble(cut_slab(below, below.data), above),
    }
    energies = {}
    for name, system in systems.items():
        (tmp_path / name).mkdir()
        energies[name] = run(system, tmp_path / name, environment_bin)["energy"]
    assert energies["slab_two"] == pytest.approx(energies["slab"], rel=1e-9)
    among = lennard_jones(above, "Li_salt", 0.01828, 2.126, cutoff=10.0)
    assert energies["electrolyte_two"] - energies["electrolyte"] == pytest.approx(among, abs=1e-4)
    assert math.isfinite(energies["interface"])
    counts = systems["interface"].info.composition
    assert (counts["Li"], counts["Li_salt"]) == (112, 7)


def lennard_jones(system: System, label: str, epsilon: float, sigma: float, cutoff: float) -> float:
    """Return the sum of 4 ε [(σ/r)¹² − (σ/r)⁶] over pairs of this type and their images, kcal/mol."""
    data = system.data
    positions = data.positions[data.types == system.info.type_numbers(labels=(label,))]
    reach = np.ceil(cutoff / data.lengths).astype(int)
    shifts = np.array(list(product(*(range(-n, n + 1) for n in reach)))) * data.lengths
    r = cdist(positions, (positions + shifts[:, None, :]).reshape(-1, 3))
    powers = (sigma / r[(r > 1e-6) & (r < cutoff)]) ** 6
    return float((4 * epsilon * (powers**2 - powers)).sum()) / 2


def test_the_energy_of_the_crystal_is_its_ewald_and_buckingham_sum(
    slab: System, tmp_path: Path, environment_bin: Path
) -> None:
    energy = run(slab, tmp_path, environment_bin)["energy"]
    assert energy == pytest.approx(ewald(slab.data) + buckingham(slab, cutoff=10.0), rel=2e-6)


def test_an_ordered_crystal_has_one_energy_whichever_plane_it_is_cut_on(
    recipe: Recipe, tmp_path: Path, environment_bin: Path
) -> None:
    """Tetragonal LLZO has only full sites, so that its periodic cell is the same crystal on every plane."""
    content = recipe.model_dump(mode="json")
    content["ceramic"] |= {"structure": {"cif": (CRYSTALS / "t-llzo.cif").read_text()}, "repeat": [1, 1, 1]}
    energies = {}
    for plane in ((1, 0, 0), (0, 0, 1), (1, 1, 0)):
        content["ceramic"] |= {"miller": plane, "shift": 0.05, "flip": plane[2] == 1}
        system = build_slab(Recipe.model_validate(content))
        folder = tmp_path / "".join(map(str, plane))
        folder.mkdir()
        energies[plane] = run(system, folder, environment_bin)["energy"] / system.info.natoms
    assert energies[0, 0, 1] == pytest.approx(energies[1, 0, 0], rel=1e-6)
    assert energies[1, 1, 0] == pytest.approx(energies[1, 0, 0], rel=1e-6)


def ewald(data: DataFile) -> float:
    """Return the Coulomb energy in kcal/mol from the Ewald sum of another program."""
    structure = Structure(Lattice.orthorhombic(*data.lengths), ["H"] * data.natoms, data.positions / data.lengths)
    structure.add_oxidation_state_by_site(data.charges.tolist())
    return float(EwaldSummation(structure).total_energy) * 23.060548


def buckingham(system: System, cutoff: float) -> float:
    """Return the sum of A exp(−r/ρ) − C/r⁶ over pairs and images, kcal/mol."""
    data, terms = system.data, load_set("jalem-2015").with_variants({}).buckingham_pairs()
    labels = np.array([entry.label for entry in system.info.types])[data.types - 1]
    reach = np.ceil(cutoff / data.lengths).astype(int)
    shifts = np.array(list(product(*(range(-n, n + 1) for n in reach)))) * data.lengths
    total = 0.0
    for pair, term in terms.items():
        first, second = (data.positions[labels == label] for label in pair)
        images = (second + shifts[:, None, :]).reshape(-1, 3)
        r = cdist(first, images)
        r = r[(r > 1e-6) & (r < cutoff)]
        twice = 2 if pair[0] == pair[1] else 1
        total += float((term.a * np.exp(-r / term.rho) - term.c / r**6).sum()) / twice
    return total


def test_bonded_energies_are_those_of_the_published_forms(
    recipe: Recipe, electrolyte: System, tmp_path: Path, environment_bin: Path
) -> None:
    energies = run(electrolyte, tmp_path, environment_bin)
    chain = type_molecule("PEO", chain_molecule(recipe.polymer), load_set("opls-aa-peo"), [])
    anion = type_molecule("TFSI", anion_molecule(recipe.salt.anion), load_set("cl-p-2004"), [])
    expected = {"bond": 0.0, "angle": 0.0, "dihedral": 0.0}
    for molecule in range(2, 26):
        positions = electrolyte.data.unwrapped[electrolyte.data.molecules == molecule]
        typed = {57: chain, 15: anion}.get(len(positions))
        for kind, terms in typed.terms.items() if typed else ():
            expected[kind] += sum(bonded_energy(positions[list(path)], term) for path, term in terms)
    for kind, energy in expected.items():
        assert energies[f"e{kind}"] == pytest.approx(energy, rel=1e-6), kind


def bonded_energy(x: np.ndarray, term: BondedTerm) -> float:
    """Return the energy in kcal/mol of one bond, angle or dihedral with atoms at x."""
    if isinstance(term, BondTerm):
        return float(term.k * (np.linalg.norm(x[1] - x[0]) - term.r0) ** 2)
    if isinstance(term, AngleTerm):
        a, b = x[0] - x[1], x[2] - x[1]
        theta = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        return float(term.k * (theta - np.deg2rad(term.theta0)) ** 2)
    a, b, c = np.diff(x, axis=0)
    m, n = np.cross(a, b), np.cross(b, c)
    phi = np.arctan2(np.linalg.norm(b) * (a @ n), m @ n)
    signs = (1, -1, 1, -1)
    return float(
        sum(v / 2 * (1 + s * np.cos(k * phi)) for k, (v, s) in enumerate(zip(term.opls, signs, strict=True), 1))
    )
