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
from aiida_cse.physics.kinetics.comparison import RateEstimate
from aiida_cse.physics.kinetics.measured import MeasuredRate, over_faces, used_log_errors

__all__ = [
    "CROSSING",
    "CROSSING_RECORD",
    "ONE_FACE",
    "POPULATIONS",
    "checked_crossing",
    "crossing_objection",
    "crossing_records",
    "crossing_sentences",
    "last_of_means",
    "measured_rate",
    "waiting_ions",
]

#: the one part of a run whose rate was measured without counting
CROSSING = "crossing"
#: the part of a run that tells how many ions wait at each face
POPULATIONS = "populations"
SIDES = ("left", "right")
#: range of numbers of ions and of densities (nm⁻²), and the lowest rate, s⁻¹, that are taken from a node
_LEAST, _MOST, _LOWEST_RATE = 1e-9, 1e9, 1e-100
#: what is said of a rate where that of the other face is unknown
ONE_FACE = "of one face only: the fit takes the other one to be like it"

CROSSING_RECORD = Documented(
    "a record of a measured rate",
    "One entry of the list `crossings` of `kinetics`.",
    {
        "run": ("", "Label of the measurement"),
        "temperature_K": ("K", "Its temperature"),
        "side": ("", "Face of the slab"),
        "layer_ions": (
            "",
            "Mean number of ions in the first layer of this face, in the nearest runs in equilibrium; without "
            "one, in the systems of the crossing; null if unknown",
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


def checked_crossing(label: str, found: Any) -> Mapping[str, Any]:
    """Return a result of ``cse.crossing``, which may be of any program, with its ion in lower case.

    Raises
    ------
    ValueError
        It lacks a key of those that a rate needs, or a value is out of its range.
    """
    place = f"runs.{label}.{CROSSING}"
    if not isinstance(found, Mapping):
        raise ValueError(f"{place} = {str(found)[:80]}: must be the result of cse.crossing")
    for key in ("ion", "temperature_K", "side", "level", "rate_in_per_s", "rate_in_interval_per_s"):
        if key not in found:
            raise ValueError(f"{place}: it has no {key}; give the result of cse.crossing")
    for key, least, most in (("temperature_K", 1, 5000), ("level", 0.5, 0.9999)):
        if not _is_number(found[key], least, most):
            raise ValueError(f"{place}.{key} = {found[key]!r}: must be between {least} and {most}")
    if not isinstance(found["ion"], str) or not found["ion"]:
        raise ValueError(f"{place}.ion = {found['ion']!r}: must be the name of an ion")
    if found["side"] not in SIDES:
        raise ValueError(f"{place}.side = {found['side']!r}: must be {' or '.join(SIDES)}")
    _refuse_wrong_parts(place, found)
    interval, rate = found["rate_in_interval_per_s"], found["rate_in_per_s"]
    known = {**found, "ion": found["ion"].lower()}
    if interval is None:
        return known
    values = [interval[0], rate, interval[1]] if isinstance(interval, (list, tuple)) and len(interval) == 2 else []
    good = len(values) == 3 and all(_is_number(one, _LOWEST_RATE, 1 / _LOWEST_RATE) for one in values)
    if not good or not (interval[0] <= rate <= interval[1] and interval[0] < interval[1]):
        raise ValueError(
            f"{place}.rate_in_interval_per_s = {str(interval)[:80]}: must be null or two rates above zero with "
            f"rate_in_per_s = {str(rate)[:40]} between them"
        )
    return known


def _refuse_wrong_parts(place: str, found: Mapping[str, Any]) -> None:
    """Raise ValueError if what a crossing may have besides its rate is nothing that ``cse.crossing`` writes."""
    reason = found.get("off_equilibrium")
    if reason is not None and not isinstance(reason, str):
        raise ValueError(f"{place}.off_equilibrium = {reason!r}: must be null or a sentence")
    for key, least, words in (
        ("layer_density_per_nm2", _LEAST, "null or a number above zero"),
        ("layer_ions", 0, "null or a number"),
        ("layer_ions_counted", 0, "null or a whole number"),
    ):
        value = found.get(key)
        whole = key != "layer_ions_counted" or isinstance(value, int)
        if value is not None and not (whole and _is_number(value, least, _MOST)):
            raise ValueError(f"{place}.{key} = {str(value)[:80]}: must be {words}")


def _is_number(value: Any, least: float, most: float) -> bool:
    """Return whether a value is a number in a range; True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


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
    """Return the ions in the first layer of each face, from the runs in equilibrium nearest to a temperature (K).

    These are the mean over such runs and the number of independent ions that scatters as much as their errors, or
    as the runs do if that is more. Empty if no such run has the populations of both faces with errors.

    Raises
    ------
    ValueError
        A population is not a number in range.
    """
    known = []
    for label, run in runs.items():
        numbers = _layer_ions(label, run.get(POPULATIONS), ion)
        if run["equilibration"]["equilibrated"] and numbers:
            known.append((abs(run["transitions"]["temperature_K"] - temperature), numbers))
    nearest = min((distance for distance, _ in known), default=0.0)
    near = [numbers for distance, numbers in known if distance <= nearest + 1e-6]
    found = {}
    for side in SIDES if near else ():
        values, errors = np.array([numbers[side] for numbers in near]).T
        independent = (values / errors) ** 2
        mean = float(np.average(values, weights=independent))
        scatter = float(np.average((values / mean - 1) ** 2, weights=independent)) / len(values)
        found[side] = (mean, min(float(independent.sum()), 1 / max(scatter, _LEAST)))
    return found


def _layer_ions(label: str, populations: Any, ion: str) -> dict[str, tuple[float, float]]:
    """Return the number of ions in the first layer of each face and its error; empty if one is not known."""
    if populations is None:
        return {}
    place = f"runs.{label}.{POPULATIONS}"
    if not isinstance(populations, Mapping):
        raise ValueError(f"{place} = {str(populations)[:80]}: must be the result of cse.populations")
    found = {}
    for side in SIDES:
        keys = (f"n_{ion}_layer_{side}", f"n_{ion}_layer_{side}_error")
        values: list[Any] = [populations.get(key) for key in keys]
        for key, value in zip(keys, values, strict=True):
            if value is not None and not _is_number(value, 0, _MOST):
                raise ValueError(f"{place}.{key} = {str(value)[:80]}: must be null or a number of ions")
        if all(value is not None and value > _LEAST for value in values):
            found[side] = (float(values[0]), float(values[1]))
    return found if len(found) == len(SIDES) else {}


def measured_rate(
    label: str, found: Mapping[str, Any], lowering: float, waiting: Mapping[str, tuple[float, float]]
) -> MeasuredRate:
    """Return the observation of a measured rate; its error is that of its interval.

    ``waiting`` is that of :func:`waiting_ions`. Without it the ions are those in the systems of the crossing.
    """
    low, high = found["rate_in_interval_per_s"]
    normal = float(stats.norm.ppf((1 + found["level"]) / 2))
    log_error = float(np.clip(math.log(high / low) / (2 * normal), *MeasuredRate.LOG_ERRORS))
    side = str(found["side"])
    seen = found.get("layer_ions")
    ions, counted = waiting.get(side, (seen, found.get("layer_ions_counted")) if seen else (None, seen))
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
    used = dict(zip((one.label for one in measured), used_log_errors(measured), strict=True))
    means = {label: mean for mean in over_faces(measured) for label in mean.labels}
    return [
        _record(one, used[one.label], found[one.label])
        | _beside(means[one.label].rate, means[one.label].faces, alone.get(one.temperature), level)
        for one in measured
    ]


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


def _beside(mean: MeasuredRate, faces: int, estimate: RateEstimate | None, level: float) -> dict[str, Any]:
    """Return the mean over the faces, and what the counts alone give, which are of both faces."""
    reach = math.exp(float(stats.norm.ppf((1 + level) / 2)) * mean.log_error)
    low, high = mean.rate / reach, mean.rate * reach
    counted = None if estimate is None or not math.isfinite(estimate.rate.median) else estimate
    return {
        "faces": faces,
        "mean_rate_per_s": mean.rate,
        "mean_rate_interval_per_s": [low, high],
        "counted_rate_per_s": counted and counted.rate.median,
        "counted_rate_interval_per_s": counted and [counted.rate.low, finite_or_none(counted.rate.high)],
        "counted_rate_extrapolated": counted and counted.extrapolated,
        "agrees": counted and (counted.rate.low <= high and low <= counted.rate.high),
    }


def last_of_means(records: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the last run of each mean over faces, after which the mean is told."""
    # in nodes of earlier versions each run is a mean of its own
    last = {record.get("mean_rate_per_s", record["run"]): record["run"] for record in records}
    return set(last.values())


def crossing_sentences(record: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was measured, and whether counts and fit (the results ``found``) say the same, in short lines."""
    low, high = record["rate_interval_per_s"]
    rate = f"Γ({record['temperature_K']:g} K) = {record['rate_per_s']:.2g} s⁻¹ per ion ({low:.2g} to {high:.2g})"
    yield f"{rate}, measured, {record['side']}: {record['run']}"
    if record["run"] not in last_of_means(found.get("crossings", ())):
        return
    # nodes of earlier versions took each face for the mean
    if record.get("faces") == 1:
        yield f"  {ONE_FACE}"
    elif "faces" in record:
        low, high = record["mean_rate_interval_per_s"]
        yield f"  the mean of both faces is {record['mean_rate_per_s']:.2g} ({low:.2g} to {high:.2g})"
    fitted = found.get(f"rate_{round(record['temperature_K']):04d}K_interval_per_s")
    if record.get("faces") == 2 and fitted and (high < fitted[0] or low > (fitted[1] or math.inf)):
        yield "  the fit leaves it out: faces may have different energies; use the default laws"
    if record["agrees"] is not None:
        low, high = record["counted_rate_interval_per_s"]
        interval = f"{record['counted_rate_per_s']:.2g} ({low:.2g} to {math.inf if high is None else high:.2g})"
        source = "extrapolated from the counts" if record["counted_rate_extrapolated"] else "of the counts"
        yield f"  {'agrees with' if record['agrees'] else 'differs from'} that {source}, {interval}"
