"""Numbers of ions per region: over temperature, over time, and of anions over cations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from aiida_cse.analysis.registry import ion_name
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

__all__ = ["correlation", "populations", "populations_in_time"]

Floats = NDArray[np.float64]

#: mm; from this width on panels stand side by side
_WIDE = 120.0
#: regions that are shown, with words, colour and marker
_REGIONS = {
    "excess": ("excess in the ceramic", "#000000", "o"),
    "ceramic": ("ceramic", "#000000", "o"),
    "layer_left": ("1st layer LEFT", ROLES["left"], "<"),
    "layer_right": ("1st layer RIGHT", ROLES["right"], ">"),
    "bulk": ("bulk, both sides", "#009E73", "s"),
}
#: transitions of a run that are marked on the line; of more, ticks at the edges of the panel show the density
_MARKED = 120
#: points of a run in the scatter of two numbers
_POINTS = 400


# -- over temperature ----------------------------------------------------------------------------------------


def _populations_caption(findings: Findings) -> str:
    runs = runs_with(findings, "populations")
    bare = sorted(
        {
            f"{ion_name(ion)} in {_REGIONS[region][0]} of {label}"
            for label, run in runs.items()
            for ion, region in product(_ions(run), _REGIONS)
            if f"n_{ion}_{region}" in run.scalars["populations"]
            and np.isnan(ends(run.scalars["populations"], f"n_{ion}_{region}_interval")).any()
        }
    )
    without = f" Without a bar, no interval is known ({len(bare)} means: the number never changed, or too few "
    without += "ions changed place)."
    return (
        "Mean number of ions per region against temperature; the excess is the number in the ceramic minus that "
        "with which the slab started. Series are moved sideways, so that bars do not overlap. "
        f"Bars are {level_words(runs)} intervals of the mean and may leave the axes."
        f"{without if bare else ''} {sampling_words(runs, 'populations')} {verdict_words(runs)}"
    )


@figure("populations", title="Populations against temperature", caption=_populations_caption, paper="Fig. 4")
def populations(findings: Findings, width: float) -> Figure:
    """Draw the mean number of each ion per region over T, one panel per ion."""
    runs = list(runs_with(findings, "populations").values())
    ions = list(dict.fromkeys(ion for run in runs for ion in _ions(run)))
    wide = width >= _WIDE
    drawn, axes = new_figure(
        width, 78 if wide else 58 * len(ions) + 22, *((1, len(ions)) if wide else (len(ions), 1)), share_x=not wide
    )
    shown = set()
    for one, ion in zip(axes, ions, strict=True):
        highest = [1.0]
        # the excess replaces the ceramic, where an ion that never enters has no line
        found = [run.scalars["populations"] for run in runs]
        known = [region for region in _REGIONS if any(f"n_{ion}_{region}" in one for one in found)]
        enters = any((one.get(f"n_{ion}_ceramic") or 0) >= 0.5 for one in found)
        regions = [one for one in known if one != "ceramic" or ("excess" not in known and enters)]
        for region in regions:
            shown.add(region)
            highest.append(_draw_region(one, runs, f"n_{ion}_{region}", region))
        # the excesses and the lower ends of their intervals, or again the excesses
        excesses = [float(one.get(f"n_{ion}_excess") or 0.0) for one in found]
        lows = [ends(one, f"n_{ion}_excess_interval")[0] for one in found]
        reach = 2 * max(*highest, *(-value for value in excesses))
        least = min(value if np.isnan(low) else low for value, low in zip(excesses, lows, strict=True))
        lowest = max(least, -reach)
        one.set_ylim(1.05 * min(0.0, lowest) - 0.04 * max(highest), 1.05 * max(highest))
        one.set_ylabel(f"$N$({ion_name(ion)}) (ions)")
        if wide or one is axes[-1]:
            temperature_axis(one, runs)
    label_panels(axes)
    handles = [
        proxy(words, color=colour, marker=marker, linewidth=0.8)
        for name, (words, colour, marker) in _REGIONS.items()
        if name in shown
    ]
    legend_below(drawn, [*handles, *open_proxy(runs)], 5 if wide else 2)
    return drawn


def _ions(run: RunFindings) -> list[str]:
    """Return the keys of the ions of a run, those that exchange with the ceramic first."""
    return [key[2:-5] for key in run.scalars["populations"] if key.startswith("n_") and key.endswith("_bulk")]


def _draw_region(axes: Axes, runs: Sequence[RunFindings], key: str, region: str) -> float:
    """Draw one number over T, and return the highest value that the axis should hold."""
    _, colour, marker = _REGIONS[region]
    there = [run for run in runs if run.scalars["populations"].get(key) is not None]
    if not there:
        return 1.0
    means = np.array([run.scalars["populations"][key] for run in there], dtype=np.float64)
    bounds = np.array([ends(run.scalars["populations"], f"{key}_interval") for run in there]).reshape(-1, 2)
    order = list(_REGIONS).index(region) - 2
    x = places(there) + 0.014 * order * (float(np.ptp([run.temperature for run in runs])) or 100.0)
    axes.plot(x, means, color=colour, linewidth=0.6, alpha=0.5)
    for place, mean, (low, high), run in zip(x, means, bounds, there, strict=True):
        error = None if np.isnan(low + high) else [[mean - low], [high - mean]]
        style = verdict_marks(colour, equilibrated=run.equilibrated)
        axes.errorbar([place], [mean], yerr=error, marker=marker, elinewidth=0.8, label=key, **style)
    highest = float(max(means, default=1.0))
    return float(max(highest, min(np.nanmax(bounds[:, 1], initial=highest), 2 * highest)))


# -- over time -----------------------------------------------------------------------------------------------


def _in_time_caption(findings: Findings) -> str:
    runs = runs_with(findings, "populations", "transitions", "equilibration")
    sentences = [
        "Numbers of ions over time from the first frame: of the deciding ion in excess of what the slab started "
        "with, or in its exchange region, and of the other ions in the first layers (thin)."
    ]
    kinds = {_marks(run) for run in runs.values()}
    if "markers" in kinds:
        sentences.append("Triangles mark each entry (up) and exit (down) of the deciding ion.")
    if "ticks" in kinds:
        sentences.append(
            f"Above {_MARKED} transitions, ticks at the upper edge mark entries and ticks at the lower edge exits."
        )
    frames = {run.results.populations_in_time.mean_over_frames for run in runs.values()}
    if frames != {1}:
        sentences.append(f"Each value is the mean over {' or '.join(map(str, sorted(frames)))} frames.")
    if any(run.looks for run in runs.values()):
        sentences.append("Dotted lines are looks with their verdict.")
    if any(run.scalars["transitions"].get("condition_minimum_excess") is not None for run in runs.values()):
        sentences.append("Entries count under the condition only while the excess reaches the dashed line.")
    sentences.append("Times in grey are not analysed. These are counts of one trajectory and have no interval.")
    return " ".join([*sentences, rule_words(runs), sampling_words(runs, "populations")])


@figure("populations_in_time", title="Populations over time", caption=_in_time_caption, paper="Fig. 6")
def populations_in_time(findings: Findings, width: float) -> Figure:
    """Draw N(t) of each run, one panel per run, with looks, entries, exits and the condition."""
    runs = runs_with(findings, "populations", "transitions", "equilibration")
    height = 30 if len(runs) <= 4 else 24
    times = [run.scalars["populations"]["end_ns"] for run in runs.values()]
    common_time = bool(max(times) <= 3 * min(times))
    drawn, axes = new_figure(width, height * len(runs) + 26, len(runs), 1, share_x=common_time)
    names: dict[str, str] = {}
    for one, run in zip(axes, runs.values(), strict=True):
        names |= _draw_run_in_time(one, run, width)
        if one is axes[-1] or not common_time:
            one.set_xlabel("time (ns)")
    handles = [
        *(proxy(words, color=colour) for words, colour in names.items()),
        proxy("entries", color=ROLES["entries"], marker="^", linestyle="none"),
        proxy("exits", color=ROLES["exits"], marker="v", linestyle="none"),
    ]
    if any(run.looks for run in runs.values()):
        handles.append(proxy("look", color="#000000", linestyle=":"))
    if any(run.scalars["transitions"].get("condition_minimum_excess") is not None for run in runs.values()):
        handles.append(proxy("condition of the count", color=ROLES["limit"], linestyle="--"))
    legend_below(drawn, handles, 6 if width >= _WIDE else 2)
    return drawn


def _marks(run: RunFindings) -> str:
    crossed = sum(_crossings(run, way).size for way in ("in", "out"))
    return "none" if not crossed else "markers" if crossed <= _MARKED else "ticks"


def _crossings(run: RunFindings, way: str) -> Floats:
    """Return the times of entries (``in``) or exits (``out``) of the deciding ion, ns."""
    ion = deciding_ion(run)
    region = exchanging_ions(run.scalars["equilibration"])[ion]
    found = run.results.transitions_in_time
    ends_of = zip(found.time_ns, found.ion, found.source, found.target, strict=True)
    return np.array(
        [
            time
            for time, name, source, target in ends_of
            if name.lower() == ion and (target if way == "in" else source).startswith(region)
        ],
        dtype=np.float64,
    )


def _draw_run_in_time(axes: Axes, run: RunFindings, width: float) -> dict[str, str]:
    """Draw one run in a figure of this width, mm, and return the colours of the lines by their words."""
    found, deciding = run.results.populations_in_time, deciding_ion(run)
    time = np.array(found.time_ns)
    names: dict[str, str] = {}
    for name, regions in found.ions.items():
        own = name.lower() == deciding
        region = "layer"
        if own:
            exchanged = exchanging_ions(run.scalars["equilibration"])[name.lower()]
            region = "excess" if exchanged == "ceramic" and "excess" in regions else exchanged
        if not own and region not in regions:
            continue
        colour = SPECIES[
            "cation" if exchanging_ions(run.scalars["equilibration"]).get(name.lower()) == "ceramic" else "anion"
        ]
        words = f"$N$({name}, {'1st layer' if region == 'layer' else region})"
        names[words] = colour
        axes.plot(time, regions[region], color=colour, linewidth=1.1 if own else 0.5, label=words, zorder=2 + own)
        if own:
            _draw_crossings(axes, run, time, np.array(regions[region]))
    transitions = run.scalars["transitions"]
    if (minimum := transitions.get("condition_minimum_excess")) is not None:
        axes.axhline(minimum, color=ROLES["limit"], linestyle="--", linewidth=0.9, zorder=1.5)
    start, end = run.scalars["populations"]["start_ns"], run.scalars["populations"]["end_ns"]
    axes.axvspan(0, start, color=ROLES["region"], linewidth=0, zorder=0)
    axes.set_xlim(0, end * 1.01)
    if start / end * width > 20:
        axes.text(start / 2, 0.5, "not analysed", transform=axes.get_xaxis_transform(), ha="center", fontsize=6)
    for look in run.looks:
        axes.axvline(look["end_ns"], color="#000000", linestyle=":", linewidth=0.8)
        axes.annotate(
            "✓" if look["equilibrated"] else "✗",
            (look["end_ns"], 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 1),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0), high + 0.12 * (high - min(low, 0)))
    axes.set_ylabel("ions")
    entries, exits = (_crossings(run, way).size for way in ("in", "out"))
    axes.set_title(f"{run.temperature:g} K, {run.label}: {entries} in, {exits} out", loc="left", fontsize=7)
    return names


def _draw_crossings(axes: Axes, run: RunFindings, time: Floats, numbers: Floats) -> None:
    """Mark entries and exits: on the line if they are few, else as ticks at the edges of the panel."""
    kind = _marks(run)
    for way, role, marker, edge in (("in", "entries", "^", (0.93, 1.0)), ("out", "exits", "v", (0.0, 0.07))):
        times = _crossings(run, way)
        if kind == "markers":
            axes.plot(
                times,
                np.interp(times, time, numbers),
                linestyle="none",
                marker=marker,
                markersize=4,
                color=ROLES[role],
                markeredgecolor="white",
                markeredgewidth=0.3,
                label=role,
                zorder=4,
            )
        elif kind == "ticks":
            axes.vlines(
                times,
                *edge,
                transform=axes.get_xaxis_transform(),
                color=ROLES[role],
                linewidth=0.4,
                alpha=0.6,
                label=role,
                rasterized=True,
            )


# -- anions over cations -------------------------------------------------------------------------------------


def _correlation_caption(findings: Findings) -> str:
    runs = runs_with(findings, "populations", "equilibration")
    cation, anion = _pair(next(iter(runs.values())))
    told, key = [], f"correlation_{anion}_layer_{cation}_ceramic"
    for label, run in runs.items():
        found = run.scalars["populations"]
        slope, r = found.get(_slope_key(cation, anion)), found.get(key)
        if slope is None or r is None:
            told.append(
                f"{label}: no slope, because one of the numbers never changed or the snapshots are too few"
            )
            continue
        low, high = ends(found, f"{key}_interval")
        spread = "its interval is unknown" if np.isnan(low) else f"{low:.2f} to {high:.2f}"
        samples = found.get(f"{key}_samples")
        told.append(
            f"{label}: r = {r:.2f} ({spread}; {0 if samples is None else samples:.0f} independent samples)"
        )
    return (
        f"{ion_name(anion)} in both first layers against {ion_name(cation)} in excess of what the slab started "
        f"with. Small points are values in time, large ones means with {level_words(runs)} intervals, which may "
        "leave the axes. Lines are least-squares slopes with their standard error (band); the dashed line is one "
        f"anion per cation. Slopes and r are of the snapshots: {'; '.join(told)}. "
        f"{sampling_words(runs, 'populations')}"
    )


@figure("correlation", title="Anions against cations", caption=_correlation_caption, paper="Fig. 8")
def correlation(findings: Findings, width: float) -> Figure:
    """Draw the anions in the first layers over the excess of cations, with the slope of each run."""
    runs = runs_with(findings, "populations", "equilibration")
    cation, anion = _pair(next(iter(runs.values())))
    if all(run.scalars["populations"].get(_slope_key(cation, anion)) is None for run in runs.values()):
        raise NotDrawableError("in no run both numbers changed, so that there is no correlation")
    drawn, (axes,) = new_figure(width, 0.5 * width + 46)
    handles = []
    for run in runs.values():
        style = temperature_style(run.temperature, findings.temperatures)
        _draw_scatter(axes, run, cation, anion, style)
    for run in runs.values():
        style = temperature_style(run.temperature, findings.temperatures)
        _draw_means(axes, run, cation, anion, style)
        alone = [one.temperature for one in runs.values()].count(run.temperature) == 1
        name = f"{run.temperature:g} K" if alone else f"{run.temperature:g} K, {run.label}"
        found, key = run.scalars["populations"], _slope_key(cation, anion)
        slope, error = found.get(key), found.get(f"{key}_error")
        words = "no slope"
        if slope is not None:
            words = "slope " + f"{slope:.2f}".replace("-0.00", "0.00").replace("-", "−")
            words += "" if error is None else f" ± {error:.2f}"
        handles.append(proxy(f"{name}: {words}", **style, linewidth=1.1))
    known = all(f"n_{cation}_excess" in run.scalars["populations"] for run in runs.values())
    region = "excess" if known else "ceramic"
    # a line of slope one through the mean of all runs
    keys = f"n_{cation}_{region}", f"n_{anion}_layer"
    means = [[run.scalars["populations"][key] for key in keys] for run in runs.values()]
    x0, y0 = np.nanmean(np.array(means, dtype=np.float64), axis=0).tolist()
    axes.axline((x0, y0), slope=1, color=ROLES["limit"], linestyle="--", linewidth=0.9, zorder=1)
    handles += [
        proxy(f"one {ion_name(anion)} per {ion_name(cation)}", color=ROLES["limit"], linestyle="--"),
        *open_proxy(list(runs.values())),
    ]
    axes.set_xlabel(f"$N$({ion_name(cation)} {region})")
    axes.set_ylabel(f"$N$({ion_name(anion)} 1st layer)")
    legend_below(drawn, handles, 2 if width >= _WIDE else 1)
    return drawn


def _pair(run: RunFindings) -> tuple[str, str]:
    """Return the keys of the cation that exchanges with the ceramic and of the anion that does with the layers."""
    ions = exchanging_ions(run.scalars["equilibration"])
    cations = [ion for ion, region in ions.items() if region == "ceramic"]
    anions = [ion for ion, region in ions.items() if region == "layer"]
    if not cations or not anions:
        raise NotDrawableError("no ion exchanges with the ceramic, or none with the first layers")
    return cations[0], anions[0]


def _slope_key(cation: str, anion: str) -> str:
    return f"{anion}_layer_per_{cation}_ceramic"


def _draw_scatter(axes: Axes, run: RunFindings, cation: str, anion: str, style: Mapping[str, Any]) -> None:
    """Draw the values of a run in time, the means with intervals, and the slope through these."""
    found, series = run.scalars["populations"], run.results.populations_in_time.ions
    by_key = {name.lower(): regions for name, regions in series.items()}
    region = "excess" if f"n_{cation}_excess" in found else "ceramic"
    x, y = np.array(by_key[cation][region]), np.array(by_key[anion]["layer"])
    every = max(1, len(x) // _POINTS)
    axes.plot(
        x[::every],
        y[::every],
        linestyle="none",
        marker=style["marker"],
        markersize=2,
        color=style["color"],
        alpha=0.25,
        markeredgewidth=0,
        rasterized=True,
    )
    middle = found[f"n_{cation}_{region}"], found[f"n_{anion}_layer"]
    slope, error = found.get(_slope_key(cation, anion)), found.get(f"{_slope_key(cation, anion)}_error")
    if slope is not None and None not in middle:
        line = np.array([x.min(), x.max()])
        axes.plot(
            line,
            middle[1] + slope * (line - middle[0]),
            color=style["color"],
            zorder=3,
            label=f"slope {run.label}",
        )
        if error is not None:
            line = np.linspace(x.min(), x.max(), 50)
            centre, reach = middle[1] + slope * (line - middle[0]), error * np.abs(line - middle[0])
            axes.fill_between(line, centre - reach, centre + reach, color=style["color"], alpha=0.25, linewidth=0)


def _draw_means(axes: Axes, run: RunFindings, cation: str, anion: str, style: Mapping[str, Any]) -> None:
    """Draw the two means of a run with their intervals, which may leave the axes."""
    found = run.scalars["populations"]
    region = "excess" if f"n_{cation}_excess" in found else "ceramic"
    middle = found[f"n_{cation}_{region}"], found[f"n_{anion}_layer"]
    if None in middle:
        return
    bars: dict[str, Any] = {}
    for name, value, key in zip(
        ("xerr", "yerr"), middle, (f"n_{cation}_{region}", f"n_{anion}_layer"), strict=True
    ):
        low, high = ends(found, f"{key}_interval")
        if not np.isnan(low + high):
            bars[name] = [[value - low], [high - value]]
    limits = axes.get_xlim(), axes.get_ylim()
    axes.errorbar(
        [middle[0]],
        [middle[1]],
        **bars,
        **verdict_marks(style["color"], equilibrated=run.equilibrated),
        marker=style["marker"],
        markersize=6,
        elinewidth=0.8,
        zorder=4,
        label=run.label,
    )
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
