"""Protocols of the WorkChains as YAML; lammps.yaml holds the values that phases share."""
