"""Parser of the builder: its three files become one system node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.log.outcome import last_words

__all__ = ["BuildParser", "complaint", "interrupted", "program_output"]


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

    That of the scheduler takes precedence over ``code``, whose message names the ``error`` of the result.
    """
    errors = program_output(parser, parser.node.get_option("scheduler_stderr") or "_scheduler-stderr.txt")
    words = last_words([*program_output(parser).splitlines(), *errors.splitlines()])
    if parser.node.exit_status is not None:
        said = f" It said: {words}" if words else ""
        return ExitCode(parser.node.exit_status, f"{parser.node.exit_message or ''}{said}", code.invalidates_cache)
    reason = f"{Path(error.filename).name}: {error.strerror}" if isinstance(error, OSError) else str(error)
    return code.format(error=f"{reason}; it said: {words}" if words else reason)


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
