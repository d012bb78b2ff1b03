"""Observables of a reduced production, and the comparison of several productions; trajectories are never read.

Each observable is a function of a :class:`~aiida_cse.analysis.production.ReducedProduction`, registered with
:mod:`~aiida_cse.analysis.registry`. Results are plain dictionaries of numbers, words, lists and arrays, with the
unit in the key; a number that is not known is None. Names of ions are in lower case. ``left`` and ``right`` are
the sides of the slab; a key without a side is for both together.
"""
