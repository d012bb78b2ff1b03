"""The system node: stored and loaded, queried, turned into the structures of other programs."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common.exceptions import ModificationNotAllowed, ValidationError
from aiida.orm import QueryBuilder, StructureData, load_node
from aiida.plugins import DataFactory

from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import FILENAMES
from tests.nodes import forged_system, imported, system_node
from tests.systems import SPACING, TYPES, crystal_and_molecules

pytestmark = [
    pytest.mark.usefixtures("aiida_profile"),
    # AiiDA makes nodes outside of the database's session until they are stored
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]


@pytest.fixture
def node() -> CseSystemData:
    return system_node()


def test_the_entry_point() -> None:
    assert DataFactory("cse.system") is CseSystemData


def test_what_is_stored_is_loaded(node: CseSystemData) -> None:
    loaded = load_node(node.pk)
    before, after = crystal_and_molecules(), loaded.get_system()
    assert isinstance(loaded, CseSystemData)
    assert after.info == before.info == loaded.info
    assert after.forcefield == before.forcefield == loaded.forcefield
    for name in ("box", "types", "charges", "positions", "images", "molecules", "masses"):
        assert np.array_equal(getattr(after.data, name), getattr(before.data, name)), name
    assert np.array_equal(after.data.topology["bonds"], before.data.topology["bonds"])


def test_the_files_are_those_that_lammps_reads(node: CseSystemData) -> None:
    assert set(node.base.repository.list_object_names()) == {FILENAMES["data"], FILENAMES["forcefield"]}
    assert node.lammps_data.startswith("LAMMPS data file: interface\n")
    assert node.base.repository.get_object_content(FILENAMES["forcefield"], "r") == node.forcefield


def test_facts_are_attributes_to_query(node: CseSystemData) -> None:
    def found(**filters: object) -> list[int]:
        query = QueryBuilder()
        conditions = {f"attributes.{key.replace('__', '.')}": value for key, value in filters.items()}
        query.append(CseSystemData, filters={"id": node.pk} | conditions, project="id")
        return list(query.all(flat=True))

    assert found(phase="interface", natoms={">": 100}, composition__Li=5, charge=0) == [node.pk]
    assert found(slab__lithium=0, seeds__test=1, types={"of_length": 5}) == [node.pk]
    assert found(phase="slab") == []
    assert found(natoms={">": 1000}) == []


def test_a_universe(node: CseSystemData) -> None:
    universe, data = node.get_universe(), node.get_system().data
    labels = [TYPES[number - 1] for number in data.types]
    assert list(universe.atoms.elements) == [label.element for label in labels]
    assert list(universe.atoms.names) == [label.label for label in labels]
    assert universe.atoms.charges == pytest.approx(data.charges)
    assert universe.atoms.masses == pytest.approx([label.mass for label in labels])
    assert universe.dimensions[:3] == pytest.approx(data.lengths)
    assert len(universe.bonds) == 22
    inside = universe.atoms.positions
    assert ((inside - data.positions) / data.lengths).round(5) % 1 == pytest.approx(0, abs=1e-4)


def test_a_structure(node: CseSystemData) -> None:
    structure, data = node.get_structure(), node.get_system().data
    assert isinstance(structure, StructureData)
    assert np.diag(structure.cell) == pytest.approx(data.lengths)
    assert [kind.symbol for kind in structure.kinds] == ["La", "O", "Li", "C"]
    assert [kind.mass for kind in structure.kinds] == [138.905, 15.999, 6.94, 15.0]
    sites = np.array([site.position for site in structure.sites])
    assert sites == pytest.approx(data.positions - data.box[:, 0])
    assert sites[0] == pytest.approx([SPACING / 2, SPACING / 2, 0.5 * SPACING - 2 * SPACING + data.lengths[2] / 2])
    assert structure.get_pymatgen().composition["Li"] == 5


def test_an_empty_node_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"files = \['forcefield.in', 'system.data'\]: are missing"):
        CseSystemData().store()


def test_a_node_without_facts_is_refused() -> None:
    node = CseSystemData(crystal_and_molecules())
    node.base.attributes.delete("phase")
    with pytest.raises(ValidationError, match="attributes do not describe a system"):
        node.store()


SYSTEM = crystal_and_molecules()
DATA, INCLUDE = SYSTEM.data.format("interface"), SYSTEM.forcefield
HOSTILE: list[tuple[dict[str, Any], str]] = [
    *(
        ({"forcefield": f"{INCLUDE}{line}\n"}, f"forcefield.in: line {INCLUDE.count(chr(10)) + 1}: {word}")
        for line, word in {
            "shell touch /tmp/owned": "'shell' is not a command of a force field",
            "python f input 1 SELF": "'python' is not a command",
            "plugin load evil.so": "'plugin' is not a command",
            "include /etc/passwd": "include belongs to the run",
            "jump elsewhere.in": "'jump' is not a command",
            'print "ssh-rsa" append /home/me/.ssh/authorized_keys': "'print' is not a command",
            "write_data /home/me/.bashrc": "'write_data' is not a command",
            "log /home/me/.bashrc": "log belongs to the run",
            "variable home getenv HOME": "variable belongs to the run",
            "pair_coeff 1 1 $(v_home) 1": "pair_coeff: '$(v_home)' contains characters",
            "pair_style mliap/kk unified model.pt": "pair_style mliap/kk: not allowed",
            "pair_style python/omp 9": "pair_style python/omp: not allowed",
            "pair_style kim EAM_Dynamo": "pair_style kim: not allowed",
            "labelmap write /home/me/.bashrc": "labelmap: must be types with their labels",
            "fix x all python/invoke 1 end_of_step f": "'fix' is not a command",
            '# """': "contains triple quotes",
            "\\\nshell ls": "'\\\\' is not a command",
        }.items()
    ),
    ({"forcefield": "bond_style zero # &\n" + INCLUDE}, "forcefield.in: line 1: the comment ends in '&'"),
    ({"forcefield": "# \udcff"}, "forcefield.in: byte 2 is 0xff; must be UTF-8 text"),
    (
        {"data": DATA.replace("113 atoms", "114 atoms")},
        "system.data: Atoms section: 113 lines, the header says 114",
    ),
    (
        {"data": DATA.replace("\n\n", "\n\n1000000000 extra bond per atom\n", 1)},
        "system.data: header, line 3: '100",
    ),
    ({"data": DATA + "\nPair Coeffs\n\n1 1 1\n"}, "system.data: Pair Coeffs section, line"),
    (
        {"data": DATA.replace("interface", "interface\r5 atoms", 1)},
        r"system.data: line 1: contains the character '\r'",
    ),
    ({"data": DATA.replace("0 0 0 xy", "") + "\x00"}, r"contains the character '\x00'; must be plain text"),
    ({"data": ""}, "system.data: there is no Atoms section"),
    ({"attributes": {"composition": {"Li": 10**9}}}, "system.data: composition.La = 0: the data file has"),
    ({"attributes": {"types": []}}, "system.data: types: 0, the data file has 5"),
    ({"attributes": {"natoms": 7}}, "system.data: natoms = 7: the data file has 113"),
    ({"attributes": {"phase": "x" * 10**6}}, "phase = "),
]


