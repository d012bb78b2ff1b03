"""Rates that were measured without counting, as observations of the joint kinetics.

A crossing (``cse.crossing``) measures the rate where nothing crosses by itself. Its result is checked here, and
laid beside what the counts alone give at its temperature.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from aiida_cse.analysis.registry import Documented, finite_or_none
from aiida_cse.physics.kinetics.comparison import UNKNOWN, RateEstimate
from aiida_cse.physics.kinetics.observations import MeasuredRate, over_faces, used_log_errors

__all__ = [
    "CROSSING",
    "CROSSING_RECORD",
    "ONE_FACE",
    "POPULATIONS",
    "checked_crossing",
    "crossing_objection",
    "crossing_records",
    "crossing_sentences",
    "measured_rate",
    "waiting_ions",
]

#: the one part of a run whose rate was measured without counting
CROSSING = "crossing"
#: the part of a run that tells how many ions wait at each face
POPULATIONS = "populations"
#: what is said of a rate where that of the other face is unknown
ONE_FACE = "of one face only: the fit takes it for the mean of both"

CROSSING_RECORD = Documented(
    "a record of a measured rate",
    "One entry of the list `crossings` of `kinetics`.",
    {
        "run": ("", "Label of the measurement"),
        "temperature_K": ("K", "Its temperature"),
        "side": ("", "Face of the slab"),
        "layer_ions": (
            "",
            "Ions in the first layer of this face, in the nearest run in equilibrium; without one, those per nm² "
            "in the systems of the crossing; null if unknown",
        ),
        "layer_ions_counted": ("", "Number of independent ions that scatters as much; null if unknown"),
        "rate_per_s": ("s⁻¹", "Rate per ion in the first layer, into the ceramic"),
        "rate_interval_per_s": ("s⁻¹", "Its interval"),
        "log_error": ("", "Standard error of ln Γ, from its interval"),
        "log_error_used": ("", "The larger of this and the geometric mean over all measured rates"),
        "equivalent_events": ("events", "Independent entries that would tell as much"),
        "faces": ("", "Number of faces whose rates are known at this temperature"),
        "mean_rate_per_s": (
            "s⁻¹",
            "Mean over these faces, weighted by their ions, which enters the fit; the counts are of both faces",
        ),
        "mean_rate_interval_per_s": ("s⁻¹", "Its interval"),
        "lowering_K": ("K", "Slope × Δz"),
        "counted_rate_per_s": ("s⁻¹", "Rate at this temperature from the counts alone; null if they give none"),
        "counted_rate_interval_per_s": ("s⁻¹", "Its interval, the union over the laws"),
        "counted_rate_extrapolated": ("", "Whether the temperature lies outside those of the counts"),
        "agrees": ("", "Whether its interval and that of the mean overlap; null where the counts give none"),
    },
)


def checked_crossing(label: str, found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a result of ``cse.crossing`` with its ion in lower case.

    Raises
    ------
    ValueError
        It lacks a key of those that a rate needs, or a value is out of its range.
    """
    for key in ("ion", "temperature_K", "side", "level", "rate_in_per_s", "rate_in_interval_per_s"):
        if key not in found:
            raise ValueError(f"runs.{label}.{CROSSING}: it has no {key}; give the result of cse.crossing")
    for key, least, most in (("temperature_K", 0, 5000), ("level", 0, 1)):
        value = found[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least < value < most:
            raise ValueError(f"runs.{label}.{CROSSING}.{key} = {value!r}: must be between {least} and {most}")
    density = found.get("layer_density_per_nm2")
    if density is not None and not (isinstance(density, (int, float)) and 0 < density < math.inf):
        raise ValueError(
            f"runs.{label}.{CROSSING}.layer_density_per_nm2 = {density!r}: must be null or a number above zero"
        )
    counted = found.get("layer_ions_counted")
    if density is not None and counted is not None and not (isinstance(counted, int) and counted > 0):
        place = f"runs.{label}.{CROSSING}.layer_ions_counted"
        raise ValueError(f"{place} = {counted!r}: must be a whole number above zero")
    interval = found["rate_in_interval_per_s"]
    known = {**found, "ion": str(found["ion"]).lower()}
    if interval is None:
        return known
    values = [*interval, found["rate_in_per_s"]] if isinstance(interval, (list, tuple)) else []
    good = len(values) == 3 and all(isinstance(one, (int, float)) and 0 < one < math.inf for one in values)
    if not good or not interval[0] < interval[1]:
        raise ValueError(
            f"runs.{label}.{CROSSING}.rate_in_interval_per_s = {interval!r}: must be null or two rates above "
            "zero, the second the higher one"
        )
    return known


def crossing_objection(found: Mapping[str, Any]) -> str | None:
    """Return why a measured rate does not enter the fit, None if it does."""
    if found.get("off_equilibrium"):
        return str(found["off_equilibrium"])
    if found["rate_in_interval_per_s"] is not None:
        return None
    most = found.get("rate_in_upper_bound_per_s")
    known = isinstance(most, (int, float)) and not isinstance(most, bool) and 0 < most < math.inf
    return (
        f"its rate has no interval, only an upper bound, {most:.2g} s⁻¹" if known else "its rate has no interval"
    )


def waiting_ions(
    runs: Mapping[str, Mapping[str, Any]], ion: str, temperature: float
) -> dict[str, tuple[float, float]]:
    """Return the ions in the first layer of each face, from the run in equilibrium nearest to a temperature (K).

    These are the mean and the number of independent ions that scatters as much. Empty if no such run has the
    populations of both with errors.
    """
    found: dict[float, dict[str, tuple[float, float]]] = {}
    for run in runs.values():
        populations = run.get(POPULATIONS, {})
        keys = {side: f"n_{ion}_layer_{side}" for side in ("left", "right")}
        numbers = [populations.get(f"{key}{end}") for key in keys.values() for end in ("", "_error")]
        if run["equilibration"]["equilibrated"] and all(isinstance(one, float) and one > 0 for one in numbers):
            distance = abs(run["transitions"]["temperature_K"] - temperature)
            found[distance] = {
                side: (populations[key], (populations[key] / populations[f"{key}_error"]) ** 2)
                for side, key in keys.items()
            }
    return found[min(found)] if found else {}


def measured_rate(
    label: str, found: Mapping[str, Any], lowering: float, waiting: Mapping[str, tuple[float, float]]
) -> MeasuredRate:
    """Return the observation of a measured rate; its error is that of its interval.

    ``waiting`` is that of :func:`waiting_ions`. Without it the ions are those in the systems of the crossing.
    """
    low, high = found["rate_in_interval_per_s"]
    normal = float(stats.norm.ppf((1 + found["level"]) / 2))
    log_error = float(np.clip(math.log(high / low) / (2 * normal), *MeasuredRate.LOG_ERRORS))
    side, density = str(found["side"]), found.get("layer_density_per_nm2")
    own = (density, found.get("layer_ions_counted")) if density else (None, None)
    ions, counted = waiting.get(side, own)
    rate = float(found["rate_in_per_s"])
    return MeasuredRate(float(found["temperature_K"]), rate, log_error, lowering, label, side, ions, counted)


def crossing_records(
    measured: Sequence[MeasuredRate],
    found: Mapping[str, Mapping[str, Any]],
    alone: Mapping[float, RateEstimate],
    level: float,
) -> list[dict[str, Any]]:
    """Return :data:`CROSSING_RECORD` of all measured rates that are in the fit.

    ``found`` has the results of ``cse.crossing`` by label, ``alone`` the rates of the counts by temperature (K).
    """
    means = {round(one.temperature): one for one in over_faces(measured)}
    records = []
    for one, error in zip(measured, used_log_errors(measured), strict=True):
        there = [other.face for other in measured if round(other.temperature) == round(one.temperature)]
        mean = means[round(one.temperature)]
        record = _record(one, error, found[one.label])
        records.append(record | _beside(mean, len(set(there)), alone, level))
    return records


def _record(one: MeasuredRate, used: float, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a record that are of one face; ``used`` is the error that entered the fit."""
    return {
        "run": one.label,
        "temperature_K": one.temperature,
        "side": one.face,
        "layer_ions": one.ions,
        "layer_ions_counted": one.counted,
        "rate_per_s": one.rate,
        "rate_interval_per_s": list(found["rate_in_interval_per_s"]),
        "log_error": one.log_error,
        "log_error_used": used,
        "equivalent_events": used**-2,
        "lowering_K": one.lowering,
    }


def _beside(mean: MeasuredRate, faces: int, alone: Mapping[float, RateEstimate], level: float) -> dict[str, Any]:
    """Return the mean over the faces, and what the counts alone give, which are of both faces."""
    reach = math.exp(float(stats.norm.ppf((1 + level) / 2)) * mean.log_error)
    low, high = mean.rate / reach, mean.rate * reach
    estimate = alone.get(
        mean.temperature, RateEstimate(mean.temperature, UNKNOWN, 0.0, math.inf, extrapolated=True)
    )
    known = math.isfinite(estimate.rate.median)
    return {
        "faces": faces,
        "mean_rate_per_s": mean.rate,
        "mean_rate_interval_per_s": [low, high],
        "counted_rate_per_s": estimate.rate.median if known else None,
        "counted_rate_interval_per_s": [estimate.rate.low, finite_or_none(estimate.rate.high)] if known else None,
        "counted_rate_extrapolated": estimate.extrapolated if known else None,
        "agrees": estimate.rate.low <= high and low <= estimate.rate.high if known else None,
    }


def crossing_sentences(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was measured, and whether the counts say the same, in lines of at most 80 columns."""
    low, high = record["rate_interval_per_s"]
    rate = f"Γ({record['temperature_K']:g} K) = {record['rate_per_s']:.2g} s⁻¹ per ion ({low:.2g} to {high:.2g})"
    yield f"{rate}, measured, {record['side']}: {record['run']}"
    # nodes of earlier versions took each face for the mean
    if record.get("faces") == 1:
        yield f"  {ONE_FACE}"
    elif "faces" in record:
        low, high = record["mean_rate_interval_per_s"]
        yield f"  the mean of both faces is {record['mean_rate_per_s']:.2g} ({low:.2g} to {high:.2g})"
    if record["agrees"] is not None:
        low, high = record["counted_rate_interval_per_s"]
        interval = f"{record['counted_rate_per_s']:.2g} ({low:.2g} to {math.inf if high is None else high:.2g})"
        source = "extrapolated from the counts" if record["counted_rate_extrapolated"] else "of the counts"
        yield f"  {'agrees with' if record['agrees'] else 'differs from'} that {source}, {interval}"
