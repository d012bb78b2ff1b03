"""Forecast of a process from its builder: the jobs of its parts, what they need and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiida import orm

from aiida_cse.lammps.protocol.cooling import CoolingPlan
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.lammps.protocol.schedule import job_plans
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.landscape.model import draw_landscape
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.workchains.common.starts import FILLED, planned_runs, run_label
from aiida_cse.workchains.restart.lineage import step_of
from aiida_cse.workchains.study import is_complete

__all__ = ["Forecast", "Part", "forecast"]


@dataclass(frozen=True)
class Part:
    """LAMMPS jobs of a process that run one after the other.

    Attributes
    ----------
    name
        The part of the process: ``ceramic``, ``interface T0700_r1``.
    jobs
        The plans of its jobs.
    base
        Code and options of the jobs.
    at_most
        The part may end earlier, because a rule decides when it stops.
    """

    name: str
    jobs: tuple[JobPlan, ...]
    base: Mapping[str, Any]
    at_most: bool = False

    @property
    def steps(self) -> int:
        """Number of steps of all its jobs; a minimisation counts as one."""
        return sum(job.target_step - max(job.first_step, job.resume_step) for job in self.jobs)

    @property
    def picoseconds(self) -> float:
        """Simulated time of all its jobs."""
        total = 0.0
        for job in self.jobs:
            start = max(job.first_step, job.resume_step)
            for span in job.spans:
                steps = min(span.end, job.target_step) - max(span.start, start)
                if span.stage.is_dynamics and steps > 0:
                    total += steps * span.stage.timestep_fs / 1000
        return total


@dataclass(frozen=True)
class Forecast:
    """What a process will do, need and cost.

    Attributes
    ----------
    label
        The process.
    phases
        Its parts in order of time; the parts of a phase run at the same time.
    refusals, warnings
        Reasons why it cannot give what it is started for, and what may be wrong.
    """

    label: str
    phases: tuple[tuple[Part, ...], ...]
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def needs_consent(self) -> bool:
        """Whether the process should be started only after a question."""
        return bool(self.warnings)


def forecast(builder: Any) -> Forecast:
    """Return the forecast of a process from its valid builder."""
    name = builder.process_class.__name__
    phases = _PHASES[name](builder) if name in _PHASES else ()
    return Forecast(name.removesuffix("WorkChain"), tuple(tuple(phase) for phase in phases if phase))


def _schedule(name: str, inputs: Any, temperature: float | None = None) -> Part:
    """Return the part of a phase from its inputs."""
    if temperature is None and "temperature" in inputs:
        temperature = inputs.temperature.value
    plans = job_plans(inputs.schedule.get_dict(), seed=1, temperature=temperature)
    return Part(name, tuple(JobPlan.model_validate(plan) for plan in plans), inputs.base)


def _production(name: str, inputs: Any, temperature: float, previous: orm.RemoteData | None = None) -> Part:
    """Return the part of a production from its inputs, after the job with the folder ``previous``."""
    plan = ProductionPlan.model_validate(inputs.plan.get_dict()).at(temperature)
    start = 0 if previous is None else step_of(previous) or 0
    jobs = tuple(JobPlan.model_validate(segment) for segment in plan.segments(temperature, 1, start))
    return Part(name, jobs, inputs.base, at_most=plan.stop.rule != "fixed")


def _of_study(builder: Any) -> list[list[Part]]:
    done = builder.get("done", {})
    phases = [[_schedule(name, builder[name])] for name in ("ceramic", "electrolyte") if name not in done]
    plan, settings = builder.production.plan.get_dict(), builder.production.analysis.settings.get_dict()
    interfaces, productions = [], []
    for label, temperature, _ in planned_runs(builder):
        run = done.get("runs", {}).get(label, {})
        if "interface" not in run:
            interfaces.append(_schedule(f"interface {label}", builder.interface, temperature))
        if not is_complete(run, plan, temperature, settings):
            folder = run.get("folder")
            productions.append(_production(f"production {label}", builder.production, temperature, folder))
    return [*phases, interfaces, productions]


def _of_production(builder: Any) -> list[list[Part]]:
    folder = builder.get("previous", {}).get("folder")
    return [[_production("production", builder, builder.temperature.value, folder)]]


def _of_quench(builder: Any) -> list[list[Part]]:
    hot, cold = builder.hot_temperature.value, builder.temperature.value
    schedule = CoolingPlan.model_validate(builder.cooling.plan.get_dict()).schedule(hot, cold)
    cooling = tuple(JobPlan.model_validate(plan) for plan in job_plans(schedule, seed=1))
    return [
        [_production("hot", builder.hot, hot)],
        [Part("cooling", cooling, builder.cooling.base)],
        [_production("cold", builder.cold, cold)],
    ]


def _of_validation(builder: Any) -> list[list[Part]]:
    asked = ValidationSettings.model_validate(builder.settings.get_dict())
    temperatures = asked.temperatures(draw_landscape(builder.seed.value, asked.world))
    runs = [(run_label(temperature, 1), temperature) for temperature in temperatures]
    if asked.second_start is not None:
        runs.insert(1, (run_label(temperatures[0], 1, FILLED), temperatures[0]))
    return [[_production(f"production {label}", builder.production, kelvin) for label, kelvin in runs]]


_PHASES: dict[str, Callable[[Any], list[list[Part]]]] = {
    "StudyWorkChain": _of_study,
    "ProductionWorkChain": _of_production,
    "QuenchWorkChain": _of_quench,
    "ValidationWorkChain": _of_validation,
}
