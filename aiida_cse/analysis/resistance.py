"""Interfacial resistance of each face of the slab from the crossings of the ions, and from rates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from aiida_cse.analysis.crossing.observations import CROSSING
from aiida_cse.analysis.equilibration import equilibration
from aiida_cse.analysis.production import FACT_KEYS, REGION_KEYS, Ion, ReducedProduction
from aiida_cse.analysis.registry import Need, Quantity, finite_or_none, ion_name, ions_in, observable
from aiida_cse.analysis.transitions import face_area
from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.transitions import Rule
from aiida_cse.physics.kinetics.resistance import counted_resistance, interfacial_resistance
from aiida_cse.physics.statistics.dispersion import dispersion

__all__ = ["RESISTANCE_KEYS", "interfacial_resistances", "resistances_from_rates"]

#: documentation of :func:`resistances_from_rates`
RESISTANCE_KEYS = {
    "layer_density_per_nm2": (
        "nm⁻²",
        "Lowest and highest mean number of ions in the first layers per area of both faces, of the runs that were "
        "used; of the systems of the crossings without such a run; null without either",
    ),
    "resistance_<T>K_ohm_cm2": (
        "Ω cm²",
        "Interfacial resistance k_B T A / (e² k) of a face at a temperature: k / A is the rate per ion times "
        "the number of ions per area, that of the run at the nearest temperature; for ions of one charge",
    ),
    "resistance_<T>K_interval_ohm_cm2": (
        "Ω cm²",
        "Its interval, from that of the rate and all of `layer_density_per_nm2`",
    ),
    "resistance_<T>K_lower_bound_ohm_cm2": ("Ω cm²", "Its lower bound, from the upper bound of the rate"),
}

#: names of the faces in keys, and whether they are that side or both
_FACES = {"": ("left", "right"), "_left": ("left",), "_right": ("right",)}


def _rows(found: Mapping[str, Any]) -> Iterator[Quantity]:
    for ion in ions_in(found, "resistance_<ion>_ohm_cm2"):
        for face, words in (("", "both faces"), ("_left", "left"), ("_right", "right")):
            key = f"{ion}{face}"
            reason = "nothing crossed" if not found.get(f"crossings_{key}") else ""
            if not found.get("equilibrated", True):
                reason = "the run is off equilibrium"
            yield Quantity.of(
                found,
                f"R of {ion_name(ion)}, {words}",
                f"resistance_{key}{{}}_ohm_cm2",
                "Ω cm²",
                reason=reason,
                note=f"{found.get(f'crossings_{key}')} crossings, rule {found.get('rule')}",
            )


@observable(
    "interfacial_resistance",
    kind="Dict",
    summary="Interfacial resistance per face in ohm cm^2 from the crossings, with intervals or bounds.",
    description=(
        "R = k_B T A / (e² k) with k committed crossings per time in one direction through a face, for ions of "
        "one elementary charge; see [resistance](../science/resistance.md). If the run has not equilibrated there "
        "is a lower bound only, for the populations that the run has."
    ),
    need=Need(
        "an ion that crosses into the ceramic",
        lambda config: any(species.exchange == "ceramic" for species in config.ions.values()),
    ),
    rows=_rows,
    section="Resistance",
    keys={
        **FACT_KEYS,
        **REGION_KEYS,
        "rule": (
            "",
            "`core`, whose crossings are committed; `snapshot` where the reduction or the boundaries of the "
            "settings allow no other. It misses ions that return between two snapshots: R is then too large",
        ),
        "observed_ns": ("ns", "Time in which a crossing would have been counted"),
        "face_area_nm2": ("nm²", "Area of one face of the slab"),
        "equilibrated": ("", "Verdict of the run, see `equilibration`"),
        "crossings_<ion>": ("events", "Entries and exits, both faces together"),
        "crossings_<ion>_<side>": ("events", "Entries and exits through one face"),
        "dispersion_<ion>": ("", "Number of crossings that carry the information of one, both faces together"),
        "dispersion_<ion>_<side>": ("", "The same for one face"),
        "resistance_<ion>_ohm_cm2": (
            "Ω cm²",
            "R of a face with the mean of the rates of both; null without a crossing, and off equilibrium",
        ),
        "resistance_<ion>_interval_ohm_cm2": (
            "Ω cm²",
            "Its interval, at the `level` of the settings; its end is null where no crossing bounds it",
        ),
        "resistance_<ion>_lower_bound_ohm_cm2": ("Ω cm²", "Its one-sided lower bound"),
        "resistance_<ion>_<side>_ohm_cm2": ("Ω cm²", "R of one face"),
        "resistance_<ion>_<side>_interval_ohm_cm2": ("Ω cm²", "Its interval"),
        "resistance_<ion>_<side>_lower_bound_ohm_cm2": ("Ω cm²", "Its one-sided lower bound"),
        "exchange_current_<ion>_A_per_cm2": (
            "A cm⁻²",
            "i₀ = k_B T / (e R), exchange current density of a face, mean of both; null where R is",
        ),
    },
)
def interfacial_resistances(production: ReducedProduction) -> dict[str, Any]:
    """Return the interfacial resistance of each ion that crosses, per face and of their mean.

    Committed crossings are those between cores. Off equilibrium the flow in one direction says nothing about that
    at equilibrium; what remains is the largest rate that the counts of either direction allow.
    """
    rule: Rule = "core" if "core" in production.tracks else "snapshot"
    observed_ns, equilibrated = (
        production.window.observed_ns(rule),
        bool(equilibration(production)["equilibrated"]),
    )
    area = face_area(production)
    results: dict[str, Any] = {
        **production.facts,
        **production.region_facts("ceramic"),
        "rule": rule,
        "observed_ns": observed_ns,
        "face_area_nm2": area,
        "equilibrated": equilibrated,
    }
    for ion in production.ions.values():
        if ion.species.exchange == "ceramic":
            for face, sides in _FACES.items():
                results |= _face(
                    production, ion, rule, f"{ion.key}{face}", sides, observed_ns * 1e-9, area, equilibrated
                )
    return results


def _face(
    production: ReducedProduction,
    ion: Ion,
    rule: Rule,
    key: str,
    sides: tuple[str, ...],
    observed_s: float,
    area: float,
    equilibrated: bool,
) -> dict[str, Any]:
    """Return the entries of the result for the crossings through the faces on these sides."""
    outside = tuple(label for label, name in enumerate(REGION_NAMES) if name.endswith(sides))
    events = production.transitions(rule)[ion.name].events
    inward = np.isin(events[:, 2], outside) & np.isin(events[:, 3], ion.exchange_labels)
    outward = np.isin(events[:, 2], ion.exchange_labels) & np.isin(events[:, 3], outside)
    crossings = events[inward | outward]
    window = production.window
    per_ion = np.bincount(np.searchsorted(ion.numbers, crossings[:, 1]), minlength=len(ion.numbers))
    per_frame = np.bincount(crossings[:, 0] - window.begin, minlength=window.frames)
    index = dispersion(per_ion, per_frame)
    results: dict[str, Any] = {f"crossings_{key}": len(crossings), f"dispersion_{key}": index}
    name = f"resistance_{key}{{}}_ohm_cm2"
    results |= dict.fromkeys(map(name.format, ("", "_interval", "_lower_bound")))
    whole = len(sides) > 1
    if whole:
        results[f"exchange_current_{key}_A_per_cm2"] = None
    if observed_s <= 0:
        return results
    entries, exits = int(inward.sum()), int(outward.sum())
    if not equilibrated:
        # the count of one direction stands for both, and carries the information of half of them
        entries = exits = max(entries, exits)
    found = counted_resistance(
        entries,
        exits,
        observed_s,
        area * len(sides),
        production.temperature,
        production.settings.level,
        dispersion=index if equilibrated else 2 * index,
        inside=float(ion.counts["ceramic"].mean()) / max(len(ion.numbers), 1),
    )
    results[name.format("_lower_bound")] = found.lower_bound
    if equilibrated:
        results[name.format("")] = finite_or_none(found.value)
        results[name.format("_interval")] = [found.low, finite_or_none(found.high)]
        if whole and len(crossings):
            results[f"exchange_current_{key}_A_per_cm2"] = found.exchange_current
    return results


# -- from the rates at other temperatures --------------------------------------------------------------------


def resistances_from_rates(
    found: Mapping[str, Any],
    runs: Mapping[str, Mapping[str, Any]],
    temperatures: Sequence[float],
    level: float,
) -> dict[str, Any]:
    """Return the interfacial resistances that follow from the rates and the ions in the first layers.

    How many ions wait there changes with temperature. Between the runs nothing is known of it, so that the
    interval takes all of their numbers. Runs tell them better than crossings, which begin with few systems.
    """
    layers = _counted_densities(found["used"], runs) or _measured_densities(found["used"], runs, level)
    ends = [min(low for *_, low, _ in layers), max(high for *_, high in layers)] if layers else None
    results: dict[str, Any] = {"layer_density_per_nm2": ends}
    for temperature in temperatures:
        place = f"{round(temperature):04d}K"
        name = f"resistance_{place}{{}}_ohm_cm2"
        results |= dict.fromkeys(map(name.format, ("", "_interval", "_lower_bound")))
        if ends is None or ends[0] == 0:
            continue

        def of(rate: float | None, density: float, kelvin: float = temperature) -> float | None:
            return (
                0.0 if rate is None else finite_or_none(float(interfacial_resistance(rate * density, 1.0, kelvin)))
            )

        _, nearest, *_ = min(layers, key=lambda one: abs(one[0] - temperature))
        rate, interval = found[f"rate_{place}_per_s"], found[f"rate_{place}_interval_per_s"]
        if rate is not None:
            results[name.format("")] = of(rate, nearest)
        if interval is not None:
            # a rate without an upper end leaves any small resistance
            results[name.format("_interval")] = [of(interval[1], ends[1]), of(interval[0], ends[0])]
        if found[f"rate_{place}_upper_bound_per_s"] is not None:
            results[name.format("_lower_bound")] = of(found[f"rate_{place}_upper_bound_per_s"], ends[1])
    return results


def _counted_densities(
    labels: Sequence[str], runs: Mapping[str, Mapping[str, Any]]
) -> list[tuple[float, float, float, float]]:
    """Return temperature (K), ions in the first layers per area (nm⁻²) and its ends, of runs that know them."""
    layers = []
    for label in labels:
        one = runs[label].get("transitions", {})
        # nodes of earlier versions have no area
        area_time = one.get("exposure_conditioned_ns", 0.0) * one.get("area_nm2", 0.0)
        if area_time > 0:
            layers.append((one["temperature_K"], *[one["exposure_conditioned_ion_ns"] / area_time] * 3))
    return layers


def _measured_densities(
    labels: Sequence[str], runs: Mapping[str, Mapping[str, Any]], level: float
) -> list[tuple[float, float, float, float]]:
    """Return the same of crossings: at each temperature the mean over the faces, with its interval for the ends.

    A crossing begins with few systems. The number of their ions is taken to scatter as that of independent ions
    (Poisson); that of a face on which none was seen is zero.
    """
    quantile = float(stats.norm.ppf((1 + level) / 2))
    crossings = [runs[label][CROSSING] for label in labels if CROSSING in runs[label]]
    known = [
        one
        for one in crossings
        if one.get("layer_density_per_nm2") is not None or one.get("layer_ions_counted") == 0
    ]
    layers = []
    for kelvin in dict.fromkeys(round(one["temperature_K"]) for one in known):
        there = {one["side"]: one for one in known if round(one["temperature_K"]) == kelvin}.values()
        density = float(np.mean([one.get("layer_density_per_nm2") or 0.0 for one in there]))
        counted = sum(one.get("layer_ions_counted") or 0 for one in there)
        if density > 0:
            reach = math.exp(quantile / math.sqrt(counted)) if counted else 1.0
            layers.append((float(kelvin), density, density / reach, density * reach))
    return layers
