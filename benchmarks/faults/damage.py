"""Damage to the files of a job, as caused by a full disk or a machine that goes down, and a locked database."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from benchmarks.faults.jobs import Job

__all__ = [
    "cut_frames",
    "cut_log",
    "delete",
    "delete_folder",
    "delete_restart",
    "empty",
    "empty_restart",
    "limit_file_size",
    "locked",
    "make_writable",
    "nan_in_restart",
    "shift_times",
    "shorten_restart",
    "write_protect",
]

#: bytes of a DCD file before its first frame, and of a frame besides the coordinates
_DCD_HEADER, _DCD_FRAME = 276, 80
#: seconds for which a lock is asked for
_PATIENCE = 60.0
#: extended attribute by which not even root makes files in a folder
_IMMUTABLE = "i"


def shorten_restart(job: Job, rng: random.Random) -> str:
    """Truncate the newest restart file at a random position."""
    newest = job.restarts()[-1]
    size = rng.randrange(1, newest.stat().st_size)
    os.truncate(newest, size)
    return f"{newest.name} cut to {size} bytes"


def empty_restart(job: Job, _: random.Random) -> str:
    """Truncate the newest restart file to zero bytes."""
    newest = job.restarts()[-1]
    os.truncate(newest, 0)
    return f"{newest.name} emptied"


def delete_restart(job: Job, _: random.Random) -> str:
    """Delete the newest restart file."""
    newest = job.restarts()[-1]
    newest.unlink()
    return f"{newest.name} deleted"


def nan_in_restart(job: Job, rng: random.Random) -> str:
    """Replace a coordinate or velocity in the newest restart file by NaN."""
    newest = job.restarts()[-1]
    content = bytearray(newest.read_bytes())
    place = _place_of_a_number(bytes(content), rng)
    content[place : place + 8] = struct.pack("<d", float("nan"))
    newest.write_bytes(content)
    return f"NaN at byte {place} of {newest.name}"


def delete_folder(job: Job, _: random.Random) -> str:
    """Delete the folder of a job with all that it holds, as the cleaning of a cluster does."""
    shutil.rmtree(job.folder)
    return f"folder {job.folder.name[:6]} deleted"


def shift_times(job: Job, rng: random.Random) -> str:
    """Set the times of all files of a job, each to years ago or years ahead."""
    now = time.time()
    for path in job.folder.iterdir():
        if not path.is_symlink():
            moment = now + rng.choice([-1, 1]) * rng.randrange(10**5, 10**8)
            os.utime(path, (moment, moment))
    return "times of all files set to past and future"


def _place_of_a_number(content: bytes, rng: random.Random) -> int:
    """Return the byte of a number with the magnitude of a coordinate, in the second half of a file.

    The alignment of the numbers is unknown; it is the shift at which most of them have plausible magnitudes.
    """
    half = len(content) // 2
    shifted = [
        np.frombuffer(content, "<f8", count=(len(content) - half - shift) // 8, offset=half + shift)
        for shift in range(8)
    ]
    with np.errstate(invalid="ignore"):
        usual = [int(((np.abs(one) > 1e-9) & (np.abs(one) < 1e4)).sum()) for one in shifted]
        shift = int(np.argmax(usual))
        numbers = np.abs(shifted[shift])
        places = np.flatnonzero((numbers > 5) & (numbers < 200) & (numbers != np.rint(numbers)))
    return half + shift + 8 * int(rng.choice(places.tolist()))


def cut_frames(name: str, most: int) -> Callable[[Job, random.Random], str]:
    """Return a blow that truncates a trajectory inside one of its last ``most`` frames."""

    def cut(job: Job, rng: random.Random) -> str:
        path = job.folder / name
        frame = _frame_bytes(path)
        whole = (path.stat().st_size - _DCD_HEADER) // frame
        kept = max(0, whole - rng.randrange(1, most + 1))
        os.truncate(path, _DCD_HEADER + kept * frame + rng.randrange(1, frame))
        return f"{name} cut inside of frame {kept + 1} of {whole}"

    return cut


def empty(name: str) -> Callable[[Job, random.Random], str]:
    """Return a blow that truncates a file to zero bytes."""

    def truncate(job: Job, _: random.Random) -> str:
        os.truncate(job.folder / name, 0)
        return f"{name} emptied"

    return truncate


def delete(name: str) -> Callable[[Job, random.Random], str]:
    """Return a blow that deletes a file."""

    def unlink(job: Job, _: random.Random) -> str:
        (job.folder / name).unlink()
        return f"{name} deleted"

    return unlink


def _frame_bytes(path: Path) -> int:
    with path.open("rb") as file:
        file.seek(_DCD_HEADER - 8)
        (natoms,) = struct.unpack("<i", file.read(4))
    return _DCD_FRAME + 12 * int(natoms)


def cut_log(job: Job, rng: random.Random) -> str:
    """Truncate a log inside a line of its second half."""
    path = job.folder / "log.lammps"
    content = path.read_bytes()
    size = rng.randrange(len(content) // 2, len(content))
    while content[size - 1 : size] == b"\n":
        size -= 1
    os.truncate(path, size)
    return f"{path.name} cut after byte {size} of {len(content)}"


def limit_file_size(job: Job, rng: random.Random) -> str:
    """Limit the file size of LAMMPS to slightly more than its present trajectory, as on a disk that fills up."""
    process = job.processes()["lmp"]
    trajectory = job.folder / "trajectory.dcd"
    frame = _frame_bytes(trajectory)
    limit = trajectory.stat().st_size + rng.randrange(1, 2 * frame)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    return f"no file longer than {limit} bytes"


def write_protect(job: Job, _: random.Random) -> str:
    """Prevent everybody, also root, from creating files in the folder of a job."""
    if os.geteuid() == 0:
        subprocess.run(["chattr", f"+{_IMMUTABLE}", str(job.folder)], check=True)
    else:
        job.folder.chmod(0o500)
    return "folder made read-only"


def make_writable(folder: Path) -> None:
    """Undo :func:`write_protect`, also where the folder is gone."""
    if not folder.is_dir():
        return
    if os.geteuid() == 0:
        subprocess.run(["chattr", f"-{_IMMUTABLE}", str(folder)], check=True)
    else:
        folder.chmod(0o700)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold a database of SQLite as another program that writes to it for long."""
    with closing(sqlite3.connect(database, timeout=_PATIENCE, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def end(job: Job, number: int) -> str:
    """Send a signal to all processes of a job, as a scheduler does."""
    for process in job.processes().values():
        process.send_signal(number)
    return f"{signal.Signals(number).name} to all of the job"
