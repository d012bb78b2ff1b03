"""Slab, chains, salt, wall and assembly: what LAMMPS is to read. No AiiDA."""
