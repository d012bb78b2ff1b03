"""Locks of embedded runs and claims of daemon workers, which tell where a process runs.

One Python at a time holds a lock or a claim. The kernel releases it when that Python ends, however it ends, and
not while it is only slow.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import psutil  # type: ignore[import-untyped]
from aiida.manage import get_manager
from aiida.manage.configuration import get_config
from aiida.orm import ProcessNode

__all__ = [
    "EMBEDDED",
    "ENGINE_EXTRA",
    "Claims",
    "ProcessBusyError",
    "RunningPython",
    "is_held",
    "is_stop_requested",
    "process_lock",
    "running_python",
]

#: extra of an outermost process with the engine that runs it, and its value for the embedded one
ENGINE_EXTRA, EMBEDDED = "cse_engine", "embedded"
#: interval between two looks at a lock, s
_LOOK = 0.1


class ProcessBusyError(RuntimeError):
    """Another Python, or the daemon, runs this process."""


def _path(uuid: str) -> Path:
    return Path(get_config().dirpath) / "embedded" / f"{uuid}.lock"


def _open_locked(path: Path) -> TextIO | None:
    """Return the locked file, or None if another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        stream = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            return None
        # a holder that has just finished removes the file: this lock would be on a file that no one else opens
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(stream.fileno())):
                return stream
        stream.close()


@contextmanager
def process_lock(node: ProcessNode) -> Iterator[None]:
    """Hold the lock of the process ``node``.

    Raises
    ------
    ProcessBusyError
        Another Python holds it; the message names its process ID and host.
    """
    path = _path(node.uuid)
    stream = _open_locked(path)
    if stream is None:
        # `is_held` of another Python shares the lock for an instant
        time.sleep(_LOOK)
        stream = _open_locked(path)
    if stream is None:
        try:
            holder = path.read_text(encoding="utf-8") or "it has just started"
        except FileNotFoundError:
            holder = "it has just ended"
        msg = f"process {node.pk} is being run by another Python ({holder}); wait for it or stop it first"
        raise ProcessBusyError(msg)
    request = _request_path(node.uuid)
    with stream:
        request.unlink(missing_ok=True)
        stream.truncate(0)
        stream.write(f"process ID {os.getpid()} on {socket.gethostname()}")
        stream.flush()
        try:
            yield
        finally:
            request.unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def is_held(node: ProcessNode) -> bool:
    """Return whether a Python is running the process ``node`` now."""
    path = _path(node.uuid)
    if not path.is_file():
        return False
    with path.open(encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_stop_requested(uuid: str) -> bool:
    """Return whether another Python has asked the holder of the lock of the process ``uuid`` to leave the run."""
    return _request_path(uuid).exists()


def _request_path(uuid: str) -> Path:
    return _path(uuid).with_suffix(".stop")


@dataclass(frozen=True)
class RunningPython:
    """The Python that holds the lock of a process."""

    node: ProcessNode
    pid: int
    host: str

    @property
    def is_here(self) -> bool:
        """True if it runs on this machine."""
        return self.host == socket.gethostname()

    def request_stop(self) -> None:
        """Ask it to leave the run; it looks twice a second."""
        _request_path(self.node.uuid).touch()

    def has_left(self, seconds: float) -> bool:
        """Return whether it releases the lock within a time."""
        deadline = time.monotonic() + seconds
        while is_held(self.node):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK)
        return True

    def process(self) -> psutil.Process | None:
        """Return its process; None if that of this number does not hold the lock, as from inside a container."""
        try:
            process = psutil.Process(self.pid)
            opened = {Path(file.path) for file in process.open_files()}
        except psutil.Error:
            return None
        return process if _path(self.node.uuid).resolve() in opened else None


def running_python(node: ProcessNode) -> RunningPython | None:
    """Return the Python that runs a process now, None if there is none."""
    while is_held(node):
        with suppress(FileNotFoundError):
            found = re.fullmatch(r"process ID (\d+) on (.+)", _path(node.uuid).read_text(encoding="utf-8"))
            if found is not None:
                return RunningPython(node, int(found[1]), found[2])
        time.sleep(_LOOK)  # it has just started, or just ended
    return None


class Claims:
    """The processes that this worker has claimed; there is one instance for the daemon of a profile.

    A claim locks one byte of a file, at the PK of the process; its owner is therefore certain, and no message is
    needed. POSIX drops all locks of a Python on a file when it closes any of its descriptors for it.
    """

    def __init__(self) -> None:
        profile = get_manager().get_profile()
        assert profile is not None
        path = Path(get_config().dirpath) / "daemon" / f"claims-{profile.uuid}"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("ab")
        self._held: set[int] = set()

    def __contains__(self, pk: int) -> bool:
        return pk in self._held

    def take(self, pk: int) -> bool | None:
        """Claim a process and return whether it was free; None if the file system has no locks.

        A process that is held here already is not free.
        """
        if pk in self._held:
            return False
        try:
            fcntl.lockf(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, pk, os.SEEK_SET)
        except OSError as error:
            return False if error.errno in (errno.EACCES, errno.EAGAIN) else None
        self._held.add(pk)
        return True

    def release(self, pk: int) -> None:
        """Give a process back, if it is held here."""
        if pk in self._held:
            self._held.discard(pk)
            fcntl.lockf(self._stream, fcntl.LOCK_UN, 1, pk, os.SEEK_SET)
