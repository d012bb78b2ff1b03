"""Force-field sets of a recipe: shipped, of the profile, and as nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida import orm

from aiida_cse.building.recipe import ForceFieldSets, Recipe, read_recipe, unknown_sets
from aiida_cse.data.forcefield import CseForceFieldData, find_forcefield
from aiida_cse.forcefields.library import available_sets, load_set
from aiida_cse.schema import located

__all__ = ["forcefield_nodes", "load_stored_recipe", "with_stored_sets"]


def forcefield_nodes(recipe: orm.Dict) -> dict[str, CseForceFieldData]:
    """Return the nodes of the sets of a complete recipe by role; missing nodes are stored."""
    chosen = Recipe.model_validate(recipe.get_dict()).forcefield
    return {role: CseForceFieldData.get_or_create(chosen.named_set(role)) for role in ForceFieldSets._fields}


def load_stored_recipe(name_or_path: str) -> Recipe:
    """Load a shipped recipe or a YAML file, including force-field sets of the profile.

    Raises
    ------
    ValueError
        There is no such recipe or file, or it is invalid; the message names the field.
    """
    content = read_recipe(name_or_path)
    with located(Path(name_or_path)):
        return Recipe.model_validate(with_stored_sets(content))


def with_stored_sets(recipe: Any) -> Any:
    """Return the recipe with the sets of the profile that it names added to its ``own_sets``.

    A set that is neither shipped nor in the recipe is looked up in the profile by name or UUID. The result does
    not depend on the profile. Input without the form of a recipe is returned unchanged, for the model to refuse.

    Raises
    ------
    ValueError
        A set is unknown, ambiguous, or has the name of a shipped one; the message names the field.
    """
    wanted = unknown_sets(recipe)
    if not wanted:
        return recipe
    names, own_sets = {}, dict(recipe["forcefield"].get("own_sets", {}))
    for role, name in wanted.items():
        with located(f"forcefield.{role}"):
            node = find_forcefield(name)
            if node.name not in available_sets():
                own_sets[node.name] = node.content
            elif node.md5 != load_set(node.name).md5:
                raise ValueError(
                    f"{node.uuid} is the set {node.name} of another version of aiida-cse; give it another name"
                )
        names[role] = node.name
    return {**recipe, "forcefield": {**recipe["forcefield"], **names, "own_sets": own_sets}}
