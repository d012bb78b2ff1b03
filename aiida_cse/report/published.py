"""The numbers of the published study (Kozdra et al. 2025) beside those of a study, figure by figure.

The published numbers are in ``published.yaml``; :func:`compare` lays the results of :class:`Findings` beside them.
Each number is compared with the result here that has the same estimator, and a number that cannot be compared says
why.
"""
# ruff: noqa: N815 - the names of fields end with their unit, as the keys of results do

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.report.estimators import MEASURES, Estimate
from aiida_cse.report.findings import Findings, RunFindings
from aiida_cse.report.tables import Column, TidyTable
from aiida_cse.report.words import number_words, signed, unreadable, with_error
from aiida_cse.schema import StrictModel
from aiida_cse.yaml_io import read_mapping

__all__ = [
    "LEGEND",
    "ComparedNumber",
    "Published",
    "PublishedNumber",
    "compare",
    "compared_cell",
    "comparison_table",
    "here_cell",
    "other_system",
    "published",
    "published_cells",
]

#: widest difference of two temperatures that count as one, K
_SAME_TEMPERATURE = 0.5
#: largest relative difference of two times between snapshots, and of two observed times, that count as one
_SAME_STRIDE, _SAME_LENGTH = 0.01, 0.05
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
        Name in :data:`~aiida_cse.report.estimators.MEASURES` of the function that returns the result, and its
        arguments.
    stride_ps
        Published time between snapshots, or lag, on which the number depends.
    observed_ns
        Published observed time, on which the number depends.
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
    observed_ns: float | None = None
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
        differing = sorted(_differences(findings.recipe, load_recipe(study.recipe)))
        name = findings.recipe.get("name", "without a name")
        return f"another recipe, {name}: differs in {', '.join(differing)}" if differing else ""
    atoms = {run.results.system.natoms for run in findings.runs.values()} - {study.atoms}
    if atoms:
        return f"another system: {', '.join(map(str, sorted(atoms)))} atoms, published {study.atoms}"
    return ""


def _differences(recipe: Mapping[str, Any], published_recipe: Recipe) -> set[str]:
    """Return the fields, down to the second level, in which the system of a recipe differs from the published one.

    Defaults are filled in where the recipe is valid; one of an earlier version is compared as it is.
    """
    one, other = recipe, published_recipe.model_dump(mode="json")
    with suppress(ValueError):
        one = Recipe.model_validate(dict(recipe)).model_dump(mode="json")
    found = set()
    for name in (one.keys() | other.keys()) - set(_NOT_THE_SYSTEM):
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
    missing = [f"{wanted:g} K" for wanted in number.needs_K if not _runs_at(findings, wanted)]
    if missing:
        return [ComparedNumber(number, "", Estimate(), reasons=(f"not run at {' and '.join(missing)}",))]
    if number.needs_K:
        return [_compared(number, "", _measured(number, findings, None), (), other)]
    runs = _runs_at(findings, number.temperature_K)
    if not runs:
        where = "" if number.temperature_K is None else f" at {number.temperature_K:g} K"
        return [ComparedNumber(number, "", Estimate(), reasons=(f"not run{where}",))]
    off = ("not equilibrated here: the result depends on the start",)
    return [
        _compared(
            number,
            run.label,
            _measured(number, findings, run),
            off if run.equilibrated is False else (),
            other,
        )
        for run in runs
    ]


def _measured(number: PublishedNumber, findings: Findings, run: RunFindings | None) -> Estimate:
    """Return the result beside a published number; results of other programs can surprise an estimator."""
    try:
        return MEASURES[number.measure](findings, run, number.of)
    except Exception as error:
        return Estimate(why=unreadable(error))


def _runs_at(findings: Findings, temperature: float | None) -> list[RunFindings]:
    """Return the runs at a temperature; without one the first run, whose regions are those of all."""
    if temperature is None:
        return list(findings.runs.values())[:1]
    return [run for run in findings.runs.values() if abs(run.temperature - temperature) < _SAME_TEMPERATURE]


def _compared(
    number: PublishedNumber, run: str, here: Estimate, verdict: tuple[str, ...], other: str
) -> ComparedNumber:
    """Return the comparison of a published number with a result."""
    if here.value is None and here.lower_bound is None and here.upper_bound is None:
        return ComparedNumber(number, run, here, reasons=(here.why or "the result has no value", *verdict))
    if here.definition or here.counted:
        verdict = ()
    reasons = list(verdict)
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
    sampled = _sampled_otherwise(number, here)
    reasons += sampled
    if other:
        reasons.append(other)
    judged = not (other or verdict or number.bound or sampled)
    low = number.value if number.low is None else number.low
    high = number.value if number.high is None else number.high
    difference = None
    if here.value is not None and low is not None and high is not None:
        difference = here.value - min(max(here.value, low), high)
    sigma, within = (_sigma(number, here), _within(number, here, low, high)) if judged else (None, None)
    return ComparedNumber(number, run, here, difference, sigma, within, tuple(reasons))


