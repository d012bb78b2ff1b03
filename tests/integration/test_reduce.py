"""The reduction as a job of the engine: folders of jobs, a stash, a previous state, and what is wrong is said."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.common.datastructures import StashMode
from aiida.engine import run_get_node

from aiida_cse.building.reduction import describe_system
from aiida_cse.calculations.reduce import ReduceCalculation
from aiida_cse.data.system import CseSystemData
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.state import State
from tests.nodes import SAMPLING, interface
from tests.reduction import synthetic

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]

CUTS = (0, 30, 55, 90)


@pytest.fixture
def segments(tmp_path: Path) -> list[Path]:
    """Three segments in folders of their own; the first goes on beyond where the second was resumed."""
    positions = synthetic.make(7, CUTS[-1]).positions
    paths = []
    for number, (start, stop) in enumerate(zip(CUTS, (*CUTS[2:], CUTS[-1]), strict=False)):
        folder = tmp_path / str(number)
        folder.mkdir()
        steps = start * synthetic.FRAME_STEPS
        paths.append(synthetic.write_dcd(folder / "trajectory.dcd", positions[start:stop], first_step=steps))
    return paths


@pytest.fixture
def whole(segments: list[Path]) -> State:
    return reduce_segments(
        segments, ReductionConfig.build(describe_system(interface()), Sampling.model_validate(SAMPLING))
    )


def folder(path: Path, computer: orm.Computer) -> orm.RemoteData:
    return orm.RemoteData(computer=computer, remote_path=str(path.parent)).store()


def reduced(cse: orm.InstalledCode, folders: dict[str, Any], **inputs: Any) -> orm.CalcJobNode:
    _, node = run_get_node(
        ReduceCalculation,
        code=cse,
        system=CseSystemData(interface()),
        sampling=SAMPLING,
        folders=folders,
        **inputs,
    )
    return node


def test_folders_a_stash_and_a_previous_state(
    cse: orm.InstalledCode, localhost: orm.Computer, segments: list[Path], whole: State
) -> None:
    first = reduced(cse, {"segment_0001": folder(segments[0], localhost)})
    assert first.is_finished_ok, first.exit_message
    stash = orm.RemoteStashFolderData(
        StashMode.COPY, str(segments[1].parent), ["trajectory.dcd"], computer=localhost
    ).store()
    folders = {"segment_0002": stash, "segment_0003": folder(segments[2], localhost)}
    sums = {"segment_0003": hashlib.sha256(segments[2].read_bytes()).hexdigest()}
    resources = {"num_machines": 1, "num_mpiprocs_per_machine": 1, "num_cores_per_mpiproc": 2}
    second = reduced(
        cse,
        folders,
        previous=first.outputs.reduction,
        checksums=sums,
        metadata={"options": {"resources": resources}},
    )
    assert second.is_finished_ok, second.exit_message
    assert second.outputs.reduction.get_state().equals(whole)
    assert set(second.outputs.retrieved.base.repository.list_object_names()) == {
        "reduce.out",
        "_scheduler-stdout.txt",
        "_scheduler-stderr.txt",
    }
    said = second.outputs.retrieved.base.repository.get_object_content("reduce.out")
    assert "60 frames read; the state holds 35 frames from step 550 to 890" in said
    attributes = second.outputs.reduction.base.attributes.all
    assert [attributes[key] for key in ("previous", "frames", "first_step", "last_step")] == [
        first.outputs.reduction.uuid,
        90,
        0,
        890,
    ]


def test_a_segment_that_was_changed_is_named(
    cse: orm.InstalledCode, localhost: orm.Computer, segments: list[Path]
) -> None:
    folders = {"segment_0001": folder(segments[0], localhost)}
    node = reduced(cse, folders, checksums={"segment_0001": "0" * 64})
    assert node.exit_status == 334
    assert "segment_0001/trajectory.dcd: its SHA-256 is" in node.exit_message
