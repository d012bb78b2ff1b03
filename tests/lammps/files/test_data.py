"""Data files: a round trip is exact to the bit, files of any origin are read, damaged ones are refused by line."""

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aiida_cse.lammps.files.data import TOPOLOGY, DataFile, DataFileContents, read_contents
from aiida_cse.lammps.files.system import System
from tests.systems import crystal_and_molecules

#: LAMMPS writes the small system in all its ways
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


def water(velocities: bool = True) -> DataFile:
    """Return two water molecules, the second across the upper x end of the box."""
    rng = np.random.default_rng(2)
    shape = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    positions = np.concatenate([shape + np.array(place) for place in [(3.0, 4, 5), (9.6, 1.1, 7.3)]])
    data = DataFile(
        box=np.array([[0.0, 10.0], [0.0, 11.0], [-1.0, 12.0]]),
        masses=np.array([15.999, 1.008]),
        molecules=np.array([1, 1, 1, 2, 2, 2]),
        types=np.array([1, 2, 2, 1, 2, 2]),
        charges=np.array([-0.8, 0.4, 0.4] * 2),
        positions=np.zeros((6, 3)),
        images=np.zeros((6, 3), dtype=np.int64),
        velocities=rng.normal(size=(6, 3)) if velocities else None,
    )
    data.set_unwrapped(positions)
    data.topology["bonds"] = np.array([[1, 1, 2], [1, 1, 3], [1, 4, 5], [1, 4, 6]])
    data.topology["angles"] = np.array([[1, 2, 1, 3], [1, 5, 4, 6]])
    data.topology_types.update(bonds=1, angles=2)
    return data


def same(first: DataFile, second: DataFile) -> bool:
    names = ("box", "masses", "molecules", "types", "charges", "positions", "images")
    arrays_equal = all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)
    velocities = [d.velocities for d in (first, second)]
    if velocities[0] is None or velocities[1] is None:
        arrays_equal &= velocities[0] is velocities[1]
    else:
        arrays_equal &= np.array_equal(velocities[0], velocities[1])
    topology = all(np.array_equal(first.topology[kind], second.topology[kind]) for kind in TOPOLOGY)
    return arrays_equal and topology and first.topology_types == second.topology_types


@pytest.mark.parametrize("velocities", [True, False])
def test_a_written_file_is_read_back_bit_for_bit(velocities: bool) -> None:
    data = water(velocities)
    assert same(DataFile.parse(data.format()), data)


def without_images(text: str) -> str:
    return re.sub(r"(?m)^(\d+ \d+ \d+ \S+ \S+ \S+ \S+) 0 0 0$", r"\1", text)


def reversed_atoms(text: str) -> str:
    lines = text.splitlines()
    start = lines.index("Atoms # full") + 2
    return "\n".join([*lines[:start], *reversed(lines[start : start + 6]), *lines[start + 6 :]]) + "\n"


def with_labels(text: str) -> str:
    text = re.sub(r"(?m)^(\d+ \d+) 1 (-0.8)", r"\1 O \2", re.sub(r"(?m)^(\d+ \d+) 2 (0.4)", r"\1 H \2", text))
    text = text.replace("Masses\n\n1 15.999\n2 1.008", "Masses\n\nO 15.999\nH 1.008")
    text = re.sub(r"(Bonds\n\n1) 1", r"\1 O-H", text)
    assert "O-H" in text
    labels = "Atom Type Labels\n\n1 O\n2 H\n\nBond Type Labels\n\n1 O-H\n\n"
    return text.replace("Masses\n", labels + "Masses\n")


