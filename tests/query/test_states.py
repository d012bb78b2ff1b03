"""States of processes from what their nodes hold and from what advances them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from aiida_cse.query.reading import Called, Process
from aiida_cse.query.states import STATES, Engine, changed_at, state_of

NOW = datetime(2026, 11, 30, 8, tzinfo=timezone.utc)
STUDY = Process(1, "u", "", "aiida.workflows:cse.study", NOW, NOW, "waiting", None, None, None, "embedded")
JOB = Called(
    1,
    "job_01",
    2,
    "process.calculation.calcjob.CalcJobNode.",
    "aiida.calculations:cse.lammps",
    NOW + timedelta(hours=1),
    NOW + timedelta(hours=9),
    "waiting",
    None,
    "running",
)


class Known(Engine):
    def __init__(self, advancing: bool) -> None:
        self.advancing = advancing

    def advances(self, process: Process, below: Iterable[Called]) -> bool:
        return self.advancing


def state(process: Process, *below: Called, advancing: bool = True) -> str:
    found = state_of(process, below, Known(advancing))
    assert found in STATES
    return found


@pytest.mark.parametrize(
    ("stored", "status", "expected"),
    [
        ("finished", 0, "finished"),
        ("finished", 510, "finished"),
        ("finished", 350, "failed"),
        ("finished", None, "failed"),
        ("finished", "0", "failed"),
        ("excepted", None, "failed"),
        ("killed", None, "killed"),
    ],
)
def test_an_ended_process_has_finished_unless_its_exit_code_says_otherwise(
    stored: str, status: Any, expected: str
) -> None:
    assert state(replace(STUDY, state=stored, exit_status=status)) == expected


@pytest.mark.parametrize("stored", ["created", None, 3, {}])
def test_a_process_that_nothing_began_to_run_has_never_started(stored: Any) -> None:
    assert state(replace(STUDY, state=stored), advancing=False) == "never started"
    assert state(replace(STUDY, state=stored)) == "waiting"


def test_an_unfinished_process_runs_only_while_something_advances_it() -> None:
    assert state(STUDY, JOB) == "running"
    assert state(STUDY, JOB, advancing=False) == "stopped"
    assert state(STUDY, replace(JOB, scheduler_state="queued")) == "waiting"
    assert state(STUDY, replace(JOB, scheduler_state="queued"), JOB) == "running"


def test_a_paused_job_pauses_its_study() -> None:
    assert state(STUDY, replace(JOB, paused=True), advancing=False) == "paused"
    assert state(replace(STUDY, paused=True, stopped="2026-11-30T08:18:13+00:00")) == "stopped"
    assert state(STUDY, replace(JOB, paused=True, state="finished"), advancing=False) == "stopped"


def test_a_poll_or_a_new_label_is_no_change_of_state() -> None:
    labelled = replace(STUDY, changed=NOW + timedelta(days=3))
    assert changed_at(labelled, [JOB]) == JOB.created
    assert changed_at(labelled, [replace(JOB, state="finished")]) == JOB.changed
    assert changed_at(replace(labelled, state="finished"), []) == labelled.changed
