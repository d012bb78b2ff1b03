"""SQL on the nodes and links of the loaded profile, the same for SQLite and PostgreSQL.

A ``QueryBuilder`` converts every value that it returns on its own. For thousands of processes this takes ten times
as long as the statement. The rows here are those of the database, with JSON as Python values; SQLite gives 1 and 0
for true and false.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from aiida.manage import get_manager

__all__ = ["Database"]


class Database:
    """Tables of the loaded profile.

    Attributes
    ----------
    node, link
        Classes of the tables: their columns are ``id``, ``attributes``, … and ``input_id``, ``output_id``, ….
        ``attributes["key"]`` is a column too, None where the key is missing.
    """

    def __init__(self) -> None:
        self._storage: Any = get_manager().get_profile_storage()
        query: Any = self._storage.query()
        self.node: Any = query.Node
        self.link: Any = query.Link

    def rows(self, statement: Any) -> list[Any]:
        """Return the rows of a ``select``; the transaction ends before this returns."""
        session = self._storage.get_session()
        with nullcontext() if session.in_nested_transaction() else self._storage.transaction():
            return list(session.execute(statement))