@pytest.mark.parametrize(("forged", "problem"), HOSTILE)
def test_a_hostile_node_is_refused_when_it_is_made_and_when_it_is_used(
    forged: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError) as stored:
        forged_system(**forged).store()
    node = imported(forged_system(**forged))
    with pytest.raises(ValueError, match=rf"^cse\.system {node.pk}: ") as used:
        node.get_system()
    for said in (str(stored.value), str(used.value)):
        assert problem in said
        assert len(said) < 800


def test_a_system_with_other_commands_is_not_made() -> None:
    hostile = dataclasses.replace(SYSTEM, forcefield="shell ls\n")
    with pytest.raises(ValueError, match="line 1: 'shell' is not a command of a force field"):
        CseSystemData(hostile)
    with pytest.raises(ValueError, match=r"^forcefield.in: line 1: 'shell' is not a command of a force field"):
        hostile.evolved(SYSTEM.data)


def test_a_file_that_unpacks_to_many_bytes_is_read_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    node = imported(forged_system(forcefield="#" * 5_000_001))
    with pytest.raises(ValueError, match=r"forcefield.in: has over 5,000,000 bytes; must be smaller"):
        node.get_system()
    monkeypatch.setattr("aiida_cse.data.system._MOST_BYTES", 1000)
    with pytest.raises(ValueError, match=r"system.data: has over 1,000 bytes; must be smaller"):
        node.get_system()


def test_a_stored_node_does_not_change(node: CseSystemData) -> None:
    with pytest.raises(ModificationNotAllowed):
        node.base.attributes.set("phase", "slab")


def test_equal_systems_have_equal_hashes(node: CseSystemData) -> None:
    assert node.base.caching.get_hash() == system_node().base.caching.get_hash()
    other = CseSystemData(crystal_and_molecules(seed=2)).store()
    assert isinstance(other, orm.Data)
    assert node.base.caching.get_hash() != other.base.caching.get_hash()
