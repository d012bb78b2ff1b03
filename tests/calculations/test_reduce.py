"""The reduction job: its configuration, the order of the segments, and what it refuses."""

from io import BytesIO
from typing import Any

import pytest
from aiida import orm
from aiida.common.datastructures import StashMode
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory

from aiida_cse.building.reduction import describe_system
from aiida_cse.calculations.reduce import ReduceCalculation
from aiida_cse.data.reduction import CseReductionData
from aiida_cse.data.system import CseSystemData
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.sampling import Sampling
from tests.calculations.conftest import Prepare
from tests.nodes import SAMPLING, interface, reduction_node, state_bytes, system_node

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
    assert config == ReductionConfig.build(describe_system(interface()), Sampling.model_validate(SAMPLING))
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
        "--threads",
        "1",
    ]
    assert info.remote_symlink_list == [
        (localhost.uuid, f"/scratch/{number}", f"segment_{number:04d}") for number in (1, 2, 10)
    ]
    assert info.retrieve_list == ["reduce.out"]
    assert info.retrieve_temporary_list == ["state.npz"]


def test_two_trajectories_are_linked_with_their_checksums(prepare: Prepare, inputs: dict[str, Any]) -> None:
    sampling = SAMPLING | {"all_atoms_ps": 0.1, "block_ps": 0.2}
    sums = {"segment_0002/ions": "a" * 64, "segment_0002": "b" * 64}
    info, files = prepare("cse.reduce", **(inputs | {"sampling": sampling}), checksums=sums)
    words = info.codes_info[0].cmdline_params
    names = [f"segment_{number:04d}" for number in (1, 2, 10)]
    assert words[1:4] == [f"{name}/ions.dcd" for name in names]
    assert [words[k + 1] for k, word in enumerate(words) if word == "--all-atoms"] == [
        f"{name}/trajectory.dcd" for name in names
    ]
    assert words[words.index("--ions") + 1] == "La,Zr,Li,N,F"
    config = ReductionConfig.model_validate_json(files["reduction.json"])
    assert (config.streams["atoms"].every_frames, config.frame_ps) == (5, pytest.approx(0.02))
    assert files["checksums.txt"].split() == [
        "b" * 64,
        "segment_0002/trajectory.dcd",
        "a" * 64,
        "segment_0002/ions.dcd",
    ]
    with pytest.raises(ValueError, match=r"checksums: 'segment_0002/ions' is none of the folders"):
        prepare("cse.reduce", **inputs, checksums=sums)


def test_a_state_is_extended(prepare: Prepare, inputs: dict[str, Any]) -> None:
    previous = reduction_node()
    info, _ = prepare("cse.reduce", **inputs, previous=previous)
    assert info.codes_info[0].cmdline_params[-3:] == ["--previous", "previous.npz", "--increment"]
    assert info.local_copy_list == [(previous.uuid, "state.npz", "previous.npz")]


def test_a_state_is_extended_at_its_temperature(prepare: Prepare, inputs: dict[str, Any]) -> None:
    previous = CseReductionData(BytesIO(state_bytes()))
    previous.base.attributes.set("temperature_K", 500.0)
    _, files = prepare("cse.reduce", **inputs, previous=previous.store(), temperature=orm.Float(500))
    assert ReductionConfig.model_validate_json(files["reduction.json"]).temperature == 500
    with pytest.raises(ValueError, match=r"previous: temperature = 700: the reduction <.+> is of a run"):
        prepare("cse.reduce", **inputs, previous=previous, temperature=orm.Float(700))
    with pytest.raises(ValueError, match=r"temperature = 0: must be above 0 K"):
        prepare("cse.reduce", **inputs, temperature=orm.Float(0))


def test_the_cache_tells_jobs_at_different_temperatures_apart(inputs: dict[str, Any]) -> None:
    runner = get_manager().get_runner()
    given: tuple[dict[str, Any], ...] = ({}, {"temperature": orm.Float(500)}, {"temperature": orm.Float(700)})
    jobs = [instantiate_process(runner, ReduceCalculation, **inputs, **more).node for more in given]
    assert len({job.base.caching.compute_hash() for job in jobs}) == 3


