"""The parser of Moltemplate: its data file becomes a system, if it holds what was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.building.moltemplate import RESULT, read_interface
from aiida_cse.data.system import CseSystemData

__all__ = ["MoltemplateParser"]

#: how many of the last lines tell what went wrong
_LAST = 6


class MoltemplateParser(Parser):
    """Store the interface, or say why there is none."""

    def parse(self, retrieved_temporary_folder: str | None = None, **_: Any) -> ExitCode | None:
        """Attach the system and return the exit code."""
        path = Path(retrieved_temporary_folder or ".") / RESULT
        inputs = self.node.inputs
        phases = (inputs.ceramic.get_system(), inputs.electrolyte.get_system())
        try:
            system = read_interface(path.read_text(encoding="utf-8"), *phases, inputs.gap.value)
        except (OSError, ValueError) as error:
            return self._failure(error)
        self.out("system", CseSystemData(system))
        return None

    def _failure(self, error: OSError | ValueError) -> ExitCode:
        """Return the scheduler's exit code if there is one, else what Moltemplate said or made."""
        if self.node.exit_status is not None:
            return ExitCode(self.node.exit_status, self.node.exit_message)
        if isinstance(error, ValueError):
            wrong: ExitCode = self.exit_codes.ERROR_MOLTEMPLATE_RESULT.format(error=error)
            return wrong
        failed: ExitCode = self.exit_codes.ERROR_MOLTEMPLATE_FAILED.format(error=self._last_words())
        return failed

    def _last_words(self) -> str:
        name = self.node.get_option("output_filename")
        repository = self.retrieved.base.repository
        words = repository.get_object_content(name, "r") if name in repository.list_object_names() else ""
        lines = [" ".join(line.split()) for line in words.splitlines() if line.strip(" -")]
        return " | ".join(lines[-_LAST:]) or "it said nothing; is the code's path right, and its Python?"
