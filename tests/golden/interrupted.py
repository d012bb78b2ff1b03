"""The stored profile with interrupted runs, unpacked where a test wants it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from aiida import load_profile, orm
from aiida.engine import WorkChain
from aiida.engine.runners import Runner
from aiida.manage import get_manager
from aiida.manage.configuration.config import Config
from aiida.orm.implementation import StorageBackend
from plumpy.persistence import LoadSaveContext

FILE = Path(__file__).parent / "interrupted-0.1.tar.xz"
#: where the profile was made
ROOT = "/tmp/cse-golden"


def unpack(folder: Path) -> None:
    """Unpack the profile, whose paths then are those of ``folder`` and whose programs those of this Python."""
    with tarfile.open(FILE) as archive:
        archive.extractall(folder, filter="fully_trusted")
    (folder / "bin").symlink_to(Path(sys.executable).parent)
    config = folder / ".aiida" / "config.json"
    config.write_text(config.read_text().replace(ROOT, str(folder)))
    for link in [path for path in (folder / "work").rglob("*") if path.is_symlink()]:
        target = str(link.readlink()).replace(ROOT, str(folder))
        link.unlink()
        link.symlink_to(target)
    (database,) = (folder / ".aiida" / "repository").glob("*/database.sqlite")
    connection = sqlite3.connect(database)
    with connection:
        for table, column in (("db_dbnode", "attributes"), ("db_dbcomputer", "metadata")):
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (ROOT, str(folder)))
        _give_jobs_a_dead_number(connection)
    connection.close()


def _give_jobs_a_dead_number(connection: sqlite3.Connection) -> None:
    """Let the number of each job be that of a process that has ended: its own may belong to another one by now."""
    done = subprocess.Popen(["true"])
    done.wait()
    connection.execute(
        "UPDATE db_dbnode SET attributes = json_set(attributes, '$.job_id', ?) "
        "WHERE json_extract(attributes, '$.job_id') IS NOT NULL",
        (str(done.pid),),
    )


@contextmanager
def storage(folder: Path) -> Iterator[StorageBackend]:
    """Open the storage of the unpacked profile, which stays the profile of others."""
    profile = Config.from_file(str(folder / ".aiida" / "config.json")).get_profile()
    with closing(profile.storage_cls(profile)) as backend:
        yield backend


def fates(backend: StorageBackend) -> list[dict[str, Any]]:
    """Return what became of each process."""
    query = orm.QueryBuilder(backend=backend).append(orm.ProcessNode, tag="process")
    nodes = query.order_by({"process": "id"}).all(flat=True)
    return [
        {
            "pk": node.pk,
            "label": node.label or node.process_label,
            "state": node.process_state.value,
            "exit_status": node.exit_status,
            "outline": node.base.extras.get("cse_outline_version", None),
            "root": node.caller is None,
        }
        for node in nodes
    ]


def load(*pks: str) -> list[dict[str, Any]]:
    """Load unfinished processes, or all, from their checkpoints as a daemon worker does; return where they are.

    This is for a Python of its own, whose profile is the unpacked one.
    """
    filters = {"id": {"in": list(map(int, pks))}} if pks else {}
    nodes = orm.QueryBuilder().append(orm.ProcessNode, filters=filters).all(flat=True)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    runner = Runner(poll_interval=1, loop=loop, communicator=None, persister=get_manager().get_persister())
    return [_loaded(node, runner) for node in nodes if not node.is_terminated]


def _loaded(node: orm.ProcessNode, runner: Runner) -> dict[str, Any]:
    before = node.checkpoint
    bundle = runner.persister.load_checkpoint(node.pk)
    process = bundle.unbundle(LoadSaveContext(loop=runner.loop, runner=runner))
    paused = process.paused
    return {
        "pk": node.pk,
        "label": node.process_label,
        "state": process.state.value,
        "context": sorted(process.ctx) if isinstance(process, WorkChain) else [],
        "paused": paused,
        "status": node.process_status,
        "plays": process.play(),
        "kept": node.checkpoint == before,
    }


def mark(backend: StorageBackend, pk: int, version: int) -> None:
    """Give a process another outline version."""
    query = orm.QueryBuilder(backend=backend).append(orm.ProcessNode, filters={"id": pk})
    query.first(flat=True).base.extras.set("cse_outline_version", version)


if __name__ == "__main__":
    load_profile()
    print(json.dumps(load(*sys.argv[1:])))
