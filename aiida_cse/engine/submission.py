"""Submission of jobs that cannot happen twice: the folder of a job keeps the answer of the scheduler.

AiiDA stores the number of a job after the scheduler has told it. In between the database may be locked, or this
Python may be killed, and AiiDA would submit the job again. Here the command that submits a job also writes the
answer into the folder of the job. The same command, given again, reads the answer and submits nothing.
"""

from __future__ import annotations

import functools
from pathlib import PurePosixPath

from aiida.common.escaping import escape_for_bash
from aiida.common.exceptions import AiidaException
from aiida.engine import ExitCode
from aiida.engine.daemon.execmanager import kill_calculation
from aiida.orm import CalcJobNode
from aiida.schedulers import Scheduler
from aiida.schedulers.plugins.bash import BashCliScheduler

__all__ = ["end_job", "submit_once"]

#: time for which a second submission waits for the answer to one that was cut off, s; the worker waits with it
_IN_FLIGHT = 20
#: in one line, for any login shell; the direct scheduler answers from the background: the pipe is read to its end
_ONCE = (
    "n=0; while [ ! -s {answer} ] && [ -e {answer}.part ] && [ $n -lt {seconds} ]; do sleep 1; n=$((n+1)); done; "
    "[ -s {answer} ] || {{ set -o pipefail; ( {submit} ) | cat >{answer}.part && mv {answer}.part {answer}; }} "
    "&& cat {answer} || {{ code=$?; cat {answer}.part; rm -f {answer}.part; exit $code; }}"
)


@functools.cache
def submit_once() -> None:
    """Let the schedulers of AiiDA submit the job of a folder once only, in this Python."""
    submit = BashCliScheduler.submit_job

    @functools.wraps(submit)
    def submit_job(self: BashCliScheduler, working_directory: str, filename: str) -> str | ExitCode:
        command = _ONCE.format(
            answer=_answer(working_directory),
            submit=self._get_submit_command(escape_for_bash(filename)),
            seconds=_IN_FLIGHT,
        )
        result = self.transport.exec_command_wait(command, workdir=working_directory)
        return self._parse_submit_output(*result)

    BashCliScheduler.submit_job = submit_job  # type: ignore[method-assign]


def _answer(folder: str) -> str:
    """Return the file in the folder of a job with the answer; named by the job, so that a copied one is none."""
    return escape_for_bash(f"_scheduler-answer-{PurePosixPath(folder).name}.txt")


def end_job(node: CalcJobNode) -> None:
    """End the job of a process that nothing runs, also if its number was never stored."""
    folder = node.get_remote_workdir()
    if folder is None:
        return
    with node.get_authinfo().get_transport() as transport:
        if node.get_job_id() is not None:
            kill_calculation(node, transport)
            return
        assert node.computer is not None
        scheduler: Scheduler = node.computer.get_scheduler()
        scheduler.set_transport(transport)
        code, answer, _ = transport.exec_command_wait(f"cat {escape_for_bash(folder)}/{_answer(folder)}")
        if code != 0 or not isinstance(scheduler, BashCliScheduler):
            return  # it was never submitted
        try:
            number = scheduler._parse_submit_output(0, answer, "")
        except AiidaException:
            return
        if isinstance(number, str):
            scheduler.kill_job(number)
