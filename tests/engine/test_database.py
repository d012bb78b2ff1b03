"""The database of a profile: patience with other programs."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from aiida.manage import get_manager
from click.testing import CliRunner
from sqlalchemy.exc import InterfaceError, PendingRollbackError

from aiida_cse.cli import main
from aiida_cse.engine import database
from aiida_cse.engine.database import trouble_of, wait_for_locks, write_error


def test_sqlite_waits_a_minute_for_other_programs() -> None:
    storage: Any = get_manager().get_profile_storage()
    session = storage.get_session()
    if session.get_bind().dialect.name != "sqlite":
        pytest.skip("the profile of the tests is not in SQLite")
    wait_for_locks()
    with session.get_bind().connect() as new:
        for connection in (session.connection().connection, new.connection):
            assert connection.execute("PRAGMA busy_timeout").fetchone() == (60_000,)


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch, aiida_profile: object) -> Iterator[None]:
    """The database, locked by another connection for longer than anybody waits."""
    storage: Any = get_manager().get_profile_storage()
    session = storage.get_session()
    session.rollback()
    if session.get_bind().dialect.name != "sqlite":
        pytest.skip("the profile of the tests is not in SQLite")
    monkeypatch.setattr(database, "_LOCK_MS", 200)
    path = session.get_bind().url.database
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")
    session.rollback()
    # a rollback lets go of the user that AiiDA keeps
    storage.reset_default_user()


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize("command", ["status", "show", "stop", "resume", "nudge"])
def test_a_command_tells_of_a_lock_in_a_line(command: str) -> None:
    result = CliRunner().invoke(main, [command, "1"])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "Error: the database is locked by another program; try again when this has ended"
    ]


def test_a_lock_is_told_of_before_the_database_could_be_opened(
    monkeypatch: pytest.MonkeyPatch, aiida_profile: object
) -> None:
    def fail() -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(database, "_session", fail)
    profile = get_manager().get_profile()
    if profile is None or profile.storage_backend != "core.sqlite_dos":
        pytest.skip("the profile of the tests is not in SQLite")
    found = trouble_of(sqlite3.OperationalError("database is locked"))
    assert found is not None
    assert found.words.startswith("the database is locked")


@pytest.mark.usefixtures("locked")
def test_a_database_that_cannot_be_written_is_found_without_writing() -> None:
    found = write_error(0.1)
    assert found is not None
    assert found.words.startswith("the database is locked")
    assert found.passes


def test_a_database_that_can_be_written_is_in_no_trouble(aiida_profile: object) -> None:
    assert write_error(5) is None


@pytest.mark.parametrize(
    ("error", "words", "passes"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "the disk cannot be written (No space", False),
        (sqlite3.OperationalError("database or disk is full"), "the database cannot be written (", False),
        (sqlite3.OperationalError("no such table: x"), None, None),
        (
            InterfaceError("", {}, Exception("server closed the connection")),
            "the database does not answer (",
            True,
        ),
        (PendingRollbackError("This Session's transaction has been rolled back"), "the database failed", True),
        (ValueError("other"), None, None),
    ],
)
def test_trouble_is_told_from_faults_of_a_process(error: Exception, words: str | None, passes: bool) -> None:
    try:
        try:
            raise error
        except Exception as cause:
            raise RuntimeError from cause
    except RuntimeError as raised:
        found = trouble_of(raised)
    assert (found is None) is (words is None)
    if found is not None and words is not None:
        assert found.words.startswith(words)
        assert found.passes is passes
