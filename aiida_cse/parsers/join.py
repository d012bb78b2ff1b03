"""Parsers of the programs that join the phases: the data file becomes a system if it is the interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.building.interface import moltemplate, read_data
from aiida_cse.building.interface.verify import RESULT, read_interface
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.log.outcome import last_words
from aiida_cse.lammps.log.reader import read_log
from aiida_cse.parsers.build import ended_by_machine, output_lines, program_output

__all__ = ["JoinParser", "MoltemplateParser", "ReadDataParser"]

#: number of last lines of the output quoted as the reason of a failure
_LAST = 6


class JoinParser(Parser):
    """Store the interface, or return why there is none."""

    #: name of the program, for messages
    program: ClassVar[str]
    #: possible cause of a failure without output
    silence: ClassVar[str]

    def parse(self, retrieved_temporary_folder: str | None = None, **_: Any) -> ExitCode | None:
        """Attach the system and return the exit code."""
        path = Path(retrieved_temporary_folder or ".") / RESULT
        inputs = self.node.inputs
        phases = (inputs.ceramic.get_system(), inputs.electrolyte.get_system())
        try:
            text = path.read_text(encoding="utf-8")
            system = read_interface(text, *phases, inputs.gap.value, self.program)
        except (OSError, ValueError) as error:
            return self._failure(error)
        self.out("system", CseSystemData(system))
        return None

    def complaint(self, lines: list[str]) -> str:
        """Return the reason of a failure from the lines of the output, an empty text if there is none."""
        return " | ".join(lines[-_LAST:])

    def _failure(self, error: OSError | ValueError) -> ExitCode:
        """Return the scheduler's exit code if there is one, else one with the program's message or difference."""
        ended = ended_by_machine(self, output_lines(self))
        if ended is not None:
            return ended
        if isinstance(error, ValueError):
            wrong: ExitCode = self.exit_codes.ERROR_JOINING_RESULT
            return wrong.format(program=self.program, error=str(error))
        failed: ExitCode = self.exit_codes.ERROR_JOINING_FAILED
        words = program_output(self)
        lines = [" ".join(line.split()) for line in words.splitlines() if line.strip(" -")]
        reason = self.complaint(lines)
        if not reason:
            errors = program_output(self, self.node.get_option("scheduler_stderr") or "_scheduler-stderr.txt")
            reason = last_words(errors.splitlines()) or f"it printed nothing; {self.silence}"
        return failed.format(program=self.program, error=reason)


class MoltemplateParser(JoinParser):
    """Store the interface that Moltemplate made, or return its last messages."""

    program = moltemplate.PROGRAM
    silence = "is the code's path right, and its Python?"


class ReadDataParser(JoinParser):
    """Store the interface that LAMMPS made, or return its error."""

    program = read_data.PROGRAM
    silence = "is the code's path right?"

    def complaint(self, lines: list[str]) -> str:
        """Return LAMMPS' error, which messages of MPI may follow; without one, the last lines."""
        return read_log(lines).error or super().complaint(lines)
