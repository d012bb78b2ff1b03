"""Whether a recipe can be built at all: found out in a second, before a job is submitted to build it."""

from __future__ import annotations

from functools import lru_cache

from aiida_cse.building.ceramic.slab import check_slab
from aiida_cse.building.electrolyte.build import check_electrolyte
from aiida_cse.building.recipe import Recipe

__all__ = ["refuse_unbuildable"]


@lru_cache(maxsize=8)
def _refuse(recipe_json: str) -> None:
    recipe = Recipe.model_validate_json(recipe_json)
    lx, ly = check_slab(recipe)
    check_electrolyte(recipe, lx, ly)


def refuse_unbuildable(recipe: Recipe) -> None:
    """Refuse a recipe whose slab cannot be cut or filled, or whose first chain does not fit into its layer.

    Raises
    ------
    ValueError
        Parameters are missing, or a part cannot be built; names the field.
    """
    _refuse(recipe.model_dump_json())
