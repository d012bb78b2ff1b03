"""The productions of a profile as a table, and the way from one of them back to the slab that it started from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiida.common.links import LinkType
from aiida.orm import Dict, Node, ProcessNode, QueryBuilder, load_node

from aiida_cse.data.system import CseSystemData
from aiida_cse.workchains.production import ProductionWorkChain
from aiida_cse.workchains.study import StudyWorkChain

__all__ = ["Production", "productions", "slab_seed"]

#: keys of the node ``equilibration`` that go into the table
_COLUMNS = ("temperature_K", "ec", "ec_lower_bound", "equilibrated", "time_ns")

#: the links of the data: what a calculation read, and what it made
_DATA_LINKS = {"type": {"in": [LinkType.CREATE.value, LinkType.INPUT_CALC.value]}}


@dataclass(frozen=True)
class Production:
    """One analysed production.

    Attributes
    ----------
    pk, uuid
        Of the process.
    temperature_K
        K.
    ec, ec_lower_bound
        Equilibration coefficient and its one-sided lower bound.
    equilibrated
        The verdict.
    time_ns
        The time that was analysed, ns.
    study_pk
        The study that called it, None for a production that was launched alone.
    """

    pk: int
    uuid: str
    temperature_K: float  # noqa: N815 - the key of the result node
    ec: float
    ec_lower_bound: float
    equilibrated: bool
    time_ns: float
    study_pk: int | None


def productions(minimum_ec: float | None = None, temperature: float | None = None) -> list[Production]:
    """Return the analysed productions of the profile, oldest first.

    Parameters
    ----------
    minimum_ec
        Only those whose equilibration coefficient is at least this.
    temperature
        Only those at this temperature, K.

    Raises
    ------
    ValueError
        ``minimum_ec`` is not between 0 and 1, or ``temperature`` is not above zero.
    """
    query = QueryBuilder()
    query.append(ProductionWorkChain, tag="production", project=["id", "uuid"])
    query.append(
        Dict,
        with_incoming="production",
        edge_filters={"label": "equilibration"},
        filters=_filters(minimum_ec, temperature),
        project=[f"attributes.{column}" for column in _COLUMNS],
    )
    rows = query.order_by({"production": {"ctime": "asc"}}).all()
    studies = _studies()
    return [_production(row, studies) for row in rows]


def slab_seed(production: ProcessNode | int) -> int:
    """Return the seed with which the slab of a production was built, from the slab's own node.

    The way back is that of the data: from the system that the production started from, through the calculations
    that made it, to the nearest system of phase ``slab``. It visits every ancestor once;
    ``QueryBuilder`` with ``with_descendants`` would visit each of them once per path, and the paths multiply
    with every job.

    Parameters
    ----------
    production
        The process, or its PK.

    Raises
    ------
    ValueError
        The node is no production, or no slab with a seed is among its ancestors (in an archive that was exported
        without them, for one).
    """
    node = load_node(production) if isinstance(production, int) else production
    if not isinstance(node, ProcessNode) or node.process_type != ProductionWorkChain.build_process_type():
        kind = node.process_type if isinstance(node, ProcessNode) else type(node).__name__
        msg = f"node {node.pk} is a {kind}, it must be the process of a ProductionWorkChain"
        raise ValueError(msg)
    seen: set[int] = set()
    level = {node.inputs.system.pk}
    while level:
        seeds = _seeds_of_slabs(level)
        if seeds:
            return seeds[0]
        seen |= level
        level = _parents(level) - seen
    msg = f"production {node.pk}: none of the {len(seen)} nodes that it came from is a slab with a seed"
    raise ValueError(msg)


def _filters(minimum_ec: float | None, temperature: float | None) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    if minimum_ec is not None:
        if not 0 <= minimum_ec <= 1:
            msg = f"minimum_ec is {minimum_ec!r}, it must lie between 0 and 1"
            raise ValueError(msg)
        filters["attributes.ec"] = {">=": minimum_ec}
    if temperature is not None:
        if not temperature > 0:
            msg = f"temperature is {temperature!r} K, it must be above zero"
            raise ValueError(msg)
        filters["attributes.temperature_K"] = temperature
    return filters


def _studies() -> dict[int, int]:
    """Return the study of each production that has one."""
    query = QueryBuilder()
    query.append(StudyWorkChain, tag="study", project="id")
    query.append(ProductionWorkChain, with_incoming="study", project="id")
    return {production: study for study, production in query.all()}


def _production(row: list[Any], studies: dict[int, int]) -> Production:
    pk, uuid, temperature, ec, bound, equilibrated, time = row
    # SQLite answers 0 and 1 for false and true
    return Production(pk, uuid, temperature, ec, bound, bool(equilibrated), time, studies.get(pk))


def _seeds_of_slabs(pks: set[int]) -> list[int]:
    query = QueryBuilder()
    query.append(
        CseSystemData,
        filters={
            "id": {"in": sorted(pks)},
            "attributes.phase": "slab",
            "attributes.seeds": {"has_key": "slab"},
        },
        project="attributes.seeds.slab",
    )
    seeds: list[int] = query.all(flat=True)
    return seeds


def _parents(pks: set[int]) -> set[int]:
    """Return what the nodes were made by, or made from."""
    query = QueryBuilder()
    query.append(Node, filters={"id": {"in": sorted(pks)}}, tag="child")
    query.append(Node, with_outgoing="child", edge_filters=_DATA_LINKS, project="id")
    return set(query.all(flat=True))
