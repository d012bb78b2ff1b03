"""What became of a run: judged by its log and, where that ends without a word, by what the machine said."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from aiida_cse.lammps.log.reader import LogReport, classify_error

__all__ = ["Outcome", "diagnose", "judge"]

#: kinds of failure and the words that shells, schedulers and MPI have for them, most specific first
MACHINE_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("time_limit", re.compile(r"due to time limit|walltime \S+ exceeded|exceeded (hard )?wall ?time", re.I)),
    (
        "disk_full",
        re.compile(
            r"no space left|disk quota exceeded|file too large|file size limit exceeded|short write|sigxfsz", re.I
        ),
    ),
    (
        "out_of_memory",
        re.compile(r"oom[-_ ]kill|out[ -]of[ -]memory|cannot allocate memory|bad_alloc|exceeded .*memory", re.I),
    ),
    (
        "segmentation_fault",
        re.compile(r"segmentation fault|sigsegv|signal 11\b|exit (code|status):? 139\b|segfault", re.I),
    ),
    ("interrupted", re.compile(r"killed \(signal 9\)|terminated \(signal 15\)|exited on signal (9|15)\b", re.I)),
    ("mpi_abort", re.compile(r"mpi_abort|bad termination|fatal error in .*mpi|pmix error|exited on signal", re.I)),
)


@dataclass(frozen=True)
class Outcome:
    """Why a run did not reach its end: a kind, and the words in which it was said."""

    kind: str
    error: str = ""


def judge(report: LogReport, target: int | None, said: Iterable[str] = ()) -> Outcome | None:
    """Return why a run failed, None if it proved that it reached its end.

    Parameters
    ----------
    report
        What was read from the log.
    target
        The step that proves the run complete; None for a script without stages, which is complete when LAMMPS
        ended without an error.
    said
        Lines of the standard error and output of the job. They are asked only about a run that is not complete
        and whose log names no cause: MPI warns of much that does no harm.
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
    """Return what lines of a job's output say of its end, None if they say nothing that is known."""
    found: dict[str, str] = {}
    for raw in said:
        line = raw.replace("\0", "").strip()
        if line.startswith(("ERROR: ", "ERROR on proc")) and classify_error(line) != "other":
            return Outcome(classify_error(line), line[:_LONGEST])
        for kind, pattern in MACHINE_PATTERNS:
            if kind not in found and pattern.search(line):
                found[kind] = line[:_LONGEST]
    return next((Outcome(kind, found[kind]) for kind, _ in MACHINE_PATTERNS if kind in found), None)


#: characters of a line that are kept
_LONGEST = 300
