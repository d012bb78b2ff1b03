"""Examination of a LAMMPS code: every style and command of the protocols, MPI ranks and accelerators."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from aiida import orm
from aiida.engine import ExitCode, ToContext
from aiida.plugins import WorkflowFactory

from aiida_cse.calculations.functions.capabilities import capabilities
from aiida_cse.calculations.ports import checked_by
from aiida_cse.calculations.probe import ProbeCalculation
from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.lammps.probe.runs import ProbePlans, Run, fingerprint, shortened_plan
from aiida_cse.lammps.protocol.accelerator import Accelerator
from aiida_cse.lammps.protocol.cooling import CoolingPlan
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.lammps.protocol.schedule import job_plans
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.workchains.common.builders import job_options
from aiida_cse.workchains.common.exit_status import failure
from aiida_cse.workchains.common.options import checked_options

__all__ = ["ExamineWorkChain", "probe_plans"]

#: s; more than an examination takes, for schedulers that want a limit
_WALL_SECONDS = 600
#: s; longest time of a job on a computer without a scheduler, which would wait for a program that never ends
_LONGEST = 300
#: name of the run with two processes
PARALLEL = "parallel"
#: K; replaces temperatures that a protocol leaves open
_KELVIN = 500.0


class ExamineWorkChain(VersionedWorkChain):
    """Run a LAMMPS code on a tiny system with one process and with two, and store what it can do."""

    OUTLINE_VERSION = 1

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("code", valid_type=orm.AbstractCode, help="Code of LAMMPS.")
        spec.input(
            "plans",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            validator=checked_by(ProbePlans, "plans"),
            help="The runs: see aiida_cse.lammps.probe.runs.ProbePlans.",
        )
        spec.input("options", valid_type=dict, non_db=True, default=dict, help="Scheduler options of both jobs.")
        spec.outline(cls.run_jobs, cls.combine)
        spec.output("capabilities", valid_type=orm.Dict, help="See aiida_cse.calculations.functions.capabilities.")
        spec.exit_code(391, "ERROR_EXAMINATION", message="The job <{pk}> failed with [{status}] {reason}")

    @classmethod
    def get_builder_for(cls, code: orm.AbstractCode, options: dict[str, Any] | None = None) -> Any:
        """Return a builder that examines ``code`` for all protocols of this version.

        Parameters
        ----------
        code
            Code of LAMMPS.
        options
            Scheduler options, such as account and queue; those that set the number of processes are replaced.

        Raises
        ------
        ValueError
            An option is unknown or wrong; the message names it.
        """
        builder: Any = cls.get_builder()
        builder.code = code
        builder.plans = orm.Dict(probe_plans().model_dump(mode="json", exclude_none=True))
        given = {key: value for key, value in (options or {}).items() if key not in ("resources", "stash")}
        builder.options = job_options(code, {"max_wallclock_seconds": _WALL_SECONDS}, given)
        builder.metadata.label = f"examine {code.full_label}"
        return builder

    def run_jobs(self) -> Any:
        """Run the plans with one process, and the parallel one with two."""
        plans: dict[str, Any] = self.inputs.plans.get_dict()["runs"]
        parallel = {PARALLEL: plans.pop(PARALLEL)}
        jobs, unlimited = {}, self.inputs.code.computer.scheduler_type == "core.direct"
        limit = {"entry_point": "cse.time_limit", "kwargs": {"seconds": _LONGEST}}
        for name, number, runs in (("one", 1, plans), ("two", 2, parallel)):
            resources = {"num_machines": 1, "num_mpiprocs_per_machine": number}
            options = checked_options({**self.inputs.options, "resources": resources}, self.inputs.code)
            jobs[name] = self.submit(
                ProbeCalculation,
                code=self.inputs.code,
                plans=orm.Dict({"runs": runs}),
                monitors={"limit": orm.Dict(limit)} if unlimited else {},
                # what a program can do is asked anew
                metadata={"options": options, "call_link_label": name, "disable_cache": True},
            )
        return ToContext(**jobs)

    def combine(self) -> ExitCode | None:
        """Store the capabilities."""
        one, two = self.ctx.one, self.ctx.two
        if not one.is_finished_ok:
            return self.exit_codes.ERROR_EXAMINATION.format(**failure(one))
        checksum = fingerprint(ProbePlans.model_validate(self.inputs.plans.get_dict()))
        both = {"one": one.outputs.results} | ({"two": two.outputs.results} if "results" in two.outputs else {})
        self.out("capabilities", capabilities(examination=orm.Str(checksum), **both))
        return None


@cache
def probe_plans() -> ProbePlans:
    """Return the runs that use every style and command of all protocols.

    The stages of all protocols, shortened to a few steps, are run once for each set of commands.
    """
    plans = list(_protocol_plans())
    stages = [stage for plan in plans for stage in plan.stages]
    silent = [stage for stage in stages if stage.trajectory_ps is None]
    dynamics = [stage for stage in silent if stage.is_dynamics and stage.velocities is not None][:1]
    usual = plans[0]
    written = [stage for stage in stages if stage.trajectory_ps is not None][:1]
    runs = {
        PARALLEL: Run(uses="study", plan=shortened_plan(usual, dynamics)),
        "stages": Run(uses="study", plan=shortened_plan(usual, [*silent, *written])),
    }
    held = [stage for stage in silent if stage.mobile == "electrolyte" and stage.kind == "npt"][:1]
    care = {"until_step": 2, "substeps": 2, "rebuild_every_step": True, "relax_steps": 2}
    runs["recovery"] = Run(uses="study", plan=shortened_plan(usual, held, care=care))
    for plan in plans:
        style = plan.settings.kspace_style
        if style != usual.settings.kspace_style:
            runs.setdefault(style, Run(uses="study", plan=shortened_plan(plan, dynamics)))
    validation: Any = WorkflowFactory("cse.validate")
    landscape = _production(validation.get_protocol_inputs()["production"]["plan"])
    runs["landscape"] = Run(uses="validation", plan=shortened_plan(landscape, landscape.stages))
    for name in get_args(Accelerator):
        if name != "none":
            settings = {"accelerator": name, "exact": False, "gpus": int(name == "gpu")}
            faster = usual.model_copy(update={"settings": usual.settings.model_copy(update=settings)})
            runs[name] = Run(uses="accelerator", plan=shortened_plan(faster, dynamics))
    return ProbePlans(runs=runs)


def _protocol_plans() -> Iterator[JobPlan]:
    """Yield the plans of the jobs of all phases by all protocols; the first one has the usual settings."""
    for part in ("interface", "ceramic", "electrolyte"):
        chain: Any = WorkflowFactory(f"cse.{part}")
        usual = chain.get_default_protocol()
        for name in sorted(chain.get_available_protocols(), key=lambda protocol: protocol != usual):
            yield from _jobs(chain.get_protocol_inputs(name)["schedule"])
    production: Any = WorkflowFactory("cse.production")
    quench: Any = WorkflowFactory("cse.quench")
    for name in production.get_available_protocols():
        yield _production(production.get_protocol_inputs(name)["plan"])
    for name in quench.get_available_protocols():
        inputs = quench.get_protocol_inputs(name)
        hot = float(inputs["hot_temperature"])
        yield from _jobs(CoolingPlan.model_validate(inputs["cooling"]["plan"]).schedule(hot, hot - 50))


def _jobs(schedule: dict[str, Any]) -> Iterator[JobPlan]:
    yield from map(JobPlan.model_validate, job_plans(schedule, seed=1, temperature=_KELVIN))


def _production(plan: dict[str, Any]) -> JobPlan:
    """Return the first segment of a production."""
    segments = ProductionPlan.model_validate(plan).at(_KELVIN).segments(_KELVIN, 1)
    return JobPlan.model_validate(segments[0])
