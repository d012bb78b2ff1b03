"""Exchange of ions: the equilibration coefficient and the transitions over temperature, and the looks at a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from aiida_cse.analysis.registry import ion_name
from aiida_cse.landscape.expected import expected_exchange
from aiida_cse.landscape.model import Landscape
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.report.figures.registry import NotDrawableError, figure
from aiida_cse.report.figures.runs import (
    deciding_ion,
    ends,
    exchanging_ions,
    legend_below,
    level_words,
    open_proxy,
    places,
    rule_words,
    runs_with,
    sampling_words,
    temperature_axis,
    verdict_marks,
    verdict_words,
)
from aiida_cse.report.figures.style import ROLES, SPECIES, label_panels, new_figure, proxy, temperature_style
from aiida_cse.report.findings import Findings, RunFindings

__all__ = ["exchange", "looks"]

Floats = NDArray[np.float64]

#: mm; from this width on panels stand side by side
_WIDE = 120.0
#: colours and markers of ions that exchange with the ceramic and with the first layers, and of others
_IONS = {"ceramic": (SPECIES["cation"], "o"), "layer": (SPECIES["anion"], "s")}
_OTHER = ("#009E73", "D")
#: temperatures at which the known exchange is computed, and at which it is drawn
_COMPUTED, _DRAWN = 11, 200


# -- over temperature ----------------------------------------------------------------------------------------


def _exchange_caption(findings: Findings) -> str:
    runs = runs_with(findings, "equilibration", "transitions")
    criteria = next(iter(runs.values())).scalars["equilibration"]["criteria"]
    known = " Dashed: known from the reference rates of the landscape." if _has_known(findings) else ""
    return (
        f"(a) Equilibration coefficient EC with λ = {criteria['lam']:g}; the bar reaches down to its one-sided "
        f"{level_words(runs, 'bound_level')} lower bound, there is no upper one. A positive verdict needs EC and "
        f"bound above the two grey lines, and {_other_criteria(criteria)}. (b) S_t, entries and exits "
        f"together; the axis is linear below 1. Bars are {level_words(runs)} intervals that count each entry with "
        f"an exit as a pair and bursts as one event.{known} {rule_words(runs)} "
        f"{sampling_words(runs, 'equilibration')} "
        f"{verdict_words(runs)}"
    )


@figure("exchange", title="Equilibration coefficient and transitions", caption=_exchange_caption, paper="Fig. 7")
def exchange(findings: Findings, width: float) -> Figure:
    """Draw EC with its lower bound and thresholds, and S_t with intervals, over T."""
    runs = list(runs_with(findings, "equilibration", "transitions").values())
    wide = width >= _WIDE
    shape = (1, 2) if wide else (2, 1)
    drawn, axes = new_figure(width, 80 if wide else 120, *shape, share_x=not wide)
    upper, lower = axes
    handles = []
    # the deciding ion comes first
    ions = {ion: region for run in runs for ion, region in exchanging_ions(run.scalars["equilibration"]).items()}
    first = deciding_ion(runs[0])
    ions = dict(sorted(ions.items(), key=lambda item: item[0] != first))
    for number, (ion, region) in enumerate(ions.items()):
        colour, marker = _IONS[region] if region not in list(ions.values())[:number] else _OTHER
        key = f"{ion}_{region}"
        aside = 0.0 if len(ions) == 1 else (number - (len(ions) - 1) / 2) * 0.012
        for one, name in ((upper, f"ec_{key}"), (lower, f"s_total_{key}")):
            _draw_values(one, runs, name, aside, key, colour, marker)
        where = "ceramic" if region == "ceramic" else "1st layer"
        handles.append(proxy(f"{ion_name(ion)}, {where}", color=colour, marker=marker, linestyle="none"))
    criteria = runs[0].scalars["equilibration"]["criteria"]
    for name, words, style in (
        ("minimum_coefficient", "EC needed", "-"),
        ("minimum_lower_bound", "lower bound needed", ":"),
    ):
        upper.axhline(criteria[name], color=ROLES["limit"], linewidth=0.9, linestyle=style, zorder=0, label=name)
        handles.append(proxy(f"{words}: {criteria[name]:g}", color=ROLES["limit"], linestyle=style))
    if _has_known(findings):
        _draw_known(upper, lower, findings, runs, criteria["lam"])
        handles.append(proxy("known", color=ROLES["known"], linestyle="--"))
    upper.set_ylim(-0.05, 1.05)
    upper.set_ylabel("equilibration coefficient EC")
    # the axis of counts also holds zero
    _, high = lower.get_ylim()
    lower.set_yscale("symlog", linthresh=1.0, linscale=0.5)
    lower.set_ylim(-0.25, 1.6 * max(high, 10))
    lower.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    lower.set_ylabel("transitions $S_t$")
    for one in axes if wide else [lower]:
        temperature_axis(one, runs)
    label_panels(axes)
    legend_below(drawn, [*handles, *open_proxy(runs)], 3 if wide else 2)
    return drawn


def _other_criteria(criteria: Mapping[str, Any]) -> str:
    """Return what a positive verdict needs besides EC and its bound; earlier versions asked for less."""
    rest = ", and little of the start's deviation left" if criteria.get("maximum_remaining") is not None else ""
    return f"no net flux or drift{rest}"


def _draw_values(
    axes: Axes, runs: Sequence[RunFindings], name: str, aside: float, label: str, colour: str, marker: str
) -> None:
    """Draw EC with its one-sided lower bound, or S_t with its interval, ``aside`` of the temperatures."""
    there = [run for run in runs if run.scalars["equilibration"].get(name) is not None]
    if not there:
        return
    x = places(there) + aside * (float(np.ptp([run.temperature for run in there])) or 100.0)
    for place, run in zip(x, there, strict=True):
        found = run.scalars["equilibration"]
        value, bound = found[name], found.get(f"{name}_lower_bound")
        low, high = (
            (np.nan if bound is None else bound, value)
            if name.startswith("ec_")
            else ends(found, f"{name}_interval")
        )
        error = None if np.isnan(low + high) else [[value - low], [high - value]]
        style = verdict_marks(colour, equilibrated=run.equilibrated)
        axes.errorbar(
            [place], [value], yerr=error, marker=marker, elinewidth=0.9, label=label, clip_on=False, **style
        )


# -- what is known -------------------------------------------------------------------------------------------


def _has_known(findings: Findings) -> bool:
    return bool(findings.validation.get("expected")) and bool(findings.validation.get("landscape"))


def _draw_known(upper: Axes, lower: Axes, findings: Findings, runs: Sequence[RunFindings], lam: float) -> None:
    """Draw EC and S_t of the deciding ion that follow from the known rates of a landscape."""
    expected = findings.validation["expected"]["runs"]
    landscape = Landscape.model_validate(findings.validation["landscape"])
    ions = ValidationSettings.model_validate(findings.validation["settings"]).ions
    window = runs[0].scalars["transitions"]["start_ns"], runs[0].scalars["transitions"]["end_ns"]
    kelvin = sorted(run["temperature"] for run in expected)
    temperatures = np.linspace(kelvin[0], kelvin[-1], _COMPUTED)
    # ln Γ is interpolated linearly over 1/T
    order = sorted(expected, key=lambda run: 1 / run["temperature"])
    inverse, logarithms = zip(*((1 / run["temperature"], math.log(run["rate"])) for run in order), strict=True)
    rates = np.exp(np.interp(1 / temperatures, inverse, logarithms))
    found = [
        expected_exchange(landscape, ions, float(one), float(rate), window)
        for one, rate in zip(temperatures, rates, strict=True)
    ]
    counts = np.log([(one.entries, one.exits) for one in found])
    drawn = np.linspace(kelvin[0], kelvin[-1], _DRAWN)
    entries, exits = np.exp(PchipInterpolator(temperatures, counts)(drawn)).T
    known = 2 * np.minimum(entries, exits) / (entries + exits + lam)
    style: dict[str, Any] = {"color": ROLES["known"], "linestyle": "--", "linewidth": 1.0, "label": "known"}
    upper.plot(drawn, known, zorder=1, **style)
    lower.plot(drawn, entries + exits, zorder=1, **style)


# -- looks ---------------------------------------------------------------------------------------------------


def _looks_caption(findings: Findings) -> str:
    runs = _with_looks(findings)
    criteria = next(iter(runs.values())).looks[0]["criteria"]
    told = "; ".join(
        f"{label}: {len(run.looks)} look{'s' if len(run.looks) > 1 else ''}, the last at "
        f"{run.looks[-1]['end_ns']:g} ns {'positive' if run.looks[-1]['equilibrated'] else 'negative'}"
        for label, run in runs.items()
    )
    return (
        "Looks at adaptive runs against their length. (a) EC of the deciding ion; the bar reaches down to its "
        f"one-sided {100 * criteria['bound_level']:g} % lower bound. Filled: positive verdict, which also needs "
        f"{_other_criteria(criteria)}; open: negative. (b) Entries (triangles up) and exits (triangles down), "
        f"which are counts and have no interval. {told}."
    )


@figure("looks", title="Looks of adaptive runs", caption=_looks_caption)
def looks(findings: Findings, width: float) -> Figure:
    """Draw EC with its bound, and entries and exits, at each look over the length of the run."""
    runs = _with_looks(findings)
    wide = width >= _WIDE
    drawn, axes = new_figure(width, 78 if wide else 115, *((1, 2) if wide else (2, 1)), share_x=not wide)
    upper, lower = axes
    handles = []
    for run in runs.values():
        style = temperature_style(run.temperature, findings.temperatures)
        _draw_looks(upper, lower, run, style)
        handles.append(proxy(f"{run.temperature:g} K, {run.label}", **style))
    criteria = next(iter(runs.values())).looks[0]["criteria"]
    for name, words, dashes in (
        ("minimum_coefficient", "EC needed", "-"),
        ("minimum_lower_bound", "lower bound needed", ":"),
    ):
        upper.axhline(criteria[name], color=ROLES["limit"], linewidth=0.9, linestyle=dashes, zorder=0)
        handles.append(proxy(f"{words}: {criteria[name]:g}", color=ROLES["limit"], linestyle=dashes))
    handles += [
        proxy("entries", color="#595959", marker="^", linewidth=0.8),
        proxy("exits", color="#595959", marker="v", linestyle="--", linewidth=0.8),
    ]
    upper.set_ylim(-0.05, 1.05)
    upper.set_ylabel("equilibration coefficient EC")
    lower.set_ylabel("entries, exits (events)")
    longest = max(look["end_ns"] for run in runs.values() for look in run.looks)
    highest = max(1.0, 1.08 * lower.get_ylim()[1])
    lower.set_ylim(-0.04 * highest, highest)
    lower.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    for one in axes:
        one.set_xlim(0, 1.08 * longest)
    for one in axes if wide else [lower]:
        one.set_xlabel("length of the run (ns)")
    label_panels(axes)
    legend_below(drawn, handles, 3 if wide else 2)
    return drawn


def _with_looks(findings: Findings) -> dict[str, RunFindings]:
    found = {label: run for label, run in findings.runs.items() if run.looks}
    if not found:
        raise NotDrawableError("no run has looks: they are those of productions that run until equilibrated")
    return found


def _draw_looks(upper: Axes, lower: Axes, run: RunFindings, style: Mapping[str, Any]) -> None:
    time = np.array([look["end_ns"] for look in run.looks])
    values = np.array([look["ec"] for look in run.looks], dtype=np.float64)
    bounds = np.array([look["ec_lower_bound"] for look in run.looks], dtype=np.float64)
    upper.plot(time, values, color=style["color"], linewidth=0.8, label=run.label)
    for place, value, bound, look in zip(time, values, bounds, run.looks, strict=True):
        marks = verdict_marks(style["color"], equilibrated=look["equilibrated"])
        upper.errorbar(
            [place],
            [value],
            yerr=[[value - bound], [0.0]],
            marker=style["marker"],
            elinewidth=0.9,
            clip_on=False,
            label="look",
            **marks,
        )
    for way, marker, dashes in (("entries", "^", "-"), ("exits", "v", "--")):
        counts = np.array([look[way] for look in run.looks], dtype=np.float64)
        lower.plot(
            time,
            counts,
            color=style["color"],
            marker=marker,
            linestyle=dashes,
            linewidth=0.8,
            label=way,
            clip_on=False,
        )
