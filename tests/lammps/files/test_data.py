"""Data files: what is written is read back to the bit, and what is no data file is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aiida_cse.lammps.files.data import TOPOLOGY, DataFile


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
def test_round_trip_to_the_bit(velocities: bool) -> None:
    data = water(velocities)
    assert same(DataFile.parse(data.format()), data)


def test_atoms_in_any_order_and_without_image_flags_are_read() -> None:
    data = water(velocities=False)
    data.set_unwrapped(data.positions)
    lines = data.format().splitlines()
    start = lines.index("Atoms # full") + 2
    atoms = [" ".join(line.split()[:7]) for line in lines[start : start + 6]]
    text = "\n".join([*lines[:start], *reversed(atoms), *lines[start + 6 :]])
    assert same(DataFile.parse(text), data)


def test_sections_and_labels_that_lammps_adds_are_skipped() -> None:
    extra = "\nAtom Type Labels\n\n1 O\n2 H\n\nBond Coeffs # harmonic\n\n1 450 0.9572\n\nMasses\n"
    data = water()
    assert same(DataFile.parse(data.format().replace("\nMasses\n", extra)), data)


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


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("6 atoms", "7 atoms", "Atoms section: 6 lines, the header says 7"),
        ("4 bonds", "5 bonds", "Bonds section: 4 lines, the header says 5"),
        ("2 atom types", "3 atom types", "Masses section: 2 lines, the header says 3"),
        ("\n6 2 2", "\n5 2 2", "Atoms section: IDs are not 1…N"),
        (" xlo xhi", " xlo xhj", "header: no line 'xlo xhi'"),
        ("\nMasses", "0 1 0 xy xz yz\n\nMasses", "the box is tilted"),
    ],
)
def test_incomplete_files_are_refused(old: str, new: str, message: str) -> None:
    text = water().format()
    assert old in text
    with pytest.raises(ValueError, match=message):
        DataFile.parse(text.replace(old, new, 1))


def test_a_truncated_file_is_refused() -> None:
    text = water().format()
    with pytest.raises(ValueError, match="section"):
        DataFile.parse(text[: text.index("Angles")])


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.data"
    path.write_text("LAMMPS data file\n\n3 atoms\n")
    with pytest.raises(ValueError, match=r"broken\.data: Atoms section: 0 lines, the header says 3"):
        DataFile.read(path)
    with pytest.raises(FileNotFoundError):
        DataFile.read(path.with_name("none.data"))
