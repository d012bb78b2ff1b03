"""Shift Δz of the first layers between runs at two or more temperatures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy import stats
from typing_extensions import Self

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import Documented, finite_or_none
from aiida_cse.analysis.structure import SIDES, Side, Structure
from aiida_cse.physics.profiles.shifts import SampledShift, sampled_shift
from aiida_cse.physics.statistics.resampling import jackknife_error
from aiida_cse.schema import Number, StrictModel

__all__ = [
    "SHIFTS",
    "LayerShift",
    "ShiftSettings",
    "UsedShifts",
    "charge_shift",
    "df_entries",
    "dz_entries",
    "free_energy_shift",
    "shift_sentences",
    "shifts",
    "widest",
]

Floats = NDArray[np.float64]
Distance = Annotated[Number, Field(ge=-100, le=1000)]
#: a number and its standard error, NaN if unknown
Value = tuple[float, float]

_UNKNOWN: Value = (math.nan, math.nan)

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


class ShiftSettings(StrictModel):
    """Superposition of the curves of two runs.

    Attributes
    ----------
    window
        Range in which the curves are compared, as lowest and highest distance from the surface planes of the
        slab, Å. None for the first layer of the ion that crosses.
    max_shift
        Largest shift in either direction, Å.
    """

    window: tuple[Distance, Distance] | None = None
    max_shift: Number = Field(default=2.0, gt=0, le=100)

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ValueError(f"window = {list(self.window)}: the first distance must be below the second")
        return self


# -- two runs ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LayerShift:
    """Shift of the first layers between two runs, from one kind of curve.

    Attributes
    ----------
    sides
        The shift on each side that has one.
    reasons
        One sentence for each side without a shift.
    has_offset
        Whether the curves have their zero at the same place, so that df is meaningful.
    """

    sides: Mapping[Side, SampledShift]
    reasons: tuple[str, ...]
    has_offset: bool

    def dz(self, *sides: Side) -> Value:
        """Return Δz averaged over sides, by which the layers are closer in the cold run, and its error, Å.

        NaN for a side without a shift; the error is NaN with fewer than five groups of blocks.
        """
        if not set(sides) <= set(self.sides):
            return _UNKNOWN
        outward = {"left": -1.0, "right": 1.0}
        mean = float(np.mean([outward[side] * self.sides[side].dz for side in sides]))
        return mean, self._error([(outward[side], self.sides[side]) for side in sides], column=0)

    def df(self, side: Side) -> Value:
        """Return the upward shift of the cold curve on a side and its error, in the unit of the curves."""
        if side not in self.sides or not self.has_offset:
            return _UNKNOWN
        return self.sides[side].df, self._error([(1.0, self.sides[side])], column=1)

    @staticmethod
    def _error(shifts: list[tuple[float, SampledShift]], column: int) -> float:
        """Return the error of the mean of shifts with signs; both sides belong to the same two runs."""
        parts = (
            np.mean([sign * shift.scale * getattr(shift, run)[:, column] for sign, shift in shifts], axis=0)
            for run in ("from_hot", "from_cold")
        )
        return math.hypot(*(float(jackknife_error(part)) for part in parts))


def charge_shift(hot: Structure, cold: Structure, settings: ShiftSettings) -> LayerShift:
    """Superpose the charge integrals of two runs, as section 3.4 of Kozdra et al. does for 600, 500 and 400 K.

    A constant between the curves has no meaning: it is the charge of everything farther out.
    """
    moved = cold.on(hot)
    curves = {side: (hot.charge_integrals(side), moved.charge_integrals(side)) for side in SIDES}
    return _layer_shift("charge integrals", hot, hot.charge_z, curves, settings, has_offset=True)


def free_energy_shift(hot: Structure, cold: Structure, settings: ShiftSettings) -> LayerShift:
    """Superpose the free energies of the ion that crosses, as section 3.4 of Kozdra et al. does for 600 K."""
    first, second = (one.free_energies(hot.crossing) for one in (hot, cold.on(hot)))
    errors = {"error_hot": first.error, "error_cold": second.error}
    curves = dict.fromkeys(SIDES, (first.values, second.values))
    has_offset = first.has_zero and second.has_zero
    return _layer_shift("free energies", hot, hot.z, curves, settings, has_offset=has_offset, **errors)


def _layer_shift(
    kind: str,
    hot: Structure,
    z: Floats,
    curves: Mapping[Side, tuple[Floats, Floats]],
    settings: ShiftSettings,
    *,
    has_offset: bool,
    **errors: Floats,
) -> LayerShift:
    """Return the shift between the hot and the cold curve of each side, which share the bins around ``z``."""
    found: dict[Side, SampledShift] = {}
    reasons = []
    for side, (first, second) in curves.items():
        window = hot.layers[hot.crossing][side]
        if settings.window is not None:
            near, far = (hot.half_thickness + distance for distance in settings.window)
            window = (near, far) if side == "right" else (-far, -near)
        try:
            found[side] = sampled_shift(z, first, second, window=window, max_shift=settings.max_shift, **errors)
        except ValueError as error:
            reasons.append(f"{kind}, {side}: {error}")
    return LayerShift(found, tuple(reasons), has_offset)


# -- runs at several temperatures ----------------------------------------------------------------------------


def shifts(runs: Mapping[str, ReducedProduction], settings: ShiftSettings | None = None) -> dict[str, Any]:
    """Return the shift Δz of the first layers at each temperature against the highest one.

    Δz is that of the charge integrals, from which Kozdra et al., PCCP 27, 24918 (2025), section 3.4, find 0.2,
    0.35 and 0.45 Å at 600, 500 and 400 K against 700 K. The result also contains the shift of the free energies,
    from which they find 0.18 Å and 360 K at 600 K. Replicas at two temperatures form pairs, as many as there are
    replicas at the temperature with more of them.

    Returns
    -------
    dict
        See :data:`SHIFTS`.

    Raises
    ------
    ValueError
        There are fewer than two temperatures, a run has no whole block of time, or the runs are of different ions.
    """
    asked = settings or ShiftSettings()
    by_temperature: dict[float, list[Structure]] = {}
    for production in runs.values():
        by_temperature.setdefault(production.temperature, []).append(Structure.of(production))
    if len(by_temperature) < 2:
        listed = ", ".join(f"{temperature:g} K" for temperature in by_temperature) or "none"
        raise ValueError(f"runs = {listed}: Δz needs runs at two or more temperatures")
    ions = {label: ", ".join(production.ions) for label, production in runs.items()}
    if len(set(ions.values())) > 1:
        raise ValueError(f"runs = {ions}: the runs must be of the same ions")
    (hottest, reference), *colder = sorted(by_temperature.items(), reverse=True)
    results: dict[str, Any] = {}
    found: list[list[float]] = [[hottest, 0.0, 0.0]]
    reasons: list[str] = []
    for temperature, structures in colder:
        number, independent = max(len(reference), len(structures)), min(len(reference), len(structures))
        pairs = [(reference[n % len(reference)], structures[n % len(structures)]) for n in range(number)]
        charge = [charge_shift(hot, cold, asked) for hot, cold in pairs]
        energy = [free_energy_shift(hot, cold, asked) for hot, cold in pairs]
        name = f"{round(temperature):04d}K"
        results |= dz_entries(f"dz_{name}", charge, independent)
        results |= dz_entries(f"dz_free_energy_{name}", energy, independent)
        results |= df_entries(f"df_{name}", energy, independent)
        results[f"pairs_{name}"] = number
        reasons += [f"{temperature:g} K, {reason}" for one in (*charge, *energy) for reason in one.reasons]
        if None not in (triple := [temperature, results[f"dz_{name}_A"], results[f"dz_{name}_error_A"]]):
            found.append(triple)
    return {
        "reference_temperature_K": hottest,
        "ion": reference[0].crossing,
        "shifts": found if len(found) > 1 else [],
        **results,
        "reasons": list(dict.fromkeys(reasons)),
    }


def shift_sentences(found: Mapping[str, Any]) -> Iterable[str]:
    """Yield the results of :func:`shifts` in sentences."""
    reference = found["reference_temperature_K"]
    for temperature, value, error in found["shifts"][1:]:
        yield f"Δz({temperature:g} K) = {value:.2f} ± {error:.2g} Å against {reference:g} K"
    yield from found["reasons"]


def dz_entries(name: str, pairs: Sequence[LayerShift], independent: int = 1) -> dict[str, float | None]:
    """Return Δz (Å) with its error as entries of a result: per side, and averaged over the sides that have one.

    Parameters
    ----------
    name
        Start of the keys.
    pairs
        The shifts of pairs of runs, over which Δz is averaged.
    independent
        Number of independent pairs.
    """
    results: dict[str, float | None] = {}
    for side in (*SIDES, ""):
        values = [pair.dz(*([side] if side else tuple(pair.sides) or SIDES)) for pair in pairs]
        value, error = _mean(values, independent)
        key = f"{name}_{side}" if side else name
        results |= {f"{key}_A": finite_or_none(value), f"{key}_error_A": finite_or_none(error)}
    return results


def df_entries(name: str, pairs: Sequence[LayerShift], independent: int = 1) -> dict[str, float | None]:
    """Return df (K) with its error as entries of a result per side; see :func:`dz_entries`."""
    results: dict[str, float | None] = {}
    for side in SIDES:
        value, error = _mean([pair.df(side) for pair in pairs], independent)
        results |= {f"{name}_{side}_K": finite_or_none(value), f"{name}_{side}_error_K": finite_or_none(error)}
    return results


def _mean(values: Sequence[Value], independent: int) -> Value:
    """Return the mean over the pairs that have a value, and its error.

    The error is that of the pairs, or their scatter if that is larger, because each replica is an interface of its
    own. Pairs that share a run are not independent; the error is that of ``independent`` pairs.
    """
    there = [(value, error) for value, error in values if math.isfinite(value)]
    if not there:
        return _UNKNOWN
    means, errors = np.array(there).T
    number = min(independent, len(there))
    within = float(np.sqrt(np.mean(errors**2) / number))
    between = float(means.std(ddof=1) / np.sqrt(number)) if number > 1 else 0.0
    return float(means.mean()), max(within, between) if math.isfinite(within) else math.nan


# -- uncertain shifts ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class UsedShifts:
    """Shifts Δz of the first layers that enter the fit.

    Attributes
    ----------
    shifts
        Triples of temperature (K), Δz and its standard error (Å).
    source
        Settings, or profiles of the runs.
    """

    shifts: Sequence[tuple[float, float, float]]
    source: Literal["settings", "profiles"]

    def variants(self, level: float) -> list[list[tuple[float, float]]]:
        """Return Δz, and if it has errors also all of Δz smaller and larger by the quantile of its error.

        The errors share the run at the highest temperature. Moving all of Δz to one side is therefore the cautious
        choice; beyond the coldest run the error then grows with Δz.
        """
        reach = float(stats.norm.ppf((1 + level) / 2))
        uncertain = any(error > 0 for _, _, error in self.shifts)
        return [
            [(temperature, value + factor * reach * error) for temperature, value, error in self.shifts]
            for factor in ((0.0, -1.0, 1.0) if uncertain else (0.0,))
        ]


def widest(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the first of several results with the widest of their intervals and bounds.

    An end that is None is infinite; a lower bound of 0 means that there is none. An interval that the first result
    lacks is not taken from the others.
    """
    results = dict(found[0])
    for key, value in results.items():
        others = [one[key] for one in found]
        if "_interval" in key and value is not None:
            lows, highs = zip(*(ends for ends in others if ends is not None), strict=True)
            results[key] = [_outermost(lows, min), _outermost(highs, max)]
        elif "_lower_bound" in key:
            results[key] = _outermost(others, min)
        elif "_upper_bound" in key:
            results[key] = _outermost(others, max)
        elif key == "by_law":
            results[key] = {law: widest([one[law] for one in others]) for law in value}
    return results


def _outermost(ends: Sequence[float | None], choose: Any) -> float | None:
    return None if None in ends else choose(ends)
