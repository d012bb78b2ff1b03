"""Logs of jobs on other computers, read through a transport in the background."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from aiida.common.links import LinkType
from aiida.manage.configuration import get_config
from aiida.orm import CalcJobNode, Computer, Dict
from aiida.transports.plugins.local import LocalTransport
from rich.console import Console

from aiida_cse.cli.display.progress import LAMMPS
from aiida_cse.cli.display.tree import JobWatch, render_tree
from aiida_cse.lammps.job.script import LOG
from aiida_cse.report.process_tree import ProcessTree

PLAN = {"stages": [{"name": "relax", "kind": "nvt", "duration_ps": 4, "temperature": 600, "timestep_fs": 2}]}
BEGIN = "CSE begin=relax kind=nvt start=1000 target=3000 step=1000\nkeywords: ['Step', 'Temp', ]\ndata:\n"


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    """Return a computer whose transport counts as one to another machine."""
    computer = Computer(
        label=f"far-{tmp_path.name}",
        hostname="far",
        transport_type="core.ssh",
        scheduler_type="core.slurm",
        workdir=str(tmp_path),
    ).store()
    computer.configure(username="me")
    computer.set_minimum_job_poll_interval(1)
    monkeypatch.setattr("aiida.orm.authinfos.AuthInfo.get_transport", lambda _: LocalTransport(machine="far"))
    return computer


def running(computer: Computer, folder: Path, state: str = "RUNNING") -> CalcJobNode:
    job = CalcJobNode(process_type=LAMMPS, computer=computer)
    job.base.links.add_incoming(Dict(PLAN).store(), LinkType.INPUT_CALC, "plan")
    job.store()
    job.set_process_state("waiting")
    job.set_process_status(f"Monitoring scheduler: job state {state}")
    job.set_remote_workdir(str(folder))
    return job


def shown(job: CalcJobNode, watch: JobWatch) -> str:
    tree = ProcessTree(job).root
    watch.wait(tree, 20.0)
    console = Console(width=300, highlight=False)
    with console.capture() as capture:
        console.print(render_tree(tree, watch))
    watch.close()
    return capture.get()


def test_a_job_on_another_computer_shows_its_step_and_speed(remote: Computer, tmp_path: Path) -> None:
    folder = tmp_path / "a folder; with 'signs'"
    folder.mkdir()
    (folder / "start.json").write_text("{}")
    (folder / LOG).write_text("LAMMPS (22 Jul 2025)\n" + BEGIN + "  - [1500, 600, ]\n  - [2000, 601, ]\n  - [25")
    now = time.time()
    os.utime(folder / "start.json", (now - 100, now - 100))
    os.utime(folder / LOG, (now, now))
    text = shown(running(remote, folder), JobWatch())
    assert "step 2,000 of 3,000 · 1.73 ns/day · 1 min 40 s left" in text


@pytest.mark.parametrize(
    "damage", [None, "", "[1]", '{"FOLDER": {"text": 5}}', '{"FOLDER": {"text": "", "began": NaN}}']
)
def test_a_computer_is_not_asked_twice_within_its_poll_interval(
    remote: Computer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str | None
) -> None:
    opened: list[LocalTransport] = []
    real = LocalTransport.open

    def count(transport: LocalTransport) -> Any:
        opened.append(transport)
        return real(transport)

    monkeypatch.setattr(LocalTransport, "open", count)
    remote.set_minimum_job_poll_interval(600)
    (tmp_path / LOG).write_text(BEGIN + "  - [1500, 600, ]\n")
    job = running(remote, tmp_path)
    assert "step 1,500" in shown(job, JobWatch())
    if damage is not None:
        stored = Path(get_config().dirpath) / "cse-logs" / f"{remote.uuid}.json"
        stored.write_text(damage.replace("FOLDER", str(tmp_path)))
    assert "step 1,500" in shown(job, JobWatch())
    assert len(opened) == (1 if damage is None else 2)


@pytest.mark.parametrize(("error", "words"), [(OSError("no route to host"), "is not reachable: no route to host")])
def test_an_unreachable_computer_is_said(
    remote: Computer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def refuse(_: Any) -> None:
        raise error

    monkeypatch.setattr(LocalTransport, "open", refuse)
    assert f"{remote.label} {words}" in shown(running(remote, tmp_path), JobWatch())


def test_a_silent_computer_does_not_block_the_display(
    remote: Computer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalTransport, "open", lambda _: time.sleep(5))
    watch, tree = JobWatch(), ProcessTree(running(remote, tmp_path)).root
    begun = time.monotonic()
    watch.wait(tree, 0.2)
    assert time.monotonic() - begun < 4
    assert watch.note(tree).endswith(f"{remote.label} has not answered")
    watch.close()


def test_a_waiting_job_says_why_slurm_lets_it_wait(remote: Computer, tmp_path: Path) -> None:
    job = running(remote, tmp_path, "QUEUED")
    watch = JobWatch()
    assert watch.note(ProcessTree(job).root) == "queued"
    for reason, words in (
        ("Priority", "queued: Priority (jobs of higher priority go first)"),
        ("Some\x1b[31mOther", "queued: Some[31mOther"),
        (7, "queued"),
    ):
        job.base.attributes.set("last_job_info", {"annotation": reason})
        assert watch.note(ProcessTree(job).root) == words
