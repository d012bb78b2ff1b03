"""The kinds of faults: their number, and how a run continues after them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.faults import engines
from benchmarks.faults.bench import Bench, Verdict
from benchmarks.faults.engines import by_itself

__all__ = ["KINDS", "QUICK_KINDS", "SHORT_KINDS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes
    ----------
    name, words
        Its name for ``--only``, and in the table.
    count
        The number of faults.
    run
        One run with one or more of them.
    command
        The command for a run that does not continue by itself.
    needs
        Pattern of a file that must exist to run it.
    place
        What runs it: the embedded engine, a daemon on SQLite, or a profile on PostgreSQL and RabbitMQ.
    own_disk
        Whether the profile must be on a file system of its own, which it fills.
    """

    name: str
    words: str
    count: int
    run: Callable[[Bench, random.Random], Verdict]
    command: str = ""
    needs: str = ""
    place: Literal["embedded", "daemon", "services"] = "embedded"
    own_disk: bool = False

    @property
    def possible(self) -> bool:
        """Whether this machine provides what it needs."""
        if self.own_disk and not (Path(os.environ["AIIDA_PATH"]) / ".aiida").is_mount():
            return False
        return not self.needs or any(Path("/").glob(self.needs.removeprefix("/")))


LAUNCH_AGAIN, RESUME, EXTEND, RESTART = (
    "launch again",
    "aiida-cse resume",
    "aiida-cse extend",
    "verdi daemon restart",
)


def _on_daemon(name: str, *arguments: str) -> Callable[[Bench, random.Random], Verdict]:
    """Return a run of the module ``daemon``, which is imported with it: AiiDA then looks for its profiles."""

    def run(bench: Bench, rng: random.Random) -> Verdict:
        from benchmarks.faults import daemon

        made = getattr(daemon, name)
        verdict: Verdict = (made(*arguments) if arguments else made)(bench, rng)
        return verdict

    return run


