"""Systems: facts follow from the data file, contradictions are refused, three files hold everything."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from aiida_cse.lammps.files.system import FILENAMES, AtomType, SlabGeometry, System
from tests.lammps.files.test_data import same, water

TYPES = (
    AtomType(label="OW", element="O", mass=15.999, charge=-0.8, phase="electrolyte", species="water"),
    AtomType(label="HW", element="H", mass=1.008, charge=0.4, phase="electrolyte", species="water"),
)
SLAB = SlabGeometry(thickness=10.0, framework=("OW",), midplane_offset=0.1, lithium=3)


def system() -> System:
    return System.create(water(), "# none\n", phase="electrolyte", types=TYPES, seeds={"a": 1}, citations=("b",))


def test_facts_follow_from_the_data_file() -> None:
    info = system().info
    assert info.natoms == 6
    assert info.composition == {"OW": 2, "HW": 4}
    assert info.charge == 0
    assert info.box == ((0.0, 10.0), (0.0, 11.0), (-1.0, 12.0))
    assert info.seeds == {"a": 1}


def test_types_are_found_by_label_or_species() -> None:
    info = system().info
    assert info.type_numbers(labels=("HW",)) == [2]
    assert info.type_numbers(species="water") == [1, 2]
    assert info.type_numbers(labels=("Li",)) == []


def test_an_evolved_system_keeps_its_chemistry() -> None:
    moved = water()
    moved.box = moved.box * 2
    after = system().evolved(moved, phase="ceramic", slab=SLAB)
    assert after.info.types == TYPES
    assert after.info.citations == ("b",)
    assert after.info.phase == "ceramic"
    assert after.info.slab == SLAB
    assert after.info.box[0] == (0.0, 20.0)
    assert after.evolved(moved).info.slab == SLAB


def test_contradictions_are_refused() -> None:
    with pytest.raises(ValueError, match="declares 2 atom types, the type table has 1"):
        System.create(water(), "", phase="slab", types=TYPES[:1])
    data = water()
    data.charges[3] = -0.7
    with pytest.raises(ValueError, match=r"atom 4 has charge -0\.7, its type -0\.8"):
        System.create(data, "", phase="slab", types=TYPES)


@pytest.mark.parametrize(
    "change",
    [{"label": "O W"}, {"label": "2O"}, {"mass": 0.0}, {"phase": "gas"}, {"element": "oxygen"}, {"colour": 1}],
)
def test_invalid_types_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AtomType.model_validate(TYPES[0].model_dump() | change)


def test_three_files_hold_a_system(tmp_path: Path) -> None:
    before = system()
    before.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(FILENAMES.values())
    after = System.read(tmp_path)
    assert after.info == before.info
    assert after.forcefield == before.forcefield
    assert same(after.data, before.data)


@pytest.mark.parametrize("missing", FILENAMES.values())
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    system().write(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(ValueError, match=f"is not a system; {missing} is missing"):
        System.read(tmp_path)


def test_velocities_are_written_and_read(tmp_path: Path) -> None:
    system().write(tmp_path)
    velocities = System.read(tmp_path).data.velocities
    assert velocities is not None
    assert np.array_equal(velocities, water().velocities)  # type: ignore[arg-type]
