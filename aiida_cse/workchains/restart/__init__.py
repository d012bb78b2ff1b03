"""Continuation and recovery of LAMMPS jobs: lineage, recovery steps, plausibility checks."""
