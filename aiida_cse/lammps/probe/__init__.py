"""Examination of a LAMMPS program: the styles that scripts need, those that it has, and a tiny system to run."""
