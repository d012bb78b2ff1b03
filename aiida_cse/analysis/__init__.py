"""From the state of a reduction to results; it never reads the trajectory.

One module per theme, each a function of a :class:`~aiida_cse.analysis.production.ReducedProduction`. The results
are plain dictionaries of numbers, words, lists and arrays, with the unit in the key; a number that is not known is
None. Names of ions appear in lower case. ``left`` and ``right`` are the two sides of the slab; a name without a
side is both together.
"""
