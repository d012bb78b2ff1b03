"""Schedule of a phase: its stages at the temperature of the run, distributed over jobs."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from aiida_cse.lammps.protocol.larsen import LARSEN, expand_larsen
from aiida_cse.lammps.protocol.stage import JobPlan, RunSettings, Stage, plan_steps, refuse_doubles
from aiida_cse.schema import StrictModel, Whole, explain, nearest

__all__ = ["ANY_TEMPERATURE", "TARGET", "Schedule", "job_plans", "schedule_error"]

#: temperature at which a schedule is checked if its own is not known yet, K
ANY_TEMPERATURE = 300.0
#: word in a protocol that stands for the temperature of the run
TARGET = "target"


class Schedule(StrictModel):
    """Input ``schedule`` of a phase.

    Each entry of ``stages`` has the fields of :class:`~aiida_cse.lammps.protocol.stage.Stage`, or names a scheme
    (``{schedule: larsen-2011, …}``). The word ``target`` stands for the temperature of the run. ``stages_per_job``
    combines several stages in one job, which saves waiting time in long queues.
    """

    stages: tuple[dict[str, Any], ...] = Field(min_length=1)
    stages_per_job: Whole = Field(default=1, gt=0, le=10_000)
    settings: RunSettings = RunSettings()

    def resolve(self, temperature: float | None) -> tuple[Stage, ...]:
        """Return the stages at a temperature (K).

        Raises
        ------
        ValueError
            A stage is invalid, two share a name, or one needs the target temperature and none is given.
        """
        stages = tuple(stage for entry in self.stages for stage in _expand(_fill(entry, temperature)))
        refuse_doubles(stages)
        return stages


def _expand(entry: dict[str, Any]) -> list[Stage]:
    """Return the stages of an entry: itself, or those of the scheme that it names."""
    if "schedule" not in entry:
        try:
            return [Stage.model_validate(entry)]
        except ValidationError as error:
            name, words = entry.get("name", "?"), explain(error)
            # validators of a stage name it themselves
            raise ValueError(words if words.startswith("stage ") else f"stage {str(name)!r}: {words}") from error
    if entry["schedule"] != LARSEN:
        msg = f"schedule = {entry['schedule']!r}: is unknown; {nearest(str(entry['schedule']), [LARSEN])}"
        raise ValueError(msg)
    return expand_larsen(entry)


def _fill(value: Any, temperature: float | None) -> Any:
    """Replace the word ``target`` by the temperature at every level."""
    if isinstance(value, dict):
        return {key: _fill(item, temperature) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_fill(item, temperature) for item in value]
    if value == TARGET:
        if temperature is None:
            msg = "temperature = 'target': needs the temperature of the run, which is not given"
            raise ValueError(msg)
        return temperature
    return value


def job_plans(schedule: dict[str, Any], *, seed: int, temperature: float | None = None) -> list[dict[str, Any]]:
    """Return the job plans of a phase in order, as dictionaries.

    Raises
    ------
    ValueError
        The schedule is invalid; the message names the field.
    """
    try:
        model = Schedule.model_validate(schedule)
    except ValidationError as error:
        raise ValueError(explain(error)) from error
    stages = model.resolve(temperature)
    plans = []
    spans = plan_steps(stages)
    for first in range(0, len(stages), model.stages_per_job):
        packed = stages[first : first + model.stages_per_job]
        plan = JobPlan(stages=packed, first_step=spans[first].start, seed=seed, settings=model.settings)
        plans.append(plan.model_dump(mode="json", exclude_none=True))
    return plans


def schedule_error(schedule: dict[str, Any], temperature: float | None = ANY_TEMPERATURE) -> str | None:
    """Return what is wrong with a schedule, or None."""
    try:
        job_plans(schedule, seed=1, temperature=temperature)
    except ValueError as error:
        return str(error)
    return None
