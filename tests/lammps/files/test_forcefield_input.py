"""Include files of any origin: what a force field is, what is refused, what is missing."""

import subprocess
from pathlib import Path

import pytest

from aiida_cse.building.recipe import load_recipe
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.lammps.files.data import read_contents
from aiida_cse.lammps.files.forcefield_input import read_statements, refuse_other_commands
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
        ("pair_style python 9", "pair_style python: not allowed; must be a style whose coefficients are numbers"),
        ("neigh_modify delay 5", "neigh_modify: must be `neigh_modify exclude type 1 2` or"),
        ("neigh_modify exclude type 1 2 page 2000000000", "the rest belongs to the run"),
        (
            "labelmap write /home/me/.profile",
            "labelmap: must be types with their labels, such as `labelmap atom 1 Li",
        ),
        ("pair_modify table 31", "pair_modify: must be keywords with yes, no, a rule or at most 20 bits"),
        ("special_bonds lj/coul file", "special_bonds: must be weights, such as `special_bonds lj 0 0 0.5"),
        (
            "pair_style mliap/kk unified m.pt",
            "pair_style mliap/kk: not allowed; must be a style whose coefficients",
        ),
        ("pair_style hybrid/overlay lj/cut 9 mliap/kk/device model", "pair_style mliap/kk/device: not allowed"),
        ("pair_style table linear 1000", "pair_style table: not allowed"),
        ("bond_style hybrid harmonic table linear 9", "bond_style table: not allowed"),
        (
            "angle_style harmonik/omp",
            "angle_style harmonik/omp: not allowed; must be a style whose coefficients are "
            "numbers, did you mean 'harmonic'?",
        ),
        ("pair_style hybrid/scaled v_cutoff lj/cut 9", "pair_style v_cutoff: not allowed"),
        ("pair_coeff 1 1 " + 201 * "1" + " 3", "has 201 characters; a word has at most 200"),
        ("x" * 10**6, "is not a command of a force field"),
        ("pair_coeff 1 1 0.1\x0b3", "contains the character '\\x0b'; remove it"),
        ("pair_coeff 1 1 0.1\u00a03", "contains the character '\\xa0'; remove it"),
        ("# \x00", "contains the character '\\x00'; remove it"),
        ("# a\rshell ls", "contains the character '\\r'; remove it"),
        ("bond_coeff 1", "bond_coeff: has 1 arguments; must have at least 2"),
        ("pair_coeff 1 1", "pair_coeff: has 2 arguments; must have at least 3"),
    ],
)
def test_other_commands_are_named_with_their_line(line: str, problem: str) -> None:
    text = f"# mine\npair_style lj/cut ${{cutoff}}\n{line}  # so\n"
    (said,) = read_statements(text).problems
    assert said.startswith("line 3: ")
    assert problem in said
    assert len(said) < 600
    with pytest.raises(ValueError, match=r"^line 3: "):
        refuse_other_commands(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "# mine &\npair_coeff 1 1 0.1 3",
            "line 1: the comment ends in '&', so that LAMMPS takes line 2 for a part",
        ),
        ("pair_coeff 1 1 0.1 3 # C &\n\n# &\n bond_style zero", "line 3: the comment ends in '&'"),
        ('# """\nshell ls\n# """', "line 1: contains triple quotes, between which LAMMPS joins lines"),
        ("pair_coeff 1 & # one\n 1 0.1 3", "line 1: pair_coeff: '&' contains characters that are not allowed"),
        ("pair_modify mix &", "line 1: ends in '&', but no line follows; remove the '&'"),
        ("#" * 5_000_001, "has 5,000,001 characters; a force field has at most 5,000,000"),
    ],
)
def test_lines_that_lammps_would_join_are_named(text: str, problem: str) -> None:
    assert read_statements(text).problems[0].startswith(problem)


def test_many_wrong_lines_are_shown_in_part() -> None:
    with pytest.raises(ValueError, match=r"^line 1: .*line 5: 'run' is [^;]*;[^;]*; and 95 more lines$"):
        refuse_other_commands("run 1\n" * 100)


def test_an_endless_number_of_coefficients_is_refused() -> None:
    found = read_statements("pair_style lj/cut 9\n" + "pair_coeff * * 1 1\n" * 2)
    with pytest.raises(ValueError, match="pair_coeff: the commands name over 5,000,000 types; must be fewer"):
        found.coefficients("pair", 2300)


#: continued lines, comments and line ends of include files, after two coefficients
JOINED = (
    "pair_coeff 2 &\n 2 0.5 2.0\npair_coeff 1 2 0.4 &\n&\n 2.5 # so\n",
    "pair_co&\neff 2 2 0.2&\n5 3.0&\r\n\r\n",
    "# pair_coeff 1 2 &\n#  0.4 2.5\npair_coeff 1 2 0.3 2.2 # C\u2013O &\n# pair_coeff 2 2 9 9",
    "\t pair_coeff\t1 2   0.7 2.1# O\n &\npair_coeff 2 2 0.6 2.2",
)


@pytest.mark.integration
def test_lines_are_joined_as_lammps_joins_them(tmp_path: Path, environment_bin: Path) -> None:
    box = "units real\natom_style full\nregion b block 0 9 0 9 0 9\ncreate_box 2 b\nmass * 1\n"
    script, styles = [], "pair_style lj/cut 4\npair_coeff * * 0.1 3.0\n"
    for number, text in enumerate(JOINED):
        (tmp_path / f"{number}.in").write_bytes((styles + text).encode())
        script += [box, "create_atoms 1 single 1 1 1\n", f"include {number}.in\n"]
        script += [f"write_data {number}.data pair ij\n", "clear\n"]
    (tmp_path / "run.in").write_text("".join(script))
    command = [str(environment_bin / "lmp"), "-in", "run.in", "-log", "none", "-screen", "none"]
    subprocess.run(command, cwd=tmp_path, timeout=60, check=True)
    for number, text in enumerate(JOINED):
        lines = [line.split() for line in read_contents((tmp_path / f"{number}.data").read_text()).commands]
        theirs = {(int(words[1]), int(words[2])): (float(words[3]), float(words[4])) for words in lines}
        found = read_statements(styles + text)
        ours = found.coefficients("pair", 2)
        assert found.problems == ()
        assert {pair: tuple(map(float, words[""])) for pair, words in ours.items()} == theirs


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
