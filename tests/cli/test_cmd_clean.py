"""``aiida-cse clean``: what is freed, what stays, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.common.datastructures import StashMode
from aiida.common.links import LinkType
from aiida.engine import ProcessState
from click.testing import CliRunner, Result

from aiida_cse.cli import main
from aiida_cse.lammps.job.script import TRAJECTORY
from aiida_cse.workchains.common.availability import folder_error
from tests.nodes import finish, new_job

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


def clean(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["clean", *map(str, arguments)])


class Run:
    """A production of two segments, after the relaxation of its interface; each job left 100 kB and more."""

    def __init__(self, computer: orm.Computer, work: Path) -> None:
        self.computer, self._work = computer, work
        self.study = orm.WorkChainNode(process_type="aiida.workflows:cse.study").store()
        self.production = self._chain("production", self.study, "production_T0700_r1")
        self.relaxation = self._job(self._chain("base", self.study, "interface"), trajectory=False)
        self.segments = [
            self._job(self._chain("base", self.production, f"segment_{number:03d}"), trajectory=True)
            for number in (1, 2)
        ]
        made = orm.Dict({}).store()
        made.base.links.add_incoming(self.production, LinkType.RETURN, "reduction")
        finish(self.production, 0)
        finish(self.study, 0)

    def _chain(self, name: str, caller: orm.WorkChainNode, call: str) -> orm.WorkChainNode:
        node = orm.WorkChainNode(process_type=f"aiida.workflows:cse.{name}")
        node.base.links.add_incoming(caller, LinkType.CALL_WORK, call)
        return node.store()

    def _job(self, chain: orm.WorkChainNode, *, trajectory: bool) -> orm.RemoteData:
        job = new_job("cse.lammps", self.computer, caller=chain)
        folder = self._work / job.uuid[:2] / job.uuid[2:4] / job.uuid[4:]
        folder.mkdir(parents=True)
        (folder / "restart.100").write_bytes(b"x" * 100_000)
        if trajectory:
            (folder / TRAJECTORY).write_bytes(b"x" * 1_000_000)
        remote = orm.RemoteData(computer=self.computer, remote_path=str(folder))
        remote.base.links.add_incoming(job, LinkType.CREATE, "remote_folder")
        remote.store()
        finish(job, 0)
        remote.base.links.add_incoming(chain, LinkType.RETURN, "remote_folder")
        finish(chain, 0)
        return remote

    def left(self) -> list[list[str]]:
        """Return the files in the folders of the relaxation and of both segments."""
        folders = [Path(one.get_remote_path()) for one in (self.relaxation, *self.segments)]
        return [sorted(path.name for path in folder.glob("*")) for folder in folders]


@pytest.fixture
def run(localhost: orm.Computer, tmp_path: Path) -> Run:
    return Run(localhost, tmp_path / "a work folder")


ALL = [["restart.100"], ["restart.100", TRAJECTORY], ["restart.100", TRAJECTORY]]


def test_only_what_nothing_needs_is_freed_without_options(run: Run) -> None:
    shown = clean(run.study.pk, "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert run.left() == ALL
    assert [" ".join(line.split()) for line in shown.output.splitlines()[1:4]] == [
        "213 kB no longer needed is freed",
        "2 MB for a new reduction: trajectories stays; --trajectories frees it",
        "106 kB for extend: last checkpoints stays; --checkpoints frees it",
    ]
    assert max(map(len, shown.output.splitlines())) <= 80
    refused = clean(run.study.pk)
    assert (refused.exit_code, "--yes is needed to free 213 kB" in refused.output) == (2, True)
    freed = clean(run.study.uuid, "--yes")
    assert freed.exit_code == 0, freed.output
    assert "freed 213 kB" in freed.output
    assert run.left() == [[], [TRAJECTORY], ["restart.100", TRAJECTORY]]
    assert [one.is_cleaned for one in (run.relaxation, *run.segments)] == [True, False, False]
    assert "nothing to free without a further option" in clean(run.study.pk, "--yes").output


def test_freed_trajectories_and_checkpoints_are_marked(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".bash_profile").write_text("echo a login shell that warns >&2\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    code = orm.InstalledCode(computer=run.computer, filepath_executable="/bin/true", label="true").store()
    assert clean(run.production.pk, "--trajectories", "--yes").exit_code == 0
    assert run.left() == [["restart.100"], [], ["restart.100"]]
    assert folder_error(run.segments[1], code) is None, "extend still has its checkpoint"
    freed = clean(run.production.pk, "--checkpoints", "--yes", "--trajectories")
    assert "no run of it can be extended" in freed.output
    assert run.left()[2] == []
    assert "were freed" in str(folder_error(run.segments[1], code))
    assert "its jobs have no files left" in clean(run.production.pk).output


def test_a_production_without_a_reduction_keeps_its_trajectories_for_extend(run: Run) -> None:
    run.production.set_exit_status(344)
    assert clean(run.study.pk, "--trajectories", "--yes").exit_code == 0
    assert run.left()[1:] == [[TRAJECTORY], ["restart.100", TRAJECTORY]]


def test_files_of_an_unfinished_process_are_refused(run: Run) -> None:
    follower: Any = orm.WorkChainNode(process_type="aiida.workflows:cse.production")
    follower.base.links.add_incoming(run.segments[1], LinkType.INPUT_WORK, "previous__folder")
    follower.set_process_state(ProcessState.WAITING)
    follower.store()
    answer = clean(run.study.pk, "--yes")
    assert (answer.exit_code, f"<{follower.pk}>: has not ended" in answer.output) == (2, True)
    finish(follower, 0)
    run.study.set_process_state(ProcessState.WAITING)
    answer = clean(run.production.pk, "--yes")
    assert (answer.exit_code, "`aiida-cse resume` needs its files" in answer.output) == (2, True)
    assert run.left() == ALL


def test_a_path_that_is_not_of_the_job_is_never_touched(run: Run, tmp_path: Path) -> None:
    precious = tmp_path / "home" / "thesis"
    precious.mkdir(parents=True)
    for path in (str(precious), str(tmp_path), "relative", f"{precious}/../../home"):
        job = new_job("cse.lammps", run.computer, caller=run.study)
        remote = orm.RemoteData(computer=run.computer, remote_path=path)
        remote.base.links.add_incoming(job, LinkType.CREATE, "remote_folder")
        remote.store()
        finish(job, 0)
    assert clean(run.study.pk, "--yes", "--trajectories", "--checkpoints", "--stashes").exit_code == 0
    assert precious.is_dir()


def test_stashes_are_counted_and_freed_by_name_alone(run: Run, tmp_path: Path) -> None:
    job = run.segments[0].creator
    target = tmp_path / "stash" / job.uuid[:2] / job.uuid[2:4] / job.uuid[4:]
    target.mkdir(parents=True)
    (target / "restart.100").write_bytes(b"x" * 50_000)
    stash = orm.RemoteStashFolderData(
        computer=run.computer,
        stash_mode=StashMode.COPY,
        target_basepath=str(target),
        source_list=["restart.100"],
    )
    stash.base.links.add_incoming(job, LinkType.CREATE, "remote_stash")
    stash.store()
    shown = clean(run.study.pk, "--trajectories", "--checkpoints", "--yes")
    assert "stashed copies" in shown.output
    assert (target / "restart.100").exists()
    assert clean(run.study.pk, "--stashes", "--yes").exit_code == 0
    assert not target.exists()


def test_an_unreachable_computer_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("aiida.transports.plugins.local.LocalTransport.open", refuse)
    answer = clean(run.study.pk)
    assert answer.exit_code == 2
    assert f"computer {run.computer.label}: is not reachable: no route to host" in answer.output
