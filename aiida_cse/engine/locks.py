"""A lock for each embedded run, held by one Python at a time and released by the kernel when it ends."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from aiida.manage.configuration import get_config
from aiida.orm import ProcessNode

__all__ = ["EMBEDDED", "ENGINE_EXTRA", "ProcessBusyError", "is_held", "process_lock"]

#: extra of an outermost process with the engine that runs it, and its value for the embedded one
ENGINE_EXTRA, EMBEDDED = "cse_engine", "embedded"


class ProcessBusyError(RuntimeError):
    """Another Python, or the daemon, runs this process."""


def _path(node: ProcessNode) -> Path:
    return Path(get_config().dirpath) / "embedded" / f"{node.uuid}.lock"


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
    path = _path(node)
    stream = _open_locked(path)
    if stream is None:
        try:
            holder = path.read_text(encoding="utf-8") or "it has just started"
        except FileNotFoundError:
            holder = "it has just ended"
        msg = f"process {node.pk} is being run by another Python ({holder}); wait for it or stop it first"
        raise ProcessBusyError(msg)
    with stream:
        stream.truncate(0)
        stream.write(f"process ID {os.getpid()} on {socket.gethostname()}")
        stream.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_held(node: ProcessNode) -> bool:
    """Return whether a Python is running the process ``node`` now."""
    path = _path(node)
    if not path.is_file():
        return False
    with path.open(encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
