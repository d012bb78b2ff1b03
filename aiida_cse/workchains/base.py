"""Restart logic around one LAMMPS job: continuation after wall time, interruption or breakdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiida import orm
from aiida.engine import (
    BaseRestartWorkChain,
    ExitCode,
    ProcessHandlerReport,
    process_handler,
    while_,
)

from aiida_cse.calculations.functions.records import list_changes
from aiida_cse.calculations.lammps import LammpsStageCalculation
from aiida_cse.calculations.monitor import PREFIXES
from aiida_cse.calculations.ports import checked_by
from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.engine.stop_marks import stopped_at
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.workchains.common.exit_status import failed_job
from aiida_cse.workchains.common.ports import whole_number
from aiida_cse.workchains.restart.lineage import (
    earlier_folders,
    found_checkpoint,
    lineage,
    path_of,
    results_of,
    thermo_of,
    wrote_checkpoint,
)
from aiida_cse.workchains.restart.plausibility import Plausibility, judge_run, judge_system
from aiida_cse.workchains.restart.remedies import BLOW_UP, OUT_OF_MESH, FailedRun, next_remedy

__all__ = ["SET_BY_CALLER", "LammpsBaseWorkChain"]

#: inputs that a calling WorkChain sets itself; folders are never cleaned, because the next job continues from them
SET_BY_CALLER = ("clean_workdir", "lammps.system", "lammps.plan", "lammps.parent_folder", "lammps.settings")

NO_LOG, UNREADABLE, OUT_OF_WALLTIME = 303, 320, 400
LOST_ATOMS, BOND_ATOMS_MISSING, NOT_A_NUMBER, KSPACE_OUT_OF_RANGE = 410, 411, 412, 413
INTERRUPTED, FOLDER_IN_USE, OUT_OF_MEMORY, SEGMENTATION_FAULT, MPI_ABORT = 420, 421, 422, 423, 425
FOLDER_GONE = 432
#: exit codes of aiida-core: set by the scheduler, by a monitor, or by a stash that failed
SCHEDULER_MEMORY, SCHEDULER_WALLTIME, NODE_FAILURE, STOPPED_BY_MONITOR, NOT_STASHED = 110, 120, 140, 150, 160

#: the name of a change that a job made by itself, because an exact continuation was impossible; not in any budget
NOT_EXACT = "continuation"
#: factor on the requested memory after a job ran out of it
MORE_MEMORY = 1.5


def codes(*statuses: int) -> list[ExitCode]:
    """Return exit codes as the decorator of a handler takes them."""
    return [ExitCode(status) for status in statuses]


class LammpsBaseWorkChain(VersionedWorkChain, BaseRestartWorkChain):
    """Run a LAMMPS job to its last step, in as many jobs as the wall time requires.

    Continuations after the wall time have a budget of their own and are not failures. After a breakdown of the
    simulation, recovery steps are applied one at a time, temporarily, and recorded in the output ``changes``.
    """

    _process_class = LammpsStageCalculation

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.expose_inputs(LammpsStageCalculation, namespace="lammps", exclude=("script", "files", "filenames"))
        spec.inputs["max_iterations"].default = lambda: orm.Int(1000)
        spec.input(
            "max_failures",
            valid_type=orm.Int,
            default=lambda: orm.Int(3),
            validator=whole_number("max_failures", 0),
            help="Most interruptions in a row without progress after which the run is still continued.",
        )
        spec.input(
            "max_changes",
            valid_type=orm.Int,
            default=lambda: orm.Int(4),
            validator=whole_number("max_changes", 0),
            help="Most recovery steps of a run.",
        )
        spec.input(
            "sanity",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            default=lambda: orm.Dict({}),
            validator=checked_by(Plausibility, "sanity"),
            help=(
                "Limits of the plausibility check of a completed run: "
                "see aiida_cse.workchains.restart.plausibility.Plausibility."
            ),
        )
        spec.outline(
            cls.setup,
            while_(cls.should_run_process)(
                cls.run_process,
                cls.inspect_process,
            ),
            cls.results,
        )
        spec.expose_outputs(LammpsStageCalculation)
        spec.output_namespace(
            "folders",
            valid_type=orm.RemoteData,
            dynamic=True,
            required=False,
            help="The remote folders of all jobs in order: `job_0001`, `job_0002`, …",
        )
        spec.output(
            "changes",
            valid_type=orm.List,
            required=False,
            help="Recovery steps with cause and simulation steps; only if there were any.",
        )
        spec.exit_code(
            419, "ERROR_NOT_PLAUSIBLE", message="The run reached its last step but is not plausible: {finding}."
        )
        spec.exit_code(
            430,
            "ERROR_NO_PROGRESS",
            message="The wall time ends before the next checkpoint (stuck at step {step}): give the job more time "
            "or a smaller settings.restart_interval.",
        )
        spec.exit_code(
            431,
            "ERROR_TOO_MANY_FAILURES",
            message="The run was interrupted {count} times without progress, the last time with [{status}] "
            "{reason}",
        )
        spec.exit_code(
            FOLDER_GONE,
            "ERROR_FOLDER_GONE",
            message="No checkpoint is left in {path} of job <{pk}> or in the folders of the jobs before it, and "
            "there is no stash. Restore its files and launch again with AiiDA's caching, or start again from the "
            "system <{system}>.",
        )
        spec.exit_code(
            433,
            "ERROR_NO_REMOTE_FOLDER",
            message="The job <{pk}> ended with [{status}] {reason} and without a remote folder, so that no job "
            "can continue from it. Launch again with AiiDA's caching.",
        )

    # -- steps -----------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Read the inputs of the job and start the counters."""
        super().setup()
        self.ctx.inputs = self.exposed_inputs(LammpsStageCalculation, namespace="lammps")
        self.ctx.failures = 0
        self.ctx.last_step = None
        self.ctx.last_start = None
        self.ctx.tried = []
        self.ctx.changes = []

    def inspect_process(self) -> ExitCode | None:
        """Call the handlers; at the end, also after a failure, attach the folders of all jobs and the changes."""
        last = self.ctx.children[self.ctx.iteration - 1]
        self._record_inexact(last)
        if last.is_finished and "remote_folder" not in last.outputs:
            exit_code = self.exit_codes.ERROR_NO_REMOTE_FOLDER.format(
                pk=last.pk, status=last.exit_status, reason=last.exit_message or ""
            )
        else:
            exit_code = super().inspect_process()
            if exit_code is not None and not last.is_finished:
                exit_code = exit_code._replace(
                    message=f"{(exit_code.message or '').rstrip('.')}: {failed_job(last)}"
                )
        if self.ctx.is_finished or (exit_code is not None and exit_code.status != 0):
            jobs = {f"job_{number:04d}": job.outputs for number, job in enumerate(self.ctx.children, 1)}
            self.out(
                "folders",
                {label: found.remote_folder for label, found in jobs.items() if "remote_folder" in found},
            )
            if self.ctx.changes:
                results = {label: found.results for label, found in jobs.items() if "results" in found}
                self.out("changes", list_changes(orm.List(self.ctx.changes).store(), **results))
        return exit_code

    def results(self) -> None:
        """Attach the outputs of the last job."""
        self._attach_outputs(self.ctx.children[-1])

    def on_terminated(self) -> None:
        """Clean the working folders only if asked; otherwise there is nothing to report."""
        if self.inputs.clean_workdir.value:
            super().on_terminated()  # type: ignore[no-untyped-call]
        else:
            super(BaseRestartWorkChain, self).on_terminated()

    # -- handlers --------------------------------------------------------------------------------------

    @process_handler(priority=700, exit_codes=codes(0))
    def check_sanity(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Report unusual values of a completed run; fail the run if a value is impossible."""
        limits = Plausibility.model_validate(self.inputs.sanity.get_dict())
        plan = self._plan()
        own = {child.pk for child in self.ctx.children}
        jobs = [one for one in lineage(job.outputs.remote_folder) if one.pk in own]
        findings = judge_run(plan, thermo_of(jobs), limits)
        if "system" in job.outputs:
            findings += judge_system(job.outputs.system.get_system(), plan.stages[-1].name, limits)
        for finding in findings:
            self.report(f"{finding.severity}: {finding}")
        worst = next((finding for finding in findings if finding.severity == "fail"), None)
        if worst is None:
            return None
        return ProcessHandlerReport(True, self.exit_codes.ERROR_NOT_PLAUSIBLE.format(finding=worst))

    @process_handler(priority=650)
    def handle_stopped(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Continue a job that a user stopped, which is no failure and may have left nothing."""
        if not job.is_finished or job.is_finished_ok or stopped_at(job) is None:
            return None
        self.report(f"job {job.pk} was stopped; continuing from the newest whole checkpoint")
        return self._continue_from(job)

    @process_handler(priority=600, exit_codes=codes(OUT_OF_WALLTIME))
    def handle_out_of_walltime(self, job: orm.CalcJobNode) -> ProcessHandlerReport:
        """Continue from the checkpoint that was written before the wall time."""
        step = job.outputs.results["step"]
        if step == self.ctx.last_step:
            return ProcessHandlerReport(True, self.exit_codes.ERROR_NO_PROGRESS.format(step=step))
        self.ctx.last_step = step
        self.ctx.failures = 0
        target = job.outputs.results["target_step"]
        self.report(
            f"job {job.pk} reached its wall time at step {step} of {target}; continuing from its checkpoint"
        )
        return self._continue_from(job)

    @process_handler(priority=500, exit_codes=codes(LOST_ATOMS, BOND_ATOMS_MISSING, NOT_A_NUMBER))
    def handle_blow_up(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Continue with shorter timesteps, then from an earlier checkpoint, then after a relaxation."""
        return self._recover(job, BLOW_UP)

    @process_handler(priority=500, exit_codes=codes(KSPACE_OUT_OF_RANGE))
    def handle_out_of_mesh(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Continue with neighbour lists built at every step, then as after a blow-up."""
        return self._recover(job, OUT_OF_MESH)

    @process_handler(priority=480, exit_codes=codes(OUT_OF_MEMORY, SCHEDULER_MEMORY))
    def handle_out_of_memory(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Request more memory if the job requested any; otherwise the failure is an interruption."""
        options = self.ctx.inputs.metadata.options
        memory = options.get("max_memory_kb")
        if memory is None or not self._changes_left():
            return None
        options.max_memory_kb = int(MORE_MEMORY * memory)
        self._change(
            job, "memory", f"with {options.max_memory_kb} kB of memory instead of {memory} kB", exact=True
        )
        return self._continue_from(job)

    @process_handler(priority=490, exit_codes=codes(UNREADABLE))
    def handle_damaged_checkpoint(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Continue from before a damaged checkpoint, or restart; never continue from its results."""
        if not results_of(job).get("restart_damaged"):
            return None
        report = self._recover(job, ("checkpoint",)) or self._restart(job)
        return report or ProcessHandlerReport(True, _named(job))

    @process_handler(priority=470, exit_codes=codes(UNREADABLE))
    def handle_unreadable_checkpoint(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Continue without the checkpoint that could not be read: the next job takes the one before it."""
        found = found_checkpoint(job)
        if found is None or not self._changes_left():
            return None
        self._change(job, "checkpoint", f"without {found}, which could not be read", exact=True)
        return self._continue_from(job)

    @process_handler(priority=460, exit_codes=codes(UNREADABLE))
    def handle_missing_folder(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Continue from the stash of a missing folder, or from an earlier job; restart if the run began here."""
        folder = self.ctx.inputs.get("parent_folder")
        if folder is None or found_checkpoint(job) is not None:
            return None
        plan = self._plan()
        earlier = next(earlier_folders(folder, plan.needed_step), None)
        if earlier is not None and self._changes_left():
            self.ctx.inputs.parent_folder = earlier
            stashed = isinstance(earlier, orm.RemoteStashData)
            words = f"from the {'stash' if stashed else 'folder'} {path_of(earlier)}"
            if earlier.creator.pk != folder.creator.pk:
                # of a job whose folder went while it ran, the last step is unknown
                before, after = (results_of(place.creator).get("step") for place in (earlier, folder))
                since = "" if before is None else f", which reached step {before}"
                upto = "" if after is None else f" to step {after}"
                words += (
                    f" of job <{earlier.creator.pk}>{since}; the frames of job <{folder.creator.pk}>{upto} are "
                    "dropped and run again, because no checkpoint is left in its folder"
                )
            self._change(job, "stash" if stashed else "folder", words, exact=True)
            return ProcessHandlerReport(True)
        gone = self.exit_codes.ERROR_FOLDER_GONE.format(
            path=path_of(folder),
            pk="?" if folder.creator is None else folder.creator.pk,
            system=self.inputs.lammps.system.pk,
        )
        return self._restart(job) or ProcessHandlerReport(True, gone)

    @process_handler(priority=450, exit_codes=codes(STOPPED_BY_MONITOR))
    def handle_monitor(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Treat findings of the monitor cse.thermo like those of the job; ignore other monitors."""
        found = job.exit_message or ""
        if PREFIXES["no_progress"] in found:
            return self._interrupted(job)
        if PREFIXES["not_a_number"] in found or PREFIXES["runaway_temperature"] in found:
            return self._recover(job, BLOW_UP)
        return None

    @process_handler(
        priority=400,
        exit_codes=codes(
            *(NO_LOG, UNREADABLE, INTERRUPTED, FOLDER_IN_USE, OUT_OF_MEMORY, SEGMENTATION_FAULT, MPI_ABORT),
            *(SCHEDULER_MEMORY, SCHEDULER_WALLTIME, NODE_FAILURE, NOT_STASHED),
        ),
    )
    def handle_interruption(self, job: orm.CalcJobNode) -> ProcessHandlerReport:
        """Continue from the newest whole checkpoint of the interrupted job, or of an earlier one."""
        return self._interrupted(job)

    @process_handler(priority=0)
    def give_up_with_the_cause(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """End with the exit code of the job if no other handler can resolve it."""
        if job.is_finished_ok or not job.is_finished:
            return None
        if self.ctx.changes:
            tried = ", ".join(change["change"] for change in self.ctx.changes)
            self.report(f"no recovery step is left; tried: {tried}")
        return ProcessHandlerReport(True, _named(job))

    # -- continuation ----------------------------------------------------------------------------------

    def _interrupted(self, job: orm.CalcJobNode) -> ProcessHandlerReport:
        """Count an interruption since the last progress of the checkpoints, and continue."""
        start = results_of(job).get("first_step")
        if start is not None:
            if self.ctx.last_start is not None and start > self.ctx.last_start:
                self.ctx.failures = 0
            self.ctx.last_start = start
        self.ctx.failures += 1
        most = self.inputs.max_failures.value
        if self.ctx.failures > most:
            failure = self.exit_codes.ERROR_TOO_MANY_FAILURES.format(
                count=self.ctx.failures, status=job.exit_status, reason=_named(job).message
            )
            return ProcessHandlerReport(True, failure)
        self.report(
            f"job {job.pk} was interrupted ({job.exit_status}: {job.exit_message}); continuing from the newest "
            f"whole checkpoint (interruption {self.ctx.failures} of {most})"
        )
        return self._continue_from(job)

    def _continue_from(self, job: orm.CalcJobNode) -> ProcessHandlerReport:
        """Let the next job continue from the folder of this one, with normal settings past the recovery's end."""
        self.ctx.inputs.parent_folder = job.outputs.remote_folder
        plan = self._plan()
        if wrote_checkpoint(job, plan):
            # a checkpoint exists, so a later job that finds none must fail instead of starting from step 0
            update: dict[str, Any] = {"latest_checkpoint": None}
            update["resume_step"] = max(plan.resume_step, plan.first_step, 1)
            if plan.care is not None:
                update["care"] = plan.care.model_copy(update={"relax_steps": 0})
            if plan.care is None or job.outputs.results["step"] >= plan.care.until_step:
                update["care"] = None
                self.ctx.tried = []
            self._set_plan(plan.model_copy(update=update))
        return ProcessHandlerReport(True)

    def _recover(self, job: orm.CalcJobNode, ladder: Sequence[str]) -> ProcessHandlerReport | None:
        """Continue with the next recovery step of the ladder; return None if none is left."""
        breakdown = FailedRun.of(job.outputs.results.get_dict())
        if breakdown is None or not self._changes_left():
            return None
        report = self._continue_from(job)
        remedy = next_remedy(self._plan(), ladder, self.ctx.tried, breakdown)
        if remedy is None:
            return None
        self.ctx.tried.append(remedy.change)
        self._set_plan(remedy.plan)
        exact = remedy.plan.care is None
        self._change(job, remedy.change, remedy.words, until=remedy.until_step, exact=exact)
        return report

    def _restart(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Restart from the first step if the run began in this chain; return None otherwise."""
        began = JobPlan.model_validate(self.inputs.lammps.plan.get_dict())
        if began.needed_step != 0 or "parent_folder" in self.inputs.lammps or not self._changes_left():
            return None
        plan = self._plan()
        self._set_plan(plan.model_copy(update={"resume_step": 0, "latest_checkpoint": None}))
        del self.ctx.inputs.parent_folder
        words = "from the first step, because no checkpoint is left"
        self._change(job, "anew", words, exact=plan.care is None)
        return ProcessHandlerReport(True)

    # -- records of changes ----------------------------------------------------------------------------

    def _changes_left(self) -> int:
        """Return the number of changes that the budget still allows."""
        made = sum(change["change"] != NOT_EXACT for change in self.ctx.changes)
        return max(0, self.inputs.max_changes.value - made)

    def _change(
        self, job: orm.CalcJobNode, change: str, words: str, *, until: int | None = None, exact: bool
    ) -> None:
        """Record and report a change for the job after this one."""
        self.ctx.changes.append(
            {
                "job": f"job_{self.ctx.iteration + 1:04d}",
                "change": change,
                "words": words,
                "exit_status": job.exit_status,
                "reason": job.exit_message,
                "until_step": until,
                "exact": exact,
            }
        )
        most = self.inputs.max_changes.value
        count = f"change {most - self._changes_left()} of {most}"
        other = "" if exact else "; the trajectory differs from here on"
        cause = f"job {job.pk} failed ({job.exit_status}: {job.exit_message})"
        self.report(f"{cause}; continuing {words} ({count}){other}")

    def _record_inexact(self, job: orm.CalcJobNode) -> None:
        """Record, once for each reason, that a job did not continue exactly although it was asked to."""
        results, plan = results_of(job), self._plan()
        reason = results.get("exact_reason")
        if (
            results.get("exact", True)
            or not plan.settings.exact
            or plan.care is not None
            or results.get("restart_damaged")  # its results are discarded
            or any(change["words"] == reason for change in self.ctx.changes)
        ):
            return
        change = {"job": f"job_{self.ctx.iteration:04d}", "change": NOT_EXACT, "words": reason, "exact": False}
        self.ctx.changes.append(change | {"exit_status": None, "reason": None, "until_step": None})
        self.report(f"job {job.pk} is not an exact continuation: {reason}")

    def _plan(self) -> JobPlan:
        return JobPlan.model_validate(self.ctx.inputs.plan.get_dict())

    def _set_plan(self, plan: JobPlan) -> None:
        content = plan.model_dump(mode="json", exclude_none=True)
        if content != self._plan().model_dump(mode="json", exclude_none=True):
            self.ctx.inputs.plan = orm.Dict(content).store()


def _named(job: orm.CalcJobNode) -> ExitCode:
    """Return the exit code of a job, with the job in its message."""
    return ExitCode(job.exit_status or 0, f"job <{job.pk}>: {job.exit_message}")
