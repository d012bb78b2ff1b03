"""The parser of EMC: its data file and parameters become a system node, or its last words the reason why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.building.electrolyte.emc_input import BUILD_SCRIPT, PROJECT, SETUP_OUTPUT
from aiida_cse.building.electrolyte.emc_output import read_emc_electrolyte
from aiida_cse.building.recipe import Recipe
from aiida_cse.data.system import CseSystemData

__all__ = ["EmcParser"]

#: what an EMC says that is past its date
_EXPIRED = "Validity has run out"
#: what stands for a reason where a program left none
_SILENT = "it says nothing"


class EmcParser(Parser):
    """Store what EMC built as an electrolyte of the recipe, or say why there is none."""

    def parse(self, retrieved_temporary_folder: str | None = None, **_: Any) -> ExitCode | None:
        """Attach the system and return the exit code."""
        files = [Path(retrieved_temporary_folder or ".") / f"{PROJECT}.{suffix}" for suffix in ("data", "params")]
        if not all(path.is_file() for path in files):
            return self._failure()
        recipe = Recipe.model_validate(self.node.inputs.recipe.get_dict())
        lx, ly = (high - low for low, high in self.node.inputs.ceramic.info.box[:2])
        data, parameters = (path.read_text(encoding="utf-8", errors="replace") for path in files)
        try:
            system, differences = read_emc_electrolyte(recipe, lx, ly, data, parameters)
        except ValueError as error:
            return self._wrong(error)
        for difference in differences:
            self.logger.warning(f"{difference}; the system has that of the recipe")
        self.out("system", CseSystemData(system))
        return None

    def _wrong(self, error: ValueError) -> ExitCode:
        """Return the scheduler's exit code if there is one, for then files may be cut off, else what is wrong."""
        if self.node.exit_status is not None:
            return ExitCode(self.node.exit_status, self.node.exit_message)
        code: ExitCode = self.exit_codes.ERROR_EMC_OUTPUT
        return code.format(error=str(error))

    def _failure(self) -> ExitCode:
        """Return the scheduler's exit code if there is one, else what front end or program complained of."""
        if self.node.exit_status is not None:
            return ExitCode(self.node.exit_status, self.node.exit_message)
        expired: ExitCode = self.exit_codes.ERROR_EMC_EXPIRED
        setup: ExitCode = self.exit_codes.ERROR_EMC_SETUP
        failed: ExitCode = self.exit_codes.ERROR_EMC_FAILED
        if BUILD_SCRIPT not in self.retrieved.base.repository.list_object_names():
            return setup.format(error=_complaint(self._said(SETUP_OUTPUT)))
        words = self._said(str(self.node.get_option("output_filename")))
        return expired if _EXPIRED in words else failed.format(error=_complaint(words))

    def _said(self, name: str) -> str:
        """Return what a program wrote to its output file, nothing if there is none."""
        repository = self.retrieved.base.repository
        if name not in repository.list_object_names():
            return ""
        return repository.get_object_content(name, "rb").decode("utf-8", errors="replace")


def _complaint(words: str) -> str:
    """Return in one line what follows ``Error:`` up to an empty line, else the last line that is there."""
    lines = [line.strip() for line in words.splitlines()]
    first = next((number for number, line in enumerate(lines) if line.startswith("Error:")), None)
    if first is None:
        return next((line for line in reversed(lines) if line), _SILENT)
    rest = lines[first:]
    return " ".join(rest[: rest.index("")] if "" in rest else rest).removeprefix("Error:").strip()
