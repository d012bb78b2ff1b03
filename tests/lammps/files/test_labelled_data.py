"""Data files as LAMMPS and other programs write them: types by label, coefficients, and what is refused."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_cse.lammps.files.data import TOPOLOGY
from aiida_cse.lammps.files.labelled_data import ForeignFile, read_foreign
from aiida_cse.lammps.files.system import System
from tests.systems import crystal_and_molecules

SCRIPT = """\
units real
atom_style full
variable cutoff index 6.0
read_data system.data
include forcefield.in
labelmap atom 1 La 2 O_c 3 Li 4 C 5 W
labelmap bond 1 C-C
kspace_style pppm 1e-4
run 0 post no
write_data numeric.data
write_data labels.data types labels
write_data nocoeff.data nocoeff
write_data pairs.data pair ij
"""


@pytest.fixture(scope="module")
def system() -> System:
    return crystal_and_molecules()


@pytest.fixture(scope="module")
def written(system: System, tmp_path_factory: pytest.TempPathFactory, environment_bin: Path) -> dict[str, str]:
    """The small system as LAMMPS itself writes it, in all its ways."""
    folder = tmp_path_factory.mktemp("written")
    system.write(folder)
    (folder / "run.in").write_text(SCRIPT)
    command = [environment_bin / "lmp", "-in", "run.in", "-log", "none"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return {path.stem: path.read_text() for path in folder.glob("*.data")}


@pytest.mark.integration
@pytest.mark.parametrize("name", ["numeric", "labels", "nocoeff", "pairs"])
def test_what_lammps_writes_is_the_same_system(written: dict[str, str], system: System, name: str) -> None:
    found = read_foreign(written[name])
    assert found.labels == {1: "La", 2: "O_c", 3: "Li", 4: "C", 5: "W"}
    for field in ("molecules", "types", "charges", "images", "masses"):
        assert np.array_equal(getattr(found.data, field), getattr(system.data, field)), field
    assert found.data.positions == pytest.approx(system.data.positions, abs=1e-12)
    assert found.data.topology_types == system.data.topology_types
    bonds = found.data.topology["bonds"]
    assert np.array_equal(bonds[np.lexsort(bonds.T[::-1])], system.data.topology["bonds"])


@pytest.mark.integration
def test_coefficients_in_a_data_file_are_commands(written: dict[str, str]) -> None:
    assert read_foreign(written["nocoeff"]).commands == []
    for name in ("numeric", "labels"):
        found = read_foreign(written[name])
        assert found.commands[0] == "pair_coeff 1 1 0.1 2.6"
        assert found.commands[-1] == "bond_coeff 1 100 1.5"
        assert found.styles == {"pair_style": "lj/cut/coul/long", "bond_style": "harmonic"}
    every = read_foreign(written["pairs"]).commands
    assert "pair_coeff 1 2 0.1 2.6 6" in every, "with the cutoff that they had"
    assert len([command for command in every if command.startswith("pair_coeff")]) == 15


@pytest.fixture(scope="module")
def text(system: System) -> str:
    return system.data.format()


Change = Callable[[str], str]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.replace("Atoms # full", "Atoms # charge"),
            "Atoms section: atom_style charge; it must be full",
        ),
        (lambda t: "by write_data, units = metal " + t, "units = metal; they must be real"),
        (lambda t: "units real\nrun 0\n", "there is no Atoms section; this is no LAMMPS data file"),
        (lambda t: "", "there is no Atoms section"),
        (lambda t: t + "\nEllipsoids\n\n1 1 1 1 1 0 0 0\n", "sections that are not understood: Ellipsoids"),
        (lambda t: t + "\nBondBond Coeffs\n\n1 1 1 1\n", "sections that are not understood: BondBond Coeffs"),
        (lambda t: re.sub(r"(Bonds\n\n\d+) 1 ", r"\1 ", t), r"Bonds section: '1 70 71' must have 4 words"),
        (lambda t: re.sub(r"(Bonds\n\n\d+) 1 ", r"\1 3 ", t), "Bonds section: type 3; there are 1 to 1"),
        (lambda t: re.sub(r"(Bonds\n\n\d+) 1 70", r"\1 1 700", t), "Bonds section: atom 700; there are 1 to 113"),
        (lambda t: re.sub(r"(Atoms # full\n\n1 1) \d", r"\1 9", t), "Atoms section: type 9; there are 1 to 5"),
        (
            lambda t: re.sub(r"(Atoms # full\n\n1 1) \d", r"\1 La", t),
            "'La' is no type in the section Atom Type Labels",
        ),
        (
            lambda t: re.sub(r"(Atoms # full\n\n1 1 \d+ \S+) \S+", r"\1 nan", t),
            "the box, a mass, a charge, a position or a velocity is no finite",
        ),
        (lambda t: re.sub(r"0 11\.\d+ xlo", "0 -1 xlo", t), "header: the box has edges of -1, 11.2"),
        (lambda t: t.replace("113 atoms", "114 atoms"), "Atoms section: 113 lines, the header says 114"),
        (lambda t: t.replace("zlo zhi", "zlo zhi\n1 0 0 xy xz yz"), "the box is tilted"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, change: Change, message: str) -> None:
    assert change(text) != text
    with pytest.raises(ValueError, match=message):
        read_foreign(change(text))


@given(st.data())
def test_damaged_files_are_refused_with_a_sentence(data: st.DataObject) -> None:
    words = re.split(r"(\s+)", crystal_and_molecules().data.format())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(words) - 1))
        words[place] = data.draw(
            st.sampled_from(["", "\n", "x", "-1", "1e999", "nan", "0", "99999999999999999999"])
        )
    try:
        found = read_foreign("".join(words))
    except ValueError:
        return
    assert isinstance(found, ForeignFile)
    assert set(found.data.topology) == set(TOPOLOGY)
