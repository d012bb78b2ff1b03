"""Restart logic around one LAMMPS job: go on after the wall time, after a kill, and give up with the cause."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import (
    BaseRestartWorkChain,
    ExitCode,
    ProcessHandlerReport,
    process_handler,
    while_,
)

from aiida_cse.calculations.lammps import LammpsStageCalculation

__all__ = ["SET_BY_CALLER", "LammpsBaseWorkChain"]

#: inputs that a WorkChain around this one sets itself; folders are not cleaned, the next job goes on from them
SET_BY_CALLER = ("clean_workdir", "lammps.system", "lammps.plan", "lammps.parent_folder", "lammps.settings")

OUT_OF_WALLTIME = 400
INTERRUPTED = 420
#: aiida-core's codes of what a scheduler does to a job: out of memory, wall time, node failure
SCHEDULER_STOPS = (110, 120, 140)


class LammpsBaseWorkChain(BaseRestartWorkChain):
    """Run a LAMMPS job to its last step, through as many jobs as the wall time makes necessary.

    Continuations after the wall time have a budget of their own and are no failures.
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
            help="How often in a row the run may go on after an interruption without getting further.",
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

    def setup(self) -> None:
        """Take over the inputs of the job and start the counters."""
        super().setup()
        self.ctx.inputs = self.exposed_inputs(LammpsStageCalculation, namespace="lammps")
        self.ctx.failures = 0
        self.ctx.last_step = None
        self.ctx.last_start = None

    def results(self) -> None:
        """Attach the outputs of the last job."""
        self._attach_outputs(self.ctx.children[-1])

    def on_terminated(self) -> None:
        """Clean the working folders if that was asked; where it was not, there is nothing to report."""
        if self.inputs.clean_workdir.value:
            super().on_terminated()  # type: ignore[no-untyped-call]
        else:
            super(BaseRestartWorkChain, self).on_terminated()

    @process_handler(priority=600, exit_codes=[ExitCode(OUT_OF_WALLTIME)])
    def handle_out_of_walltime(self, job: orm.CalcJobNode) -> ProcessHandlerReport:
        """Go on from the checkpoint that was written before the wall time."""
        step = job.outputs.results["step"]
        if step == self.ctx.last_step:
            return ProcessHandlerReport(True, self.exit_codes.ERROR_NO_PROGRESS.format(step=step))
        self.ctx.last_step = step
        self.ctx.failures = 0
        self._go_on_from(job)
        target = job.outputs.results["target_step"]
        self.report(f"out of wall time at step {step} of {target} (job {job.pk}): going on from its checkpoint")
        return ProcessHandlerReport(True)

    @process_handler(
        priority=500, exit_codes=[ExitCode(status) for status in (INTERRUPTED, 303, 320, *SCHEDULER_STOPS)]
    )
    def handle_interruption(self, job: orm.CalcJobNode) -> ProcessHandlerReport:
        """Go on from the newest whole checkpoint of the interrupted job, or of one before it.

        Failures count from the last time that the checkpoints moved on.
        """
        start = job.outputs.results["first_step"] if "results" in job.outputs else None
        if start is not None:
            if self.ctx.last_start is not None and start > self.ctx.last_start:
                self.ctx.failures = 0
            self.ctx.last_start = start
        self.ctx.failures += 1
        if self.ctx.failures > self.inputs.max_failures.value:
            failure = self.exit_codes.ERROR_TOO_MANY_FAILURES
            return ProcessHandlerReport(
                True,
                failure.format(count=self.ctx.failures, status=job.exit_status, reason=job.exit_message),
            )
        self._go_on_from(job)
        self.report(
            f"job {job.pk} was interrupted ({job.exit_status}: {job.exit_message}): "
            f"going on from its newest whole checkpoint ({self.ctx.failures} of {self.inputs.max_failures.value})"
        )
        return ProcessHandlerReport(True)

    @process_handler(priority=0)
    def give_up_with_the_cause(self, job: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """End with the exit code of the job itself where no other handler can mend it."""
        if job.is_finished_ok or not job.is_finished:
            return None
        self.report(f"job {job.pk} failed with [{job.exit_status}] {job.exit_message}")
        return ProcessHandlerReport(True, ExitCode(job.exit_status or 0, job.exit_message))

    def inspect_process(self) -> ExitCode | None:
        """Call the handlers; at the end, also after a failure, name the folders of all jobs."""
        exit_code = super().inspect_process()
        if self.ctx.is_finished or exit_code:
            folders = (job.outputs.remote_folder for job in self.ctx.children if "remote_folder" in job.outputs)
            self.out("folders", {f"job_{number:04d}": folder for number, folder in enumerate(folders, 1)})
        return exit_code

    def _go_on_from(self, job: orm.CalcJobNode) -> None:
        self.ctx.inputs.parent_folder = job.outputs.remote_folder
