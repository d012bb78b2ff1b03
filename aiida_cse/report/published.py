"""The numbers of the published study (Kozdra et al. 2025) beside those of a study, figure by figure.

The published numbers are in ``published.yaml``; :func:`compare` lays the results of :class:`Findings` beside them.
Each number is compared with the result here that has the same estimator, and a number that cannot be compared says
why.
"""
# ruff: noqa: N815 - the names of fields end with their unit, as the keys of results do

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field
from scipy.stats import norm

from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.physics.exchange.equilibration import (
    equilibration_coefficient,
    equilibration_lower_bound,
    exchange_interval,
)
from aiida_cse.physics.statistics.poisson import poisson_interval
from aiida_cse.report.findings import Findings, RunFindings
from aiida_cse.report.tables import Column, TidyTable
from aiida_cse.schema import StrictModel
from aiida_cse.yaml_io import read_mapping

__all__ = [
    "ComparedNumber",
    "Estimate",
    "Published",
    "PublishedNumber",
    "compare",
    "comparison_table",
    "other_system",
    "published",
]

#: widest difference of two temperatures that count as one, K
_SAME_TEMPERATURE = 0.5
#: largest relative difference of two times between snapshots that count as one
_SAME_STRIDE = 0.01
#: fields of a recipe that do not make it another system
_NOT_THE_SYSTEM = ("name", "description", "seeds", "kinetics")


class PublishedNumber(StrictModel):
    """A published number and the result that it is compared with.

    Attributes
    ----------
    figure
        Figure, table or equations under which it is shown.
    quantity, unit
        The quantity and its unit, empty without one.
    source
        Section, figure or equation that it is from.
    temperature_K
        Temperature; None for a number of several temperatures or of none.
    printed
        The value or range as printed.
    value, low, high
        The printed value, or the ends of the printed range.
    bound
        ``lower`` if the publication calls the value a lower bound.
    rounding
        Half a unit of the last printed digit.
    error, error_from
        Standard error from the printed counts, and these counts; of the logarithm if ``scale`` is ``log``.
    scale
        ``log`` if logarithms are compared.
    derived
        The printed numbers from which it follows, if it is not printed itself.
    estimator
        The estimator that both have.
    measure, of
        Name of a function of this module that returns the result, and its arguments.
    stride_ps
        Published time between snapshots, or lag, on which the number depends.
    needs_K
        Temperatures of the runs that a result of several runs needs.
    why
        Why it is not compared at all.
    """

    figure: str
    quantity: str
    unit: str = ""
    source: str
    temperature_K: float | None = None
    printed: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    bound: Literal["lower"] | None = None
    rounding: float = Field(ge=0)
    error: float | None = Field(default=None, gt=0)
    error_from: str = ""
    scale: Literal["linear", "log"] = "linear"
    derived: str = ""
    estimator: str = ""
    measure: str = ""
    of: dict[str, Any] = Field(default_factory=dict)
    stride_ps: float | None = None
    needs_K: tuple[float, ...] = ()
    why: str = ""


class Published(StrictModel):
    """The published study.

    Attributes
    ----------
    citation, doi
        The publication.
    recipe, atoms
        The shipped recipe of its system, and the number of atoms of that.
    numbers
        Its numbers, in the order of the figures.
    """

    citation: str
    doi: str
    recipe: str
    atoms: int
    numbers: tuple[PublishedNumber, ...]


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
    definition
        Whether it is a setting and not a measurement.
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
    definition: bool = False
    why: str = ""


