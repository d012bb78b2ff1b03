"""Validators of single inputs that several WorkChains share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiida import orm

from aiida_cse.data.system import CseSystemData
from aiida_cse.schema import nearest

__all__ = [
    "BUILT_IN",
    "HIGHEST_TEMPERATURE",
    "MOST_EXCESS",
    "SEEDS",
    "one_of",
    "positive",
    "some_of",
    "validate_neutral",
    "validate_seed",
    "validate_temperature",
    "validate_temperatures",
    "whole_number",
]

#: the name of this package among the programs that can do a step
BUILT_IN = "built-in"
#: upper limits of the stage language (K) and of LAMMPS
HIGHEST_TEMPERATURE, SEEDS = 5000, 2**31
#: largest number of ions that are moved between the phases
MOST_EXCESS = 100_000
#: e; largest rounding error of the charge of a neutral system
MOST_CHARGE = 1e-3

Validator = Callable[[Any, Any], str | None]


def whole_number(name: str, least: int, most: int | None = None) -> Validator:
    """Return a validator of the input ``name``, a whole number from ``least`` to ``most`` if there is a limit."""
    wanted = f"{least} or more" if most is None else f"a whole number from {least} to {most}"

    def validate(value: orm.Int, _: Any) -> str | None:
        right = value.value >= least and (most is None or value.value <= most)
        return None if right else f"{name} = {value.value}: give {wanted}"

    return validate


def positive(name: str, most: float, what: str) -> Validator:
    """Return a validator of the input ``name``: above 0 and at most ``most``; ``what`` names kind and unit."""

    def validate(value: orm.Float | None, _: Any) -> str | None:
        if value is None or 0 < value.value <= most:
            return None
        kind, unit = what.rsplit(" ", 1)
        return f"{name} = {value.value:g}: give a {kind} between 0 and {most:g} {unit}"

    return validate


def one_of(name: str, *known: str) -> Validator:
    """Return a validator of the input ``name``, one of the words ``known``."""

    def validate(value: orm.Str, _: Any) -> str | None:
        return None if value.value in known else f"{name} = '{value.value}': {nearest(value.value, known)}"

    return validate


def some_of(name: str, noun: str, *known: str) -> Validator:
    """Return a validator of the input ``name``, a list of words that are each a ``noun``, one of ``known``."""

    def validate(value: orm.List, _: Any) -> str | None:
        words = value.get_list()
        for word in words:
            if word not in known:
                return f"{name} = {words!r}: {word!r} is no {noun}; {nearest(str(word), known)}"
        if not words or len(set(words)) < len(words):
            return f"{name} = {words!r}: give one or more of {', '.join(known)}, each once"
        return None

    return validate


validate_temperature = positive("temperature", HIGHEST_TEMPERATURE, "number K")
validate_seed = whole_number("seed", 1, SEEDS - 1)


def validate_temperatures(value: orm.List, _: Any) -> str | None:
    """Return the error of a list of temperatures in K, or None."""
    temperatures = value.get_list()
    valid = all(
        isinstance(t, (int, float)) and not isinstance(t, bool) and 0 < t <= HIGHEST_TEMPERATURE
        for t in temperatures
    )
    if not valid or not temperatures:
        return f"temperatures = {temperatures!r}: give numbers between 0 and {HIGHEST_TEMPERATURE} K, one or more"
    if len({round(t) for t in temperatures}) < len(temperatures):
        return f"temperatures = {temperatures!r}: give different temperatures, at least 1 K apart"
    return None


def validate_neutral(value: CseSystemData, _: Any) -> str | None:
    """Return the error of a charged system, whose lattice sums are undefined, or None."""
    charge = value.info.charge
    if abs(charge) < MOST_CHARGE:
        return None
    return f"system of phase '{value.info.phase}' with charge = {charge:g} e: must be neutral"
