"""Densities and free energies along the normal of the interface."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.transforms import offset_copy
from numpy.typing import NDArray

from aiida_cse.report.figures.curves import (
    Curve,
    array_of,
    boundaries_of,
    curves_of,
    draw_curve,
    ion_symbol,
    ions_of,
    known_free_energy,
    off_words,
    places_of,
    run_styles,
    shade_layers,
)
from aiida_cse.report.figures.registry import NotDrawableError, figure
from aiida_cse.report.figures.runs import ends, legend_below, level_words, runs_with, sampling_words
from aiida_cse.report.figures.style import ROLES, SPECIES, label_panels, new_figure, new_mosaic, proxy
from aiida_cse.report.findings import Findings, RunFindings
from aiida_cse.report.words import with_error

__all__ = ["anion_free_energy", "density_profiles", "draw_energy", "energy_limits", "free_energy"]

Floats = NDArray[np.float64]

SIDES = ("left", "right")
#: mm; from this width on both sides stand side by side
_WIDE = 120.0
#: lowest density that is drawn, as a share of the largest
_LEAST = 1e-5
#: g/mol; up to here hydrogen and deuterium
_HYDROGEN, _CARBON = 2.5, 12.011
#: Å beyond the boundaries of the first layer that the panels of one side show
_INSIDE, _OUTSIDE = 6.0, 3.0
_ERROR = "Bands: ± one standard error"
_ERROR_OF_BINS = (
    f"{_ERROR} of each bin, from the number of independent visits. Dotted with arrows: lower bound in bins "
    "without a visit."
)


# -- densities -----------------------------------------------------------------------------------------------


def _density_caption(findings: Findings) -> str:
    runs = runs_with(findings, "density_profiles")
    hottest = next(iter(runs.values()))
    system = hottest.results.system
    polymer = _polymer_labels(hottest)
    shown = {*system.framework, *polymer, *(label for ion in system.ions.values() for label in ion.types)}
    hidden = [label for label, number in system.composition.items() if number and label not in shown]
    ions = ", ".join(f"{ion.number} {ion_symbol(hottest.results, name)}" for name, ion in system.ions.items())
    points = {
        name: "centres of mass" if ion.point == "centre_of_mass" else "atoms" for name, ion in system.ions.items()
    }
    counted = "; ".join(f"{name} by its {point}" for name, point in points.items())
    return (
        f"Number densities along the normal, z = 0 at the mid-plane of the slab. (a) All species at "
        f"{hottest.temperature:g} K ({hottest.label}): framework, the types {' and '.join(system.framework)} "
        f"together{', polymer, of ' + ' and '.join(polymer) + ' together' if polymer else ''}, and the ions "
        f"({counted}). (b), (c), … Each ion in all runs. Shaded: first layers of this ion, in (a) those of the "
        f"first ion. {_ERROR} of the means of blocks of time; none with fewer than two blocks. A gap is a bin "
        f"without a visit; the axes end at {_LEAST:g} of the largest density. n = {ions}."
        f"{' Not shown: atoms of the types ' + ', '.join(hidden) + '.' if hidden else ''} {_bins(runs)} "
        f"{sampling_words(runs, 'density_profiles')}{off_words(runs.values())}"
    )


def _bins(runs: Mapping[str, RunFindings]) -> str:
    """Return the widths of the bins of densities and how often atoms were counted, a sentence."""
    found = next(iter(runs.values())).observable("density_profiles")
    z, points = places_of(found), places_of(found, "point_z_A")
    words = [
        f"{name} in bins of {(each[-1] - each[0]) / (len(each) - 1):.3g} Å"
        for name, each in (("Atoms", z), ("ions", points))
        if len(each) > 1
    ]
    sampled = None if found is None else found.values.get("sampled_ps")
    often = "" if not isinstance(sampled, int | float) else f"; atoms were counted every {sampled:g} ps"
    return f"{', '.join(words)}{often}."


@figure("density_profiles", title="Densities along z", caption=_density_caption, paper="Fig. 3")
def density_profiles(findings: Findings, width: float) -> Figure:
    """Draw the densities of all species in the hottest run, and those of each ion in all runs."""
    runs = runs_with(findings, "density_profiles")
    hottest = next(iter(runs.values()))
    names = list(hottest.results.system.ions)
    drawn, axes = new_figure(width, 22 + 42 * (1 + len(names)), 1 + len(names), share_x="all")
    species = _draw_species(axes[0], hottest)
    styles = run_styles(list(runs.values()))
    for panel, name in zip(axes[1:], names, strict=True):
        key = f"point_{name.lower()}"
        curves = curves_of(runs, "density_profiles", f"{key}_per_A3", f"{key}_error_per_A3", z="point_z_A")
        for curve in curves:
            draw_curve(panel, curve.z, curve.values, curve.errors, positive=True, **styles[curve.run.label])
        _density_axis(panel, [curve.values for curve in curves], f"ρ({ion_symbol(hottest.results, name)}) (Å⁻³)")
        shade_layers(panel, boundaries_of(hottest, "free_energy_profiles", name))
    if names:
        shade_layers(axes[0], boundaries_of(hottest, "free_energy_profiles", names[0]))
    drawn.legend(handles=species, loc="outside upper center", ncols=4 if width >= _WIDE else 2)
    axes[-1].set_xlabel("z (Å)")
    label_panels(axes)
    handles = [proxy(style["label"], **_line(style)) for style in styles.values()]
    legend_below(drawn, handles, columns=min(len(handles), 5 if width >= _WIDE else 3))
    return drawn


def _line(style: Mapping[str, Any]) -> dict[str, Any]:
    return {"color": style["color"], "linestyle": style["linestyle"]}


def _draw_species(axes: Axes, run: RunFindings) -> list[Any]:
    """Draw framework, polymer and ions of one run, and return the entries of their legend."""
    found = run.observable("density_profiles")
    z, system = places_of(found), run.results.system
    if found is None or not len(z):
        raise NotDrawableError(f"{run.label}: the densities of the types of atoms have no positions")
    drawn: list[Floats] = []
    handles: list[Any] = []
    for role, labels in (("framework", system.framework), ("polymer", _polymer_labels(run))):
        parts = [array_of(found, f"{label}_per_A3", len(z)) for label in labels]
        known = [part for part in parts if part is not None]
        if not known:
            continue
        total = np.sum(known, axis=0)
        drawn.append(total)
        label = " + ".join(labels)
        if role == "framework":
            # bars, because the planes of a crystal may be as narrow as a bin
            width = (z[-1] - z[0]) / (len(z) - 1)
            edges = np.append(z - width / 2, z[-1] + width / 2)
            axes.stairs(total, edges, fill=True, color=SPECIES[role], alpha=0.55, label=label)
            handles.append(Patch(color=SPECIES[role], alpha=0.55, label=f"{label} ({role})"))
            continue
        axes.plot(z, np.where(total > 0, total, np.nan), color=SPECIES[role], linewidth=0.9, label=label)
        handles.append(proxy(f"{label} ({role})", color=SPECIES[role]))
    for number, name in enumerate(system.ions):
        for curve in curves_of(
            {run.label: run},
            "density_profiles",
            f"point_{name.lower()}_per_A3",
            f"point_{name.lower()}_error_per_A3",
            z="point_z_A",
        ):
            role = "cation" if system.ions[name].exchange == "ceramic" else "anion"
            style = {"color": SPECIES[role], "linestyle": ("-", "--", ":")[number % 3]}
            draw_curve(axes, curve.z, curve.values, curve.errors, positive=True, label=name, **style)
            drawn.append(curve.values)
            handles.append(proxy(ion_symbol(run.results, name), **style))
    _density_axis(axes, drawn, "ρ (Å⁻³)")
    axes.set_xlim(z[0], z[-1])
    return handles


def _density_axis(axes: Axes, drawn: Sequence[Floats], label: str) -> None:
    """Make the axis of a density logarithmic, from its lowest value that counts to room for the regions' names."""
    values = np.concatenate([np.ravel(one) for one in drawn]) if drawn else np.empty(0)
    values = values[np.isfinite(values) & (values > 0)]
    if len(values):
        largest = float(values.max())
        low = max(float(values.min()), _LEAST * largest) * 0.7
        axes.set_yscale("log")
        axes.set_ylim(low, largest * (largest / low) ** 0.22)
    else:
        axes.text(0.5, 0.5, "no density is known", transform=axes.transAxes, ha="center", va="center")
    axes.set_ylabel(label)


