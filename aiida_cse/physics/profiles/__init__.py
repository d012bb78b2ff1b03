"""Profiles along the interface normal: density, free energy, charge, displacements, barriers."""
