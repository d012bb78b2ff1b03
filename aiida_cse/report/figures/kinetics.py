"""Rates of entry over the inverse temperature: counted, fitted under several laws, and extrapolated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from aiida_cse.analysis.registry import ion_name
from aiida_cse.physics.kinetics.laws import LAWS
from aiida_cse.report.figures.registry import NotDrawableError, figure
from aiida_cse.report.figures.runs import (
    deciding_ion,
    ends,
    legend_below,
    level_words,
    rule_words,
    runs_with,
    sampling_words,
    verdict_marks,
)
from aiida_cse.report.figures.style import ROLES, label_panels, new_figure, proxy
from aiida_cse.report.findings import Findings, RunFindings
from aiida_cse.report.kinetics import rates_of
from aiida_cse.report.rate_curves import RateCurves, rate_curves

__all__ = ["rates"]

Floats = NDArray[np.float64]

#: mm; from this width on the legend has three columns
_WIDE = 140.0
#: temperatures at which the curves are computed
_POINTS = 40
#: colour and line of each law
_LAWS = {
    "arrhenius": (ROLES["predicted"], "-"),
    "vogel-fulcher": ("#009E73", "--"),
    "two-channels": ("#CC79A7", "-."),
}
#: bounds of the fit are shown up to this many times the highest rate, intervals down to this share of the lowest
_MOST_ABOVE, _LEAST_BELOW = 30.0, 1e-4
#: ratios to the known rate that may be ticks
_RATIOS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000)


@dataclass(frozen=True)
class _Counted:
    """The rate that was counted in one run, s⁻¹ per ion: NaN for what is not known.

    ``upper`` is a one-sided bound of a run without an entry, ``used`` whether the joint fit took it.
    """

    label: str
    temperature: float
    events: int
    rate: float
    interval: tuple[float, float]
    upper: float
    equilibrated: bool | None
    used: bool | None


def _caption(findings: Findings) -> str:
    runs = _runs(findings)
    counted = [_counted(run, findings) for run in runs.values()]
    ion = ion_name(deciding_ion(next(iter(runs.values()))))
    sentences = [
        f"Entries of {ion} into the ceramic per ion in the first layers and second against the inverse "
        f"temperature. Circles are counted rates with {level_words(runs)} intervals (n entries beside them); open "
        f"ones are of runs that have not equilibrated. An arrow is the one-sided {level_words(runs)} upper "
        "bound of a run without an entry."
    ]
    if any(run.scalars["transitions"].get("condition_minimum_excess") is not None for run in runs.values()):
        sentences.append("Entries count only while the excess is at least the condition, where it ever is.")
    if _measured(findings):
        sentences.append(
            "Triangles are rates that were measured without counting, with their intervals; they point to their "
            "face. At a temperature with both the fit takes their mean, weighted by the ions that wait there."
        )
    if findings.kinetics is not None:
        sentences.append(_fit_words(findings))
    unseen = [one.label for one in counted if np.isnan(one.rate) and np.isnan(one.upper)]
    if unseen:
        sentences.append(f"Not drawn, because no ion could enter: {', '.join(unseen)}.")
    if findings.validation.get("expected"):
        sentences.append("Dashed: known rates, by reactive flux; (b) shows the ratio to these.")
    return " ".join([*sentences, rule_words(runs), sampling_words(runs, "transitions")])


def _fit_words(findings: Findings) -> str:
    assert findings.kinetics is not None
    found = findings.kinetics.values
    level = f"{100 * found['level']:g} %"
    reasons = "; ".join(f"{label}: {reason}" for label, reason in found["excluded"].items())
    words = f"The joint fit of {found['events']} entries leaves out: {reasons}. " if reasons else ""
    told = [rate for rate in rates_of(found) if rate["rate_per_s"] is not None]
    if len(told) < len(list(rates_of(found))):
        bounds = {rate["temperature_K"]: _bound_alone(rate) for rate in rates_of(found)}
        below = [f"{kelvin:g} K below {bound:.2g} s⁻¹" for kelvin, bound in bounds.items() if bound is not None]
        words += (
            f"Where the fit gives no rate there is an upper bound (orange arrow, if it lies within the axis): "
            f"{', '.join(below)}. "
            if below
            else "Where the fit gives neither rate nor bound, no run constrains it. "
        )
    if not told:
        return words.rstrip()
    refuted = [LAWS[law].title for law in found.get("by_law", {}) if law not in found["laws"]]
    words += (
        f"Diamonds are rates of the joint fit with {level} intervals, the union over the laws that the data do "
        f"not refute{' (refuted: ' + ', '.join(refuted) + ')' if refuted else ''}; small ticks beyond them are "
        "its cautious bounds; both may leave the axis. Open diamonds are extrapolated: outside the temperatures "
        "of the runs in the fit. "
    )
    if found.get("gamma") is not None:
        hot, cold = found["gamma_temperatures_K"]
        words += (
            f"Crosses are the rates that equation 11 of the published study gives with γ, the ratio of the rates "
            f"at {hot:g} and {cold:g} K; they have no interval. "
        )
    if _curves(findings) is not None:
        return words + "Lines are medians of each law, the band is the union of the intervals."
    return (
        words + "The line joins the rates of the fit, the band their intervals."
        if len(told) > 1
        else words.rstrip()
    )


@figure("rates", title="Rates against the inverse temperature", caption=_caption)
def rates(findings: Findings, width: float) -> Figure:
    """Draw counted and fitted rates over 1/T; for a validation also their ratio to the known rates."""
    runs = _runs(findings)
    counted = [_counted(run, findings) for run in runs.values()]
    fitted = [] if findings.kinetics is None else list(rates_of(findings.kinetics.values))
    if all(np.isnan(one.rate) and np.isnan(one.upper) for one in counted) and not any(
        one["rate_per_s"] or _bound_alone(one) for one in fitted
    ):
        raise NotDrawableError("no run has a rate or a bound of it: in none of them could an ion enter")
    known = {run["temperature"]: run["rate"] for run in findings.validation.get("expected", {}).get("runs", ())}
    wide = width >= _WIDE
    height = (95 if wide else 105) + (38 if known else 0)
    drawn, axes = new_figure(
        width, height, 2 if known else 1, 1, share_x="col", height_ratios=(2, 1) if known else None
    )
    curves = _curves(findings)
    handles: list[Any] = []
    for one, reference in zip(axes, (None, known), strict=False):
        drawn_known = []
        if known:
            hottest_last = np.array(sorted(known))
            values = np.array([known[kelvin] for kelvin in hottest_last.tolist()]) / _scale(
                hottest_last, reference
            )
            style: dict[str, Any] = {"color": ROLES["known"], "linestyle": "--", "linewidth": 1.0}
            one.plot(1000 / hottest_last, values, label="known", zorder=3, **style)
            drawn_known.append(proxy("known, by reactive flux", **style))
        entries = [
            *drawn_known,
            *_draw_counted(one, counted, reference),
            *_draw_measured(one, _measured(findings), reference),
            *_draw_fit(one, findings, fitted, curves, reference),
        ]
        handles = handles or entries
        one.set_yscale("log")
    axes[0].set_ylabel("Γ per ion (s$^{-1}$)")
    _limit(axes[0], counted, _measured(findings), fitted, curves)
    if known:
        low, high = axes[1].get_ylim()
        axes[1].set_ylim(low, high)
        shown = [tick for tick in _RATIOS if low <= tick <= high]
        # at most seven ticks, among them 1
        every = max(1, -(-len(shown) // (7 if 1 in shown else 6)))
        axes[1].set_yticks(shown[shown.index(1) % every if 1 in shown else 0 :: every])
        axes[1].yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes[1].yaxis.set_minor_formatter(NullFormatter())
        axes[1].set_ylabel("Γ / known")
        label_panels(axes)
    kelvin = [one.temperature for one in counted] + list(known)
    kelvin += [one["temperature_K"] for one in (*fitted, *_measured(findings))]
    _temperature_axes(axes, kelvin, narrow=not wide)
    legend_below(drawn, handles, 3 if wide else 1)
    return drawn


# -- data ----------------------------------------------------------------------------------------------------


def _runs(findings: Findings) -> dict[str, RunFindings]:
    found = runs_with(findings, "transitions", "equilibration")
    ion = deciding_ion(next(iter(found.values())))
    if not any(f"s_in_{ion}_ceramic" in run.scalars["transitions"] for run in found.values()):
        raise NotDrawableError(f"{ion_name(ion)}, which decides the verdict, does not exchange with the ceramic")
    return found


def _counted(run: RunFindings, findings: Findings) -> _Counted:
    """Return the rate of a run: under the condition if it ever held, as in the joint fit, else of all entries."""
    found, verdict, ion = run.scalars["transitions"], run.scalars["equilibration"], deciding_ion(run)
    values: Mapping[str, Any] = {} if findings.kinetics is None else findings.kinetics.values
    conditioned = f"rate_in_{ion}_ceramic_conditioned_per_ion_per_s"
    suffix = "_conditioned" if found.get(conditioned) is not None else ""
    key = f"rate_in_{ion}_ceramic{suffix}_per_ion_per_s"
    rate, events = found.get(key), found.get(f"s_in_{ion}_ceramic{suffix}")
    upper = None
    if not events:
        records = [one for one in values.get("observations", ()) if one["run"] == run.label]
        upper = next((one.get("rate_upper_bound_per_s") for one in records), None)
        upper = upper or verdict.get(f"rate_in_{ion}_ceramic_per_ion_upper_bound_per_s")
    return _Counted(
        label=run.label,
        temperature=run.temperature,
        events=int(events or 0),
        rate=float(rate) if rate else float("nan"),
        interval=ends(found, f"{key}_interval") if rate else (float("nan"), float("nan")),
        upper=float("nan") if upper is None else float(upper),
        equilibrated=run.equilibrated,
        used=run.label in values["used"] if values else None,
    )


def _measured(findings: Findings) -> list[Mapping[str, Any]]:
    """Return the records of rates that were measured without counting; nodes of earlier versions have none."""
    return [] if findings.kinetics is None else list(findings.kinetics.values.get("crossings", ()))


def _bound_alone(rate: Mapping[str, Any]) -> float | None:
    """Return the upper bound where the fit gives no rate, s⁻¹."""
    return None if rate["rate_per_s"] is not None else rate["upper_bound_per_s"]


def _curves(findings: Findings) -> RateCurves | None:
    """Return the curves of the laws from the hottest to the coldest temperature of runs and rates.

    None without a joint fit, or where all are of one temperature.
    """
    if findings.kinetics is None:
        return None
    found = findings.kinetics.values
    kelvin = [run["temperature_K"] for run in found["observations"] if run["run"] in found["used"]]
    kelvin += [one["temperature_K"] for one in (*rates_of(found), *_measured(findings))]
    if len(set(kelvin)) < 2:
        return None
    inverse = np.linspace(1 / max(kelvin), 1 / min(kelvin), _POINTS)
    return rate_curves(found, (1 / inverse).tolist())


# -- drawing -------------------------------------------------------------------------------------------------


def _scale(temperatures: Sequence[float] | Floats, reference: Mapping[float, float] | None) -> Floats:
    """Return the known rates at these temperatures, interpolated in ln Γ over 1/T, or 1 without a reference."""
    if not reference:
        return np.ones(len(temperatures))
    inverse, logs = np.array(sorted((1 / kelvin, np.log(rate)) for kelvin, rate in reference.items())).T
    scale: Floats = np.exp(np.interp(1 / np.asarray(temperatures, dtype=np.float64), inverse, logs))
    return scale


def _draw_counted(axes: Axes, counted: Sequence[_Counted], reference: Mapping[float, float] | None) -> list[Any]:
    """Draw counted rates with intervals, bounds as arrows, and the numbers of entries."""
    handles = {}
    for one, scale in zip(counted, _scale([one.temperature for one in counted], reference), strict=True):
        x = 1000 / one.temperature
        marks = verdict_marks(ROLES["found"], equilibrated=one.equilibrated)
        if not np.isnan(one.rate):
            error = (
                None if np.isnan(sum(one.interval)) else np.abs(np.array(one.interval)[:, None] - one.rate) / scale
            )
            axes.errorbar(
                [x], [one.rate / scale], yerr=error, marker="o", markersize=3.5, zorder=4, label="counted", **marks
            )
            left_out = "" if one.used or one.used is None else ", not in the fit"
            words = "counted, equilibrated" if one.equilibrated else f"counted, not equilibrated{left_out}"
            handles[words] = proxy(words, marker="o", linestyle="none", **marks)
            if reference is None:
                axes.annotate(
                    f"{one.events}", (x, one.rate), (5, 3), textcoords="offset points", fontsize=6, zorder=5
                )
        elif not np.isnan(one.upper):
            _draw_bound(axes, x, one.upper / scale, ROLES["found"])
            handles["bound"] = proxy(
                "upper bound, no entry", marker=r"$\downarrow$", linestyle="none", color=ROLES["found"]
            )
    return list(handles.values())


def _draw_measured(
    axes: Axes, measured: Sequence[Mapping[str, Any]], reference: Mapping[float, float] | None
) -> list[Any]:
    """Draw rates that were measured without counting, with their intervals: triangles that point to their face."""
    handles = []
    for side, marker in (("left", "<"), ("right", ">")):
        there = [one for one in measured if one["side"] == side]
        if not there:
            continue
        kelvin = [one["temperature_K"] for one in there]
        scale = _scale(kelvin, reference)
        found = np.array([one["rate_per_s"] for one in there])
        errors = np.abs(np.array([one["rate_interval_per_s"] for one in there]).T - found) / scale
        style: dict[str, Any] = {"color": ROLES["known"], "marker": marker, "linestyle": "none", "markersize": 5}
        axes.errorbar(1000 / np.array(kelvin), found / scale, yerr=errors, zorder=4.5, label="measured", **style)
        handles.append(proxy(f"measured, {side} face", **style))
    return handles


def _draw_bound(axes: Axes, x: float, bound: float, colour: str) -> None:
    """Draw an upper bound: a tick with an arrow down."""
    axes.errorbar(
        [x], [bound], yerr=[[0.55 * bound], [0.0]], uplims=True, marker="_", color=colour, zorder=4, label="bound"
    )


def _draw_fit(
    axes: Axes,
    findings: Findings,
    fitted: Sequence[Mapping[str, Any]],
    curves: RateCurves | None,
    reference: Mapping[float, float] | None,
) -> list[Any]:
    """Draw the curves of the laws with the band, and the rates of the fit with intervals and bounds."""
    told = [rate for rate in fitted if rate["rate_per_s"] is not None and rate["low_per_s"] is not None]
    colour = ROLES["predicted"]
    handles: list[Any] = []
    if curves is not None and findings.kinetics is not None:
        x, scale = 1000 / curves.temperature, _scale(curves.temperature, reference)
        axes.fill_between(
            x, curves.low / scale, curves.high / scale, color=colour, alpha=0.15, linewidth=0, label="band"
        )
        by_law = findings.kinetics.values.get("by_law", {})
        for law, median in curves.medians.items():
            shade, dashes = _LAWS.get(law, (colour, ":"))
            axes.plot(x, median / scale, color=shade, linestyle=dashes, label=law, zorder=2)
            weight = by_law.get(law, {}).get("weight")
            words = LAWS[law].title + ("" if weight is None or len(by_law) < 2 else f" (weight {weight:.2f})")
            handles.append(proxy(words, color=shade, linestyle=dashes))
    elif len(told) > 1:
        order = sorted(told, key=lambda rate: float(rate["temperature_K"]))
        kelvin = np.array([rate["temperature_K"] for rate in order])
        low, middle, high = (
            np.array([rate[key] for rate in order], dtype=np.float64) / _scale(kelvin, reference)
            for key in ("low_per_s", "rate_per_s", "high_per_s")
        )
        axes.fill_between(1000 / kelvin, low, high, color=colour, alpha=0.15, linewidth=0, label="band")
        axes.plot(1000 / kelvin, middle, color=colour, label="fit", zorder=2)
    for rate, scale in zip(told, _scale([one["temperature_K"] for one in told], reference), strict=True):
        _draw_rate(axes, rate, float(scale))
    bounds = {rate["temperature_K"]: bound for rate in fitted if (bound := _bound_alone(rate)) is not None}
    for (kelvin, bound), scale in zip(bounds.items(), _scale(list(bounds), reference), strict=True):
        _draw_bound(axes, 1000 / kelvin, bound / scale, colour)
    if bounds:
        handles.append(proxy("joint fit, upper bound", marker=r"$\downarrow$", linestyle="none", color=colour))
    handles += _draw_published(axes, findings, reference)
    kinds = {bool(rate["extrapolated"]) for rate in told}
    for extrapolated, words in ((False, "joint fit"), (True, "joint fit, extrapolated")):
        if extrapolated in kinds:
            marks = verdict_marks(colour, equilibrated=not extrapolated)
            handles.append(proxy(words, marker="D", linestyle="none", **marks))
    return handles


def _draw_published(axes: Axes, findings: Findings, reference: Mapping[float, float] | None) -> list[Any]:
    """Draw the estimate of the published study, from the ratio γ of two temperatures, beyond these."""
    found = {} if findings.kinetics is None else findings.kinetics.values
    rates_there = {
        float(key[11:15]): found[key] for key in found if key.startswith("gamma_rate_") and found[key] is not None
    }
    used = found.get("gamma_temperatures_K") or ()
    kelvin = [one for one in rates_there if one not in used]
    if not kelvin:
        return []
    values = np.array([rates_there[one] for one in kelvin]) / _scale(kelvin, reference)
    style: dict[str, Any] = {"color": "#000000", "marker": "x", "linestyle": "none", "markersize": 5}
    axes.plot(1000 / np.array(kelvin), values, label="published", zorder=3.6, **style)
    return [proxy("equation 11, γ from here", **style)]


def _draw_rate(axes: Axes, rate: Mapping[str, Any], scale: float) -> None:
    """Draw a rate of the fit with its interval, and ticks at its bounds; an end that is infinite has an arrow."""
    x, value = 1000 / rate["temperature_K"], rate["rate_per_s"] / scale
    low = rate["low_per_s"] / scale
    high = value if rate["high_per_s"] is None else rate["high_per_s"] / scale
    marks = verdict_marks(ROLES["predicted"], equilibrated=not rate["extrapolated"])
    axes.errorbar(
        [x],
        [value],
        yerr=[[value - low], [high - value]],
        marker="D",
        markersize=6,
        zorder=3.5,
        label="fit",
        **marks,
    )
    if rate["high_per_s"] is None:
        # a limit hides the other end of its bar, which is therefore drawn apart
        axes.errorbar(
            [x], [value], yerr=[[0.0], [2 * value]], lolims=[True], color=ROLES["predicted"], label="open"
        )
    bounds = [bound / scale for bound in (rate["lower_bound_per_s"], rate["upper_bound_per_s"]) if bound]
    axes.plot(
        [x] * len(bounds),
        bounds,
        linestyle="none",
        marker="_",
        markersize=5,
        color=ROLES["predicted"],
        label="bounds",
    )


# -- axes ----------------------------------------------------------------------------------------------------


def _limit(
    axes: Axes,
    counted: Sequence[_Counted],
    measured: Sequence[Mapping[str, Any]],
    fitted: Sequence[Mapping[str, Any]],
    curves: RateCurves | None,
) -> None:
    """Limit the axis of the rates to what is known, without bounds far above all rates."""
    values = [value for one in counted for value in (one.rate, *one.interval, one.upper, 0.45 * one.upper)]
    values += [value for one in measured for value in one["rate_interval_per_s"]]
    values += [rate[key] for rate in fitted for key in ("rate_per_s", "low_per_s", "high_per_s") if rate[key]]
    values += [] if curves is None else [*curves.low.tolist(), *curves.high.tolist()]
    rates = [one.rate for one in counted] + [rate["rate_per_s"] for rate in fitted if rate["rate_per_s"]]
    floor = _LEAST_BELOW * min((rate for rate in rates if np.isfinite(rate)), default=0.0)
    bounds = [bound for rate in fitted if (bound := _bound_alone(rate)) is not None]
    highest = max((value for value in values if np.isfinite(value)), default=min(bounds, default=1.0))
    values += [share * bound for bound in bounds if bound <= _MOST_ABOVE * highest for share in (0.45, 1)]
    logs = np.log10([value for value in values if np.isfinite(value) and value > max(floor, 0.0)])
    axes.set_ylim(10 ** (logs.min() - 0.3), 10 ** (logs.max() + 0.4))
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _temperature_axes(axes: Sequence[Axes], temperatures: Sequence[float], *, narrow: bool) -> None:
    """Label the inverse temperature below and the temperature above."""
    axes[-1].set_xlabel("1000 K / $T$")
    kelvin = sorted(set(temperatures))
    inverse = 1000 / np.array(kelvin)
    margin = 0.08 * (float(np.ptp(inverse)) or 1.0)
    axes[-1].set_xlim(inverse.min() - margin, inverse.max() + 1.4 * margin)
    top = axes[0].secondary_xaxis("top", functions=(_inverse, _inverse))
    shown: list[float] = []
    for one in reversed(kelvin):
        if not shown or 1000 / one - 1000 / shown[-1] >= (0.1 if narrow else 0.07) * float(np.ptp(inverse)):
            shown.append(one)
    top.set_xticks(shown)
    top.set_xticklabels([f"{one:g}" for one in shown])
    top.set_xlabel("$T$ (K)")
    axes[0].tick_params(axis="x", which="both", top=False)


def _inverse(value: Any) -> Any:
    """Convert between T and 1000/T; matplotlib evaluates 0 as well."""
    return 1000 / np.maximum(np.asarray(value, dtype=float), 1e-6)