@pytest.mark.parametrize(
    "change",
    [
        reversed_atoms,
        without_images,
        with_labels,
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace("\n", "\r"),
        lambda t: re.sub(r"(?m)^(?=.)", "  ", t),
        lambda t: re.sub(r"(?m)^(?=\S)", "\t", with_labels(t)).replace("\n", "\r\n"),
        lambda t: re.sub(r"(?m)(?<=.)$", "  # a comment", t.replace("Atoms # full", "Atoms")),
        lambda t: t.replace("Atoms # full", "Atoms # id mol type q x y z ix iy iz"),
        lambda t: t.replace("Atoms # full", "Atoms # atom-ID molecule-ID atom-type charge x y z"),
        lambda t: t.replace("Atoms # full", "Atoms # written by a program"),
        lambda t: t.replace("\nMasses\n", "\nBond Coeffs # harmonic\n\n1 450 0.9572\n\nMasses\n"),
        lambda t: t + "\nEllipsoids\n\n1 1 1 1 1 0 0 0\n",
    ],
    ids=[
        "order",
        "images",
        "labels",
        "crlf",
        "cr",
        "indent",
        "all",
        "comments",
        "columns",
        "long columns",
        "words",
        "coeffs",
        "others",
    ],
)
def test_the_same_atoms_are_read_from_every_spelling(change: Callable[[str], str]) -> None:
    data = water(velocities=False)
    data.set_unwrapped(data.positions)
    changed = change(data.format())
    assert changed != data.format()
    assert same(DataFile.parse(changed), data)


def test_a_label_given_to_two_types_is_refused() -> None:
    twice = with_labels(water(velocities=False).format()).replace("1 O\n2 H\n", "1 O\n2 O\n")
    with pytest.raises(ValueError, match=r"Atom Type Labels section, line \d+: the label 'O' is there already"):
        DataFile.parse(twice)


def test_unwrapped_positions_use_the_image_flags() -> None:
    data = water()
    assert data.images[:, 0].tolist() == [0, 0, 0, 0, 1, 0]
    assert data.unwrapped[4] == pytest.approx([10.56, 1.1, 7.3])
    assert data.lengths.tolist() == [10.0, 11.0, 13.0]
    assert data.natoms == 6


@given(arrays(np.float64, (4, 3), elements=st.floats(-1e4, 1e4)))
def test_wrapped_positions_lie_in_the_box(positions: np.ndarray) -> None:
    data = water(velocities=False).select(np.array([True] * 3 + [False] * 3))
    data.set_unwrapped(positions[:3])
    assert (data.positions >= data.box[:, 0]).all()
    assert (data.positions < data.box[:, 1]).all()
    assert data.unwrapped == pytest.approx(positions[:3], abs=1e-8)


def test_an_atom_a_rounding_error_below_the_box_is_wrapped_to_its_lower_end() -> None:
    data = water(velocities=False)
    positions = data.unwrapped
    positions[0, 0] = -1e-17
    data.set_unwrapped(positions)
    assert data.positions[0, 0] == 0.0
    assert data.images[0, 0] == 0


def test_selection_renumbers_terms_and_keeps_types() -> None:
    part = water().select(np.array([False] * 3 + [True] * 3))
    assert part.natoms == 3
    assert part.topology["bonds"].tolist() == [[1, 1, 2], [1, 1, 3]]
    assert part.topology["angles"].tolist() == [[1, 2, 1, 3]]
    assert part.topology_types == {"bonds": 1, "angles": 2, "dihedrals": 0, "impropers": 0}
    assert part.velocities is not None
    assert len(part.velocities) == 3


def test_a_selection_that_cuts_a_molecule_is_refused() -> None:
    with pytest.raises(ValueError, match="the selection cuts through bonds"):
        water().select(np.array([True, True, False, True, True, True]))


def test_a_truncated_file_is_refused() -> None:
    text = water().format()
    with pytest.raises(ValueError, match="section"):
        DataFile.parse(text[: text.index("Angles")])


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.data"
    path.write_text("LAMMPS data file\n\n3 atoms\n")
    with pytest.raises(ValueError, match=r"broken\.data: there is no Atoms section"):
        DataFile.read(path)
    with pytest.raises(FileNotFoundError):
        DataFile.read(path.with_name("none.data"))


# -- files of other programs ---------------------------------------------------------------------------


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
def test_a_file_written_by_lammps_is_the_same_system(written: dict[str, str], system: System, name: str) -> None:
    found = read_contents(written[name])
    assert found.labels == {1: "La", 2: "O_c", 3: "Li", 4: "C", 5: "W"}
    for field in ("molecules", "types", "charges", "images", "masses"):
        assert np.array_equal(getattr(found.data, field), getattr(system.data, field)), field
    assert found.data.positions == pytest.approx(system.data.positions, abs=1e-12)
    assert found.data.topology_types == system.data.topology_types
    bonds = found.data.topology["bonds"]
    assert np.array_equal(bonds[np.lexsort(bonds.T[::-1])], system.data.topology["bonds"])


