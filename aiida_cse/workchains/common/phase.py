"""Schedules of stages run job by job, and the handling of LAMMPS runs that all WorkChains share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from aiida import orm
from aiida.engine import ExitCode, ToContext, WorkChain, append_
from aiida.orm import to_aiida_type

from aiida_cse.calculations.functions.records import collect_stages, join_changes
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.lammps.protocol.schedule import ANY_TEMPERATURE, Schedule, job_plans, schedule_error
from aiida_cse.schema import placed
from aiida_cse.workchains.base import SET_BY_CALLER, LammpsBaseWorkChain
from aiida_cse.workchains.common.exit_status import failed_job, failure, is_repeated
from aiida_cse.workchains.common.labels import LabelledOutputs
from aiida_cse.workchains.common.options import walltime_error
from aiida_cse.workchains.common.ports import validate_seed, validate_temperature

__all__ = [
    "CHANGES_HELP",
    "BuiltPhaseWorkChain",
    "PhaseWorkChain",
    "attach_changes",
    "lammps_inputs",
    "lammps_jobs",
    "validate_phase",
]

CHANGES_HELP = "Recovery steps of failed runs with cause and simulation steps; only if there were any."
#: key of a stage record, its label in reports, digits and unit
_SHOWN = (("temperature_K", "T", 0, "K"), ("density_g_cm3", "density", 3, "g/cm³"), ("lz_A", "Lz", 2, "Å"))


class PhaseWorkChain(LabelledOutputs, VersionedWorkChain):
    """Run the jobs of a schedule one after the other, from the system of a subclass.

    The outline of a subclass sets ``ctx.system``, calls :meth:`plan_jobs`, and loops
    ``while_(has_jobs)(run_job, inspect_job)``. Afterwards ``ctx.final`` is the last system.
    """

    #: barostats allowed in this phase, and whether it has a ceramic that can be held
    barostats: ClassVar[tuple[str, ...]] = ("z", "xy-z", "x-y-z", "iso")
    has_both_phases: ClassVar[bool] = True

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define the inputs, outputs and exit codes of all phases."""
        super().define(spec)
        spec.expose_inputs(LammpsBaseWorkChain, namespace="base", exclude=SET_BY_CALLER)
        spec.input(
            "schedule",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=cls.validate_schedule,
            help="Stages, stages_per_job and settings: see aiida_cse.lammps.protocol.schedule.Schedule.",
        )
        spec.input(
            "seed",
            valid_type=orm.Int,
            serializer=to_aiida_type,
            validator=validate_seed,
            help="Seed of the velocities and the push-off.",
        )
        spec.input(
            "temperature",
            valid_type=orm.Float,
            serializer=to_aiida_type,
            required=False,
            validator=validate_temperature,
            help="Temperature in K that replaces `target` in the schedule.",
        )
        spec.inputs.validator = validate_phase
        spec.output("stages", valid_type=orm.Dict, help="Records of all stages, wall_seconds, jobs and steps.")
        spec.output("changes", valid_type=orm.List, required=False, help=CHANGES_HELP)
        spec.exit_code(340, "ERROR_BUILD", message="The starting system could not be built: {reason}")
        spec.exit_code(
            341, "ERROR_STAGE", message="The run <{pk}> failed in stage {stage} with [{status}] {reason}"
        )

    @classmethod
    def validate_schedule(cls, value: orm.Dict, _: Any) -> str | None:
        """Return the error of a schedule, by itself or in this phase, or None."""
        error = schedule_error(value.get_dict())
        if error:
            return placed("schedule", str(error))
        for stage in Schedule.model_validate(value.get_dict()).resolve(ANY_TEMPERATURE):
            if stage.barostat is not None and stage.barostat not in cls.barostats:
                allowed = " or ".join(cls.barostats)
                return (
                    f"schedule: stage '{stage.name}': barostat = {stage.barostat}: changes a fixed "
                    f"cross-section; give {allowed}"
                )
            if stage.mobile == "electrolyte" and not cls.has_both_phases:
                return f"schedule: stage '{stage.name}': mobile = electrolyte: needs both phases of an interface"
        return None

    def plan_jobs(self) -> None:
        """Lay out the jobs of the schedule."""
        temperature = self.inputs.temperature.value if "temperature" in self.inputs else None
        self.ctx.plans = job_plans(
            self.inputs.schedule.get_dict(), seed=self.inputs.seed.value, temperature=temperature
        )
        self.ctx.job = 0
        self.ctx.jobs = []

    def has_jobs(self) -> bool:
        """Return whether jobs of the schedule are left."""
        return bool(self.ctx.job < len(self.ctx.plans))

    def run_job(self) -> dict[str, Any] | ExitCode:
        """Run the next job from the checkpoint of the previous one."""
        plan = self.ctx.plans[self.ctx.job]
        parent = self.ctx.jobs[-1].outputs.remote_folder if self.ctx.jobs else None
        last = self.ctx.job == len(self.ctx.plans) - 1
        inputs = lammps_inputs(self, self.ctx.system, plan, parent, keep_system=last)
        inputs["metadata"] = {"call_link_label": f"job_{self.ctx.job + 1:02d}"}
        run = self.submit(LammpsBaseWorkChain, **inputs)
        self.report(f"running {_stage_names(plan)} from step {plan['first_step']}: <{run.pk}>")
        return ToContext(jobs=append_(run))

    def inspect_job(self) -> ExitCode | None:
        """Continue if the job reached its last step; stop with its error otherwise."""
        run = self.ctx.jobs[-1]
        if not run.is_finished_ok:
            attach_changes(self, self.ctx.jobs, "job")
            stage = _stage_names(self.ctx.plans[self.ctx.job])
            return self.exit_codes.ERROR_STAGE.format(stage=stage, **failure(run))
        self.ctx.job += 1
        self.ctx.final = run.outputs.system if "system" in run.outputs else None
        return None

    def attach_stages(self) -> None:
        """Attach the records of all stages."""
        results = {
            f"job_{number:04d}": job.outputs.results for number, job in enumerate(lammps_jobs(self.ctx.jobs), 1)
        }
        records = collect_stages(**results)
        last = records["stages"][-1]
        state = [f"{label} {last[key]:.{digits}f} {unit}" for key, label, digits, unit in _SHOWN if last.get(key)]
        self.report(
            f"{len(records['stages'])} stages took {records['wall_seconds']:.0f} s of LAMMPS and "
            f"{records['bytes'] / 1e6:.3g} MB; {', '.join(['after ' + last['name'], *state])}"
        )
        self.out("stages", records)
        attach_changes(self, self.ctx.jobs, "job")


