"""The production: NVT segments that go on from each other, reduced where they lie, and analysed."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, WorkChain, append_, while_
from aiida.orm.nodes.data.base import to_aiida_type
from pydantic import ValidationError

from aiida_cse.building.sampling import Sampling
from aiida_cse.calculations.functions.stages import collect_stages
from aiida_cse.calculations.ports import checked_by
from aiida_cse.calculations.reduce import ReduceCalculation, reduction_error
from aiida_cse.data.reduction import CseReductionData
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.production import ProductionPlan
from aiida_cse.lammps.schedule import ANY_TEMPERATURE
from aiida_cse.lammps.script import TRAJECTORY
from aiida_cse.validation import explain
from aiida_cse.workchains.analysis import AnalysisWorkChain
from aiida_cse.workchains.base import SET_BY_CALLER, LammpsBaseWorkChain
from aiida_cse.workchains.builders import Codes, base_inputs, cse_metadata, real, velocity_seed
from aiida_cse.workchains.files import Folder, lineage, results_of
from aiida_cse.workchains.options import walltime_error
from aiida_cse.workchains.phase import CHANGES_HELP, attach_changes, lammps_inputs, lammps_jobs
from aiida_cse.workchains.protocol import ProtocolMixin, split_overrides
from aiida_cse.workchains.questions import analysis_error
from aiida_cse.workchains.validators import validate_neutral, validate_seed, validate_temperature

__all__ = ["ProductionWorkChain"]

#: what of the sampling is given by the production itself
_FROM_PLAN = ("timestep_fs", "frame_ps")
_plan_error = checked_by(ProductionPlan, "plan")


class ProductionWorkChain(ProtocolMixin, WorkChain):
    """Run a production in segments, reduce its trajectory and analyse the reduction."""

    protocol_name = "production"

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.expose_inputs(LammpsBaseWorkChain, namespace="base", exclude=SET_BY_CALLER)
        spec.expose_inputs(
            ReduceCalculation,
            namespace="reduce",
            exclude=("system", "sampling", "folders", "previous", "checksums"),
        )
        spec.expose_inputs(AnalysisWorkChain, namespace="analysis", exclude=("reduction", "temperature"))
        spec.input("system", valid_type=CseSystemData, validator=validate_neutral, help="The relaxed interface.")
        spec.input(
            "temperature",
            valid_type=orm.Float,
            serializer=to_aiida_type,
            validator=validate_temperature,
            help="In K.",
        )
        spec.input(
            "seed", valid_type=orm.Int, serializer=to_aiida_type, validator=validate_seed, help="Seed of the run."
        )
        spec.input(
            "plan",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=_plan_error,
            help="Length, segments, frames, settings: see aiida_cse.lammps.production.ProductionPlan.",
        )
        spec.input(
            "sampling",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            default=lambda: orm.Dict({}),
            help="Blocks, snapshots and bins of the reduction: see aiida_cse.building.sampling.Sampling.",
        )
        spec.inputs.validator = _validate_inputs
        spec.outline(
            cls.plan_segments,
            while_(cls.has_segments)(cls.run_segment, cls.inspect_segment),
            cls.attach_segments,
            while_(cls.has_to_reduce)(cls.reduce, cls.inspect_reduction),
            cls.analyse,
            cls.inspect_analysis,
        )
        spec.output("system", valid_type=CseSystemData, help="The interface at the end of the production.")
        spec.output("stages", valid_type=orm.Dict, help="The record of the production over all segments.")
        spec.output("reduction", valid_type=CseReductionData, help="The reduced trajectory.")
        spec.output("changes", valid_type=orm.List, required=False, help=CHANGES_HELP)
        spec.output_namespace(
            "folders", valid_type=orm.RemoteData, dynamic=True, help="The folders with the trajectory, in order."
        )
        spec.expose_outputs(AnalysisWorkChain)
        spec.exit_code(343, "ERROR_SEGMENT", message="The segment <{pk}> failed with [{status}] {reason}")
        spec.exit_code(
            344,
            "ERROR_REDUCTION",
            message="The reduction <{pk}> failed with [{status}] {reason} (the trajectory lies in the output "
            "folders; where those were cleaned, only a stash, options.stash, would have kept it)",
        )
        spec.exit_code(
            346,
            "ERROR_TRAJECTORY_INCOMPLETE",
            message="The trajectory goes from step {first} to step {step}, the production from 0 to {last}.",
        )
        spec.exit_code(345, "ERROR_NO_ANALYSIS", message="The analysis <{pk}> failed with [{status}] {reason}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        codes: Codes,
        recipe: dict[str, Any] | orm.Dict,
        system: CseSystemData | None = None,
        temperature: float | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> Any:
        """Return a builder with the inputs of a protocol; arguments as for the interface.

        Raises
        ------
        ValueError
            The protocol or an override is wrong; says where.
        """
        own, parts = split_overrides(overrides, cls.get_protocol_inputs(protocol), ("analysis",), cls.__name__)
        analysis = AnalysisWorkChain.get_protocol_inputs(protocol, parts["analysis"])
        inputs = cls.get_protocol_inputs(protocol, own)
        builder = cls.get_builder()
        builder.base = base_inputs(codes, inputs["base"], options)
        builder.reduce = {"code": codes["cse"], "metadata": cse_metadata(options)}
        builder.plan = inputs["plan"]
        builder.sampling = inputs["sampling"]
        builder.seed = velocity_seed(recipe)
        builder.analysis = {"settings": orm.Dict(analysis["settings"])}
        if system is not None:
            builder.system = system
        if temperature is not None:
            builder.temperature = real("temperature", temperature)
        return builder

    def plan_segments(self) -> None:
        """Lay out the segments."""
        plan = ProductionPlan.model_validate(self.inputs.plan.get_dict())
        self.ctx.plans = plan.segments(self.inputs.temperature.value, self.inputs.seed.value)
        self.ctx.segments = []
        self.report(
            f"production of {plan.length_ps / 1000:g} ns at {self.inputs.temperature.value:g} K "
            f"in {len(self.ctx.plans)} segments"
        )

    def has_segments(self) -> bool:
        """Whether segments are left."""
        return len(self.ctx.segments) < len(self.ctx.plans)

    def run_segment(self) -> dict[str, Any]:
        """Run the next segment from the checkpoint of the one before."""
        done = len(self.ctx.segments)
        parent = self.ctx.segments[-1].outputs.remote_folder if done else None
        last = done + 1 == len(self.ctx.plans)
        inputs = lammps_inputs(self, self.inputs.system, self.ctx.plans[done], parent, keep_system=last)
        inputs["metadata"] = {"call_link_label": f"segment_{done + 1:03d}"}
        run = self.submit(LammpsBaseWorkChain, **inputs)
        stop = self.ctx.plans[done]["stop_step"]
        self.report(f"segment {done + 1} of {len(self.ctx.plans)}, to step {stop}: <{run.pk}>")
        return ToContext(segments=append_(run))

    def inspect_segment(self) -> ExitCode | None:
        """Go on if the segment reached its last step, else stop with its reason; what is done stays named."""
        run = self.ctx.segments[-1]
        if run.is_finished_ok:
            return None
        self.out("folders", self._all_folders())
        attach_changes(self, self.ctx.segments, "segment")
        return self.exit_codes.ERROR_SEGMENT.format(**_failure(run))

    def attach_segments(self) -> None:
        """Attach the final system, the record of the stage and the folders with the trajectory."""
        last = self.ctx.segments[-1].outputs
        self.ctx.jobs = lineage(last.remote_folder)
        self.ctx.stashed = False
        self.ctx.reduction = None
        self.out("system", last.system)
        self.out("folders", _numbered([job.outputs.remote_folder for job in self.ctx.jobs]))
        results = {
            f"job_{number:04d}": job.outputs.results
            for number, job in enumerate(lammps_jobs(self.ctx.segments), 1)
        }
        records = collect_stages(**results)
        self.out("stages", records)
        self.report(f"{records['jobs']} jobs left {records['bytes'] / 1e9:.3g} GB in their folders")
        attach_changes(self, self.ctx.segments, "segment")

    def has_to_reduce(self) -> bool:
        """Whether there is no whole reduction yet."""
        return "reduction" not in self.outputs

    def reduce(self) -> dict[str, Any]:
        """Reduce the trajectory where it lies."""
        plan = self.inputs.plan.get_dict()
        inputs = self.exposed_inputs(ReduceCalculation, namespace="reduce")
        inputs |= {
            "system": self.inputs.system,
            "sampling": orm.Dict(sampling_of(plan, self.inputs.sampling.get_dict())),
            "folders": self._sources(),
            "checksums": orm.Dict(checksums_of([results_of(job) for job in self.ctx.jobs])),
        }
        job = self.submit(ReduceCalculation, **inputs)
        self.report(f"reducing {len(inputs['folders'])} pieces of trajectory: <{job.pk}>")
        return ToContext(reduction=job)

    def inspect_reduction(self) -> ExitCode | None:
        """Take over the reduction; try again with the stashes, if there are any, or stop with its reason."""
        failure = self._reduction_failure()
        if failure is None:
            self.out("reduction", self.ctx.reduction.outputs.reduction)
            return None
        if not self.ctx.stashed and any("remote_stash" in job.outputs for job in self.ctx.jobs):
            self.ctx.stashed = True
            self.report(f"{failure.message}: reducing what was stashed")
            return None
        return failure

    def _reduction_failure(self) -> ExitCode | None:
        if not self.ctx.reduction.is_finished_ok:
            return self.exit_codes.ERROR_REDUCTION.format(**_failure(self.ctx.reduction))
        plan = ProductionPlan.model_validate(self.inputs.plan.get_dict())
        attributes = self.ctx.reduction.outputs.reduction.base.attributes
        first, reached = attributes.get("first_step"), attributes.get("last_step")
        if (first, reached) != (0, plan.last_frame_step):
            return self.exit_codes.ERROR_TRAJECTORY_INCOMPLETE.format(
                first=first, step=reached, last=plan.last_frame_step
            )
        return None

    def analyse(self) -> dict[str, Any]:
        """Analyse the reduction."""
        inputs = self.exposed_inputs(AnalysisWorkChain, namespace="analysis")
        inputs |= {
            "reduction": self.ctx.reduction.outputs.reduction,
            "temperature": self.inputs.temperature,
        }
        return ToContext(analysis=self.submit(AnalysisWorkChain, **inputs))

    def inspect_analysis(self) -> ExitCode | None:
        """Attach the results, or stop with the reason."""
        run = self.ctx.analysis
        if not run.is_finished_ok:
            return self.exit_codes.ERROR_NO_ANALYSIS.format(**_failure(run))
        self.out_many(self.exposed_outputs(run, AnalysisWorkChain))
        return None

    def _sources(self) -> dict[str, Folder]:
        """Return where to read the trajectory: the folders of the jobs, or their stashes."""
        name = "remote_stash" if self.ctx.stashed else "remote_folder"
        return _numbered([job.outputs[name if name in job.outputs else "remote_folder"] for job in self.ctx.jobs])

    def _all_folders(self) -> dict[str, Folder]:
        """Return the folders of all jobs, also of those whose steps were run again."""
        return _numbered(
            [
                folder
                for run in self.ctx.segments
                if "folders" in run.outputs
                for _, folder in sorted(dict(run.outputs.folders).items())
            ]
        )


def _numbered(pieces: list[Any]) -> dict[str, Any]:
    return {f"segment_{number:04d}": piece for number, piece in enumerate(pieces, 1)}


def checksums_of(results: list[dict[str, Any]]) -> dict[str, str]:
    """Return the SHA-256 of the trajectories of jobs with these results, as far as they are known.

    What a job that was killed could not write down, the job after it did.
    """
    found_later = [later.get("files_before", {}) for later in [*results[1:], {}]]
    files = [one.get("files") or later for one, later in zip(results, found_later, strict=True)]
    return {name: one[TRAJECTORY]["sha256"] for name, one in _numbered(files).items() if TRAJECTORY in one}


def sampling_of(plan: dict[str, Any], sampling: dict[str, Any]) -> dict[str, Any]:
    """Return the whole sampling: blocks and snapshots as asked, timestep and frames as the production has them."""
    production = ProductionPlan.model_validate(plan)
    return {key: getattr(production, key) for key in _FROM_PLAN} | sampling


def _failure(process: orm.ProcessNode) -> dict[str, Any]:
    return {
        "pk": process.pk,
        "status": process.exit_status,
        "reason": process.exit_message or str(process.process_state),
    }


def _validate_inputs(value: dict[str, Any], _: Any) -> str | None:
    """Refuse a sampling that does not fit the frames, before anything runs."""
    if "plan" not in value or "sampling" not in value or _plan_error(value["plan"], None):
        return None
    given = value["sampling"].get_dict()
    fixed = sorted(set(given) & set(_FROM_PLAN))
    if fixed:
        return f"sampling: {', '.join(fixed)} follow from the plan of the production, do not give them"
    try:
        sampling = Sampling.model_validate(sampling_of(value["plan"].get_dict(), given))
    except ValidationError as error:
        return f"sampling: {explain(error)}"
    for name in ("block_ps", "snapshot_ps"):
        length = getattr(sampling, name)
        if abs(length / sampling.frame_ps - round(length / sampling.frame_ps)) > 1e-9:
            return f"sampling: {name} = {length:g} must be a multiple of frame_ps = {sampling.frame_ps:g}"
    return (
        _length_error(value, sampling)
        or _walltime_error(value)
        or _computer_error(value)
        or (reduction_error(value["system"], sampling.model_dump()) if "system" in value else None)
        or _analysis_error(value, sampling)
    )


def _length_error(value: dict[str, Any], sampling: Sampling) -> str | None:
    """Refuse a production that is shorter than a block or the time between snapshots."""
    length = value["plan"]["length_ps"]
    for name in ("block_ps", "snapshot_ps"):
        if getattr(sampling, name) > length:
            period = getattr(sampling, name)
            return f"sampling: {name} = {period:g} is longer than the production, plan.length_ps = {length:g}"
    return None


def _analysis_error(value: dict[str, Any], sampling: Sampling) -> str | None:
    settings = value.get("analysis", {}).get("settings")
    return analysis_error(settings, sampling, value["plan"]["length_ps"], value.get("system"))


def _walltime_error(value: dict[str, Any]) -> str | None:
    """Refuse a wall time that ends before the first checkpoint."""
    plan = ProductionPlan.model_validate(value["plan"].get_dict())
    return walltime_error(value, plan.segments(ANY_TEMPERATURE, seed=1)[:1])


def _computer_error(value: dict[str, Any]) -> str | None:
    """Refuse a code that cannot reach the trajectory: it is reduced where LAMMPS wrote it."""
    lammps, cse = value["base"]["lammps"].get("code"), value["reduce"].get("code")
    if lammps is None or cse is None or lammps.computer.uuid == cse.computer.uuid:
        return None
    return (
        f"reduce.code {cse.full_label} is on another computer than base.lammps.code {lammps.full_label}: "
        f"a trajectory is reduced where it lies, set up aiida-cse on {lammps.computer.label}"
    )
