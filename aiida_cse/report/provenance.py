"""Provenance of a process: jobs with computers, codes, versions and recoveries; settings, ancestors, sources."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from aiida.common.links import LinkType
from aiida.orm import (
    AbstractCode,
    Bool,
    CalcJobNode,
    Dict,
    Float,
    Int,
    List,
    Node,
    ProcessNode,
    QueryBuilder,
    Str,
    load_node,
)

from aiida_cse.data.forcefield import CseForceFieldData
from aiida_cse.data.system import CseSystemData
from aiida_cse.report.findings import Change, Job, NodeRecord, Provenance
from aiida_cse.report.process_tree import Branch, ProcessTree

__all__ = ["ancestors_of", "contents_of", "provenance_of", "settings_of"]

_CHAIN = "aiida.workflows:cse.base"
#: by key of a node's version the name of the package
_VERSIONS = {"core": "aiida-core", "plugin": "aiida-cse"}
#: by kind of process the place of its inputs among those of a study
_PLACES = {
    "aiida.workflows:cse.production": "production.",
    "aiida.workflows:cse.analysis": "production.analysis.",
    "aiida.calculations:cse.kinetics": "kinetics.",
}
#: links between data and calculations
_DATA_LINKS = {"type": {"in": [LinkType.CREATE.value, LinkType.INPUT_CALC.value]}}


def provenance_of(node: ProcessNode) -> Provenance:
    """Return the provenance of a process, read from its node and those of its descendants."""
    parts = list(ProcessTree(node).root.parts())
    versions: Any = node.base.attributes.get("version", {})
    changes: list[Change] = []
    for part, branch in parts:
        if branch.process_type == _CHAIN:
            outputs: Any = load_node(branch.pk).outputs
            found = outputs.changes if "changes" in outputs else None
            recorded = found.get_list() if isinstance(found, List) else []
            changes += [Change(part, branch.label, record) for record in recorded]
    return Provenance(
        versions={name: str(versions[key]) for key, name in _VERSIONS.items() if key in versions},
        jobs=tuple(_job(part, branch) for part, branch in parts if "calcjob" in branch.node_type),
        changes=tuple(changes),
        settings={name: found.get_dict() for name, found in _named(node.inputs) if isinstance(found, Dict)},
        inputs=tuple(_record(name, found) for name, found in _named(node.inputs)),
        outputs=tuple(_record(name, found) for name, found in _named(node.outputs)),
        citations=tuple(dict.fromkeys(_citations(node))),
    )


def settings_of(node: ProcessNode) -> dict[str, Any]:
    """Return the settings that a user gave to a process, by the name of the input in a study.

    The recipe and the force fields, which follow from it, are left out, and so is what another process made.
    """
    place = _PLACES.get(node.process_type or "", "")
    found: dict[str, Any] = {}
    for name, given in _named(node.inputs):
        if name.endswith("recipe") or "forcefield." in name or given.creator is not None:
            continue
        if isinstance(given, Dict):
            found[place + name] = given.get_dict()
        elif isinstance(given, List):
            found[place + name] = given.get_list()
        elif isinstance(given, Int | Float | Str | Bool):
            found[place + name] = given.value
        elif isinstance(given, AbstractCode):
            # computers that come with an archive are renamed
            found[place + name] = re.sub(r" \(Imported #\d+\)$", "", given.full_label)
    # joint kinetics have one input of this name
    return {("kinetics" if name == "kinetics.settings" else name): value for name, value in found.items()}


def ancestors_of(uuids: Collection[str]) -> dict[str, str]:
    """Return the systems from which data came, by the identity of their content: phase and PK, as ``slab <12>``.

    The search follows links between data and calculations and visits every ancestor once.
    """
    found: dict[str, str] = {}
    seen: set[int] = set()
    known = QueryBuilder().append(Node, filters={"uuid": {"in": sorted(uuids)}}, project="id") if uuids else None
    level: set[int] = set() if known is None else set(known.all(flat=True))
    while level:
        systems = QueryBuilder().append(
            CseSystemData,
            filters={"id": {"in": sorted(level)}},
            project=["id", "attributes.phase", "repository_metadata"],
        )
        for pk, phase, files in systems.all():
            found |= dict.fromkeys(("+".join(sorted(contents_of(files))),), f"{phase} <{pk}>")
        seen |= level
        parents = QueryBuilder().append(Node, filters={"id": {"in": sorted(level)}}, tag="child")
        parents.append(Node, with_outgoing="child", edge_filters=_DATA_LINKS, project="id")
        level = set(parents.all(flat=True)) - seen
    return found


def contents_of(files: Any) -> Iterator[str]:
    """Yield the keys of the files of a node, from its ``repository_metadata``: equal files have equal keys."""
    if not isinstance(files, Mapping):
        return
    if isinstance(files.get("k"), str):
        yield files["k"]
    for below in files.get("o", {}).values():
        yield from contents_of(below)


def _job(part: str, branch: Branch) -> Job:
    node: Any = load_node(branch.pk)
    assert isinstance(node, CalcJobNode)
    results: Mapping[str, Any] = node.outputs.results.get_dict() if "results" in node.outputs else {}
    code = node.inputs.code if "code" in node.inputs else None
    version = results.get("lammps_version")
    resources: Any = node.get_option("resources") or {}
    ranks = resources.get("num_machines", 1) * resources.get("num_mpiprocs_per_machine", 1)
    state = branch.state or "created"
    return Job(
        part=part,
        kind=branch.name or "",
        pk=branch.pk,
        uuid=node.uuid,
        state=state if branch.exit_status is None else f"{state} [{branch.exit_status}]",
        message=branch.exit_message or "",
        computer="" if node.computer is None else node.computer.label,
        code="" if code is None else code.label,
        ranks=results.get("ranks") or resources.get("tot_num_mpiprocs") or ranks,
        program="" if version is None else f"LAMMPS {version}",
        host=results.get("host") or "",
        seconds=results.get("wall_seconds"),
        restart_file=results.get("restart_file") or "",
        exact=results.get("exact"),
        exact_reason=results.get("exact_reason") or "",
        cached_from=node.base.caching.get_cache_source() or "",
        warnings=tuple(str(one) for one in results.get("warnings") or ()),
    )


def _named(namespace: Any, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Yield name and node of all links of a namespace, those of nested ones as ``runs.T0700_r1.system``."""
    for name in sorted(namespace):
        found = namespace[name]
        if isinstance(found, Node):
            yield prefix + name, found
        elif isinstance(found, Mapping):
            yield from _named(found, f"{prefix}{name}.")


def _record(name: str, node: Node) -> NodeRecord:
    assert node.pk is not None
    return NodeRecord(name, type(node).__name__, node.pk, str(node.uuid), node.label)


def _citations(node: ProcessNode) -> Iterator[str]:
    """Yield the sources of the force fields and systems among inputs and outputs, some more than once."""
    wanted: list[int] = [
        found.pk
        for namespace in (node.inputs, node.outputs)
        for _, found in _named(namespace)
        if isinstance(found, CseForceFieldData | CseSystemData) and found.pk is not None
    ]
    if not wanted:
        return
    query = QueryBuilder().append(Node, filters={"id": {"in": wanted}}, project="attributes.citations", tag="data")
    for citations in query.order_by({"data": "id"}).all(flat=True):
        yield from map(str, citations or ())
