"""Parser of the reduction: stores the state as a node."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.data.reduction import FILENAME, CseReductionData
from aiida_cse.parsers.build import complaint, interrupted

__all__ = ["ReduceParser"]


class ReduceParser(Parser):
    """Store the state, or report why there is none."""

    def parse(self, retrieved_temporary_folder: str | None = None, **_: Any) -> ExitCode | None:
        """Attach the reduction and return the exit code."""
        path = Path(retrieved_temporary_folder or ".") / FILENAME
        try:
            if not path.is_file():
                raise FileNotFoundError(errno.ENOENT, "is missing", str(path))
            previous = self.node.inputs.previous if "previous" in self.node.inputs else None
            self.out("reduction", CseReductionData(path, previous=previous))
        except (OSError, ValueError) as error:
            said = complaint(self)
            if self.node.exit_status is not None or said is None:
                return interrupted(self, self.exit_codes.ERROR_STATE_MISSING, error)
            code: ExitCode = self.exit_codes.ERROR_REDUCTION_FAILED
            return code.format(error=said)
        return None
