"""What the force-field sets of a recipe lack for the ceramic and the cation of the salt, all of it at once."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_cse.building.recipe import ForceFieldSets, Recipe
from aiida_cse.forcefields.models import ForceFieldSet
from aiida_cse.forcefields.pairs import missing_buckingham

__all__ = ["missing_of_ions"]


def missing_of_ions(recipe: Recipe, sets: ForceFieldSets) -> list[str]:
    """Return a line for each set that lacks parameters of the ceramic or of the salt's cation.

    Of an atom without a type the charge is not known: its Buckingham terms with known anions are asked for.
    """
    ceramic, cation = recipe.ceramic, recipe.salt.cation
    of_cross = ceramic.species if recipe.forcefield.lithium == "by-origin" else ceramic.species[:-1]
    charges = {entry.name: entry.charge for entry in sets.ceramic.atom_types}
    needed = {name: charges.get(name, 0.0) for name in ceramic.species}
    pairs = missing_buckingham(needed, sets.ceramic.buckingham_pairs())
    inside = [f"type of {_place(recipe, name)}" for name in needed if name not in charges]
    inside += [f"Buckingham {', '.join(pairs)}"] if pairs else []
    of_salt = [] if cation in {entry.name for entry in sets.salt.atom_types} else [f"type of {cation}"]
    lines = [
        _line("ceramic", sets.ceramic, inside),
        _line("cross", sets.cross, _without_lj(of_cross, sets.cross)),
        _line("salt", sets.salt, [*of_salt, *_without_lj((cation,), sets.salt)]),
    ]
    return [line for line in lines if line]


def _line(role: str, chosen: ForceFieldSet, lacking: Sequence[str]) -> str:
    if not lacking:
        return ""
    return f"forcefield.{role}: force-field set {chosen.name} lacks parameters: {'; '.join(lacking)}"


def _without_lj(names: Sequence[str], chosen: ForceFieldSet) -> list[str]:
    known = {entry.type for entry in chosen.lj}
    return [f"Lennard-Jones of {name}" for name in names if name not in known]


def _place(recipe: Recipe, name: str) -> str:
    """Return the species and the sites of the crystal that it is on."""
    sites = [site.coords[0] for site in recipe.ceramic.structure.sites if site.species == name]
    return f"{name} at {' and '.join(str(list(coords)) for coords in sites)}"
