"""LAMMPS logs."""
