"""What a study knows of a run that an earlier one has made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm

from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.physics.exchange.stopping import Decision, verdicts_under
from aiida_cse.workchains.production_inputs import step_of

__all__ = ["is_complete", "previous_of"]


def is_complete(
    run: Mapping[str, Any], plan: dict[str, Any], temperature: float, settings: dict[str, Any]
) -> bool:
    """Whether a run at ``temperature`` (K) has all that is asked of it: its length, or its verdict as of now."""
    if any(name not in run for name in ("reduction", "looks", "equilibration")):
        return False
    criteria = AnalysisSettings.model_validate(settings).model_dump(mode="json")
    if run["equilibration"]["criteria"] != criteria:
        return False
    production = ProductionPlan.model_validate(plan).at(temperature)
    if run["reduction"].base.attributes.get("last_step") >= production.last_frame(production.total_steps):
        return True
    verdicts = verdicts_under(criteria, run["looks"].get_list())
    return production.stop.decide(verdicts, len(verdicts) + 1) is Decision.EQUILIBRATED


def previous_of(run: Mapping[str, Any]) -> dict[str, orm.Data]:
    """Return the input ``previous`` of a production that goes on with a run, empty if it cannot.

    A reduction that does not reach as far as the last segment is left: the trajectory is there.
    """
    if "folder" not in run:
        return {}
    previous = {name: run[name] for name in ("folder", "looks") if name in run}
    if "reduction" in run and "system" in run and step_of(run["folder"]):
        previous["reduction"] = run["reduction"]
    return previous
