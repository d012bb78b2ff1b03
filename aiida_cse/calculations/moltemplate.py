"""The CalcJob that joins slab and electrolyte with ``moltemplate.sh``."""

from __future__ import annotations

from pathlib import PurePosixPath
from shlex import quote

from aiida import orm
from aiida.common.datastructures import CalcInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec

from aiida_cse.building.interface.moltemplate import ARGUMENTS, PROGRAM, TEMPLATES, templates
from aiida_cse.calculations.join import JoinCalculation
from aiida_cse.calculations.ports import job_options

__all__ = ["MoltemplateCalculation"]


class MoltemplateCalculation(JoinCalculation):
    """Write both phases as templates and let Moltemplate make one data file of them."""

    program = PROGRAM
    files = staticmethod(templates)
    arguments = ARGUMENTS
    bulky = TEMPLATES[1:3]

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define the options."""
        super().define(spec)
        job_options(spec, "cse.moltemplate", "moltemplate.out")
        spec.input("metadata.options.withmpi", valid_type=bool, default=False)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the templates and call ``moltemplate.sh``."""
        info = super().prepare_for_submission(folder)
        info.prepend_text = _beside(self.inputs.code)
        return info


def _beside(code: orm.AbstractCode) -> str:
    """Return what puts the folder of the program first on the path: it runs the first ``python3`` found there."""
    if not isinstance(code, orm.InstalledCode):
        return ""
    program = PurePosixPath(code.filepath_executable)
    return f'export PATH={quote(str(program.parent))}:"$PATH"' if program.is_absolute() else ""
