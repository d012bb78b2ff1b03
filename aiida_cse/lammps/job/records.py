"""One job in its folder: the scripts around LAMMPS, what they write down, and whether the run is still the same.

Before LAMMPS, ``prologue.sh`` takes the folder, ends what is left of the jobs before and chooses the checkpoint;
after it, ``epilogue.sh`` ends what is left of this one and writes down the files that it leaves.
"""

from __future__ import annotations

import shlex
import signal
from importlib import resources
from typing import TypeVar

from pydantic import Field, ValidationError

from aiida_cse.lammps.job.script import TRAJECTORY
from aiida_cse.lammps.log.reader import LogReport
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.schema import StrictModel

__all__ = [
    "END_RECORD",
    "START_RECORD",
    "EndRecord",
    "FileRecord",
    "StartRecord",
    "job_scripts",
    "read_record",
    "soft_limit",
    "text_after",
    "text_before",
    "trajectory_bytes",
    "trajectory_error",
    "wall_time_error",
    "why_not_exact",
]

#: what the prologue and the epilogue write down
START_RECORD, END_RECORD = "start.json", "end.json"

#: the files beside this module that a job needs
_SCRIPTS = ("prologue.sh", "epilogue.sh", "lock.sh", "record.sh")

#: share of the wall time after which LAMMPS is asked to stop and write a checkpoint
SOFT_STOP = 0.95
#: no run makes as many steps per second, however small the system: an exchange between processes takes longer
STEPS_PER_SECOND = 100_000


class FileRecord(StrictModel):
    """Checksum and size of a file."""

    sha256: str
    bytes: int


class StartRecord(StrictModel):
    """From what a job started; ``lammps_version`` and ``ranks`` are those of the job that wrote the file.

    ``left`` are files of that job if it was killed before it could write them down itself; ``row`` is what its log
    says of the state in which it went on from the checkpoint itself, nothing if it did not.
    """

    restart: str
    sha256: str
    unreadable: str = ""
    lammps_version: str = ""
    ranks: int | None = None
    ended_processes: int = 0
    host: str = ""
    left: dict[str, FileRecord] = Field(default_factory=dict)
    row: str = ""


class EndRecord(StrictModel):
    """What a job left; a job that was killed has no such record. ``status`` is the exit status of LAMMPS."""

    status: int
    disk_full: bool = False
    host: str
    lammps_version: str = ""
    ranks: int | None = None
    files: dict[str, FileRecord]

    @property
    def signal(self) -> str | None:
        """The signal that ended LAMMPS, None if it ended by itself.

        A shell counts them from 128 up, a Python that wraps LAMMPS from 256 down.
        """
        number = self.status - 128 if self.status <= 192 else 256 - self.status
        try:
            return signal.Signals(number).name if number > 0 else None
        except ValueError:
            return None


Record = TypeVar("Record", StartRecord, EndRecord)


def read_record(model: type[Record], content: bytes) -> Record | None:
    """Return a record, or None if ``content`` is no whole one: a killed job leaves anything."""
    try:
        return model.model_validate_json(content)
    except ValidationError:
        return None


def job_scripts() -> dict[str, str]:
    """Return the scripts around LAMMPS by the names under which a job needs them."""
    folder = resources.files("aiida_cse.lammps.job")
    return {name: folder.joinpath(name).read_text(encoding="utf-8") for name in _SCRIPTS}


def text_before(
    job: str, executable: str, wall_seconds: int | None, latest: int | None = None, *, one_trajectory: bool = False
) -> str:
    """Return the lines of a job's script that come before LAMMPS.

    Parameters
    ----------
    job
        A name that no other job has: LAMMPS and its launcher carry it in their environment.
    executable
        The LAMMPS program.
    wall_seconds
        The wall time of the job, None for no limit.
    latest
        The last step of which a checkpoint may be taken, None for any.
    one_trajectory
        Whether the trajectory goes on from that of the jobs before, as that of a production does: then no
        checkpoint is taken of which frames are missing before it.
    """
    limit = soft_limit(wall_seconds)
    arguments = f"{shlex.quote(executable)} {'off' if limit is None else limit}"
    if latest is not None or one_trajectory:
        arguments += f" {'any' if latest is None else latest}"
    if one_trajectory:
        arguments += " frames"
    return f"export CSE_JOB={shlex.quote(job)}\nsh prologue.sh {arguments} || exit 75"


