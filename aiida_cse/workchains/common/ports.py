"""Validators of single inputs that several WorkChains share: what is wrong is said before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiida import orm

from aiida_cse.data.system import CseSystemData
from aiida_cse.schema import nearest

__all__ = [
    "BUILT_IN",
    "SEEDS",
    "one_of",
    "validate_gap",
    "validate_neutral",
    "validate_seed",
    "validate_temperature",
]

#: what does a step where no program of its own is asked for: this package
BUILT_IN = "built-in"
#: what the stage language and LAMMPS take
HIGHEST_TEMPERATURE, SEEDS = 5000, 2**31
#: e; what rounding leaves of a neutral system
MOST_CHARGE = 1e-3


def validate_temperature(value: orm.Float | None, _: Any) -> str | None:
    """Return what is wrong with a temperature in K, None if nothing is."""
    if value is None or 0 < value.value <= HIGHEST_TEMPERATURE:
        return None
    return f"temperature = {value.value:g}: give a number between 0 and {HIGHEST_TEMPERATURE} K"


def validate_seed(value: orm.Int, _: Any) -> str | None:
    """Return what is wrong with a seed, None if nothing is."""
    return None if 0 < value.value < SEEDS else f"seed = {value.value}: give a number from 1 to {SEEDS - 1}"


def one_of(field: str, *known: str) -> Callable[[orm.Str, Any], str | None]:
    """Return a validator of the input ``field``, which is one of the words ``known``."""

    def validate(value: orm.Str, _: Any) -> str | None:
        return None if value.value in known else f"{field} = '{value.value}': {nearest(value.value, known)}"

    return validate


def validate_neutral(value: CseSystemData, _: Any) -> str | None:
    """Return the charge of a system that has one: lattice sums of a charged box mean nothing; else None."""
    charge = value.info.charge
    if abs(charge) < MOST_CHARGE:
        return None
    return f"system of phase '{value.info.phase}' with charge = {charge:g} e: must be neutral"


def validate_gap(value: orm.Float, _: Any) -> str | None:
    """Return what is wrong with a distance of two phases in Å, None if nothing is."""
    return None if 0 < value.value <= 100 else f"gap = {value.value:g}: give a distance between 0 and 100 Å"
