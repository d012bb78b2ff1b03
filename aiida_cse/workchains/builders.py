"""Pieces from which the WorkChains make their builders."""

from __future__ import annotations

from numbers import Real
from typing import Any, TypedDict

from aiida import orm
from aiida.engine.processes.ports import PortNamespace
from pydantic import ValidationError

from aiida_cse.building.recipe import Recipe
from aiida_cse.validation import explain
from aiida_cse.workchains.protocol import merge

__all__ = ["Codes", "base_inputs", "builder_inputs", "cse_metadata", "real", "recipe_node"]


class Codes(TypedDict):
    """The codes of a study: LAMMPS, and the command ``aiida-cse`` beside it."""

    lammps: orm.AbstractCode
    cse: orm.AbstractCode


def recipe_node(recipe: dict[str, Any] | orm.Dict | Recipe) -> orm.Dict:
    """Return the recipe as a node, with every default written out.

    Raises
    ------
    ValueError
        The recipe is wrong; names the field, its value and what would be right.
    """
    content = recipe.get_dict() if isinstance(recipe, orm.Dict) else recipe
    if not isinstance(content, Recipe):
        try:
            content = Recipe.model_validate(content)
        except ValidationError as error:
            msg = f"recipe: {explain(error)}"
            raise ValueError(msg) from error
    complete = content.model_dump(mode="json")
    if isinstance(recipe, orm.Dict) and recipe.get_dict() == complete:
        return recipe
    return orm.Dict(complete)


def base_inputs(codes: Codes, base: dict[str, Any] | None, options: dict[str, Any] | None) -> dict[str, Any]:
    """Return the inputs of the LAMMPS restart chain: code, options of the protocol and of the user, budgets."""
    protocol = base or {}
    inputs: dict[str, Any] = {
        "lammps": {
            "code": codes["lammps"],
            "metadata": {"options": merge(protocol.get("options", {}), options or {})},
        }
    }
    inputs |= {name: orm.Int(protocol[name]) for name in ("max_failures", "max_changes") if name in protocol}
    return inputs


def real(name: str, value: Any) -> orm.Float:
    """Return a number as the node that its port takes; 700 is as good as 700.0.

    Raises
    ------
    ValueError
        It is no number; names it.
    """
    if isinstance(value, orm.Float):
        return value
    if isinstance(value, bool) or not isinstance(value, (Real, orm.Int)):
        msg = f"{name} = {value!r}: give a number"
        raise ValueError(msg)
    return orm.Float(float(value))


def cse_metadata(options: dict[str, Any] | None) -> dict[str, Any]:
    """Return the metadata of a job of the command ``aiida-cse``: the user's options, one process, no MPI."""
    one_process = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "withmpi": False}
    return {"options": {**(options or {}), **one_process}}


def builder_inputs(builder: Any, namespace: PortNamespace) -> dict[str, Any]:
    """Return the inputs that are set in a builder, as far as ``namespace`` has ports for them."""
    return _known(builder._inputs(prune=True), namespace)


def _known(inputs: dict[str, Any], namespace: PortNamespace) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for key, value in inputs.items():
        port = namespace.get(key)
        if isinstance(port, PortNamespace) and isinstance(value, dict):
            known[key] = value if port.dynamic else _known(value, port)
        elif port is not None:
            known[key] = value
    return known
