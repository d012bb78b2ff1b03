"""The database of the loaded profile: SQL on its nodes and links, patience with other programs, and what fails.

A ``QueryBuilder`` converts every value that it returns on its own. For thousands of processes this takes ten times
as long as the statement. The rows of :class:`Database` are those of the tables, with JSON as Python values; SQLite
gives 1 and 0 for true and false.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from aiida.common import AiidaException
from aiida.manage import get_manager
from sqlalchemy import String, TypeDecorator, event, text, type_coerce
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError, PendingRollbackError
from sqlalchemy.orm.exc import DetachedInstanceError

from aiida_cse.engine.hints import verdi

__all__ = [
    "Database",
    "Trouble",
    "lock_holder",
    "patience",
    "roll_back",
    "trouble_of",
    "wait_for_locks",
    "write_error",
]

#: time for which SQLite waits for another program, ms; the 5 s of Python end a run on a busy machine
_LOCK_MS = 60_000
#: errors of a disk that is full, read-only or gone: nothing can be stored until somebody acts
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE}
#: what helps then
_FREE = "free some space, or make it writable, and try again"
#: longest name of a program in a message
_NAME = 50
#: words of SQLite on the same
_SQLITE_DISK = ("disk is full", "disk I/O error", "readonly database", "unable to open database file")
#: what SQLite says while another program holds the lock that it needs
_SQLITE_LOCKED = ("database is locked", "database table is locked")
#: what SQLAlchemy says of a transaction that failed half-way, until it is rolled back, and afterwards of the nodes
#: that it let go
_UNUSABLE = ("no further SQL can be emitted within this transaction", "is not persistent within this Session")


# -- patience ------------------------------------------------------------------------------------------------


class _Patience:
    """The time for which connections of this Python wait for a lock, ms."""

    now = _LOCK_MS


def wait_for_locks() -> None:
    """Let the database of the loaded profile wait a minute for other programs before it fails as locked."""
    session = _session()
    engine = session.get_bind()
    if engine.dialect.name == "sqlite":
        _Patience.now = _LOCK_MS
        if not event.contains(engine, "checkout", _set_lock_time):
            event.listen(engine, "checkout", _set_lock_time)
        _set_lock_time(session.connection().connection)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Let transactions that begin within this context wait for a lock at most so long; for SQLite only."""
    before, _Patience.now = _Patience.now, int(seconds * 1000)
    try:
        yield
    finally:
        _Patience.now = before


def _set_lock_time(connection: Any, *_: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_Patience.now}")


def _session() -> Any:
    storage: Any = get_manager().get_profile_storage()
    return storage.get_session()


def roll_back(*, only_unusable: bool = False) -> None:
    """Roll back the transaction of this Python; SQLAlchemy refuses to go on after some errors until this is done.

    With ``only_unusable`` nothing is done after the other errors of SQLite: a rollback lets go of nodes that
    others hold. PostgreSQL refuses everything after any error.
    """
    with suppress(OperationalError, InterfaceError, InternalError):
        session = _session()
        if not (only_unusable and session.is_active and session.get_bind().dialect.name == "sqlite"):
            session.rollback()


# -- what fails ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """An error of the database or of the disk of a profile, which says nothing about the process that met it.

    Attributes
    ----------
    words
        What is wrong, in a line.
    passes
        True if it can end by itself, as the lock of another program does.
    remedy
        What a user can do.
    """

    words: str
    passes: bool
    remedy: str = "try again when this has ended"


def trouble_of(error: BaseException | None) -> Trouble | None:
    """Return the trouble that caused an exception; None if the exception has another cause."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and (error.errno in _DISK or _is_denied(error)):
            there = f": {error.filename}" if error.filename else ""
            return Trouble(f"the disk cannot be written ({error.strerror}{there})", passes=False, remedy=_FREE)
        if isinstance(error, (OperationalError, InterfaceError, InternalError, sqlite3.OperationalError)):
            return _database_trouble(str(getattr(error, "orig", None) or error))
        if isinstance(error, (PendingRollbackError, DetachedInstanceError)) or any(
            words in str(error) for words in _UNUSABLE
        ):
            return Trouble("the database failed in an earlier step", passes=True)
        error = error.__cause__ or error.__context__
    return None


def _is_denied(error: OSError) -> bool:
    """Return whether a file of the repository may not be written."""
    from aiida.manage.configuration import get_config

    if error.errno not in (errno.EACCES, errno.EPERM) or not isinstance(error.filename, str):
        return False
    return Path(error.filename).is_relative_to(get_config().dirpath)


