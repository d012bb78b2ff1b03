"""Force-field parameter sets with their citations, the pair table and the include file. No AiiDA."""

from aiida_cse.forcefields.include import BondedRow, render_include
from aiida_cse.forcefields.library import available_sets, load_set, make_set, read_set, settle_variants
from aiida_cse.forcefields.models import ForceFieldSet
from aiida_cse.forcefields.pairs import PairRow, PairSite, pair_table

__all__ = [
    "BondedRow",
    "ForceFieldSet",
    "PairRow",
    "PairSite",
    "available_sets",
    "load_set",
    "make_set",
    "pair_table",
    "read_set",
    "render_include",
    "settle_variants",
]
