"""CalcJob that builds a slab or an electrolyte from a recipe with the command ``aiida-cse build``."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec

from aiida_cse.calculations.ports import forcefield_error, job_options, recipe_ports
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.workers import GuardedCalcJob
from aiida_cse.lammps.files.system import FILENAMES
from aiida_cse.yaml_io import dump_mapping

__all__ = ["BuildCalculation"]

COMPONENTS = ("slab", "electrolyte")
RECIPE = "recipe.yaml"


class BuildCalculation(GuardedCalcJob):
    """Build one component of an interface from its recipe."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs, outputs and exit codes."""
        super().define(spec)
        recipe_ports(spec)
        spec.input(
            "component",
            valid_type=orm.Str,
            validator=_validate_component,
            serializer=orm.to_aiida_type,
            help="The component: slab or electrolyte.",
        )
        spec.input(
            "ceramic",
            valid_type=CseSystemData,
            required=False,
            help="The equilibrated ceramic, whose cross-section the electrolyte gets.",
        )
        job_options(spec, "cse.build", "build.out")
        spec.inputs.validator = _validate_inputs
        spec.output("system", valid_type=CseSystemData, required=False, help="The system that was built.")
        spec.exit_code(
            330,
            "ERROR_BUILDER_FAILED",
            message="The component could not be built: {error}",
            invalidates_cache=True,
        )
        spec.exit_code(
            331,
            "ERROR_SYSTEM_MISSING",
            message="The builder ended without a complete system: {error}",
            invalidates_cache=True,
        )
        spec.exit_code(
            347,
            "ERROR_FORCEFIELD_DIFFERS",
            message="The builder has another version of the force-field set {name} than the one of the "
            "recipe (md5 {built}, not {given}): install the same version of aiida-cse on its computer",
            invalidates_cache=True,
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the recipe and call ``aiida-cse build``."""
        with folder.open(RECIPE, "w", encoding="utf-8") as handle:
            handle.write(dump_mapping(self.inputs.recipe.get_dict()))
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.stdout_name = self.metadata.options.output_filename
        code.join_files = True
        code.cmdline_params = ["build", self.inputs.component.value, "--recipe", RECIPE, "--out", "."]
        if "ceramic" in self.inputs:
            for flag, (low, high) in zip(("--lx", "--ly"), self.inputs.ceramic.info.box[:2], strict=True):
                code.cmdline_params += [flag, repr(high - low)]
        info = CalcInfo()
        info.codes_info = [code]
        info.retrieve_list = [self.metadata.options.output_filename]
        info.retrieve_temporary_list = list(FILENAMES.values())
        return info


def _validate_component(value: orm.Str, _: Any) -> str | None:
    if value.value not in COMPONENTS:
        return f"component = {value.value!r}: cannot be built; must be {' or '.join(COMPONENTS)}"
    return None


def _validate_inputs(value: dict[str, Any], ports: Any) -> str | None:
    component = value["component"].value if "component" in ports and "component" in value else None
    if component == "electrolyte" and "ceramic" not in value:
        return "ceramic: is missing; an electrolyte is built on the cross-section of a ceramic"
    return forcefield_error(value)
