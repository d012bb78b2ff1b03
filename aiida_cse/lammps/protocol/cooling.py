"""Plan of a cooling: steps of a ramp and a hold each, at constant pressure or in a scaled box."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator
from typing_extensions import Self

from aiida_cse.lammps.protocol.schedule import job_plans
from aiida_cse.lammps.protocol.stage import (
    Barostat,
    Duration,
    Interval,
    Period,
    RunSettings,
    Stage,
    Thermostat,
    Timestep,
)
from aiida_cse.schema import Number, StrictModel, Whole, explain

__all__ = ["CoolingPlan", "cooling_error"]

#: steps that names with two digits can distinguish
MOST_STEPS = 99
#: fraction of a step that rounding may add to the temperature range
_ROUNDING = 1e-9


class CoolingPlan(StrictModel):
    """Cooling from one temperature to another in equal steps of at most ``step_K``.

    Each step consists of a ramp at ``rate_K_per_ns`` and a hold of ``hold_ps``; the last hold, at the target,
    lasts ``last_ps`` (``hold_ps`` if null). With ``box: npt`` the box follows ``pressure`` (atm) along the axes of
    ``barostat``. With ``box: scaled`` its length along z is proportional to 1 + ``expansion_per_K`` × (T − T of
    the hot run) during the ramps, while x and y are constant; 0 keeps the box.
    """

    rate_K_per_ns: Number = Field(gt=0, le=1e9)  # noqa: N815 - units as in the keys of results
    step_K: Number = Field(gt=0, le=5000)  # noqa: N815 - likewise
    hold_ps: Duration
    last_ps: Duration | None = None
    box: Literal["npt", "scaled"] = "npt"
    pressure: Number = Field(default=1.0, ge=-1e5, le=2e5)
    barostat: Barostat = "xy-z"
    barostat_fs: Period = 1000.0
    expansion_per_K: Annotated[Number, Field(ge=0, le=0.01)] | None = None  # noqa: N815 - likewise
    timestep_fs: Timestep = 2.0
    thermostat: Thermostat = "nose-hoover"
    thermostat_fs: Period = 100.0
    thermo_ps: Interval = 1.0
    stages_per_job: Whole = Field(default=1, gt=0, le=10_000)
    settings: RunSettings = RunSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.box == "scaled") == (self.expansion_per_K is None):
            msg = (
                f"expansion_per_K = {self.expansion_per_K}: required with box: scaled, in 1/K, and allowed only "
                f"there; box is {self.box}"
            )
            raise ValueError(msg)
        if self.thermostat == "langevin" and self.box == "npt":
            raise ValueError("thermostat = langevin: has no barostat; give box: scaled")
        return self

    def temperatures(self, hot: float, cold: float) -> tuple[float, ...]:
        """Return the temperatures of the holds, preceded by ``hot``, in K.

        Raises
        ------
        ValueError
            ``cold`` is not below ``hot``, or the number of steps is too large.
        """
        if not cold < hot:
            msg = f"temperature = {cold:g}: must be below hot_temperature = {hot:g} K, the start of the cooling"
            raise ValueError(msg)
        steps = math.ceil((hot - cold) / self.step_K - _ROUNDING)
        if steps > MOST_STEPS:
            words = f"makes {steps} steps, at most {MOST_STEPS} are possible"
            msg = f"step_K = {self.step_K:g}: {words}; give {(hot - cold) / MOST_STEPS:.3g} or more"
            raise ValueError(msg)
        return (*(hot + (cold - hot) * number / steps for number in range(steps)), cold)

    def schedule(self, hot: float, cold: float) -> dict[str, Any]:
        """Return the :class:`~aiida_cse.lammps.protocol.schedule.Schedule` from ``hot`` to ``cold``, K.

        Raises
        ------
        ValueError
            As for :meth:`temperatures`, or a stage is shorter than a timestep.
        """
        stages: list[dict[str, Any]] = []
        expansion = self.expansion_per_K or 0.0
        for number, (start, end) in enumerate(pairwise(self.temperatures(hot, cold)), 1):
            held = self.last_ps if end == cold and self.last_ps is not None else self.hold_ps
            ramp = {"temperature": [start, end], "duration_ps": (start - end) / self.rate_K_per_ns * 1000}
            if self.box == "scaled" and self.expansion_per_K:
                ramp["scale_z"] = (1 + expansion * (end - hot)) / (1 + expansion * (start - hot))
            stages += [
                self._stage(f"cool_{number:02d}", **ramp),
                self._stage(f"hold_{number:02d}", temperature=end, duration_ps=held),
            ]
        return {
            "stages": stages,
            "stages_per_job": self.stages_per_job,
            "settings": self.settings.model_dump(mode="json"),
        }

    def _stage(self, name: str, **fields: Any) -> dict[str, Any]:
        """Return a stage with the fields that all stages share."""
        shared = {key: getattr(self, key) for key in ("timestep_fs", "thermostat", "thermostat_fs", "thermo_ps")}
        follows = ("pressure", "barostat", "barostat_fs") if self.box == "npt" else ()
        kind = "npt" if self.box == "npt" else "nvt"
        stage = {"name": name, "kind": kind, **fields, **shared, **{key: getattr(self, key) for key in follows}}
        try:
            return Stage.model_validate(stage).model_dump(mode="json", exclude_none=True, exclude_unset=True)
        except ValidationError as error:
            raise ValueError(explain(error)) from error


def cooling_error(plan: CoolingPlan, hot: float, cold: float) -> str | None:
    """Return why the plan cannot lead from ``hot`` to ``cold`` (K); None if it can."""
    try:
        job_plans(plan.schedule(hot, cold), seed=1)
    except ValueError as error:
        return str(error)
    return None
