"""The inputs of a production, held against each other before anything runs."""

from __future__ import annotations

from typing import Any

from aiida import orm
from pydantic import ValidationError

from aiida_cse.building.sampling import Sampling, reduction_config
from aiida_cse.calculations.ports import checked_by
from aiida_cse.calculations.reduce import reduction_error
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.lammps.protocol.schedule import ANY_TEMPERATURE
from aiida_cse.lammps.protocol.stage import RunSettings
from aiida_cse.schema import explain
from aiida_cse.workchains.common.options import walltime_error
from aiida_cse.workchains.questions import analysis_error
from aiida_cse.workchains.restart.lineage import results_of

__all__ = ["plan_error", "sampling_of", "step_of", "validate_production"]

#: what of the sampling is given by the production itself
_FROM_PLAN = ("timestep_fs", "frame_ps")
#: what of a segment's stage may differ from that of a production that goes on from it
_OF_SEGMENT = ("duration_ps", "velocities")

plan_error = checked_by(ProductionPlan, "plan")


def _plan_of(value: dict[str, Any]) -> ProductionPlan:
    """Return the plan at the temperature of the production, if that is known already."""
    plan = ProductionPlan.model_validate(value["plan"].get_dict())
    return plan.at(value["temperature"].value) if "temperature" in value else plan


def sampling_of(plan: dict[str, Any], sampling: dict[str, Any]) -> dict[str, Any]:
    """Return the whole sampling: blocks and snapshots as asked, timestep and frames as the production has them."""
    production = ProductionPlan.model_validate(plan)
    return {key: getattr(production, key) for key in _FROM_PLAN} | sampling


def step_of(folder: orm.RemoteData) -> int | None:
    """Return the step that the job of a folder reached as it was asked to, None if it did not."""
    job = folder.creator
    if not isinstance(job, orm.CalcJobNode) or not job.is_finished_ok:
        return None
    step: int | None = results_of(job).get("step")
    return step


def validate_production(value: dict[str, Any], _: Any) -> str | None:
    """Refuse inputs that do not fit each other: a sampling, a wall time, a computer, what is to be continued."""
    if "plan" not in value or "sampling" not in value or plan_error(value["plan"], None):
        return None
    given = value["sampling"].get_dict()
    fixed = sorted(set(given) & set(_FROM_PLAN))
    if fixed:
        return f"sampling: {', '.join(fixed)} follow from the plan of the production, do not give them"
    try:
        sampling = Sampling.model_validate(sampling_of(value["plan"].get_dict(), given))
    except ValidationError as error:
        return f"sampling: {explain(error)}"
    for name in ("block_ps", "snapshot_ps"):
        length = getattr(sampling, name)
        if abs(length / sampling.frame_ps - round(length / sampling.frame_ps)) > 1e-9:
            return f"sampling: {name} = {length:g} must be a multiple of frame_ps = {sampling.frame_ps:g}"
    return (
        _length_error(value, sampling)
        or _walltime_error(value)
        or _computer_error(value)
        or (reduction_error(value["system"], sampling.model_dump()) if "system" in value else None)
        or _analysis_error(value, sampling)
        or _previous_error(value, sampling)
    )


def _length_error(value: dict[str, Any], sampling: Sampling) -> str | None:
    """Refuse a production that is shorter than a block or the time between snapshots."""
    length = _plan_of(value).length_ps
    for name in ("block_ps", "snapshot_ps"):
        if getattr(sampling, name) > length:
            period = getattr(sampling, name)
            return f"sampling: {name} = {period:g} is longer than the production, plan.length_ps = {length:g}"
    return None


def _analysis_error(value: dict[str, Any], sampling: Sampling) -> str | None:
    """Refuse what the reduction will not be able to answer, at the end or at the first look."""
    plan = _plan_of(value)
    settings, system = value.get("analysis", {}).get("settings"), value.get("system")
    error = analysis_error(settings, sampling, plan.length_ps, system)
    if error is not None:
        return error
    first = plan.nanoseconds(plan.looks()[0])
    error = analysis_error(settings, sampling, first * 1000, system)
    return None if error is None else f"plan.stop.first_look_ns: at the first look, {first:g} ns, {error}"


def _walltime_error(value: dict[str, Any]) -> str | None:
    """Refuse a wall time that ends before the first checkpoint."""
    plan = _plan_of(value)
    return walltime_error(value, plan.segments(ANY_TEMPERATURE, seed=1)[:1])


def _computer_error(value: dict[str, Any]) -> str | None:
    """Refuse a code that cannot reach the trajectory: it is reduced where LAMMPS wrote it."""
    lammps, cse = value["base"]["lammps"].get("code"), value["reduce"].get("code")
    if lammps is None or cse is None or lammps.computer.uuid == cse.computer.uuid:
        return None
    return (
        f"reduce.code {cse.full_label} is on another computer than base.lammps.code {lammps.full_label}: "
        f"a trajectory is reduced where it lies, set up aiida-cse on {lammps.computer.label}"
    )


# -- what is to be continued -------------------------------------------------------------------------------


def _previous_error(value: dict[str, Any], sampling: Sampling) -> str | None:
    """Refuse to continue what is no production, or one of another system, temperature, timestep or sampling."""
    previous = value.get("previous") or {}
    if not previous or "system" not in value:
        return None
    if "folder" not in previous:
        return "previous.folder is missing: a production goes on from the last folder of the one before"
    step = step_of(previous["folder"])
    if not step:
        pk = previous["folder"].pk
        return f"previous.folder: node {pk} must be the folder of a segment that reached its last step"
    error = _segment_error(value, previous["folder"].creator)
    if error is not None:
        return f"previous.folder: {error}"
    return _reduction_error(value, sampling, previous.get("reduction"), step)


def _segment_error(value: dict[str, Any], job: orm.CalcJobNode) -> str | None:
    """Return in what a job differs from the segments of the production that is to go on from it."""
    if job.inputs.system.get_system().info != value["system"].get_system().info:
        return f"its run started from the system {job.inputs.system.pk}, not from {value['system'].pk}"
    if "temperature" not in value:
        return None
    plan = _plan_of(value)
    expected, found = plan.segments(value["temperature"].value, seed=1)[0], job.inputs.plan.get_dict()
    # through the model: the run may be older than a setting
    settings = RunSettings.model_validate(found["settings"]).model_dump()
    pairs = [(f"settings.{key}", settings[key], there) for key, there in expected["settings"].items()]
    stage = found["stages"][-1]
    pairs += [
        (key, stage.get(key), there) for key, there in expected["stages"][0].items() if key not in _OF_SEGMENT
    ]
    for key, found_there, there in pairs:
        if found_there != there:
            return f"its run had {key} = {found_there}, what goes on from it must have the same, not {there}"
    return None


def _reduction_error(value: dict[str, Any], sampling: Sampling, reduction: Any, step: int) -> str | None:
    if reduction is None:
        return None
    plan = _plan_of(value)
    reached, last = reduction.base.attributes.get("last_step"), plan.last_frame(step)
    if reached != last:
        return f"previous.reduction: ends at step {reached}, the run before at step {step}; it must end at {last}"
    try:
        reduction.get_state().check_config(reduction_config(value["system"].get_system(), sampling))
    except ValueError as error:
        return f"previous.reduction: {error}"
    return None
