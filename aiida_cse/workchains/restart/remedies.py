"""What a run that broke is changed by: one thing at a time, for a while, and in the open.

Shorter timesteps, more frequent neighbour lists and an earlier checkpoint leave the physics as it is; a relaxation
moves the atoms off their trajectory, and so is never done where a trajectory is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiida_cse.lammps.job.recovery import RELAX_LIMIT
from aiida_cse.lammps.protocol.stage import Care, JobPlan, Span

__all__ = ["BLOW_UP", "OUT_OF_MESH", "Breakdown", "Remedy", "came_through", "next_remedy"]

#: in which order things are changed when atoms are lost, bonds torn, or values are no numbers
BLOW_UP = ("timestep", "checkpoint", "relaxation")
#: the same where atoms left the k-space mesh: lists that were built too late may be all that is wrong
OUT_OF_MESH = ("neighbours", *BLOW_UP)

#: into how many steps a timestep is split
SUBSTEPS = 2
#: steps of a relaxation
RELAX_STEPS = 2000
#: for how many checkpoint intervals after the step at which a run broke it is run with care
CARE_INTERVALS = 2


@dataclass(frozen=True)
class Breakdown:
    """Where a job broke: from ``started`` (of a checkpoint, or anew) it came to ``reached``."""

    started: int
    reached: int
    from_checkpoint: bool

    @property
    def at_once(self) -> bool:
        """Whether it broke on the very state of the checkpoint, which was well when it was written."""
        return self.from_checkpoint and self.reached == self.started

    @classmethod
    def of(cls, results: dict[str, Any]) -> Breakdown | None:
        """Return where the job with these results broke, None if it did not say where it started."""
        started = results.get("first_step")
        if started is None:
            return None
        reached = results.get("step")
        checkpoint = results.get("restart_file") not in (None, "none")
        return cls(started, max(started, reached or 0), checkpoint)


@dataclass(frozen=True)
class Remedy:
    """One change: its name, the plan that makes it, how long it lasts, and a few words on it."""

    change: str
    plan: JobPlan
    until_step: int | None
    words: str


def next_remedy(plan: JobPlan, ladder: Sequence[str], tried: Sequence[str], breakdown: Breakdown) -> Remedy | None:
    """Return the first change of ``ladder`` that was not tried yet and that can be made, None if none is left.

    A run that breaks at once goes back again and again, each time behind the checkpoint that it broke on: what is
    wrong with one may be in those that came of it.
    """
    span = _broken_span(plan, breakdown.reached)
    if span.stage.kind == "minimize":
        return None
    if breakdown.at_once and "checkpoint" in ladder:
        ladder = ("checkpoint", *ladder)
        tried = [change for change in tried if change != "checkpoint"]
    for change in ladder:
        if change not in tried:
            remedy = _REMEDIES[change](plan, span, breakdown)
            if remedy is not None:
                return remedy
    return None


def came_through(plan: JobPlan, step: int) -> bool:
    """Whether a run at ``step`` has left behind what it was to be careful about."""
    return plan.care is None or step >= plan.care.until_step


def _broken_span(plan: JobPlan, step: int) -> Span:
    return next((span for span in plan.spans if step < span.end), plan.spans[-1])


def _timestep(plan: JobPlan, span: Span, breakdown: Breakdown) -> Remedy:
    care = _care(plan, span, breakdown)
    words = f"with every timestep split into {SUBSTEPS} up to step {care.until_step}"
    return _careful("timestep", plan, care.model_copy(update={"substeps": SUBSTEPS}), words)


def _neighbours(plan: JobPlan, span: Span, breakdown: Breakdown) -> Remedy:
    care = _care(plan, span, breakdown)
    words = f"with neighbour lists built at every step up to step {care.until_step}"
    return _careful("neighbours", plan, care.model_copy(update={"rebuild_every_step": True}), words)


def _relaxation(plan: JobPlan, span: Span, breakdown: Breakdown) -> Remedy | None:
    if span.stage.kind == "pushoff" or any(stage.trajectory_ps for stage in plan.stages):
        return None
    care = _care(plan, span, breakdown)
    words = f"after {RELAX_STEPS} steps, not counted, in which no atom moves by more than {RELAX_LIMIT} Å"
    return _careful("relaxation", plan, care.model_copy(update={"relax_steps": RELAX_STEPS}), words)


def _checkpoint(plan: JobPlan, _: Span, breakdown: Breakdown) -> Remedy | None:
    latest = breakdown.started - 1
    if not breakdown.from_checkpoint or latest < plan.needed_step:
        return None
    changed = plan.model_copy(update={"latest_checkpoint": latest})
    return Remedy("checkpoint", changed, None, f"from a checkpoint before step {breakdown.started}")


_REMEDIES = {
    "timestep": _timestep,
    "neighbours": _neighbours,
    "checkpoint": _checkpoint,
    "relaxation": _relaxation,
}


def _care(plan: JobPlan, span: Span, breakdown: Breakdown) -> Care:
    """Return the care that there is, or none yet, up to a checkpoint some way after the step of the breakdown."""
    cadence = plan.settings.restart_interval
    intervals = (breakdown.reached - span.start) // cadence + CARE_INTERVALS
    until = min(span.end, span.start + intervals * cadence)
    if plan.care is None:
        return Care(until_step=until)
    return plan.care.model_copy(update={"until_step": max(until, plan.care.until_step)})


def _careful(change: str, plan: JobPlan, care: Care, words: str) -> Remedy:
    return Remedy(change, plan.model_copy(update={"care": care}), care.until_step, words)
