"""The archives of earlier releases, and what is asked of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from aiida import orm
from aiida.tools.archive import import_archive
from aiida.tools.archive.abstract import get_format
from click.testing import CliRunner

from aiida_cse.cli import main
from aiida_cse.data.system import CseSystemData
from aiida_cse.query import productions, slab_seed

FOLDER = Path(__file__).parent
#: each release adds one
ARCHIVES = tuple(sorted(FOLDER.glob("golden-*.aiida")))
#: the demo study of 0.1, at 500 K, by archive and UUID
DEMO, DEMO_STUDY = FOLDER / "golden-demo-0.1.aiida", "964abb97-d7dc-4590-bea3-72f72d64bf17"


def import_all() -> None:
    """Import every archive into the loaded profile."""
    for path in ARCHIVES:
        import_archive(path)


def demo_interface() -> CseSystemData:
    """Return the relaxed interface of the demo study of 0.1 as a new node, without the rest of the archive."""
    with get_format().open(DEMO, "r") as archive:
        query = archive.querybuilder().append(orm.WorkChainNode, filters={"uuid": DEMO_STUDY}, tag="study")
        query.append(
            CseSystemData, with_incoming="study", edge_filters={"label": "runs__T0500_r1__interface"}, project="*"
        )
        return CseSystemData(query.first(flat=True).get_system())


def archived(kind: type[orm.Node], filters: dict[str, Any]) -> list[Any]:
    """Return the nodes that came with the archives, by UUID, and none that a test has made."""
    query = orm.QueryBuilder().append(orm.ImportGroup, tag="archive")
    query.append(kind, with_group="archive", filters=filters)
    return sorted(query.distinct().all(flat=True), key=lambda node: str(node.uuid))


def processes(label: str) -> list[Any]:
    """Return the archived processes with this label."""
    return archived(orm.ProcessNode, {"attributes.process_label": label})


def called_as(entry_point: str) -> list[Any]:
    """Return the archived calculations of this entry point."""
    return archived(orm.CalculationNode, {"process_type": f"aiida.calculations:{entry_point}"})


def newest(label: str) -> Any:
    """Return the process with this label that was made last."""
    query = orm.QueryBuilder().append(orm.ProcessNode, filters={"attributes.process_label": label}, tag="process")
    return query.order_by({"process": {"id": "desc"}}).first(flat=True)


def invoke(*arguments: object) -> str:
    """Return the output of a command that succeeds."""
    result = CliRunner(env=os.environ | {"COLUMNS": "132"}).invoke(main, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.output


def statuses() -> dict[str, str]:
    """Return what ``aiida-cse status`` says of the WorkChains, by UUID."""
    labels = ("StudyWorkChain", "ValidationWorkChain", "ProductionWorkChain", "InterfaceWorkChain")
    nodes = [node for label in labels for node in processes(label)]
    return {node.uuid: invoke("status", node.pk) for node in nodes}


def tables() -> dict[str, Any]:
    """Return the productions of the profile as the queries give them, with UUIDs for PKs."""
    questions: dict[str, dict[str, float]] = {
        "all": {},
        "ec 0.9": {"minimum_ec": 0.9},
        "875 K": {"temperature": 875},
    }
    found: dict[str, Any] = {
        name: [_row(row) for row in productions(**asked)] for name, asked in questions.items()
    }
    return found | {"slab seeds": {node.uuid: _seed(node) for node in processes("ProductionWorkChain")}}


def _seed(production: orm.ProcessNode) -> int | None:
    """Return the seed of the slab, None where a landscape takes its place."""
    try:
        return slab_seed(production)
    except ValueError:
        return None


def _row(row: Any) -> dict[str, Any]:
    study = None if row.study_pk is None else orm.load_node(row.study_pk).uuid
    names = ("uuid", "temperature_K", "ec", "ec_lower_bound", "equilibrated", "time_ns")
    return {name: getattr(row, name) for name in names} | {"study": study}
