"""The checks of a production that continues an earlier one: same system, computer, settings and sampling."""

from __future__ import annotations

from typing import Any

from aiida import orm

from aiida_cse.building.reduction import describe_system
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.lammps.protocol.stage import RunSettings
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.workchains.restart.lineage import covered_jobs, step_of

__all__ = ["previous_error"]

#: fields of a stage in which a continued production may differ from the earlier one
_OF_SEGMENT = ("duration_ps", "velocities")


def previous_error(value: dict[str, Any], plan: ProductionPlan, sampling: Sampling) -> str | None:
    """Return the error of a production that cannot be continued with these inputs, or None."""
    previous = value.get("previous") or {}
    if not previous or "system" not in value:
        return None
    if "folder" not in previous:
        return "previous.folder is missing: give the last folder of the production to continue"
    computer, code = previous["folder"].computer, value["base"]["lammps"].get("code")
    if code is not None and code.computer is not None and code.computer.uuid != computer.uuid:
        return (
            f"previous.folder: lies on {computer.label}, the code {code.full_label} on {code.computer.label}; a "
            "run can be continued only on the computer of its checkpoint"
        )
    step = step_of(previous["folder"])
    if not step:
        pk = previous["folder"].pk
        return f"previous.folder: node {pk} must be the folder of a segment that reached its last step"
    error = _segment_error(value, plan, previous["folder"].creator)
    if error is not None:
        return f"previous.folder: {error}"
    if "reduction" not in previous:
        return None
    reached, last = previous["reduction"].base.attributes.get("last_step"), plan.last_frame(step)
    if reached > last or (reached != last and not covered_jobs(previous["reduction"], previous["folder"])):
        return (
            f"previous.reduction: ends at step {reached}, the earlier run at step {step}; it must end at {last}, "
            "or have been made from the first jobs of this run"
        )
    try:
        kelvin = value["temperature"].value if "temperature" in value else None
        described = describe_system(value["system"].get_system())
        config = ReductionConfig.build(described, sampling, temperature=kelvin)
        previous["reduction"].get_state().joined_config(config)
    except ValueError as error:
        return f"previous.reduction: {error}"
    return None


def _segment_error(value: dict[str, Any], plan: ProductionPlan, job: orm.CalcJobNode) -> str | None:
    """Return in what a job differs from the segments of the production that is to continue it, or None."""
    if job.inputs.system.get_system().info != value["system"].get_system().info:
        return f"its run started from the system {job.inputs.system.pk}, not from {value['system'].pk}"
    if "temperature" not in value:
        return None
    expected, found = plan.segments(value["temperature"].value, seed=1)[0], job.inputs.plan.get_dict()
    # the model fills in settings that are newer than the run
    settings = RunSettings.model_validate(found["settings"]).model_dump()
    stage = found["stages"][-1]
    pairs = [(f"settings.{key}", settings[key], wanted) for key, wanted in expected["settings"].items()]
    wanted_stage = {"ions_ps": None, **expected["stages"][0]}
    pairs += [(key, stage.get(key), wanted) for key, wanted in wanted_stage.items() if key not in _OF_SEGMENT]
    for key, used, wanted in pairs:
        if used != wanted:
            return f"its run used {key} = {used}; a continuation must use the same, not {wanted}"
    return None