def _polymer_labels(run: RunFindings) -> list[str]:
    """Return the types that stand for the polymer: its heteroatoms, without these its atoms but hydrogen.

    Types of the polymer are those that belong to no ion and are outside the slab for the most part.
    """
    found, system = run.observable("density_profiles"), run.results.system
    z = places_of(found)
    if found is None or not len(z):
        return []
    others = {*system.framework, *(label for ion in system.ions.values() for label in ion.types)}
    outside = []
    for label, mass in system.masses_g_per_mol.items():
        density = array_of(found, f"{label}_per_A3", len(z))
        if label in others or mass < _HYDROGEN or density is None or not np.nansum(density) > 0:
            continue
        if np.nansum(density[np.abs(z) < system.thickness_A / 2]) < 0.5 * np.nansum(density):
            outside.append(label)
    hetero = [label for label in outside if abs(system.masses_g_per_mol[label] - _CARBON) > 0.1]
    return hetero or outside


# -- free energy of the cations ------------------------------------------------------------------------------


def _energies(findings: Findings, exchange: str) -> tuple[str, list[Curve]]:
    """Return the name of the ion of this exchange and its free energies in the runs that have one."""
    runs = runs_with(findings, "free_energy_profiles")
    name = next(iter(ions_of(runs, exchange)))
    key = name.lower()
    curves = curves_of(runs, "free_energy_profiles", f"{key}_K", f"{key}_error_K")
    if not curves:
        raise NotDrawableError(f"the free energy of {name} is not known in any bin of any run")
    return name, curves


