"""The inputs of a study that are its own: temperatures and replicas, and the ions that its sampling names."""

from __future__ import annotations

from typing import Any

from aiida import orm

from aiida_cse.building.ceramic.slab import check_slab
from aiida_cse.building.electrolyte.emc_input import emc_files
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.sampling import refuse_unknown_cations, refuse_unknown_ions
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.calculations.ports import forcefield_error
from aiida_cse.workchains.electrolyte import EMC

__all__ = [
    "MOST_REPLICAS",
    "run_label",
    "temperature_list",
    "temperature_of",
    "validate_replicas",
    "validate_study",
    "validate_temperatures",
]

#: runs at each temperature; their seeds count up from the recipe's
MOST_REPLICAS = 99


def run_label(temperature: float, replica: int) -> str:
    """Return the name of a run: temperature in K, rounded, and replica."""
    return f"T{round(temperature):04d}_r{replica}"


def temperature_of(label: str) -> float:
    """Return the temperature in K, rounded, of a run by its name."""
    return float(label[1:].partition("_")[0])


def validate_temperatures(value: orm.List, _: Any) -> str | None:
    """Return what is wrong with a list of temperatures in K, None if nothing is."""
    temperatures = value.get_list()
    wrong = [
        t for t in temperatures if isinstance(t, bool) or not isinstance(t, (int, float)) or not 0 < t <= 5000
    ]
    if wrong or not temperatures:
        return f"temperatures = {temperatures!r}: give numbers between 0 and 5000 K, one or more"
    if len({round(t) for t in temperatures}) < len(temperatures):
        return f"temperatures = {temperatures!r}: each must be there once, and they must differ by 1 K at least"
    return None


def validate_replicas(value: orm.Int, _: Any) -> str | None:
    """Return what is wrong with a number of replicas, None if nothing is."""
    if 1 <= value.value <= MOST_REPLICAS:
        return None
    return f"replicas = {value.value}: give a whole number from 1 to {MOST_REPLICAS}"


def temperature_list(value: Any) -> orm.List:
    """Return temperatures as the node that their port takes.

    Raises
    ------
    ValueError
        They are no list.
    """
    if isinstance(value, orm.List):
        return value
    if not isinstance(value, (list, tuple)):
        msg = f"temperatures = {value!r}: give a list of numbers between 0 and 5000 K"
        raise ValueError(msg)
    return orm.List(list(value))


def validate_study(value: dict[str, Any], _: Any) -> str | None:
    """Return which inputs of a study do not fit each other, None if all do."""
    return forcefield_error(value) or _sampling_error(value) or _emc_error(value)


def _emc_error(value: dict[str, Any]) -> str | None:
    """Refuse what EMC cannot build: its job would do so after the ceramic has run."""
    builder = value.get("electrolyte", {}).get("builder")
    if "recipe" not in value or builder is None or builder.value != EMC:
        return None
    recipe = Recipe.model_validate(value["recipe"].get_dict())
    try:
        emc_files(recipe, *check_slab(recipe))
    except ValueError as error:
        return f"electrolyte.builder = 'emc': {error}"
    return None


def _sampling_error(value: dict[str, Any]) -> str | None:
    """Refuse a sampling of ions that the recipe does not have: the productions would do so after days."""
    sampling = value.get("production", {}).get("sampling")
    if "recipe" not in value or sampling is None:
        return None
    given, recipe = sampling.get_dict(), Recipe.model_validate(value["recipe"].get_dict())
    cation, anion = recipe.salt.cation, recipe.salt.anion.name
    types = chemistry_of(recipe).types
    labels = {ion: [entry.label for entry in types if entry.species == ion] for ion in (cation, anion)}
    try:
        refuse_unknown_ions(given.get("offsets", {}), given.get("anion_atom"), cation, anion, labels[anion])
        refuse_unknown_cations(given.get("cation_atoms", ()), cation, labels[cation])
    except ValueError as error:
        return f"production.sampling: {error}"
    return None
