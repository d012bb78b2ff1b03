"""Δz of several runs at several temperatures against those at the highest, for the barrier that it lowers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aiida_cse.analysis.contraction import (
    Contraction,
    ContractionSettings,
    charge_contraction,
    free_energy_contraction,
)
from aiida_cse.analysis.known import known
from aiida_cse.analysis.production import Subject
from aiida_cse.analysis.structure import SIDES, Structure

__all__ = ["shift_sentences", "shifts"]

Value = tuple[float, float]

_UNKNOWN: Value = (math.nan, math.nan)


def shifts(runs: Mapping[str, Subject], settings: ContractionSettings | None = None) -> dict[str, Any]:
    """Return how much closer the first layers sit at each temperature than at the highest one.

    Δz is that of the charge integrals, by which Kozdra et al., PCCP 27, 24918 (2025), section 3.4, find 0.2,
    0.35 and 0.45 Å at 600, 500 and 400 K against 700 K. The free energies, by which they find 0.18 Å and 360 K
    at 600 K, stand beside. Replicas at two temperatures make pairs, as many as the more numerous side has.

    Returns
    -------
    dict
        ``shifts``, triples of temperature (K), Δz and its standard error (Å) where both are known, the reference
        with 0 and 0; the same per temperature, side and kind of curve; and ``reasons`` for what is missing.

    Raises
    ------
    ValueError
        There are fewer than two temperatures, a run has no whole block of time, or they are of different ions.
    """
    asked = settings or ContractionSettings()
    by_temperature = _by_temperature(runs)
    (hottest, reference), *colder = sorted(by_temperature.items(), reverse=True)
    results: dict[str, Any] = {}
    found: list[list[float]] = [[hottest, 0.0, 0.0]]
    reasons: list[str] = []
    for temperature, structures in colder:
        pairs = _pairs(reference, structures)
        charge = [charge_contraction(hot, cold, asked) for hot, cold in pairs]
        energy = [free_energy_contraction(hot, cold, asked) for hot, cold in pairs]
        independent = min(len(reference), len(structures))
        name = f"{round(temperature):04d}K"
        results |= _entries("dz", name, charge, independent) | _entries(
            "dz_free_energy", name, energy, independent
        )
        results |= _offsets(name, energy, independent)
        results[f"pairs_{name}"] = len(pairs)
        reasons += [f"{temperature:g} K, {reason}" for one in (*charge, *energy) for reason in one.reasons]
        value, error = results[f"dz_{name}_A"], results[f"dz_{name}_error_A"]
        if value is not None and error is not None:
            found.append([temperature, value, error])
    return {
        "reference_temperature_K": hottest,
        "ion": reference[0].crossing,
        "shifts": found if len(found) > 1 else [],
        **results,
        "reasons": list(dict.fromkeys(reasons)),
    }


def shift_sentences(found: Mapping[str, Any]) -> Iterable[str]:
    """Yield what :func:`shifts` found in sentences."""
    reference = found["reference_temperature_K"]
    for temperature, value, error in found["shifts"][1:]:
        yield f"Δz({temperature:g} K) = {value:.2f} ± {error:.2g} Å against {reference:g} K"
    yield from found["reasons"]


def _by_temperature(runs: Mapping[str, Subject]) -> dict[float, list[Structure]]:
    found: dict[float, list[Structure]] = {}
    for subject in runs.values():
        found.setdefault(subject.temperature, []).append(Structure.of(subject))
    if len(found) < 2:
        listed = ", ".join(f"{temperature:g} K" for temperature in found) or "none"
        raise ValueError(f"runs are at {listed}, there must be at least two temperatures")
    ions = {label: ", ".join(subject.ions) for label, subject in runs.items()}
    if len(set(ions.values())) > 1:
        raise ValueError(f"runs must be of the same ions, they are not ({ions})")
    return found


def _pairs(hot: Sequence[Structure], cold: Sequence[Structure]) -> list[tuple[Structure, Structure]]:
    number = max(len(hot), len(cold))
    return [(hot[index % len(hot)], cold[index % len(cold)]) for index in range(number)]


def _mean(values: Sequence[Value], independent: int) -> Value:
    """Return the mean of the pairs that have a value, and its error.

    That is what the errors of the pairs make of it, or their scatter if it is larger: each replica is an interface
    of its own. Where a run is part of several pairs, no more of them count than are independent.
    """
    there = [(value, error) for value, error in values if math.isfinite(value)]
    if not there:
        return _UNKNOWN
    means, errors = np.array(there).T
    number = min(independent, len(there))
    within = float(np.sqrt(np.mean(errors**2) / number))
    between = float(means.std(ddof=1) / np.sqrt(number)) if number > 1 else 0.0
    return float(means.mean()), max(within, between) if math.isfinite(within) else math.nan


def _entries(kind: str, name: str, pairs: Sequence[Contraction], independent: int) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for place in (*SIDES, ""):
        values = [pair.dz(*([place] if place else tuple(pair.sides) or SIDES)) for pair in pairs]
        value, error = _mean(values, independent)
        key = f"{kind}_{name}_{place}" if place else f"{kind}_{name}"
        results |= {f"{key}_A": known(value), f"{key}_error_A": known(error)}
    return results


def _offsets(name: str, pairs: Sequence[Contraction], independent: int) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for side in SIDES:
        value, error = _mean([pair.df(side) for pair in pairs], independent)
        results |= {f"df_{name}_{side}_K": known(value), f"df_{name}_{side}_error_K": known(error)}
    return results
