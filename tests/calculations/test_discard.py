"""Trajectories are deleted when a state names them, and only then; a later reduction says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from click.testing import CliRunner

from aiida_cse.calculations.discard import discarded_by
from aiida_cse.cli import main
from aiida_cse.data.system import CseSystemData
from aiida_cse.reduction.reduce import reduce_segments
from tests.calculations.conftest import Prepare
from tests.nodes import SAMPLING, interface, job_node, reduction_node
from tests.reduction import synthetic

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


def test_the_files_of_a_state_are_deleted_and_others_stay(tmp_path: Path) -> None:
    positions, paths = synthetic.make(7, 60).positions, []
    for number, (first, stop) in enumerate(((0, 30), (30, 60), (0, 30))):
        path = tmp_path / f"{number}" / "trajectory.dcd"
        path.parent.mkdir()
        paths.append(synthetic.write_dcd(path, positions[first:stop], first_step=first * synthetic.FRAME_STEPS))
    reduce_segments(paths[:2], synthetic.config(), hash_sources=True).save(tmp_path / "state.npz")
    with paths[1].open("ab") as file:
        file.write(b"x")
    cut = tmp_path / "cut" / "trajectory.dcd"
    cut.parent.mkdir()
    cut.write_bytes(b"")
    files = [cut, *paths[:2], tmp_path / "ions.dcd"]
    words = ["discard", *map(str, files), "--state", str(tmp_path / "state.npz")]
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 0, shown.output
    assert shown.output.splitlines()[-1].startswith("would remove 1 file, ")
    assert paths[0].is_file()
    done = CliRunner().invoke(main, [*words, "--yes"])
    assert done.exit_code == 0, done.output
    assert [path.is_file() for path in paths] == [False, True, True]
    assert cut.is_file()
    assert f"{cut}: " in done.output
    assert f"{paths[1]}: is none of the files of the state; it stays" in done.output
    assert f"{tmp_path / 'ions.dcd'}: is not there" in done.output
    assert done.output.splitlines()[-1].startswith("removed 1 file, ")


def test_a_file_with_frames_after_those_of_the_state_stays(tmp_path: Path) -> None:
    positions, steps = synthetic.make(7, 60).positions, synthetic.FRAME_STEPS
    paths = [
        synthetic.write_dcd(tmp_path / f"{first}.dcd", positions[first:stop], first_step=first * steps)
        for first, stop in ((0, 40), (30, 60))
    ]
    reduced = reduce_segments(paths, synthetic.config(), until_step=50 * steps, hash_sources=True)
    reduced.save(tmp_path / "state.npz")
    words = ["discard", *map(str, [*paths, *paths]), "--state", str(tmp_path / "state.npz"), "--yes"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    # frames of the first one were replaced by the second one
    assert [path.is_file() for path in paths] == [False, True]
    assert f"{paths[1]}: has frames to step 590, the state to step 490; it stays" in done.output
    assert done.output.splitlines()[-1].startswith("removed 1 file, ")


@pytest.mark.parametrize(("known", "why"), [(True, "was changed since"), (False, "the state lacks its checksum")])
def test_a_file_that_was_changed_at_equal_size_stays(tmp_path: Path, known: bool, why: str) -> None:
    path = synthetic.write_dcd(tmp_path / "a.dcd", synthetic.make(7, 20).positions)
    reduce_segments([path], synthetic.config(), hash_sources=known).save(tmp_path / "state.npz")
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)
    done = CliRunner().invoke(main, ["discard", str(path), "--state", str(tmp_path / "state.npz"), "--yes"])
    assert done.exit_code == 0, done.output
    assert why in done.output
    assert done.output.endswith("removed 0 files, 0 kB\n")
    assert path.read_bytes() == content


def test_only_folders_whose_files_were_deleted_count(localhost: orm.Computer) -> None:
    folders = {name: orm.RemoteData(computer=localhost, remote_path=f"/scratch/{name}").store() for name in "ab"}
    given = {f"folders__{name}": folder for name, folder in folders.items()} | {"reduction": reduction_node()}
    job = job_node("cse.discard", localhost, given, exit_status=0)
    assert [discarded_by(folder).pk for folder in folders.values()] == [job.pk] * 2, "of an earlier version"
    folders = {name: orm.RemoteData(computer=localhost, remote_path=f"/scratch/{name}").store() for name in "ab"}
    given = {f"folders__{name}": folder for name, folder in folders.items()} | {"reduction": reduction_node()}
    outputs = {"deleted": orm.Dict({"a": ["trajectory.dcd"]})}
    job = job_node("cse.discard", localhost, given, outputs=outputs, exit_status=0)
    assert discarded_by(folders["a"]).pk == job.pk
    assert discarded_by(folders["b"]) is None


def test_a_job_deletes_both_trajectories_of_each_folder(
    prepare: Prepare, cse: orm.InstalledCode, localhost: orm.Computer
) -> None:
    folders = {
        name: orm.RemoteData(computer=localhost, remote_path=f"/scratch/{name}").store() for name in ("a", "b")
    }
    reduction = reduction_node()
    info, _ = prepare("cse.discard", code=cse, folders=folders, reduction=reduction)
    files = ["a/trajectory.dcd", "a/ions.dcd", "b/trajectory.dcd", "b/ions.dcd"]
    assert info.codes_info[0].cmdline_params == ["discard", *files, "--state", "state.npz", "--yes"]
    assert [link[1:] for link in info.remote_symlink_list] == [("/scratch/a", "a"), ("/scratch/b", "b")]
    assert info.local_copy_list == [(reduction.uuid, "state.npz", "state.npz")]


def test_a_reduction_of_a_deleted_trajectory_names_what_deleted_it(
    prepare: Prepare, cse: orm.InstalledCode, localhost: orm.Computer
) -> None:
    folder = orm.RemoteData(computer=localhost, remote_path="/scratch/1").store()
    inputs: dict[str, Any] = {
        "code": cse,
        "system": CseSystemData(interface()),
        "sampling": SAMPLING,
        "folders": {"segment_0001": folder},
    }
    prepare("cse.reduce", **inputs)
    reduction = reduction_node()
    job = job_node(
        "cse.discard", localhost, {"folders__segment_0001": folder, "reduction": reduction}, exit_status=0
    )
    why = rf"folders.segment_0001: its trajectory was deleted by <{job.pk}> when the reduction <{reduction.pk}> "
    with pytest.raises(ValueError, match=f"{why}had been stored, as plan.keep_trajectory = until-reduced"):
        prepare("cse.reduce", **inputs)
