"""The chain of restarts of a LAMMPS job."""
