"""Parser of the reduction: stores the state as a node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.data.reduction import FILENAME, CseReductionData
from aiida_cse.parsers.build import complaint

__all__ = ["ReduceParser"]


class ReduceParser(Parser):
    """Store the state, or report why there is none."""

    def parse(self, retrieved_temporary_folder: str | None = None, **_: Any) -> ExitCode | None:
        """Attach the reduction and return the exit code."""
        path = Path(retrieved_temporary_folder or ".") / FILENAME
        try:
            self.out("reduction", CseReductionData(path))
        except (OSError, ValueError) as error:
            if self.node.exit_status is not None:
                return ExitCode(self.node.exit_status, self.node.exit_message)
            said = complaint(self)
            code: ExitCode = (
                self.exit_codes.ERROR_STATE_MISSING if said is None else self.exit_codes.ERROR_REDUCTION_FAILED
            )
            return code.format(error=said or str(error))
        return None