def _energy_caption(findings: Findings) -> str:
    name, curves = _energies(findings, "ceramic")
    runs = {curve.run.label: curve.run for curve in curves}
    moved = _moves(findings, name)
    how = (
        "In (b) and (c) the colder curves are moved outward by Δz and up in F, by the fit to the hottest one in "
        "the first layer of each side."
        if moved
        else "The curves of (b) and (c) are not moved, because there are no shifts between temperatures."
    )
    return (
        f"Free energy F / k_B = −T ln ρ of {ion_symbol(curves[0].run.results, name)}, "
        f"n = {curves[0].run.results.system.ions[name].number} ions: (a) whole box, (b) left and (c) right side. "
        f"Zero: {_zeros(curves, name)}. Triangles: top ▲ and bottom ▼ of the barrier ΔF from the first layer into "
        f"the slab, with its {level_words(runs)} interval; > is a one-sided lower bound. {_ERROR_OF_BINS} "
        f"{how}{_known_words(findings)} {sampling_words(runs, 'free_energy_profiles')}"
        f"{_others(findings, 'ceramic')}{_reasons(runs, 'barrier', name)}{off_words(runs.values())}"
    )


def _zeros(curves: Sequence[Curve], name: str) -> str:
    """Return where F is zero, in words, and the runs that differ."""
    by_words: dict[str, list[str]] = {}
    for curve in curves:
        words = str(curve.run.scalars["free_energy_profiles"].get(f"{name.lower()}_zero", "not recorded"))
        by_words.setdefault(words, []).append(curve.run.label)
    if len(by_words) == 1:
        return next(iter(by_words))
    return "; ".join(f"{words} ({', '.join(labels)})" for words, labels in by_words.items())