@dataclass(frozen=True)
class ComparedNumber:
    """A published number beside that of one run.

    Attributes
    ----------
    published
        The published number.
    run
        Label of the run; empty for a result of several runs, or if there is none.
    here
        The result.
    difference
        Result minus published value, in their unit; from the nearer end of a printed range, 0 within it. None if
        one of them has no value.
    sigma
        The difference in standard errors of the difference; on a logarithmic scale that of the logarithms. None if
        one has no error, or if the systems differ.
    within
        Whether the published value, within its rounding, lies in the interval here; None without an interval.
    reasons
        Why there is no difference in standard errors, or what else limits the comparison.
    """

    published: PublishedNumber
    run: str
    here: Estimate
    difference: float | None = None
    sigma: float | None = None
    within: bool | None = None
    reasons: tuple[str, ...] = field(default=())


@cache
def published() -> Published:
    """Return the published numbers."""
    return Published.model_validate(read_mapping(Path(__file__).with_name("published.yaml"), "published numbers"))


# -- comparison ----------------------------------------------------------------------------------------------


def compare(findings: Findings) -> list[ComparedNumber]:
    """Return each published number beside the results of every run at its temperature.

    A number of a temperature that was not run, or of a result that there is not, is listed once with the reason.
    """
    other = other_system(findings)
    return [one for number in published().numbers for one in _beside(number, findings, other)]


def other_system(findings: Findings) -> str:
    """Return in which way the system is not the published one; empty if it is, as far as is known."""
    study = published()
    if findings.validation:
        return "the system is the model landscape of a validation, not an interface"
    if findings.recipe:
        differing = sorted(
            _differences(_system_of(findings.recipe), _system_of(_recipe().model_dump(mode="json")))
        )
        name = findings.recipe.get("name", "without a name")
        return f"another recipe, {name}: differs in {', '.join(differing)}" if differing else ""
    atoms = {run.results.system.natoms for run in findings.runs.values()} - {study.atoms}
    if atoms:
        return f"another system: {', '.join(map(str, sorted(atoms)))} atoms, published {study.atoms}"
    return ""


@cache
def _recipe() -> Recipe:
    return load_recipe(published().recipe)


