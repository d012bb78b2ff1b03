"""Claims of daemon workers: which processes a worker of the profile has, known for sure and without a message.

A claim is a lock of the kernel on one byte of a file, at the PK of the process. The kernel releases it when the
worker ends, however it ends. A worker that only is slow keeps it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from aiida.manage import get_manager
from aiida.manage.configuration import get_config

__all__ = ["Claims"]


class Claims:
    """The processes that this Python has claimed; there is one instance for the daemon of a profile.

    POSIX drops all locks of a Python on a file when it closes any of its descriptors for it.
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
