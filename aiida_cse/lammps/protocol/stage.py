"""Stages of a protocol, settings of their LAMMPS runs, and the plan of a job."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from aiida_cse.lammps.protocol.accelerator import Accelerator, accelerator_error
from aiida_cse.lammps.protocol.bias import Bias, Shots
from aiida_cse.schema import Flag, Number, StrictModel, Whole, worded

__all__ = [
    "LEAST_PERIOD",
    "MOST_STEPS",
    "Barostat",
    "Duration",
    "Interval",
    "JobPlan",
    "Period",
    "Recovery",
    "RunSettings",
    "Span",
    "Stage",
    "Temperature",
    "Thermostat",
    "Timestep",
    "plan_steps",
    "refuse_doubles",
]

#: largest number of steps in a LAMMPS run
MOST_STEPS = 2**31 - 1
#: shortest response time of stable Nosé–Hoover chains, in steps
LEAST_PERIOD = 10

Temperature = Annotated[Number, Field(gt=0, le=5000)]
Pressure = Annotated[Number, Field(ge=-1e5, le=2e5)]
Duration = Annotated[Number, Field(gt=0, le=1e9)]
#: fs; the lower bound excludes timesteps given in ps
Timestep = Annotated[Number, Field(ge=0.05, le=4)]
#: fs; response times of thermostats and barostats
Period = Annotated[Number, Field(gt=0, le=1e6)]
#: ps; between lines of the log, or between frames
Interval = Annotated[Number, Field(gt=0, le=1e6)]
Thermostat = Literal["nose-hoover", "langevin"]
#: axes that follow the pressure
Barostat = Literal["z", "xy-z", "x-y-z", "iso"]
Step = Annotated[Whole, Field(ge=0, le=2**53)]
StageName = Annotated[
    str,
    Field(
        strict=True,
        pattern=worded(r"^[a-z][a-z0-9_]{0,39}$", "up to 40 of a to z, 0 to 9 and '_', first a letter"),
    ),
]


_FORM = Discriminator(lambda value: "ramp" if isinstance(value, (list, tuple)) else "value")
#: a value or [start, end]; the tag restricts messages to the form that is given
TemperatureRamp = Annotated[
    Annotated[Temperature, Tag("value")] | Annotated[tuple[Temperature, Temperature], Tag("ramp")],
    _FORM,
]
PressureRamp = Annotated[
    Annotated[Pressure, Tag("value")] | Annotated[tuple[Pressure, Pressure], Tag("ramp")],
    _FORM,
]


class Stage(StrictModel):
    """One stage of a protocol.

    ``kind`` is ``minimize`` (conjugate gradients), ``pushoff`` (a growing soft potential separates overlapping
    molecules), ``nvt``, ``npt`` or ``shots`` (short trajectories from one structure, see ``shots``; the structure
    does not change). ``temperature`` and ``pressure`` are values or [start, end] ramps in K and atm.
    The ``thermostat`` is that of Nosé and Hoover or, in an ``nvt`` stage, ``langevin``: friction and noise act on
    every atom, for systems whose atoms exchange no energy. With it, a run continued from a checkpoint draws
    different noise and is not the same run. ``thermostat_fs`` is the response time, or mass over friction.
    ``barostat`` names the axes that follow the pressure: ``z``, ``xy-z`` (x and y coupled, z free), ``x-y-z`` (all
    independent) or ``iso``. With ``mobile: electrolyte`` the ceramic is held in place. ``velocities`` draws
    velocities at that temperature (K) at the start of the stage. ``trajectory_ps`` is the interval of the
    unwrapped trajectory of all atoms. ``ions_ps`` is that of a second one, of the framework and the ions alone,
    which can be written more often. ``scale_z`` changes the length of the box along z at a constant rate, by this
    factor over the stage, and moves the electrolyte with it. ``bias`` holds one ion by a spring in an ``nvt``
    stage.
    """

    name: StageName
    kind: Literal["minimize", "pushoff", "nvt", "npt", "shots"]
    duration_ps: Duration | None = None
    timestep_fs: Timestep = 2.0
    temperature: TemperatureRamp | None = None
    pressure: PressureRamp | None = None
    barostat: Barostat | None = None
    mobile: Literal["all", "electrolyte"] = "all"
    scale_z: Annotated[Number, Field(ge=0.5, le=2)] | None = None
    velocities: Temperature | None = None
    thermostat: Thermostat = "nose-hoover"
    thermostat_fs: Period = 100.0
    barostat_fs: Period = 1000.0
    thermo_ps: Interval = 1.0
    trajectory_ps: Interval | None = None
    ions_ps: Interval | None = None
    max_iterations: Whole = Field(default=500, gt=0, le=100_000_000)
    bias: Bias | None = None
    shots: Shots | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Stage:
        for rule, message in (
            (
                (self.kind in ("minimize", "shots")) == (self.duration_ps is None),
                f"stage '{self.name}': every stage but minimize and shots needs duration_ps; minimize has "
                "max_iterations, shots has shots.number",
            ),
            (
                (self.kind == "shots") == (self.shots is not None),
                f"stage '{self.name}': shots belongs to a stage of kind shots, which needs it",
            ),
            (
                self.bias is None or (self.kind == "nvt" and self.scale_z is None),
                f"stage '{self.name}': bias belongs to an nvt stage without scale_z",
            ),
            (
                self.kind == "minimize" or self.temperature is not None,
                f"stage '{self.name}': a {self.kind} stage needs temperature",
            ),
            (
                (self.kind == "npt") == (self.pressure is not None),
                f"stage '{self.name}': pressure belongs to an npt stage, and an npt stage needs it",
            ),
            (
                (self.kind == "npt") == (self.barostat is not None),
                f"stage '{self.name}': barostat (z, xy-z, x-y-z, iso) belongs to an npt stage, which needs it",
            ),
            (
                self.kind in ("nvt", "shots") or self.thermostat == "nose-hoover",
                f"stage '{self.name}': thermostat langevin belongs to an nvt stage, this is {self.kind}",
            ),
            (
                self.mobile == "all" or self.barostat in (None, "z"),
                f"stage '{self.name}': where the ceramic is held (mobile: electrolyte) only barostat z can be",
            ),
            (
                self.scale_z is None or self.kind == "nvt",
                f"stage '{self.name}': scale_z belongs to an nvt stage; elsewhere the box is fixed or follows p",
            ),
            (
                self.duration_ps is not None or self.trajectory_ps is None,
                f"stage '{self.name}': a {self.kind} stage has no trajectory",
            ),
            (
                self.kind != "shots" or not isinstance(self.temperature, tuple),
                f"stage '{self.name}': a shots stage has one temperature, not a ramp",
            ),
            (
                self.kind != "shots" or (self.mobile == "all" and self.velocities is None),
                f"stage '{self.name}': all atoms move in a shots stage, which draws velocities of temperature",
            ),
            (
                self.ions_ps is None or self.trajectory_ps is not None,
                f"stage '{self.name}': ions_ps is the interval of a second trajectory; give trajectory_ps as well",
            ),
        ):
            if not rule:
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _fits_the_timestep(self) -> Stage:
        step = self.timestep_fs / 1000
        if self.shots is not None and min(self.shots.most_ps, self.shots.trace_fs / 1000) < step / 2:
            raise ValueError(
                f"stage '{self.name}': shots.most_ps = {self.shots.most_ps:g} and shots.trace_fs = "
                f"{self.shots.trace_fs:g} must be at least one step of timestep_fs = {self.timestep_fs:g}"
            )
        if self.duration_ps is None:
            return self
        intervals = {"trajectory_ps": self.trajectory_ps, "ions_ps": self.ions_ps}
        written = [(name, interval) for name, interval in intervals.items() if interval is not None]
        for rule, message in (
            (
                self.duration_ps >= step / 2,
                f"duration_ps = {self.duration_ps:g} is less than one step of timestep_fs = {self.timestep_fs:g}",
            ),
            (
                self.thermo_ps >= step / 2,
                f"thermo_ps = {self.thermo_ps:g} is less than one step of timestep_fs = {self.timestep_fs:g}",
            ),
            (
                self.steps <= MOST_STEPS,
                f"duration_ps = {self.duration_ps:g} is {self.steps:.3g} steps of timestep_fs = "
                f"{self.timestep_fs:g}; LAMMPS makes at most {MOST_STEPS}, {MOST_STEPS * step:.0f} ps",
            ),
            *(
                (
                    abs(interval / step - round(interval / step)) < 1e-6 and interval >= step / 2,
                    f"{name} = {interval:g} is no whole number of steps of {self.timestep_fs:g} fs",
                )
                for name, interval in written
            ),
            *(
                (
                    interval <= self.steps * step * (1 + 1e-9),
                    f"{name} = {interval:g} is longer than duration_ps = {self.duration_ps:g}: no frame",
                )
                for name, interval in written
            ),
            *(
                (
                    period >= LEAST_PERIOD * self.timestep_fs,
                    f"{name} = {period:g} must be at least {LEAST_PERIOD} steps of {self.timestep_fs:g} fs",
                )
                for name, period in (("thermostat_fs", self.thermostat_fs), ("barostat_fs", self.barostat_fs))
            ),
        ):
            if not rule:
                msg = f"stage '{self.name}': {message}"
                raise ValueError(msg)
        return self

    @property
    def is_dynamics(self) -> bool:
        """Whether the stage samples an ensemble, so that its temperature can be judged; a push-off does not."""
        return self.kind in ("nvt", "npt")

    @property
    def steps(self) -> int:
        """Length of the stage in steps; a minimisation counts as one step, and each start of shots."""
        if self.shots is not None:
            return self.shots.number
        if self.duration_ps is None:
            return 1
        return max(1, round(self.duration_ps * 1000 / self.timestep_fs))

    def interval(self, picoseconds: float) -> int:
        """Return an interval of ``picoseconds`` in steps of the stage, at least one."""
        return max(1, round(picoseconds * 1000 / self.timestep_fs))


class RunSettings(StrictModel):
    """Settings of the LAMMPS runs of a job, which all its stages share.

    ``cutoff`` and ``skin`` are in Å. ``kspace_style`` is ``none`` for force fields without a long-range part;
    ``kspace_accuracy`` is the relative force accuracy of LAMMPS, and ``kspace_order`` the number of mesh points of
    pppm per axis over which a charge is spread. ``restart_interval`` is the number of steps between checkpoints;
    it is constant over all segments of a run, which exact continuation requires. With ``exact``, atoms are sorted
    in memory and the setup is repeated at every checkpoint and only there, so that a resumed run repeats the
    uninterrupted one bit for bit. ``accelerator`` is a package of the LAMMPS installation, with OpenMP ``threads``
    per MPI process and ``gpus`` per node; a package that sums in a varying order needs ``exact: false``.
    """

    cutoff: Number = Field(default=12.0, gt=2, le=30)
    kspace_style: Literal["pppm", "ewald", "none"] = "pppm"
    kspace_accuracy: Number = Field(default=7e-6, ge=1e-8, lt=0.1)
    kspace_order: Whole = Field(default=6, ge=3, le=7)
    skin: Number = Field(default=3.0, gt=0, le=5)
    restart_interval: Whole = Field(default=5000, gt=0, le=100_000_000)
    exact: Flag = True
    accelerator: Accelerator = "none"
    threads: Whole = Field(default=1, gt=0, le=1024)
    gpus: Whole = Field(default=0, ge=0, le=64)

    @model_validator(mode="after")
    def _consistent(self) -> RunSettings:
        error = accelerator_error(self.accelerator, self.threads, self.gpus, exact=self.exact)
        if error:
            raise ValueError(error)
        return self


class Recovery(StrictModel):
    """Recovery settings after a failed run; normal settings are restored after ``until_step``.

    ``substeps`` splits every timestep into that many shorter ones; the numbering of steps, frames and checkpoints
    does not change. ``rebuild_every_step`` builds neighbour lists at every step, regardless of the displacements.
    ``relax_steps`` first relaxes the atoms in that many steps of limited displacement, which are not counted. A
    relaxation leaves the trajectory and is therefore not allowed in a stage that writes one.
    """

    until_step: Annotated[Step, Field(gt=0)]
    substeps: Whole = Field(default=1, ge=1, le=16)
    rebuild_every_step: Flag = False
    relax_steps: Whole = Field(default=0, ge=0, le=100_000)


class Span(StrictModel):
    """A stage with its first and last step in the run."""

    stage: Stage
    start: int
    end: int


def plan_steps(stages: tuple[Stage, ...], first_step: int = 0) -> tuple[Span, ...]:
    """Return the stages in sequence from ``first_step``; steps are numbered through a whole phase."""
    spans = []
    start = first_step
    for stage in stages:
        spans.append(Span(stage=stage, start=start, end=start + stage.steps))
        start += stage.steps
    return tuple(spans)


def refuse_doubles(stages: tuple[Stage, ...]) -> None:
    """Refuse stages that share a name, their key in the records of a phase and in the script of a job.

    Raises
    ------
    ValueError
        A name is used more than once; the message lists all of them.
    """
    names = [stage.name for stage in stages]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"stages: each name must be used once; used twice: {', '.join(twice)}"
        raise ValueError(msg)


class JobPlan(StrictModel):
    """Plan of one LAMMPS job: its stages, their position in the run and the step at which it stops.

    The first stage starts at ``first_step``; ``stop_step`` ends the job inside its last stage (a segment of a
    production). A job with a ``resume_step``, the last step of the previous job, continues from the checkpoint of
    that step or, if it is lost, from an earlier one of the same stages and repeats the steps in between; it never
    restarts silently. ``seed`` initialises the random numbers of velocities and push-off. After a failed run,
    restart files of steps beyond ``latest_checkpoint`` are ignored and the recovery settings ``care`` apply.
    """

    stages: tuple[Stage, ...] = Field(min_length=1)
    first_step: Step = 0
    stop_step: Annotated[Step, Field(gt=0)] | None = None
    resume_step: Step = 0
    seed: Whole = Field(default=1, gt=0, lt=2**31)
    settings: RunSettings = RunSettings()
    latest_checkpoint: Step | None = None
    care: Recovery | None = None

    @model_validator(mode="after")
    def _consistent(self) -> JobPlan:
        refuse_doubles(self.stages)
        written = [stage.name for stage in self.stages if stage.trajectory_ps]
        if len(written) > 1:
            msg = f"stages: one job writes one trajectory, but {' and '.join(written)} have trajectory_ps"
            raise ValueError(msg)
        shots = [(stage.timestep_fs, stage.shots.trace_fs) for stage in self.stages if stage.shots is not None]
        if len(set(shots)) > 1:
            raise ValueError("stages: all stages of kind shots of one job share timestep_fs and shots.trace_fs")
        last = self.spans[-1]
        if self.stop_step is not None and not last.start < self.stop_step <= last.end:
            msg = f"stop_step: {self.stop_step} lies outside the last stage ({last.start}, {last.end}]"
            raise ValueError(msg)
        if self.latest_checkpoint is not None and self.latest_checkpoint < self.needed_step:
            msg = (
                f"latest_checkpoint: {self.latest_checkpoint} lies before the first step of the job, "
                f"{self.needed_step}"
            )
            raise ValueError(msg)
        if self.care is not None and self.care.relax_steps and written:
            msg = f"care.relax_steps: '{written[0]}' writes a trajectory, which a relaxation would interrupt"
            raise ValueError(msg)
        if self.resume_step >= self.target_step:
            msg = f"resume_step: {self.resume_step} must lie before the end of the job, step {self.target_step}"
            raise ValueError(msg)
        return self

    @property
    def spans(self) -> tuple[Span, ...]:
        """Stages with their first and last steps."""
        return plan_steps(self.stages, self.first_step)

    @property
    def needed_step(self) -> int:
        """Earliest step from which the job can continue; 0 if it may start from the system."""
        return max(self.first_step, min(self.resume_step, 1))

    @property
    def one_trajectory(self) -> bool:
        """Whether the job consists of one stage with a trajectory, which continues that of earlier jobs."""
        return len(self.stages) == 1 and self.stages[0].trajectory_ps is not None

    @property
    def writes_ions(self) -> bool:
        """True if a stage writes framework and ions into a file of their own."""
        return any(stage.ions_ps is not None for stage in self.stages)

    @property
    def has_shots(self) -> bool:
        """True if a stage makes short trajectories, whose results are a file of their own."""
        return any(stage.shots is not None for stage in self.stages)

    @property
    def target_step(self) -> int:
        """Step that proves the job complete."""
        return self.stop_step if self.stop_step is not None else self.spans[-1].end
