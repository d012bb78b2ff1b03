"""Parser of the deletion of trajectories: says whether it was done."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.parsers.build import complaint, program_output

__all__ = ["DiscardParser"]


class DiscardParser(Parser):
    """Accept the deletion only if the last line of its output says that it was done."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Return the exit code."""
        lines = program_output(self).splitlines()
        if lines and lines[-1].startswith("removed "):
            return None
        if self.node.exit_status is not None:
            return ExitCode(self.node.exit_status, self.node.exit_message)
        said = complaint(self) or " | ".join(lines[-3:]) or "it said nothing"
        code: ExitCode = self.exit_codes.ERROR_NOT_DISCARDED
        return code.format(error=said)
