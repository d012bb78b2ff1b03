"""The programs end with the Python that started them, whatever ends it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from tests.integration.test_daemon import REPOSITORY, wait_for

START = """
import signal, subprocess, time
from contextlib import ExitStack
from tests.services.programs import UnavailableError, queues
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background of a shell ignores it
with ExitStack() as stack:
    try:
        services = stack.enter_context(queues())
    except (UnavailableError, OSError, subprocess.SubprocessError) as error:
        raise SystemExit(f"the services do not run here: {error}")
    print(services.folder, *(process.pid for process in services.processes.values()), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_no_program_outlives_its_parent(end: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        said = parent.stdout.readline().split()
        if not said:
            problem = parent.stderr.read()
            if problem.startswith("the services do not run here: "):
                pytest.skip(problem)
            raise AssertionError(problem)
        folder, programs = said[0], [psutil.Process(int(pid)) for pid in said[1:]]
        family = [*programs, *(child for program in programs for child in program.children(recursive=True))]
        assert len(programs) == 7
        parent.send_signal(end)
        parent.wait(60)
    try:
        wait_for(lambda: not alive(family), lambda: str(alive(family)), 60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that have not ended; one that has stays a zombie until its parent asks for it."""
    return [one for one in processes if one.is_running() and state(one) != psutil.STATUS_ZOMBIE]


def state(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_ZOMBIE)
