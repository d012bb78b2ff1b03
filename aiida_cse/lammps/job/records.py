"""Shell scripts around a LAMMPS job, and the records that they write.

Before LAMMPS, ``prologue.sh`` locks the folder, ends remaining processes of earlier jobs and chooses the
checkpoint. Afterwards, ``epilogue.sh`` ends remaining processes of this job, compresses its log and records the
files that it leaves.
"""

from __future__ import annotations

import shlex
import signal
from importlib import resources
from typing import TypeVar

from pydantic import Field, ValidationError

from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.schema import StrictModel

__all__ = [
    "COMPRESSED_LOG",
    "END_RECORD",
    "EPILOGUE_LINES",
    "START_RECORD",
    "UNFINISHED_LOG",
    "EndRecord",
    "FileRecord",
    "StartRecord",
    "job_scripts",
    "prologue_lines",
    "read_record",
    "soft_limit",
    "wall_time_error",
]

#: files that the prologue and the epilogue write
START_RECORD, END_RECORD = "start.json", "end.json"
#: the log that the epilogue compresses, without thermo rows if LAMMPS reported no error, and a link to the whole
#: log that exists until then
COMPRESSED_LOG, UNFINISHED_LOG = "log.lammps.gz", "unfinished.log"

#: files beside this module that a job needs
_SCRIPTS = ("prologue.sh", "epilogue.sh", "lock.sh", "record.sh")

#: lines of a job script that follow LAMMPS
EPILOGUE_LINES = "CSE_STATUS=$?\nunset CSE_JOB\nsh epilogue.sh $CSE_STATUS"

#: fraction of the wall time after which LAMMPS stops and writes a checkpoint
SOFT_STOP = 0.95
#: more steps per second than any system reaches: communication between processes takes longer
STEPS_PER_SECOND = 100_000


class FileRecord(StrictModel):
    """Checksum and size of a file."""

    sha256: str
    bytes: int


class StartRecord(StrictModel):
    """Checkpoint from which a job started; ``lammps_version`` and ``ranks`` belong to the job that wrote it.

    ``left`` lists the files of that job if it was killed before it could record them. ``row`` is the first thermo
    row that it printed after the checkpoint, empty if it printed none.
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
    """Files that a job left; a killed job has no such record. ``status`` is the exit status of LAMMPS."""

    status: int
    disk_full: bool = False
    host: str
    lammps_version: str = ""
    ranks: int | None = None
    files: dict[str, FileRecord]

    @property
    def signal(self) -> str | None:
        """Signal that ended LAMMPS; None if it ended by itself.

        A shell reports 128 plus the signal, a Python wrapper of LAMMPS 256 minus the signal.
        """
        number = self.status - 128 if self.status <= 192 else 256 - self.status
        try:
            return signal.Signals(number).name if number > 0 else None
        except ValueError:
            return None


Record = TypeVar("Record", StartRecord, EndRecord)


def read_record(model: type[Record], content: bytes) -> Record | None:
    """Return the record, or None if ``content`` is incomplete, as a killed job may leave it."""
    try:
        return model.model_validate_json(content)
    except ValidationError:
        return None


def job_scripts() -> dict[str, str]:
    """Return the text of each shell script by its file name."""
    folder = resources.files("aiida_cse.lammps.job")
    return {name: folder.joinpath(name).read_text(encoding="utf-8") for name in _SCRIPTS}


def prologue_lines(
    job: str, executable: str, wall_seconds: int | None, latest: int | None = None, *, one_trajectory: bool = False
) -> str:
    """Return the lines of a job script that precede LAMMPS.

    Parameters
    ----------
    job
        Unique name of the job, which LAMMPS and its launcher carry in their environment.
    executable
        LAMMPS program.
    wall_seconds
        Wall time of the job, s; None for no limit.
    latest
        Last step whose checkpoint may be used; None for any.
    one_trajectory
        Whether the trajectory continues that of earlier jobs, as in a production. A checkpoint is then used only
        if all frames before it exist.
    """
    limit = soft_limit(wall_seconds)
    arguments = f"{shlex.quote(executable)} {'off' if limit is None else limit}"
    if latest is not None or one_trajectory:
        arguments += f" {'any' if latest is None else latest}"
    if one_trajectory:
        arguments += " frames"
    return f"export CSE_JOB={shlex.quote(job)}\nsh prologue.sh {arguments} || exit 75"


def soft_limit(wall_seconds: int | None) -> int | None:
    """Return the time after which LAMMPS stops, s; None without a wall time."""
    return max(1, int(SOFT_STOP * wall_seconds)) if wall_seconds else None


def wall_time_error(wall_seconds: int | None, plan: JobPlan) -> str | None:
    """Return why no machine can reach the first checkpoint within the wall time; None if one might."""
    limit = soft_limit(wall_seconds)
    first = min(plan.settings.restart_interval, plan.target_step - max(plan.first_step, plan.resume_step))
    if limit is None or first <= limit * STEPS_PER_SECOND:
        return None
    return (
        f"max_wallclock_seconds = {wall_seconds}: no machine makes the {first} steps to the first checkpoint "
        f"in {limit} s (95 % of it); give more time or a smaller settings.restart_interval"
    )