class BuiltPhaseWorkChain(PhaseWorkChain):
    """A phase whose system a job builds.

    An interrupted job is repeated in the loop of the jobs of the schedule, so that the outline is that of earlier
    versions: until there is a system, the next job is the builder.
    """

    @abstractmethod
    def build(self) -> dict[str, Any] | ExitCode:
        """Submit the job that builds the system, as ``ctx.built``."""

    @abstractmethod
    def accept(self, built: orm.CalcJobNode) -> None:
        """Set ``ctx.system`` from the finished job."""

    def inspect_build(self) -> ExitCode | None:
        """Accept the system; repeat a job that was interrupted, and stop with the error of another one."""
        built = self.ctx.built
        if built.is_finished_ok:
            self.accept(built)
        elif not is_repeated(self, built, "builder"):
            return self.exit_codes.ERROR_BUILD.format(reason=failed_job(built, self))
        return None

    def plan_jobs(self) -> None:
        """Lay out the jobs of the schedule, if there is a system."""
        if "system" in self.ctx:
            super().plan_jobs()

    def has_jobs(self) -> bool:
        """Return whether the builder is to be repeated, or jobs of the schedule are left."""
        return "system" not in self.ctx or super().has_jobs()

    def run_job(self) -> dict[str, Any] | ExitCode:
        """Repeat the builder, or run the next job from the checkpoint of the previous one."""
        return super().run_job() if "system" in self.ctx else self.build()

    def inspect_job(self) -> ExitCode | None:
        """Continue if the builder or the job succeeded; stop with its error otherwise."""
        if "system" in self.ctx:
            return super().inspect_job()
        error = self.inspect_build()
        self.plan_jobs()
        return error


def attach_changes(process: WorkChain, runs: list[orm.WorkChainNode], name: str) -> None:
    """Attach the changes of these runs, if any; the runs are labelled ``name`` and a number from 1."""
    changes = {
        f"{name}_{number:03d}": run.outputs.changes
        for number, run in enumerate(runs, 1)
        if "changes" in run.outputs
    }
    if changes:
        process.out("changes", join_changes(**changes))


def lammps_inputs(
    process: WorkChain,
    system: CseSystemData,
    plan: dict[str, Any],
    parent: orm.RemoteData | None,
    *,
    keep_system: bool,
) -> dict[str, Any]:
    """Return the inputs of a LAMMPS run with this plan, from the checkpoint in ``parent`` if given."""
    inputs: dict[str, Any] = process.exposed_inputs(LammpsBaseWorkChain, namespace="base")
    lammps = inputs["lammps"]
    lammps["system"] = system
    lammps["plan"] = orm.Dict(plan)
    if keep_system:
        lammps["settings"] = orm.Dict({"keep_system": True})
    if parent is not None:
        lammps["parent_folder"] = parent
    return inputs


def lammps_jobs(runs: list[orm.WorkChainNode]) -> list[orm.CalcJobNode]:
    """Return the LAMMPS jobs of the runs that have results, in order."""
    return [
        job
        for run in runs
        for job in sorted(run.called, key=lambda node: node.ctime)
        if isinstance(job, orm.CalcJobNode) and "results" in job.outputs
    ]


def _stage_names(plan: dict[str, Any]) -> str:
    names = [stage["name"] for stage in plan["stages"]]
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]} ({len(names)} stages)"


def validate_phase(value: dict[str, Any], ports: Any) -> str | None:
    """Return the error of the schedule at its temperature or against the wall time, or None."""
    if "schedule" not in value:
        return None
    given = value["temperature"].value if "temperature" in value else None
    temperature = given if "temperature" in ports else ANY_TEMPERATURE
    error = schedule_error(value["schedule"].get_dict(), temperature)
    if error:
        return placed("schedule", str(error))
    return walltime_error(value, job_plans(value["schedule"].get_dict(), seed=1, temperature=temperature))
