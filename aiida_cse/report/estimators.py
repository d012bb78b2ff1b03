"""Results under the estimators of the published study (Kozdra et al. 2025): one function each.

A measure takes the findings, the run (None for a result of all runs together) and its arguments in
``published.yaml``, and returns an :class:`Estimate`: the value with error, interval and bounds, or why not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import norm

from aiida_cse.physics.exchange.equilibration import (
    equilibration_coefficient,
    equilibration_lower_bound,
    exchange_interval,
)
from aiida_cse.physics.statistics.poisson import poisson_interval
from aiida_cse.report.findings import Findings, RunFindings
from aiida_cse.report.results import value_beside

__all__ = ["MEASURES", "Estimate", "Measure"]


@dataclass(frozen=True)
class Estimate:
    """A result with what is known of its uncertainty.

    Attributes
    ----------
    value
        The value; None if there is none, or only a bound.
    error
        Its standard error, of the logarithm on a logarithmic scale.
    low, high
        Its interval.
    lower_bound, upper_bound
        One-sided bounds.
    rounding
        Half the width of the bin that the value is the centre of; 0 for none.
    stride_ps
        Time between snapshots, or lag.
    observed_ns
        Observed time, where the value depends on it.
    definition
        Whether it is a setting and not a measurement.
    counted
        Whether it says what was counted, whatever the state of the run.
    why
        Why there is no value.
    """

    value: float | None = None
    error: float | None = None
    low: float | None = None
    high: float | None = None
    lower_bound: float | None = None
    upper_bound: float | None = None
    rounding: float = 0.0
    stride_ps: float | None = None
    observed_ns: float | None = None
    definition: bool = False
    counted: bool = False
    why: str = ""


Measure = Callable[[Findings, RunFindings | None, Mapping[str, Any]], Estimate]


def _values(findings: Findings, run: RunFindings | None, name: str) -> Mapping[str, Any]:
    """Return a result of the run, or of all runs together; empty without it."""
    joint = {"kinetics": findings.kinetics, "shifts": findings.shifts}
    if run is None:
        found = joint.get(name)
        return {} if found is None else found.values
    return run.scalars.get(name, {})


def _missing(name: str, run: RunFindings | None) -> Estimate:
    reason = "" if run is None else run.missing.get(name, "")
    return Estimate(why=f"no result {name}" + (f": {reason}" if reason else ""))


def result_number(findings: Findings, run: RunFindings | None, of: Mapping[str, Any]) -> Estimate:
    """Return a number of a result with its error, interval and bound, multiplied by ``factor``."""
    values, key = _values(findings, run, of["result"]), of["key"]
    if not values:
        return _missing(of["result"], run)
    if "temperatures_K" in of and values.get("gamma_temperatures_K") != of["temperatures_K"]:
        wanted = " and ".join(f"{one:g}" for one in of["temperatures_K"])
        return Estimate(why=f"kinetics has no rates counted at both {wanted} K")
    if key not in values:
        return Estimate(why=f"results of this version have no {key}")
    value, factor = values[key], of.get("factor", 1.0)
    if of.get("definition"):
        place = value[of["index"]] if isinstance(value, Sequence) else None
        return Estimate(place, definition=True)
    low, high = value_beside(values, key, "interval") or (None, None)
    bound = value_beside(values, key, "lower_bound")
    error = values.get(f"{key.removesuffix('_per_s')}_log_error")
    if error is None:
        error = _scaled(value_beside(values, key, "error"), factor)
    if run is not None and run.equilibrated is False and bound is not None:
        # off equilibrium the value of the bins is no estimate of the height
        return Estimate(lower_bound=_scaled(bound, factor), why="not equilibrated, or too few visits")
    if value is None:
        return Estimate(lower_bound=_scaled(bound, factor), why=_reason(values, key))
    if error is None and low is not None:
        error = _half_width(
            _scaled(low, factor), _scaled(high, factor), _level(run, values), of.get("scale") == "log"
        )
    if "per_ln_gamma" in of and (interval := values.get("gamma_interval")) is not None and None not in interval:
        # the error of γ outweighs those of the barrier and the shift
        width = _half_width(interval[0], interval[1], _level(run, values), logarithmic=True)
        error = _scaled(width, of["per_ln_gamma"])
    return Estimate(value * factor, error, _scaled(low, factor), _scaled(high, factor), _scaled(bound, factor))


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _reason(values: Mapping[str, Any], key: str) -> str:
    """Return what a result says of a number that is not known."""
    reason = value_beside(values, key, "reason")
    reasons = [reason] if reason else [str(one) for one in values.get("reasons") or ()]
    return "; ".join(reasons) or f"{key} is not known"


def _level(run: RunFindings | None, joint: Mapping[str, Any] | None = None) -> float:
    """Return the level of the intervals of a run, without one that of a result of several runs."""
    level = (joint or {}).get("level") if run is None else run.results.settings.get("level")
    return 0.95 if level is None else float(level)


def _half_width(low: float | None, high: float | None, level: float, logarithmic: bool) -> float | None:
    """Return the standard error that belongs to an interval of a normal estimate."""
    if low is None or high is None or (logarithmic and low <= 0):
        return None
    width = math.log(high / low) if logarithmic else high - low
    return float(width / 2 / norm.ppf((1 + level) / 2))


def _in_snapshots(run: RunFindings | None) -> Mapping[str, Any]:
    """Return the counts of a run under the published rule; empty without them."""
    transitions: Mapping[str, Any] = {} if run is None else run.scalars.get("transitions", {})
    found: Mapping[str, Any] = transitions.get("by_rule", {}).get("snapshot", {})
    return {**found, "stride_ps": transitions.get("stride_ps")} if found else {}


def _no_snapshots(run: RunFindings | None) -> Estimate:
    if run is not None and "transitions" in run.scalars:
        return Estimate(why="transitions were not counted under the rule snapshot")
    return _missing("transitions", run)


def _ratio(
    count: float, exposure: float | None, interval: Sequence[float], stride: float | None, level: float
) -> Estimate:
    """Return a count over an exposure; the standard error is that of its logarithm.

    A count of zero has an upper bound only.
    """
    if not exposure:
        return Estimate(why="no time in which an event would have counted", stride_ps=stride)
    low, high = (end / exposure for end in interval)
    if count == 0:
        return Estimate(upper_bound=high, why="no events", stride_ps=stride, counted=True)
    error = _half_width(low, high, level, logarithmic=True)
    return Estimate(count / exposure, error, low, high, stride_ps=stride, counted=True)


def exchange_rate(_: Findings, run: RunFindings | None, of: Mapping[str, Any]) -> Estimate:
    """Return S_t over the observed time, ns⁻¹."""
    counted, key = _in_snapshots(run), of["of"]
    if f"s_in_{key}" not in counted:
        return _no_snapshots(run)
    entries, exits = counted[f"s_in_{key}"], counted[f"s_out_{key}"]
    level = _level(run)
    interval = exchange_interval(entries, exits, level, burst_index=_bursts(run, key))
    return _ratio(entries + exits, counted["observed_ns"], interval, counted["stride_ps"], level)


def _bursts(run: RunFindings | None, key: str) -> float:
    """Return the number of events that carry the information of one, as the verdict has it; 1 if it has none."""
    found = None if run is None else run.scalars.get("equilibration", {}).get(f"burst_index_{key}")
    return max(1.0, float(found or 1.0))


def coefficient(_: Findings, run: RunFindings | None, of: Mapping[str, Any]) -> Estimate:
    """Return the equilibration coefficient with λ = 10 and its one-sided lower bound."""
    counted, key = _in_snapshots(run), of["of"]
    if f"s_in_{key}" not in counted:
        return _no_snapshots(run)
    entries, exits = counted[f"s_in_{key}"], counted[f"s_out_{key}"]
    return Estimate(
        equilibration_coefficient(entries, exits),
        lower_bound=equilibration_lower_bound(entries, exits, burst_index=_bursts(run, key)),
        stride_ps=counted["stride_ps"],
        observed_ns=counted.get("observed_ns"),
        counted=True,
    )


def conditioned(_: Findings, run: RunFindings | None, of: Mapping[str, Any]) -> Estimate:
    """Return a number of the entries that count only while the excess is large enough."""
    counted = _in_snapshots(run)
    if of["key"] not in counted:
        return _no_snapshots(run)
    if run is not None and run.results.settings.get("minimum_excess") is None:
        return Estimate(why="the analysis has no condition, minimum_excess")
    return Estimate(counted[of["key"]], counted=True)


def entry_rate(
    findings: Findings, run: RunFindings | None, _: Mapping[str, Any], *, under_condition: bool = False
) -> Estimate:
    """Return the entries per ion in a first layer, s⁻¹, or those under the condition over its time, ns⁻¹.

    The interval is that of the count; events in bursts widen it.
    """
    counted, level = _in_snapshots(run), _level(run)
    key, suffix = "s_in_li_ceramic", "_conditioned" if under_condition else ""
    if under_condition:
        time = conditioned(findings, run, {"key": "exposure_conditioned_ns"})
        if time.value is None:
            return time
        exposure = time.value
    elif key in counted:
        exposure = counted["exposure_li_ceramic_ion_ns"] * 1e-9
    else:
        return _no_snapshots(run)
    entries = counted[key + suffix]
    dispersion = counted.get(f"dispersion_li_ceramic{suffix}") or 1.0
    interval = poisson_interval(entries, level, dispersion=dispersion)
    return _ratio(entries, exposure, interval, counted["stride_ps"], level)


def peak(_: Findings, run: RunFindings | None, of: Mapping[str, Any]) -> Estimate:
    """Return the centre of the bin with the highest density of an ion in its first layer, Å."""
    if run is None or (found := run.observable("density_profiles")) is None:
        return _missing("density_profiles", run)
    ion, key = of["ion"], f"point_{of['ion']}_per_A3"
    edges = next((one.regions_A for name, one in run.results.system.ions.items() if name.lower() == ion), None)
    if key not in found.entries or edges is None:
        return Estimate(why=f"the profiles have no points of {ion}")
    z = found.array("point_z_A" if "point_z_A" in found.entries else "z_A")
    first, last = (edges[1], edges[2]) if of["side"] == "left" else (edges[3], edges[4])
    density = np.where((z >= first) & (z <= last), found.array(key), np.nan)
    if not np.nansum(density) > 0:
        return Estimate(why="no ion was in this layer")
    return Estimate(float(z[np.nanargmax(density)]), rounding=float(np.min(np.diff(z))) / 2)


def mobility(_: Findings, run: RunFindings | None, of: Mapping[str, Any]) -> Estimate:
    """Return the mean variance of displacements in some layers over that in others, at the first lag."""
    values: Mapping[str, Any] = {} if run is None else run.scalars.get("displacement_variance", {})
    if not values:
        return _missing("displacement_variance", run)
    means, squares = [], 0.0
    for layers in (of["over"], of["under"]):
        keys = [f"variance_{of['ion']}_{layer}_{of['axis']}" for layer in layers]
        # an unknown value becomes NaN
        variances = np.array([values.get(f"{key}_A2") for key in keys], dtype=np.float64)
        errors = np.array([values.get(f"{key}_error_A2") for key in keys], dtype=np.float64)
        absent = [layer for layer, one in zip(layers, variances, strict=True) if not one > 0]
        if absent:
            return Estimate(why=f"no displacements of {of['ion']} in {', '.join(absent)}")
        means.append(float(variances.mean()))
        squares += float(np.sum(errors**2) / variances.sum() ** 2)
    ratio, stride = means[0] / means[1], values["lags_ps"][0]
    if math.isnan(squares):
        return Estimate(ratio, stride_ps=stride)
    reach = math.exp(float(norm.ppf((1 + _level(run)) / 2)) * math.sqrt(squares))
    return Estimate(ratio, math.sqrt(squares), ratio / reach, ratio * reach, stride_ps=stride)


def published_theory(_: Findings, run: RunFindings | None, __: Mapping[str, Any]) -> Estimate:
    """Return ν exp(−ΔF/T) from the joined maximum minus minimum, s⁻¹: the published rate with κ = 1."""
    values: Mapping[str, Any] = {} if run is None else run.scalars.get("barrier", {})
    if run is None or not values:
        return _missing("barrier", run)
    barrier, frequency = values.get("barrier_li_K"), values.get("frequency_li_per_s")
    if barrier is None or frequency is None:
        return Estimate(why=_reason(values, "barrier_li_K"))
    if run.equilibrated is False:
        return Estimate(why="not equilibrated: the barrier has a lower bound only")
    rate = frequency * math.exp(-barrier / run.temperature)
    errors = values.get("barrier_li_error_K"), values.get("frequency_li_log_error")
    if errors[0] is None or errors[1] is None:
        return Estimate(rate)
    error = math.hypot(errors[0] / run.temperature, errors[1])
    reach = math.exp(float(norm.ppf((1 + _level(run)) / 2)) * error)
    return Estimate(rate, error, rate / reach, rate * reach)


def published_transmission(findings: Findings, run: RunFindings | None, of: Mapping[str, Any]) -> Estimate:
    """Return κ, the entries per ion over the rate of :func:`published_theory`.

    The errors of both are independent. Where one of them is unknown, κ has none.
    """
    theory, counted = published_theory(findings, run, of), entry_rate(findings, run, of)
    if theory.value is None or counted.value is None:
        return theory if theory.value is None else counted
    value = counted.value / theory.value
    if theory.error is None or counted.error is None:
        return Estimate(value, stride_ps=counted.stride_ps)
    error = math.hypot(theory.error, counted.error)
    reach = math.exp(float(norm.ppf((1 + _level(run)) / 2)) * error)
    return Estimate(value, error, value / reach, value * reach, stride_ps=counted.stride_ps)


MEASURES: dict[str, Measure] = {
    "number": result_number,
    "exchange_rate": exchange_rate,
    "coefficient": coefficient,
    "conditioned": conditioned,
    "conditioned_rate": partial(entry_rate, under_condition=True),
    "entry_rate": entry_rate,
    "peak": peak,
    "mobility": mobility,
    "published_theory": published_theory,
    "published_transmission": published_transmission,
}
