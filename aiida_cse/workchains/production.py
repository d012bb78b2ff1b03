"""The production: successive NVT segments, reduced near the data and analysed at scheduled looks."""

from __future__ import annotations

import math
from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, append_, while_
from aiida.orm import to_aiida_type
from pydantic import ValidationError

from aiida_cse.analysis.resolution import unanswerable, unresolved
from aiida_cse.analysis.settings import AnalysisSettings, with_complete_criteria
from aiida_cse.building.reduction import describe_system
from aiida_cse.calculations.discard import DiscardCalculation, discarded_by, is_discarded
from aiida_cse.calculations.functions.records import collect_looks, collect_stages
from aiida_cse.calculations.ports import checked_by
from aiida_cse.calculations.reduce import ReduceCalculation, reduction_error
from aiida_cse.data.reduction import CseReductionData
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.lammps.protocol.production import ProductionPlan, without_overridden_lengths
from aiida_cse.lammps.protocol.schedule import ANY_TEMPERATURE
from aiida_cse.physics.exchange.stopping import Decision, verdicts_under
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.schema import explain, placed
from aiida_cse.workchains.analysis import AnalysisWorkChain
from aiida_cse.workchains.base import (
    FOLDER_GONE,
    MORE_MEMORY,
    SCHEDULER_MEMORY,
    SET_BY_CALLER,
    LammpsBaseWorkChain,
)
from aiida_cse.workchains.common.builders import Codes, base_inputs, real, single_metadata, velocity_seed
from aiida_cse.workchains.common.exit_status import failure, is_repeated, repeated_failure, with_continuation
from aiida_cse.workchains.common.labels import LabelledOutputs
from aiida_cse.workchains.common.options import walltime_error
from aiida_cse.workchains.common.phase import CHANGES_HELP, attach_changes, lammps_inputs, lammps_jobs
from aiida_cse.workchains.common.ports import validate_neutral, validate_seed, validate_temperature
from aiida_cse.workchains.common.protocol import ProtocolMixin, split_overrides, with_recipe_values
from aiida_cse.workchains.restart.lineage import (
    checksums_of,
    covered_jobs,
    lineage,
    numbered,
    reductions_of,
    results_of,
    step_of,
    unreduced,
)
from aiida_cse.workchains.restart.previous import previous_error

__all__ = ["ProductionWorkChain", "sampling_of", "validate_production"]

#: fields of the sampling that follow from the plan
_FROM_PLAN = ("timestep_fs", "frame_ps", "all_atoms_ps")

_plan_error = checked_by(ProductionPlan, "plan")