def _database_trouble(said: str) -> Trouble | None:
    """Return the trouble that a driver tells; None for a statement that is wrong itself."""
    line = said.strip().partition("\n")[0]
    if any(part in said for part in _SQLITE_LOCKED):
        return _lock()
    if any(part in said for part in _SQLITE_DISK):
        return Trouble(f"the database cannot be written ({line})", passes=False, remedy=_FREE)
    if line.startswith("no such "):
        return None
    return Trouble(f"the database does not answer ({line})", passes=True)


def _lock() -> Trouble:
    """Return the trouble with a lock, with the program that holds it and what to do should it hang."""
    holder = lock_holder()
    if holder is None:
        return Trouble("the database is locked by another program", passes=True)
    words = holder.name()
    with suppress(psutil.Error):
        words = " ".join(holder.cmdline()) or words
    is_worker = " daemon " in words and "worker" in words
    end = verdi("daemon", "restart") if is_worker else f"kill {holder.pid}"
    short = words if len(words) <= _NAME else f"{words[: _NAME - 1]}…"
    return Trouble(
        f"the database is locked by process {holder.pid} ({short})",
        passes=True,
        remedy=f"try again when this has ended; if it hangs, end it with: {end}",
    )


def lock_holder() -> psutil.Process | None:
    """Return the program that locks the SQLite database; None if there is none, or if it is not known.

    The kernel lists the locks of the files of this machine.
    """
    try:
        path = _sqlite_path()
        if path is None:
            return None
        status = path.stat()
        there = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        locks = Path("/proc/locks").read_text(encoding="utf-8").splitlines()
    except (OSError, AiidaException):  # the profile may have been closed since
        return None
    for line in locks:
        # number: POSIX ADVISORY WRITE pid major:minor:inode start end; a waiting one has -> after its number
        fields = line.split()
        if len(fields) < 8 or fields[1] != "POSIX" or fields[5] != there:
            continue
        with suppress(psutil.Error, ValueError):
            other = psutil.Process(int(fields[4]))
            if fields[3] == "WRITE" and other.pid != os.getpid():
                return other
    return None


def _sqlite_path() -> Path | None:
    profile = get_manager().get_profile()
    # the profile tells it also while its database cannot be opened
    if profile is not None and profile.storage_backend == "core.sqlite_dos":
        return Path(profile.storage_config["filepath"]) / "database.sqlite"
    bind = _session().get_bind()
    return Path(bind.url.database) if bind.dialect.name == "sqlite" and bind.url.database else None


def write_error(seconds: float) -> Trouble | None:
    """Return why nothing can be written into the database within a time, None if it can.

    A lock is taken and released; nothing is written. SQLite's exclusive lock also waits for readers, as the end of
    each transaction must: a program that never ends its reading stops all others.
    """
    path = _sqlite_path()
    try:
        if path is None:
            with _session().get_bind().connect() as connection:
                connection.execute(text("SELECT 1"))
            return None
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", timeout=seconds, uri=True)) as database:
            database.execute("BEGIN EXCLUSIVE")
            database.rollback()
    except (sqlite3.Error, OperationalError, InterfaceError, InternalError) as error:
        return trouble_of(error) or Trouble(f"the database cannot be used ({error})", passes=False)
    return None


# -- rows ----------------------------------------------------------------------------------------------------


class _Value(TypeDecorator[Any]):
    """A value in a JSON column; None for one that cannot be read, as the infinity that SQLite makes of 1e400."""

    impl = String
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Return the value; the driver of PostgreSQL has read it already."""
        if dialect.name != "sqlite" or not isinstance(value, str):
            return value
        if value == "null":
            return None
        try:
            return json.loads(value)
        except ValueError:
            return None


class Database:
    """Tables of the loaded profile.

    Attributes
    ----------
    node, link
        Classes of the tables: their columns are ``id``, ``attributes``, … and ``input_id``, ``output_id``, ….
    """

    def __init__(self) -> None:
        self._storage: Any = get_manager().get_profile_storage()
        query: Any = self._storage.query()
        self.node: Any = query.Node
        self.link: Any = query.Link

    def values(self, column: Any, keys: Iterable[str]) -> list[Any]:
        """Return the values of a JSON column under these keys as columns; they are None where a key is missing."""
        return [type_coerce(column[key], _Value()) for key in keys]

    def rows(self, statement: Any) -> list[Any]:
        """Return the rows of a ``select``; the transaction ends before this returns."""
        session = self._storage.get_session()
        with nullcontext() if session.in_nested_transaction() else self._storage.transaction():
            return list(session.execute(statement))
