"""The reduction node: the state as a file, with its range as attributes."""

import io

import pytest
from aiida.orm import QueryBuilder, load_node
from aiida.plugins import DataFactory

from aiida_cse.data.reduction import FILENAME, CseReductionData
from tests.nodes import reduction_node, state, state_bytes

pytestmark = [
    pytest.mark.usefixtures("aiida_profile"),
    # AiiDA makes nodes outside of the database's session until they are stored
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]


def test_the_entry_point() -> None:
    assert DataFactory("cse.reduction") is CseReductionData


def test_what_is_stored_is_loaded() -> None:
    loaded = load_node(reduction_node().pk)
    assert isinstance(loaded, CseReductionData)
    assert loaded.filename == FILENAME
    assert loaded.get_state().equals(state())


def test_the_file_is_read_once_per_node() -> None:
    node = reduction_node()
    assert node.get_state() is node.get_state()
    loaded = load_node(node.pk)
    assert loaded is not node
    assert loaded.get_state() is loaded.get_state() is not node.get_state()


def test_another_file_is_another_state() -> None:
    node = CseReductionData(io.BytesIO(state_bytes()))
    assert node.get_state().frames == 60
    with io.BytesIO(state_bytes(state(50))) as file:
        node.set_file(file)
    assert node.get_state().frames == 50


def test_the_range_is_in_the_attributes() -> None:
    node = reduction_node()
    query = QueryBuilder().append(
        CseReductionData,
        filters={"id": node.pk, "attributes.frames": 60, "attributes.time_ps": {">": 1.1, "<": 1.3}},
        project=["attributes.first_step", "attributes.last_step"],
    )
    assert query.all() == [[0, 590]]


@pytest.mark.parametrize("length", [0, 100, -30])
def test_what_is_no_whole_state_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="is no state of a reduction"):
        CseReductionData(io.BytesIO(state_bytes()[:length]))


def test_what_is_no_archive_is_refused() -> None:
    with pytest.raises(ValueError, match="is no state of a reduction"):
        CseReductionData(io.BytesIO(b"frames: 60"))
