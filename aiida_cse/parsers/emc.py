"""Parser of EMC: data file and parameters become a system node, or its messages the reason for an exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.building.electrolyte.emc_input import BUILD_SCRIPT, PROJECT, SETUP_OUTPUT
from aiida_cse.building.electrolyte.emc_output import read_emc_electrolyte
from aiida_cse.building.recipe import Recipe
from aiida_cse.data.system import CseSystemData
from aiida_cse.parsers.build import ended_by_machine, output_lines, program_output

__all__ = ["EmcParser"]

#: message of an EMC past its date
_EXPIRED = "Validity has run out"
#: reason given for a program without output
_SILENT = "it printed nothing"


class EmcParser(Parser):
    """Store the electrolyte that EMC built, or return why there is none."""

    def parse(self, retrieved_temporary_folder: str | None = None, **_: Any) -> ExitCode | None:
        """Attach the system and return the exit code."""
        files = [Path(retrieved_temporary_folder or ".") / f"{PROJECT}.{suffix}" for suffix in ("data", "params")]
        if not all(path.is_file() for path in files):
            ended = ended_by_machine(self, output_lines(self))
            if ended is not None:
                return ended
            expired: ExitCode = self.exit_codes.ERROR_EMC_EXPIRED
            setup: ExitCode = self.exit_codes.ERROR_EMC_SETUP
            failed: ExitCode = self.exit_codes.ERROR_EMC_FAILED
            if BUILD_SCRIPT not in self.retrieved.base.repository.list_object_names():
                return setup.format(error=_complaint(program_output(self, SETUP_OUTPUT)))
            words = program_output(self)
            return expired if _EXPIRED in words else failed.format(error=_complaint(words))
        recipe = Recipe.model_validate(self.node.inputs.recipe.get_dict())
        lx, ly = (high - low for low, high in self.node.inputs.ceramic.info.box[:2])
        data, parameters = (path.read_text(encoding="utf-8", errors="replace") for path in files)
        try:
            system, differences = read_emc_electrolyte(recipe, lx, ly, data, parameters)
        except ValueError as error:
            # files of a job that the scheduler ended may be truncated
            ended = ended_by_machine(self, output_lines(self))
            if ended is not None:
                return ended
            code: ExitCode = self.exit_codes.ERROR_EMC_OUTPUT
            return code.format(error=str(error))
        for difference in differences:
            self.logger.warning(f"{difference}; the system has the value of the recipe")
        self.out("system", CseSystemData(system))
        return None


def _complaint(words: str) -> str:
    """Return in one line the text from ``Error:`` to the next empty line, else the last line that is not empty."""
    lines = [line.strip() for line in words.splitlines()]
    first = next((number for number, line in enumerate(lines) if line.startswith("Error:")), None)
    if first is None:
        return next((line for line in reversed(lines) if line), _SILENT)
    rest = lines[first:]
    return " ".join(rest[: rest.index("")] if "" in rest else rest).removeprefix("Error:").strip()
