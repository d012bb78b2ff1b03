"""Exit status of processes: success, a result that misses its criterion, or a failure."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ExitCode

from aiida_cse.engine.hints import aiida_cse

__all__ = [
    "NORMAL_FROM",
    "continuation",
    "ended_normally",
    "failed_job",
    "failure",
    "was_interrupted",
    "with_continuation",
]

#: process types that `aiida-cse extend` completes
_EXTENDABLE = ("aiida.workflows:cse.study", "aiida.workflows:cse.production")

#: exit codes of jobs that their machine ended: no files, out of memory, out of time, node failure, nothing written
_OF_THE_MACHINE = (100, 110, 120, 140, 335)
#: exit codes from here up mark complete results that miss a criterion (not equilibrated)
NORMAL_FROM = 500


def ended_normally(process: orm.ProcessNode) -> bool:
    """Return whether a process has all its results, even if they miss a criterion."""
    return process.is_finished and (process.exit_status == 0 or (process.exit_status or 0) >= NORMAL_FROM)


def failure(process: orm.ProcessNode) -> dict[str, Any]:
    """Return ``pk``, ``status`` and ``reason`` of a failed process for the message of an exit code."""
    return {
        "pk": process.pk,
        "status": process.exit_status,
        "reason": process.exit_message or str(process.base.attributes.get(process.PROCESS_STATE_KEY)),
    }


def was_interrupted(process: orm.ProcessNode) -> bool:
    """Return whether a process broke off, or its machine ended it, so that a repetition may succeed.

    One that was killed on purpose (``verdi process kill``) was not interrupted.
    """
    return process.is_excepted or (process.is_failed and process.exit_status in _OF_THE_MACHINE)


def failed_job(process: orm.ProcessNode) -> str:
    """Return a failed job with its exit status and message, as the reason in the message of another exit code."""
    return "job <{pk}> failed with [{status}] {reason}".format(**failure(process))


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
