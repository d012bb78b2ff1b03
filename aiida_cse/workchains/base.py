"""Restart logic around one LAMMPS job: go on after wall time, kill or breakdown, or give up with the cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.workchains.restart.lineage import (
    Folder,
    found_checkpoint,
    lineage,
    path_of,
    results_of,
    stash_of,
    thermo_of,
    wrote_checkpoint,
)
from aiida_cse.workchains.restart.plausibility import Sanity, judge_run, judge_system
from aiida_cse.workchains.restart.remedies import BLOW_UP, OUT_OF_MESH, Breakdown, came_through, next_remedy

__all__ = ["SET_BY_CALLER", "LammpsBaseWorkChain"]

#: inputs that a WorkChain around this one sets itself; folders are not cleaned, the next job goes on from them
SET_BY_CALLER = ("clean_workdir", "lammps.system", "lammps.plan", "lammps.parent_folder", "lammps.settings")

NO_LOG, UNREADABLE, OUT_OF_WALLTIME = 303, 320, 400
LOST_ATOMS, BOND_ATOMS_MISSING, NOT_A_NUMBER, KSPACE_OUT_OF_RANGE = 410, 411, 412, 413
INTERRUPTED, FOLDER_IN_USE, OUT_OF_MEMORY, SEGMENTATION_FAULT, MPI_ABORT = 420, 421, 422, 423, 425
#: aiida-core's codes of what a scheduler or a monitor does to a job, and of a stash that could not be made
SCHEDULER_MEMORY, SCHEDULER_WALLTIME, NODE_FAILURE, STOPPED_BY_MONITOR, NOT_STASHED = 110, 120, 140, 150, 160

#: a change that the job made by itself, because it could not go on exactly: nobody's decision, in no budget
NOT_EXACT = "continuation"
#: by how much the memory that was asked for grows after it ran out
MORE_MEMORY = 1.5


def codes(*statuses: int) -> list[ExitCode]:
    """Return exit codes as a handler names them."""
    return [ExitCode(status) for status in statuses]


class LammpsBaseWorkChain(BaseRestartWorkChain):
    """Run a LAMMPS job to its last step, through as many jobs as the wall time makes necessary.

    Continuations after the wall time have a budget of their own and are no failures. After a breakdown of the
    simulation itself one thing at a time is changed, for a while, and ``changes`` tells of it.
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
            validator=_not_negative("max_failures"),
            help="How often in a row the run may go on after an interruption without getting further.",
        )
        spec.input(
            "max_changes",
            valid_type=orm.Int,
            default=lambda: orm.Int(4),
            validator=_not_negative("max_changes"),
            help="How often something may be changed to bring a run through where it breaks.",
        )
        spec.input(
            "sanity",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            default=lambda: orm.Dict({}),
            validator=checked_by(Sanity, "sanity"),
            help=(
                "When a run that reached its last step is not plausible: "
                "see aiida_cse.workchains.restart.plausibility.Sanity."
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
            help="What was changed to go on, with cause and steps; there only if something was.",
        )
        spec.exit_code(419, "ERROR_NOT_PLAUSIBLE", message="The run reached its last step, but {finding}.")
        spec.exit_code(
            430,
            "ERROR_NO_PROGRESS",
            message="The wall time is too short to reach the next checkpoint (stuck at step {step}): give the job "
            "more time or a smaller settings.restart_interval.",
        )
        spec.exit_code(
            431,
            "ERROR_TOO_MANY_FAILURES",
            message="The run failed {count} times; the last time with exit code {status}: {reason}",
        )
        spec.exit_code(
            432,
            "ERROR_FOLDER_GONE",
            message="No checkpoint to go on from is left in {path} of job <{pk}>, and there is no stash. Put its "
            "files back and launch again with AiiDA's caching, or begin anew from the system <{system}>.",
        )

    # -- steps ----------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Take over the inputs of the job and start the counters."""
        super().setup()
        self.ctx.inputs = self.exposed_inputs(LammpsStageCalculation, namespace="lammps")
        self.ctx.failures = 0
        self.ctx.last_step = None
        self.ctx.last_start = None
        self.ctx.tried = []
        self.ctx.changes = []

    def inspect_process(self) -> ExitCode | None:
        """Call the handlers; at the end, also after a failure, name the folders of all jobs and the changes."""
        self._note_not_exact(self.ctx.children[self.ctx.iteration - 1])
        exit_code = super().inspect_process()
        if self.ctx.is_finished or (exit_code is not None and exit_code.status != 0):
            jobs = {_label(number): job for number, job in enumerate(self.ctx.children, 1)}
            self.out("folders", _outputs(jobs, "remote_folder"))
            if self.ctx.changes:
                changes = orm.List(self.ctx.changes).store()
                self.out("changes", list_changes(changes, **_outputs(jobs, "results")))
        return exit_code

    def results(self) -> None:
        """Attach the outputs of the last job."""
        self._attach_outputs(self.ctx.children[-1])

    def on_terminated(self) -> None:
        """Clean the working folders if that was asked; where it was not, there is nothing to report."""
        if self.inputs.clean_workdir.value:
            super().on_terminated()  # type: ignore[no-untyped-call]
        else:
            super(BaseRestartWorkChain, self).on_terminated()

    # -- handlers --------------------------------------------------------------------------------------

    @process_handler(priority=700, exit_codes=codes(0))
    def check_sanity(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Report what is not plausible about a run that reached its last step; what is impossible fails it."""
        sanity = Sanity.model_validate(self.inputs.sanity.get_dict())
        plan = self._plan()
        own = [done for done in lineage(job.outputs.remote_folder) if done.pk in {c.pk for c in self.ctx.children}]
        findings = judge_run(plan, thermo_of(own), sanity)
        if "system" in job.outputs:
            findings += judge_system(job.outputs.system.get_system(), plan.stages[-1].name, sanity)
        for finding in findings:
            self.report(f"{finding.severity}: in stage {finding.stage} {finding.words}")
        worst = next((finding for finding in findings if finding.severity == "fail"), None)
        if worst is None:
            return None
        words = f"in stage {worst.stage} {worst.words}"
        return ProcessHandlerReport(True, self.exit_codes.ERROR_NOT_PLAUSIBLE.format(finding=words))

    @process_handler(priority=600, exit_codes=codes(OUT_OF_WALLTIME))
    def handle_out_of_walltime(self, job: orm.CalcJobNode) -> ProcessHandlerReport:
        """Go on from the checkpoint that was written before the wall time."""
        step = job.outputs.results["step"]
        if step == self.ctx.last_step:
            return ProcessHandlerReport(True, self.exit_codes.ERROR_NO_PROGRESS.format(step=step))
        self.ctx.last_step = step
        self.ctx.failures = 0
        target = job.outputs.results["target_step"]
        self.report(f"out of wall time at step {step} of {target} (job {job.pk}): going on from its checkpoint")
        return self._go_on_from(job)

    @process_handler(priority=500, exit_codes=codes(LOST_ATOMS, BOND_ATOMS_MISSING, NOT_A_NUMBER))
    def handle_blow_up(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Go on with shorter timesteps, then also from an earlier checkpoint, then also after a relaxation."""
        return self._go_on_otherwise(job, BLOW_UP)

    @process_handler(priority=500, exit_codes=codes(KSPACE_OUT_OF_RANGE))
    def handle_out_of_mesh(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Go on with neighbour lists that are built at every step, then as after a blow-up."""
        return self._go_on_otherwise(job, OUT_OF_MESH)

    @process_handler(priority=480, exit_codes=codes(OUT_OF_MEMORY, SCHEDULER_MEMORY))
    def handle_out_of_memory(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Ask for more memory if the job asked for some; what it shares with others is an interruption."""
        options = self.ctx.inputs.metadata.options
        memory = options.get("max_memory_kb")
        if memory is None or not self._may_change():
            return None
        options.max_memory_kb = int(MORE_MEMORY * memory)
        self._change(job, "memory", f"with {options.max_memory_kb} kB of memory, not {memory}", exact=True)
        return self._go_on_from(job)

    @process_handler(priority=490, exit_codes=codes(UNREADABLE))
    def handle_damaged_checkpoint(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Go on from before a checkpoint that is not what was written, or anew; never from what came of it."""
        if not results_of(job).get("restart_damaged"):
            return None
        report = self._go_on_otherwise(job, ("checkpoint",))
        if report is None and self._began_here() and self._may_change():
            self._begin_anew(job)
            return ProcessHandlerReport(True)
        return report or ProcessHandlerReport(True, ExitCode(job.exit_status or 0, job.exit_message))

    @process_handler(priority=470, exit_codes=codes(UNREADABLE))
    def handle_unreadable_checkpoint(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Go on without the checkpoint that could not be read: the next job takes the one before it."""
        found = found_checkpoint(job)
        if found is None or not self._may_change():
            return None
        self._change(job, "checkpoint", f"without {found}, which could not be read", exact=True)
        return self._go_on_from(job)

    @process_handler(priority=460, exit_codes=codes(UNREADABLE))
    def handle_missing_folder(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Go on from the stash of a folder that is gone, or anew if nothing but time is lost by that."""
        folder = self.ctx.inputs.get("parent_folder")
        if folder is None or found_checkpoint(job) is not None:
            return None
        stash = stash_of(folder)
        if stash is not None and self._may_change():
            self.ctx.inputs.parent_folder = stash
            self._change(job, "stash", f"from the stash {path_of(stash)}", exact=True)
            return ProcessHandlerReport(True)
        if self._began_here() and self._may_change():
            self._begin_anew(job)
            return ProcessHandlerReport(True)
        return ProcessHandlerReport(True, self._folder_gone(folder))

    @process_handler(priority=450, exit_codes=codes(STOPPED_BY_MONITOR))
    def handle_monitor(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Take what the monitor cse.thermo saw for what the job would have said of it; not that of others."""
        said = job.exit_message or ""
        if PREFIXES["no_progress"] in said:
            return self._interrupted(job)
        if PREFIXES["not_a_number"] in said or PREFIXES["runaway_temperature"] in said:
            return self._go_on_otherwise(job, BLOW_UP)
        return None

    @process_handler(
        priority=400,
        exit_codes=codes(
            *(NO_LOG, UNREADABLE, INTERRUPTED, FOLDER_IN_USE, OUT_OF_MEMORY, SEGMENTATION_FAULT, MPI_ABORT),
            *(SCHEDULER_MEMORY, SCHEDULER_WALLTIME, NODE_FAILURE, NOT_STASHED),
        ),
    )
    def handle_interruption(self, job: orm.CalcJobNode) -> ProcessHandlerReport:
        """Go on from the newest whole checkpoint of the interrupted job, or of one before it."""
        return self._interrupted(job)

    @process_handler(priority=0)
    def give_up_with_the_cause(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """End with the exit code of the job itself where no other handler can mend it."""
        if job.is_finished_ok or not job.is_finished:
            return None
        self.report(f"job {job.pk} failed with [{job.exit_status}] {job.exit_message}")
        if self.ctx.changes:
            self.report(
                f"changing {' and '.join(change['change'] for change in self.ctx.changes)} did not mend it"
            )
        return ProcessHandlerReport(True, ExitCode(job.exit_status or 0, job.exit_message))

    def _interrupted(self, job: orm.CalcJobNode) -> ProcessHandlerReport:
        """Count an interruption, from the last time that the checkpoints moved on, and go on."""
        start = results_of(job).get("first_step")
        if start is not None:
            if self.ctx.last_start is not None and start > self.ctx.last_start:
                self.ctx.failures = 0
            self.ctx.last_start = start
        self.ctx.failures += 1
        most = self.inputs.max_failures.value
        if self.ctx.failures > most:
            failure = self.exit_codes.ERROR_TOO_MANY_FAILURES.format(
                count=self.ctx.failures, status=job.exit_status, reason=job.exit_message
            )
            return ProcessHandlerReport(True, failure)
        self.report(
            f"job {job.pk} was interrupted ({job.exit_status}: {job.exit_message}): "
            f"going on from its newest whole checkpoint ({self.ctx.failures} of {most})"
        )
        return self._go_on_from(job)

    def _began_here(self) -> bool:
        """Whether the first job of this chain was the beginning of the run."""
        plan = JobPlan.model_validate(self.inputs.lammps.plan.get_dict())
        return plan.needed_step == 0 and "parent_folder" not in self.inputs.lammps

    def _begin_anew(self, job: orm.CalcJobNode) -> None:
        plan = self._plan()
        self._set_plan(plan.model_copy(update={"resume_step": 0, "latest_checkpoint": None}))
        del self.ctx.inputs.parent_folder
        self._change(job, "anew", "from the first step, for no checkpoint is left", exact=plan.care is None)

    def _go_on_from(self, job: orm.CalcJobNode) -> ProcessHandlerReport:
        """Let the next job go on from this one's folder; what it came through with care is usual again."""
        self.ctx.inputs.parent_folder = job.outputs.remote_folder
        plan = self._plan()
        if wrote_checkpoint(job, plan):
            update: dict[str, Any] = {"latest_checkpoint": None}
            # it had a checkpoint: to find none would mean to begin anew in silence
            update["resume_step"] = max(plan.resume_step, plan.first_step, 1)
            if plan.care is not None:
                update["care"] = plan.care.model_copy(update={"relax_steps": 0})
            if came_through(plan, job.outputs.results["step"]):
                update["care"] = None
                self.ctx.tried = []
            self._set_plan(plan.model_copy(update=update))
        return ProcessHandlerReport(True)

    def _go_on_otherwise(self, job: orm.CalcJobNode, ladder: Sequence[str]) -> ProcessHandlerReport | None:
        """Go on with the next change of the ladder; None if none is left."""
        breakdown = Breakdown.of(job.outputs.results.get_dict())
        if breakdown is None or not self._may_change():
            return None
        report = self._go_on_from(job)
        remedy = next_remedy(self._plan(), ladder, self.ctx.tried, breakdown)
        if remedy is None:
            return None
        self.ctx.tried.append(remedy.change)
        self._set_plan(remedy.plan)
        exact = remedy.plan.care is None
        self._change(job, remedy.change, remedy.words, until=remedy.until_step, exact=exact)
        return report

    def _may_change(self) -> bool:
        return bool(self._decided() < self.inputs.max_changes.value)

    def _decided(self) -> int:
        return sum(change["change"] != NOT_EXACT for change in self.ctx.changes)

    def _change(
        self, job: orm.CalcJobNode, change: str, words: str, *, until: int | None = None, exact: bool
    ) -> None:
        """Write down, and say, what is changed after this job."""
        self.ctx.changes.append(
            {
                "job": _label(self.ctx.iteration + 1),
                "change": change,
                "words": words,
                "exit_status": job.exit_status,
                "reason": job.exit_message,
                "until_step": until,
                "exact": exact,
            }
        )
        count = f"change {self._decided()} of {self.inputs.max_changes.value}"
        other = "" if exact else "; from there on it is another run than without this"
        cause = f"job {job.pk} failed ({job.exit_status}: {job.exit_message})"
        self.report(f"{cause}: going on {words} ({count}){other}")

    def _note_not_exact(self, job: orm.CalcJobNode) -> None:
        """Write down, once for each reason, that a job did not go on exactly although it was asked to."""
        results = results_of(job)
        plan = self._plan()
        if results.get("exact", True) or not plan.settings.exact or plan.care is not None:
            return
        if results.get("restart_damaged"):
            return  # nothing of what came of it is kept
        reason = results.get("exact_reason")
        if any(change["words"] == reason for change in self.ctx.changes):
            return
        self.ctx.changes.append(
            {
                "job": _label(self.ctx.iteration),
                "change": NOT_EXACT,
                "words": reason,
                "exit_status": None,
                "reason": None,
                "until_step": None,
                "exact": False,
            }
        )
        self.report(f"from job {job.pk} on this need not be the run that nothing happened to: {reason}")

    def _plan(self) -> JobPlan:
        return JobPlan.model_validate(self.ctx.inputs.plan.get_dict())

    def _set_plan(self, plan: JobPlan) -> None:
        content = plan.model_dump(mode="json", exclude_none=True)
        if content != self._plan().model_dump(mode="json", exclude_none=True):
            self.ctx.inputs.plan = orm.Dict(content).store()

    def _folder_gone(self, folder: Folder) -> ExitCode:
        code: ExitCode = self.exit_codes.ERROR_FOLDER_GONE
        maker = folder.creator.pk if folder.creator is not None else "?"
        return code.format(path=path_of(folder), pk=maker, system=self.inputs.lammps.system.pk)


def _not_negative(name: str) -> Callable[[orm.Int, Any], str | None]:
    def validate(value: orm.Int, _: Any) -> str | None:
        return None if value.value >= 0 else f"{name} = {value.value}: give 0 or more"

    return validate


def _label(number: int) -> str:
    return f"job_{number:04d}"


def _outputs(jobs: dict[str, orm.CalcJobNode], name: str) -> dict[str, orm.Data]:
    """Return this output of the jobs that have it, by their labels."""
    return {label: job.outputs[name] for label, job in jobs.items() if name in job.outputs}
