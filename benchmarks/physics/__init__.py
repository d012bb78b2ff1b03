"""The physics of the models against tables, by runs of LAMMPS that can be interrupted."""
