"""Include files of any origin: what a force field is, what is refused, what is missing."""

import subprocess
from pathlib import Path

import pytest

from aiida_cse.building.recipe import load_recipe
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.lammps.files.data import read_contents
from aiida_cse.lammps.files.forcefield_input import read_statements
from tests.systems import crystal_and_molecules

LABELS = {1: "La", 2: "O", 3: "C"}


def counts(pair: int = 3, bond: int = 0, **more: int) -> dict[str, int]:
    return {"pair": pair, "bond": bond, "angle": 0, "dihedral": 0, "improper": 0} | more


def test_the_include_file_of_a_recipe_is_complete() -> None:
    chemistry = chemistry_of(load_recipe("llzo-peo-litfsi-demo"))
    found = read_statements(chemistry.forcefield)
    labels = {number: entry.label for number, entry in enumerate(chemistry.types, 1)}
    assert found.problems == ()
    assert found.labels == labels
    types = {"pair": len(labels)} | {kind[:-1]: number for kind, number in chemistry.topology_types.items()}
    assert found.missing(types, labels, bonded=True) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("shell rm -rf /", "'shell' is not a command of a force field"),
        ("pair_stile lj/cut 9", "'pair_stile' is not a command of a force field; did you mean 'pair_style'?"),
        ("run 1000", "'run' is not a command of a force field"),
        ("kspace_style pppm 1e-4", "kspace_style belongs to the run, not to the force field; remove it"),
        ("variable cutoff equal 12", "variable belongs to the run"),
        ("include more.in", "include belongs to the run"),
        ("pair_coeff * * $(1+1) 3", "'$(1+1)' contains characters that are not allowed"),
        ('pair_coeff 1 1 "0.1 3"', "contains characters that are not allowed"),
        ("pair_style lj/cut ${skin}", "'${skin}' contains characters that are not allowed; the only variable is"),
        ("pair_style python 9", "styles that run code are not allowed"),
        ("neigh_modify delay 5", "neigh_modify belongs to the run, except `neigh_modify exclude`"),
        ("bond_coeff 1", "bond_coeff: has 1 arguments; must have at least 2"),
        ("pair_coeff 1 1", "pair_coeff: has 2 arguments; must have at least 3"),
    ],
)
def test_other_commands_are_named_with_their_line(line: str, problem: str) -> None:
    found = read_statements(f"# mine\npair_style lj/cut ${{cutoff}}\n{line}  # so\n")
    (said,) = found.problems
    assert said.startswith("line 3: ")
    assert problem in said


def test_continued_lines_are_joined() -> None:
    found = read_statements("special_bonds lj 0 0 0.5 &\n  coul 0 0 0.5\npair_coeff 1 & # one\n 1 0.1 3")
    assert found.commands == (
        ("special_bonds", "lj", "0", "0", "0.5", "coul", "0", "0", "0.5"),
        ("pair_coeff", "1", "1", "0.1", "3"),
    )
    assert read_statements("").commands == ()


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        (
            "pair_style lj/cut 9\npair_coeff 1 1 1 1\npair_coeff 3 3 1 1",
            ["pair_coeff is missing for 1 of them (O–O)"],
        ),
        ("pair_style lj/cut 9\npair_coeff 1*2 * 1 1", ["pair_coeff is missing for 1 of them (C–C)"]),
        ("pair_style lj/cut 9\npair_coeff * *999999999999 1 1", []),
        ("pair_style lj/cut 9\npair_coeff La La 1 1\npair_coeff 2* O* 1 1\npair_coeff O O 1 1", ["C–C"]),
        (
            "pair_style hybrid lj/cut 9 buck 9\npair_coeff 1*2 * buck 1 1 1",
            ["pair_coeff is missing for 1 of them (C–C)"],
        ),
        ("pair_style hybrid lj/cut 9\npair_coeff 1 1 lj/cut 1 1", ["for 5 of them (La–O, La–C, O–O, O–C, C–C)"]),
        ("pair_coeff * * 1 1", ["pair_style is missing"]),
    ],
)
def test_missing_pairs_are_listed(lines: str, missing: list[str]) -> None:
    found = read_statements(lines + "\npair_modify mix arithmetic").missing(counts(), LABELS, bonded=False)
    assert len(found) == len(missing)
    assert all(part in said for part, said in zip(missing, found, strict=True))


def test_pairs_are_mixed_by_a_rule_that_is_named() -> None:
    rule = "pair_modify mix is missing: the mixing rule of pairs without a pair_coeff"
    like = "pair_style lj/cut 9\npair_coeff 1 1 1 1\npair_coeff 2 2 1 1\npair_coeff 3 3 1 1\n"
    assert read_statements(like).missing(counts(), LABELS, bonded=False) == [rule]
    assert read_statements(like + "pair_coeff 1*2 2*3 1 1").missing(counts(), LABELS, bonded=False) == []
    assert (
        read_statements(like + "pair_modify shift no mix sixthpower").missing(counts(), LABELS, bonded=False) == []
    )


@pytest.mark.integration
@pytest.mark.parametrize("modify", ["", "pair_modify mix arithmetic\n", "pair_modify shift no mix sixthpower\n"])
def test_coefficients_in_effect_are_those_of_lammps(modify: str, tmp_path: Path, environment_bin: Path) -> None:
    include = f"""\
pair_style lj/cut 6
pair_modify mix sixthpower
pair_coeff * * 9 9
pair_style lj/cut/coul/long 6
{modify}pair_coeff 1 1 0.02 2.0
pair_coeff 2*5 2*5 0.03 2.5
pair_coeff 3 3 0.05 3.0
pair_coeff 3 1 0.7 2.2
pair_coeff 4* 5 0.11 2.9
bond_style harmonic
bond_coeff * 100 1.5
special_bonds lj/coul 0 0 0.5
"""
    crystal_and_molecules().data.write(tmp_path / "system.data")
    script = (
        f"units real\natom_style full\nread_data system.data\n{include}kspace_style pppm 1e-4\nrun 0 post no\n"
    )
    (tmp_path / "run.in").write_text(script + "write_data out.data pair ij\n")
    command = [str(environment_bin / "lmp"), "-in", "run.in", "-log", "none", "-screen", "none"]
    subprocess.run(command, cwd=tmp_path, timeout=60, check=True)
    found = read_statements(include)
    ours = {pair: tuple(map(float, words[""])) for pair, words in found.coefficients("pair", 5).items()}
    theirs = {}
    for line in read_contents((tmp_path / "out.data").read_text()).commands:
        if line.startswith("pair_coeff"):
            first, second, epsilon, sigma, _ = map(float, line.split()[1:])
            theirs[int(first), int(second)] = (epsilon, sigma)
    assert {**ours, **found.mixed(5, {})} == {
        pair: pytest.approx(values, rel=1e-5) for pair, values in theirs.items()
    }
    assert len(theirs) == 15


def test_missing_bonded_terms_are_listed() -> None:
    found = read_statements("pair_style lj/cut 9\npair_coeff * * 1 1\nangle_style harmonic\nbond_coeff 2* 1 1\n")
    assert found.missing(counts(bond=4, angle=9), LABELS, bonded=True) == [
        "bond_style is missing",
        "bond_coeff is missing for 1 of them (1)",
        "angle_coeff is missing for 9 of them (1, 2, 3, 4, 5, 6, 7, 8, …)",
        "special_bonds is missing: the interactions between bonded atoms",
    ]
