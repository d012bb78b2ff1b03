"""CalcJob in which EMC builds the electrolyte of a recipe."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec

from aiida_cse.building.electrolyte.emc_input import BUILD_SCRIPT, PROJECT, SETUP_OUTPUT, emc_files
from aiida_cse.building.recipe import Recipe
from aiida_cse.calculations.ports import forcefield_error, job_options, recipe_ports
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.workers import GuardedCalcJob
from aiida_cse.schema import placed

__all__ = ["EmcCalculation"]


class EmcCalculation(GuardedCalcJob):
    """Build an electrolyte with EMC; its front end EMC Setup writes the script that EMC runs."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs, outputs and exit codes."""
        super().define(spec)
        spec.input("code", valid_type=orm.AbstractCode, help="EMC itself, such as `emc_linux_x86_64`.")
        spec.input(
            "setup_code", valid_type=orm.AbstractCode, help="EMC Setup, its front end: `emc.pl` or `emc_setup.pl`."
        )
        recipe_ports(spec)
        spec.input(
            "ceramic",
            valid_type=CseSystemData,
            help="The equilibrated ceramic, whose cross-section the electrolyte gets.",
        )
        job_options(spec, "cse.emc", "emc.out")
        spec.inputs.validator = _validate_inputs
        spec.output("system", valid_type=CseSystemData, required=False, help="The electrolyte with its wall.")
        spec.exit_code(
            382,
            "ERROR_EMC_EXPIRED",
            message="EMC has expired and builds nothing: get a new version from its authors and set up a code "
            "for it, or build without it (builder: built-in)",
            invalidates_cache=True,
        )
        spec.exit_code(
            383,
            "ERROR_EMC_SETUP",
            message="The front end of EMC wrote no build script: {error}",
            invalidates_cache=True,
        )
        spec.exit_code(
            384,
            "ERROR_EMC_FAILED",
            message="EMC ended without data file and parameters: {error}",
            invalidates_cache=True,
        )
        spec.exit_code(
            385,
            "ERROR_EMC_OUTPUT",
            message="What EMC built is not the electrolyte of the recipe: {error}",
            invalidates_cache=True,
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the setup script with its force field, and run the front end, then EMC."""
        recipe = Recipe.model_validate(self.inputs.recipe.get_dict())
        for name, text in emc_files(recipe, *_cross_section(self.inputs.ceramic)).items():
            with folder.open(name, "w", encoding="utf-8") as handle:
                handle.write(text)
        output = self.metadata.options.output_filename
        info = CalcInfo()
        info.codes_info = [
            _step(self.inputs.setup_code, f"{PROJECT}.esh", SETUP_OUTPUT),
            _step(self.inputs.code, BUILD_SCRIPT, output),
        ]
        info.retrieve_list = [SETUP_OUTPUT, output, BUILD_SCRIPT]
        info.retrieve_temporary_list = [f"{PROJECT}.data", f"{PROJECT}.params"]
        return info


def _step(code: orm.AbstractCode, argument: str, output: str) -> CodeInfo:
    step = CodeInfo()
    step.code_uuid = code.uuid
    step.cmdline_params = [argument]
    step.stdout_name = output
    step.join_files = True
    step.withmpi = False
    return step


def _validate_inputs(value: dict[str, Any], _: Any) -> str | None:
    """Refuse a front end on another computer, other force fields, and types that EMC cannot distinguish."""
    program, setup = value.get("code"), value.get("setup_code")
    # a portable code has no computer until the job uploads it
    computers = {code.computer.pk for code in (program, setup) if code is not None and code.computer is not None}
    if program is not None and setup is not None and len(computers) > 1:
        return f"setup_code = {setup.full_label}: must be on the computer of code = {program.full_label}"
    error = forcefield_error(value)
    if error or "recipe" not in value or "ceramic" not in value:
        return error
    try:
        emc_files(Recipe.model_validate(value["recipe"].get_dict()), *_cross_section(value["ceramic"]))
    except ValueError as error:
        return placed("recipe", str(error))
    return None


def _cross_section(ceramic: CseSystemData) -> tuple[float, float]:
    """Return the edges of the ceramic along x and y, Å."""
    (x, y) = (high - low for low, high in ceramic.info.box[:2])
    return x, y
