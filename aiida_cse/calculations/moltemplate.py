"""The CalcJob that joins slab and electrolyte with ``moltemplate.sh``."""

from __future__ import annotations

from pathlib import PurePosixPath
from shlex import quote
from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec

from aiida_cse.building.assembly import place
from aiida_cse.building.moltemplate import ARGUMENTS, RESULT, templates
from aiida_cse.data.system import CseSystemData

__all__ = ["MoltemplateCalculation"]

#: templates that only say again what the two systems hold
_BULKY = ("ceramic.lt", "electrolyte.lt")


class MoltemplateCalculation(CalcJob):
    """Write both phases as templates and let Moltemplate make one data file of them."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs, outputs and exit codes."""
        super().define(spec)
        spec.input("ceramic", valid_type=CseSystemData, help="The equilibrated slab.")
        spec.input("electrolyte", valid_type=CseSystemData, help="The electrolyte, on the slab's cross-section.")
        spec.input(
            "gap",
            valid_type=orm.Float,
            serializer=orm.to_aiida_type,
            help="Distance between the outermost atoms of the two phases, in Å.",
        )
        spec.input("metadata.options.parser_name", valid_type=str, default="cse.moltemplate")
        spec.input("metadata.options.output_filename", valid_type=str, default="moltemplate.out")
        spec.input("metadata.options.withmpi", valid_type=bool, default=False)
        spec.input(
            "metadata.options.resources",
            valid_type=dict,
            default=lambda: {"num_machines": 1, "num_mpiprocs_per_machine": 1},
        )
        spec.inputs.validator = _validate_inputs
        spec.output("system", valid_type=CseSystemData, required=False, help="The interface.")
        spec.exit_code(
            380,
            "ERROR_MOLTEMPLATE_FAILED",
            message="Moltemplate ended without a data file: {error}",
            invalidates_cache=True,
        )
        spec.exit_code(
            381,
            "ERROR_MOLTEMPLATE_RESULT",
            message="What Moltemplate wrote is not the interface: {error}",
            invalidates_cache=True,
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the templates and call ``moltemplate.sh``."""
        phases = (self.inputs.ceramic.get_system(), self.inputs.electrolyte.get_system())
        for name, text in templates(*phases, self.inputs.gap.value).items():
            with folder.open(name, "w", encoding="utf-8") as handle:
                handle.write(text)
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.cmdline_params = list(ARGUMENTS)
        code.stdout_name = self.metadata.options.output_filename
        code.join_files = True
        info = CalcInfo()
        info.codes_info = [code]
        info.prepend_text = _beside(self.inputs.code)
        info.provenance_exclude_list = list(_BULKY)
        info.retrieve_list = [self.metadata.options.output_filename]
        info.retrieve_temporary_list = [RESULT]
        return info


def _beside(code: orm.AbstractCode) -> str:
    """Return what puts the folder of the program first on the path: it runs the first ``python3`` found there."""
    if not isinstance(code, orm.InstalledCode):
        return ""
    program = PurePosixPath(code.filepath_executable)
    return f'export PATH={quote(str(program.parent))}:"$PATH"' if program.is_absolute() else ""


def _validate_inputs(value: dict[str, Any], ports: Any) -> str | None:
    """Return why the phases cannot be joined, None if they can."""
    if not {"ceramic", "electrolyte", "gap"} <= {name for name in ports if name in value}:
        return None
    try:
        place(value["ceramic"].get_system(), value["electrolyte"].get_system(), value["gap"].value)
    except ValueError as error:
        return f"slab and electrolyte cannot be joined: {error}"
    return None
