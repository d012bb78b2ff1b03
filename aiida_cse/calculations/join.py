"""Base class of the CalcJobs in which a program joins slab and electrolyte."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec

from aiida_cse.building.interface.assembly import place
from aiida_cse.building.interface.verify import RESULT
from aiida_cse.calculations.ports import job_options
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.workers import GuardedCalcJob
from aiida_cse.lammps.files.system import System

__all__ = ["JoinCalculation"]


class JoinCalculation(GuardedCalcJob):
    """Join both phases in one data file; a subclass defines the program and its input."""

    #: exit code for a program that ended without error but did not write the interface
    RESULT_STATUS: ClassVar[int] = 381
    #: name of the program, for reports
    program: ClassVar[str]
    #: names of its parser and of the file for its output, and whether it is started with MPI
    parser_name: ClassVar[str]
    output_filename: ClassVar[str]
    withmpi: ClassVar[bool]
    #: arguments of the program
    arguments: ClassVar[tuple[str, ...]]
    #: input files that only repeat the two systems
    bulky: ClassVar[tuple[str, ...]]

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
        job_options(spec, cls.parser_name, cls.output_filename)
        spec.input("metadata.options.withmpi", valid_type=bool, default=cls.withmpi)
        spec.inputs.validator = _validate_inputs
        spec.output("system", valid_type=CseSystemData, required=False, help="The interface.")
        spec.exit_code(
            380,
            "ERROR_JOINING_FAILED",
            message="{program} ended without a data file: {error}",
            invalidates_cache=True,
        )
        spec.exit_code(
            cls.RESULT_STATUS,
            "ERROR_JOINING_RESULT",
            message="What {program} wrote is not the interface: {error}",
            invalidates_cache=True,
        )

    @staticmethod
    @abstractmethod
    def files(ceramic: System, electrolyte: System, gap: float) -> dict[str, str]:
        """Return the text of each input file by name; the gap is in Å."""

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input files and run the program."""
        phases = (self.inputs.ceramic.get_system(), self.inputs.electrolyte.get_system())
        for name, text in self.files(*phases, self.inputs.gap.value).items():
            with folder.open(name, "w", encoding="utf-8") as handle:
                handle.write(text)
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.cmdline_params = list(self.arguments)
        code.stdout_name = self.metadata.options.output_filename
        code.join_files = True
        info = CalcInfo()
        info.codes_info = [code]
        info.provenance_exclude_list = list(self.bulky)
        info.retrieve_list = [self.metadata.options.output_filename]
        info.retrieve_temporary_list = [RESULT]
        return info


def _validate_inputs(value: dict[str, Any], ports: Any) -> str | None:
    """Return why the phases cannot be joined, None if they can be."""
    if not {"ceramic", "electrolyte", "gap"} <= {name for name in ports if name in value}:
        return None
    try:
        place(value["ceramic"].get_system(), value["electrolyte"].get_system(), value["gap"].value)
    except ValueError as error:
        return f"slab and electrolyte cannot be joined: {error}"
    return None
