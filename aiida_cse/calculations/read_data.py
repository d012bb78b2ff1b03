"""CalcJob that joins slab and electrolyte with LAMMPS, by ``read_data add append``."""

from __future__ import annotations

from aiida_cse.building.interface.read_data import ARGUMENTS, FILES, PROGRAM, append_files
from aiida_cse.calculations.join import JoinCalculation

__all__ = ["ReadDataCalculation"]


class ReadDataCalculation(JoinCalculation):
    """Write both phases as data files, of which LAMMPS appends one to the other."""

    program = PROGRAM
    parser_name = "cse.read_data"
    output_filename = "lammps.out"
    # one process, but started like the site's LAMMPS
    withmpi = True
    files = staticmethod(append_files)
    arguments = ARGUMENTS
    bulky = FILES[:2]
