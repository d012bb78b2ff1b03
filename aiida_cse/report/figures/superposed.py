"""Free energies of several findings superposed: a panel per temperature, a colour and line style per source."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from aiida_cse.report.compared.results import SAME_TEMPERATURE, compare_findings, source_name
from aiida_cse.report.figures.curves import Curve, boundaries_of, curves_of, ion_symbol, ions_of, shade_layers
from aiida_cse.report.figures.profiles import draw_energy, energy_limits
from aiida_cse.report.figures.registry import NotDrawableError
from aiida_cse.report.figures.runs import legend_below, runs_with
from aiida_cse.report.figures.style import in_style, label_panels, new_figure, proxy
from aiida_cse.report.findings import Findings

__all__ = ["draw_free_energies"]

#: colours of Okabe and Ito and line styles, by the place of the source
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E6B34D")
_LINES = ("-", "--", "-.", ":")
#: mm; width of a letter of the legend, with half of it for a second column
_LETTER = 2.2
#: mm; height of a panel and of what is around the panels, and width from which the legend has two columns
_PANEL, _AROUND, _WIDE = 50.0, 12.0, 120.0


def draw_free_energies(sources: Sequence[Findings], width: float) -> Figure:
    """Draw F(z) of the cations of all sources, with bands of one standard error; a panel per temperature.

    Replicas of a source at one temperature have the same style. The layers are those of the first source.

    Parameters
    ----------
    sources
        At least two.
    width
        Width of the figure, mm.

    Raises
    ------
    NotDrawableError
        No source has a free energy that is known in any bin.
    """
    found = [_curves(source) for source in sources]
    if not any(found):
        raise NotDrawableError("no source has a free energy of cations that is known in any bin")
    kelvin = [
        one
        for one, slots in compare_findings(sources).slots.items()
        if any(curve.run in slot for curves in found for curve in curves for slot in slots)
    ]
    columns = 2 if width >= _WIDE and len(kelvin) > 1 else 1
    rows = -(-len(kelvin) // columns)
    with in_style():
        drawn, axes = new_figure(width, _AROUND + 5 * len(sources) + _PANEL * rows, rows, columns)
        for spare in axes[len(kelvin) :]:
            spare.set_visible(False)
        for panel, temperature in zip(axes, kelvin, strict=False):
            shown = [
                (number, curve)
                for number, curves in enumerate(found)
                for curve in curves
                if 0 <= temperature - curve.run.temperature < SAME_TEMPERATURE
            ]
            curves = [curve for _, curve in shown]
            for number, curve in shown:
                draw_energy(panel, curve, _cation(curve), _style(number))
            panel.set_xlim(min(curve.z[0] for curve in curves), max(curve.z[-1] for curve in curves))
            energy_limits(panel, curves)
            first = curves[0]
            shade_layers(panel, boundaries_of(first.run, "free_energy_profiles", _cation(first)))
            panel.set_ylabel(f"F({ion_symbol(first.run.results, _cation(first))}) / $k_{{\\mathrm{{B}}}}$ (K)")
            panel.set_title(f"{temperature:g} K", fontsize=8)
        for panel in axes[len(kelvin) - columns : len(kelvin)]:
            panel.set_xlabel("z (Å)")
        if len(kelvin) > 1:
            label_panels(axes[: len(kelvin)])
        room, handles = max(20, int(width / _LETTER)), []
        for number, (source, curves) in enumerate(zip(sources, found, strict=True)):
            words = f"{number + 1}  {source_name(source)}{'' if curves else ': no free energy'}"
            handles.append(proxy(textwrap.fill(words, room, subsequent_indent="    "), **_style(number)))
        legend_below(drawn, handles, columns=2 if width >= _WIDE and len(handles) > 2 else 1)
    return drawn


def _style(number: int) -> dict[str, Any]:
    return {"color": _COLOURS[number % len(_COLOURS)], "linestyle": _LINES[number % len(_LINES)]}


def _curves(source: Findings) -> list[Curve]:
    """Return the free energies of the cations in the runs that have one."""
    try:
        runs = runs_with(source, "free_energy_profiles")
        key = next(iter(ions_of(runs, "ceramic"))).lower()
    except NotDrawableError:
        return []
    return curves_of(runs, "free_energy_profiles", f"{key}_K", f"{key}_error_K")


def _cation(curve: Curve) -> str:
    return next(iter(ions_of({curve.run.label: curve.run}, "ceramic")))