@pytest.mark.integration
def test_coefficients_in_a_data_file_become_commands(written: dict[str, str]) -> None:
    assert read_contents(written["nocoeff"]).commands == ()
    for name in ("numeric", "labels"):
        found = read_contents(written[name])
        assert found.commands[0] == "pair_coeff 1 1 0.1 2.6"
        assert found.commands[-1] == "bond_coeff 1 100 1.5"
        assert found.styles == {"pair_style": "lj/cut/coul/long", "bond_style": "harmonic"}
    every = read_contents(written["pairs"]).commands
    assert "pair_coeff 1 2 0.1 2.6 6" in every, "with the cutoff that they had"
    assert len([command for command in every if command.startswith("pair_coeff")]) == 15


@pytest.fixture(scope="module")
def text(system: System) -> str:
    return system.data.format()


Change = Callable[[str], str]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: "", "there is no Atoms section"),
        (lambda t: "units real\nrun 0\n", "there is no Atoms section; this is no LAMMPS data file"),
        (lambda t: t.replace("# full", "# charge"), "Atoms section: atom_style charge; it must be full"),
        (
            lambda t: t.replace("# full", "# id type mol q x y z"),
            "Atoms section: columns id type mol q x y z; those",
        ),
        (lambda t: t.replace("113 atoms", "114 atoms"), "Atoms section: 113 lines, the header says 114"),
        (lambda t: t.replace("22 bonds", "23 bonds"), "Bonds section: 22 lines, the header says 23"),
        (lambda t: t.replace("5 atom types", "6 atom types"), "Masses section: 5 lines, the header says 6"),
        (lambda t: t.replace("1 bond types", "9999999 bond types"), r"header, line 6: .* at most 2000 types"),
        (lambda t: t.replace("113 atoms", "1.5 atoms"), r"header, line 3: '1\.5 atoms': must be one whole number"),
        (lambda t: t.replace(" xlo xhi", " xlo xhj"), "header: no line 'xlo xhi' with two bounds"),
        (
            lambda t: re.sub(r"0 \S+ xlo", "0 --1 xlo", t),
            "header, line 13: .*: must be numbers before .xlo xhi.",
        ),
        (lambda t: re.sub(r"0 \S+ xlo", "0 -1 xlo", t), "header: the box has edges of -1, 11.2"),
        (lambda t: re.sub(r"0 \S+ xlo", "0 1e999 xlo", t), "header: a bound of the box is no finite number"),
        (
            lambda t: t.replace("zlo zhi", "zlo zhi\n1 0 0 xy xz yz"),
            r"header, line 16: '1 0 0 xy xz yz': the box is tilted; only orthogonal boxes are supported",
        ),
        (
            lambda t: t.replace("zlo zhi", "zlo zhi\n14 1 0 avec"),
            "header, line 16: '14 1 0 avec': the box is tilted",
        ),
        (lambda t: "by write_data, units = metal " + t, "line 1: units = metal; they must be real"),
        (lambda t: "units: LJ; " + t, "line 1: units = LJ; they must be real"),
        (
            lambda t: re.sub(r"(# full\n\n1 1) \d", r"\1 1.5", t),
            "Atoms section, line 27: type 1.5: must be a whole number from 1 on",
        ),
        (
            lambda t: re.sub(r"(Bonds\n\n\d+) 1 ", r"\1 1.0 ", t),
            "Bonds section, line 143: type 1.0: must be a whole",
        ),
        (
            lambda t: t.replace("# full", "# atom-ID atom-type molecule-ID q x y z"),
            "Atoms section: columns atom-ID atom-type molecule-ID q x y z; those",
        ),
        (lambda t: t + "\nAtoms\n\n1 1 1 0 0 0 0\n", r"line \d+: there is a section Atoms already"),
        (lambda t: re.sub(r"\n6 (\d+ \d+ \S+)", r"\n5 \1", t, count=1), "section: IDs are not 1…N, each once"),
        (
            lambda t: re.sub(r"(Bonds\n\n\d+) 1 ", r"\1 ", t),
            r"Bonds section, line 143: '1 70 71' must have 4 words; the type .* is missing: .*`types numeric`",
        ),
        (lambda t: re.sub(r"(Bonds\n\n\d+) 1 ", r"\1 3 ", t), "Bonds section, line 143: type 3; there are 1 to 1"),
        (lambda t: re.sub(r"(Bonds\n\n\d+) 1 70", r"\1 1 700", t), "line 143: atom 700; there are 1 to 113"),
        (lambda t: re.sub(r"(# full\n\n1 1) \d", r"\1 9", t), "Atoms section, line 27: type 9; there are 1 to 5"),
        (lambda t: re.sub(r"(# full\n\n1 1) \d", r"\1 La", t), "Atoms section, line 27: 'La' is neither a number"),
        (lambda t: re.sub(r"(# full\n\n1) 1", r"\1 1.5", t), "Atoms section, line 27: .* whole ones for IDs"),
        (lambda t: re.sub(r"(# full\n\n1) 1", r"\1 1e300", t), "Atoms section, line 27: .* whole ones for IDs"),
        (
            lambda t: re.sub(r"(# full\n\n1 1 \d+ \S+) \S+", r"\1 1e20", t),
            "Atoms section, line 27: .*: is more than 1000 box edges outside of the box",
        ),
        (lambda t: re.sub(r"(# full\n\n1 1 \d+ \S+) \S+", r"\1 nan", t), "line 27: .*: must be finite numbers"),
        (lambda t: re.sub(r"(# full\n\n1 1 \d+ \S+) \S+", r"\1 1.2.3", t), "line 27: .*: must be numbers"),
        (lambda t: re.sub(r"\d+ atoms\n", "0 atoms\n", t), "header: there are no atoms; a line such as"),
        (
            lambda t: re.sub(r"(# full\n\n1 .*) 0 0 0\n", r"\1\n", t),
            "line 28: 10 columns, expected 7 or 10 in every",
        ),
        (
            lambda t: re.sub(r"(# full\n\n1 .*) 0\n", r"\1\n", t),
            "line 27: 9 columns, expected 7 or 10 in every row",
        ),
    ],
)
def test_damage_is_refused_with_its_line(text: str, change: Change, message: str) -> None:
    assert change(text) != text
    for read in (read_contents, DataFile.parse):
        with pytest.raises(ValueError, match=message):
            read(change(text))


