"""Faults with AiiDA's daemon and its ZeroMQ broker: workers and broker are killed at any moment."""

from __future__ import annotations

import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import psutil
from aiida import orm
from aiida.manage import get_manager

from aiida_cse.cli.site.environment import ensure_environment
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.daemon import daemon_hint
from benchmarks.faults.bench import Bench, Verdict
from benchmarks.faults.engines import PATIENCE, draw_steps, launch_command
from benchmarks.faults.jobs import job_at
from benchmarks.faults.strikes import Hit

__all__ = ["daemon_bench", "workers_killed"]

PROFILE = "faults_daemon"
#: seconds after which a daemon that works on nothing is asked for the reason
_STALLED = 20.0
#: seconds that a daemon gets to start, on a machine that does other work as well, before it is asked again
_STARTING = 90.0
_BIN = Path(sys.executable).parent

#: step or number of the job, and words; None if the moment did not come
Seen: TypeAlias = "tuple[int, str] | None"
Moment: TypeAlias = Callable[[Path, random.Random, int], Seen]


@contextmanager
def daemon_bench(bench: Bench) -> Iterator[Bench]:
    """Start a daemon with one worker on its own profile; stop it at the end."""
    system = bench.system.get_system()
    environment = ensure_environment(PROFILE, daemon=True)
    _verdi("start", "1")
    try:
        yield Bench(bench.folder / "daemon", environment, CseSystemData(system).store(), bench.reference)
    finally:
        _verdi("stop")


def workers_killed(moment: str, *, broker: bool = False) -> Callable[[Bench, random.Random], Verdict]:
    """Return a run whose worker is killed while a job runs, is submitted or parsed, with or without the broker."""

    def run(bench: Bench, rng: random.Random) -> Verdict:
        with bench.fresh_work() as work:
            node = orm.load_node(_submit(bench, work))
            seen = _MOMENTS[moment](work, rng, node.pk)
            hits = []
            if seen is not None:
                killed = _kill(broker=broker)
                hits = [Hit(seen[0], f"SIGKILL to {killed}, {seen[1]}")] if killed else []
            commands = _await_end(node)
            return bench.judge(node, hits, commands)

    return run


def _submit(bench: Bench, work: Path) -> int:
    said = subprocess.run(launch_command(bench, work, PROFILE), capture_output=True, text=True, check=True).stdout
    match = re.search(r"<(\d+)>", said)
    assert match is not None, said
    return int(match[1])


# -- moments -------------------------------------------------------------------------------------------


def _while_running(work: Path, rng: random.Random, _: int) -> Seen:
    (step,) = draw_steps(rng)
    job = job_at(work, step, time.monotonic() + PATIENCE)
    return None if job is None else (job.step, "while LAMMPS ran")


def _when(phase: str, condition: str) -> Moment:
    """Return a function that waits for a phase of AiiDA's work on a job, drawn from the three of a production."""

    def wait(_: Path, rng: random.Random, production: int) -> Seen:
        number, deadline = rng.randrange(1, 4), time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not _select(_ENDED, production):
            jobs = _select(_JOBS.format(condition), production)
            if len(jobs) >= number and jobs[number - 1]:
                time.sleep(rng.uniform(0, 0.05))
                return number, f"when job {number} was {phase}"
            time.sleep(0.005)
        return None

    return wait


_ENDED = """
    select id from db_dbnode
    where id = ? and json_extract(attributes, '$.process_state') in ('finished', 'excepted', 'killed')
"""
#: whether the jobs of a production, in order, meet a condition
_JOBS = """
    select {} from db_dbnode where id > ? and node_type like 'process.calculation.calcjob%' order by id
"""
_MOMENTS: dict[str, Moment] = {
    "run": _while_running,
    # from its folder on to the number that the scheduler gives it, and from its end to its results
    "submit": _when("submitted", "json_extract(attributes, '$.job_id') is null"),
    "parse": _when(
        "parsed",
        "json_extract(attributes, '$.state') in ('retrieving', 'parsing')"
        " or json_extract(attributes, '$.scheduler_state') = 'done'",
    ),
}


def _select(statement: str, *values: Any) -> list[Any]:
    profile = get_manager().get_profile()
    assert profile is not None
    database = Path(profile.storage_config["filepath"]) / "database.sqlite"
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        return [row[0] for row in connection.execute(statement, values)]
    finally:
        connection.close()


# -- daemon ---------------------------------------------------------------------------------------------


def _verdi(*words: str) -> None:
    path = os.pathsep.join([str(_BIN), os.environ["PATH"]])  # the daemon looks for verdi there
    command = [_BIN / "verdi", "-p", PROFILE, "daemon", *words]
    subprocess.run(
        command, env=os.environ | {"PATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )


def _kill(*, broker: bool) -> str:
    """Kill the workers, and the broker at the same time; return what was killed."""
    killed = []
    pid = get_manager().get_daemon_client().get_daemon_pid()
    for process in psutil.Process(pid).children(recursive=True) if pid else []:
        with suppress(psutil.Error):
            words = " ".join(process.cmdline())
            name = "worker" if "worker" in words else "broker" if "broker" in words else ""
            if name == "worker" or (broker and name == "broker"):
                process.kill()
                killed.append(f"{name} {process.pid}")
    return " and ".join(killed)


def _await_end(node: orm.ProcessNode) -> int:
    """Wait for the end, follow the advice of ``aiida-cse status``, and return how often it gave any."""
    commands, deadline, look = 0, time.monotonic() + PATIENCE, time.monotonic() + _STALLED
    while not node.is_terminated and time.monotonic() < deadline:
        time.sleep(1)
        hint = daemon_hint() if time.monotonic() > look else None
        if hint is not None:
            _verdi("restart" if "restart" in hint else "start")
            commands += 1
            look = time.monotonic() + _STARTING
    return commands