def text_after() -> str:
    """Return the lines of a job's script that come after LAMMPS, next to its own."""
    return "CSE_STATUS=$?\nunset CSE_JOB\nsh epilogue.sh $CSE_STATUS"


def soft_limit(wall_seconds: int | None) -> int | None:
    """Return the seconds after which LAMMPS is asked to stop, None without a wall time."""
    return max(1, int(SOFT_STOP * wall_seconds)) if wall_seconds else None


def wall_time_error(wall_seconds: int | None, plan: JobPlan) -> str | None:
    """Return why no machine can reach the first checkpoint within the wall time, None if one might."""
    limit = soft_limit(wall_seconds)
    first = min(plan.settings.restart_interval, plan.target_step - max(plan.first_step, plan.resume_step))
    if limit is None or first <= limit * STEPS_PER_SECOND:
        return None
    return (
        f"max_wallclock_seconds = {wall_seconds}: no machine makes the {first} steps to the first checkpoint "
        f"in {limit} s (95 % of it): give more time or a smaller settings.restart_interval"
    )


def why_not_exact(start: StartRecord | None, report: LogReport, plan: JobPlan) -> str | None:
    """Return why a job need not repeat the uninterrupted run bit for bit, None if it does.

    The conditions are those of the page on exactness; of those that a job cannot see (another binary of the
    same version), nothing is said.
    """
    if not plan.settings.exact:
        return "settings.exact is false"
    if plan.care is not None:
        return f"it runs with care up to step {plan.care.until_step}, after a run that broke"
    if report.accelerated:
        return f"LAMMPS adds up in an order that varies: {report.accelerated}"
    if start is None or start.restart == "none":
        return None
    if start.restart.endswith(".data"):
        return (
            f"no restart file could be read: it went on from {start.restart}, which holds rounded coordinates "
            "and velocities and no state of thermostat and barostat"
        )
    if report.version and start.lammps_version and report.version != start.lammps_version:
        return f"the checkpoint is of LAMMPS {start.lammps_version}, the job ran with {report.version}"
    if report.ranks and start.ranks and report.ranks != start.ranks:
        return f"the checkpoint was written by {start.ranks} MPI processes, the job ran with {report.ranks}"
    return _within_a_random_stage(report, plan)


def trajectory_error(plan: JobPlan, report: LogReport, natoms: int, end: EndRecord | None) -> str | None:
    """Return what is missing in the trajectory of a job that came to its end, None if nothing is known to be.

    A write that a file system accepted and lost is found by the size of the file alone.
    """
    stage = next((stage for stage in plan.stages if stage.trajectory_ps), None)
    record = next((record for record in report.stages if stage and record.name == stage.name), None)
    if stage is None or stage.trajectory_ps is None or record is None or end is None:
        return None
    expected = trajectory_bytes(natoms, record.first_step, record.step, stage.interval(stage.trajectory_ps))
    found = end.files[TRAJECTORY].bytes if TRAJECTORY in end.files else 0
    return None if found == expected else f"{TRAJECTORY} has {found} bytes, its frames need {expected}"


def trajectory_bytes(natoms: int, first: int, last: int, interval: int) -> int:
    """Return the size of the DCD file with every ``interval``-th step from ``first`` to ``last``.

    A frame is the box (6 doubles) and three records of ``natoms`` floats, each record between its length twice.
    """
    frames = last // interval - (first - 1) // interval
    return 276 + frames * (56 + 3 * (4 * natoms + 8))


def _within_a_random_stage(report: LogReport, plan: JobPlan) -> str | None:
    first = report.stages[0] if report.stages else None
    if first is None or first.first_step == first.start:
        return None
    noisy = {stage.name for stage in plan.stages if stage.thermostat == "langevin"}
    if first.kind == "pushoff":
        return f"it went on inside of the push-off {first.name}, whose random numbers start anew"
    if first.name in noisy:
        return f"it went on inside of {first.name}, whose Langevin thermostat has no noise that goes on"
    return None
