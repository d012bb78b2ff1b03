"""Charge integrals of both sides, of each run and over temperatures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from aiida_cse.report.figures.curves import (
    Curve,
    curves_of,
    draw_curve,
    off_words,
    places_of,
    run_styles,
)
from aiida_cse.report.figures.registry import NotDrawableError, figure
from aiida_cse.report.figures.runs import legend_below, runs_with, sampling_words
from aiida_cse.report.figures.style import ROLES, label_panels, new_figure, proxy
from aiida_cse.report.findings import Findings, RunFindings
from aiida_cse.report.words import with_error

__all__ = ["charge_integral", "charge_integrals_shifted"]

Floats = NDArray[np.float64]

#: sign of z outward from the slab
SIDES = {"left": -1.0, "right": 1.0}
#: mm; from this width on panels stand side by side
_WIDE = 120.0
#: Å inside the surface planes of the slab that are drawn
_INSIDE = 4.0
_MARKS = {"left": ("-", "v"), "right": ("--", "^")}
_LABEL = "charge from the end of\nthe box (10⁻³ e Å⁻²)"
_INSIDE_WORDS = f"The innermost {_INSIDE:g} Å lie in the slab, whose planes of ions may exceed the axis."


def inward(run: RunFindings, side: str) -> Curve | None:
    """Return the charge per area between the end of the box and z on one side; None if it is not known.

    The result is this integral on the left. On the right it has the opposite sign, unless ``charge_direction`` of
    the analysis was ``inward``.
    """
    curves = curves_of({run.label: run}, "charge_integral", f"{side}_e_per_A2", f"{side}_error_e_per_A2")
    if not curves:
        return None
    along = run.scalars["charge_integral"].get("charge_direction", "along-z") != "inward"
    return replace(curves[0], values=-curves[0].values) if side == "right" and along else curves[0]


def _charge_caption(findings: Findings) -> str:
    runs = _drawable(findings)
    changes = []
    for label, run in runs.items():
        found = run.scalars["charge_integral"]
        outside = [found.get(f"sign_changes_{side}_electrolyte") for side in SIDES]
        numbers = " and ".join("not recorded" if one is None else str(one) for one in outside)
        changes.append(f"{label}: {numbers}")
    return (
        f"Charge per area between the end of the box, which is the bulk farthest from both surfaces, and z, over "
        f"the distance from the surface plane of the slab, for both sides. {_INSIDE_WORDS} Marked at zero: "
        "changes of sign outside the slab between lobes that both exceed two standard errors; left and right "
        f"there are {'; '.join(changes)}. {_band_words(runs)}"
    )


def _band_words(runs: Mapping[str, RunFindings]) -> str:
    first = next(iter(runs.values()))
    sampled = first.scalars["charge_integral"].get("sampled_ps")
    often = "" if not isinstance(sampled, int | float) else f" Atoms were counted every {sampled:g} ps."
    z = places_of(first.observable("charge_integral"))
    bins = "" if len(z) < 2 else f" Bins of {(z[-1] - z[0]) / (len(z) - 1):.3g} Å."
    return (
        "Bands: ± one standard error of the integrals of whole blocks of time; none with fewer than two blocks."
        f"{bins}{often} {sampling_words(runs, 'charge_integral')}{off_words(runs.values())}"
    )


def _drawable(findings: Findings) -> dict[str, RunFindings]:
    """Return the runs with a charge integral on both sides."""
    runs = runs_with(findings, "charge_integral")
    found = {label: run for label, run in runs.items() if all(inward(run, side) for side in SIDES)}
    if not found:
        raise NotDrawableError(f"the charge integral of {next(iter(runs))} has no number on a side")
    return found


@figure("charge_integral", title="Charge integral, left and right", caption=_charge_caption, paper="Fig. 5")
def charge_integral(findings: Findings, width: float) -> Figure:
    """Draw the charge integral of both sides over the distance from the surface, one panel per run."""
    runs = list(_drawable(findings).values())
    columns = 2 if width >= _WIDE and len(runs) > 1 else 1
    rows = math.ceil(len(runs) / columns)
    height = 14 + (62 if len(runs) == 1 else 46) * rows
    drawn, axes = new_figure(width, height, rows, columns, share_x="all", share_y="all")
    for spare in axes[len(runs) :]:
        spare.remove()
    axes = axes[: len(runs)]
    marked = {side for panel, run in zip(axes, runs, strict=True) for side in _draw_sides(panel, run)}
    for number, panel in enumerate(axes):
        if number % columns == 0:
            panel.set_ylabel(_LABEL)
        if number >= len(runs) - columns:
            panel.set_xlabel("distance from the surface plane (Å)")
            panel.tick_params(labelbottom=True)
    _charge_limits(axes, runs)
    if len(axes) > 1:
        label_panels(axes)
    handles = [proxy(side.upper(), color=ROLES[side], linestyle=line) for side, (line, _) in _MARKS.items()]
    for side in sorted(marked):
        style: Any = {"color": ROLES[side], "linestyle": "none", "marker": _MARKS[side][1], "markersize": 4}
        handles.append(proxy(f"change of sign, {side.upper()}", **style))
    legend_below(drawn, handles, columns=4 if width >= _WIDE else 2)
    return drawn


def _draw_sides(axes: Axes, run: RunFindings) -> list[str]:
    """Draw both sides of one run over the distance from the surface, and return those with changes of sign."""
    half = run.results.system.thickness_A / 2
    marked, end = [], 0.0
    for side, sign in SIDES.items():
        curve = inward(run, side)
        if curve is None:
            continue
        style: dict[str, Any] = {"color": ROLES[side], "linestyle": _MARKS[side][0], "label": side}
        draw_curve(axes, sign * curve.z - half, curve.values, curve.errors, **style)
        end = max(end, float(np.abs(curve.z).max()) - half)
        places = run.scalars["charge_integral"].get(f"sign_changes_{side}_A") or ()
        distances = np.abs(np.array(places, dtype=np.float64)) - half
        distances = distances[distances > 0]
        marks: Any = {"linestyle": "none", "color": ROLES[side], "markersize": 4, "markeredgewidth": 0}
        axes.plot(distances, np.zeros(len(distances)), marker=_MARKS[side][1], label=f"changes {side}", **marks)
        if len(distances):
            marked.append(side)
    axes.set_xlim(-_INSIDE, end)
    axes.set_title(f"{run.temperature:g} K ({run.label})", fontsize=8)
    return marked


def _charge_limits(axes: Sequence[Axes], runs: Sequence[RunFindings]) -> None:
    """Give panels the range of the charge outside the slab in all runs, and draw its zero."""
    seen = [0.0]
    for run in runs:
        for curve in filter(None, (inward(run, side) for side in SIDES)):
            outside = np.abs(curve.z) > run.results.system.thickness_A / 2
            values, errors = curve.values[outside], np.nan_to_num(curve.errors[outside])
            seen += [float(one) for one in (*(values - errors), *(values + errors)) if math.isfinite(one)]
    low, high = min(seen), max(seen)
    span = high - low or 1e-6
    for panel in axes:
        panel.set_ylim(low - 0.12 * span, high + 0.12 * span)
        panel.axhline(0.0, color=ROLES["limit"], linewidth=0.6, zorder=0)
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{1000 * value:g}".replace("-", "−")))


# -- over temperatures ---------------------------------------------------------------------------------------


def _shifts(findings: Findings) -> dict[float, tuple[float, float]]:
    """Return Δz (Å) and its standard error by temperature, K.

    Raises
    ------
    NotDrawableError
        There are no shifts, or no charge integral at two temperatures.
    """
    if findings.shifts is None:
        raise NotDrawableError(
            "there are no shifts Δz: they need runs at two or more temperatures whose charge integrals are known"
        )
    found = findings.shifts.values
    triples = found.get("shifts") or ()
    if len(triples) < 2:
        reasons = "; ".join(map(str, found.get("reasons") or ())) or "no temperature but the highest has one"
        raise NotDrawableError(f"no shift Δz could be determined: {reasons}")
    return {
        float(kelvin): (float(dz), math.nan if error is None else float(error)) for kelvin, dz, error in triples
    }


def _shifted_caption(findings: Findings) -> str:
    runs, shifts = _drawable(findings), _shifts(findings)
    reference = max(shifts)
    listed = "; ".join(
        f"{kelvin:g} K: {with_error(*shift)} Å" for kelvin, shift in shifts.items() if kelvin != reference
    )
    without = sorted({run.temperature for run in runs.values()} - set(shifts), reverse=True)
    names = ", ".join(f"{kelvin:g} K" for kelvin in without)
    unmoved = f" Not moved, because Δz is not known: {names}." if without else ""
    return (
        f"Charge per area between the end of the box and z. (a), (b) as found; (c), (d) the curves of colder runs "
        f"moved outward by Δz against {reference:g} K, from the superposition of the charge integrals in the "
        f"first layer, both sides together (± one standard error): {listed}.{unmoved} Dotted: surface planes of "
        f"the slab. {_INSIDE_WORDS} {_band_words(runs)}"
    )


@figure(
    "charge_integrals_shifted",
    title="Charge integrals over temperatures, shifted by Δz",
    caption=_shifted_caption,
    paper="Fig. 11",
)
def charge_integrals_shifted(findings: Findings, width: float) -> Figure:
    """Draw the charge integrals of all temperatures on both sides, as found and moved by Δz."""
    runs, shifts = list(_drawable(findings).values()), _shifts(findings)
    drawn, axes = new_figure(width, 110 if width >= _WIDE else 100, 2, 2, share_x="col", share_y="all")
    styles = run_styles(runs)
    half = runs[0].results.system.thickness_A / 2
    for number, panel in enumerate(axes):
        side, moved = ("left", "right")[number % 2], number >= 2
        curves = []
        for run in runs:
            curve = inward(run, side)
            if curve is None:
                continue
            dz = shifts.get(run.temperature, (0.0, 0.0))[0] if moved else 0.0
            draw_curve(panel, curve.z + SIDES[side] * dz, curve.values, curve.errors, **styles[run.label])
            curves.append(curve)
        end = max(float(np.abs(curve.z).max()) for curve in curves)
        panel.set_xlim(*sorted((SIDES[side] * (half - _INSIDE), SIDES[side] * end)))
        panel.axvline(SIDES[side] * half, color=ROLES["limit"], linewidth=0.6, linestyle=":", zorder=0)
        state = ("moved by Δz" if width >= _WIDE else "moved") if moved else "as found"
        panel.set_title(f"{side.upper()}, {state}", fontsize=8, loc="right")
        if moved:
            panel.set_xlabel("z (Å)")
        if number % 2 == 0:
            panel.set_ylabel(_LABEL)
    _charge_limits(axes, runs)
    handles = []
    for run in runs:
        words = styles[run.label]["label"]
        if (shift := shifts.get(run.temperature)) is None:
            words += ": Δz not known"
        elif run.temperature != max(shifts):
            words += f": Δz = {with_error(*shift)} Å"
        handles.append(proxy(words, color=styles[run.label]["color"], linestyle=styles[run.label]["linestyle"]))
    legend_below(drawn, handles, columns=4 if width >= _WIDE else 1)
    label_panels(axes)
    return drawn