KINDS = (
    # a LAMMPS without its wrapper often reaches the end of its segment before the script ends it
    Kind(
        "kills",
        "kill -9 of wrapper, LAMMPS, all; SIGTERM",
        10,
        by_itself(("kill_lmp", "running"), ("kill_job", "running"), ("terminate", "running"),
                  ("kill_wrapper", "running"), times=3, segments=4),
    ),
    Kind(
        "writes",
        "kill -9 inside a restart write",
        5,
        by_itself(("kill_wrapper", "writing"), ("kill_lmp", "writing"), times=4),
    ),
    Kind(
        "ranks",
        "two ranks: kill -9 of one, mpirun, all",
        6,
        by_itself(("kill_rank", "running"), ("kill_launcher", "running"), ("kill_job", "running"),
                  times=2, ranks=2),
    ),
    Kind("walltime", "stop by the wall time", 2, engines.out_of_walltime),
    Kind(
        "restarts",
        "killed; restart cut, empty, gone, NaN",
        7,
        by_itself(("shorten_restart", "killed"), ("empty_restart", "killed"), ("delete_restart", "killed"),
                  ("nan_in_restart", "killed"), times=2),
    ),
    Kind(
        "ions",
        "killed; ions.dcd cut, empty, gone",
        4,
        by_itself(("cut_ions", "killed"), ("empty_ions", "killed"), ("cut_ions", "killed"),
                  ("delete_ions", "killed")),
    ),
    Kind(
        "all-atoms",
        "killed; trajectory.dcd cut, empty, gone",
        4,
        by_itself(("cut_all_atoms", "killed"), ("empty_all_atoms", "killed"), ("cut_all_atoms", "killed"),
                  ("delete_all_atoms", "killed")),
    ),
    Kind(
        "files",
        "killed; log cut; times set",
        4,
        by_itself(("cut_log", "killed"), ("shift_times", "killed"), times=2),
    ),
    Kind(
        "folder-killed",
        "killed; folder deleted",
        3,
        by_itself(("delete_folder", "killed"), times=3, segments=4),
    ),
    Kind(
        "folder-ended",
        "ended; folder deleted, after a look",
        2,
        by_itself(("delete_folder", "followed"), times=2, segments=4, looks=True, part=engines.INNER),
    ),
    Kind("extend", "last folder deleted, then extended", 1, engines.extended, EXTEND),
    Kind("stash", "ended; folder deleted, with a stash", 3, engines.stashed),
    Kind(
        "ended",
        "ended; restart cut, empty, NaN",
        3,
        by_itself(("shorten_restart", "ended"), ("empty_restart", "ended"), ("nan_in_restart", "ended"),
                  segments=4, part=engines.NOT_LAST),
    ),
    Kind(
        "ended-files",
        "ended; restart gone, log cut",
        3,
        by_itself(("delete_restart", "ended"), ("cut_log", "ended"), ("delete_restart", "ended"),
                  segments=4, part=engines.NOT_LAST),
    ),
    Kind("reduction", "kill -9 of the reduction", 2, by_itself(("kill_reduction", "reducing"), times=3)),
    Kind("clock", "clock set by hours", 2, engines.clock_jumps, needs=engines.FAKETIME),
    Kind(
        "disk",
        "disk full; folder of a job read-only",
        2,
        engines.launched_again("limit_file_size", "write_protect"),
        LAUNCH_AGAIN,
    ),
    Kind("work-read-only", "folder of all jobs read-only", 1, engines.work_write_protected, RESUME),
    Kind("profile-full", "disk of the profile full", 2, engines.disk_of_the_profile_full, RESUME, own_disk=True),
    Kind("lock-short", "database locked for 12 s", 3, by_itself(("lock", "anywhere"), times=3, segments=4)),
    Kind("lock-long", "database locked for a minute", 1, engines.database_locked, RESUME),
    Kind("python", "kill -9 of the embedded Python", 3, engines.python_killed, RESUME),
    Kind(
        "worker",
        "kill -9 of the worker, in all phases",
        5,
        _on_daemon("disturbed", "worker", "submitted", "run", "parsed", "submitted", "run", "parsed"),
        RESTART,
        place="daemon",
    ),
    Kind(
        "broker",
        "kill -9 of broker and worker",
        2,
        _on_daemon("disturbed", "broker", "run", "run"),
        RESTART,
        place="daemon",
    ),
    Kind(
        "worker-lock",
        "worker's database locked for 30 s",
        2,
        _on_daemon("disturbed", "lock", "run", "run"),
        RESTART,
        place="daemon",
    ),
    Kind(
        "postgresql", "PostgreSQL restarted", 2, _on_daemon("started_again_below"), RESUME, place="services"
    ),
    Kind(
        "worker-postgresql",
        "PostgreSQL of a worker restarted",
        2,
        _on_daemon("disturbed", "postgresql", "run", "run"),
        RESTART,
        place="services",
    ),
    Kind(
        "rabbitmq",
        "RabbitMQ restarted",
        2,
        _on_daemon("disturbed", "rabbitmq", "run", "run"),
        RESTART,
        place="services",
    ),
)  # fmt: skip

#: one run with a bit of everything, for the tests
SHORT_KINDS = (
    Kind(
        "short",
        "kills and damages",
        3,
        by_itself(("kill_lmp", "writing"), ("shorten_restart", "killed"), ("cut_ions", "killed"),
                  ("delete_restart", "killed")),
    ),
)  # fmt: skip

#: the same in few runs, each of which is hit by several kinds
QUICK_KINDS = (
    Kind(
        "kills",
        "kills; restart, frames damaged",
        5,
        by_itself(("kill_lmp", "writing"), ("kill_job", "running"), ("shorten_restart", "killed"),
                  ("cut_ions", "killed"), ("nan_in_restart", "killed"), ("terminate", "running"),
                  ("cut_all_atoms", "killed")),
    ),
    Kind(
        "folders",
        "folder deleted; reduction killed",
        3,
        by_itself(("nan_in_restart", "ended"), ("delete_folder", "followed"), ("lock", "anywhere"),
                  ("kill_reduction", "reducing"), segments=4),
    ),
    Kind("python", "kill -9 of the embedded Python", 1, engines.python_killed, RESUME),
    Kind(
        "broker", "kill -9 of broker and worker", 1, _on_daemon("disturbed", "broker", "run"), RESTART,
        place="daemon",
    ),
)  # fmt: skip