def _known_words(findings: Findings) -> str:
    return " Dashed black: the known landscape at the highest temperature." if findings.validation else ""


def _reasons(runs: Mapping[str, RunFindings], kind: str, name: str) -> str:
    """Return why barriers of an ion are missing or have bounds only, a sentence."""
    told: dict[str, list[str]] = {}
    for label, run in runs.items():
        found = run.scalars.get(kind, {}).get("reasons") or ()
        # reasons of another ion begin with its name
        others = [other for other in run.results.system.ions if other != name]
        own = [
            str(one).rstrip(".") for one in found if not str(one).startswith(tuple(f"{one}," for one in others))
        ]
        if own:
            told.setdefault("; ".join(own), []).append(label)
    if not told:
        return ""
    return " Barriers: " + "; ".join(f"{', '.join(labels)}: {words}" for words, labels in told.items()) + "."


def _others(findings: Findings, exchange: str) -> str:
    others = list(ions_of(findings.runs, exchange))[1:]
    return f" Not shown: {', '.join(others)}." if others else ""


@figure("free_energy", title="Free energy of the cations", caption=_energy_caption, paper="Fig. 9")
def free_energy(findings: Findings, width: float) -> Figure:
    """Draw F along z with tops and wells, and both sides superposed after the shift."""
    name, curves = _energies(findings, "ceramic")
    wide = width >= _WIDE
    layout = [["whole", "whole"], ["left", "right"]] if wide else [["whole"], ["left"], ["right"]]
    drawn, axes = new_mosaic(width, 140 if wide else 190, layout)
    styles = run_styles([curve.run for curve in curves])
    boundaries = boundaries_of(curves[0].run, "free_energy_profiles", name)
    symbol = ion_symbol(curves[0].run.results, name)
    whole = axes["whole"]
    for curve in curves:
        draw_energy(whole, curve, name, styles[curve.run.label])
        for side in SIDES:
            _mark_barrier(whole, curve, name, side, styles[curve.run.label]["color"])
    _draw_known(whole, findings, curves, name)
    whole.set_xlim(curves[0].z[0], curves[0].z[-1])
    energy_limits(whole, curves)
    shade_layers(whole, boundaries)
    moves = _moves(findings, name)
    # |z| (Å) within the slab at which the panels of one side begin
    inner = max(float(np.abs(boundaries[1:3]).min()) - _INSIDE, 0.0)
    for side, bounds in zip(SIDES, (boundaries[:2], boundaries[2:]), strict=True):
        outward = -1 if side == "left" else 1
        near, far = inner, float(np.abs(bounds).max())
        low, high = sorted((outward * near, outward * (far + _OUTSIDE)))
        panel = axes[side]
        lines = []
        for curve in curves:
            move = moves.get((curve.run.temperature, side))
            dz, rise = (0.0, 0.0) if move is None else (outward * move[0], move[2])
            draw_energy(panel, curve, name, styles[curve.run.label], dz=dz, rise=rise)
            words = [
                f"{styles[curve.run.label]['label']}: {_barrier_words(curve.run, 'barrier', f'{name}_{side}')}"
            ]
            if move is not None:
                words.append(f"moved by Δz = {with_error(*move[:2])} Å, {with_error(*move[2:])} K")
            lines.append(proxy("\n    ".join(words), **_line(styles[curve.run.label])))
        lines += _draw_known(panel, findings, curves, name)
        panel.set_xlim(low, high)
        shade_layers(panel, boundaries)
        _legend_under(panel, lines)
    for side in SIDES:
        energy_limits(axes[side], curves, outside=inner, rises=[move[2] for move in moves.values()])
    for panel in axes.values():
        panel.set_xlabel("z (Å)")
        panel.set_ylabel(f"F({symbol}) / $k_{{\\mathrm{{B}}}}$ (K)")
    for side in SIDES:
        axes[side].set_title(side.upper() + (", superposed" if moves else ""), fontsize=8)
    label_panels([axes[panel] for panel in ("whole", *SIDES)])
    return drawn


