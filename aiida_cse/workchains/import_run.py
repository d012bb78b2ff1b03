"""Analysed runs from elsewhere as nodes: the system, the reduction with its sources, and the analysis."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from aiida.engine import run_get_node
from aiida.orm import Data, ProcessNode, QueryBuilder, WorkChainNode

from aiida_cse.data.reduction import CseReductionData
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import System
from aiida_cse.reduction.state import State
from aiida_cse.workchains.analysis import AnalysisWorkChain

__all__ = ["ImportedRun", "import_run"]

Node = TypeVar("Node", bound=Data)

#: extra of a reduction with the UUID of its system
SYSTEM_EXTRA = "cse_system"


@dataclass(frozen=True)
class ImportedRun:
    """The nodes of an imported run; ``new`` holds the PKs of those that were not there before."""

    system: CseSystemData | None
    reduction: CseReductionData
    analysis: ProcessNode
    new: frozenset[int]


def import_run(
    state: State,
    temperature: float,
    settings: Mapping[str, Any],
    *,
    label: str = "",
    system: System | None = None,
) -> ImportedRun:
    """Store a reduced run and its analysis in the loaded profile.

    Nodes of equal content that the profile has already are used again.

    Parameters
    ----------
    state
        The reduction.
    temperature
        K.
    settings
        Settings of the analysis that differ from the defaults of
        :class:`~aiida_cse.analysis.settings.AnalysisSettings`.
    label
        Label of the reduction and of the analysis.
    system
        The complete system, None if its force field is not known.

    Raises
    ------
    ValueError
        The settings are wrong.
    """
    new: set[int] = set()
    system_node = None
    if system is not None:
        system_node = _stored(CseSystemData(system, label=label, description=f"system of {label}"), new)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "state.npz"
        state.save(path)
        reduction = CseReductionData(io.BytesIO(path.read_bytes()), label=label, description=f"imported: {label}")
    reduction = _stored(reduction, new)
    if system_node is not None:
        reduction.base.extras.set(SYSTEM_EXTRA, system_node.uuid)
    builder = AnalysisWorkChain.get_builder_from_protocol(
        reduction, temperature, overrides={"settings": {"start_ns": 0.0, **settings}}
    )
    analysis = _finished_analysis(reduction, temperature, builder.settings.get_dict())
    if analysis is None:
        used = builder.settings.get_dict()
        builder.metadata.label = label
        builder.metadata.description = (
            f"imported: {label}, {temperature:g} K, from {used['start_ns']:g} ns on, rule {used['rule']}"
        )
        _, analysis = run_get_node(builder)
        new.add(int(analysis.pk))
    return ImportedRun(system_node, reduction, analysis, frozenset(new))


def _stored(node: Node, new: set[int]) -> Node:
    """Return a stored node of this content: that of the profile, or this one, whose PK is added to ``new``."""
    attributes, files = node.base.attributes.all, node.base.repository.hash()
    scalars = {key: value for key, value in attributes.items() if isinstance(value, int | str)}
    alike = QueryBuilder().append(type(node), filters={f"attributes.{key}": one for key, one in scalars.items()})
    for found in alike.all(flat=True):
        if found.base.attributes.all == attributes and found.base.repository.hash() == files:
            return found
    node.store()
    assert node.pk is not None
    new.add(node.pk)
    return node


def _finished_analysis(
    reduction: CseReductionData, temperature: float, settings: Mapping[str, Any]
) -> ProcessNode | None:
    """Return a finished analysis of the reduction with this temperature and these settings, None without one."""
    query = QueryBuilder().append(CseReductionData, filters={"id": reduction.pk}, tag="reduction")
    query.append(
        WorkChainNode,
        with_incoming="reduction",
        filters={"process_type": AnalysisWorkChain.build_process_type(), "attributes.exit_status": 0},
    )
    for node in query.all(flat=True):
        # without its own input it was analysed at the temperature of the reduction, which is this one
        given = node.inputs.temperature.value if "temperature" in node.inputs else temperature
        if given == temperature and node.inputs.settings.get_dict() == settings:
            return node
    return None
