"""The production: NVT segments that go on from each other, reduced where they lie, and analysed at every look."""

from __future__ import annotations

import math
from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, append_, while_
from aiida.orm import to_aiida_type
from pydantic import ValidationError

from aiida_cse.analysis.resolution import unanswerable, unresolved
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.building.reduction import reduction_config
from aiida_cse.calculations.functions.records import collect_looks, collect_stages
from aiida_cse.calculations.ports import checked_by
from aiida_cse.calculations.reduce import ReduceCalculation, reduction_error
from aiida_cse.data.reduction import CseReductionData
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.lammps.protocol.production import ProductionPlan, plan_as_asked
from aiida_cse.lammps.protocol.schedule import ANY_TEMPERATURE
from aiida_cse.lammps.protocol.stage import RunSettings
from aiida_cse.physics.exchange.stopping import Decision, verdicts_under
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.schema import explain
from aiida_cse.workchains.analysis import AnalysisWorkChain
from aiida_cse.workchains.base import SET_BY_CALLER, LammpsBaseWorkChain
from aiida_cse.workchains.common.builders import Codes, base_inputs, cse_metadata, real, velocity_seed
from aiida_cse.workchains.common.exit_status import failure
from aiida_cse.workchains.common.options import walltime_error
from aiida_cse.workchains.common.phase import CHANGES_HELP, attach_changes, lammps_inputs, lammps_jobs
from aiida_cse.workchains.common.ports import validate_neutral, validate_seed, validate_temperature
from aiida_cse.workchains.common.protocol import ProtocolMixin, split_overrides
from aiida_cse.workchains.restart.lineage import (
    Folder,
    checksums_of,
    lineage,
    numbered,
    results_of,
    source_of,
    step_of,
    unreduced,
)

__all__ = ["ProductionWorkChain", "sampling_of"]

#: what of the sampling is given by the production itself
_FROM_PLAN = ("timestep_fs", "frame_ps")
#: what of a segment's stage may differ from that of a production that goes on from it
_OF_SEGMENT = ("duration_ps", "velocities")

plan_error = checked_by(ProductionPlan, "plan")


