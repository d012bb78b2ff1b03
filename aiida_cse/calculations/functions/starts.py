"""Runs that start with different numbers of ions in the slab: their gap before production, and their judgement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.analysis.starts import both_starts
from aiida_cse.building.interface.excess import LEAST_GAP, cations_in_slab, population_deviation
from aiida_cse.physics.exchange.starts import StartCriteria

__all__ = ["starting_gap", "starts"]

CANNOT_JUDGE = 348
#: AiiDA keys its cache with the source of this file: raise when results change their meaning. 2: common drift, and
#: the verdicts of the runs alone
CACHE_VERSION = 2


@calcfunction
def starts(settings: orm.Dict | None = None, **runs: Any) -> orm.Dict | ExitCode:
    """Judge whether runs of one temperature with different starts have met in every layer of depth.

    :param settings: thresholds, see StartCriteria.
    :param runs: per run, under a label of your own, its ``depth_populations`` and ``equilibration``.
    """
    contents = {
        label: {name: _content(node) for name, node in results.items()} if isinstance(results, Mapping) else {}
        for label, results in runs.items()
    }
    try:
        criteria = StartCriteria.model_validate({} if settings is None else settings.get_dict())
        return orm.Dict(both_starts(contents, criteria))
    except ValueError as error:
        return ExitCode(CANNOT_JUDGE, f"the starts cannot be compared: {error}")


@calcfunction
def starting_gap(pairs: orm.Int, **interfaces: Any) -> orm.Dict | ExitCode:
    """Count the cations in the slab of each relaxed interface, and compare the two that are farthest apart.

    :param pairs: ion pairs of the salt, from which the largest standard deviation of the number follows.
    :param interfaces: per run, under its label, the interface with which its production starts.
    """
    try:
        counts = {label: cations_in_slab(interface.get_system()) for label, interface in interfaces.items()}
    except ValueError as error:
        return ExitCode(CANNOT_JUDGE, f"the starts cannot be compared: {error}")
    ends = min(counts, key=lambda label: counts[label]), max(counts, key=lambda label: counts[label])
    deviation = population_deviation(pairs.value)
    gap = (counts[ends[1]] - counts[ends[0]]) / deviation
    return orm.Dict(
        {
            "cations_in_slab": counts,
            "farthest_apart": list(ends),
            "standard_deviation": deviation,
            "gap_standard_deviations": gap,
            "required_standard_deviations": LEAST_GAP,
            "apart": gap >= LEAST_GAP,
        }
    )


def _content(node: orm.Data) -> dict[str, Any]:
    """Return the scalars and the arrays of a result."""
    found: dict[str, Any] = dict(node.base.attributes.all)
    if isinstance(node, orm.ArrayData):
        found |= {name: node.get_array(name) for name in node.get_arraynames()}
    return found
