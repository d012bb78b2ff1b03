"""CalcJob that joins slab and electrolyte with LAMMPS, by ``read_data add append``."""

from __future__ import annotations

from aiida.engine import CalcJobProcessSpec

from aiida_cse.building.interface.read_data import ARGUMENTS, FILES, PROGRAM, append_files
from aiida_cse.calculations.join import JoinCalculation
from aiida_cse.calculations.ports import job_options

__all__ = ["ReadDataCalculation"]


class ReadDataCalculation(JoinCalculation):
    """Write both phases as data files, of which LAMMPS appends one to the other."""

    program = PROGRAM
    files = staticmethod(append_files)
    arguments = ARGUMENTS
    bulky = FILES[:2]

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define the options."""
        super().define(spec)
        job_options(spec, "cse.read_data", "lammps.out")
        # one process, but started like the site's LAMMPS
        spec.input("metadata.options.withmpi", valid_type=bool, default=True)
