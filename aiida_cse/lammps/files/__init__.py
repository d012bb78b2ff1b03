"""LAMMPS data files, force-field input and the systems made of them."""
