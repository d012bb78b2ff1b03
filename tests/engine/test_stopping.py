"""Jobs that a scheduler ends when their run is stopped."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiida.schedulers import JobState

from aiida_cse.engine import stopping


class _Queue:
    """A scheduler that ends a job some questions after it was told to, and the transport to its folder."""

    def __init__(self, states: list[JobState | None], files: str) -> None:
        self.states, self.files = states, files

    def set_transport(self, transport: Any) -> None:
        assert transport is self

    def get_jobs(self, jobs: list[str], as_dict: bool) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {} if state is None else {number: SimpleNamespace(job_state=state) for number in jobs}

    def exec_command_wait(self, command: str) -> tuple[int, str, str]:
        assert self.states[0] in (None, JobState.DONE), "its files are looked at before it has ended"
        return 0, self.files, ""


@pytest.mark.parametrize(
    ("states", "files", "said"),
    [
        ([JobState.RUNNING, JobState.RUNNING, None], "log.lammps\nrestart.90\nrestart.100\n", "is step 100"),
        ([JobState.RUNNING, JobState.DONE], "log.lammps\n", "LAMMPS has ended; it had written no checkpoint"),
        ([None], "input.in\n", "LAMMPS had not begun"),
        ([JobState.RUNNING], "", "was told to end it and has not done so"),
    ],
)
def test_stop_tells_when_the_scheduler_has_ended_a_job(
    states: list[JobState | None], files: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, told = _Queue(states, files), []
    computer = SimpleNamespace(scheduler_type="core.slurm", get_scheduler=lambda: queue)
    job: Any = SimpleNamespace(
        pk=1, computer=computer, get_job_id=lambda: "7", get_remote_workdir=lambda: "/scratch/a"
    )
    monkeypatch.setattr(stopping, "kill_calculation", lambda job, transport: told.append(job))
    monkeypatch.setattr(stopping, "_ASK_QUEUE", 0.0)
    monkeypatch.setattr(stopping, "_LEAVES_QUEUE", 0.05)
    assert said in stopping._end_job(job, queue)
    assert told == [job]


def test_a_job_without_a_number_in_the_queue_is_not_asked_for() -> None:
    computer = SimpleNamespace(scheduler_type="core.slurm")
    job: Any = SimpleNamespace(
        pk=1, computer=computer, get_job_id=lambda: None, get_remote_workdir=lambda: "/scratch/a"
    )
    assert stopping._end_job(job, None).startswith("AiiDA has no number of it in the queue")
