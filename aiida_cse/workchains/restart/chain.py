"""How a restart chain goes on after a job: from which folder, with which plan, and what it says was changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiida import orm
from aiida.engine import BaseRestartWorkChain, ExitCode, ProcessHandlerReport

from aiida_cse.calculations.functions.records import list_changes
from aiida_cse.calculations.lammps import LammpsStageCalculation
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.workchains.restart.lineage import results_of, wrote_checkpoint
from aiida_cse.workchains.restart.remedies import Breakdown, came_through, next_remedy

__all__ = ["ContinuedWorkChain"]

#: a change that the job made by itself, because it could not go on exactly: nobody's decision, in no budget
NOT_EXACT = "continuation"


class ContinuedWorkChain(BaseRestartWorkChain):
    """A restart chain of LAMMPS jobs that go on from each other; a subclass says when they do."""

    _process_class = LammpsStageCalculation

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


def _label(number: int) -> str:
    return f"job_{number:04d}"


def _outputs(jobs: dict[str, orm.CalcJobNode], name: str) -> dict[str, orm.Data]:
    """Return this output of the jobs that have it, by their labels."""
    return {label: job.outputs[name] for label, job in jobs.items() if name in job.outputs}
