"""The parser of the builder: its three files become one system node."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import System

__all__ = ["BuildParser", "complaint"]


class BuildParser(Parser):
    """Store what was built, or say why it could not be."""

    def parse(self, retrieved_temporary_folder: str | None = None, **_: Any) -> ExitCode | None:
        """Attach the system and return the exit code."""
        try:
            system = System.read(retrieved_temporary_folder or ".")
        except ValueError as error:
            return self._failure(error)
        differing = self._differing_set(system)
        if differing is not None:
            return differing
        self.out("system", CseSystemData(system))
        return None

    def _differing_set(self, system: System) -> ExitCode | None:
        """Return the exit code if the builder did not have the content of the sets that the job was given."""
        inputs = self.node.inputs
        for node in inputs.forcefield.values() if "forcefield" in inputs else ():
            built = system.info.forcefield_md5.get(node.name, "none")
            if built != node.md5:
                code: ExitCode = self.exit_codes.ERROR_FORCEFIELD_DIFFERS
                return code.format(name=node.name, built=built, given=node.md5)
        return None

    def _failure(self, error: ValueError) -> ExitCode:
        """Return the scheduler's exit code if there is one, else the builder's own last words."""
        if self.node.exit_status is not None:
            return ExitCode(self.node.exit_status, self.node.exit_message)
        said = complaint(self)
        code: ExitCode = (
            self.exit_codes.ERROR_SYSTEM_MISSING if said is None else self.exit_codes.ERROR_BUILDER_FAILED
        )
        return code.format(error=said or str(error))


def complaint(parser: Parser) -> str | None:
    """Return what the command ``aiida-cse`` complained of in its output, None if it did not."""
    name = parser.node.get_option("output_filename")
    repository = parser.retrieved.base.repository
    words = repository.get_object_content(name, "r") if name in repository.list_object_names() else ""
    lines = (line.removeprefix("Error:").strip() for line in words.splitlines() if line.startswith("Error:"))
    return next(lines, None)
