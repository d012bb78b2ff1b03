"""Curves along the normal of the interface: their arrays, bands of error, regions and known answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from aiida_cse.landscape.model import Landscape
from aiida_cse.physics.exchange.regions import REFERENCE_OFFSET
from aiida_cse.report.figures.registry import NotDrawableError
from aiida_cse.report.figures.style import ROLES, temperature_style
from aiida_cse.report.findings import Findings, RunFindings
from aiida_cse.report.results import IonSummary, ObservableResult, Results

__all__ = [
    "Curve",
    "array_of",
    "boundaries_of",
    "curves_of",
    "draw_curve",
    "ion_symbol",
    "ions_of",
    "known_free_energy",
    "off_words",
    "places_of",
    "run_styles",
    "shade_layers",
]

Floats = NDArray[np.float64]
#: line styles of the runs at one temperature
_LINES = ("-", "--", "-.", ":")
#: height of the names of the regions, as a share of the panel, and the width of a letter, mm
_NAMES_AT, _LETTER = 0.965, 1.25
#: names of the regions from left to right, and shorter ones where there is no room
_LAYER = ("1st layer", "1st")
_REGIONS = (("bulk",), _LAYER, ("slab",), _LAYER, ("bulk",))


@dataclass(frozen=True)
class Curve:
    """A profile of one run.

    Attributes
    ----------
    run
        The run.
    z
        (bins,) positions, Å.
    values, errors
        (bins,) values and their standard errors, in the unit of the result; NaN where they are not known.
    """

    run: RunFindings
    z: Floats
    values: Floats
    errors: Floats


def places_of(result: ObservableResult | None, key: str = "z_A") -> Floats:
    """Return the positions (bins,) of a result, Å; (0,) if it has none that are known and ascend."""
    if result is None or key not in result.entries:
        return np.empty(0)
    places = result.array(key)
    good = places.ndim == 1 and len(places) > 1 and np.isfinite(places).all() and (np.diff(places) > 0).all()
    return places if good else np.empty(0)


def array_of(result: ObservableResult, key: str, bins: int) -> Floats | None:
    """Return an array (bins,) of a result, None if it has no such key or another number of bins."""
    if key not in result.entries:
        return None
    values = result.array(key)
    return values if values.shape == (bins,) else None


def curves_of(
    runs: Mapping[str, RunFindings], observable: str, values: str, errors: str, *, z: str = "z_A"
) -> list[Curve]:
    """Return the curves of the runs that have one.

    Parameters
    ----------
    observable
        Name of the result.
    values, errors, z
        Its keys. A run without ``errors`` has errors that are NaN; without ``z`` its positions are ``z_A``, as in
        results of version 0.1.
    """
    found = []
    for run in runs.values():
        result = run.observable(observable)
        if result is None:
            continue
        places = places_of(result, z if z in result.entries else "z_A")
        curve = array_of(result, values, len(places))
        if not len(places) or curve is None or not np.isfinite(curve).any():
            continue
        error = array_of(result, errors, len(places))
        found.append(Curve(run, places, curve, np.full(len(places), np.nan) if error is None else error))
    return found


def run_styles(runs: Sequence[RunFindings]) -> dict[str, dict[str, Any]]:
    """Return by label of the run its colour, by temperature, its line style, by replica, and its label."""
    temperatures = [run.temperature for run in runs]
    styles = {}
    for run in runs:
        replicas = [one.label for one in runs if one.temperature == run.temperature]
        place = replicas.index(run.label)
        styles[run.label] = {
            "color": temperature_style(run.temperature, temperatures)["color"],
            "linestyle": _LINES[place % len(_LINES)],
            "label": f"{run.temperature:g} K" + (f", {run.label}" if len(replicas) > 1 else ""),
        }
    return styles


def draw_curve(
    axes: Axes, x: Floats, values: Floats, errors: Floats, *, positive: bool = False, **style: Any
) -> None:
    """Draw a curve with a band of one standard error; a known value between two unknown ones is a dot.

    Parameters
    ----------
    x, values, errors
        (bins,) arrays, NaN where unknown.
    positive
        Whether the axis is logarithmic: values that are not positive are left out.
    """
    known = np.isfinite(values) & ((values > 0) | (not positive))
    line = np.where(known, values, np.nan)
    order = np.argsort(x)
    x, line, errors, known = x[order], line[order], errors[order], known[order]
    axes.plot(x, line, **style)
    beside = np.concatenate([[False], known, [False]])
    alone = known & ~beside[:-2] & ~beside[2:]
    if alone.any():
        axes.plot(x[alone], line[alone], linestyle="none", marker=".", markersize=2, color=style["color"])
    lower, upper = line - errors, line + errors
    if positive:
        lower = np.where(lower > 0, lower, np.nextafter(0, 1))
    axes.fill_between(
        x, lower, upper, where=np.isfinite(errors) & known, color=style["color"], alpha=0.25, linewidth=0
    )


# -- ions and regions ----------------------------------------------------------------------------------------


def ions_of(runs: Mapping[str, RunFindings], exchange: str) -> dict[str, IonSummary]:
    """Return by name the ions whose exchange with ``ceramic`` or ``layer`` counts.

    Raises
    ------
    NotDrawableError
        There is no such ion.
    """
    found: dict[str, IonSummary] = {}
    for run in runs.values():
        found |= {name: ion for name, ion in run.results.system.ions.items() if ion.exchange == exchange}
    if not found:
        where = {"ceramic": "the slab", "layer": "its first layer"}[exchange]
        raise NotDrawableError(f"no run has an ion whose exchange with {where} is counted")
    return found


def ion_symbol(results: Results, name: str) -> str:
    """Return the name of an ion with the sign of its charge, without one if the charges are not known."""
    system = results.system
    charge = sum(system.charges_e[label] * system.composition[label] for label in system.ions[name].types)
    return name + ("⁺" if charge > 0 else "⁻" if charge < 0 else "")


def boundaries_of(run: RunFindings, observable: str, ion: str) -> Floats:
    """Return the four boundaries (Å) between the regions of an ion, by which ``observable`` was analysed."""
    found = run.scalars.get(observable, {}).get(f"boundaries_{ion.lower()}_A")
    if found is None or len(found) != 4:
        found = run.results.system.ions[ion].regions_A[1:-1]
    return np.array(found, dtype=np.float64)


def shade_layers(axes: Axes, boundaries: Floats) -> None:
    """Shade the first layers between the four boundaries (Å), and name the regions that are wide enough."""
    low, high = axes.get_xlim()
    edges = np.clip([low, *boundaries.tolist(), high], low, high)
    for names, start, end in zip(_REGIONS, edges[:-1], edges[1:], strict=True):
        if end <= start:
            continue
        if names is _LAYER:
            axes.axvspan(start, end, color=ROLES["region"], linewidth=0, zorder=0)
        # approximate width of the panel, mm
        place = axes.get_subplotspec()
        share = 1.0 if place is None else len(place.colspan) / place.get_gridspec().ncols
        width = float(axes.figure.bbox.width / axes.figure.dpi) * 25.4 * 0.85 * share
        room = (end - start) / (high - low) * width
        name = next((name for name in names if len(name) * _LETTER < room), "")
        at = ((start + end) / 2, _NAMES_AT)
        style: Any = {"ha": "center", "va": "top", "fontsize": 6, "color": "#404040"}
        # Out of the layout, so that other limits of the axis do not move the panels.
        axes.text(*at, name, transform=axes.get_xaxis_transform(), clip_on=True, **style).set_in_layout(False)


def off_words(runs: Iterable[RunFindings]) -> str:
    """Return which runs have not equilibrated or have no verdict, sentences with a space before each."""
    verdicts = {run.label: run.equilibrated for run in runs}
    off = [label for label, verdict in verdicts.items() if verdict is False]
    unknown = [label for label, verdict in verdicts.items() if verdict is None]
    return (f" Not equilibrated, averages of the run alone: {', '.join(off)}." if off else "") + (
        f" Without a verdict: {', '.join(unknown)}." if unknown else ""
    )


# -- known answers -------------------------------------------------------------------------------------------


def known_free_energy(findings: Findings, run: RunFindings, ion: str, z: Floats) -> Floats | None:
    """Return the known F (bins,) in K of a validation, with the zero of the results; None if nothing is known.

    It is the free energy of the bins around ``z``, which are as wide as those of the results.
    """
    try:
        landscape = Landscape.model_validate(findings.validation["landscape"])
        width = float(z[-1] - z[0]) / (len(z) - 1)
        edges = np.concatenate([z - width / 2, [z[-1] + width / 2]])
        weights = landscape.weight(ion, edges, run.temperature)
    except (KeyError, ValueError):
        return None
    with np.errstate(divide="ignore"):
        energies: Floats = -run.temperature * np.log(weights)
    summary = run.results.system.ions[ion]
    if summary.initial_ceramic is not None:
        inside = landscape.half_thickness + REFERENCE_OFFSET
        bins = [int(np.argmin(np.abs(z - place))) for place in (inside, -inside)]
        zero = float(energies[bins].mean())
    else:
        bulk = (z < summary.regions_A[1]) | (z >= summary.regions_A[-2])
        zero = -run.temperature * float(np.log(weights[bulk].mean()))
    return np.where(np.isfinite(energies), energies - zero, np.nan)
