"""Crossings measured from umbrella windows: F(z) with its ladders, and the transmission over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from aiida_cse.report.figures.curves import array_of, draw_curve, places_of
from aiida_cse.report.figures.registry import NotDrawableError, figure
from aiida_cse.report.figures.runs import ends, legend_below
from aiida_cse.report.figures.style import ROLES, label_panels, new_figure, proxy, temperature_style
from aiida_cse.report.findings import Findings
from aiida_cse.report.results import ObservableResult
from aiida_cse.report.words import number_words, with_error

__all__ = ["crossing", "transmission"]

Floats = NDArray[np.float64]

#: mm; from this width on panels stand side by side
_WIDE = 120.0
#: share of the deviations of ladders and band to whose largest the axis is adapted
_USUAL = 0.9
#: colour of F from ions that no spring holds
_FREE = "#000000"
#: κ below which its axis is logarithmic
_SMALL = 0.2
#: key and words of each way of the ions
_WAYS = (("in", "into the slab"), ("out", "out of the slab"))
#: reactive starts below which κ has bounds only
_FEWEST_REACTIVE = 5


@dataclass(frozen=True)
class _Profile:
    """F of a crossing, K: (B,) z in Å, mean and half its interval, (L, B) ladders; all NaN where unknown.

    ``density`` (3, N) are z, F and its error from the density of ions in a run.
    """

    temperature: float
    z: Floats
    mean: Floats
    half: Floats
    ladders: Floats
    values: Mapping[str, Any]
    density: Floats

    @property
    def surface(self) -> tuple[float, float] | None:
        """The dividing surface, Å, and F there, K; None without one."""
        place, barrier = (self.values.get(key) for key in ("surface_z_A", "tst_barrier_K"))
        return None if place is None or barrier is None else (float(place), float(barrier))


def _profiles(findings: Findings) -> list[_Profile]:
    """Return F of the crossings, the hottest first.

    Raises
    ------
    NotDrawableError
        There is none.
    """
    own = () if findings.crossing_profile is None else (findings.crossing_profile,)
    found = [*own, *findings.crossing_profiles]
    if not found:
        raise NotDrawableError("there is no F(z) from umbrella windows: it is a result of a crossing")
    rate = {} if findings.crossing is None else findings.crossing.values
    known = [profile for profile in (_profile(one, rate) for one in found) if profile is not None]
    if not known:
        raise NotDrawableError("F(z) of the crossing has no number")
    return sorted(known, key=lambda one: -one.temperature)


def _profile(found: ObservableResult, rate: Mapping[str, Any]) -> _Profile | None:
    """Return F of a result, None if it has no number, with the density that a rate was compared with."""
    z, kelvin = places_of(found), found.values.get("temperature_K")
    mean, low, high = (array_of(found, key, len(z)) for key in ("free_energy_K", "low_K", "high_K"))
    if not kelvin or mean is None or not np.isfinite(mean).any():
        return None
    unknown = np.full(len(z), np.nan)
    half = unknown if low is None or high is None else (high - low) / 2
    ladders = found.array("ladders_K") if "ladders_K" in found.entries else unknown[None]
    if ladders.ndim != 2 or ladders.shape[1] != len(z):
        ladders = unknown[None]
    return _Profile(float(kelvin), z, mean, half, ladders, found.values, _density(rate))


def _density(rate: Mapping[str, Any]) -> Floats:
    columns = [rate.get(f"density_{key}") for key in ("z_A", "free_energy_K", "error_K")]
    if not all(isinstance(one, list) for one in columns) or len({len(one or ()) for one in columns}) > 1:
        return np.zeros((3, 0))
    return np.array(columns, dtype=np.float64)


# -- F(z) ----------------------------------------------------------------------------------------------------


def _crossing_caption(findings: Findings) -> str:
    profiles = _profiles(findings)
    first = profiles[0].values
    level = f"{100 * first.get('level', 0.95):g} %"
    sides = sorted({str(one.values.get("side")) for one in profiles})
    where = f"on the {sides[0]}" if len(sides) == 1 else "on either side"
    words = (
        f"(a) Free energy of one {first['ion']} along z, from the mid-plane of the slab, in a passage between its "
        f"first layer {where} (grey) and the slab: F = −k_BT ln of the density per Å over the "
        "number of ions in the layer. F on the dividing surface (dashed, circle) is therefore the TST barrier. "
        f"Line: mean of independent ladders of umbrella windows; band: its {level} interval, by Student's t over "
        "the ladders, often narrower than the line; thin lines: the ladders. (b) Ladders and band relative to the "
        "mean, in k_BT; with few ladders the width of the band scatters between bins. Ticks below: centres of the "
        "windows."
    )
    if any(one.density.size for one in profiles):
        words += (
            " Diamonds: F of the density of ions in a run at this temperature, in the first layer, with the zero "
            "of the windows and standard errors."
        )
    several = len(sides) > 1
    return " ".join([words, *(_sampled_words(one, of_side=several) for one in profiles)])


def _sampled_words(profile: _Profile, *, of_side: bool) -> str:
    """Return the TST barrier, and from what F was computed, in sentences."""
    found, kelvin = profile.values, profile.temperature
    place = f"{kelvin:g} K, {found.get('side')}" if of_side else f"{kelvin:g} K"
    if profile.surface is None:
        barrier = f"{place}: {'; '.join(found.get('reasons') or ['no dividing surface'])}"
    else:
        height, error = profile.surface[1], found.get("tst_barrier_error_K")
        scaled = with_error(height / kelvin, None if error is None else error / kelvin)
        barrier = f"{place}: TST barrier {with_error(height, error)} K, {scaled} k_BT (standard error)"
    time = np.nansum(np.array(found.get("window_ps") or [np.nan], dtype=np.float64)) / 1000
    facts = [
        f"{len(profile.ladders)} ladders",
        f"{len(found.get('window_z_A') or ())} windows",
        f"rounds: {found.get('rounds', '?')}",
        f"{number_words(float(time))} ns in all",
        f"{found.get('samples', 0):,} independent samples",
    ]
    ions = np.array(found.get("window_ions") or [np.nan], dtype=np.float64)
    if np.isfinite(ions).all():
        facts.append(
            f"F is conditional on {number_words(float(ions.mean()))} of these ions in the ceramic on average"
        )
    slowest = found.get("correlation_ps")
    if slowest:
        facts.append(f"slowest correlation time of a window {slowest:.2g} ps; F may miss slower processes")
    thin = found.get("thin") or ()
    if thin:
        facts.append(f"pairs of neighbouring windows that overlap too little (crosses): {len(thin)}")
    return f"{barrier}; {', '.join(facts)}."


@figure("crossing", title="Free energy of a crossing", caption=_crossing_caption)
def crossing(findings: Findings, width: float) -> Figure:
    """Draw F(z) with band, ladders, well and dividing surface, and below the deviations of the ladders."""
    profiles = _profiles(findings)
    drawn, (upper, lower) = new_figure(width, 118, 2, share_x=True, height_ratios=(1.7, 1))
    alone = len(profiles) == 1
    temperatures = [one.temperature for one in profiles]
    handles: list[Any] = []
    for profile in profiles:
        colour = ROLES["found"] if alone else temperature_style(profile.temperature, temperatures)["color"]
        _draw_profile(upper, lower, profile, colour, unit=profile.temperature if alone else 1.0)
    if not alone:
        # both sides of a temperature have one colour
        colours = {kelvin: temperature_style(kelvin, temperatures)["color"] for kelvin in temperatures}
        handles += [proxy(f"{kelvin:g} K", color=colour) for kelvin, colour in colours.items()]
    colour = ROLES["found"] if alone else "#595959"
    level = f"{100 * profiles[0].values.get('level', 0.95):g} %"
    handles += [
        proxy("mean of the ladders", color=colour, linewidth=1.4),
        Patch(color=colour, alpha=0.25, linewidth=0, label=f"its {level} interval"),
        proxy("each ladder", color=colour, linewidth=0.5),
        Patch(color=ROLES["region"], linewidth=0, label="first layer"),
    ]
    if any(one.surface for one in profiles):
        style: dict[str, Any] = {"marker": "o", "markerfacecolor": "white", "markeredgecolor": ROLES["known"]}
        handles.append(proxy("dividing surface", color=ROLES["known"], linestyle="--", linewidth=0.8, **style))
    if any(one.density.size for one in profiles):
        diamond: dict[str, Any] = {"marker": "D", "markersize": 3, "markerfacecolor": "white", "linestyle": "none"}
        handles.append(proxy("density of free ions", color=_FREE, **diamond))
    if any(one.values.get("thin") for one in profiles):
        handles.append(proxy("too little overlap", color=ROLES["predicted"], marker="x", linestyle="none"))
    _set_axes(upper, lower, profiles)
    label_panels([upper, lower])
    legend_below(drawn, handles, 3 if width >= _WIDE else 2)
    return drawn


def _draw_profile(upper: Axes, lower: Axes, profile: _Profile, colour: str, unit: float) -> None:
    """Draw F in units of ``unit`` K, and the deviations of the ladders in k_BT."""
    z, kelvin = profile.z, profile.temperature
    well = ends(profile.values, "well_range_A")
    for axes, scale, zero in ((upper, unit, np.zeros(len(z))), (lower, kelvin, profile.mean)):
        for ladder in profile.ladders:
            axes.plot(z, (ladder - zero) / scale, color=colour, linewidth=0.5, label="ladder")
        style: dict[str, Any] = {"color": colour, "linewidth": 1.4, "zorder": 3, "label": "mean"}
        draw_curve(axes, z, (profile.mean - zero) / scale, profile.half / scale, **style)
        if np.isfinite(well).all():
            axes.axvspan(*well, color=ROLES["region"], linewidth=0, zorder=0, label="well")
        if profile.surface is not None:
            axes.axvline(profile.surface[0], color=ROLES["known"], linestyle="--", linewidth=0.8, label="surface")
    places, energy, error = profile.density
    for axes, scale, zero in (
        (upper, unit, np.zeros(len(places))),
        (lower, kelvin, np.interp(places, z, profile.mean)),
    ):
        bars: dict[str, Any] = {"yerr": error / scale, "linestyle": "none", "linewidth": 0.7, "color": _FREE}
        style = {"marker": "D", "markersize": 2.5, "markerfacecolor": "white", "zorder": 4, "label": "density"}
        axes.errorbar(places, (energy - zero) / scale, **bars, **style)
    if profile.surface is not None:
        place, barrier = profile.surface
        upper.plot(
            [place],
            [barrier / unit],
            marker="o",
            markerfacecolor="white",
            markeredgecolor=ROLES["known"],
            zorder=4,
            label="barrier",
        )
    ticks = np.array(profile.values.get("window_z_A") or [], dtype=np.float64)
    gaps = [(one + other) / 2 for _, one, other in profile.values.get("thin") or ()]
    for places, height, marker, tint, label in (
        (ticks, 0.025, "|", "#404040", "windows"),
        (gaps, 0.08, "x", ROLES["predicted"], "thin"),
    ):
        style = {"transform": lower.get_xaxis_transform(), "linestyle": "none", "marker": marker, "color": tint}
        lower.plot(places, np.full(len(places), height), label=label, **style)


def _set_axes(upper: Axes, lower: Axes, profiles: Sequence[_Profile]) -> None:
    """Set units, ranges and labels."""
    deviations = np.concatenate(
        [np.abs(part / one.temperature).ravel() for one in profiles for part in (one.half, one.ladders - one.mean)]
    )
    deviations = deviations[np.isfinite(deviations)]
    if len(deviations) and deviations.max() > 0:
        highest, usual = float(deviations.max()), float(np.quantile(deviations, _USUAL))
        reach = 1.1 * min(highest, 3 * usual or highest)
        lower.set_ylim(-reach, reach)
    known = [one.z[np.isfinite([one.mean, *one.ladders]).any(axis=0)] for one in profiles]
    low, high = min(z[0] for z in known), max(z[-1] for z in known)
    aside = 0.02 * (high - low) or 0.1
    lower.set_xlim(low - aside, high + aside)
    lower.set_xlabel("z (Å)")
    lower.set_ylabel("F − mean ($k_B T$)")
    upper.tick_params(labelbottom=False)
    if len(profiles) > 1:
        upper.set_ylabel("F (K)")
        return
    kelvin = profiles[0].temperature
    upper.set_ylabel("F ($k_B T$)")
    upper.tick_params(right=False)
    scale = (lambda value: np.multiply(value, kelvin), lambda value: np.divide(value, kelvin))
    second = upper.secondary_yaxis("right", functions=scale)
    second.set_ylabel("F (K)")


# -- transmission --------------------------------------------------------------------------------------------


def _transmission_caption(findings: Findings) -> str:
    rate, _, _ = _in_time(findings)
    level = f"{100 * rate.get('level', 0.95):g} %"
    told = []
    for number, (way, words) in enumerate(_WAYS):
        low, high = ends(rate, f"kappa_{way}_interval")
        reactive, starts = (_of_way(rate, key, number) for key in ("reactive", "starts"))
        what = "exact bounds" if (reactive or 0) < _FEWEST_REACTIVE else "interval"
        value = rate.get(f"kappa_{way}")
        told.append(
            f"{words} {'not known' if value is None else f'{value:.2g}'} ({what} {low:.2g} to {high:.2g}; "
            f"{reactive} of {starts} starts reactive)"
        )
    balance = rate.get("balance_p_value")
    same = "" if balance is None else f", here with p = {balance:.2g}"
    undecided = rate.get("undecided")
    open_ones = "" if not undecided else f" {100 * undecided:.2g} % of the starts committed to no side in time."
    return (
        f"Transmission coefficient at {rate['temperature_K']:g} K of {rate['ion']} on the {rate['side']}, (a) "
        "into and (b) out of the slab. Line: κ(t) of Bennett and Chandler over the time after the start on the "
        "dividing surface, from the trajectories that were followed whatever came before; it has no band. Dashed "
        f"line and band: κ of the effective positive flux with its {level} interval between structures: "
        f"{', '.join(told)}. κ(t) begins at 1 and ends on a plateau, which is κ; both ways are the same at "
        f"equilibrium{same}.{open_ones}"
        f"{' Values that are not positive are not drawn.' if _is_small(rate) else ''}"
    )


@figure("transmission", title="Transmission on the dividing surface", caption=_transmission_caption)
def transmission(findings: Findings, width: float) -> Figure:
    """Draw κ(t) of Bennett and Chandler, and κ of the effective positive flux with its interval, both ways."""
    rate, time, curves = _in_time(findings)
    wide = width >= _WIDE
    drawn, axes = new_figure(width, 72 if wide else 112, *((1, 2) if wide else (2, 1)), share_x=True, share_y=True)
    values = [np.array([1.0])]
    for panel, curve, (way, words) in zip(axes, curves, _WAYS, strict=True):
        low, high = ends(rate, f"kappa_{way}_interval")
        value = rate.get(f"kappa_{way}")
        panel.axhspan(low, high, color=ROLES["predicted"], alpha=0.2, linewidth=0, zorder=1, label="interval")
        if value is not None:
            panel.axhline(value, color=ROLES["predicted"], linestyle="--", zorder=2, label="kappa")
        panel.plot(time, curve, color=ROLES["found"], zorder=3, label="curve")
        panel.text(0.97, 0.94, words, transform=panel.transAxes, ha="right", va="top")
        values.append(np.array([low, high, *curve]))
    joined = np.concatenate(values)
    if _is_small(rate):
        positive = joined[np.isfinite(joined) & (joined > 0)]
        axes[0].set_yscale("log")
        axes[0].set_ylim(max(float(positive.min()), 1e-4) / 2, 1.6 * float(positive.max()))
    else:
        axes[0].set_ylim(min(0.0, 1.1 * float(np.nanmin(joined))), 1.15 * float(np.nanmax(joined)))
    axes[0].set_xlim(0, float(time[-1]))
    for panel in axes if wide else axes[1:]:
        panel.set_xlabel("time after the start (ps)")
    for panel in axes[:1] if wide else axes:
        panel.set_ylabel("transmission κ")
    label_panels(axes)
    handles = [
        proxy("κ(t), Bennett and Chandler", color=ROLES["found"]),
        proxy("κ, effective positive flux", color=ROLES["predicted"], linestyle="--"),
        Patch(
            color=ROLES["predicted"],
            alpha=0.2,
            linewidth=0,
            label=f"its {100 * rate.get('level', 0.95):g} % interval",
        ),
    ]
    legend_below(drawn, handles, 3 if wide else 2)
    return drawn


def _in_time(findings: Findings) -> tuple[Mapping[str, Any], Floats, list[Floats]]:
    """Return the rate of the crossing, the times (T,) in ps, and κ(t) (T,) into and out of the slab.

    Raises
    ------
    NotDrawableError
        No trajectory was followed, or there is no rate.
    """
    if findings.crossing is None or findings.transmission is None:
        raise NotDrawableError(
            "there is no κ(t): it is a result of a crossing whose short trajectories have ended"
        )
    time = places_of(findings.transmission, "time_ps")
    curves = [array_of(findings.transmission, f"kappa_{way}", len(time)) for way, _ in _WAYS]
    known = [curve for curve in curves if curve is not None and np.isfinite(curve).any()]
    if not len(time) or len(known) < len(_WAYS):
        raise NotDrawableError("κ(t) is not known: trajectories of both directions must be followed to their end")
    return findings.crossing.values, time, known


def _is_small(rate: Mapping[str, Any]) -> bool:
    """Return whether κ is so small that its axis is logarithmic."""
    known = [rate[key] for key in ("kappa_in", "kappa_out") if rate.get(key) is not None]
    return bool(known) and max(known) < _SMALL


def _of_way(rate: Mapping[str, Any], key: str, number: int) -> int | None:
    counts = rate.get(key) or ()
    return int(counts[number]) if number < len(counts) else None
