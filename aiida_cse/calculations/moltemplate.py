"""CalcJob that joins slab and electrolyte with ``moltemplate.sh``."""

from __future__ import annotations

from pathlib import PurePosixPath
from shlex import quote

from aiida import orm
from aiida.common.datastructures import CalcInfo
from aiida.common.folders import Folder

from aiida_cse.building.interface.moltemplate import ARGUMENTS, PROGRAM, TEMPLATES, templates
from aiida_cse.calculations.join import JoinCalculation

__all__ = ["MoltemplateCalculation"]


class MoltemplateCalculation(JoinCalculation):
    """Write both phases as templates, from which Moltemplate makes one data file."""

    program = PROGRAM
    parser_name = "cse.moltemplate"
    output_filename = "moltemplate.out"
    withmpi = False
    files = staticmethod(templates)
    arguments = ARGUMENTS
    bulky = TEMPLATES[1:3]

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the templates and run ``moltemplate.sh``."""
        info = super().prepare_for_submission(folder)
        code = self.inputs.code
        if isinstance(code, orm.InstalledCode):
            program = PurePosixPath(code.filepath_executable)
            if program.is_absolute():
                # moltemplate.sh runs the first python3 on the path, which must be the one beside it
                info.prepend_text = f'export PATH={quote(str(program.parent))}:"$PATH"'
        return info
