"""Interfaces of composite solid electrolytes, from a recipe to hopping rates, on AiiDA and LAMMPS."""

__version__ = "0.1.0"
