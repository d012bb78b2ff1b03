"""Rates between the temperatures of a joint fit: the posterior of each law, drawn again from its observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.kinetics import KineticsSettings
from aiida_cse.analysis.shifts import UsedShifts
from aiida_cse.physics.kinetics.comparison import REFUTED
from aiida_cse.physics.kinetics.laws import LAWS
from aiida_cse.physics.kinetics.measured import MeasuredRate
from aiida_cse.physics.kinetics.observations import Observation, count_data
from aiida_cse.physics.kinetics.posterior import CountData, Draws, draw

__all__ = ["RateCurves", "rate_curves"]

Floats = NDArray[np.float64]

#: ln of the ratio by which an end of an interval that is drawn again may differ from the stored one
_SAME = 0.15


@dataclass(frozen=True)
class RateCurves:
    """Rates per ion over temperature.

    Attributes
    ----------
    temperature
        (M,) K.
    medians
        By law the median (M,), s⁻¹.
    low, high
        (M,) ends of the union of the intervals of the laws that the data do not refute, s⁻¹.
    """

    temperature: Floats
    medians: Mapping[str, Floats]
    low: Floats
    high: Floats


def rate_curves(found: Mapping[str, Any], temperatures: Sequence[float]) -> RateCurves | None:
    """Return the rates of a result of :func:`~aiida_cse.analysis.kinetics.kinetics` at other temperatures.

    The posterior is drawn again from the stored observations with the default number of draws. It must give the
    stored intervals at the stored temperatures.

    Parameters
    ----------
    found
        The result; those of earlier versions are of Arrhenius' law.
    temperatures
        (M,) K.

    Returns
    -------
    RateCurves or None
        None if the counts determine no law, or if the stored intervals are not found again.
    """
    stored = {
        float(key[5:9]): found[f"{key[:-6]}_interval_per_s"]
        for key in found
        if key.startswith("rate_") and key.endswith("K_per_s") and found[f"{key[:-6]}_interval_per_s"]
    }
    wanted = np.array([*temperatures, *stored], dtype=np.float64)
    shifts = UsedShifts([(one[0], one[1], one[2] if len(one) > 2 else 0.0) for one in found["shifts"]], "profiles")
    fits = [_fit(found, moved, wanted) for moved in shifts.variants(found["level"])]
    if not all(fits):
        return None
    best = [max(evidence for evidence, _ in fit.values()) for fit in fits]
    # each fit has its own union, as in the joint fit
    kept = [
        rates
        for fit, most in zip(fits, best, strict=True)
        for evidence, rates in fit.values()
        if evidence > most - REFUTED
    ]
    low, high = np.min(kept, axis=0)[0], np.max(kept, axis=0)[2]
    number = len(temperatures)
    for place, ends in enumerate(stored.values(), start=number):
        drawn = np.array([low[place], high[place]])
        if None in ends or np.abs(np.log(drawn / np.array(ends))).max() > _SAME:
            return None
    medians = {law: rates[1][:number] for law, (_, rates) in fits[0].items()}
    return RateCurves(wanted[:number], medians, low[:number], high[:number])


def _fit(
    found: Mapping[str, Any], shifts: list[tuple[float, float]], wanted: Floats
) -> dict[str, tuple[float, Floats]]:
    """Return ln of the evidence of each law, and low end, median and high end (3, M) of its rate.

    Nothing is returned if the counts do not determine a law.
    """
    settings, slope = KineticsSettings(shifts=shifts or None), found["slope_K_per_A"] or 0.0
    counts = _counts(found, settings, slope)
    if counts is None:
        return {}
    level = (1 - found["level"]) / 2
    rates = {}
    for name in found.get("by_law", ["arrhenius"]):
        draws = draw(
            counts,
            settings.samples,
            np.random.default_rng(settings.seed),
            law=LAWS[name],
            priors={key.removesuffix("_K"): tuple(ends) for key, ends in found.get("priors", {}).items()},
            minimum_energy=0.0,
        )
        if not isinstance(draws, Draws):
            return {}
        quantiles = [
            np.quantile(draws.log_rate(kelvin, slope * settings.shift(kelvin)), (level, 0.5, 1 - level))
            for kelvin in wanted.tolist()
        ]
        rates[name] = (draws.log_evidence, np.exp(np.array(quantiles).T))
    return rates


def _counts(found: Mapping[str, Any], settings: KineticsSettings, slope: float) -> CountData | None:
    """Return counts and measured rates that were used, with their lowering by a shift; None without any."""
    used = set(found["used"])
    observations = [
        Observation(
            temperature=record["temperature_K"],
            events=record["events"],
            exposure=record["exposure_ion_ns"] * 1e-9,
            label=record["run"],
            dispersion=record.get("dispersion", 1.0),
        )
        for record in found["observations"]
        if record["run"] in used
    ]
    # nodes of earlier versions have no measured rates
    measured = [
        MeasuredRate(
            record["temperature_K"],
            record["rate_per_s"],
            record["log_error"],
            lowering=slope * settings.shift(record["temperature_K"]),
            label=record["run"],
            face=record["side"],
            ions=record.get("layer_ions"),
            counted=record.get("layer_ions_counted"),
        )
        for record in found.get("crossings", ())
    ]
    if not measured and not any(run.events for run in observations):
        return None
    moved = [replace(run, lowering=slope * settings.shift(run.temperature)) for run in observations]
    return count_data(moved, measured)
