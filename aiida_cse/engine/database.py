"""SQL on the nodes and links of the loaded profile, the same for SQLite and PostgreSQL.

A ``QueryBuilder`` converts every value that it returns on its own. For thousands of processes this takes ten times
as long as the statement. The rows here are those of the database, with JSON as Python values; SQLite gives 1 and 0
for true and false.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from aiida.manage import get_manager
from sqlalchemy import String, TypeDecorator, event, type_coerce

__all__ = ["Database", "wait_for_locks"]

#: time for which SQLite waits for another program, ms; the 5 s of Python end a run on a busy machine
_LOCK_MS = 60_000


def wait_for_locks() -> None:
    """Let the database of the loaded profile wait a minute for other programs before it fails as locked."""
    storage: Any = get_manager().get_profile_storage()
    session = storage.get_session()
    engine = session.get_bind()
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_lock_time)
        _set_lock_time(session.connection().connection)


def _set_lock_time(connection: Any, *_: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_LOCK_MS}")


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
