"""Nodes of the profile by PK, UUID or label."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, TypeVar

from aiida.common import MultipleObjectsError, NotExistent
from aiida.orm import Node, QueryBuilder, load_node

__all__ = ["find_node"]

NodeType = TypeVar("NodeType", bound=Node)
#: nodes with the same label that a message names
_SHOWN = 5
#: letters of a UUID
_UUID = 36


def find_node(identifier: int | str, kind: type[NodeType]) -> NodeType:
    """Return the node of a class with a PK, a UUID or the beginning of one, or a label.

    A word that is both a label and the beginning of a UUID is a label; a whole UUID of a node is that node.

    Raises
    ------
    ValueError
        There is no such node, several have the label, or the node is of another class; says what to give.
    """
    whole_uuid = (
        isinstance(identifier, str)
        and len(identifier) == _UUID
        and QueryBuilder().append(Node, filters={"uuid": identifier}).count() == 1
    )
    if isinstance(identifier, str) and not identifier.isdecimal() and not whole_uuid:
        query = QueryBuilder().append(kind, filters={"label": identifier}, tag="node").limit(_SHOWN + 1)
        labelled: list[Any] = query.order_by({"node": {"id": "desc"}}).all(flat=True)
        if len(labelled) > 1:
            pks = ", ".join(str(one.pk) for one in labelled[:_SHOWN])
            more = " and others" if len(labelled) > _SHOWN else ""
            raise ValueError(f"{identifier}: nodes {pks}{more} have this label; give the PK of one of them")
        if labelled:
            found: NodeType = labelled[0]
            return found
    try:
        node: Any = load_node(identifier)
    except (NotExistent, OverflowError) as error:
        if isinstance(identifier, int) or identifier.isdecimal():
            raise ValueError(f"{identifier}: there is no node {identifier} in this profile") from error
        labels = QueryBuilder().append(kind, filters={"label": {"!==": ""}}, project="label").distinct()
        similar = get_close_matches(identifier, labels.all(flat=True), n=1)
        reason = f"{identifier}: there is no node with this UUID or label in this profile"
        raise ValueError(f"{reason}; did you mean {similar[0]!r}?" if similar else reason) from error
    except MultipleObjectsError as error:
        raise ValueError(f"{identifier}: several UUIDs begin with this; give more of it, or the PK") from error
    if not isinstance(node, kind):
        raise ValueError(f"{identifier}: node {node.pk} is a {type(node).__name__}; it must be a {kind.__name__}")
    return node
