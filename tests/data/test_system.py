"""The system node: stored and loaded, queried, turned into the structures of other programs."""

import numpy as np
import pytest
from aiida import orm
from aiida.common.exceptions import ModificationNotAllowed, ValidationError
from aiida.orm import QueryBuilder, StructureData, load_node
from aiida.plugins import DataFactory

from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import FILENAMES
from tests.nodes import system_node
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


def test_a_stored_node_does_not_change(node: CseSystemData) -> None:
    with pytest.raises(ModificationNotAllowed):
        node.base.attributes.set("phase", "slab")


def test_equal_systems_have_equal_hashes(node: CseSystemData) -> None:
    assert node.base.caching.get_hash() == system_node().base.caching.get_hash()
    other = CseSystemData(crystal_and_molecules(seed=2)).store()
    assert isinstance(other, orm.Data)
    assert node.base.caching.get_hash() != other.base.caching.get_hash()
