"""Recovery steps after a failed run: applied one at a time, temporarily, and recorded.

Shorter timesteps, more frequent neighbour lists and an earlier checkpoint leave the physics unchanged. A
relaxation moves the atoms off their trajectory and is never applied where a trajectory is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiida_cse.lammps.job.recovery import RELAX_LIMIT
from aiida_cse.lammps.protocol.stage import JobPlan, Recovery, Span

__all__ = ["BLOW_UP", "OUT_OF_MESH", "FailedRun", "Remedy", "next_remedy"]

#: the order of recovery steps after lost atoms, missing bond atoms or values that are not numbers
BLOW_UP = ("timestep", "checkpoint", "relaxation")
#: the same after atoms left the k-space mesh, for which late neighbour lists may be the only cause
OUT_OF_MESH = ("neighbours", *BLOW_UP)

#: number of parts into which a timestep is split
SUBSTEPS = 2
#: steps of a relaxation
RELAX_STEPS = 2000
#: checkpoint intervals after the failed step for which a recovery step stays in force
CARE_INTERVALS = 2


@dataclass(frozen=True)
class FailedRun:
    """The steps from which and up to which a failed job ran, and whether it started from a checkpoint."""

    started: int
    reached: int
    from_checkpoint: bool

    @classmethod
    def of(cls, results: dict[str, Any]) -> FailedRun | None:
        """Return the breakdown of a job with these results; None if they do not say where it started."""
        started = results.get("first_step")
        if started is None:
            return None
        reached = results.get("step")
        checkpoint = results.get("restart_file") not in (None, "none")
        return cls(started, max(started, reached or 0), checkpoint)


@dataclass(frozen=True)
class Remedy:
    """A recovery step: its name, the changed plan, the step up to which it lasts, and a description."""

    change: str
    plan: JobPlan
    until_step: int | None
    words: str


def next_remedy(plan: JobPlan, ladder: Sequence[str], tried: Sequence[str], breakdown: FailedRun) -> Remedy | None:
    """Return the first recovery step of ``ladder`` that is untried and possible; None if none is left.

    A job that fails on the state of its checkpoint, at once, goes back further each time: the error in a
    checkpoint may stem from an earlier one.
    """
    span = next((span for span in plan.spans if breakdown.reached < span.end), plan.spans[-1])
    if span.stage.duration_ps is None:
        return None
    at_once = breakdown.from_checkpoint and breakdown.reached == breakdown.started
    if at_once and "checkpoint" in ladder:
        ladder = ("checkpoint", *ladder)
        tried = [change for change in tried if change != "checkpoint"]
    remedies = (_remedy(change, plan, span, breakdown) for change in ladder if change not in tried)
    return next((remedy for remedy in remedies if remedy is not None), None)


def _remedy(change: str, plan: JobPlan, span: Span, breakdown: FailedRun) -> Remedy | None:
    """Return the recovery step of this name for a run that failed in ``span``; None if it is not possible."""
    if change == "checkpoint":
        latest = breakdown.started - 1
        if not breakdown.from_checkpoint or latest < plan.needed_step:
            return None
        words = f"from a checkpoint before step {breakdown.started}"
        return Remedy(change, plan.model_copy(update={"latest_checkpoint": latest}), None, words)
    writes_trajectory = any(stage.trajectory_ps for stage in plan.stages)
    if change == "relaxation" and (span.stage.kind == "pushoff" or writes_trajectory):
        return None
    cadence = plan.settings.restart_interval
    intervals = (breakdown.reached - span.start) // cadence + CARE_INTERVALS
    until = min(span.end, span.start + intervals * cadence)
    care = Recovery(until_step=until) if plan.care is None else plan.care
    until = max(until, care.until_step)
    updates: dict[str, tuple[dict[str, Any], str]] = {
        "timestep": ({"substeps": SUBSTEPS}, f"with every timestep split into {SUBSTEPS} up to step {until}"),
        "neighbours": (
            {"rebuild_every_step": True},
            f"with neighbour lists built at every step up to step {until}",
        ),
        "relaxation": (
            {"relax_steps": RELAX_STEPS},
            f"after {RELAX_STEPS} uncounted steps in which no atom moves by more than {RELAX_LIMIT} Å per step",
        ),
    }
    update, words = updates[change]
    careful = care.model_copy(update={"until_step": until, **update})
    return Remedy(change, plan.model_copy(update={"care": careful}), until, words)
