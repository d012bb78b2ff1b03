"""Parser of the builder: its three files become one system node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.log.outcome import diagnose, last_words

__all__ = [
    "BuildParser",
    "complaint",
    "ended_by_machine",
    "interrupted",
    "output_lines",
    "program_output",
    "report_lines",
]

#: labels of aiida-core's exit codes for messages of schedulers whose plugins, unlike that of Slurm, return none
_CODE_OF_KIND = {
    "out_of_memory": "ERROR_SCHEDULER_OUT_OF_MEMORY",
    "time_limit": "ERROR_SCHEDULER_OUT_OF_WALLTIME",
}
#: script of the job in the report of LSF: its lines are no messages
_ECHO = re.compile(r"^# LSBATCH: User input\s*$.*?^-{60}\s*$", re.M | re.S)
#: whether a job failed, in the accounting of Grid Engine
_FAILED = re.compile(r"^failed +\d.*$", re.M)
#: characters at the end of an output that are read
_TAIL = 2**16


class BuildParser(Parser):
    """Store the system, or return why it could not be built."""

    def parse(self, retrieved_temporary_folder: str | None = None, **_: Any) -> ExitCode | None:
        """Attach the system and return the exit code."""
        try:
            system = System.read(retrieved_temporary_folder or ".")
        except ValueError as error:
            said = complaint(self)
            if self.node.exit_status is not None or said is None:
                return interrupted(self, self.exit_codes.ERROR_SYSTEM_MISSING, error)
            failed: ExitCode = self.exit_codes.ERROR_BUILDER_FAILED
            return failed.format(error=said)
        inputs = self.node.inputs
        for node in inputs.forcefield.values() if "forcefield" in inputs else ():
            built = system.info.forcefield_md5.get(node.name, "none")
            if built != node.md5:
                code: ExitCode = self.exit_codes.ERROR_FORCEFIELD_DIFFERS
                return code.format(name=node.name, built=built, given=node.md5)
        self.out("system", CseSystemData(system))
        return None


def interrupted(parser: Parser, code: ExitCode, error: Exception) -> ExitCode:
    """Return the exit code of a job that left no whole result and does not say why, with its last lines.

    That of :func:`ended_by_machine` takes precedence over ``code``, whose message names the ``error``.
    """
    lines = output_lines(parser)
    ended = ended_by_machine(parser, lines)
    if ended is not None:
        return ended
    words = last_words(lines)
    reason = f"{Path(error.filename).name}: {error.strerror}" if isinstance(error, OSError) else str(error)
    return code.format(error=f"{reason}; it said: {words}" if words else reason)


def ended_by_machine(parser: Parser, lines: list[str]) -> ExitCode | None:
    """Return aiida-core's exit code of a job that ran out of memory or time; None for another.

    The plugin of Slurm finds it out, and that a node was lost. For other schedulers it follows from the ``lines``
    of the output and from their reports.
    """
    status, message, words = parser.node.exit_status, parser.node.exit_message, last_words(lines)
    if status is None:
        found = diagnose([*lines, *report_lines(parser)])
        if found is None or found.kind not in _CODE_OF_KIND:
            return None
        code: ExitCode = parser.exit_codes[_CODE_OF_KIND[found.kind]]
        status, message, words = code.status, code.message, last_words([found.error])
    said = f" It said: {words}" if words else ""
    return ExitCode(status, f"{message or ''}{said}", invalidates_cache=True)


def output_lines(parser: Parser, output: str | None = None) -> list[str]:
    """Return the last lines of a job's standard error and of ``output``, by default that of the program."""
    errors = _file_of_scheduler(parser, "stderr")
    output = program_output(parser) if output is None else output
    return [line for text in (errors, output) for line in text[-_TAIL:].splitlines()]


def report_lines(parser: Parser) -> list[str]:
    """Return the report of the scheduler: LSF writes it to the job's output, Grid Engine to its accounting."""
    lines = _ECHO.sub("", _file_of_scheduler(parser, "stdout"))[-_TAIL:].splitlines()
    accounting = parser.node.get_detailed_job_info()
    told = str(accounting.get("stdout") or "") if isinstance(accounting, Mapping) else ""
    # of a number that was used before the last record counts
    return lines + _FAILED.findall(told)[-1:]


def _file_of_scheduler(parser: Parser, stream: str) -> str:
    return program_output(parser, parser.node.get_option(f"scheduler_{stream}") or f"_scheduler-{stream}.txt")


def program_output(parser: Parser, name: str | None = None) -> str:
    """Return the retrieved output ``name`` of a program, an empty text if there is none.

    By default it is that of the job. Bytes that are not UTF-8 are replaced.
    """
    name = name or str(parser.node.get_option("output_filename"))
    repository = parser.retrieved.base.repository
    if name not in repository.list_object_names():
        return ""
    return repository.get_object_content(name, "rb").decode("utf-8", errors="replace")


def complaint(parser: Parser) -> str | None:
    """Return the error message in the output of the command ``aiida-cse``, None if there is none."""
    lines = program_output(parser).splitlines()
    return next((line.removeprefix("Error:").strip() for line in lines if line.startswith("Error:")), None)