def _system_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a recipe that makes the system, with defaults filled in where it is valid."""
    with suppress(ValueError):  # a recipe of an earlier version is compared as it is
        recipe = Recipe.model_validate(dict(recipe)).model_dump(mode="json")
    return {name: value for name, value in recipe.items() if name not in _NOT_THE_SYSTEM}


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    """Return the names of the fields, down to the second level, that differ."""
    found = set()
    for name in one.keys() | other.keys():
        mine, theirs = one.get(name), other.get(name)
        if mine == theirs:
            continue
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            found |= {f"{name}.{key}" for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)}
        else:
            found.add(name)
    return found


def _beside(number: PublishedNumber, findings: Findings, other: str) -> list[ComparedNumber]:
    if not number.measure:
        return [ComparedNumber(number, "", Estimate(), reasons=(number.why,))]
    measure = _MEASURES[number.measure]
    missing = [f"{wanted:g} K" for wanted in number.needs_K if not _runs_at(findings, wanted)]
    if missing:
        return [ComparedNumber(number, "", Estimate(), reasons=(f"not run at {' and '.join(missing)}",))]
    if number.needs_K:
        return [_compared(number, "", measure(findings, None, number.of), (), other)]
    runs = _runs_at(findings, number.temperature_K)
    if not runs:
        where = "" if number.temperature_K is None else f" at {number.temperature_K:g} K"
        return [ComparedNumber(number, "", Estimate(), reasons=(f"not run{where}",))]
    return [
        _compared(number, run.label, measure(findings, run, number.of), _of_verdict(run), other) for run in runs
    ]


def _runs_at(findings: Findings, temperature: float | None) -> list[RunFindings]:
    """Return the runs at a temperature; without one the first run, whose regions are those of all."""
    if temperature is None:
        return list(findings.runs.values())[:1]
    return [run for run in findings.runs.values() if abs(run.temperature - temperature) < _SAME_TEMPERATURE]


def _of_verdict(run: RunFindings) -> tuple[str, ...]:
    return ("not equilibrated here: the result depends on the start",) if run.equilibrated is False else ()


def _compared(
    number: PublishedNumber, run: str, here: Estimate, verdict: tuple[str, ...], other: str
) -> ComparedNumber:
    """Return the comparison of a published number with a result."""
    if here.value is None and here.lower_bound is None and here.upper_bound is None:
        return ComparedNumber(number, run, here, reasons=(here.why or "the result has no value", *verdict))
    reasons = [] if here.definition else list(verdict)
    if here.value is None:
        reasons.append("a bound only" + (f": {here.why}" if here.why else ""))
    if number.bound:
        reasons.append("published as a lower bound, off equilibrium")
    if here.definition:
        reasons.append("a definition, without an error")
    else:
        if number.error is None:
            reasons.append("published without counts or error")
        if here.value is not None and here.error is None:
            reasons.append("no standard error here")
    if number.stride_ps and here.stride_ps and abs(here.stride_ps / number.stride_ps - 1) > _SAME_STRIDE:
        reasons.append(f"every {here.stride_ps:g} ps here, published every {number.stride_ps:g} ps")
    if other:
        reasons.append(other)
    sigma = None if other or verdict or number.bound else _sigma(number, here)
    within = None if other or verdict or number.bound else _within(number, here)
    return ComparedNumber(number, run, here, _difference(number, here), sigma, within, tuple(reasons))


def _difference(number: PublishedNumber, here: Estimate) -> float | None:
    """Return result minus published value, from the nearer end of a range."""
    low, high = _printed_range(number)
    if here.value is None or low is None or high is None:
        return None
    return here.value - min(max(here.value, low), high)


def _printed_range(number: PublishedNumber) -> tuple[float | None, float | None]:
    low = number.value if number.low is None else number.low
    return low, number.value if number.high is None else number.high


def _sigma(number: PublishedNumber, here: Estimate) -> float | None:
    """Return the difference in standard errors, with the rounding of the print as a uniform error."""
    if here.value is None or here.error is None or number.error is None or number.value is None:
        return None
    if number.scale == "linear":
        rounding = number.rounding + here.rounding
        return (here.value - number.value) / math.sqrt(here.error**2 + number.error**2 + rounding**2 / 3)
    if here.value <= 0:
        return None
    relative = number.rounding / number.value
    return math.log(here.value / number.value) / math.sqrt(here.error**2 + number.error**2 + relative**2 / 3)


def _within(number: PublishedNumber, here: Estimate) -> bool | None:
    """Return whether the printed value or range, within its rounding, meets the interval here."""
    low, high = _printed_range(number)
    if low is None or high is None:
        return None
    if here.definition or here.rounding:
        if here.value is None:
            return None
        return low - number.rounding - here.rounding <= here.value <= high + number.rounding + here.rounding
    least = here.low if here.low is not None else here.lower_bound
    most = here.high if here.high is not None else here.upper_bound
    if least is None and most is None:
        return None
    slack = number.rounding * (1 + 1e-9)
    return (least is None or least <= high + slack) and (most is None or low - slack <= most)


# -- results here --------------------------------------------------------------------------------------------

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


def _key_beside(values: Mapping[str, Any], key: str, word: str) -> Any:
    """Return the value whose key is ``key`` with a word before the unit or at the end; None without it."""
    parts = key.split("_")
    names = ("_".join([*parts[:place], word, *parts[place:]]) for place in range(len(parts), 0, -1))
    return next((values[name] for name in names if name in values), None)


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
    low, high = _key_beside(values, key, "interval") or (None, None)
    bound = _key_beside(values, key, "lower_bound")
    error = values.get(f"{key.removesuffix('_per_s')}_log_error")
    if error is None:
        error = _scaled(_key_beside(values, key, "error"), factor)
    if run is not None and run.equilibrated is False and bound is not None:
        # off equilibrium the value of the bins is no estimate of the height
        return Estimate(lower_bound=_scaled(bound, factor), why="not equilibrated, or too few visits")
    if value is None:
        return Estimate(lower_bound=_scaled(bound, factor), why=_reason(values, key))
    if error is None and low is not None:
        error = _half_width(low * factor, high * factor, _level(run), of.get("scale") == "log")
    if "per_ln_gamma" in of and (interval := values.get("gamma_interval")) is not None and None not in interval:
        # the error of γ outweighs those of the barrier and the shift
        width = _half_width(interval[0], interval[1], _level(run), logarithmic=True)
        error = _scaled(width, of["per_ln_gamma"])
    return Estimate(value * factor, error, _scaled(low, factor), _scaled(high, factor), _scaled(bound, factor))


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _reason(values: Mapping[str, Any], key: str) -> str:
    """Return what a result says of a number that is not known."""
    reason = _key_beside(values, key, "reason")
    reasons = [reason] if reason else [str(one) for one in values.get("reasons") or ()]
    return "; ".join(reasons) or f"{key} is not known"


def _level(run: RunFindings | None) -> float:
    """Return the level of the intervals of a run; that of the default for results of several runs."""
    level = None if run is None else run.results.settings.get("level")
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
    """Return a count over an exposure; the standard error is that of its logarithm."""
    if not exposure:
        return Estimate(why="no time in which an event would have counted", stride_ps=stride)
    low, high = (end / exposure for end in interval)
    if count == 0:
        return Estimate(upper_bound=high, why="no events", stride_ps=stride)
    error = _half_width(low, high, level, logarithmic=True)
    return Estimate(count / exposure, error, low, high, stride_ps=stride)


def exchange_rate(_: Findings, run: RunFindings | None, of: Mapping[str, Any]) -> Estimate:
    """Return S_t over the observed time, ns⁻¹."""
    counted, key = _in_snapshots(run), of["of"]
    if f"s_in_{key}" not in counted:
        return _no_snapshots(run)
    entries, exits = counted[f"s_in_{key}"], counted[f"s_out_{key}"]
    level = _level(run)
    interval = exchange_interval(entries, exits, level)
    return _ratio(entries + exits, counted["observed_ns"], interval, counted["stride_ps"], level)


def coefficient(_: Findings, run: RunFindings | None, of: Mapping[str, Any]) -> Estimate:
    """Return the equilibration coefficient with λ = 10 and its one-sided lower bound."""
    counted, key = _in_snapshots(run), of["of"]
    if f"s_in_{key}" not in counted:
        return _no_snapshots(run)
    entries, exits = counted[f"s_in_{key}"], counted[f"s_out_{key}"]
    return Estimate(
        equilibration_coefficient(entries, exits),
        lower_bound=equilibration_lower_bound(entries, exits),
        stride_ps=counted["stride_ps"],
    )


def conditioned(_: Findings, run: RunFindings | None, of: Mapping[str, Any]) -> Estimate:
    """Return a number of the entries that count only while the excess is large enough."""
    counted = _in_snapshots(run)
    if of["key"] not in counted:
        return _no_snapshots(run)
    if run is not None and run.results.settings.get("minimum_excess") is None:
        return Estimate(why="the analysis has no condition, minimum_excess")
    return Estimate(counted[of["key"]])


def conditioned_rate(_: Findings, run: RunFindings | None, __: Mapping[str, Any]) -> Estimate:
    """Return the entries under the condition over its time, ns⁻¹."""
    counted = _in_snapshots(run)
    time = conditioned(_, run, {"key": "exposure_conditioned_ns"})
    if time.value is None:
        return time
    return _entries_over(run, counted, "s_in_li_ceramic_conditioned", time.value)


def entry_rate(_: Findings, run: RunFindings | None, __: Mapping[str, Any]) -> Estimate:
    """Return the entries per ion in a first layer, s⁻¹."""
    counted = _in_snapshots(run)
    if "s_in_li_ceramic" not in counted:
        return _no_snapshots(run)
    return _entries_over(run, counted, "s_in_li_ceramic", counted["exposure_li_ceramic_ion_ns"] * 1e-9)


def _entries_over(run: RunFindings | None, counted: Mapping[str, Any], key: str, exposure: float) -> Estimate:
    """Return entries over an exposure with the interval of their count; events in bursts widen it."""
    level, entries = _level(run), counted[key]
    suffix = "_conditioned" if key.endswith("_conditioned") else ""
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
    """Return κ, the entries per ion over the rate of :func:`published_theory`."""
    theory, counted = published_theory(findings, run, of), entry_rate(findings, run, of)
    if theory.value is None or counted.value is None:
        return theory if theory.value is None else counted
    value = counted.value / theory.value
    if theory.error is None or counted.error is None:
        return Estimate(value, stride_ps=counted.stride_ps)
    error = math.hypot(theory.error, counted.error)
    reach = math.exp(float(norm.ppf((1 + _level(run)) / 2)) * error)
    return Estimate(value, error, value / reach, value * reach, stride_ps=counted.stride_ps)


_MEASURES: dict[str, Measure] = {
    "number": result_number,
    "exchange_rate": exchange_rate,
    "coefficient": coefficient,
    "conditioned": conditioned,
    "conditioned_rate": conditioned_rate,
    "entry_rate": entry_rate,
    "peak": peak,
    "mobility": mobility,
    "published_theory": published_theory,
    "published_transmission": published_transmission,
}

# -- table ---------------------------------------------------------------------------------------------------

_COLUMNS = (
    Column("figure", "", "Figure, table or equations"),
    Column("quantity", "", "The quantity"),
    Column("unit", "", "Unit of the numbers of the row"),
    Column("temperature_K", "K", "Temperature; empty for a number of several temperatures"),
    Column("source", "", "Section, figure or equation of the publication"),
    Column("estimator", "", "The estimator that both have"),
    Column("printed", "", "The value or range as printed"),
    Column("published", "", "The printed value"),
    Column("published_low", "", "Lower end of a printed range"),
    Column("published_high", "", "Upper end of a printed range"),
    Column("published_rounding", "", "Half a unit of the last printed digit"),
    Column("published_error", "", "Standard error from the printed counts; of the logarithm if `scale` is log"),
    Column("published_error_from", "", "These counts"),
    Column("derived", "", "The printed numbers from which it follows, if it is not printed itself"),
    Column("run", "", "Label of the run"),
    Column("here", "", "The result"),
    Column("error", "", "Its standard error; of the logarithm if `scale` is log"),
    Column("low", "", "Lower end of its interval"),
    Column("high", "", "Upper end of its interval"),
    Column("lower_bound", "", "One-sided lower bound"),
    Column("upper_bound", "", "One-sided upper bound"),
    Column("scale", "", "linear, or log if logarithms are compared"),
    Column("difference", "", "Result minus published value; from the nearer end of a range"),
    Column("sigma", "", "Difference in standard errors of the difference"),
    Column("within", "", "Whether the published value, within its rounding, lies in the interval here"),
    Column("reasons", "", "Why there is no difference in standard errors, and what limits the comparison"),
)


def comparison_table(compared: Sequence[ComparedNumber]) -> TidyTable:
    """Return the comparison as a table with one row per published number and run."""
    rows = []
    for one in compared:
        number, here = one.published, one.here
        rows.append(
            (
                *(number.figure, number.quantity, number.unit, number.temperature_K, number.source),
                *(number.estimator, number.printed, number.value, number.low, number.high, number.rounding),
                *(number.error, number.error_from, number.derived, one.run),
                *(here.value, here.error, here.low, here.high, here.lower_bound, here.upper_bound),
                *(number.scale, one.difference, one.sigma, one.within, "; ".join(one.reasons)),
            )
        )
    return TidyTable("published", "The published numbers beside those found", _COLUMNS, tuple(rows))