@pytest.mark.parametrize(
    ("processes", "cores", "withmpi", "threads"),
    [(1, None, False, "1"), (1, 4, False, "4"), (3, 2, False, "6"), (3, 2, True, "2")],
)
def test_threads_are_the_cores_that_are_reserved(
    prepare: Prepare, inputs: dict[str, Any], processes: int, cores: int | None, withmpi: bool, threads: str
) -> None:
    resources = {"num_machines": 1, "num_mpiprocs_per_machine": processes}
    resources |= {} if cores is None else {"num_cores_per_mpiproc": cores}
    options = {"resources": resources, "withmpi": withmpi}
    info, _ = prepare("cse.reduce", **inputs, metadata={"options": options})
    assert info.codes_info[0].cmdline_params[-2:] == ["--threads", threads]


def stash(computer: orm.Computer, files: list[str]) -> orm.RemoteStashFolderData:
    return orm.RemoteStashFolderData(StashMode.COPY, "/archive/ab/cd", files, computer=computer).store()


def test_stashed_segments_are_linked(prepare: Prepare, inputs: dict[str, Any], localhost: orm.Computer) -> None:
    for files in (["trajectory.dcd", "log.lammps"], ["*.dcd"]):
        folders = inputs["folders"] | {"segment_0003": stash(localhost, files)}
        info, _ = prepare("cse.reduce", **(inputs | {"folders": folders}))
        assert (localhost.uuid, "/archive/ab/cd", "segment_0003") in info.remote_symlink_list
    folders = inputs["folders"] | {"segment_0003": stash(localhost, ["log.lammps"])}
    with pytest.raises(
        ValueError, match=r"folders\.segment_0003: has no trajectory\.dcd, only log\.lammps was stashed"
    ):
        prepare("cse.reduce", **(inputs | {"folders": folders}))


def test_checksums_are_handed_over(prepare: Prepare, inputs: dict[str, Any]) -> None:
    sums = {"segment_0010": "a" * 64, "segment_0001": "b" * 64}
    info, files = prepare("cse.reduce", **inputs, checksums=sums)
    assert info.codes_info[0].cmdline_params[-2:] == ["--checksums", "checksums.txt"]
    assert files["checksums.txt"] == (
        f"{'b' * 64}  segment_0001/trajectory.dcd\n{'a' * 64}  segment_0010/trajectory.dcd\n"
    )


@pytest.mark.parametrize(
    ("sums", "message"),
    [
        ({"segment_1": "a" * 64}, "checksums: 'segment_1' is none of the folders; did you mean 'segment_00"),
        (
            {"segment_0001": "abc"},
            "checksums.segment_0001 = 'abc': must be the 64 hexadecimal digits",
        ),
    ],
)
def test_wrong_checksums_are_refused(
    prepare: Prepare, inputs: dict[str, Any], sums: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match="checksums") as caught:
        prepare("cse.reduce", **inputs, checksums=sums)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bins": 3}, "sampling.bins = 3"),
        ({"block": 3}, "sampling: unknown key 'block'; did you mean 'block_ps'?"),
        ({"anion_point": "middle"}, "sampling.anion_point = 'middle'"),
        ({"timestep_fs": 0}, "sampling.timestep_fs = 0"),
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
    with pytest.raises(ValueError, match=r"folders\.segment_0003: lies on elsewhere, the code on localhost"):
        prepare("cse.reduce", **(inputs | {"folders": inputs["folders"] | {"segment_0003": far}}))


def test_a_system_without_ions_to_follow_is_refused(prepare: Prepare, inputs: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match="system and sampling: the system must have exactly one species with negative"
    ):
        prepare("cse.reduce", **(inputs | {"system": system_node()}))
