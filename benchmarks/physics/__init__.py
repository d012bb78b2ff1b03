"""Physics of the models compared with tables, from interruptible runs of LAMMPS."""
