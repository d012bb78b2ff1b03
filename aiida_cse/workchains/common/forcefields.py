"""From the force-field sets that a recipe names to their nodes, and from nodes to what a recipe holds."""

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
    """Return the node of each set of a complete recipe by its role; one that there is not yet is stored."""
    chosen = Recipe.model_validate(recipe.get_dict()).forcefield
    return {role: CseForceFieldData.get_or_create(chosen.named_set(role)) for role in ForceFieldSets._fields}


def load_stored_recipe(name_or_path: str) -> Recipe:
    """Return a shipped recipe or the one in a YAML file, with the sets that it takes from the profile.

    Raises
    ------
    ValueError
        There is no such recipe or file, or it is not valid; names the field.
    """
    content = read_recipe(name_or_path)
    with located(Path(name_or_path)):
        return Recipe.model_validate(with_stored_sets(content))


def with_stored_sets(recipe: Any) -> Any:
    """Return the recipe with the sets that it takes from the profile among its ``own_sets``.

    A set that is neither shipped nor in the recipe is one of the profile, by name or UUID. The recipe that comes
    out is whole: it is built the same without the profile. What has not the form of a recipe is left to the model
    to refuse.

    Raises
    ------
    ValueError
        A set is not known, several have its name, or it has the name of a shipped one; names the field.
    """
    wanted = unknown_sets(recipe)
    if not wanted:
        return recipe
    names, own_sets = {}, dict(recipe["forcefield"].get("own_sets", {}))
    for role, name in wanted.items():
        with located(f"forcefield.{role}"):
            node = find_forcefield(name)
            if not _is_shipped(node):
                own_sets[node.name] = node.content
        names[role] = node.name
    return {**recipe, "forcefield": {**recipe["forcefield"], **names, "own_sets": own_sets}}


def _is_shipped(node: CseForceFieldData) -> bool:
    """Return whether the set is one of the package, as it stands there now."""
    if node.name not in available_sets():
        return False
    if node.md5 != load_set(node.name).md5:
        msg = f"{node.uuid} is {node.name} as another version of aiida-cse ships it; import it under another name"
        raise ValueError(msg)
    return True
