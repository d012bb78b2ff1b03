"""Cause of the end of a run, from its log or, if that is inconclusive, from scheduler, shell and MPI messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from aiida_cse.lammps.log.messages import MESSAGES
from aiida_cse.lammps.log.reader import LogReport, classify_error

__all__ = ["Outcome", "diagnose", "did_not_start", "judge", "last_words"]

#: characters of a message that are kept
_LONGEST = 300
#: lines of a job's output that an exit message quotes, and the characters of each
_QUOTED, _WIDEST = 3, 160

#: words of a shell, launcher or dynamic linker that could not start a program
_NOT_STARTED = re.compile(
    r"command not found|error while loading shared libraries|cannot execute|exec format error|execve?\(\)"
    r"|illegal instruction|sigill\b|no such file or directory|permission denied|unable to locate a modulefile"
    r"|not found in path|could not find executable",
    re.I,
)
#: words that mark the telling lines between the general ones of a launcher
_TELLING = re.compile(
    r"error|cannot|could not|unable|fail|not found|no such|denied|invalid|illegal|missing|killed|exceeded|signal"
    r"|abort",
    re.I,
)
#: commands of a terminal, and what looks like a password or a key
_TERMINAL = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SECRET = re.compile(
    r"(?i)((?:pass(?:word|wd)?|token|secret|api[-_]?key|credentials?|authorization)\w*\s*[=:]\s*)(?:bearer\s+)?\S+"
)
_LOGIN = re.compile(r"(?i)(://)[^/\s@]+@")


@dataclass(frozen=True)
class Outcome:
    """Reason why a run did not reach its end: the kind of failure and the message that reports it."""

    kind: str
    error: str = ""


def judge(report: LogReport, target: int | None, said: Iterable[str] = ()) -> Outcome | None:
    """Return why a run failed, or None if its log proves that it reached its end.

    Parameters
    ----------
    report
        Content of the log.
    target
        Step that proves the run complete; None for a script without stages, which is complete if LAMMPS ended
        without an error.
    said
        Lines of the standard error and output of the job. They are consulted only if the run is incomplete and
        its log names no cause, because many MPI warnings are harmless.
    """
    if report.error is not None:
        return Outcome(classify_error(report.error), report.error)
    if target is not None:
        broken = report.not_a_number()
        if broken is not None:
            return Outcome("not_a_number", f"{broken[0]} at step {broken[1]}")
    if report.reached(target) if target is not None else report.ended and not report.timed_out:
        return None
    if report.timed_out:
        return Outcome("timed_out")
    return diagnose(said) or Outcome("interrupted")


def diagnose(said: Iterable[str]) -> Outcome | None:
    """Return the cause of failure that lines of a job's output report; None if they report no known one.

    An error of LAMMPS of a known kind decides; else the first of :data:`MESSAGES` that any line contains.
    """
    first, text = len(MESSAGES), ""
    for raw in said:
        line = raw.replace("\0", "").strip()
        if line.startswith(("ERROR: ", "ERROR on proc")) and classify_error(line) != "other":
            return Outcome(classify_error(line), line[:_LONGEST])
        for number, one in enumerate(MESSAGES[:first]):
            if one.compiled.search(line):
                first, text = number, line[:_LONGEST]
                break
    return Outcome(MESSAGES[first].kind, text) if first < len(MESSAGES) else None


def did_not_start(said: Iterable[str]) -> bool:
    """Return whether lines of a job's output say that a program could not be started."""
    return any(_NOT_STARTED.search(line) for line in said)


def last_words(said: Iterable[str]) -> str:
    """Return the last telling lines of a job's output for a message, or the last lines if none tells of an error.

    At most three lines of 160 characters are quoted, each once, without commands of a terminal and without what
    looks like a password or a key.
    """
    cleaned = (_TERMINAL.sub("", line).strip() for line in said)
    lines = list(dict.fromkeys(line for line in cleaned if any(map(str.isalnum, line))))
    told = [line for line in lines if _TELLING.search(line)] or lines
    kept = (_LOGIN.sub(r"\1***@", _SECRET.sub(r"\1***", line)) for line in told[-_QUOTED:])
    return " | ".join(line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…" for line in kept)
