"""The reduction node: the state as a file, with its range as attributes."""

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from aiida.common.links import LinkType
from aiida.orm import CalcJobNode, Computer, Dict, Float, QueryBuilder, WorkChainNode, load_node
from aiida.plugins import DataFactory

from aiida_cse.data.reduction import FILENAME, CseReductionData, checked_temperature, temperature_of
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State, TrajectorySource
from tests.nodes import imported, job_node, reduction_node, state, state_bytes
from tests.reduction import synthetic

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


# -- a reduction that continues another ---------------------------------------------------------------------


def parts(*cuts: int) -> tuple[list[State], State]:
    """Return the states between these frames of a trajectory, and that of the whole."""
    settings, positions = synthetic.config(), synthetic.make(5, cuts[-1]).positions
    with TemporaryDirectory() as folder:
        found = []
        for first, stop in (*pairwise(cuts), (cuts[0], cuts[-1])):
            path = Path(folder) / f"{first}-{stop}.dcd"
            synthetic.write_dcd(path, positions[first:stop], first_step=first * synthetic.FRAME_STEPS)
            found.append(reduce_segments([path], settings))
    return found[:-1], found[-1]


def chained(states: list[State]) -> list[CseReductionData]:
    """Return stored reductions, each with the state that follows that of the one before."""
    nodes: list[CseReductionData] = []
    for one in states:
        previous = nodes[-1] if nodes else None
        nodes.append(CseReductionData(io.BytesIO(state_bytes(one)), previous=previous).store())
    return nodes


def test_a_reduction_of_new_frames_has_the_state_of_all() -> None:
    states, whole = parts(0, 20, 33, 34, 60)
    last = load_node(chained(states)[-1].pk)
    assert last.get_state().equals(whole)
    assert last.get_config() == whole.config
    attributes = last.base.attributes.all
    assert [attributes[key] for key in ("frames", "first_step", "last_step")] == [60, 0, 590]
    assert attributes["time_ps"] == pytest.approx(1.2)
    assert [source["name"] for source in attributes["sources"]] == [
        f"{first}-{stop}.dcd" for first, stop in ((0, 20), (20, 33), (33, 34), (34, 60))
    ]
    assert [part.pk for part in last.parts()] == sorted(part.pk for part in last.parts())
    # a whole state that was made from a previous one, as by earlier versions, continues nothing
    assert "previous" not in CseReductionData(io.BytesIO(state_bytes(whole)), previous=last).base.attributes.all


def test_a_reduction_that_does_not_follow_is_refused() -> None:
    states, _ = parts(0, 20, 33, 60)
    first = chained(states[:1])[0]
    with pytest.raises(
        ValueError, match=r"starts at step 330, but cse.reduction \d+, which it continues, ends at step 190"
    ):
        CseReductionData(io.BytesIO(state_bytes(states[2])), previous=first)
    lost = CseReductionData(io.BytesIO(state_bytes(states[1])), previous=first)
    for value in ("0" * 8 + "-0000-4000-8000-" + "0" * 12, lost.uuid, 5, "x"):
        lost.base.attributes.set("previous", value)
        with pytest.raises(ValueError, match=r"is not in this profile; import it|leads to no first reduction"):
            imported(lost).get_state()
        lost = CseReductionData(io.BytesIO(state_bytes(states[1])), previous=first)


def test_a_forged_reduction_is_not_continued() -> None:
    states, _ = parts(0, 20, 33)
    for key, value in (("frames", None), ("time_ps", "x"), ("first_step", None), ("sources", 5)):
        forged = CseReductionData(io.BytesIO(state_bytes(states[0])))
        forged.base.attributes.set(key, value)
        with pytest.raises(ValueError, match=f"attribute {key} = {value!r}: must be a "):
            CseReductionData(io.BytesIO(state_bytes(states[1])), previous=forged)


# -- its temperature ----------------------------------------------------------------------------------------


def run_at(computer: Computer, temperature: Any) -> CalcJobNode:
    """Return a LAMMPS job with a stage at this temperature."""
    return job_node("cse.lammps", computer, {"plan": Dict({"stages": [{"temperature": temperature}]})})


def reduced(computer: Computer, *runs: CalcJobNode, caller: WorkChainNode | None = None) -> CseReductionData:
    """Return the reduction of the trajectories of these jobs."""
    folders: dict[str, Any] = {f"folders__{number}": run.outputs.remote_folder for number, run in enumerate(runs)}
    node = CseReductionData(io.BytesIO(state_bytes()))
    job_node("cse.reduce", computer, folders, outputs={"reduction": node}, caller=caller)
    return node


def test_the_temperature_is_that_of_the_production_that_reduced(localhost: Computer) -> None:
    production = WorkChainNode(process_type="aiida.workflows:cse.production")
    production.base.links.add_incoming(Float(500).store(), LinkType.INPUT_WORK, "temperature")
    assert temperature_of(reduced(localhost, run_at(localhost, 510.0), caller=production.store())) == 500


def test_a_reduction_by_hand_has_the_temperature_of_its_runs(localhost: Computer) -> None:
    hot, cold, ramp = (run_at(localhost, kelvin) for kelvin in (700.0, 500.0, [700.0, 500.0]))
    assert temperature_of(reduced(localhost, cold, cold)) == 500
    for runs in ((cold, hot), (ramp,), (job_node("cse.lammps", localhost),), ()):
        assert temperature_of(reduced(localhost, *runs)) is None
    assert temperature_of(reduction_node()) is None


def test_another_temperature_than_that_of_the_reduction_is_refused(localhost: Computer) -> None:
    node, unknown = reduced(localhost, run_at(localhost, 500.0)), reduction_node()
    assert checked_temperature(node, None) == checked_temperature(node, 500) == 500
    assert checked_temperature(unknown, 650) == 650
    why = rf"temperature = 700: the reduction <{node.pk}> is of a run at 500 K; omit it or give 500"
    with pytest.raises(ValueError, match=why):
        checked_temperature(node, 700)
    why = rf"temperature: is missing; the reduction <{unknown.pk}> does not say that of its run, give it"
    with pytest.raises(ValueError, match=why):
        checked_temperature(unknown, None)


def test_temperature_and_sources_are_in_the_attributes() -> None:
    known = replace(
        state(),
        config=state().config.model_copy(update={"temperature": 500.0}),
        sources=(TrajectorySource("a.dcd", 1000, "0" * 64, 0, 60),),
    )
    node = CseReductionData(io.BytesIO(state_bytes(known))).store()
    source = {"name": "a.dcd", "bytes": 1000, "sha256": "0" * 64, "first_step": 0, "frames": 60}
    query = QueryBuilder().append(
        CseReductionData,
        filters={"id": node.pk, "attributes.temperature_K": {">": 499.0}},
        project=["attributes.sources"],
    )
    assert query.all() == [[[source]]]
    assert node.get_state().sources == known.sources
    unknown = reduction_node().base.attributes.all
    assert unknown["temperature_K"] is None
    assert [one["sha256"] for one in unknown["sources"]] == [None]
