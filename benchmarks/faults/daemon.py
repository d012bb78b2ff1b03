"""Faults with AiiDA's daemon: its workers, broker and database are killed, locked or restarted at any moment."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import psutil
from aiida import orm
from aiida.manage import get_manager
from aiida.manage.configuration import get_config

from aiida_cse.cli.site.environment import ensure_environment
from aiida_cse.engine.daemon import daemon_hint, daemon_runs
from aiida_cse.engine.embedded import run_embedded
from aiida_cse.engine.waking import forgotten_parents
from benchmarks.faults.bench import Bench, Verdict
from benchmarks.faults.damage import locked
from benchmarks.faults.engines import PATIENCE, draw_steps, launch_command, newest_production
from benchmarks.faults.jobs import jobs_below
from benchmarks.faults.strikes import Hit
from benchmarks.throughput import make_profile
from tests.golden.archives import demo_interface
from tests.services.programs import databases

__all__ = ["HARMS", "daemon_bench", "disturbed", "services_bench", "started_again_below"]

#: seconds after which a daemon that works on nothing is asked for the reason
_STALLED = 20.0
#: seconds that a daemon gets to start, on a machine that does other work as well, before it is asked again
_STARTING = 240.0
#: seconds for which a database is locked, and for which a server is down
_LOCKED, _DOWN = 30.0, 2.0
#: by which a server ends without a word to others; with SIGKILL, PostgreSQL leaves processes behind
_CRASH = {"postgresql": signal.SIGQUIT, "rabbitmq": signal.SIGKILL}
_BIN = Path(sys.executable).parent

#: step, if it is known, and words
Seen: TypeAlias = "tuple[int, str]"
#: return what was seen at a moment, or None as long as it has not come
Moment: TypeAlias = Callable[[], "Seen | None"]
Harm: TypeAlias = Callable[[Bench], str]


@contextmanager
def daemon_bench(bench: Bench) -> Iterator[Bench]:
    """Yield the bench on a profile with AiiDA's own broker; stop its daemon at the end."""
    with _bench_of("faults_daemon", bench) as second:
        yield second


@contextmanager
def services_bench(bench: Bench) -> Iterator[Bench]:
    """Yield the bench on a profile on PostgreSQL and RabbitMQ, which run as long as it does.

    Raises
    ------
    UnavailableError
        They are not installed, or do not run here.
    """
    profile = "faults_services"
    with databases() as services:
        make_profile(profile, services)
        with _bench_of(profile, bench) as second:
            second.services = services
            yield second


@contextmanager
def _bench_of(profile: str, bench: Bench) -> Iterator[Bench]:
    """Yield a bench on another profile, whose daemon starts with the first run that needs it."""
    environment = ensure_environment(profile, daemon=True)
    config = get_config()
    config.set_option("daemon.timeout", 60)  # by default 2 s, too little on a busy machine
    config.set_option("warnings.rabbitmq_version", False)
    config.store()
    try:
        yield Bench(bench.folder / profile, environment, demo_interface().store(), bench.reference)
    finally:
        _verdi("daemon", "stop")
        get_manager().reset_profile()  # before its services end


# -- runs ----------------------------------------------------------------------------------------------


def disturbed(harm: str, *phases: str) -> Callable[[Bench, random.Random], Verdict]:
    """Return a run on a daemon with one worker that is harmed in each of the phases, in this order.

    A phase that occurs again is that of another job, or a later part of the run.
    """

    def run(bench: Bench, rng: random.Random) -> Verdict:
        with bench.fresh_work() as work:
            if not daemon_runs():
                _verdi("daemon", "start", "1")
            node: Any = orm.load_node(_submit(bench, work))
            steps = iter(draw_steps(rng, max(1, phases.count("run"))))
            hits: list[Hit] = []
            struck: dict[str, set[int]] = {phase: set() for phase in phases}
            commands, deadline = 0, time.monotonic() + PATIENCE
            for phase in phases:
                if phase == "run":
                    moment = _running(work, next(steps))
                else:
                    moment = _in_phase(phase, node.pk, struck[phase])
                seen, more = _await(moment, node.pk, deadline)
                commands += more
                if seen is not None:
                    time.sleep(rng.uniform(0, 0.05))
                    if words := HARMS[harm](bench):
                        hits.append(Hit(seen[0], f"{words} {seen[1]}"))
            _, more = _await(lambda: None, node.pk, deadline)
            return bench.judge(orm.load_node(node.pk), hits, commands + more)

    return run


def started_again_below(bench: Bench, rng: random.Random) -> Verdict:
    """Restart PostgreSQL below the embedded engine, at two steps."""
    hits: list[Hit] = []

    def strike() -> None:
        for step in steps:
            seen = None
            while seen is None and not ended.is_set():
                time.sleep(0.01)
                seen = _running(bench.work, step)()
            if seen is not None:
                hits.append(Hit(seen[0], _restart(bench, "postgresql")))

    steps, ended = draw_steps(rng, 2), threading.Event()
    thread = threading.Thread(target=strike)
    with bench.fresh_work():
        thread.start()
        try:
            node = run_embedded(bench.builder())
        finally:
            ended.set()
            thread.join()
        return bench.judge(node, hits, commands=0)