def _legend_under(axes: Axes, handles: Sequence[Any]) -> None:
    """Draw a legend below the name of the axis of z."""
    below = offset_copy(axes.transAxes, axes.get_figure(root=True), y=-26, units="points")
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below, borderaxespad=0
    )


def draw_energy(
    axes: Axes, curve: Curve, name: str, style: Mapping[str, Any], *, dz: float = 0.0, rise: float = 0.0
) -> None:
    """Draw F of one run, moved by dz (Å) and rise (K), and the lower bounds in bins without a visit."""
    z = curve.z + dz
    draw_curve(axes, z, curve.values + rise, curve.errors, **style)
    found = curve.run.observable("free_energy_profiles")
    bounds = None if found is None else array_of(found, f"{name.lower()}_lower_bound_K", len(z))
    if bounds is None or not np.isfinite(bounds).any():
        return
    bound = np.where(np.isfinite(curve.values), np.nan, bounds + rise)
    width = (curve.z[-1] - curve.z[0]) / (len(curve.z) - 1)
    axes.plot(
        z,
        bound,
        linestyle=":",
        linewidth=0.8,
        color=style["color"],
        marker="$\\uparrow$",
        markersize=4.5,
        markevery=max(1, round(2.0 / width)),
        label="_bound",
    )


def _draw_known(axes: Axes, findings: Findings, curves: Sequence[Curve], name: str) -> list[Any]:
    """Draw the known F of a validation and return the entry of its legend; nothing without one."""
    first = curves[0]
    known = known_free_energy(findings, first.run, name, first.z)
    if known is None:
        return []
    axes.plot(first.z, known, color=ROLES["known"], linestyle=(0, (4, 2)), linewidth=0.8, label="known")
    return [proxy(f"known, {first.run.temperature:g} K", color=ROLES["known"], linestyle=(0, (4, 2)))]


def _mark_barrier(axes: Axes, curve: Curve, name: str, side: str, colour: str, kind: str = "barrier") -> None:
    """Mark top and bottom of a barrier on its curve, where their positions are known."""
    found = curve.run.scalars.get(kind, {})
    for place, marker in (("top", "^"), ("well", "v")):
        z = found.get(f"{place}_{name.lower()}_{side}_z_A")
        if z is None or not math.isfinite(z):
            continue
        height = curve.values[int(np.argmin(np.abs(curve.z - z)))]
        axes.plot([z], [height], marker=marker, color=colour, markeredgecolor="white", markeredgewidth=0.4, ms=5)


def energy_limits(
    axes: Axes,
    curves: Sequence[Curve],
    *,
    outside: float = 0.0,
    rises: Sequence[float] = (),
) -> None:
    """Set the range of F so that all values at |z| of ``outside`` (Å) and more are below the regions' names."""
    values = np.concatenate([curve.values[np.abs(curve.z) >= outside] for curve in curves])
    values = values[np.isfinite(values)]
    if not len(values):
        return
    low, high = float(values.min()), float(values.max()) + max([0.0, *rises])
    span = high - low or 1000.0
    axes.set_ylim(low - 0.06 * span, high + 0.18 * span)


def _barrier_words(run: RunFindings, kind: str, key: str) -> str:
    found, key = run.scalars.get(kind, {}), key.lower()
    value, (low, high) = found.get(f"barrier_{key}_K"), ends(found, f"barrier_{key}_interval_K")
    bound = found.get(f"barrier_{key}_lower_bound_K")
    if value is not None and math.isfinite(low) and math.isfinite(high):
        return f"ΔF = {value:,.0f} K ({low:,.0f} to {high:,.0f})"
    if bound is not None:
        return f"ΔF > {bound:,.0f} K".replace("-", "−")
    return "ΔF not known"


# -- shifts --------------------------------------------------------------------------------------------------

