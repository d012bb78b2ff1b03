"""The LAMMPS scripts of all protocols, as the code of now writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiida.plugins import WorkflowFactory

from aiida_cse.lammps.job.script import render_script
from aiida_cse.lammps.protocol.cooling import CoolingPlan
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.lammps.protocol.schedule import job_plans
from aiida_cse.lammps.protocol.stage import JobPlan

PROTOCOLS = ("paper", "moderate", "fast", "demo")
SEED = 7
COLD = 350.0
#: atom types that productions write apart
ION_TYPES = (1, 2, 3)
#: what the run settings may be beside those of the protocols
SETTINGS: dict[str, dict[str, Any]] = {
    "omp": {"accelerator": "omp"},
    "opt": {"accelerator": "opt"},
    "intel": {"accelerator": "intel", "threads": 2, "exact": False},
    "gpu": {"accelerator": "gpu", "gpus": 1, "exact": False},
    "kokkos": {"accelerator": "kokkos", "gpus": 1, "exact": False},
    "inexact": {"exact": False},
    "no k-space": {"kspace_style": "none"},
}


def protocol_scripts(protocol: str) -> Iterator[tuple[str, str]]:
    """Yield name and script of every job of a study and of a quench by this protocol.

    Of a production and of what can differ by temperature only: the first two segments and the last one, at the
    first and the last temperature.
    """
    temperatures = chain("study").get_protocol_inputs(protocol)["temperatures"]
    for part in ("ceramic", "electrolyte"):
        inputs = chain(part).get_protocol_inputs(protocol)
        yield from phase(part, inputs["schedule"], inputs["temperature"])
    interface = chain("interface").get_protocol_inputs(protocol)["schedule"]
    production = chain("production").get_protocol_inputs(protocol)["plan"]
    for temperature in sorted({temperatures[0], temperatures[-1]}):
        yield from phase(f"interface {temperature:g} K", interface, temperature)
        yield from segments(f"production {temperature:g} K", production, temperature)
    yield from phase("interface, packed", interface | {"stages_per_job": 100}, temperatures[0])
    quench = chain("quench").get_protocol_inputs(protocol)
    plan = CoolingPlan.model_validate(quench["cooling"]["plan"])
    yield from phase("cooling", plan.schedule(quench["hot_temperature"], COLD), None)


def settings_scripts() -> Iterator[tuple[str, str]]:
    """Yield name and script of a heated stage under run settings of all kinds, and with care after a breakdown."""
    schedule = chain("interface").get_protocol_inputs("demo")["schedule"]
    stage = schedule["stages"][-1] | {"temperature": 500, "velocities": 500}
    for name, settings in SETTINGS.items():
        plan = {"stages": [stage], "settings": schedule["settings"] | settings, "seed": SEED}
        yield name, render_script(JobPlan.model_validate(plan))
    care = {"substeps": 4, "relax_steps": 100, "rebuild_every_step": True, "until_step": 500}
    plan = {"stages": [stage], "settings": schedule["settings"], "seed": SEED, "care": care, "resume_step": 300}
    yield "care", render_script(JobPlan.model_validate(plan))


def chain(name: str) -> Any:
    """Return a WorkChain by the last part of its entry point."""
    return WorkflowFactory(f"cse.{name}")


def phase(part: str, schedule: dict[str, Any], temperature: float | None) -> Iterator[tuple[str, str]]:
    """Yield the scripts of a phase, by part and first stage."""
    for number, plan in enumerate(job_plans(schedule, seed=SEED, temperature=temperature), 1):
        job = JobPlan.model_validate(plan)
        yield f"{part} / job {number}: {job.stages[0].name}", render_script(job)


def segments(part: str, plan: dict[str, Any], temperature: float) -> Iterator[tuple[str, str]]:
    """Yield the scripts of the first two segments of a production and of its last one."""
    found = ProductionPlan.model_validate(plan).at(temperature).segments(temperature, SEED)
    for number in sorted({1, min(2, len(found)), len(found)}):
        yield f"{part} / segment {number}", render_script(JobPlan.model_validate(found[number - 1]), ION_TYPES)
