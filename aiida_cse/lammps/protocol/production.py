"""Plan of a production: its length, segments, checks, frames and checkpoints."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ValidationError, model_validator

from aiida_cse.lammps.protocol.stage import (
    LEAST_PERIOD,
    MOST_STEPS,
    Duration,
    Interval,
    JobPlan,
    Period,
    RunSettings,
    Stage,
    Temperature,
    Thermostat,
    Timestep,
)
from aiida_cse.physics.exchange.stopping import StopRule
from aiida_cse.schema import StrictModel, explain

__all__ = ["PRODUCTION", "ProductionPlan", "without_overridden_lengths"]

#: name of the single stage of a production
PRODUCTION = "production"

#: segments that names with four digits can distinguish
MOST_SEGMENTS = 9999


class ProductionPlan(StrictModel):
    """NVT production of ``length_ps`` in segments of ``segment_ps``, with a frame every ``frame_ps``.

    Frames hold all atoms. With ``all_atoms_ps`` they hold the framework and the ions alone, and all atoms are
    written to a file of their own at this interval, which must divide a segment as well.

    With ``keep_trajectory: until-reduced`` trajectories are deleted at each look, when their reduction is stored.

    Each segment is a job that continues from the checkpoint of the previous one. Segments end at checkpoints and
    share the steps of frames, so that they form the same run as an uninterrupted one. The production starts with
    the velocities of the system (``velocities: keep``) or draws them from the seed (``draw``), as an independent
    replica must. ``stop`` decides whether it may end before its length. ``lengths`` are pairs of a temperature (K)
    and a different ``length_ps`` at that temperature.
    """

    length_ps: Duration
    segment_ps: Duration
    frame_ps: Interval
    all_atoms_ps: Interval | None = None
    keep_trajectory: Literal["always", "until-reduced"] = "always"
    timestep_fs: Timestep = 2.0
    thermostat: Thermostat = "nose-hoover"
    thermostat_fs: Period = 100.0
    thermo_ps: Interval = 1.0
    velocities: Literal["keep", "draw"] = "keep"
    settings: RunSettings = RunSettings()
    stop: StopRule = StopRule()
    lengths: tuple[tuple[Temperature, Duration], ...] = ()

    @model_validator(mode="after")
    def _consistent_at_each_temperature(self) -> ProductionPlan:
        temperatures = [round(temperature) for temperature, _ in self.lengths]
        if len(set(temperatures)) < len(temperatures):
            msg = f"lengths: each temperature must be there once, not {', '.join(map(str, temperatures))} K"
            raise ValueError(msg)
        try:
            for temperature, _ in self.lengths:
                self.at(temperature)
        except ValidationError as error:
            msg = f"lengths: at {temperature:g} K: {explain(error)}"
            raise ValueError(msg) from error
        return self

    @model_validator(mode="after")
    def _consistent(self) -> ProductionPlan:
        cadence = self.settings.restart_interval
        for name, value in {"segment_ps": self.segment_ps, "length_ps": self.length_ps, **self._strides}.items():
            if abs(value * 1000 / self.timestep_fs - self._steps(value)) > 1e-6:
                msg = f"{name} = {value:g} ps is no whole number of steps of {self.timestep_fs:g} fs"
                raise ValueError(msg)
        if self.total_steps > MOST_STEPS:
            longest = MOST_STEPS * self.timestep_fs / 1000
            msg = f"length_ps = {self.length_ps:g} is more than the {MOST_STEPS} steps of LAMMPS, {longest:.0f} ps"
            raise ValueError(msg)
        if self.thermo_ps < self.timestep_fs / 2000:
            msg = f"thermo_ps = {self.thermo_ps:g} is less than one step of timestep_fs = {self.timestep_fs:g}"
            raise ValueError(msg)
        if self.thermostat_fs < LEAST_PERIOD * self.timestep_fs:
            least = LEAST_PERIOD * self.timestep_fs
            msg = f"thermostat_fs = {self.thermostat_fs:g} must be at least {LEAST_PERIOD} timesteps, {least:g} fs"
            raise ValueError(msg)
        if self.length_ps < self.segment_ps:
            msg = f"length_ps = {self.length_ps:g} is shorter than one segment (segment_ps = {self.segment_ps:g})"
            raise ValueError(msg)
        if self.length_ps > MOST_SEGMENTS * self.segment_ps:
            msg = f"segment_ps = {self.segment_ps:g} cuts length_ps into more than {MOST_SEGMENTS} segments"
            raise ValueError(msg)
        segment = self._steps(self.segment_ps)
        if segment % cadence:
            msg = (
                f"segment_ps = {self.segment_ps:g} ({segment} steps) must be a multiple of the checkpoint cadence,"
                f" settings.restart_interval = {cadence} steps"
            )
            raise ValueError(msg)
        return self._divided_by_frames()

    def _divided_by_frames(self) -> ProductionPlan:
        for name, value in self._strides.items():
            if self.segment_steps % self._steps(value):
                msg = f"segment_ps = {self.segment_ps:g} must be a multiple of {name} = {value:g}"
                raise ValueError(msg)
        halves = 2 * (self.all_atoms_ps or self.frame_ps) / self.frame_ps
        if halves < 2 or abs(halves - round(halves)) > 1e-6:
            msg = (
                f"all_atoms_ps = {self.all_atoms_ps:g} must be at least frame_ps = {self.frame_ps:g}, the time "
                "between frames of the ions, and a multiple of half of it"
            )
            raise ValueError(msg)
        return self

    @property
    def _strides(self) -> dict[str, float]:
        """Time between frames of each trajectory, ps."""
        given = {"frame_ps": self.frame_ps, "all_atoms_ps": self.all_atoms_ps}
        return {name: value for name, value in given.items() if value is not None}

    def at(self, temperature: float) -> ProductionPlan:
        """Return the plan at a temperature (K), with its length there."""
        if not self.lengths:
            return self
        length = {round(given): length for given, length in self.lengths}.get(round(temperature), self.length_ps)
        return ProductionPlan.model_validate(self.model_dump() | {"length_ps": length, "lengths": ()})

    @property
    def ions_apart(self) -> bool:
        """True if frames of the ions and frames of all atoms are in two files."""
        return self.all_atoms_ps is not None and self.all_atoms_ps != self.frame_ps

    def _steps(self, picoseconds: float) -> int:
        return round(picoseconds * 1000 / self.timestep_fs)

    @property
    def total_steps(self) -> int:
        """Number of steps of the production."""
        return self._steps(self.length_ps)

    @property
    def segment_steps(self) -> int:
        """Number of steps of a segment; the last segment may be shorter."""
        return self._steps(self.segment_ps)

    def nanoseconds(self, step: int) -> float:
        """Return the time of a step in ns."""
        return step * self.timestep_fs * 1e-6

    def last_frame(self, step: int) -> int:
        """Return the step of the last frame of a trajectory that ends at ``step``."""
        frame = self._steps(self.frame_ps)
        return step // frame * frame

    def looks(self, after: int = 0) -> list[int]:
        """Return the steps of the looks after a step: ends of segments, and last the end of the production.

        A production that does not exceed ``after`` is judged there.
        """
        budget = self.total_steps
        times = self.stop.look_times(self.nanoseconds(budget), self.nanoseconds(self.segment_steps))
        steps = [round(time / self.nanoseconds(1)) for time in times]
        return [step for step in steps if step > after] or [max(budget, after)]

    def segments(self, temperature: float, seed: int, after: int = 0) -> list[dict[str, Any]]:
        """Return the job plans of the segments after a step, at a temperature (K), as dictionaries.

        A job plan does not depend on later segments: it is the same in a longer production.
        """
        length = self.segment_steps
        stops = [*range((after // length + 1) * length, self.total_steps, length), self.total_steps]
        return [
            JobPlan(
                stages=(self._stage(temperature, stop),),
                resume_step=start,
                stop_step=stop,
                seed=seed,
                settings=self.settings,
            ).model_dump(mode="json", exclude_none=True)
            for start, stop in zip([after, *stops[:-1]], stops, strict=True)
            if stop > start
        ]

    def _stage(self, temperature: float, stop: int) -> Stage:
        """Return the production as a stage that ends at step ``stop``."""
        return Stage(
            name=PRODUCTION,
            kind="nvt",
            duration_ps=stop * self.timestep_fs / 1000,
            timestep_fs=self.timestep_fs,
            temperature=temperature,
            thermostat=self.thermostat,
            thermostat_fs=self.thermostat_fs,
            thermo_ps=self.thermo_ps,
            trajectory_ps=self.all_atoms_ps if self.ions_apart else self.frame_ps,
            ions_ps=self.frame_ps if self.ions_apart else None,
            velocities=temperature if self.velocities == "draw" else None,
        )


def without_overridden_lengths(plan: dict[str, Any], changes: dict[str, Any] | None) -> dict[str, Any]:
    """Return the plan of a protocol without ``lengths`` if the changes set one length for every temperature."""
    asked = changes or {}
    return plan | {"lengths": []} if "length_ps" in asked and "lengths" not in asked else plan