#: Δz (Å), its error, rise of F (K), its error
Move = tuple[float, float, float, float]


def _moves(findings: Findings, name: str) -> dict[tuple[float, str], Move]:
    """Return the moves that superpose F on that of the highest temperature, by temperature and side."""
    if findings.shifts is None:
        return {}
    found = findings.shifts.values
    if str(found.get("ion", name)).lower() != name.lower():
        return {}
    moves = {}
    for kelvin in findings.temperatures:
        for side in SIDES:
            keys = (f"dz_free_energy_{round(kelvin):04d}K_{side}", f"df_{round(kelvin):04d}K_{side}")
            units = ("A", "K")
            values: list[Any] = [found.get(f"{key}_{unit}") for key, unit in zip(keys, units, strict=True)]
            if None in values:
                continue
            errors = [found.get(f"{key}_error_{unit}") for key, unit in zip(keys, units, strict=True)]
            dz_error, rise_error = (math.nan if one is None else float(one) for one in errors)
            moves[kelvin, side] = (float(values[0]), dz_error, float(values[1]), rise_error)
    return moves


# -- free energy of the anions -------------------------------------------------------------------------------


def _anion_caption(findings: Findings) -> str:
    name, curves = _energies(findings, "layer")
    runs = {curve.run.label: curve.run for curve in curves}
    without = [label for label, run in runs.items() if "anion_barrier" not in run.scalars]
    missing = (
        f" No barrier of {', '.join(without)}: {runs[without[0]].missing['anion_barrier']}." if without else ""
    )
    return (
        f"Free energy F / k_B = −T ln ρ of {ion_symbol(curves[0].run.results, name)}, "
        f"n = {curves[0].run.results.system.ions[name].number} ions, on both sides of the slab. Zero: "
        f"{_zeros(curves, name)}. Triangles: top of the barrier ΔF from the bulk into the first layer, with its "
        f"{level_words(runs)} interval; > is a one-sided lower bound.{missing} {_ERROR_OF_BINS}"
        f"{_known_words(findings)} {sampling_words(runs, 'free_energy_profiles')}{_others(findings, 'layer')}"
        f"{_reasons(runs, 'anion_barrier', name)}{off_words(runs.values())}"
    )


@figure("anion_free_energy", title="Free energy of the anions", caption=_anion_caption, paper="Fig. 10")
def anion_free_energy(findings: Findings, width: float) -> Figure:
    """Draw F of the anions on both sides, from the slab to the bulk, with the tops of the barriers."""
    name, curves = _energies(findings, "layer")
    wide = width >= _WIDE
    drawn, axes = new_figure(width, 90 if wide else 150, *((1, 2) if wide else (2, 1)), share_y=True)
    styles = run_styles([curve.run for curve in curves])
    boundaries = boundaries_of(curves[0].run, "free_energy_profiles", name)
    z = curves[0].z
    for panel, side in zip(axes, SIDES, strict=True):
        lines = []
        for curve in curves:
            style = styles[curve.run.label]
            draw_energy(panel, curve, name, style)
            _mark_barrier(panel, curve, name, side, style["color"], kind="anion_barrier")
            words = style["label"]
            if "anion_barrier" in curve.run.scalars:
                words += f": {_barrier_words(curve.run, 'anion_barrier', f'{name}_{side}')}"
            lines.append(proxy(words, **_line(style)))
        lines += _draw_known(panel, findings, curves, name)
        panel.set_xlim(*((z[0], boundaries[1] + _INSIDE) if side == "left" else (boundaries[2] - _INSIDE, z[-1])))
        shade_layers(panel, boundaries)
        panel.set_title(side.upper(), fontsize=8)
        panel.set_xlabel("z (Å)")
        _legend_under(panel, lines)
        panel.set_ylabel(f"F({ion_symbol(curves[0].run.results, name)}) / $k_{{\\mathrm{{B}}}}$ (K)")
    energy_limits(axes[0], curves)
    label_panels(axes)
    return drawn
