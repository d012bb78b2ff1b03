"""The reduction job: its configuration, the order of the segments, and what it refuses."""

from typing import Any

import pytest
from aiida import orm
from aiida.plugins import CalculationFactory

from aiida_cse.building.sampling import Sampling, reduction_config
from aiida_cse.calculations.reduce import ReduceCalculation
from aiida_cse.data.system import CseSystemData
from aiida_cse.trajectory.config import ReductionConfig
from tests.calculations.conftest import Prepare
from tests.nodes import SAMPLING, interface, reduction_node, system_node

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


@pytest.fixture
def inputs(cse: orm.InstalledCode, localhost: orm.Computer) -> dict[str, Any]:
    """Three segments, given in another order than that of time."""
    return {
        "code": cse,
        "system": CseSystemData(interface()),
        "sampling": SAMPLING,
        "folders": {
            f"segment_{number:04d}": orm.RemoteData(computer=localhost, remote_path=f"/scratch/{number}").store()
            for number in (10, 2, 1)
        },
    }


def test_the_entry_point() -> None:
    assert CalculationFactory("cse.reduce") is ReduceCalculation


def test_the_configuration_and_the_segments_in_order(
    prepare: Prepare, inputs: dict[str, Any], localhost: orm.Computer
) -> None:
    info, files = prepare("cse.reduce", **inputs)
    assert set(files) == {"reduction.json"}
    config = ReductionConfig.model_validate_json(files["reduction.json"])
    assert config == reduction_config(interface(), Sampling.model_validate(SAMPLING))
    assert config.framework == (1, 2)
    assert config.frame_ps == pytest.approx(0.02)
    (code,) = info.codes_info
    assert code.cmdline_params == [
        "reduce",
        "segment_0001/trajectory.dcd",
        "segment_0002/trajectory.dcd",
        "segment_0010/trajectory.dcd",
        "--config",
        "reduction.json",
        "--out",
        "state.npz",
        "--skip-missing",
    ]
    assert info.remote_symlink_list == [
        (localhost.uuid, f"/scratch/{number}", f"segment_{number:04d}") for number in (1, 2, 10)
    ]
    assert info.retrieve_list == ["reduce.out"]
    assert info.retrieve_temporary_list == ["state.npz"]


def test_a_state_is_extended(prepare: Prepare, inputs: dict[str, Any]) -> None:
    previous = reduction_node()
    info, _ = prepare("cse.reduce", **inputs, previous=previous)
    assert info.codes_info[0].cmdline_params[-2:] == ["--previous", "previous.npz"]
    assert info.local_copy_list == [(previous.uuid, "state.npz", "previous.npz")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bins": 3}, "sampling: 'bins' = 3"),
        ({"block": 3}, "sampling: unknown key 'block'; did you mean 'block_ps'?"),
        ({"anion_point": "middle"}, "sampling: 'anion_point' = 'middle'"),
        ({"timestep_fs": 0}, "sampling: 'timestep_fs' = 0"),
    ],
)
def test_a_wrong_sampling_is_refused_by_its_field(
    prepare: Prepare, inputs: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match="sampling") as caught:
        prepare("cse.reduce", **(inputs | {"sampling": SAMPLING | change}))
    assert message in str(caught.value)


def test_segments_are_needed(prepare: Prepare, inputs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="folders: at least one segment is needed"):
        prepare("cse.reduce", **(inputs | {"folders": {}}))


def test_segments_elsewhere_are_refused(
    prepare: Prepare, inputs: dict[str, Any], other_computer: orm.Computer
) -> None:
    far = orm.RemoteData(computer=other_computer, remote_path="/scratch/3").store()
    with pytest.raises(ValueError, match=r"folders\.segment_0003 lies on elsewhere, the code on localhost"):
        prepare("cse.reduce", **(inputs | {"folders": inputs["folders"] | {"segment_0003": far}}))


def test_a_system_without_ions_to_follow_is_refused(prepare: Prepare, inputs: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match="system and sampling: the system must have exactly one species with negative"
    ):
        prepare("cse.reduce", **(inputs | {"system": system_node()}))
