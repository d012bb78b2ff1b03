"""The plan of a production: its length, its segments, and the frames and checkpoints that must fit them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from aiida_cse.lammps.stage import (
    LEAST_PERIOD,
    MOST_STEPS,
    Duration,
    Interval,
    JobPlan,
    Period,
    RunSettings,
    Stage,
    Timestep,
)
from aiida_cse.validation import StrictModel

__all__ = ["PRODUCTION", "ProductionPlan"]

#: name of the one stage of a production
PRODUCTION = "production"

#: what numbers of four digits can name in order
MOST_SEGMENTS = 9999


class ProductionPlan(StrictModel):
    """An NVT production of ``length_ps`` in segments of ``segment_ps``, a frame every ``frame_ps``.

    Each segment is a run of its own that goes on from the checkpoint of the one before. Segments end on
    checkpoints and frames fall on steps that all segments share, so that the segments together are the same run
    as an uninterrupted one. It starts with the velocities of the system (``velocities: keep``), or draws its own
    from the seed, as a replica of its own must (``draw``).
    """

    length_ps: Duration
    segment_ps: Duration
    frame_ps: Interval
    timestep_fs: Timestep = 2.0
    thermostat_fs: Period = 100.0
    thermo_ps: Interval = 1.0
    velocities: Literal["keep", "draw"] = "keep"
    settings: RunSettings = RunSettings()

    @model_validator(mode="after")
    def _consistent(self) -> ProductionPlan:
        cadence = self.settings.restart_interval
        for name, value in (
            ("segment_ps", self.segment_ps),
            ("length_ps", self.length_ps),
            ("frame_ps", self.frame_ps),
        ):
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
        segment, frame = self._steps(self.segment_ps), self._steps(self.frame_ps)
        if segment % cadence:
            msg = (
                f"segment_ps = {self.segment_ps:g} ({segment} steps) must be a multiple of the checkpoint cadence,"
                f" settings.restart_interval = {cadence} steps"
            )
            raise ValueError(msg)
        if segment % frame:
            msg = f"segment_ps = {self.segment_ps:g} must be a multiple of frame_ps = {self.frame_ps:g}"
            raise ValueError(msg)
        return self

    def _steps(self, picoseconds: float) -> int:
        return round(picoseconds * 1000 / self.timestep_fs)

    @property
    def total_steps(self) -> int:
        """Steps of the whole production."""
        return self._steps(self.length_ps)

    @property
    def last_frame_step(self) -> int:
        """The step of the last frame of the trajectory."""
        frame = self._steps(self.frame_ps)
        return self.total_steps // frame * frame

    def segments(self, temperature: float, seed: int) -> list[dict[str, Any]]:
        """Return the job plan of each segment at this temperature (K), in order, as dictionaries."""
        stage = Stage(
            name=PRODUCTION,
            kind="nvt",
            duration_ps=self.length_ps,
            timestep_fs=self.timestep_fs,
            temperature=temperature,
            thermostat_fs=self.thermostat_fs,
            thermo_ps=self.thermo_ps,
            trajectory_ps=self.frame_ps,
            velocities=temperature if self.velocities == "draw" else None,
        )
        length = self._steps(self.segment_ps)
        stops = [*range(length, self.total_steps, length), self.total_steps]
        return [
            JobPlan(
                stages=(stage,), resume_step=start, stop_step=stop, seed=seed, settings=self.settings
            ).model_dump(mode="json", exclude_none=True)
            for start, stop in zip([0, *stops[:-1]], stops, strict=True)
        ]
