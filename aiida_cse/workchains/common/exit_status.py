"""Exit status of processes: success, a result that misses its criterion, or a failure."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, WorkChain

from aiida_cse.engine.hints import aiida_cse
from aiida_cse.lammps.log.outcome import did_not_start

__all__ = [
    "NORMAL_FROM",
    "continuation",
    "ended_normally",
    "failed_job",
    "failure",
    "is_repeated",
    "repeated_failure",
    "was_interrupted",
    "with_continuation",
]

#: process types that `aiida-cse extend` completes
_EXTENDABLE = ("aiida.workflows:cse.study", "aiida.workflows:cse.production")

#: exit codes of jobs that their machine ended: no files, out of memory, out of time, node failure, and no whole
#: result without a reason, of a builder, a reduction and EMC
_OF_THE_MACHINE = (100, 110, 120, 140, 331, 335, 384)
#: longest line of an exception in a message
_LONGEST = 200
#: exit codes from here up mark complete results that miss a criterion (not equilibrated)
NORMAL_FROM = 500


def ended_normally(process: orm.ProcessNode) -> bool:
    """Return whether a process has all its results, even if they miss a criterion."""
    return process.is_finished and (process.exit_status == 0 or (process.exit_status or 0) >= NORMAL_FROM)


def failure(process: orm.ProcessNode) -> dict[str, Any]:
    """Return ``pk``, ``status`` and ``reason`` of a failed process for the message of an exit code.

    A process that broke off or was killed has no exit status: its state is given instead. The reason is then the
    first line of its exception, without the causes that Python prints before it, or its last process status.
    """
    state = str(process.base.attributes.get(process.PROCESS_STATE_KEY, "unknown"))
    status: Any = process.exit_status
    reason = process.exit_message
    if not reason and process.is_excepted:
        reason = (process.exception or "").strip().split("\n\n")[-1].partition("\n")[0][:_LONGEST]
    return {
        "pk": process.pk,
        "status": state if status is None else status,
        "reason": reason or process.process_status or state,
    }


def was_interrupted(process: orm.ProcessNode) -> bool:
    """Return whether a process broke off, or its machine ended it, so that a repetition may succeed.

    One that was killed on purpose (``verdi process kill``) was not interrupted, and a program that cannot start
    does so again.
    """
    if process.is_excepted:
        return True
    broke = process.is_failed and process.exit_status in _OF_THE_MACHINE
    return broke and not did_not_start([process.exit_message or ""])


def is_repeated(caller: WorkChain, run: orm.ProcessNode, name: str) -> bool:
    """Return whether a run is repeated because it was interrupted, note it in ``ctx`` and report why.

    ``base.max_failures`` of the caller is the most repetitions in a row.
    """
    most, before = caller.inputs.base.max_failures.value, caller.ctx.get("interruptions", [])
    if not was_interrupted(run) or len(before) >= most:
        return False
    caller.ctx.interruptions = [*before, run.exit_status]
    cause = "<{pk}> was interrupted ({status}: {reason})".format(**failure(run))
    caller.report(f"the {name} {cause}; repeating it (repetition {len(before) + 1} of {most})")
    return True


def repeated_failure(caller: WorkChain, run: orm.ProcessNode) -> dict[str, Any]:
    """Return :func:`failure` of a run with the number of its repetitions."""
    found, times = failure(run), len(caller.ctx.get("interruptions", []))
    return found | {"reason": f"{found['reason']} (repetition {times})"} if times else found


def failed_job(process: orm.ProcessNode, caller: WorkChain | None = None) -> str:
    """Return a failed job with its exit status and message, as the reason in the message of another exit code."""
    found = failure(process) if caller is None else repeated_failure(caller, process)
    return "job <{pk}> failed with [{status}] {reason}".format(**found)


def continuation(process: orm.ProcessNode) -> str | None:
    """Return the command that completes a study or production that no process called; None for other processes."""
    if process.process_type not in _EXTENDABLE or process.caller is not None:
        return None
    return aiida_cse("extend", process.pk)


def with_continuation(code: ExitCode, process: orm.ProcessNode) -> ExitCode:
    """Return the exit code of a process with the command that completes it, if there is one, in its message.

    The message is stored, so it names the program without the folder in which it is on this machine.
    """
    if continuation(process) is None:
        return code
    command = f"aiida-cse extend {process.pk}"
    return code._replace(message=f"{(code.message or '').rstrip('.')}. Complete it with: {command}")
