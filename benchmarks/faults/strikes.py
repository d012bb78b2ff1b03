"""Injection of one fault: a process of its own watches the folders of a run's jobs and strikes at a given moment.

``python -m benchmarks.faults.strikes STRIKE`` takes a :class:`Strike` as JSON and prints a :class:`Hit` as JSON.
It does not import AiiDA: it reads logs, sends signals and damages files.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import psutil

from benchmarks.faults import damage
from benchmarks.faults.jobs import Job, job_at, reductions_below, wait_until

__all__ = ["BLOWS", "LOCKED", "Blow", "Hit", "Moment", "Strike"]

Moment = Literal["running", "writing", "killed", "ended", "followed", "reducing", "anywhere"]

#: seconds over which the blow falls after the step, or the reduction, was seen
_SPREAD, _SPREAD_OF_REDUCTIONS = 0.04, 2.0
_IN_CREATE = 0x100
#: seconds between two tries, and for which a blow locks the database of the profile
_BREAK, LOCKED = 0.005, 12.0


@dataclass(frozen=True)
class Blow:
    """One blow.

    Attributes
    ----------
    step
        The step in a log at which it falls.
    name
        One of :data:`BLOWS`, or ``lock``.
    moment
        ``running``: while LAMMPS is between two frames and two checkpoints; ``writing``: while the next restart
        file is written; ``killed``: as running, and then all processes of the job are killed; ``ended``: after the
        end of the job; ``followed``: when the next job is about to start from it; ``reducing``: in a reduction;
        ``anywhere``: at the step, whatever the job does.
    """

    step: int
    name: str
    moment: Moment = "running"


@dataclass(frozen=True)
class Strike:
    """Faults of a run: the folder above its jobs, the blows in order, and the seed of random choices.

    Blows that have not fallen after ``deadline`` seconds are dropped.
    """

    work: str
    blows: tuple[Blow, ...]
    seed: int = 0
    deadline: float = 300
    database: str = ""

    @classmethod
    def load(cls, text: str) -> Strike:
        """Return the strike from its JSON."""
        content = json.loads(text)
        return cls(**content | {"blows": tuple(Blow(**blow) for blow in content["blows"])})


@dataclass(frozen=True)
class Hit:
    """Record of a hit: step in the log of the job, and a description."""

    step: int
    words: str


def _signal(name: str, number: int) -> Callable[[Job, random.Random], str]:
    def blow(job: Job, _: random.Random) -> str:
        process = job.processes()[name]
        process.send_signal(number)
        return f"{signal.Signals(number).name} to {name} {process.pid}"

    return blow


def _jump_of_the_clock(job: Job, rng: random.Random) -> str:
    seconds = rng.choice([-1, 1]) * rng.randrange(3600, 100_000)
    (job.folder.parents[2] / "clock").write_text(f"{seconds:+d}\n")
    return f"clock set by {seconds:+d} s"


BLOWS: dict[str, Callable[[Job, random.Random], str]] = {
    "kill_wrapper": _signal("wrapper", signal.SIGKILL),
    "kill_lmp": _signal("lmp", signal.SIGKILL),
    "kill_job": lambda job, _: job.kill() or "SIGKILL to all of the job",
    "kill_rank": _signal("lmp 2", signal.SIGKILL),
    "kill_launcher": _signal("launcher", signal.SIGKILL),
    "terminate": lambda job, _: damage.end(job, signal.SIGTERM),
    "shorten_restart": damage.shorten_restart,
    "empty_restart": damage.empty_restart,
    "delete_folder": damage.delete_folder,
    "shift_times": damage.shift_times,
    "delete_restart": damage.delete_restart,
    "nan_in_restart": damage.nan_in_restart,
    "cut_ions": damage.cut_frames("ions.dcd", most=6),
    "cut_all_atoms": damage.cut_frames("trajectory.dcd", most=2),
    "empty_ions": damage.empty("ions.dcd"),
    "empty_all_atoms": damage.empty("trajectory.dcd"),
    "delete_ions": damage.delete("ions.dcd"),
    "delete_all_atoms": damage.delete("trajectory.dcd"),
    "cut_log": damage.cut_log,
    "limit_file_size": damage.limit_file_size,
    "write_protect": damage.write_protect,
    "clock_jump": _jump_of_the_clock,
}


def strike(wanted: Strike) -> Iterator[Hit]:
    """Wait for each moment and strike; a blow whose moment did not come is missing."""
    rng = random.Random(wanted.seed)
    deadline = time.monotonic() + wanted.deadline
    passed: set[Path] = set()
    for blow in wanted.blows:
        if blow.moment == "reducing":
            hit = _strike_reduction(Path(wanted.work), rng, deadline)
            if hit is not None:
                yield hit
            continue
        while (job := job_at(Path(wanted.work), blow.step, deadline, passed)) is not None:
            if blow.name == "lock":
                hit = _lock(job, Path(wanted.database))
            else:
                hit = _strike_job(blow, job, rng, deadline)
            passed.add(job.folder)
            if hit is not None:
                yield hit
                break


def _strike_job(blow: Blow, job: Job, rng: random.Random, deadline: float) -> Hit | None:
    if blow.moment == "ended":
        return _hit(blow, job, rng) if wait_until(lambda: job.ended, deadline) else None
    if blow.moment == "followed":
        return _hit(blow, job, rng) if wait_until(lambda: job.ended and _is_followed(job), deadline) else None
    if blow.moment == "writing":
        return _strike_in_a_write(blow, job, rng, deadline)
    time.sleep(rng.uniform(0, _SPREAD))
    if blow.moment == "anywhere":
        return None if job.ended else _hit(blow, job, rng)
    if blow.moment == "killed":
        # what is to be damaged must be there; killed without it again and again, a run is rightly given up
        wait_until(lambda: job.ended or bool(job.restarts()), deadline)
    while time.monotonic() < deadline and not job.ended:
        # stopped, because the next job starts as soon as it is dead
        stopped = job.freeze()
        try:
            if job.is_between:
                hit = _hit(blow, job, rng)
                if blow.moment == "killed":
                    job.kill()
                return hit
        finally:
            for process in stopped:
                _continue(process.pid)
        time.sleep(_BREAK)
    return None


def _is_followed(job: Job) -> bool:
    """Return whether the folder of a job that continues from this one exists."""
    links = job.folder.parents[2].glob("*/*/*/parent")
    return any(link.is_symlink() and link.readlink() == job.folder for link in links)


def _strike_reduction(work: Path, rng: random.Random, deadline: float) -> Hit | None:
    """Kill the Python that reduces a trajectory, at a moment between its start and its end."""
    while time.monotonic() < deadline:
        for process in reductions_below(work):
            time.sleep(rng.uniform(0, _SPREAD_OF_REDUCTIONS))
            try:
                folder = process.cwd()
                process.kill()
                process.wait(timeout=10)
            except psutil.Error:
                continue
            return Hit(-1, f"SIGKILL to the reduction in {Path(folder).name[:6]}")
        time.sleep(_BREAK)
    return None


def _lock(job: Job, database: Path) -> Hit | None:
    """Hold the database of the profile for a while."""
    if job.ended:
        return None
    step = job.step
    with damage.locked(database):
        time.sleep(LOCKED)
    return Hit(step, f"database locked for {LOCKED:.0f} s")


def _hit(blow: Blow, job: Job, rng: random.Random, note: str = "") -> Hit | None:
    try:
        return Hit(job.step, BLOWS[blow.name](job, rng) + note)
    except (KeyError, IndexError, FileNotFoundError, psutil.NoSuchProcess):  # it ended, or has no such file yet
        return None


def _strike_in_a_write(blow: Blow, job: Job, rng: random.Random, deadline: float) -> Hit | None:
    """Stop LAMMPS when it opens a restart file, and strike if the file is incomplete then."""
    if not wait_until(lambda: job.ended or bool(job.restarts()), deadline):
        return None
    lammps = job.processes().get("lmp")
    if lammps is None:
        return None
    whole = max(path.stat().st_size for path in job.restarts())
    with _created_in(job.folder) as names:
        while time.monotonic() < deadline and not job.ended:
            path = job.folder / next(names)
            if path.stem != "restart":
                continue
            try:
                os.kill(lammps.pid, signal.SIGSTOP)
                written = path.stat().st_size if path.exists() else whole
                if written < whole:
                    return _hit(blow, job, rng, f" with {written} of {whole} bytes of {path.name} written")
            except ProcessLookupError:
                return None
            finally:
                _continue(lammps.pid)
    return None


def _continue(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


@contextmanager
def _created_in(folder: Path) -> Iterator[Iterator[str]]:
    """Yield the names of files as they are created in a folder; an empty name if nothing happens for a while."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(0)
    libc.inotify_add_watch(descriptor, os.fsencode(folder), _IN_CREATE)

    def names() -> Iterator[str]:
        while True:
            ready, _, _ = select.select([descriptor], [], [], 0.1)
            if not ready:
                yield ""
                continue
            events = os.read(descriptor, 65536)
            while events:
                _, _, _, length = struct.unpack_from("iIII", events)
                yield os.fsdecode(events[16 : 16 + length].rstrip(b"\0"))
                events = events[16 + length :]

    try:
        yield names()
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    for done in strike(Strike.load(sys.argv[1])):
        print(json.dumps(asdict(done)), flush=True)