class ProductionWorkChain(ProtocolMixin, VersionedWorkChain):
    """Run a production in segments; at each look reduce what is new, analyse all, and decide whether to go on."""

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
            validator=plan_error,
            help=(
                "Length, segments, frames, looks, settings: "
                "see aiida_cse.lammps.protocol.production.ProductionPlan."
            ),
        )
        spec.input(
            "sampling",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            default=lambda: orm.Dict({}),
            help="Blocks, snapshots and bins of the reduction: see aiida_cse.reduction.sampling.Sampling.",
        )
        spec.input_namespace(
            "previous",
            required=False,
            help="What this production continues, of the same system, temperature and plan but for its length.",
        )
        spec.input(
            "previous.folder",
            valid_type=orm.RemoteData,
            required=False,
            help="The folder of its last job; the run goes on from the checkpoint there.",
        )
        spec.input(
            "previous.reduction",
            valid_type=CseReductionData,
            required=False,
            help="Its reduction, to be extended; without it the trajectory is read from its beginning.",
        )
        spec.input(
            "previous.looks",
            valid_type=orm.List,
            required=False,
            help="What was seen of it so far.",
        )
        spec.inputs.validator = validate_production
        spec.outline(
            cls.plan_segments,
            while_(cls.goes_on)(
                while_(cls.has_segments)(cls.run_segment, cls.inspect_segment),
                cls.gather_jobs,
                while_(cls.has_to_reduce)(cls.reduce, cls.inspect_reduction),
                cls.analyse,
                cls.inspect_analysis,
            ),
            cls.finish,
        )
        spec.output("system", valid_type=CseSystemData, help="The interface at the end of the production.")
        spec.output("stages", valid_type=orm.Dict, help="The record of the production over all segments.")
        spec.output("reduction", valid_type=CseReductionData, help="The reduced trajectory.")
        spec.output("looks", valid_type=orm.List, help="What each look saw: time, EC, entries, exits, verdict.")
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
        spec.exit_code(
            500,
            "ERROR_NOT_EQUILIBRATED",
            message="Not equilibrated within {time:g} ns: EC {ec:.2f} (at least {bound:.2f}); {rate}. All results "
            "are there, and a longer production can go on from this one.",
        )

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
        builder.plan = plan_as_asked(inputs["plan"], own.get("plan"))
        builder.sampling = inputs["sampling"]
        builder.seed = velocity_seed(recipe)
        builder.analysis = {"settings": orm.Dict(analysis["settings"])}
        if system is not None:
            builder.system = system
        if temperature is not None:
            builder.temperature = real("temperature", temperature)
        return builder

    # -- segments --------------------------------------------------------------------------------------

    def plan_segments(self) -> None:
        """Lay out the segments and the looks, from the beginning or from where an earlier production ended."""
        plan = self._plan()
        previous = self.inputs.get("previous", {})
        folder = previous.get("folder")
        start = 0 if folder is None else step_of(folder) or 0
        self.ctx.step = start
        self.ctx.plans = plan.segments(self.inputs.temperature.value, self.inputs.seed.value, start)
        self.ctx.looks = plan.looks(start)
        self.ctx.verdicts = self._earlier_verdicts()
        self.ctx.earlier_looks = len(self.ctx.verdicts)
        self.ctx.segments, self.ctx.analyses = [], []
        self.ctx.folder = folder
        self.ctx.reduction = previous.get("reduction")
        self.ctx.reduced = [] if self.ctx.reduction is None else [job.uuid for job in lineage(folder)]
        self.ctx.decision = Decision.CONTINUE.value
        words = "" if folder is None else f", from {plan.nanoseconds(start):g} ns on"
        most = "" if plan.stop.rule == "fixed" else "at most "
        self.report(
            f"production of {most}{plan.length_ps / 1000:g} ns at {self.inputs.temperature.value:g} K"
            f"{words}, in {len(self.ctx.plans)} segments"
        )

    def goes_on(self) -> bool:
        """Whether there is anything more to run or to look at."""
        return bool(self.ctx.decision == Decision.CONTINUE.value)

    def has_segments(self) -> bool:
        """Whether segments are left before the next look."""
        return bool(self.ctx.step < self._next_look())

    def run_segment(self) -> dict[str, Any]:
        """Run the next segment from the checkpoint of the one before."""
        segment = self.ctx.plans[len(self.ctx.segments)]
        stop = segment["stop_step"]
        inputs = lammps_inputs(
            self, self.inputs.system, segment, self.ctx.folder, keep_system=stop in self.ctx.looks
        )
        plan = self._plan()
        number, most = -(-stop // plan.segment_steps), -(-plan.total_steps // plan.segment_steps)
        inputs["metadata"] = {"call_link_label": f"segment_{number:03d}"}
        run = self.submit(LammpsBaseWorkChain, **inputs)
        self.report(f"segment {number} of {most}, to step {stop}: <{run.pk}>")
        return ToContext(segments=append_(run))

    def inspect_segment(self) -> ExitCode | None:
        """Go on if the segment reached its last step, else stop with its reason; what is done stays named."""
        run = self.ctx.segments[-1]
        if run.is_finished_ok:
            self.ctx.folder = run.outputs.remote_folder
            self.ctx.step = self.ctx.plans[len(self.ctx.segments) - 1]["stop_step"]
            return None
        self.out("folders", self._all_folders())
        self._attach_what_was_seen()
        return self.exit_codes.ERROR_SEGMENT.format(**failure(run))

    # -- looks -----------------------------------------------------------------------------------------

    def gather_jobs(self) -> None:
        """Find the jobs whose steps make up the run so far."""
        self.ctx.jobs = lineage(self.ctx.folder)
        self.ctx.stashed = False

    def has_to_reduce(self) -> bool:
        """Whether there is no reduction yet of all that was run."""
        found = self.ctx.reduction
        last: int = self._plan().last_frame(self.ctx.step)
        return found is None or found.base.attributes.get("last_step") != last

    def reduce(self) -> dict[str, Any]:
        """Reduce what is new of the trajectory where it lies."""
        plan = self.inputs.plan.get_dict()
        new = self._new_jobs()
        inputs = self.exposed_inputs(ReduceCalculation, namespace="reduce")
        inputs |= {
            "system": self.inputs.system,
            "sampling": orm.Dict(sampling_of(plan, self.inputs.sampling.get_dict())),
            "folders": {label: source_of(job, stashed=self.ctx.stashed) for label, job in new.items()},
            "checksums": orm.Dict(checksums_of({label: results_of(job) for label, job in new.items()})),
        }
        if len(new) < len(self.ctx.jobs):
            inputs["previous"] = self.ctx.reduction
        job = self.submit(ReduceCalculation, **inputs)
        self.report(f"reducing {len(new)} pieces of trajectory: <{job.pk}>")
        return ToContext(reduce_job=job)

    def inspect_reduction(self) -> ExitCode | None:
        """Take over the reduction; try again with the stashes, if there are any, or stop with its reason."""
        error = self._reduction_error()
        if error is None:
            self.ctx.reduction = self.ctx.reduce_job.outputs.reduction
            self.ctx.reduced = [job.uuid for job in self.ctx.jobs]
            return None
        if not self.ctx.stashed and any("remote_stash" in job.outputs for job in self._new_jobs().values()):
            self.ctx.stashed = True
            self.report(f"{error.message}: reducing what was stashed")
            return None
        self._attach_run()
        return error

    def _reduction_error(self) -> ExitCode | None:
        if not self.ctx.reduce_job.is_finished_ok:
            return self.exit_codes.ERROR_REDUCTION.format(**failure(self.ctx.reduce_job))
        last = self._plan().last_frame(self.ctx.step)
        attributes = self.ctx.reduce_job.outputs.reduction.base.attributes
        first, reached = attributes.get("first_step"), attributes.get("last_step")
        if (first, reached) != (0, last):
            return self.exit_codes.ERROR_TRAJECTORY_INCOMPLETE.format(first=first, step=reached, last=last)
        return None

    def analyse(self) -> dict[str, Any] | ExitCode:
        """Analyse the reduction, if it can answer what is asked of it."""
        inputs = self.exposed_inputs(AnalysisWorkChain, namespace="analysis")
        inputs |= {
            "reduction": self.ctx.reduction,
            "temperature": self.inputs.temperature,
            "metadata": {"call_link_label": f"look_{len(self.ctx.verdicts) + 1:03d}"},
        }
        try:
            run = self.submit(AnalysisWorkChain, **inputs)
        except ValueError as error:
            self._attach_run()
            return self.exit_codes.ERROR_NO_ANALYSIS.format(
                pk=self.ctx.reduction.pk, status="refused", reason=error
            )
        return ToContext(analyses=append_(run))

    def inspect_analysis(self) -> ExitCode | None:
        """Decide from the verdicts so far whether to go on; an analysis that failed is a reason to go on."""
        run = self.ctx.analyses[-1]
        if not run.is_finished_ok and self._next_look() == self.ctx.looks[-1]:
            self._attach_run()
            return self.exit_codes.ERROR_NO_ANALYSIS.format(**failure(run))
        self._say_look(run)
        self.ctx.verdicts.append(run.is_finished_ok and bool(run.outputs.equilibration["equilibrated"]))
        planned = self.ctx.earlier_looks + len(self.ctx.looks)
        self.ctx.decision = self._plan().stop.decide(self.ctx.verdicts, planned).value
        return None

    def _say_look(self, run: orm.WorkChainNode) -> None:
        place = f"look {len(self.ctx.verdicts) + 1} at {self._plan().nanoseconds(self.ctx.step):g} ns"
        if not run.is_finished_ok:
            self.report(f"{place}: no verdict, the analysis <{run.pk}> failed: {run.exit_message}")
            return
        found = run.outputs.equilibration
        verdict = "equilibrated"
        if not found["equilibrated"]:
            verdict = f"not equilibrated: {'; '.join(found['reasons'])}"
        self.report(f"{place}: EC {found['ec']:.2f} (≥ {found['ec_lower_bound']:.2f}), {verdict}")

    # -- the end ---------------------------------------------------------------------------------------

    def finish(self) -> ExitCode | None:
        """Attach the results; say so if the budget was spent before it had equilibrated."""
        self._attach_run()
        run = self.ctx.analyses[-1]
        self.out_many(self.exposed_outputs(run, AnalysisWorkChain))
        plan = self._plan()
        if plan.stop.rule == "fixed" or self.ctx.decision == Decision.EQUILIBRATED.value:
            return None
        found = run.outputs.equilibration
        return self.exit_codes.ERROR_NOT_EQUILIBRATED.format(
            time=plan.nanoseconds(self.ctx.step),
            ec=found["ec"],
            bound=found["ec_lower_bound"],
            rate=_rate_words(found, plan.stop.confirmations),
        )

    def _attach_run(self) -> None:
        """Attach the system, the record of the stage, the folders with the trajectory, and what was seen of it."""
        jobs = self.ctx.jobs
        if "system" in jobs[-1].outputs:
            self.out("system", jobs[-1].outputs.system)
        self.out("folders", numbered([job.outputs.remote_folder for job in jobs]))
        own = lammps_jobs(self.ctx.segments)
        before = [job for job in jobs if job.pk not in {done.pk for done in own}]
        results = [job.outputs.results for job in [*before, *own] if "results" in job.outputs]
        records = collect_stages(**{f"job_{number:04d}": result for number, result in enumerate(results, 1)})
        self.out("stages", records)
        self.report(f"{records['jobs']} jobs left {records['bytes'] / 1e9:.3g} GB in their folders")
        self._attach_what_was_seen()

    def _attach_what_was_seen(self) -> None:
        """Attach the changes, the reduction and the looks, as far as there are any."""
        attach_changes(self, self.ctx.segments, "segment")
        if self.ctx.reduction is not None:
            self.out("reduction", self.ctx.reduction)
        looks: dict[str, Any] = {
            f"look_{number:03d}": {name: run.outputs[name] for name in ("equilibration", "transitions")}
            for number, run in enumerate(self.ctx.analyses, 1)
            if run.is_finished_ok
        }
        if "looks" in self.inputs.get("previous", {}):
            looks["before"] = self.inputs.previous.looks
        if looks:
            self.out("looks", collect_looks(**looks))

    # -- helpers ---------------------------------------------------------------------------------------

    def _plan(self) -> ProductionPlan:
        return ProductionPlan.model_validate(self.inputs.plan.get_dict()).at(self.inputs.temperature.value)

    def _next_look(self) -> int:
        """Return the step of the look that is next, or of the last one."""
        seen = len(self.ctx.verdicts) - self.ctx.earlier_looks
        step: int = self.ctx.looks[min(seen, len(self.ctx.looks) - 1)]
        return step

    def _earlier_verdicts(self) -> list[bool]:
        """Return the verdicts on what is continued, as far as the criteria were those of now."""
        looks = self.inputs.get("previous", {}).get("looks")
        records = [] if looks is None else looks.get_list()
        settings = self.inputs.analysis.settings.get_dict()
        criteria = AnalysisSettings.model_validate(settings).model_dump(mode="json")
        return verdicts_under(criteria, records)

    def _new_jobs(self) -> dict[str, orm.CalcJobNode]:
        """Return the jobs whose trajectories the reduction lacks, by the labels of their folders."""
        found = self.ctx.reduction
        reduced_to = 0 if found is None else found.base.attributes.get("last_step")
        return unreduced(self.ctx.jobs, self.ctx.reduced, reduced_to)

    def _all_folders(self) -> dict[str, Folder]:
        """Return the folders of all jobs, also of those whose steps were run again."""
        folder = self.inputs.get("previous", {}).get("folder")
        before = [] if folder is None else [job.outputs.remote_folder for job in lineage(folder)]
        runs = [dict(run.outputs.folders) for run in self.ctx.segments if "folders" in run.outputs]
        return numbered([*before, *(found for folders in runs for _, found in sorted(folders.items()))])


def _plan_of(value: dict[str, Any]) -> ProductionPlan:
    """Return the plan at the temperature of the production, if that is known already."""
    plan = ProductionPlan.model_validate(value["plan"].get_dict())
    return plan.at(value["temperature"].value) if "temperature" in value else plan


def sampling_of(plan: dict[str, Any], sampling: dict[str, Any]) -> dict[str, Any]:
    """Return the whole sampling: blocks and snapshots as asked, timestep and frames as the production has them."""
    production = ProductionPlan.model_validate(plan)
    return {key: getattr(production, key) for key in _FROM_PLAN} | sampling


def validate_production(value: dict[str, Any], _: Any) -> str | None:
    """Refuse inputs that do not fit each other: a sampling, a wall time, a computer, what is to be continued."""
    if "plan" not in value or "sampling" not in value or plan_error(value["plan"], None):
        return None
    given = value["sampling"].get_dict()
    fixed = sorted(set(given) & set(_FROM_PLAN))
    if fixed:
        return f"sampling: {', '.join(fixed)} follow from the plan of the production, do not give them"
    try:
        sampling = Sampling.model_validate(sampling_of(value["plan"].get_dict(), given))
    except ValidationError as error:
        return explain(error, "sampling")
    for name in ("block_ps", "snapshot_ps"):
        length = getattr(sampling, name)
        if abs(length / sampling.frame_ps - round(length / sampling.frame_ps)) > 1e-9:
            return f"sampling.{name} = {length:g}: must be a multiple of frame_ps = {sampling.frame_ps:g}"
    return (
        _length_error(value, sampling)
        or _walltime_error(value)
        or _computer_error(value)
        or (reduction_error(value["system"], sampling.model_dump()) if "system" in value else None)
        or _analysis_error(value, sampling)
        or _previous_error(value, sampling)
    )


def _length_error(value: dict[str, Any], sampling: Sampling) -> str | None:
    """Refuse a production that is shorter than a block or the time between snapshots."""
    length = _plan_of(value).length_ps
    for name in ("block_ps", "snapshot_ps"):
        if getattr(sampling, name) > length:
            period = getattr(sampling, name)
            return f"sampling.{name} = {period:g}: is longer than the production, plan.length_ps = {length:g}"
    return None


def _analysis_error(value: dict[str, Any], sampling: Sampling) -> str | None:
    """Refuse what the reduction will not be able to answer, at the end or at the first look."""
    plan = _plan_of(value)
    settings, system = value.get("analysis", {}).get("settings"), value.get("system")
    error = analysis_error(settings, sampling, plan.length_ps, system)
    if error is not None:
        return error
    first = plan.nanoseconds(plan.looks()[0])
    error = analysis_error(settings, sampling, first * 1000, system)
    return None if error is None else f"plan.stop.first_look_ns: at the first look, {first:g} ns, {error}"


def _walltime_error(value: dict[str, Any]) -> str | None:
    """Refuse a wall time that ends before the first checkpoint."""
    plan = _plan_of(value)
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


# -- what is to be continued -------------------------------------------------------------------------------


def _previous_error(value: dict[str, Any], sampling: Sampling) -> str | None:
    """Refuse to continue what is no production, or one of another system, temperature, timestep or sampling."""
    previous = value.get("previous") or {}
    if not previous or "system" not in value:
        return None
    if "folder" not in previous:
        return "previous.folder is missing: a production goes on from the last folder of the one before"
    step = step_of(previous["folder"])
    if not step:
        pk = previous["folder"].pk
        return f"previous.folder: node {pk} must be the folder of a segment that reached its last step"
    error = _segment_error(value, previous["folder"].creator)
    if error is not None:
        return f"previous.folder: {error}"
    return _reduction_error(value, sampling, previous.get("reduction"), step)


def _segment_error(value: dict[str, Any], job: orm.CalcJobNode) -> str | None:
    """Return in what a job differs from the segments of the production that is to go on from it."""
    if job.inputs.system.get_system().info != value["system"].get_system().info:
        return f"its run started from the system {job.inputs.system.pk}, not from {value['system'].pk}"
    if "temperature" not in value:
        return None
    plan = _plan_of(value)
    expected, found = plan.segments(value["temperature"].value, seed=1)[0], job.inputs.plan.get_dict()
    # through the model: the run may be older than a setting
    settings = RunSettings.model_validate(found["settings"]).model_dump()
    pairs = [(f"settings.{key}", settings[key], there) for key, there in expected["settings"].items()]
    stage = found["stages"][-1]
    pairs += [
        (key, stage.get(key), there) for key, there in expected["stages"][0].items() if key not in _OF_SEGMENT
    ]
    for key, found_there, there in pairs:
        if found_there != there:
            return f"its run had {key} = {found_there}, what goes on from it must have the same, not {there}"
    return None


def _reduction_error(value: dict[str, Any], sampling: Sampling, reduction: Any, step: int) -> str | None:
    if reduction is None:
        return None
    plan = _plan_of(value)
    reached, last = reduction.base.attributes.get("last_step"), plan.last_frame(step)
    if reached != last:
        return f"previous.reduction: ends at step {reached}, the run before at step {step}; it must end at {last}"
    try:
        reduction.get_state().check_config(reduction_config(value["system"].get_system(), sampling))
    except ValueError as error:
        return f"previous.reduction: {error}"
    return None


def analysis_error(
    settings: orm.Dict | None, sampling: Sampling, length_ps: float, system: CseSystemData | None
) -> str | None:
    """Return why a production cannot be analysed as it is to be, None if nothing speaks against it.

    Parameters
    ----------
    settings
        Those of the analysis, which AnalysisSettings accepts; None for the defaults.
    sampling, length_ps
        How the production is sampled, and how long it is.
    system
        What it starts from; without it, nothing is said about where boundaries lie.
    """
    chosen = AnalysisSettings.model_validate(settings.get_dict() if settings is not None else {})
    reasons = unresolved(chosen, sampling)
    if not reasons and chosen.boundaries and system is not None:
        reasons = unanswerable(chosen, reduction_config(system.get_system(), sampling))
    if reasons:
        return f"analysis.settings: {'; '.join(reasons)}"
    return _range_error(chosen, sampling, length_ps)


def _range_error(settings: AnalysisSettings, sampling: Sampling, length_ps: float) -> str | None:
    """Refuse a range that is not within the production, or has no whole block."""
    start, end = settings.start_ns * 1000, length_ps if settings.end_ns is None else settings.end_ns * 1000
    if end > length_ps:
        return f"analysis.settings.end_ns = {end / 1000:g} is behind the {length_ps / 1000:g} ns of plan.length_ps"
    name = "sampling.block_ps" if settings.block_ps is None else "analysis.settings.block_ps"
    block = sampling.block_ps if settings.block_ps is None else settings.block_ps
    first, stop = math.ceil(start / block - 1e-9), math.floor(end / block + 1e-9)
    if first < stop:
        snapshot = sampling.snapshot_ps if settings.snapshot_ps is None else settings.snapshot_ps
        return _snapshot_error(settings, first * block, stop * block, snapshot)
    until = "of plan.length_ps" if settings.end_ns is None else "until analysis.settings.end_ns"
    return (
        f"analysis.settings.start_ns = {start / 1000:g} leaves nothing of the {end / 1000:g} ns {until}: "
        f"at least one block, {name} = {block:g}, must follow it"
    )


def _snapshot_error(settings: AnalysisSettings, start: float, end: float, snapshot: float) -> str | None:
    """Refuse other boundaries where no snapshot lies in the range (ps)."""
    if not settings.boundaries or math.ceil(start / snapshot - 1e-9) * snapshot < end:
        return None
    return (
        f"analysis.settings.boundaries: there is no snapshot from {start / 1000:g} to {end / 1000:g} ns to count "
        f"the ions in, they are {snapshot:g} ps apart"
    )


def _rate_words(found: orm.Dict, confirmations: int) -> str:
    """Return what is known of the rate of entries where no verdict, or not enough of them, ended a production."""
    bound = found["rate_upper_bound_per_s"]
    rate = "" if bound is None else f"fewer than {bound:.2g} entries per second"
    if not found["equilibrated"]:
        return rate or "no time was observed"
    return f"the last look says equilibrated, but {confirmations} in a row must" + (rate and f"; {rate}")
