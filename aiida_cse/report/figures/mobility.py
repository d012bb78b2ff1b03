"""Mobility of the ions by layer: the variance of their displacements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogLocator
from numpy.typing import NDArray

from aiida_cse.report.figures.curves import ion_symbol, off_words, run_styles
from aiida_cse.report.figures.registry import NotDrawableError, figure
from aiida_cse.report.figures.runs import legend_below, runs_with, sampling_words
from aiida_cse.report.figures.style import ROLES, label_panels, new_figure, proxy, temperature_style
from aiida_cse.report.findings import Findings, RunFindings

__all__ = ["displacement_variance"]

Floats = NDArray[np.float64]

#: mm; from this width on both axes stand side by side
_WIDE = 120.0
#: axes of the displacements that are drawn, along the surface and across it, by their index
_AXES = {"x": 0, "z": 2}
#: words for a layer without its side
_WORDS = {"bulk": "bulk", "layer": "1st", "surface": "surf.", "inside": "inside", "ceramic": "slab"}
#: share of the distance between layers over which runs are spread
_SPREAD = 0.5


@dataclass(frozen=True)
class _Variances:
    """Variances of the displacements of one ion in one run at the first lag.

    Attributes
    ----------
    run
        The run.
    layers
        Names of the layers.
    values, errors
        (layers, 3) variances and their standard errors, Å²; NaN where they are not known.
    samples
        (layers,) number of displacements.
    """

    run: RunFindings
    layers: tuple[str, ...]
    values: Floats
    errors: Floats
    samples: Floats


def _read(run: RunFindings, ion: str) -> _Variances | None:
    """Return the variances of an ion, None if the run has none, or arrays of other shapes."""
    found, key = run.observable("displacement_variance"), ion.lower()
    if found is None or any(f"{key}_{name}" not in found.entries for name in ("layers", "variance_A2", "samples")):
        return None
    layers = tuple(map(str, found.value(f"{key}_layers")))
    values, samples = found.array(f"{key}_variance_A2"), found.array(f"{key}_samples")
    if values.ndim != 3 or values.shape[0] != len(layers) or values.shape[2] != 3 or not values.shape[1]:
        return None
    errors = np.full(values.shape, np.nan)
    if f"{key}_error_A2" in found.entries and found.array(f"{key}_error_A2").shape == values.shape:
        errors = found.array(f"{key}_error_A2")
    numbers = samples[:, 0] if samples.shape == values.shape[:2] else np.full(len(layers), np.nan)
    return _Variances(run, layers, values[:, 0], errors[:, 0], numbers)


def _variances(findings: Findings) -> dict[str, list[_Variances]]:
    """Return the variances by ion, of the runs that have some.

    Raises
    ------
    NotDrawableError
        No run has any.
    """
    runs = runs_with(findings, "displacement_variance")
    names = list(dict.fromkeys(name for run in runs.values() for name in run.results.system.ions))
    found = {name: [one for run in runs.values() if (one := _read(run, name)) is not None] for name in names}
    found = {
        name: [one for one in ones if one.layers == ones[0].layers and np.isfinite(one.values).any()]
        for name, ones in found.items()
    }
    if not any(found.values()):
        raise NotDrawableError("no run has a displacement from which a variance could be taken")
    return {name: ones for name, ones in found.items() if ones}


def _mobility_caption(findings: Findings) -> str:
    found = _variances(findings)
    first = next(iter(found.values()))[0]
    runs = {one.run.label: one.run for ones in found.values() for one in ones}
    lags = np.atleast_1d(first.run.scalars["displacement_variance"].get("lags_ps", np.nan))
    numbers = []
    for name, ones in found.items():
        samples = np.concatenate([one.samples for one in ones])
        counted = samples[np.isfinite(samples)]
        words = f"{counted.min():,.0f} to {counted.max():,.0f}" if len(counted) else "not recorded"
        numbers.append(f"{ion_symbol(ones[0].run.results, name)}: {words}")
    counts = "; ".join(numbers)
    others = f" (of {len(lags)} lags, the first)" if len(lags) > 1 else ""
    errors = np.concatenate([one.errors.ravel() for ones in found.values() for one in ones])
    bars = "Bars: ± one standard error, from groups of blocks of at least five lags each"
    bars += "; none with fewer than five groups." if not np.isfinite(errors).all() else "."
    # in which part of the time the displacements began, where it is another one than that of the run
    parts = []
    for name in found:
        for label, run in runs.items():
            of_run = run.scalars["displacement_variance"]
            start, end = (of_run.get(f"{name.lower()}_{end}_ns") for end in ("start", "end"))
            if None not in (start, end) and (start, end) != (of_run.get("start_ns"), of_run.get("end_ns")):
                parts.append(f"{name} in {label} at {start:g} to {end:g} ns")
    began = f" Displacements of {'; '.join(parts)}." if parts else ""
    told = _known(findings, first.run) is not None
    known = " Black dashes: known values at the highest temperature." if told else ""
    return (
        f"Variance of the displacements over {lags[0]:g} ps{others}, along the surface (x) and across it (z), by "
        f"the layer in which they began; the mean displacement is subtracted. {bars} Displacements per layer and "
        f"run, n = {counts}; they overlap in time. A cross on the axis is a layer without a sample.{known} "
        f"Within a layer, points stand side by side, the hottest run left. "
        f"{sampling_words(runs, 'displacement_variance')}{began}{off_words(runs.values())}"
    )


@figure(
    "displacement_variance",
    title="Variance of the displacements by layer",
    caption=_mobility_caption,
    paper="Figs. 12, 13",
)
def displacement_variance(findings: Findings, width: float) -> Figure:
    """Draw the variance along x and z in each layer, one row of panels per ion."""
    found = _variances(findings)
    wide = width >= _WIDE
    rows, columns = (len(found), 2) if wide else (2 * len(found), 1)
    drawn, axes = new_figure(width, 18 + 48 * rows, rows, columns)
    runs = {one.run.label: one.run for ones in found.values() for one in ones}
    styles = run_styles(list(runs.values()))
    panels = iter(axes)
    for name, ones in found.items():
        pair = []
        for axis, column in _AXES.items():
            panel = next(panels)
            for number, one in enumerate(ones):
                place = (number - (len(ones) - 1) / 2) * _SPREAD / max(len(ones), 2)
                _draw_layers(panel, one, column, place, runs, styles[one.run.label])
            if column == _AXES["z"] and ones[0].run.results.system.ions[name].exchange == "ceramic":
                known = _known(findings, ones[0].run)
                if known is not None and len(known) == len(ones[0].layers):
                    style: Any = {"linestyle": "none", "marker": "_", "markersize": 14, "color": ROLES["known"]}
                    panel.plot(np.arange(len(known)), known, zorder=5, label="known", **style)
            # the outermost layers are named with their side
            names = [_WORDS.get(layer.rsplit("_", 1)[0], layer) for layer in ones[0].layers]
            names[0], names[-1] = f"{names[0]}\nLEFT", f"{names[-1]}\nRIGHT"
            panel.set_xticks(np.arange(len(ones[0].layers)), names)
            panel.set_xlim(-0.6, len(ones[0].layers) - 0.4)
            for number, layer in enumerate(ones[0].layers):
                if layer.startswith("layer"):
                    panel.axvspan(number - 0.5, number + 0.5, color=ROLES["region"], linewidth=0, zorder=0)
            panel.set_ylabel(f"Var(Δ{axis}) of {ion_symbol(ones[0].run.results, name)} (Å²)")
            pair.append(panel)
        _common_range(pair)
    label_panels(axes)
    handles = [
        proxy(
            styles[label]["label"],
            color=styles[label]["color"],
            linestyle=styles[label]["linestyle"],
            linewidth=0.6,
            marker=_marker(run, runs),
        )
        for label, run in runs.items()
    ]
    legend_below(drawn, handles, columns=min(len(handles), 5 if wide else 3))
    return drawn


def _marker(run: RunFindings, runs: Mapping[str, RunFindings]) -> str:
    return str(temperature_style(run.temperature, [one.temperature for one in runs.values()])["marker"])


def _draw_layers(
    axes: Axes,
    one: _Variances,
    column: int,
    place: float,
    runs: Mapping[str, RunFindings],
    style: Mapping[str, Any],
) -> None:
    """Draw the variances of one run along one axis, and a cross at layers without a sample."""
    x = np.arange(len(one.layers)) + place
    values = np.where(one.values[:, column] > 0, one.values[:, column], np.nan)
    errors = np.nan_to_num(one.errors[:, column])
    axes.errorbar(
        x,
        values,
        yerr=[np.minimum(errors, np.nan_to_num(values) * (1 - 1e-6)), errors],
        color=style["color"],
        marker=_marker(one.run, runs),
        linestyle=style["linestyle"],
        linewidth=0.6,
        markersize=3.5,
        elinewidth=0.8,
        label=style["label"],
    )
    empty = ~np.isfinite(values)
    axes.plot(
        x[empty],
        np.full(int(empty.sum()), 0.03),
        transform=axes.get_xaxis_transform(),
        linestyle="none",
        marker="x",
        markersize=3,
        color=style["color"],
        label="_without a sample",
    )


def _common_range(panels: list[Axes]) -> None:
    """Give panels one logarithmic axis, with plain numbers where it covers less than two decades."""
    for panel in panels:
        panel.set_yscale("log")
    limits = np.array([panel.get_ylim() for panel in panels])
    low, high = float(limits[:, 0].min()), float(limits[:, 1].max())
    for panel in panels:
        panel.set_ylim(low / (high / low) ** 0.08, high * (high / low) ** 0.04)
        if high / low < 300:
            steps = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0) if high / low < 10 else (1.0, 2.0, 5.0)
            panel.yaxis.set_major_locator(LogLocator(subs=steps))
            panel.yaxis.set_major_formatter(_Plain(labelOnlyBase=False))
            panel.minorticks_off()


class _Plain(LogFormatter):
    """Ticks of a logarithmic axis as plain numbers."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}"


def _known(findings: Findings, run: RunFindings) -> Floats | None:
    """Return the known variances along z of the cation (layers,), Å², of a validation at the run's temperature."""
    expected = findings.validation.get("expected") or {}
    for one in expected.get("runs") or ():
        if one.get("temperature") == run.temperature and one.get("variances"):
            return np.array(one["variances"], dtype=np.float64)[:, 0]
    return None
