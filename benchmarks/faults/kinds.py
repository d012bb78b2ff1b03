"""The kinds of faults: their number, and how a run continues after them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
    daemon
        Whether a daemon runs it.
    own_disk
        Whether the profile must be on a file system of its own, which it fills.
    """

    name: str
    words: str
    count: int
    run: Callable[[Bench, random.Random], Verdict]
    command: str = ""
    needs: str = ""
    daemon: bool = False
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


def _on_daemon(moment: str, *, broker: bool = False) -> Callable[[Bench, random.Random], Verdict]:
    def run(bench: Bench, rng: random.Random) -> Verdict:
        from benchmarks.faults.daemon import workers_killed  # AiiDA looks for its profiles when it is imported

        return workers_killed(moment, broker=broker)(bench, rng)

    return run


KINDS = (
    # a LAMMPS without its wrapper often reaches the end of its segment before the script ends it
    Kind("wrapper", "kill -9 of LAMMPS' wrapper", 5, by_itself(("kill_wrapper", "running"), times=8, segments=4)),
    Kind("lammps", "kill -9 of LAMMPS itself", 8, by_itself(("kill_lmp", "running"), times=8)),
    Kind(
        "writes",
        "… inside a restart write",
        6,
        by_itself(("kill_wrapper", "writing"), ("kill_lmp", "writing"), times=4),
    ),
    Kind(
        "job",
        "kill -9, SIGTERM to all of a job",
        8,
        by_itself(("kill_job", "running"), ("terminate", "running"), times=4),
    ),
    Kind(
        "ranks",
        "two ranks: kill -9 of one, mpirun, all",
        6,
        by_itself(("kill_rank", "running"), ("kill_launcher", "running"), ("kill_job", "running"),
                  times=2, ranks=2),
    ),
    Kind("walltime", "stop by the wall time", 3, engines.out_of_walltime),
    Kind(
        "restarts",
        "killed; restart cut, empty, gone, NaN",
        8,
        by_itself(("shorten_restart", "killed"), ("empty_restart", "killed"), ("delete_restart", "killed"),
                  ("nan_in_restart", "killed"), times=2),
    ),
    Kind(
        "files",
        "killed; frames, log cut; times set",
        8,
        by_itself(("cut_last_frame", "killed"), ("cut_frames", "killed"), ("cut_log", "killed"),
                  ("shift_times", "killed"), times=2),
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
    Kind("reduction", "kill -9 of the reduction", 3, by_itself(("kill_reduction", "reducing"), times=3)),
    Kind("clock", "clock set by hours", 2, engines.clock_jumps, needs=engines.FAKETIME),
    Kind("disk-full", "disk full (RLIMIT_FSIZE)", 2, engines.launched_again("limit_file_size"), LAUNCH_AGAIN),
    Kind("read-only", "folder read-only", 2, engines.launched_again("write_protect"), LAUNCH_AGAIN),
    Kind("work-read-only", "folder of all jobs read-only", 1, engines.work_write_protected, RESUME),
    Kind("profile-full", "disk of the profile full", 2, engines.disk_of_the_profile_full, RESUME, own_disk=True),
    Kind("lock-short", "database locked for 12 s", 3, by_itself(("lock_shortly", "anywhere"), times=3)),
    Kind("lock-long", "database locked for a minute", 1, engines.database_locked, RESUME),
    Kind("python", "kill -9 of the embedded Python", 3, engines.python_killed, RESUME),
    Kind("worker-run", "kill -9 of the worker: job runs", 2, _on_daemon("run"), RESTART, daemon=True),
    Kind("worker-submit", "… job is submitted", 2, _on_daemon("submit"), RESTART, daemon=True),
    Kind("worker-parse", "… job is parsed", 2, _on_daemon("parse"), RESTART, daemon=True),
    Kind("broker", "kill -9 of broker and worker", 2, _on_daemon("run", broker=True), RESTART, daemon=True),
)  # fmt: skip

#: one run with a bit of everything, for the tests
SHORT_KINDS = (
    Kind(
        "short",
        "kills and damages",
        3,
        by_itself(("kill_lmp", "writing"), ("shorten_restart", "killed"), ("cut_frames", "killed"),
                  ("delete_restart", "killed")),
    ),
)  # fmt: skip

#: the same in few runs, each of which is hit by several kinds
QUICK_KINDS = (
    Kind(
        "kills",
        "kills, inside a write too",
        3,
        by_itself(("kill_wrapper", "running"), ("kill_lmp", "writing"), ("kill_job", "running"),
                  ("kill_lmp", "running"), ("terminate", "running")),
    ),
    Kind(
        "damages",
        "killed; restart, frames damaged",
        3,
        by_itself(("shorten_restart", "killed"), ("cut_frames", "killed"), ("delete_restart", "killed"),
                  ("nan_in_restart", "killed"), ("cut_log", "killed")),
    ),
    Kind(
        "ended",
        "ended; restart, log damaged",
        2,
        by_itself(("nan_in_restart", "ended"), ("delete_restart", "ended"), ("cut_log", "ended"), segments=4,
                  part=engines.NOT_LAST),
    ),
    Kind(
        "folders",
        "folder deleted; reduction killed",
        3,
        by_itself(
            ("delete_folder", "followed"),
            ("kill_lmp", "running"),
            ("kill_reduction", "reducing"),
            segments=4,
            part=engines.INNER,
        ),
    ),
    Kind("lock-short", "database locked for 12 s", 1, by_itself(("lock_shortly", "anywhere"))),
    Kind("profile-full", "disk of the profile full", 1, engines.disk_of_the_profile_full, RESUME, own_disk=True),
    Kind("python", "kill -9 of the embedded Python", 1, engines.python_killed, RESUME),
    Kind("broker", "kill -9 of broker and worker", 1, _on_daemon("run", broker=True), RESTART, daemon=True),
)  # fmt: skip
