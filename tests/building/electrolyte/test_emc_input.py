"""EMC as builder: its input, and its output as an electrolyte of the recipe."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.electrolyte.emc_input import EmcType, emc_field, emc_files
from aiida_cse.building.electrolyte.emc_output import read_emc_electrolyte, read_emc_parameters
from aiida_cse.building.electrolyte.molecules import chain_molecule
from aiida_cse.building.recipe import Recipe, available_recipes, load_recipe
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.lammps.files.data import TOPOLOGY
from aiida_cse.lammps.files.system import FILENAMES, WALL_MOLECULE, System
from tests.emc import emc_output, with_types_alike

LAMMPS = """\
units real
atom_style full
{variables}
read_data {data}
include {parameters}
kspace_style pppm 1e-5
thermo_style custom step ebond eangle edihed
run 0
variable ebond equal ebond
variable eangle equal eangle
variable edihed equal edihed
print "bonded ${{ebond}} ${{eangle}} ${{edihed}}"
"""


@pytest.fixture(scope="module")
def edges(slab: System) -> tuple[float, float]:
    lx, ly = slab.data.lengths[:2]
    return float(lx), float(ly)


@pytest.fixture(scope="module")
def built(recipe: Recipe, electrolyte: System) -> tuple[str, str]:
    data, parameters, _ = emc_output(recipe, electrolyte, seed=1)
    return data, parameters


def changed(recipe: Recipe, section: str, **fields: Any) -> Recipe:
    content = recipe.model_dump(mode="json")
    content[section] |= fields
    return Recipe.model_validate(content)


def section(text: str, name: str) -> list[list[str]]:
    """Return the rows of a section of a field file."""
    lines = text.split(f"ITEM\t{name}\n", 1)[1].split("ITEM\tEND", 1)[0].splitlines()
    return [line.split("\t") for line in lines if line]


# -- what EMC is asked for -----------------------------------------------------------------------------


def test_the_script_follows_the_recipe(recipe: Recipe) -> None:
    script = emc_files(recipe, 12.97, 13.5)["electrolyte.esh"]
    assert dict(section(script, "OPTIONS")) == {
        "replace": "true",
        "field": "./electrolyte",
        "number": "true",
        "density": "0.5",
        "seed": "20252",
        "build_dir": ".",
        "emc_exclude": "build=true",
    }
    assert section(script, "GROUPS") == [
        ["monomer", "*COC*,1,monomer:2"],
        ["terminal", "*C,1,monomer:1,1,monomer:2"],
        ["cation", "[Li+]"],
        ["anion", "FC(F)(F)S(=O)(=O)[N-]S(=O)(=O)C(F)(F)F"],
    ]
    counts = [["chains", "alternate", "10"], ["cations", "cation", "7"], ["anions", "anion", "7"]]
    assert section(script, "CLUSTERS") == counts
    assert section(script, "POLYMERS") == [["chains"], ["1", "monomer,7,terminal,2"]]
    assert "lxx -> 12.97, lyy -> 13.5, lzz -> 108.7956518," in script


def test_different_ends_of_a_chain_have_one_place_each(recipe: Recipe) -> None:
    script = emc_files(changed(recipe, "polymer", repeat_unit="*CCO*", end_groups=["*OC", "*C"]), 13.0, 13.0)
    groups = section(script["electrolyte.esh"], "GROUPS")
    assert groups[1:3] == [["head", "*OC,1,monomer:1"], ["tail", "*C,1,monomer:2"]]
    assert section(script["electrolyte.esh"], "POLYMERS") == [["chains"], ["1", "monomer,7,head,1,tail,1"]]


def test_the_rules_describe_the_atoms_of_the_molecules(recipe: Recipe) -> None:
    rows = section(emc_field(recipe, chemistry_of(recipe)).rules(), "RULES")
    rules: dict[str, list[tuple[float, str]]] = {label: [] for _, label, *_ in rows}
    for number, label, _, index, charge, rule in rows:
        assert number == index
        rules[label].append((float(charge), rule))
    assert rules["Li"] == [(0.7, "[Li+]")]
    assert rules["NBT"] == [(-0.462, "[N-](S(=O)(=O)(C))(S(=O)(=O)(C))")]
    assert rules["OBT"] == [(-0.371, "O(=S(=O)(C)([N-]))")]
    assert rules["CT3"] == [(-0.18, "C(C(H)(H)(O))(H)(H)(H)")]
    assert [rule for _, rule in rules["CT2"]] == ["C(C(H)(H)(H))(H)(H)(O(C))", "C(C(H)(H)(O))(H)(H)(O(C))"]


def test_emc_s_parameters_are_those_of_the_recipe(recipe: Recipe) -> None:
    text = emc_field(recipe, chemistry_of(recipe)).parameters()
    assert ["OS", "15.999", "O", "2", "0", "O"] in section(text, "MASS")
    assert ["OS", "OS", "2.9", "0.14"] in section(text, "NONBOND")
    assert ["CT2", "OS", "320", "1.41"] in section(text, "BOND")
    assert ["CT2", "OS", "CT2", "60", "109.5"] in section(text, "ANGLE")
    torsions = section(text, "TORSION")
    assert ["CT2", "CT2", "OS", "CT2", "0.65", "1", "0", "-0.25", "2", "0", "0.67", "3", "0"] in torsions
    assert ["HCO", "CT2", "CT2", "OS", "0.468", "3", "0"] in torsions


@pytest.mark.parametrize("name", available_recipes())
def test_every_atom_of_every_shipped_recipe_has_one_rule(name: str) -> None:
    recipe = load_recipe(name)
    types = emc_field(recipe, chemistry_of(recipe)).types
    rules = [rule for entry in types for rule in entry.surroundings]
    assert len(rules) == len(set(rules))
    assert all(entry.surroundings for entry in types)


def test_types_with_equal_surroundings_are_refused(recipe: Recipe) -> None:
    oxygens = [atom for atom in chain_molecule(recipe.polymer).GetAtoms() if atom.GetSymbol() == "O"]
    assert len(oxygens) == 7
    alike = Recipe.model_validate(with_types_alike(recipe.model_dump(mode="json")))
    with pytest.raises(ValueError, match="EMC: the types OS and OS3 have the same surroundings within 6 bonds"):
        emc_files(alike, 13.0, 13.0)


# -- what EMC built ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llzo-peo-litfsi-demo", "llzo-ppo-litfsi-demo", "llzo-peo-lifsi-demo"])
def test_the_result_of_emc_becomes_the_recipe_s_electrolyte(name: str) -> None:
    recipe = load_recipe(name)
    own = build_electrolyte(recipe, 12.97, 13.5)
    data, parameters, _ = emc_output(recipe, own, seed=2)
    system, differences = read_emc_electrolyte(recipe, 12.97, 13.5, data, parameters)
    assert differences == ()
    assert system.forcefield == own.forcefield
    assert system.info.model_dump(exclude={"box"}) == own.info.model_dump(exclude={"box"})
    assert np.array_equal(system.data.types, own.data.types)
    assert np.array_equal(system.data.molecules, own.data.molecules)
    for kind in TOPOLOGY:
        assert np.array_equal(system.data.topology[kind], own.data.topology[kind])


def test_lithium_of_the_salt_keeps_its_own_type(recipe: Recipe) -> None:
    two = changed(recipe, "forcefield", lithium="by-origin")
    own = build_electrolyte(two, 12.97, 12.97)
    data, parameters, _ = emc_output(two, own, seed=4)
    system, differences = read_emc_electrolyte(two, 12.97, 12.97, data, parameters)
    assert differences == ()
    assert (system.info.composition["Li"], system.info.composition["Li_salt"]) == (0, two.salt.pairs)
    assert np.array_equal(system.data.types, own.data.types)


def test_molecules_are_whole_above_the_wall(
    recipe: Recipe, edges: tuple[float, float], electrolyte: System
) -> None:
    data, parameters, height = emc_output(recipe, electrolyte, seed=3)
    layout = data.split("Atoms")[1].split("Bonds")[0].splitlines()
    z = [float(line.split()[6]) for line in layout if line]
    assert max(z) > height, "some of EMC's molecules reach over the upper end of its box"
    system, _ = read_emc_electrolyte(recipe, *edges, data, parameters)
    own, molecules = system.data, system.data.molecules != WALL_MOLECULE
    low, high = own.unwrapped[molecules, 2].min(), own.unwrapped[molecules, 2].max()
    assert low == pytest.approx(recipe.electrolyte.padding)
    assert own.box[2, 1] - high == pytest.approx(recipe.electrolyte.padding)
    assert (own.images[:, 2] == 0).all()
    assert (own.unwrapped[~molecules, 2] == 0).all()
    i, j = (own.topology["bonds"][:, 1:] - 1).T
    assert np.linalg.norm(own.unwrapped[i] - own.unwrapped[j], axis=1).max() < 2.2
    assert own.lengths[:2] == pytest.approx(edges)


def test_bonds_across_an_edge_are_made_whole(
    recipe: Recipe, edges: tuple[float, float], built: tuple[str, str]
) -> None:
    """EMC unwraps its molecules; a file with wrapped atoms gives the same system."""
    system, _ = read_emc_electrolyte(recipe, *edges, *built)
    before, atoms = built[0].split("\nAtoms\n\n")
    rows, after = atoms.split("\n\nBonds", 1)
    wrapped = [line.split(maxsplit=7) for line in rows.splitlines()]
    for words in wrapped:
        words[4:6] = [f"{float(word) % edge:.10f}" for word, edge in zip(words[4:6], edges, strict=True)]
    text = before + "\nAtoms\n\n" + "\n".join(map(" ".join, wrapped)) + "\n\nBonds" + after
    again, _ = read_emc_electrolyte(recipe, *edges, text, built[1])
    assert again.data.positions == pytest.approx(system.data.positions, abs=1e-8)
    i, j = (again.data.topology["bonds"][:, 1:] - 1).T
    assert np.linalg.norm(again.data.unwrapped[i] - again.data.unwrapped[j], axis=1).max() < 2.2


def test_differences_to_emc_s_parameters_are_reported(
    recipe: Recipe, edges: tuple[float, float], electrolyte: System
) -> None:
    def other(entry: EmcType) -> EmcType:
        new = {"OS": {"charge": -0.43}, "Li": {"sigma": 2.7}, "CT2": {"epsilon": 0.07}}
        return replace(entry, **new.get(entry.label, {}))

    data, parameters, _ = emc_output(recipe, electrolyte, seed=1, change=other)
    system, differences = read_emc_electrolyte(recipe, *edges, data, parameters)
    assert differences == (
        "sigma (Å) of Li is 2.7 with EMC, 2.126 in the recipe",
        "charge (e) of OS is -0.43 with EMC, -0.4 in the recipe",
        "epsilon (kcal/mol) of CT2 is 0.07 with EMC, 0.066 in the recipe",
    )
    assert np.array_equal(system.data.charges, electrolyte.data.charges)


Change = Callable[[str, str], tuple[str, str]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data, parameters: (data[: len(data) // 3], parameters), r"Bonds section: \d+ lines, the header"),
        (lambda data, parameters: (data, ""), r"masses of the types \[\] and Lennard-Jones coefficients of \[\]"),
        (
            lambda data, parameters: (data, parameters.split("# Pair Coeffs")[0]),
            "both must have all from 1 to N",
        ),
        (lambda data, parameters: (data, parameters.replace("12.01100", "12.50000")), "different masses"),
        (
            lambda data, parameters: (
                data.replace("2.01400", "9.01200"),
                parameters.replace("2.01400", "9.01200"),
            ),
            r"type \d+ has the mass 9.012 g/mol, that of no element of the electrolyte",
        ),
        (lambda data, parameters: (_without_a_bond(data), parameters), "is none of: PEO, Li, TFSI"),
        (
            lambda data, parameters: (_first_row(data, "Atoms", 2, "12"), parameters),
            r"Atoms section, line \d+: .*type 12; there are 1 to 11",
        ),
        (
            lambda data, parameters: (_first_row(data, "Bonds", 3, "9999"), parameters),
            r"Bonds section, line \d+: .*atom 9999; there are 1 to \d+",
        ),
    ],
)
def test_another_system_than_the_recipe_s_electrolyte_is_refused(
    recipe: Recipe, edges: tuple[float, float], built: tuple[str, str], change: Change, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_emc_electrolyte(recipe, *edges, *change(*built))


def _first_row(data: str, section: str, column: int, word: str) -> str:
    """Return the data file with another word in the first row of a section."""
    before, after = data.split(f"\n{section}\n\n")
    row, rest = after.split("\n", 1)
    words = row.split()
    words[column] = word
    return f"{before}\n{section}\n\n{' '.join(words)}\n{rest}"


def _without_a_bond(data: str) -> str:
    """Return the data file with the first bond between two other atoms."""
    before, bonds = data.split("\nBonds\n\n")
    first, rest = bonds.split("\n", 1)
    number, kind, i, j = first.split("#")[0].split()
    return f"{before}\nBonds\n\n{number} {kind} {i} {int(j) % 50 + 40}\n{rest}"


def test_another_number_of_molecules_is_refused(recipe: Recipe, edges: tuple[float, float]) -> None:
    fewer = changed(recipe, "polymer", chains=9)
    data, parameters, _ = emc_output(fewer, build_electrolyte(fewer, *edges), seed=1)
    with pytest.raises(ValueError, match="EMC built 9 PEO, 7 Li, 7 TFSI; the recipe has 10 PEO, 7 Li, 7 TFSI"):
        read_emc_electrolyte(recipe, *edges, data, parameters)


def test_another_cross_section_is_refused(
    recipe: Recipe, edges: tuple[float, float], built: tuple[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"EMC's box is 12.9700 × 12.9700 Å² along x and y; must be 13.0000 ×"):
        read_emc_electrolyte(recipe, 13.0, edges[1], *built)


def test_masses_and_coefficients_of_a_file_as_emc_writes_it(built: tuple[str, str]) -> None:
    found = read_emc_parameters(built[1])
    assert len(found.masses) == len(found.pairs) == 11
    assert found.pairs[11] == (0.25, 3.55), "SBT is the last alphabetically"


@pytest.mark.integration
def test_lammps_finds_the_same_molecules_in_both(
    recipe: Recipe, edges: tuple[float, float], built: tuple[str, str], tmp_path: Path, environment_bin: Path
) -> None:
    """LAMMPS reads both files in EMC's format; bonded energies show that each atom is in its place."""
    system, _ = read_emc_electrolyte(recipe, *edges, *built)
    (tmp_path / "electrolyte.data").write_text(built[0])
    (tmp_path / "electrolyte.params").write_text(built[1])
    system.write(tmp_path)
    emc = LAMMPS.format(variables="", data="electrolyte.data", parameters="electrolyte.params")
    own = LAMMPS.format(
        variables="variable cutoff index 9.5", data=FILENAMES["data"], parameters=FILENAMES["forcefield"]
    )
    assert bonded(emc, tmp_path, environment_bin) == pytest.approx(
        bonded(own, tmp_path, environment_bin), rel=1e-6
    )


def bonded(script: str, folder: Path, environment_bin: Path) -> list[float]:
    (folder / "run.in").write_text(script)
    done = subprocess.run(
        [environment_bin / "lmp", "-in", "run.in", "-log", "none"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("bonded "))
    return [float(word) for word in line.split()[1:]]
