"""Comparison of a hot and a cold run of one system: populations, peaks, and charge integrals shifted by Δz."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from pydantic import Field

from aiida_cse.analysis.populations import populations
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.profiles import charge_integrals
from aiida_cse.analysis.registry import Documented, finite_or_none
from aiida_cse.analysis.shifts import (
    LayerShift,
    ShiftSettings,
    charge_shift,
    df_entries,
    dz_entries,
    free_energy_shift,
)
from aiida_cse.analysis.structure import SIDES, Structure
from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.profiles.extrema import Peak, find_peak
from aiida_cse.schema import Number

__all__ = ["COMPARISON", "ComparisonSettings", "compare", "findings"]

Results = dict[str, Any]

#: populations that are compared per ion
_COUNTED = (*REGION_NAMES, "layer", "bulk", "excess")


COMPARISON = Documented(
    "comparison",
    (
        "The hot run of a quench against the cold one (`cse.compare`); see [quench](../science/quench.md). "
        "Differences are cold minus hot. Errors are standard errors, null with fewer than five groups of blocks."
    ),
    {
        "temperature_<run>_K": ("K", "Temperature of a run"),
        "time_<run>_ns": ("ns", "Time of the run that was analysed"),
        "ion": ("", "The ion that crosses, in whose first layers the curves are compared"),
        "n_<ion>_<region>_<run>": ("ions", "Mean number"),
        "n_<ion>_<region>_<run>_error": ("ions", "Its standard error; null if the number never changed"),
        "n_<ion>_<region>_difference": ("ions", "Cold minus hot"),
        "n_<ion>_<region>_difference_error": ("ions", "Its standard error"),
        "peak_<ion>_<side>_<run>_z_A": ("Å", "Position of the density peak in the first layer; null without one"),
        "peak_<ion>_<side>_<run>_z_error_A": ("Å", "Its standard error"),
        "peak_<ion>_<side>_<run>_per_A3": ("Å⁻³", "Its height"),
        "peak_<ion>_<side>_<run>_error_per_A3": ("Å⁻³", "Its standard error"),
        "peak_<ion>_<side>_closer_A": ("Å", "Distance by which the cold peak is closer to the mid-plane"),
        "peak_<ion>_<side>_closer_error_A": ("Å", "Its standard error"),
        "peak_<ion>_<side>_height_ratio": ("", "Height of the cold peak over that of the hot one"),
        "peak_<ion>_<side>_height_ratio_error": ("", "Its standard error"),
        "dz_<side>_A": (
            "Å",
            (
                "Shift Δz from the charge integrals: distance by which the first layer is closer to the slab in "
                "the cold run; null if it cannot be determined, with the reason"
            ),
        ),
        "dz_<side>_error_A": ("Å", "Its standard error"),
        "dz_A": ("Å", "Mean over the sides that have one"),
        "dz_error_A": ("Å", "Its standard error"),
        "charge_difference_<side>_e_per_A2": (
            "e Å⁻²",
            "Root mean square difference of the charge integrals shifted by Δz, apart from a constant",
        ),
        "charge_difference_<side>_unmoved_e_per_A2": ("e Å⁻²", "The same without the shift"),
        "charge_noise_<side>_e_per_A2": ("e Å⁻²", "Difference expected from the errors alone"),
        "sign_changes_<side>_<run>": ("", "Changes of sign of the charge integral outside the slab"),
        "dz_free_energy_<side>_A": ("Å", "Δz from the free energies of the ion"),
        "dz_free_energy_<side>_error_A": ("Å", "Its standard error"),
        "dz_free_energy_A": ("Å", "Mean over the sides that have one"),
        "dz_free_energy_error_A": ("Å", "Its standard error"),
        "df_<side>_K": (
            "K",
            (
                "Upward shift of F of the cold run in the first layer; null unless F is zero inside the ceramic "
                "in both runs"
            ),
        ),
        "df_<side>_error_K": ("K", "Its standard error"),
        "reasons": ("", "One sentence for each number that could not be determined"),
    },
)


class ComparisonSettings(ShiftSettings):
    """Comparison of two runs: superposition of their curves, and fits of their peaks.

    Attributes
    ----------
    peak_half_width
        Half-width of the windows in which density peaks are fitted, Å.
    """

    peak_half_width: Number = Field(default=2.0, gt=0, le=20)


def compare(
    hot: ReducedProduction, cold: ReducedProduction, settings: ComparisonSettings | None = None
) -> Results:
    """Compare the structure of a cold run with that of the hot run from which it was quenched.

    Kozdra et al., PCCP 27, 24918 (2025), recommend to equilibrate hot, to cool gradually and to produce cold. They
    compare their runs by density peaks, numbers of ions per layer, and charge integrals shifted by Δz (sections
    3.1, 3.2 and 3.4).

    Returns
    -------
    dict
        See :data:`COMPARISON`.

    Raises
    ------
    ValueError
        The hot run is not the hotter one, the runs are of different ions, or a run has no whole block of time.
    """
    asked = settings or ComparisonSettings()
    if not cold.temperature < hot.temperature:
        raise ValueError(
            f"cold temperature = {cold.temperature:g} K: it must be below that of the hot run, "
            f"{hot.temperature:g} K"
        )
    if hot.ions.keys() != cold.ions.keys():
        raise ValueError(
            f"ions = {', '.join(hot.ions)} (hot) and {', '.join(cold.ions)} (cold): they must be the same"
        )
    first, second = Structure.of(hot), Structure.of(cold)
    charge, energy = charge_shift(first, second, asked), free_energy_shift(first, second, asked)
    peaks, missing = _peaks(first, second, asked)
    return {
        "temperature_hot_K": hot.temperature,
        "temperature_cold_K": cold.temperature,
        "time_hot_ns": hot.window.facts["time_ns"],
        "time_cold_ns": cold.window.facts["time_ns"],
        "ion": first.crossing,
        **_populations(populations(hot), populations(cold), list(first.ions)),
        **peaks,
        **dz_entries("dz", [charge]),
        **_charges(charge, {"hot": charge_integrals(hot), "cold": charge_integrals(cold)}),
        **dz_entries("dz_free_energy", [energy]),
        **df_entries("df", [energy]),
        "reasons": [*missing, *charge.reasons, *energy.reasons],
    }


def findings(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the results of :func:`compare` in sentences."""
    ion, hot, cold = found["ion"], found["temperature_hot_K"], found["temperature_cold_K"]
    if found["dz_A"] is not None:
        error = "" if found["dz_error_A"] is None else f" ± {found['dz_error_A']:.2g}"
        yield f"the first layers sit {found['dz_A']:.2f}{error} Å closer at {cold:g} K than at {hot:g} K"
    for region in ("ceramic", "layer"):
        key = f"n_{ion}_{region}"
        error = found[f"{key}_difference_error"]
        after = "" if error is None else f" ± {error:.2g}"
        yield f"N({ion}, {region}) {found[f'{key}_hot']:.1f} → {found[f'{key}_cold']:.1f}{after}"
    yield from found["reasons"]


