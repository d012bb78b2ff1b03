"""The tree of a process, the progress of running jobs, and the live display."""

from __future__ import annotations

import io
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiida.common.links import LinkType
from aiida.engine import ProcessState
from aiida.orm import CalcFunctionNode, CalcJobNode, Dict, ProcessNode, WorkChainNode
from rich.console import Console

from aiida_cse.cli.display import live as display
from aiida_cse.cli.display import progress
from aiida_cse.cli.display.live import live_display
from aiida_cse.cli.display.progress import LogFollower
from aiida_cse.cli.display.tree import JobWatch, render_tree
from aiida_cse.lammps.job.script import LOG
from aiida_cse.lammps.protocol.stage import JobPlan, Stage
from aiida_cse.report.process_tree import ProcessTree
from aiida_cse.report.words import duration

PLAN = JobPlan(
    stages=(
        Stage(name="heat", kind="nvt", duration_ps=2, temperature=600),
        Stage(name="relax", kind="nvt", duration_ps=4, temperature=600),
    )
)
BEGIN = "CSE begin=relax kind=nvt start=1000 target=3000 step=1000\nkeywords: ['Step', 'Temp', ]\ndata:\n"


class Clock:
    """Stands in for the module ``time``."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def strftime(self, form: str) -> str:
        return form


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def append(path: Path, text: str) -> None:
    with path.open("a") as stream:
        stream.write(text)


# -- the log -------------------------------------------------------------------------------------------------


def test_the_speed_is_measured_between_two_readings(tmp_path: Path, clock: Clock) -> None:
    log = tmp_path / LOG
    follower = LogFollower(log, {"relax": 2.0})
    assert follower.look() is None
    append(log, "LAMMPS (22 Jul 2025)\n" + BEGIN)
    first = follower.look()
    assert first is not None
    assert (first.stage, first.step, first.target, first.ns_per_day) == ("relax", 1000, 3000, None)

    clock.now = 10.0
    append(log, "  - [1500, 600, ]\n  - [2000, 601, ]\n  - [25")
    second = follower.look()
    assert second is not None
    assert second.step == 2000
    assert second.seconds_left == pytest.approx(10)
    assert second.ns_per_day == pytest.approx(100 * 2e-6 * 86400)

    append(log, "00, 602, ]\n")
    third = follower.look()
    assert third is not None
    assert third.step == 2500


def test_a_new_stage_starts_a_new_measurement(tmp_path: Path, clock: Clock) -> None:
    log = tmp_path / LOG
    append(log, "CSE begin=heat kind=nvt start=0 target=1000 step=0\nkeywords: ['Step', ]\n - [500]\n")
    follower = LogFollower(log, {})
    follower.look()
    clock.now = 5.0
    append(log, " - [1000]\nCSE end=heat step=1000\n" + BEGIN)
    found = follower.look()
    assert found is not None
    assert (found.stage, found.ns_per_day, found.seconds_left) == ("relax", None, None)


def test_a_long_log_is_not_kept_in_memory(tmp_path: Path, clock: Clock) -> None:
    log = tmp_path / LOG
    append(log, BEGIN + "".join(f"  - [{step}, 600, ]\n" for step in range(1000, 2900)))
    follower = LogFollower(log, {})
    found = follower.look()
    assert found is not None
    assert found.step == 2899
    assert len(follower._kept) + len(follower._rows) < 10


# -- the tree ------------------------------------------------------------------------------------------------


def store(
    node: Any, label: str, state: ProcessState, caller: ProcessNode | None = None, call: str = "CALL"
) -> Any:
    node.set_process_label(label)
    node.set_process_state(state)
    if caller is not None:
        kind = LinkType.CALL_WORK if isinstance(node, WorkChainNode) else LinkType.CALL_CALC
        node.base.links.add_incoming(caller, kind, call)
    return node.store()


@pytest.fixture
def study(localhost: Any, tmp_path: Path) -> dict[str, Any]:
    """A study that runs: one phase is done, in the other a LAMMPS job is on its way."""
    root = store(WorkChainNode(), "StudyWorkChain", ProcessState.WAITING)
    done = store(WorkChainNode(), "CeramicWorkChain", ProcessState.RUNNING, root, "ceramic")
    hidden = store(CalcJobNode(computer=localhost), "BuildCalculation", ProcessState.FINISHED, done, "build")
    for node in (hidden, done):
        node.set_exit_status(0)
        node.set_process_state(ProcessState.FINISHED)
    phase = store(WorkChainNode(), "InterfaceWorkChain", ProcessState.WAITING, root, "interface")
    store(CalcFunctionNode(), "assemble", ProcessState.FINISHED, phase, "assemble")
    job = CalcJobNode(computer=localhost, process_type="aiida.calculations:cse.lammps")
    job.base.links.add_incoming(Dict(PLAN.model_dump(mode="json")).store(), LinkType.INPUT_CALC, "plan")
    store(job, "LammpsStageCalculation", ProcessState.WAITING, phase, "job_01")
    job.set_remote_workdir(str(tmp_path))
    append(tmp_path / LOG, BEGIN + "  - [2000, 600, ]\n")
    return {"root": root, "ceramic": done, "interface": phase, "job": job}


def text_of(tree: ProcessTree) -> str:
    console = Console(file=io.StringIO(), width=100, record=True)
    console.print(render_tree(tree.root, JobWatch()))
    return console.export_text()


def test_the_tree_is_expanded_where_a_process_runs(study: dict[str, Any]) -> None:
    text = text_of(ProcessTree(study["root"]))
    assert f"StudyWorkChain <{study['root'].pk}>" in text
    assert f"✓ ceramic <{study['ceramic'].pk}>" in text
    assert "build" not in text
    assert "assemble" not in text
    assert f"▶ job_01 <{study['job'].pk}>" in text
    assert "relax" in text
    assert "step 2,000 of 3,000" in text


def test_a_refresh_reads_new_states_and_new_children(study: dict[str, Any]) -> None:
    tree = ProcessTree(study["root"])
    study["job"].set_exit_status(410)
    study["job"].set_exit_message("Atoms were lost: ERROR")
    study["job"].set_process_state(ProcessState.FINISHED)
    again = store(CalcJobNode(), "LammpsStageCalculation", ProcessState.CREATED, study["interface"], "job_02")
    tree.refresh()
    text = text_of(tree)
    assert "[410] Atoms were lost: ERROR" in text
    assert f"▶ job_02 <{again.pk}>" in text


def test_many_ended_children_are_counted(study: dict[str, Any]) -> None:
    for number in range(20):
        child = store(CalcJobNode(), "Job", ProcessState.RUNNING, study["interface"], f"done_{number:02d}")
        child.set_exit_status(0)
        child.set_process_state(ProcessState.FINISHED)
    text = text_of(ProcessTree(study["root"]))
    assert "✓ 14 more" in text
    assert "done_13" not in text
    assert "done_14" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (18120, "5 h 02 min"), (187200, "2 d 4 h")],
)
def test_durations_are_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
    assert duration(timedelta(seconds=seconds)) == words


# -- the display ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("terminal", [True, False])
def test_reports_and_jobs_are_shown(study: dict[str, Any], terminal: bool) -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=terminal)
    with live_display(console) as show:
        study["root"].logger.report("[12|StudyWorkChain|setup]: interface: <15>")
        study["root"].logger.report("[12|LammpsBaseWorkChain|run]: launching Job<3> iteration #1")
        study["root"].logger.warning("the disk is nearly full")
        show(study["root"])
    shown: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert "StudyWorkChain <12>: interface: <15>" in shown
    assert "iteration #1" not in shown
    assert "warning: the disk is nearly full" in shown
    assert "step 2,000 of 3,000" in shown


def test_the_handlers_of_aiida_are_restored(aiida_profile: object) -> None:
    before = list(logging.getLogger("aiida").handlers)
    with live_display(Console(file=io.StringIO())):
        assert logging.getLogger("aiida").handlers != before
    assert sorted(map(id, logging.getLogger("aiida").handlers)) == sorted(map(id, before))


def test_without_a_terminal_lines_are_rare(study: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(display, "time", clock)
    clock.now = 100.0
    console = Console(file=io.StringIO(), width=100)
    with live_display(console) as show:
        for _ in range(50):
            clock.now += 1
            show(study["root"])
    assert console.file.getvalue().count("step 2,000") == 3  # type: ignore[attr-defined]


def test_a_message_below_is_not_repeated_above() -> None:
    study = WorkChainNode(process_type="aiida.workflows:cse.study").store()
    job = WorkChainNode(process_type="aiida.workflows:cse.base")
    job.base.links.add_incoming(study, LinkType.CALL_WORK, "ceramic")
    job.store()
    why = "LAMMPS did not start: lmp: command not found"
    for node, status, message in (
        (job, 304, why),
        (study, 350, f"The ceramic <{job.pk}> failed with [304] {why}"),
    ):
        node.set_exit_status(status)
        node.set_exit_message(message)
        node.set_process_state(ProcessState.FINISHED)
    console = Console(width=200, highlight=False)
    with console.capture() as shown:
        console.print(render_tree(ProcessTree(study).root, JobWatch()))
    assert shown.get().count(why) == 1
    assert f"[350] The ceramic <{job.pk}> failed with [304] … (" in shown.get()