class ProductionWorkChain(ProtocolMixin, LabelledOutputs, VersionedWorkChain):
    """Run a production in segments; at each look, reduce the new segments, analyse the run, and decide its end."""

    protocol_name = "production"

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.expose_inputs(LammpsBaseWorkChain, namespace="base", exclude=SET_BY_CALLER)
        spec.expose_inputs(
            ReduceCalculation,
            namespace="reduce",
            exclude=("system", "sampling", "folders", "previous", "checksums", "temperature"),
        )
        spec.expose_inputs(AnalysisWorkChain, namespace="analysis", exclude=("reduction", "temperature"))
        spec.input("system", valid_type=CseSystemData, validator=validate_neutral, help="The relaxed interface.")
        spec.input(
            "temperature",
            valid_type=orm.Float,
            serializer=to_aiida_type,
            validator=validate_temperature,
            help="Temperature in K.",
        )
        spec.input(
            "seed", valid_type=orm.Int, serializer=to_aiida_type, validator=validate_seed, help="Seed of the run."
        )
        spec.input(
            "plan",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=_plan_error,
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
            help="The production to continue, of the same system, temperature and plan except its length.",
        )
        for name, kind, words in (
            ("folder", orm.RemoteData, "The folder of its last job, with the checkpoint."),
            (
                "reduction",
                CseReductionData,
                "Its reduction, to be extended; without it, the whole trajectory is read.",
            ),
            ("looks", orm.List, "Its looks so far."),
        ):
            spec.input(f"previous.{name}", valid_type=kind, required=False, help=words)
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
        spec.output(
            "looks", valid_type=orm.List, help="The result of each look: time, EC, entries, exits, verdict."
        )
        spec.output("changes", valid_type=orm.List, required=False, help=CHANGES_HELP)
        spec.output_namespace(
            "folders", valid_type=orm.RemoteData, dynamic=True, help="The folders with the trajectory, in order."
        )
        spec.expose_outputs(AnalysisWorkChain)
        spec.exit_code(343, "ERROR_SEGMENT", message="The segment <{pk}> failed with [{status}] {reason}")
        spec.exit_code(
            344,
            "ERROR_REDUCTION",
            message="The reduction <{pk}> failed with [{status}] {reason} (the trajectory is in the output "
            "folders; if these were cleaned, it is lost without a stash, see options.stash)",
        )
        spec.exit_code(
            346,
            "ERROR_TRAJECTORY_INCOMPLETE",
            message="The trajectory covers steps {first} to {step}, the production 0 to {last}.",
        )
        spec.exit_code(345, "ERROR_NO_ANALYSIS", message="The analysis <{pk}> failed with [{status}] {reason}")
        spec.exit_code(
            500,
            "ERROR_NOT_EQUILIBRATED",
            message="Not equilibrated within {time:g} ns: EC {ec:.2f} (lower bound {bound:.2f}); {rate}. All "
            "results are complete, and a longer production can continue this one.",
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
            The protocol or an override is wrong; the message names the place.
        """
        own, parts = split_overrides(overrides, cls.get_protocol_inputs(protocol), ("analysis",), cls.__name__)
        analysis = AnalysisWorkChain.get_protocol_inputs(protocol, parts["analysis"])
        inputs = cls.get_protocol_inputs(protocol, own)
        builder = cls.get_builder()
        builder.base = base_inputs(codes, inputs["base"], options)
        builder.reduce = {
            "code": codes["cse"],
            "metadata": single_metadata(codes["cse"], inputs, options, "reduce"),
        }
        builder.plan = without_overridden_lengths(inputs["plan"], own.get("plan"))
        builder.sampling = inputs["sampling"]
        builder.seed = velocity_seed(recipe)
        content = recipe.get_dict() if isinstance(recipe, orm.Dict) else recipe
        builder.analysis = {"settings": orm.Dict(with_recipe_values(analysis["settings"], content))}
        if system is not None:
            builder.system = system
        if temperature is not None:
            builder.temperature = real("temperature", temperature)
        return builder

    # -- segments --------------------------------------------------------------------------------------

    def plan_segments(self) -> None:
        """Plan the segments and the looks, from step 0 or from the end of an earlier production."""
        plan = self._plan()
        previous = self.inputs.get("previous", {})
        folder = previous.get("folder")
        start = 0 if folder is None else step_of(folder) or 0
        self.ctx.step = start
        self.ctx.plans = plan.segments(self.inputs.temperature.value, self.inputs.seed.value, start)
        self.ctx.looks = plan.looks(start)
        settings = AnalysisSettings.model_validate(self.inputs.analysis.settings.get_dict())
        criteria = settings.at(self.inputs.temperature.value)
        looks = with_complete_criteria(previous["looks"].get_list() if "looks" in previous else [])
        self.ctx.verdicts = verdicts_under(criteria.model_dump(mode="json"), looks)
        self.ctx.earlier_looks = len(self.ctx.verdicts)
        self.ctx.segments, self.ctx.analyses = [], []
        self.ctx.folder = folder
        self.ctx.reduction = previous.get("reduction")
        self.ctx.reduced = self._reduced_before(start)
        self.ctx.decision = Decision.CONTINUE.value
        most = "" if plan.stop.rule == "fixed" else "at most "
        begin = "" if folder is None else f", continued from {plan.nanoseconds(start):g} ns"
        self.report(
            f"production of {most}{plan.length_ps / 1000:g} ns at {self.inputs.temperature.value:g} K{begin}, in "
            f"{len(self.ctx.plans)} segments"
        )

    def goes_on(self) -> bool:
        """Return whether the production is to be continued."""
        return bool(self.ctx.decision == Decision.CONTINUE.value)

    def has_segments(self) -> bool:
        """Return whether segments are left before the next look."""
        return bool(self.ctx.step < self._next_look())

    def run_segment(self) -> dict[str, Any]:
        """Run the next segment from the checkpoint of the previous one."""
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
        """Continue if the segment reached its last step; otherwise attach the results so far and stop."""
        run = self.ctx.segments[-1]
        if run.is_finished_ok:
            self.ctx.folder = run.outputs.remote_folder
            self.ctx.step = self.ctx.plans[len(self.ctx.segments) - 1]["stop_step"]
            return None
        if run.exit_status == FOLDER_GONE and len(self.ctx.segments) == 2 and not self.inputs.get("previous"):
            # one segment is lost, and its frames are run again as they were
            self.report(f"the folder of the first segment is gone: beginning again from <{self.inputs.system.pk}>")
            begun = self._plan().segments(self.inputs.temperature.value, self.inputs.seed.value, 0)
            self.ctx.plans = [*self.ctx.plans[:2], *begun]
            self.ctx.folder, self.ctx.step = None, 0
            return None
        # all folders, including those of jobs whose steps were repeated
        previous = self.inputs.get("previous", {}).get("folder")
        folders = [] if previous is None else [job.outputs.remote_folder for job in lineage(previous)]
        for segment in self.ctx.segments:
            if "folders" in segment.outputs:
                folders += [folder for _, folder in sorted(dict(segment.outputs.folders).items())]
        self.out("folders", numbered(folders))
        self._attach_looks()
        return with_continuation(self.exit_codes.ERROR_SEGMENT.format(**failure(run)), self.node)

    # -- looks -----------------------------------------------------------------------------------------

    def gather_jobs(self) -> None:
        """Find the jobs whose steps make up the run so far."""
        self.ctx.jobs = lineage(self.ctx.folder)
        self.ctx.stashed = False

    def has_to_reduce(self) -> bool:
        """Return whether the reduction does not yet cover the run: its end, and each of its jobs."""
        found = self.ctx.reduction
        if found is None or found.base.attributes.get("last_step") != self._plan().last_frame(self.ctx.step):
            return True
        return not {job.uuid for job in self.ctx.jobs} <= set(self.ctx.reduced)

    def reduce(self) -> dict[str, Any] | ExitCode:
        """Reduce the new part of the trajectory on its computer."""
        plan = self.inputs.plan.get_dict()
        extended, new = self._basis()
        # a job without a stash is read from its folder
        folder = "remote_stash" if self.ctx.stashed else "remote_folder"
        inputs = self.exposed_inputs(ReduceCalculation, namespace="reduce")
        options = dict(inputs["metadata"]["options"])
        if "max_memory_kb" in options:
            more = MORE_MEMORY ** self.ctx.get("interruptions", []).count(SCHEDULER_MEMORY)
            options["max_memory_kb"] = int(more * options["max_memory_kb"])
        inputs |= {
            "metadata": {**inputs["metadata"], "options": options},
            "system": self.inputs.system,
            "sampling": orm.Dict(sampling_of(plan, self.inputs.sampling.get_dict())),
            "temperature": self.inputs.temperature,
            "folders": {
                label: job.outputs[folder if folder in job.outputs else "remote_folder"]
                for label, job in new.items()
            },
            "checksums": orm.Dict(checksums_of({label: results_of(job) for label, job in new.items()})),
        }
        if extended is not None:
            inputs["previous"] = extended
        dropped = self.ctx.reduction
        if dropped is not None and (extended is None or extended.pk != dropped.pk):
            instead = "reading all of it" if extended is None else f"extending <{extended.pk}> instead"
            self.report(f"the reduction <{dropped.pk}> holds steps that were dropped from the run; {instead}")
        try:
            job = self.submit(ReduceCalculation, **inputs)
        except ValueError as error:
            self._attach_run()
            refused = self.exit_codes.ERROR_REDUCTION.format(pk="-", status="refused", reason=error)
            return with_continuation(refused, self.node)
        self.report(f"reducing the trajectory of {len(new)} of {len(self.ctx.jobs)} jobs: <{job.pk}>")
        return ToContext(reduce_job=job)

    def inspect_reduction(self) -> ExitCode | None:
        """Accept the reduction; repeat it if it was killed, or with stashed files, or stop with the error."""
        run, last = self.ctx.reduce_job, self._plan().last_frame(self.ctx.step)
        if run.is_finished_ok:
            attributes = run.outputs.reduction.base.attributes
            first, reached = attributes.get("first_step"), attributes.get("last_step")
            if (first, reached) == (0, last):
                self.ctx.reduction = run.outputs.reduction
                self.ctx.reduced = [job.uuid for job in self.ctx.jobs]
                self.ctx.interruptions = []
                return None
            error = self.exit_codes.ERROR_TRAJECTORY_INCOMPLETE.format(first=first, step=reached, last=last)
        else:
            if is_repeated(self, run, "reduction"):
                return None
            error = self.exit_codes.ERROR_REDUCTION.format(**repeated_failure(self, run))
        if not self.ctx.stashed and any("remote_stash" in job.outputs for job in self._basis()[1].values()):
            self.ctx.stashed = True
            self.report(f"{error.message}; reducing the stashed files")
            return None
        self._attach_run()
        return with_continuation(error, self.node)

    def analyse(self) -> dict[str, Any] | ExitCode:
        """Analyse the reduction; stop if it does not resolve the settings."""
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
            refused = self.exit_codes.ERROR_NO_ANALYSIS.format(
                pk=self.ctx.reduction.pk, status="refused", reason=error
            )
            return with_continuation(refused, self.node)
        return ToContext(analyses=append_(run), **self._discard())

    def inspect_analysis(self) -> ExitCode | None:
        """Decide from the verdicts so far whether to continue.

        An analysis that broke off is repeated; one that failed counts as a negative verdict.
        """
        run = self.ctx.analyses[-1]
        if is_repeated(self, run, "analysis"):
            self.ctx.analyses = self.ctx.analyses[:-1]
            return None
        if not run.is_finished_ok and self._next_look() == self.ctx.looks[-1]:
            self._attach_run()
            return with_continuation(
                self.exit_codes.ERROR_NO_ANALYSIS.format(**repeated_failure(self, run)), self.node
            )
        self.ctx.interruptions = []
        for job in self.ctx.get("discards", [])[-1:]:
            if not job.is_finished_ok:
                self.report(
                    "trajectories stay, because the job <{pk}> failed: [{status}] {reason}".format(**failure(job))
                )
        place = f"look {len(self.ctx.verdicts) + 1} at {self._plan().nanoseconds(self.ctx.step):g} ns"
        if run.is_finished_ok:
            found = run.outputs.equilibration
            verdict = "equilibrated" if found["equilibrated"] else "not equilibrated"
            self.report(f"{place}: {verdict}, EC {found['ec']:.2f} (lower bound {found['ec_lower_bound']:.2f})")
        else:
            self.report(f"{place}: no verdict, the analysis <{run.pk}> failed: {failure(run)['reason']}")
        self.ctx.verdicts.append(run.is_finished_ok and bool(run.outputs.equilibration["equilibrated"]))
        planned = self.ctx.earlier_looks + len(self.ctx.looks)
        self.ctx.decision = self._plan().stop.decide(self.ctx.verdicts, planned).value
        return None

    # -- the end ---------------------------------------------------------------------------------------

    def finish(self) -> ExitCode | None:
        """Attach the results; end with an exit code if the budget ended before a positive verdict."""
        self._attach_run()
        run = self.ctx.analyses[-1]
        self.out_many(self.exposed_outputs(run, AnalysisWorkChain))
        plan = self._plan()
        if plan.stop.rule == "fixed" or self.ctx.decision == Decision.EQUILIBRATED.value:
            return None
        found = run.outputs.equilibration
        bound = found["rate_upper_bound_per_s"]
        rate = "no time was observed" if bound is None else f"fewer than {bound:.2g} entries per second"
        if found["equilibrated"]:
            confirmations = f"the last verdict is positive, but {plan.stop.confirmations} in a row are needed"
            rate = confirmations if bound is None else f"{confirmations}; {rate}"
        return self.exit_codes.ERROR_NOT_EQUILIBRATED.format(
            time=plan.nanoseconds(self.ctx.step), ec=found["ec"], bound=found["ec_lower_bound"], rate=rate
        )

    def _attach_run(self) -> None:
        """Attach the system, the record of the stage, the folders with the trajectory, and the looks."""
        jobs = self.ctx.jobs
        if "system" in jobs[-1].outputs:
            self.out("system", jobs[-1].outputs.system)
        self.out("folders", numbered([job.outputs.remote_folder for job in jobs]))
        own = lammps_jobs(self.ctx.segments)
        before = [job for job in jobs if job.pk not in {done.pk for done in own}]
        results = [job.outputs.results for job in [*before, *own] if "results" in job.outputs]
        records = collect_stages(**{f"job_{number:04d}": result for number, result in enumerate(results, 1)})
        self.out("stages", records)
        size, unit = (1e9, "GB") if records["bytes"] >= 1e9 else (1e6, "MB")
        self.report(f"{records['jobs']} jobs wrote {records['bytes'] / size:.3g} {unit} to their folders")
        self._attach_looks()

    def _attach_looks(self) -> None:
        """Attach the changes, the reduction and the looks, as far as they exist."""
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
        """Return the step of the next look, or of the last one."""
        seen = len(self.ctx.verdicts) - self.ctx.earlier_looks
        step: int = self.ctx.looks[min(seen, len(self.ctx.looks) - 1)]
        return step

    def _reduced_before(self, start: int) -> list[str]:
        """Return the UUIDs of the jobs whose steps the reduction of the earlier production holds.

        These are the first jobs of the run up to ``start``, if it holds exactly their steps; else, as after a run
        that began again, those of its provenance.
        """
        if self.ctx.reduction is None:
            return []
        jobs, known = [job.uuid for job in lineage(self.ctx.folder)], reductions_of(self.ctx.reduction)[0][1]
        if not known or not all(known):
            # an imported reduction does not know its jobs
            ends = self.ctx.reduction.base.attributes.get("last_step") == self._plan().last_frame(start)
            return jobs if ends else known
        return jobs[: covered_jobs(self.ctx.reduction, self.ctx.folder)] or known

    def _basis(self) -> tuple[CseReductionData | None, dict[str, orm.CalcJobNode]]:
        """Return the newest reduction of steps of the run alone, if any, and by label the jobs that it lacks.

        If the run went back to before the end of a reduction, the one from which that was extended is next.
        """
        extended, new = None, numbered(self.ctx.jobs)
        known = [] if self.ctx.reduction is None else reductions_of(self.ctx.reduction)
        for number, (found, covered) in enumerate(known):
            # an imported reduction does not know its jobs
            reduced = covered if number else self.ctx.reduced
            lacking = unreduced(self.ctx.jobs, reduced, found.base.attributes.get("last_step"))
            if len(lacking) < len(self.ctx.jobs):
                extended, new = found, lacking
                break
        if known and any(map(is_discarded, new.values())):
            # their trajectories are gone: steps that were repeated must agree with the reduction
            return self.ctx.reduction, {label: job for label, job in new.items() if not is_discarded(job)}
        return extended, new

    def _discard(self) -> dict[str, Any]:
        """Submit the deletion of the trajectories that were reduced last, if the plan says so, for the context."""
        job = self.ctx.get("reduce_job")
        if self._plan().keep_trajectory == "always" or job is None or not job.is_finished_ok:
            return {}
        folders = {
            label: folder
            for label, folder in job.inputs.folders.items()
            if isinstance(folder, orm.RemoteData) and discarded_by(folder) is None
        }
        if not folders:
            return {}
        inputs = self.exposed_inputs(ReduceCalculation, namespace="reduce")
        options = inputs["metadata"]["options"] | {"parser_name": "cse.discard", "output_filename": "discard.out"}
        discard = self.submit(
            DiscardCalculation,
            code=inputs["code"],
            metadata={"options": options},
            folders=folders,
            reduction=job.outputs.reduction,
        )
        self.report(
            f"<{job.outputs.reduction.pk}> is stored; deleting its {len(folders)} trajectories: <{discard.pk}>"
        )
        return {"discards": append_(discard)}


def sampling_of(plan: dict[str, Any], sampling: dict[str, Any]) -> dict[str, Any]:
    """Return the complete sampling: the given fields, with timestep and frame interval of the plan."""
    production = ProductionPlan.model_validate(plan)
    fields = {key: getattr(production, key) for key in _FROM_PLAN}
    if not production.ions_apart:
        del fields["all_atoms_ps"]
    return fields | sampling


# -- validation of the inputs ------------------------------------------------------------------------------


def validate_production(value: dict[str, Any], _: Any) -> str | None:
    """Return the first inconsistency between the inputs, or None."""
    if "plan" not in value or "sampling" not in value or _plan_error(value["plan"], None):
        return None
    given, plan = value["sampling"].get_dict(), ProductionPlan.model_validate(value["plan"].get_dict())
    for key in _FROM_PLAN:
        if key in given:
            return f"sampling.{key} = {given[key]}: follows from the plan of the production; remove it"
    try:
        sampling = Sampling.model_validate(sampling_of(value["plan"].get_dict(), given))
    except ValidationError as error:
        return explain(error, "sampling")
    if "temperature" in value:
        plan = plan.at(value["temperature"].value)
    return (
        _sampling_error(sampling, plan)
        or walltime_error(value, plan.segments(ANY_TEMPERATURE, seed=1)[:1])
        or _computer_error(value["base"]["lammps"].get("code"), value["reduce"].get("code"))
        or (reduction_error(value["system"], sampling.model_dump()) if "system" in value else None)
        or _analysis_error(value, plan, sampling)
        or previous_error(value, plan, sampling)
    )


def _sampling_error(sampling: Sampling, plan: ProductionPlan) -> str | None:
    """Return the error of blocks or snapshots that do not fit the frames or the length of the production."""
    for name in ("block_ps", "snapshot_ps"):
        period = getattr(sampling, name)
        if abs(period / sampling.frame_ps - round(period / sampling.frame_ps)) > 1e-9:
            return f"sampling.{name} = {period:g}: must be a multiple of frame_ps = {sampling.frame_ps:g}"
    for name in ("block_ps", "snapshot_ps"):
        period = getattr(sampling, name)
        if period > plan.length_ps:
            return f"sampling.{name} = {period:g}: longer than the production, plan.length_ps = {plan.length_ps:g}"
    return None


def _computer_error(lammps: Any, cse: Any) -> str | None:
    """Return the error of codes on different computers: the reduction reads the files of LAMMPS."""
    if lammps is None or cse is None or lammps.computer.uuid == cse.computer.uuid:
        return None
    return (
        f"reduce.code = {cse.full_label}: is on another computer than base.lammps.code {lammps.full_label}, whose "
        f"trajectories it reads; set up aiida-cse on {lammps.computer.label}"
    )


def _analysis_error(value: dict[str, Any], plan: ProductionPlan, sampling: Sampling) -> str | None:
    """Return the error of analysis settings that the reduction will not resolve, at the end or the first look."""
    given = value.get("analysis", {}).get("settings")
    settings = AnalysisSettings.model_validate({} if given is None else given.get_dict())
    reasons = unresolved(settings, sampling)
    if not reasons and settings.boundaries and "system" in value:
        reasons = unanswerable(
            settings, ReductionConfig.build(describe_system(value["system"].get_system()), sampling)
        )
    if reasons:
        return "; ".join(placed("analysis.settings", reason) for reason in reasons)
    error = _range_error(settings, sampling, plan.length_ps)
    if error is not None:
        return error
    first = plan.nanoseconds(plan.looks()[0])
    error = _range_error(settings, sampling, first * 1000)
    return None if error is None else f"plan.stop.first_look_ns: at the first look, {first:g} ns, {error}"


def _range_error(settings: AnalysisSettings, sampling: Sampling, length_ps: float) -> str | None:
    """Return the error of a range of times outside a production of this length, or without a whole block."""
    start, end = settings.start_ns * 1000, length_ps if settings.end_ns is None else settings.end_ns * 1000
    if end > length_ps:
        return f"analysis.settings.end_ns = {end / 1000:g}: beyond the {length_ps / 1000:g} ns of plan.length_ps"
    name = "sampling.block_ps" if settings.block_ps is None else "analysis.settings.block_ps"
    block = sampling.block_ps if settings.block_ps is None else settings.block_ps
    first, stop = math.ceil(start / block - 1e-9), math.floor(end / block + 1e-9)
    if first >= stop:
        until = "of plan.length_ps" if settings.end_ns is None else "until analysis.settings.end_ns"
        return (
            f"analysis.settings.start_ns = {start / 1000:g}: leaves nothing of the {end / 1000:g} ns {until}; "
            f"at least one block, {name} = {block:g}, must follow it"
        )
    if error := _last_part_error(settings, block):
        return error
    snapshot = sampling.snapshot_ps if settings.snapshot_ps is None else settings.snapshot_ps
    begin, end = first * block, stop * block
    if settings.boundaries and math.ceil(begin / snapshot - 1e-9) * snapshot >= end:
        return (
            f"analysis.settings.boundaries: there is no snapshot from {begin / 1000:g} to {end / 1000:g} ns in "
            f"which ions could be counted; snapshots are {snapshot:g} ps apart"
        )
    return None


def _last_part_error(settings: AnalysisSettings, block_ps: float) -> str | None:
    """Return the error of a last part of the production that is shorter than a block."""
    given = settings.last_ns if isinstance(settings.last_ns, tuple) else [(0.0, settings.last_ns)]
    parts: list[tuple[str, Any]] = [("last_ns", value) for _, value in given]
    parts += [(f"displacement_ns.{name}", value) for name, value in settings.displacement_ns.model_dump().items()]
    for name, value in parts:
        if isinstance(value, float) and value * 1000 < block_ps - 1e-9:
            return f"analysis.settings.{name} = {value:g}: must be at least one block, {block_ps / 1000:g} ns"
    return None
