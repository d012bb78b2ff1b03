"""Recipes that a command names: shipped or a file, with force-field sets of the profile where they name some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_cse.cli import profile as profiles

if TYPE_CHECKING:
    from aiida_cse.building.recipe import Recipe

__all__ = ["find_recipe"]


def find_recipe(name: str, profile: str | None) -> Recipe:
    """Return a shipped recipe or the one in a YAML file; a profile is loaded only if the recipe needs its sets.

    Raises
    ------
    ValueError
        There is no such recipe or file, or it is not valid; names the field.
    """
    from aiida_cse.building.recipe import load_recipe, read_recipe, unknown_sets

    if not unknown_sets(read_recipe(name)) or not (profile or profiles.has_default()):
        return load_recipe(name)
    profiles.load(profile)
    from aiida_cse.workchains.common.forcefields import load_stored_recipe

    return load_stored_recipe(name)
