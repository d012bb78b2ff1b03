"""The schedule of a phase: its stages with the temperature filled in, packed into jobs."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from aiida_cse.lammps.protocol.larsen import LARSEN, expand_larsen
from aiida_cse.lammps.protocol.stage import JobPlan, RunSettings, Stage, plan_steps, refuse_doubles
from aiida_cse.schema import StrictModel, Whole, explain, nearest

__all__ = ["ANY_TEMPERATURE", "TARGET", "Schedule", "job_plans", "schedule_error"]

#: a temperature in K for looking at a schedule whose own is not known yet
ANY_TEMPERATURE = 300.0
#: the word in a protocol that stands for the temperature of the run
TARGET = "target"


class Schedule(StrictModel):
    """The ``schedule`` of a phase.

    ``stages`` are those of :class:`~aiida_cse.lammps.protocol.stage.Stage`, or a schedule by name
    (``{schedule: larsen-2011, …}``); the word ``target`` stands for the temperature of the run.
    ``stages_per_job`` packs several stages into one job, for queues where waiting is long.
    """

    stages: tuple[dict[str, Any], ...] = Field(min_length=1)
    stages_per_job: Whole = Field(default=1, gt=0, le=10_000)
    settings: RunSettings = RunSettings()

    def resolve(self, temperature: float | None) -> tuple[Stage, ...]:
        """Return the stages at this temperature (K).

        Raises
        ------
        ValueError
            A stage is wrong, two have one name, or one asks for the target temperature and there is none.
        """
        stages = tuple(stage for entry in self.stages for stage in _expand(_fill(entry, temperature)))
        refuse_doubles(stages)
        return stages


def _expand(entry: dict[str, Any]) -> list[Stage]:
    if "schedule" not in entry:
        return [_stage(entry)]
    if entry["schedule"] != LARSEN:
        msg = f"schedule {entry['schedule']!r} is not known; {nearest(str(entry['schedule']), [LARSEN])}"
        raise ValueError(msg)
    return expand_larsen(entry)


def _stage(entry: dict[str, Any]) -> Stage:
    try:
        return Stage.model_validate(entry)
    except ValidationError as error:
        name, said = entry.get("name", "?"), explain(error)
        # the rules of a stage name it themselves
        raise ValueError(said if said.startswith("stage ") else f"stage {str(name)!r}: {said}") from error


def _fill(value: Any, temperature: float | None) -> Any:
    """Replace the word ``target`` by the temperature, at every level."""
    if isinstance(value, dict):
        return {key: _fill(item, temperature) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_fill(item, temperature) for item in value]
    if value == TARGET:
        if temperature is None:
            msg = "a stage has the temperature 'target', but no temperature was given"
            raise ValueError(msg)
        return temperature
    return value


def job_plans(schedule: dict[str, Any], *, seed: int, temperature: float | None = None) -> list[dict[str, Any]]:
    """Return the plans of the jobs of a phase, in order, as dictionaries.

    Raises
    ------
    ValueError
        The schedule is wrong; says where.
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
    """Return what is wrong with a schedule, None if nothing is."""
    try:
        job_plans(schedule, seed=1, temperature=temperature)
    except ValueError as error:
        return str(error)
    return None