def _populations(hot: Results, cold: Results, keys: list[str]) -> Results:
    """Return the numbers of ions per region in both runs and their differences, with errors."""
    results: Results = {}
    for name in (f"n_{key}_{region}" for key in keys for region in _COUNTED):
        if name not in hot or name not in cold:
            continue
        for run, found in (("hot", hot), ("cold", cold)):
            results |= {f"{name}_{run}": found[name], f"{name}_{run}_error": found[f"{name}_error"]}
        errors = (hot[f"{name}_error"], cold[f"{name}_error"])
        results[f"{name}_difference"] = cold[name] - hot[name]
        results[f"{name}_difference_error"] = None if None in errors else math.hypot(*errors)
    return results


def _charges(charge: LayerShift, integrals: Mapping[str, Results]) -> Results:
    """Return per side the differences of the charge integrals, those due to their errors, and sign changes."""
    results: Results = {}
    for side in SIDES:
        shift = charge.sides.get(side)
        results |= {
            f"charge_difference_{side}_e_per_A2": None if shift is None else finite_or_none(shift.rms),
            f"charge_difference_{side}_unmoved_e_per_A2": None
            if shift is None
            else finite_or_none(shift.rms_unmoved),
            f"charge_noise_{side}_e_per_A2": None if shift is None else finite_or_none(shift.noise),
        }
        for run, integral in integrals.items():
            results[f"sign_changes_{side}_{run}"] = integral[f"sign_changes_{side}_electrolyte"]
    return results


# -- peaks ---------------------------------------------------------------------------------------------------


def _peaks(hot: Structure, cold: Structure, asked: ComparisonSettings) -> tuple[Results, list[str]]:
    """Return the peak of each ion in its first layers, and a sentence for each that is missing."""
    results: Results = {}
    missing = []
    half_width = asked.peak_half_width
    for key, side in product(hot.ions, SIDES):
        found: dict[str, Peak | None] = dict.fromkeys(("hot", "cold"))
        for run, structure in (("hot", hot), ("cold", cold)):
            low, high = structure.layers[key][side]
            try:
                found[run] = find_peak(structure.z, structure.ions[key], low, high, peak_half_width=half_width)
            except ValueError as error:
                missing.append(f"peak of {key}, {side}, {run}: {error}")
        results |= _peak_entries(f"peak_{key}_{side}", found)
    return results, missing


def _peak_entries(name: str, found: Mapping[str, Peak | None]) -> Results:
    results: Results = {}
    for run, peak in found.items():
        results |= {
            f"{name}_{run}_z_A": None if peak is None else finite_or_none(peak.z),
            f"{name}_{run}_z_error_A": None if peak is None else finite_or_none(peak.z_error),
            f"{name}_{run}_per_A3": None if peak is None else finite_or_none(peak.height),
            f"{name}_{run}_error_per_A3": None if peak is None else finite_or_none(peak.height_error),
        }
    hot, cold = found["hot"], found["cold"]
    closer = ratio = (math.nan, math.nan)
    if hot is not None and cold is not None:
        closer = abs(hot.z) - abs(cold.z), math.hypot(hot.z_error, cold.z_error)
        share = cold.height / hot.height
        ratio = share, share * math.hypot(hot.height_error / hot.height, cold.height_error / cold.height)
    return results | {
        f"{name}_closer_A": finite_or_none(closer[0]),
        f"{name}_closer_error_A": finite_or_none(closer[1]),
        f"{name}_height_ratio": finite_or_none(ratio[0]),
        f"{name}_height_ratio_error": finite_or_none(ratio[1]),
    }
