"""The analysed productions of a profile, and the slab from which a production started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiida.common.links import LinkType
from aiida.orm import Dict, Node, ProcessNode, QueryBuilder, WorkChainNode, load_node

__all__ = ["Production", "productions", "slab_seed"]

_PRODUCTION = {"process_type": "aiida.workflows:cse.production"}
_STUDY = {"process_type": "aiida.workflows:cse.study"}
#: keys of the node ``equilibration`` in the table
_COLUMNS = ("temperature_K", "ec", "ec_lower_bound", "equilibrated", "time_ns")

#: links between data and calculations
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
        Time that was analysed, ns.
    study_pk
        The study that called it, None for a production on its own.
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
        Smallest equilibration coefficient; None for any.
    temperature
        K; None for any.

    Raises
    ------
    ValueError
        ``minimum_ec`` is not between 0 and 1, or ``temperature`` is not above zero.
    """
    filters: dict[str, Any] = {}
    if minimum_ec is not None:
        if not 0 <= minimum_ec <= 1:
            raise ValueError(f"minimum_ec = {minimum_ec!r}: it must lie between 0 and 1")
        filters["attributes.ec"] = {">=": minimum_ec}
    if temperature is not None:
        if not temperature > 0:
            raise ValueError(f"temperature = {temperature!r}: it must be above 0 K")
        filters["attributes.temperature_K"] = temperature
    query = QueryBuilder()
    query.append(WorkChainNode, filters=_PRODUCTION, tag="production", project=["id", "uuid"])
    query.append(
        Dict,
        with_incoming="production",
        edge_filters={"label": "equilibration"},
        filters=filters,
        project=[f"attributes.{column}" for column in _COLUMNS],
    )
    rows = query.order_by({"production": {"ctime": "asc"}}).all()
    called = QueryBuilder().append(WorkChainNode, filters=_STUDY, tag="study", project="id")
    called.append(WorkChainNode, filters=_PRODUCTION, with_incoming="study", project="id")
    studies = {production: study for study, production in called.all()}
    return [
        # SQLite returns 0 and 1 for false and true
        Production(pk, uuid, kelvin, ec, bound, bool(equilibrated), time, studies.get(pk))
        for pk, uuid, kelvin, ec, bound, equilibrated, time in rows
    ]


def slab_seed(production: ProcessNode | int) -> int:
    """Return the seed with which the slab of a production was built, from the node of that slab.

    The search follows the data: from the initial system of the production, through the calculations that made it,
    to the nearest system of phase ``slab``. It visits every ancestor once. ``QueryBuilder`` with
    ``with_descendants`` would visit each of them once per path, and the number of paths multiplies with every job.

    Parameters
    ----------
    production
        The process, or its PK.

    Raises
    ------
    ValueError
        The node is no production, or no slab with a seed is among its ancestors, for example in an archive that
        was exported without them.
    """
    from aiida_cse.data.system import CseSystemData

    node = load_node(production) if isinstance(production, int) else production
    if not isinstance(node, ProcessNode) or node.process_type != _PRODUCTION["process_type"]:
        kind = node.process_type if isinstance(node, ProcessNode) else type(node).__name__
        raise ValueError(
            f"production = {node.pk}: it is a {kind}; it must be the process of a ProductionWorkChain"
        )
    seen: set[int] = set()
    level = {node.inputs.system.pk}
    while level:
        slabs = QueryBuilder().append(
            CseSystemData,
            filters={
                "id": {"in": sorted(level)},
                "attributes.phase": "slab",
                "attributes.seeds": {"has_key": "slab"},
            },
            project="attributes.seeds.slab",
        )
        if (seed := slabs.first(flat=True)) is not None:
            return int(seed)
        seen |= level
        parents = QueryBuilder().append(Node, filters={"id": {"in": sorted(level)}}, tag="child")
        parents.append(Node, with_outgoing="child", edge_filters=_DATA_LINKS, project="id")
        level = set(parents.all(flat=True)) - seen
    raise ValueError(
        f"production = {node.pk}: none of the {len(seen)} nodes that it came from is a slab with a seed"
    )
