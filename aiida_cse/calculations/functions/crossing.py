"""Free energy and rate of a crossing, from the jobs of its ladders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from aiida import orm
from aiida.engine import ExitCode, calcfunction
from pydantic import ValidationError

from aiida_cse.analysis.crossing.profile import LadderRuns, Round
from aiida_cse.analysis.crossing.profile import crossing_profile as profile_from
from aiida_cse.analysis.crossing.rate import crossing as rate_of
from aiida_cse.building.passage import ions_in_layer, passage_of
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.protocol.crossing import CrossingPlan
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.schema import explain, located

__all__ = ["CANNOT_CROSS", "crossing", "crossing_profile"]

CANNOT_CROSS = 351

AnyNode = TypeVar("AnyNode", bound=orm.Data)


@calcfunction
def crossing_profile(
    plan: orm.Dict, temperature: orm.Float, side: orm.Str, **ladders: Any
) -> orm.ArrayData | ExitCode:
    """Join the windows of all ladders to the free energy along z.

    :param plan: places and times of the windows, see CrossingPlan.
    :param temperature: in K.
    :param side: left or right.
    :param ladders: per ladder, ``ladder_01`` etc., its ``system`` and per round, ``round_01`` etc., the ``plan``
        of its run and the thermo table of each of its jobs, ``thermo_01`` etc.
    """
    try:
        asked, runs = CrossingPlan.model_validate(plan.get_dict()), _ladders(ladders)
        passage = passage_of(runs[0].info, asked, side.value)
        return _array_node(profile_from(runs, asked, passage, temperature.value))
    except (ValueError, KeyError) as error:
        return ExitCode(CANNOT_CROSS, f"there is no free energy: {_words(error)}")


@calcfunction
def crossing(
    plan: orm.Dict,
    profile: orm.ArrayData,
    side: orm.Str,
    failed: orm.List,
    off_equilibrium: orm.Str,
    density: orm.ArrayData | None = None,
    **ladders: Any,
) -> dict[str, Any] | ExitCode:
    """Calculate the rate of the crossing from the free energy and the short trajectories from its top.

    :param plan: places, times and numbers, see CrossingPlan.
    :param profile: the free energy along z.
    :param side: left or right.
    :param failed: names of the ladders that failed.
    :param off_equilibrium: why the systems are off equilibrium; empty if nothing is known against them.
    :param density: ``free_energy_profiles`` of a run at this temperature from which the systems are.
    :param ladders: as for the free energy; the last round of each has the short trajectories, ``shots_01`` etc.,
        and the results of their jobs, ``results_01`` etc.
    """
    try:
        asked, runs = CrossingPlan.model_validate(plan.get_dict()), _ladders(ladders)
        passage = passage_of(runs[0].info, asked, side.value)
        counts = {
            nodes["system"].uuid: ions_in_layer(nodes["system"].get_system(), passage)
            for nodes in ladders.values()
        }
        found = {key: value for key, value in profile.base.attributes.all.items() if not key.startswith("array|")}
        known = None if density is None else _arrays(density)
        rate, in_time = rate_of(
            runs,
            found | _arrays(profile),
            asked,
            passage,
            list(counts.values()),
            failed.get_list(),
            off_equilibrium.value,
            known,
        )
    except (ValueError, KeyError) as error:
        return ExitCode(CANNOT_CROSS, f"there is no rate: {_words(error)}")
    return {"crossing": orm.Dict(rate), "transmission": orm.ArrayData(in_time)}


def _arrays(node: orm.ArrayData) -> dict[str, np.ndarray]:
    return {name: node.get_array(name) for name in node.get_arraynames()}


def _words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return explain(error)
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _array_node(found: Mapping[str, Any]) -> orm.ArrayData:
    """Return a node with the arrays of a result, and its other values as attributes."""
    arrays = {key: value for key, value in found.items() if isinstance(value, np.ndarray)}
    node = orm.ArrayData(arrays)
    node.base.attributes.set_many({key: value for key, value in found.items() if key not in arrays})
    return node


def _ladders(ladders: Mapping[str, Any]) -> list[LadderRuns]:
    """Return the ladders with the rows of all their jobs; a later job repeats the steps from its start on.

    Raises
    ------
    ValueError
        There is no ladder, or a node does not hold what it should; the message names ladder and node.
    """
    found = []
    for name, nodes in sorted(ladders.items()):
        rounds = []
        with located(name):
            info = _node(nodes, "system", CseSystemData).info
            for key in sorted(key for key in nodes if key.startswith("round_")):
                own = nodes[key]
                with located(key):
                    plan = JobPlan.model_validate(_node(own, "plan", orm.Dict).get_dict())
                    tables = [_table(own, one, "step") for one in sorted(own) if one.startswith("thermo_")]
                    shots = [_shots(own, one, plan) for one in sorted(own) if one.startswith("shots_")]
                joined = _joined(shots, "stage", "start") if shots else None
                rounds.append(Round(plan, _joined(tables, "step"), joined))
        found.append(LadderRuns(name, info, rounds))
    if not found:
        raise ValueError("there are no ladders")
    return found


def _node(nodes: Any, name: str, kind: type[AnyNode]) -> AnyNode:
    """Return a node of a namespace, which may be of any program.

    Raises
    ------
    ValueError
        It is not there, or of another kind.
    """
    node = nodes.get(name) if isinstance(nodes, Mapping) else None
    if not isinstance(node, kind):
        there = "is missing" if node is None else f"is a {type(node).__name__}"
        raise ValueError(f"{name}: {there}; must be a {kind.__name__} node")
    return node


def _table(nodes: Any, name: str, *keys: str) -> dict[str, np.ndarray]:
    """Return the columns (N,) of a table, and its ``trace`` (N, T); empty without the columns ``keys``.

    Raises
    ------
    ValueError
        A column has another form, or a key is no whole number.
    """
    node = _node(nodes, name, orm.ArrayData)
    columns = {one: node.get_array(one) for one in node.get_arraynames() if one != "time"}
    if any(key not in columns for key in keys):
        return {}
    rows = columns[keys[0]].shape[:1]
    for key, column in columns.items():
        ndim = 2 if key == "trace" else 1
        if column.ndim != ndim or column.shape[:1] != rows or column.dtype.kind not in "biuf":
            wanted = f"numbers of {ndim} dimension{'s' * (ndim > 1)}, as many rows as {keys[0]}"
            raise ValueError(f"{name}.{key}: has the shape {column.shape} of {column.dtype}; must be {wanted}")
    for key in keys:
        if not (np.isfinite(columns[key]) & (columns[key] == np.round(columns[key]))).all():
            raise ValueError(f"{name}.{key}: has values that are no whole numbers")
        columns[key] = columns[key].astype(np.int64)
    return columns


def _shots(nodes: Any, name: str, plan: JobPlan) -> dict[str, np.ndarray]:
    """Return the short trajectories of a job, with the number of their stage in the plan of the run.

    A job that continues begins at a later stage; its own numbers are those of its results.
    """
    columns = _table(nodes, name, "stage", "start")
    results = name.replace("shots", "results")
    own = _node(nodes, results, orm.Dict).get_dict().get("stages")
    if not isinstance(own, list) or not all(isinstance(one, Mapping) and "name" in one for one in own):
        raise ValueError(f"{results}.stages = {str(own)[:80]}: must be a list of stages with a name each")
    if not columns:
        return columns
    numbers = {stage.name: number for number, stage in enumerate(plan.stages)}
    known = {place: numbers.get(one["name"]) for place, one in enumerate(own)}
    found = [known.get(stage) for stage in columns["stage"].tolist()]
    if None in found:
        raise ValueError(f"{name}.stage: has stages that its job or its plan has not")
    return columns | {"stage": np.array(found, dtype=np.int64)}


def _joined(tables: list[dict[str, np.ndarray]], *keys: str) -> dict[str, np.ndarray]:
    """Return the rows of all tables in the order of their keys; of those with the same keys the last one."""
    tables = [table for table in tables if all(key in table for key in keys)]
    if not tables:
        return {}
    names = set.intersection(*(set(table) for table in tables))
    joined = {name: _stacked([table[name] for table in tables]) for name in names}
    places = np.stack([joined[key] for key in keys], axis=1)
    # np.unique keeps the first of equal rows
    _, last = np.unique(places[::-1], axis=0, return_index=True)
    rows = len(places) - 1 - last
    return {name: column[rows] for name, column in joined.items()}


def _stacked(parts: list[np.ndarray]) -> np.ndarray:
    """Return arrays one after the other, padded with NaN to the longest second axis."""
    if parts[0].ndim < 2:
        return np.concatenate(parts)
    longest = max(part.shape[1] for part in parts)
    return np.concatenate(
        [np.pad(part, ((0, 0), (0, longest - part.shape[1])), constant_values=np.nan) for part in parts]
    )
