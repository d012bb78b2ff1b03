"""A LAMMPS job seen from outside, without AiiDA: its folder, its log and its processes."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = [
    "ALL_ATOMS_STEPS",
    "CADENCE",
    "FRAME_STEPS",
    "Job",
    "job_at",
    "jobs_below",
    "reductions_below",
    "wait_until",
]

#: steps between checkpoints and between frames of the bench's production, without a common divisor, and between
#: those of all atoms
CADENCE, FRAME_STEPS, ALL_ATOMS_STEPS = 15, 7, 35
#: seconds between two looks
_LOOK = 0.005
_ROW = re.compile(rb"^\s*- \[\s*(\d+),", re.M)
#: bytes at the end of a log that are sure to hold a row
_TAIL = 4096


@dataclass(frozen=True)
class Job:
    """A job in its folder."""

    folder: Path

    @property
    def step(self) -> int:
        """The last step in the log, -1 before the first."""
        try:
            rows = _ROW.findall((self.folder / "log.lammps").read_bytes()[-_TAIL:])
        except FileNotFoundError:
            return -1
        return int(rows[-1]) if rows else -1

    @property
    def is_between(self) -> bool:
        """True if its last step has neither a frame nor a checkpoint, and so ends no segment."""
        return self.step % CADENCE != 0 and self.step % FRAME_STEPS != 0

    @property
    def ended(self) -> bool:
        """Whether its script has ended."""
        return (self.folder / "end.json").is_file()

    @property
    def owner(self) -> dict[str, str]:
        """The record that the job wrote when it took the folder."""
        try:
            lines = (self.folder / "lock" / "owner").read_text().splitlines()
        except FileNotFoundError:
            return {}
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def processes(self) -> dict[str, psutil.Process]:
        """Return its living processes: ``script``, ``launcher``, ``wrapper`` (the Python) and ``lmp`` itself.

        Further ranks are ``wrapper 2`` and ``lmp 2``, and so on.
        """
        found: dict[str, psutil.Process] = {}
        with suppress(psutil.Error, KeyError, ValueError):
            owner = self.owner
            script = psutil.Process(int(owner["pid"]))
            if _started(script.pid) != owner["start"]:
                return {}  # another process has its number by now
            found["script"] = script
            for process in script.children(recursive=True):
                with suppress(psutil.Error):
                    role = _role(process)
                    number = 1 + sum(name.split(" ")[0] == role for name in found)
                    found[role if number == 1 else f"{role} {number}"] = process
        return found

    @property
    def parent(self) -> Path | None:
        """The folder from which it continues, also if it is gone; None for a job that begins a run."""
        link = self.folder / "parent"
        return link.readlink() if link.is_symlink() else None

    def freeze(self) -> list[psutil.Process]:
        """Stop all its processes and return them."""
        processes = list(self.processes().values())
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)
        return processes

    def kill(self) -> None:
        """Kill all its processes at once, as when a machine fails; return when none is left."""
        processes = self.freeze()
        for process in {*processes, *self.processes().values()}:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=10)

    def restarts(self) -> list[Path]:
        """Return its restart files, oldest first."""
        files = [path for path in self.folder.glob("restart.*") if path.suffix[1:].isdigit()]
        return sorted(files, key=lambda path: int(path.suffix[1:]))


def jobs_below(work: Path) -> Iterator[Job]:
    """Yield the jobs in folders below ``work``, in the layout of AiiDA."""
    for lock in work.glob("*/*/*/lock"):
        yield Job(lock.parent)


def reductions_below(work: Path) -> Iterator[psutil.Process]:
    """Yield the living processes that reduce a trajectory in folders below ``work``, oldest first."""
    for config in work.glob("*/*/*/reduction.json"):
        for process in psutil.process_iter(["cwd", "cmdline", "create_time"]):
            words = process.info["cmdline"] or []
            if process.info["cwd"] == str(config.parent) and "reduce" in words:
                yield process


def job_at(work: Path, step: int, deadline: float, passed: Collection[Path] = ()) -> Job | None:
    """Wait for the first job that has reached a step, excluding the given folders, and return it."""
    while time.monotonic() < deadline:
        for job in jobs_below(work):
            if job.folder not in passed and job.step >= step:
                return job
        time.sleep(_LOOK)
    return None


def wait_until(condition: Callable[[], bool], deadline: float) -> bool:
    """Return whether the condition became true before the deadline, a value of the monotonic clock."""
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK)
    return True


def _started(pid: int) -> str:
    """Return when a process started, as recorded by a job: in clock ticks since boot."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19]
    except OSError:
        return ""


def _role(process: psutil.Process) -> str:
    name, command = process.name(), process.cmdline()
    if name == "lmp" and Path(process.exe()).name == "lmp":
        return "lmp"
    if any(Path(word).name == "lmp" for word in command[:2]) and "python" in Path(process.exe()).name:
        return "wrapper"
    return "launcher" if name.startswith("mpi") else f"{name} {process.pid}"
