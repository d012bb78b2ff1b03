"""The SQL statements behind the tables of studies and runs, and their rows.

The number of statements does not depend on the number of processes, except that the unfinished ones are followed
down their calls level by level. Values are as they are in the database: nothing about them is taken for granted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import aliased

from aiida_cse.engine.database import Database
from aiida_cse.engine.locks import ENGINE_EXTRA
from aiida_cse.engine.stop_marks import STOPPED_EXTRA

__all__ = ["LAMMPS", "Called", "Given", "Process", "Reader", "Result"]

LAMMPS = "aiida.calculations:cse.lammps"
_OURS = "aiida.%:cse.%"
#: WorkChains that are listed if no process of this plugin called them
_LISTED = (
    "study",
    "quench",
    "validate",
    "validate_crossing",
    "production",
    "analysis",
    "crossing",
    "ceramic",
    "electrolyte",
    "interface",
)
_TYPES = tuple(f"aiida.workflows:cse.{name}" for name in _LISTED)
_WORKCHAIN = "process.workflow.workchain.%"
_CALLS = ("call_calc", "call_work")
#: most values of an IN list that every SQLite accepts
_CHUNK = 900
#: inputs that say what a process was asked to do
_INPUTS = (
    "recipe",
    "temperatures",
    "temperature",
    "hot_temperature",
    "replicas",
    "starts",
    "plan",
    "production__plan",
    "hot__plan",
    "cold__plan",
    "system",
    "reduction",
    "previous__reduction",
)
_GIVEN_KEYS = ("name", "value", "list", "last_step")


@dataclass(frozen=True)
class Process:
    """A process that no other process of this plugin called.

    Attributes
    ----------
    pk, uuid, label, process_type
        Of its node.
    created, changed
        Creation and last change of its node.
    state, exit_status, exit_message, paused
        As AiiDA stores them; None without them.
    engine
        ``embedded`` if it runs in a Python without a daemon.
    stopped
        When a user stopped it, None if it was not or continues.
    """

    pk: int
    uuid: str
    label: str
    process_type: str
    created: datetime
    changed: datetime
    state: Any
    exit_status: Any
    exit_message: Any
    paused: Any
    engine: Any
    stopped: Any = None


@dataclass(frozen=True)
class Given:
    """An input: its node, and those of its attributes that are there; ``made`` if a calculation created it."""

    pk: int
    label: str
    made: bool
    name: Any
    value: Any
    list: Any
    last_step: Any


@dataclass(frozen=True)
class Called:
    """A WorkChain or job below an unfinished process, with the PK of its caller and the label of the call."""

    caller: int
    call: str
    pk: int
    node_type: str
    process_type: str
    created: datetime
    changed: datetime
    state: Any
    paused: Any
    scheduler_state: Any


@dataclass(frozen=True)
class Result:
    """An output of a process: the label of its link in parts, its node, and the attributes that were asked for."""

    process: int
    parts: tuple[str, ...]
    pk: int
    values: dict[str, Any]


class Reader:
    """Reads the loaded profile."""

    def __init__(self) -> None:
        self._database = Database()
        self._node, self._link = self._database.node, self._database.link
        self._values = self._database.values

    def processes(self) -> list[Process]:
        """Return the WorkChains of this plugin that no process of it called, the newest first."""
        node = self._node
        columns = (
            *(node.id, node.uuid, node.label, node.process_type, node.ctime, node.mtime),
            *self._values(node.attributes, ("process_state", "exit_status", "exit_message", "paused")),
            *self._values(node.extras, (ENGINE_EXTRA, STOPPED_EXTRA)),
        )
        statement = select(*columns).where(self._is_outermost())
        rows = self._database.rows(statement)
        # a database may give times in a time zone of its own
        found = [
            Process(*row[:4], *(time.astimezone(timezone.utc) for time in row[4:6]), *row[6:]) for row in rows
        ]
        return sorted(found, key=lambda one: (one.created, one.pk), reverse=True)

    def _is_outermost(self) -> Any:
        node, link, caller = self._node, self._link, aliased(self._node)
        called = (
            exists()
            .where(link.output_id == node.id, link.type.in_(_CALLS), link.input_id == caller.id)
            .where(caller.process_type.like(_OURS))
        )
        return and_(node.node_type.like(_WORKCHAIN), node.process_type.in_(_TYPES), ~called)

    def _outermost_pks(self) -> Any:
        return select(self._node.id).where(self._is_outermost())

    def inputs(self) -> dict[int, dict[str, Given]]:
        """Return the inputs of the outermost processes, by PK of the process and label of the link."""
        given, link, creation = aliased(self._node), self._link, aliased(self._link)
        made = exists().where(creation.output_id == given.id, creation.type == "create")
        attributes = self._values(given.attributes, _GIVEN_KEYS)
        statement = (
            select(link.output_id, link.label, given.id, given.label, made, *attributes)
            .join(given, given.id == link.input_id)
            .where(link.type == "input_work", link.output_id.in_(self._outermost_pks()))
            .where(
                or_(
                    link.label.in_(_INPUTS),
                    link.label.startswith("done__runs__", autoescape=True)
                    & link.label.endswith("__reduction", autoescape=True),
                )
            )
        )
        found: dict[int, dict[str, Given]] = {}
        for process, name, pk, label, is_made, *values in self._database.rows(statement):
            found.setdefault(process, {})[name] = Given(pk, label, bool(is_made), *values)
        return found

    def results(
        self, name: str, keys: Sequence[str], processes: Collection[int] | None = None
    ) -> Iterator[Result]:
        """Yield the outputs of one name, in any namespace, with these attributes.

        Parameters
        ----------
        name
            Last part of the label of the link, as ``equilibration``.
        keys
            Keys of the attributes that are read.
        processes
            PKs of the processes whose outputs they are; None for the outermost ones.
        """
        node, link = self._node, self._link
        statement = (
            select(link.input_id, link.label, node.id, *self._values(node.attributes, keys))
            .join(node, node.id == link.output_id)
            .where(link.type == "return")
            .where(or_(link.label == name, link.label.endswith(f"__{name}", autoescape=True)))
        )
        chosen = [self._outermost_pks()] if processes is None else _chunks(processes)
        for pks in chosen:
            for process, label, pk, *values in self._database.rows(statement.where(link.input_id.in_(pks))):
                yield Result(process, tuple(label.split("__")), pk, dict(zip(keys, values, strict=True)))

    def attributes(self, pks: Collection[int]) -> dict[int, dict[str, Any]]:
        """Return all attributes of nodes by PK."""
        node = self._node
        found: dict[int, dict[str, Any]] = {}
        for chunk in _chunks(pks):
            rows = self._database.rows(select(node.id, node.attributes).where(node.id.in_(chunk)))
            found |= {pk: content for pk, content in rows if isinstance(content, dict)}
        return found

    def called(self, pks: Collection[int]) -> list[Called]:
        """Return the WorkChains and jobs below processes, at all levels; process functions are left out."""
        node, link, found = self._node, self._link, []
        attributes = self._values(node.attributes, ("process_state", "paused", "scheduler_state"))
        statement = (
            select(
                link.input_id,
                link.label,
                node.id,
                node.node_type,
                node.process_type,
                node.ctime,
                node.mtime,
                *attributes,
            )
            .join(node, node.id == link.output_id)
            .where(link.type.in_(_CALLS), ~node.node_type.like("%function%"))
        )
        level, seen = set(pks), set(pks)
        while level:
            rows = [
                Called(*row)
                for chunk in _chunks(level)
                for row in self._database.rows(statement.where(link.input_id.in_(chunk)))
            ]
            found += rows
            level = {one.pk for one in rows if one.node_type.startswith(_WORKCHAIN[:-1])} - seen
            seen |= level
        return found

    def steps(self, jobs: Collection[int]) -> dict[int, Any]:
        """Return the last step of LAMMPS jobs that left results, by PK of the job."""
        node, link = self._node, self._link
        statement = (
            select(link.input_id, *self._values(node.attributes, ("step",)))
            .join(node, node.id == link.output_id)
            .where(link.type == "create", link.label == "results")
        )
        return {
            job: step
            for chunk in _chunks(jobs)
            for job, step in self._database.rows(statement.where(link.input_id.in_(chunk)))
        }


def _chunks(pks: Collection[int]) -> Iterator[list[int]]:
    numbers = list(pks)
    yield from (numbers[start : start + _CHUNK] for start in range(0, len(numbers), _CHUNK))
