"""Queries of the loaded profile: studies and runs as tables, analysed productions, the slab of a production.

:func:`studies` and :func:`runs` return pandas DataFrames; ``aiida-cse studies`` prints the same rows.
"""

from aiida_cse.query.frames import runs, studies
from aiida_cse.query.production import Production, productions, slab_seed

__all__ = ["Production", "productions", "runs", "slab_seed", "studies"]