def _sampled_otherwise(number: PublishedNumber, here: Estimate) -> list[str]:
    """Return in which way the sampling here makes the result another number than the published one."""
    reasons = []
    if number.stride_ps and here.stride_ps and abs(here.stride_ps / number.stride_ps - 1) > _SAME_STRIDE:
        reasons.append(f"every {here.stride_ps:g} ps here, published every {number.stride_ps:g} ps")
    if number.observed_ns and here.observed_ns and abs(here.observed_ns / number.observed_ns - 1) > _SAME_LENGTH:
        reasons.append(
            f"EC grows with the number of transitions: {here.observed_ns:.3g} ns here, published "
            f"{number.observed_ns:g} ns"
        )
    if here.lower_bound == 0 and here.low is None and here.value is not None:
        reasons.append("a lower bound of 0 excludes nothing")
    return reasons


def _sigma(number: PublishedNumber, here: Estimate) -> float | None:
    """Return the difference in standard errors, with the rounding of the print as a uniform error.

    On a logarithmic scale the errors are those of logarithms, and the rounding is relative to the printed value.
    """
    if here.value is None or here.error is None or number.error is None or number.value is None:
        return None
    if number.scale == "linear":
        rounding = number.rounding + here.rounding
        return (here.value - number.value) / math.sqrt(here.error**2 + number.error**2 + rounding**2 / 3)
    if here.value <= 0:
        return None
    relative = number.rounding / number.value
    return math.log(here.value / number.value) / math.sqrt(here.error**2 + number.error**2 + relative**2 / 3)


def _within(number: PublishedNumber, here: Estimate, low: float | None, high: float | None) -> bool | None:
    """Return whether the printed range from low to high, within its rounding, meets the interval here."""
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


# -- cells for readers ---------------------------------------------------------------------------------------

#: largest difference in standard errors that is no contradiction
_LARGEST_SIGMA = 2.0
#: meaning of the judgements
LEGEND = (
    "σ: difference over its standard error, from the counts that are printed and the error here; ✓ up to 2 σ. "
    "inside, outside: whether the printed value, within its rounding, lies in the interval, or above the lower "
    "bound, here. ≥, ≤: one-sided bounds."
)


def published_cells(one: ComparedNumber, compared: Sequence[ComparedNumber]) -> tuple[str, str]:
    """Return quantity, temperature and unit; and the published number as printed.

    The label of the run is added if there are several at the temperature. Counts are printed also as the rate that
    is compared.
    """
    number = one.published
    runs = {other.run for other in compared if other.published is number}
    where = [f"{number.temperature_K:g} K"] if number.temperature_K is not None else []
    where += [one.run] if len(runs) > 1 else []
    unit = f" ({number.unit})" if number.unit else ""
    printed = number.printed
    if number.value and " in " in printed:
        printed = f"{printed} = {_words(number.value)}"
    return ", ".join([number.quantity, *where]) + unit, printed


def here_cell(one: ComparedNumber) -> str:
    """Return the result with its interval, or with its error, or its bound."""
    here = one.here
    if here.value is None:
        if here.lower_bound is not None:
            return f"≥ {_words(here.lower_bound)}"
        return "–" if here.upper_bound is None else f"≤ {_words(here.upper_bound)}"
    if here.low is not None or here.high is not None:
        low = "−∞" if here.low is None else _words(here.low)
        return f"{_words(here.value)} ({low} to {'∞' if here.high is None else _words(here.high)})"
    if here.error is not None and one.published.scale == "linear":
        return with_error(here.value, here.error)
    if here.lower_bound is not None:
        return f"{_words(here.value)} (≥ {_words(here.lower_bound)})"
    return _words(here.value)


def compared_cell(one: ComparedNumber) -> str:
    """Return the judgement: the difference in standard errors, or whether one lies in the interval here."""
    if one.sigma is not None:
        return f"{'✓' if abs(one.sigma) <= _LARGEST_SIGMA else '✗'} {signed(f'{one.sigma:+.1f}')} σ"
    if one.within is not None and one.here.definition:
        return "✓ same" if one.within else f"✗ {_words(one.difference or 0.0)}"
    if one.within is not None:
        return "✓ inside" if one.within else "✗ outside"
    return "–"


def _words(value: float) -> str:
    return signed(number_words(value))