def _submit(bench: Bench, work: Path) -> int:
    subprocess.run(launch_command(bench, work), capture_output=True, text=True, check=True)
    return newest_production()[0]


def _await(moment: Moment, production: int, deadline: float) -> tuple[Seen | None, int]:
    """Wait for a moment or the end, follow the advice of ``aiida-cse status``, and count how often."""
    commands, look, ask = 0, time.monotonic() + _STALLED, 0.0
    while (now := time.monotonic()) < deadline:
        if now > ask:
            if newest_production() == (production, True):
                break
            ask = now + 1
        if (seen := moment()) is not None:
            return seen, commands
        if now > look:
            look = now + _STALLED
            if (hint := daemon_hint()) is not None:
                _verdi("daemon", "restart" if "restart" in hint else "start")
            elif forgotten_parents():
                subprocess.run([_BIN / "aiida-cse", "nudge", str(production)], capture_output=True, check=False)
            else:
                continue
            commands += 1
            look = time.monotonic() + _STARTING
        time.sleep(0.005)
    return None, commands


# -- moments -------------------------------------------------------------------------------------------


def _running(work: Path, step: int) -> Moment:
    """Return the moment when a LAMMPS that still runs has reached a step."""

    def look() -> Seen | None:
        reached = (job.step for job in jobs_below(work) if job.step >= step and not job.ended)
        return next(((at, "while LAMMPS ran") for at in reached), None)

    return look


def _in_phase(phase: str, production: int, struck: set[int]) -> Moment:
    """Return the moment when another job of the production is in a phase of AiiDA's work on it; on SQLite only."""
    profile = get_manager().get_profile()
    assert profile is not None
    database = Path(profile.storage_config["filepath"]) / "database.sqlite"

    def look() -> Seen | None:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
            newest, is_in_phase = connection.execute(_NEWEST.format(_PHASES[phase]), [production]).fetchone() or (
                0,
                0,
            )
        if not is_in_phase or newest in struck:
            return None
        struck.add(newest)
        return -1, f"when job <{newest}> was {phase}"

    return look


#: the newest job of a production, and whether it meets a condition; a worker that is killed may leave one behind
_NEWEST = """
    select id, {} from db_dbnode where id > ? and node_type like 'process.calculation.calcjob%'
    order by id desc limit 1
"""
#: from the folder of a job on to the number that the scheduler gives it, and from its end to its results
_PHASES = {
    "submitted": "json_extract(attributes, '$.job_id') is null",
    "parsed": "json_extract(attributes, '$.state') in ('retrieving', 'parsing')"
    " or json_extract(attributes, '$.scheduler_state') = 'done'",
}


# -- harms ---------------------------------------------------------------------------------------------


def _kill(*names: str) -> str:
    """Kill the processes of the daemon with these names at the same time; return what was killed."""
    killed = []
    pid = get_manager().get_daemon_client().get_daemon_pid()
    for process in psutil.Process(pid).children(recursive=True) if pid else []:
        with suppress(psutil.Error):
            words = " ".join(process.cmdline())
            name = next((name for name in ("worker", "broker") if name in words), "")
            if name in names:
                process.kill()
                killed.append(f"{name} {process.pid}")
    return f"SIGKILL to {' and '.join(killed)}" if killed else ""


def _lock(bench: Bench) -> str:
    with locked(bench.database):
        time.sleep(_LOCKED)
    return f"database locked for {_LOCKED:.0f} s"


def _restart(bench: Bench, name: str) -> str:
    """End a server at once, as when its machine fails, and start it again a moment later."""
    assert bench.services is not None
    process = bench.services.processes[name]
    process.send_signal(_CRASH[name])
    process.wait()
    bench.services.restart(name, after=_DOWN)
    return f"{name} killed, and started again {_DOWN:.0f} s later"


def _restart_database(bench: Bench) -> str:
    """Restart PostgreSQL, from which the bench itself disconnects before."""
    storage: Any = get_manager().get_profile_storage()
    session = storage.get_session()
    session.rollback()
    session.get_bind().dispose()
    return _restart(bench, "postgresql")


HARMS: dict[str, Harm] = {
    "worker": lambda _: _kill("worker"),
    "broker": lambda _: _kill("worker", "broker"),
    "lock": _lock,
    "rabbitmq": lambda bench: _restart(bench, "rabbitmq"),
    "postgresql": _restart_database,
}


def _verdi(*words: str) -> None:
    profile = get_manager().get_profile()
    assert profile is not None
    path = os.pathsep.join([str(_BIN), os.environ["PATH"]])  # the daemon looks for verdi there
    subprocess.run(
        [_BIN / "verdi", "-p", profile.name, *words],
        env=os.environ | {"PATH": path}, capture_output=True, check=False,
    )  # fmt: skip
