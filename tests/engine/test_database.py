"""The database of a profile: patience with other programs."""

from typing import Any

import pytest
from aiida.manage import get_manager

from aiida_cse.engine.database import wait_for_locks


def test_sqlite_waits_a_minute_for_other_programs() -> None:
    storage: Any = get_manager().get_profile_storage()
    session = storage.get_session()
    if session.get_bind().dialect.name != "sqlite":
        pytest.skip("the profile of the tests is not in SQLite")
    wait_for_locks()
    with session.get_bind().connect() as new:
        for connection in (session.connection().connection, new.connection):
            assert connection.execute("PRAGMA busy_timeout").fetchone() == (60_000,)