@pytest.mark.parametrize("words", ["units", "units =", "units = :", "units units =", "by write_data, units = r"])
@pytest.mark.parametrize("blank", [" ", "\t", " ="])
def test_a_title_of_many_blanks_is_read_in_linear_time(text: str, words: str, blank: str) -> None:
    odd = f"{words}{20_000 * blank}x {text}"
    began = time.process_time()
    for read in (read_contents, DataFile.parse):
        read(odd)
    # two repetitions in a row in the pattern of the units take 4 s, three take hours
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t + "\nEllipsoids\n\n1 1 1 1 1 0 0 0\n", "sections that are not understood: Ellipsoids"),
        (lambda t: t + "\nBondBond Coeffs\n\n1 1 1 1\n", "sections that are not understood: BondBond Coeffs"),
        (
            lambda t: t + "\nBond Coeffs\n\nC-C 1 1\n",
            r"Bond Coeffs section, line \d+: 'C-C' is neither a number nor",
        ),
    ],
)
def test_content_that_a_system_cannot_hold_is_refused(text: str, change: Change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_contents(change(text))
    assert DataFile.parse(change(text)).natoms == 113


@given(st.data())
def test_random_damage_is_refused_with_a_message(data: st.DataObject) -> None:
    words = re.split(r"(\s+)", crystal_and_molecules().data.format())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(words) - 1))
        words[place] = data.draw(
            st.sampled_from(["", "\n", "x", "-1", "1e999", "nan", "0", "99999999999999999999"])
        )
    try:
        found = read_contents("".join(words))
    except ValueError:
        return
    assert isinstance(found, DataFileContents)
    assert set(found.data.topology) == set(TOPOLOGY)
