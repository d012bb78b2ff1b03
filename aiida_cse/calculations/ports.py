"""Input ports shared by several processes: checked Dicts, recipes, force-field sets, links to other jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from aiida import orm
from pydantic import BaseModel, ValidationError

from aiida_cse.building.ceramic.slab import check_slab
from aiida_cse.building.electrolyte.build import check_electrolyte
from aiida_cse.building.recipe import ForceFieldSets, Recipe
from aiida_cse.data.forcefield import CseForceFieldData
from aiida_cse.data.system import CseSystemData
from aiida_cse.schema import explain, located

__all__ = [
    "checked_by",
    "forcefield_error",
    "job_options",
    "recipe_ports",
    "remote_link",
    "system_error",
]


def checked_by(model: type[BaseModel], name: str) -> Callable[[orm.Dict | None, Any], str | None]:
    """Return a validator of the Dict input ``name``, which returns the errors of ``model`` or None."""

    def validate(value: orm.Dict | None, _: Any) -> str | None:
        if value is None:
            return None
        try:
            model.model_validate(value.get_dict())
        except ValidationError as error:
            return explain(error, name)
        return None

    return validate


def system_error(node: CseSystemData | None, _: Any = None) -> str | None:
    """Return why no job may be made of a system, which may come from anybody's archive; None if one may."""
    try:
        if node is not None:
            node.refuse_unsafe()
    except ValueError as error:
        return str(error)
    return None


def _validate_recipe(value: orm.Dict, _: Any) -> str | None:
    """Return why a recipe is not valid or cannot be built, None if it can."""
    try:
        with located("recipe"):
            _refuse_unbuildable(Recipe.model_validate(value.get_dict()).model_dump_json())
    except ValueError as error:
        return str(error)
    return None


@lru_cache(maxsize=8)
def _refuse_unbuildable(recipe_json: str) -> None:
    """Refuse a recipe whose slab cannot be cut or filled, or whose first chain does not fit into its layer.

    It takes about a second, so that it is done before a job is submitted.
    """
    recipe = Recipe.model_validate_json(recipe_json)
    lx, ly = check_slab(recipe)
    check_electrolyte(recipe, lx, ly)


def job_options(spec: Any, parser: str, output: str) -> None:
    """Define the options of a job: its parser, the file for its output, and one process by default."""
    spec.input("metadata.options.parser_name", valid_type=str, default=parser)
    spec.input("metadata.options.output_filename", valid_type=str, default=output)
    spec.input(
        "metadata.options.resources",
        valid_type=dict,
        default=lambda: {"num_machines": 1, "num_mpiprocs_per_machine": 1},
    )


def recipe_ports(spec: Any) -> None:
    """Define the input ``recipe``, and ``forcefield``: the node of each set that it names, by its role there."""
    spec.input(
        "recipe",
        valid_type=orm.Dict,
        serializer=orm.to_aiida_type,
        validator=_validate_recipe,
        help="The recipe of the interface: see aiida_cse.building.recipe.Recipe.",
    )
    spec.input_namespace(
        "forcefield", required=False, help="The force-field sets that the recipe names, for the provenance."
    )
    for role in ForceFieldSets._fields:
        spec.input(
            f"forcefield.{role}", valid_type=CseForceFieldData, help=f"The set that the recipe takes for `{role}`."
        )


def forcefield_error(value: Mapping[str, Any]) -> str | None:
    """Return which of the inputs ``forcefield`` is not the set that ``recipe`` names, None if all are."""
    if "recipe" not in value or "forcefield" not in value:
        return None
    wanted = Recipe.model_validate(value["recipe"].get_dict()).forcefield
    for role, node in value["forcefield"].items():
        chosen = wanted.named_set(role)
        if node.md5 != chosen.md5:
            given = f"{node.name} (md5 {node.md5[:8]})"
            return f"forcefield.{role}: {given} is not the set of the recipe, {chosen.name} (md5 {chosen.md5[:8]})"
    return None


def remote_link(folder: orm.RemoteData | orm.RemoteStashData, name: str) -> tuple[str, str, str]:
    """Return the entry of a job's list of links by which it reaches ``folder`` as ``name``."""
    path = folder.get_remote_path() if isinstance(folder, orm.RemoteData) else folder.target_basepath
    computer: Any = folder.computer
    return (computer.uuid, path, name)
