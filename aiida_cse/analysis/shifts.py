"""Shift Δz of the first layers between runs at two or more temperatures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from typing_extensions import Self

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import Documented, known
from aiida_cse.analysis.structure import SIDES, Side, Structure
from aiida_cse.physics.profiles.sampled_shifts import SampledShift, sampled_shift
from aiida_cse.physics.statistics.resampling import jackknife_error
from aiida_cse.schema import Number, StrictModel

__all__ = [
    "SHIFTS",
    "Contraction",
    "ContractionSettings",
    "charge_contraction",
    "free_energy_contraction",
    "shift_sentences",
    "shifts",
]

Floats = NDArray[np.float64]
Distance = Annotated[Number, Field(ge=-100, le=1000)]


SHIFTS = Documented(
    "shifts",
    (
        "Shift Δz of the first layers at each temperature against the highest one, from the runs of a study "
        "(`cse.shifts`); see [rates](../science/rates.md). `<T>` is a temperature of four digits, as 0600."
    ),
    {
        "reference_temperature_K": ("K", "The highest temperature"),
        "ion": ("", "The ion that crosses, in whose first layers the curves are compared"),
        "shifts": (
            "",
            (
                "Triples of temperature (K), Δz (Å) and its standard error (Å), as kinetics takes them; the first "
                "is the highest temperature with 0 and 0. Empty if there is no other"
            ),
        ),
        "pairs_<T>K": ("", "Number of pairs of runs over which the numbers are averaged"),
        "dz_<T>K_A": ("Å", "Δz from the charge integrals, both sides together; null if it cannot be determined"),
        "dz_<T>K_error_A": ("Å", "Its standard error; null with fewer than five groups of blocks"),
        "dz_<T>K_<side>_A": ("Å", "The same of one side"),
        "dz_<T>K_<side>_error_A": ("Å", "Its standard error"),
        "dz_free_energy_<T>K_A": ("Å", "Δz from the free energies of the ion"),
        "dz_free_energy_<T>K_error_A": ("Å", "Its standard error"),
        "dz_free_energy_<T>K_<side>_A": ("Å", "The same of one side"),
        "dz_free_energy_<T>K_<side>_error_A": ("Å", "Its standard error"),
        "df_<T>K_<side>_K": (
            "K",
            (
                "Upward shift of F of the colder run in the first layer; null unless F is zero inside the ceramic "
                "in both runs"
            ),
        ),
        "df_<T>K_<side>_error_K": ("K", "Its standard error"),
        "reasons": ("", "One sentence for each number that could not be determined"),
    },
)


class ContractionSettings(StrictModel):
    """How curves of two runs are laid on each other.

    Attributes
    ----------
    window
        Lowest and highest distance from the surface planes of the slab between which the curves count, Å. None
        for the first layer of the ion that crosses.
    max_shift
        How far to look, Å.
    """

    window: tuple[Distance, Distance] | None = None
    max_shift: Number = Field(default=2.0, gt=0, le=100)

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ValueError(f"window is {list(self.window)}: the first distance must be below the second")
        return self


@dataclass(frozen=True)
class Contraction:
    """The shifts of one pair of curves by side, as far as there are any, and why the others have none.

    ``has_offset`` says whether df means something: the zeros of the curves are the same place.
    """

    sides: Mapping[Side, SampledShift]
    reasons: tuple[str, ...]
    has_offset: bool

    def dz(self, *sides: Side) -> tuple[float, float]:
        """Return by how much the layers of these sides are closer in the cold run, on average, and its error, Å.

        NaN for a side without a shift; the error is NaN with fewer than five groups of blocks.
        """
        if not set(sides) <= set(self.sides):
            return math.nan, math.nan
        outward = {"left": -1.0, "right": 1.0}
        mean = float(np.mean([outward[side] * self.sides[side].dz for side in sides]))
        return mean, self._error([(outward[side], self.sides[side]) for side in sides], column=0)

    def df(self, side: Side) -> tuple[float, float]:
        """Return by how much the cold curve must go up on a side, and its error, in the unit of the curves."""
        if side not in self.sides or not self.has_offset:
            return math.nan, math.nan
        return self.sides[side].df, self._error([(1.0, self.sides[side])], column=1)

    @staticmethod
    def _error(shifts: list[tuple[float, SampledShift]], column: int) -> float:
        """Return the error of the mean of shifts, each with a sign: both sides are of the same two runs."""
        parts = (
            np.mean([sign * shift.scale * getattr(shift, run)[:, column] for sign, shift in shifts], axis=0)
            for run in ("from_hot", "from_cold")
        )
        return math.hypot(*(float(jackknife_error(part)) for part in parts))


def charge_contraction(hot: Structure, cold: Structure, settings: ContractionSettings) -> Contraction:
    """Superpose the charge integrals of two runs, as section 3.4 of Kozdra et al. does for 600, 500 and 400 K.

    A constant between the curves counts for nothing: it is the charge of all that lies farther out.
    """
    moved = cold.on(hot.z)
    found = {
        side: _shift(hot, side, settings, hot.charge_integrals(side), moved.charge_integrals(side))
        for side in SIDES
    }
    return _contraction("charge integrals", found, has_offset=True)


def free_energy_contraction(hot: Structure, cold: Structure, settings: ContractionSettings) -> Contraction:
    """Superpose the free energies of the ion that crosses, as the same section does for 600 and 700 K."""
    moved = cold.on(hot.z)
    key = hot.crossing
    first, second = hot.free_energies(key), moved.free_energies(key)
    found = {
        side: _shift(
            hot, side, settings, first.values, second.values, error_hot=first.error, error_cold=second.error
        )
        for side in SIDES
    }
    return _contraction("free energies", found, has_offset=first.has_zero and second.has_zero)


def _contraction(what: str, found: Mapping[Side, SampledShift | str], *, has_offset: bool) -> Contraction:
    return Contraction(
        {side: shift for side, shift in found.items() if isinstance(shift, SampledShift)},
        tuple(f"{what}, {side}: {reason}" for side, reason in found.items() if isinstance(reason, str)),
        has_offset,
    )


def _shift(
    grid: Structure, side: Side, settings: ContractionSettings, hot: Floats, cold: Floats, **errors: Floats
) -> SampledShift | str:
    """Return the shift of two curves on a side, or why these have none."""
    try:
        return sampled_shift(
            grid.z, hot, cold, window=_compared(grid, side, settings), max_shift=settings.max_shift, **errors
        )
    except ValueError as error:
        return str(error)


def _compared(structure: Structure, side: Side, settings: ContractionSettings) -> tuple[float, float]:
    """Return from where to where, Å, the curves of a side count."""
    if settings.window is None:
        return structure.layers[structure.crossing][side]
    near, far = (structure.half_thickness + distance for distance in settings.window)
    return (near, far) if side == "right" else (-far, -near)


Value = tuple[float, float]

_UNKNOWN: Value = (math.nan, math.nan)


def shifts(runs: Mapping[str, ReducedProduction], settings: ContractionSettings | None = None) -> dict[str, Any]:
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


def _by_temperature(runs: Mapping[str, ReducedProduction]) -> dict[float, list[Structure]]:
    found: dict[float, list[Structure]] = {}
    for production in runs.values():
        found.setdefault(production.temperature, []).append(Structure.of(production))
    if len(found) < 2:
        listed = ", ".join(f"{temperature:g} K" for temperature in found) or "none"
        raise ValueError(f"runs are at {listed}, there must be at least two temperatures")
    ions = {label: ", ".join(production.ions) for label, production in runs.items()}
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
