"""Scripts and records of one LAMMPS job."""
