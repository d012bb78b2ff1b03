"""Plan of a crossing: umbrella windows along z in several ladders, then short trajectories from the top.

A ladder is one run: it begins with a system and one tagged ion, brings the ion to the first window and goes
through the windows one after the other. The next round continues it through the same windows in the opposite
order. The last part holds the ion on the dividing surface and starts short trajectories there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy import constants
from typing_extensions import Self

from aiida_cse.lammps.protocol.bias import BiasBy
from aiida_cse.lammps.protocol.stage import (
    Duration,
    Interval,
    JobPlan,
    Period,
    RunSettings,
    Thermostat,
    Timestep,
)
from aiida_cse.physics.crossing.layout import window_centres
from aiida_cse.schema import Number, StrictModel, Whole

__all__ = ["KELVIN_TO_KCAL", "CrossingPlan", "Ladder", "Passage", "Side"]

Floats = NDArray[np.float64]
Side = Literal["left", "right"]
#: Å from the mid-plane of the slab, the same on both sides
Depth = Annotated[Number, Field(gt=0, le=10_000)]
DepthRange = tuple[Depth, Depth]
#: Å; standard deviation of z in a window
Spread = Annotated[Number, Field(ge=0.02, le=2)]

#: k_B in kcal/mol/K, the energies of LAMMPS' units real
KELVIN_TO_KCAL = constants.R / constants.calorie / 1000
#: windows, structures and approaches that the names of stages can distinguish
MOST_STAGES = 999
#: part of spacing_A below which a neighbour was added
_CLOSE: Final = 0.7
#: Å; stiffest spring
_LEAST_SPREAD: Final = 0.05
#: part of a checkpoint interval by which the times of a window may miss it
_ROUNDING: Final = 1e-6


@dataclass(frozen=True)
class Passage:
    """The path of an ion from the electrolyte into the slab, on one side, as distances from its mid-plane in Å.

    Attributes
    ----------
    side
        ``left``, where z is below zero, or ``right``.
    well
        Range of the first layer.
    span
        Range of the windows.
    top
        Range in which F has its top.
    """

    side: Side
    well: tuple[float, float]
    span: tuple[float, float]
    top: tuple[float, float]

    @property
    def sign(self) -> int:
        """Sign of z on this side."""
        return -1 if self.side == "left" else 1

    def z(self, depths: tuple[float, float]) -> tuple[float, float]:
        """Return a range of distances from the mid-plane as a range of z."""
        low, high = depths
        return (low, high) if self.sign > 0 else (-high, -low)

    @property
    def inward(self) -> int:
        """Direction of z into the slab."""
        return -self.sign


@dataclass(frozen=True)
class Ladder:
    """The beginning of a ladder: a tagged ion in a system.

    Attributes
    ----------
    coordinate
        Its coordinate in LAMMPS: fields of :class:`~aiida_cse.lammps.protocol.bias.Coordinate`.
    inside
        Ions that are counted in the slab: fields of :class:`~aiida_cse.lammps.protocol.bias.Count`.
    start
        z of the ion from the mid-plane, Å.
    seed
        Seed of its velocities.
    """

    coordinate: Mapping[str, Any]
    inside: Mapping[str, Any]
    start: float
    seed: int


class CrossingPlan(StrictModel):
    """Free energy along z and transmission of one ion from the first layer into the slab.

    All places are distances from the mid-plane of the slab, so that one plan serves both sides; null stands for
    the first layer of the ion (``well``), the first layer and 2.5 Å beyond it (``span``) and the top of F
    (``surface``). Windows are ``spacing_A`` apart; in a flat F, z has the standard deviation ``spread_A`` in each.
    The ladders differ in tagged ion and velocities, and first run ``decorrelate_ps`` without a window; the ion
    then moves to the first window at 1 Å in ``approach_ps``. Of each window ``relax_ps`` are not evaluated and
    ``window_ps`` are, with z every ``sample_ps``. Later rounds go back and forth with as much time in all, most
    where the error comes from, until the standard error of F on the surface is at most ``error_kT`` k_B T, and at
    most ``rounds`` times. Where neighbours overlap too little, or a bin stays empty, the next round has another
    window between them, with stiffer springs there; for these there are up to two more rounds. ``bias`` is
    the fix that applies the springs.

    In each ladder ``structures`` are then taken on the surface, ``structure_ps`` apart in a window of
    ``structure_spread_A``, and ``starts`` trajectories begin in each. They end ``commit_A`` from the surface, or
    after ``most_ps``. z(t) of one in ``followed`` is kept every ``trace_fs``, for κ(t).
    """

    well: DepthRange | None = None
    surface: Depth | None = None
    span: DepthRange | None = None
    spacing_A: Number = Field(default=0.5, ge=0.1, le=3)  # noqa: N815 - units as in the keys of results
    spread_A: Spread = 0.4  # noqa: N815 - likewise
    ladders: Whole = Field(default=4, ge=4, le=64)
    decorrelate_ps: Duration = 50.0
    approach_ps: Duration = 5.0
    relax_ps: Duration = 50.0
    window_ps: Duration = 200.0
    sample_ps: Interval = 0.1
    rounds: Whole = Field(default=4, ge=1, le=99)
    error_kT: Number = Field(default=0.3, gt=0, le=10)  # noqa: N815 - likewise
    structures: Whole = Field(default=8, ge=2, le=MOST_STAGES)
    structure_ps: Duration = 20.0
    structure_spread_A: Spread = 0.12  # noqa: N815 - likewise
    bias: BiasBy = "spring"
    starts: Whole = Field(default=100, ge=1, le=10_000)
    commit_A: Number = Field(default=2.0, ge=1.5, le=20)  # noqa: N815 - likewise
    most_ps: Duration = 5.0
    followed: Whole = Field(default=5, ge=1, le=10_000)
    trace_fs: Period = 20.0
    timestep_fs: Timestep = 2.0
    shot_timestep_fs: Timestep = 1.0
    thermostat: Thermostat = "nose-hoover"
    thermostat_fs: Period = 100.0
    settings: RunSettings = RunSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ("well", "span"):
            place = getattr(self, name)
            if place is not None and not place[0] < place[1]:
                raise ValueError(f"{name} = {list(place)}: must be two ascending distances from the mid-plane, Å")
        if self.spacing_A > 4 * self.spread_A:
            raise ValueError(
                f"spacing_A = {self.spacing_A:g}: windows of spread_A = {self.spread_A:g} overlap up to spacings "
                f"of {4 * self.spread_A:g} Å"
            )
        checkpoint = self.settings.restart_interval * self.timestep_fs / 1000
        if self.relax_ps + self.window_ps < checkpoint:
            raise ValueError(
                f"window_ps = {self.window_ps:g}: with relax_ps it must last {checkpoint:g} ps, the "
                f"{self.settings.restart_interval} steps of settings.restart_interval"
            )
        if self.window_ps < 20 * self.sample_ps:
            raise ValueError(
                f"window_ps = {self.window_ps:g}: must hold 20 samples, {20 * self.sample_ps:g} ps at "
                f"sample_ps = {self.sample_ps:g}"
            )
        if abs(self.sample_ps * 1000 / self.timestep_fs - round(self.sample_ps * 1000 / self.timestep_fs)) > 1e-6:
            raise ValueError(
                f"sample_ps = {self.sample_ps:g} is no whole number of steps of {self.timestep_fs:g} fs"
            )
        return self

    def spring(self, temperature: float, spread: float | None = None) -> float:
        """Return the spring of a window over k_B, K Å⁻², for a standard deviation of z (Å)."""
        return temperature / (spread or self.spread_A) ** 2

    def centres(self, passage: Passage) -> Floats:
        """Return z (W,) of the windows of a passage, from the electrolyte into the slab, Å."""
        outer, inner = passage.span[1], passage.span[0]
        return passage.sign * window_centres(outer, inner, self.spacing_A)

    def round_times(self, windows: int) -> float:
        """Return the time of a round over its windows that is evaluated, ps."""
        return windows * self.window_ps

    # -- jobs ----------------------------------------------------------------------------------------------

    def first_round(self, ladder: Ladder, centres: Sequence[float], temperature: float) -> dict[str, Any]:
        """Return the job plan of the first round of a ladder: velocities, approach and all windows."""
        stages = [
            self._stage("decorrelate", temperature, self.decorrelate_ps, velocities=temperature),
            *self._approach(ladder, ladder.start, centres[0], temperature),
            *self._windows(ladder, dict.fromkeys(centres, self.window_ps), temperature),
        ]
        return self._job(stages, ladder, 0)

    def next_round(
        self, ladder: Ladder, times: Mapping[float, float], temperature: float, first_step: int
    ) -> dict[str, Any]:
        """Return the job plan of a later round: by centre (Å) in their order the times (ps) of its windows."""
        return self._job(self._windows(ladder, times, temperature), ladder, first_step)

    def short_trajectories(
        self, ladder: Ladder, place: float, surface: float, temperature: float, first_step: int
    ) -> dict[str, Any]:
        """Return the job plan of the trajectories from a surface, for an ion that is now at ``place``, Å."""
        stages = self._approach(ladder, place, surface, temperature)
        for number in range(1, self.structures + 1):
            stages += [
                self._stage(
                    f"top_{number:03d}",
                    temperature,
                    self.structure_ps,
                    bias=self._bias(ladder, surface, temperature, self.structure_spread_A),
                ),
                {
                    "name": f"shots_{number:03d}",
                    "kind": "shots",
                    "temperature": temperature,
                    "timestep_fs": self.shot_timestep_fs,
                    "thermostat": self.thermostat,
                    "thermostat_fs": self.thermostat_fs,
                    "shots": {
                        **ladder.coordinate,
                        "low": surface - self.commit_A,
                        "high": surface + self.commit_A,
                        "number": self.starts,
                        "most_ps": self.most_ps,
                        "followed": self.followed,
                        "trace_fs": self.trace_fs,
                    },
                },
            ]
        return self._job(stages, ladder, first_step)

    def _approach(self, ladder: Ladder, place: float, goal: float, temperature: float) -> list[dict[str, Any]]:
        """Return windows of :attr:`approach_ps` per Å from a place to the next centre, itself left out."""
        places: Sequence[float] = window_centres(place, goal, 1.0).tolist()[1:-1] if abs(goal - place) > 1 else ()
        return [
            self._stage(
                f"approach_{number:03d}",
                temperature,
                self.approach_ps,
                bias=self._bias(ladder, centre, temperature, self.spread_A),
            )
            for number, centre in enumerate(places, 1)
        ]

    def _windows(self, ladder: Ladder, times: Mapping[float, float], temperature: float) -> list[dict[str, Any]]:
        # windows that end at checkpoints leave no old restart files; rounded down, one may end while it relaxes
        checkpoint = self.settings.restart_interval * self.timestep_fs / 1000
        return [
            self._stage(
                f"window_{number:03d}",
                temperature,
                checkpoint * math.ceil((self.relax_ps + time) / checkpoint - _ROUNDING),
                bias=self._bias(ladder, centre, temperature, spread),
            )
            for number, ((centre, time), spread) in enumerate(
                zip(times.items(), self.spreads(list(times)), strict=True), 1
            )
        ]

    def spreads(self, centres: Sequence[float]) -> list[float]:
        """Return the spread of each of some neighbouring windows, Å: less where others were added close to it.

        The weak springs of the others do not hold an ion on a steep slope or a sharp top.
        """
        gaps = np.abs(np.diff(centres))
        nearest = np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf)) / self.spacing_A
        spreads = np.where(nearest < _CLOSE, self.spread_A * nearest, self.spread_A)
        return [max(float(one), _LEAST_SPREAD) for one in spreads.round(3)]

    def _bias(self, ladder: Ladder, centre: float, temperature: float, spread: float) -> dict[str, Any]:
        return {
            **ladder.coordinate,
            "centre": centre,
            "spring": self.spring(temperature, spread) * KELVIN_TO_KCAL,
            "inside": ladder.inside,
            "by": self.bias,
        }

    def _stage(self, name: str, temperature: float, duration_ps: float, **fields: Any) -> dict[str, Any]:
        return {
            "name": name,
            "kind": "nvt",
            "temperature": temperature,
            "duration_ps": duration_ps,
            "timestep_fs": self.timestep_fs,
            "thermostat": self.thermostat,
            "thermostat_fs": self.thermostat_fs,
            "thermo_ps": self.sample_ps,
            **fields,
        }

    def _job(self, stages: Sequence[dict[str, Any]], ladder: Ladder, first_step: int) -> dict[str, Any]:
        plan = JobPlan.model_validate(
            {
                "stages": stages,
                "first_step": first_step,
                "seed": ladder.seed,
                "settings": self.settings.model_dump(mode="json"),
            }
        )
        return plan.model_dump(mode="json", exclude_none=True)
