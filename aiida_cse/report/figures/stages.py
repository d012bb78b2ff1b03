"""Thermodynamics of all stages: temperature, pressure, density, box, and drift of the conserved energy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from aiida_cse.lammps.protocol.stage import JobPlan, Span
from aiida_cse.report.figures.registry import NotDrawableError, figure
from aiida_cse.report.figures.runs import legend_below
from aiida_cse.report.figures.style import ROLES, new_figure, proxy
from aiida_cse.report.findings import Findings, ThermoTable
from aiida_cse.workchains.restart.plausibility import ERRORS, Plausibility, energy_drift, is_judged

__all__ = ["thermo"]

Floats = NDArray[np.float64]

#: mm; from this width on the legend has four columns, and names of stages have space
_WIDE = 120.0
#: width of a slot by the kind of its stage; a production is the longest by far
_SLOTS = {"minimize": 0.5, "pushoff": 0.5, "shots": 0.5}
_PRODUCTION = 4.0
#: mm and points; narrowest slot whose name is written, and the size of names
_NAMED, _SMALL = 1.9, 5.5
#: mm; width of a letter of this size
_LETTER = 1.05
#: panels: column of LAMMPS with label and colour
_COLUMNS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    ("$T$ (K)", (("temp", "", ROLES["found"]),)),
    ("$p$ (atm)", (("press", "", ROLES["found"]),)),
    ("ρ (g/cm³)", (("density", "", ROLES["found"]),)),
    ("box (Å)", (("lx", "$L_x$", "#56B4E9"), ("ly", "$L_y$", "#009E73"), ("lz", "$L_z$", "#000000"))),
)


@dataclass(frozen=True)
class _Piece:
    """Rows of one stage in one job.

    ``start`` and ``end`` are the steps of the whole stage; ``span`` is its part of the plan, None if unknown.
    """

    part: str
    name: str
    kind: str
    start: int
    end: int
    columns: Mapping[str, Floats]
    span: Span | None
    limits: Plausibility


@dataclass(frozen=True)
class _Slot:
    """The place of a stage on the axis: from ``left`` to ``left + width``."""

    part: str
    name: str
    kind: str
    left: float
    width: float


def _caption(findings: Findings) -> str:
    pieces = _pieces(findings)
    slots = _slots(pieces)
    jobs = len({(piece.part, piece.name) for piece in pieces})
    limits = pieces[0].limits
    judged = sum(_drift(piece) is not None for piece in pieces)
    warm, hot = (
        "no limit" if value is None else f"{100 * value:g} %"
        for value in (limits.temperature.warn, limits.temperature.fail)
    )
    slow, fast = (
        "no limit" if value is None else f"{value:,g}" for value in (limits.drift.warn, limits.drift.fail)
    )
    return (
        f"All {jobs} stages in {len(dict.fromkeys(slot.part for slot in slots))} parts of the work, each in a "
        "slot of its own whatever its length: time runs linearly within a slot, productions have wider ones, and "
        "minimisations (grey) are not drawn. Thin lines are the values in the log; thick ones their mean over the "
        "second half of the stage, which is judged. Dashed: target temperature and pressure. Limits of the "
        f"plausibility check: temperature within {warm} of the target (shaded: "
        f"warning; failure at {hot}), density in NpT stages as shaded, drift of the "
        f"conserved energy per degree of freedom below {slow} K/ns (dotted: warning) and "
        f"{fast} K/ns (solid: failure), on an axis that is linear below 10. Bars of the "
        f"drift are ± {ERRORS} standard errors, which count in favour of a run; n = {judged} stages at constant "
        "temperature and pressure are long enough for one."
    )


@figure("thermo", title="Thermodynamics of every stage", caption=_caption)
def thermo(findings: Findings, width: float) -> Figure:
    """Draw T, p, density, box lengths and drift of all stages, each stage in a slot of the axis."""
    pieces = _pieces(findings)
    slots = {(slot.part, slot.name): slot for slot in _slots(pieces)}
    wide = width >= _WIDE
    drawn, axes = new_figure(width, 165 if wide else 150, len(_COLUMNS) + 1, 1, share_x="col")
    pressures = [piece.columns["press"] for piece in pieces if "press" in piece.columns]
    pressure_scale = 1e-3 if any((np.abs(one) > 1e3).any() for one in pressures) else 1.0
    for one, (label, columns) in zip(axes, _COLUMNS, strict=False):
        for piece in pieces:
            if piece.kind not in _SLOTS:
                for column, _, colour in columns:
                    scale = pressure_scale if column == "press" else 1.0
                    _draw_column(one, piece, slots[piece.part, piece.name], column, colour, scale)
        one.set_ylabel(label, fontsize=7)
    _draw_targets(axes[0], axes[1], pieces, slots, pressure_scale)
    _draw_density_limits(axes[2], pieces, slots)
    _draw_drifts(axes[-1], pieces, slots)
    for one in axes:
        _draw_slots(one, list(slots.values()))
    if pressure_scale != 1.0:
        # large pressures; those of both signs that differ by powers of ten
        axes[1].set_ylabel("$p$ (10³ atm)", fontsize=7)
        low, high = axes[1].get_ylim()
        if max(abs(low), abs(high)) > 10:
            axes[1].set_yscale("symlog", linthresh=1, linscale=0.8)
            axes[1].set_ylim(1.3 * low, 1.3 * high)
            axes[1].yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes[1].yaxis.set_minor_formatter(NullFormatter())
    for one in (axes[0], axes[2], axes[3]):
        low, high = one.get_ylim()
        one.set_ylim(low - 0.02 * abs(low), high + 0.02 * abs(high))
        one.yaxis.set_major_locator(MaxNLocator(4))
        one.ticklabel_format(axis="y", useOffset=False)
    _name_slots(axes[0], axes[-1], list(slots.values()), width - 18)
    drawn.align_ylabels(axes)
    handles = [
        proxy("log", color=ROLES["found"], linewidth=0.5, alpha=0.6),
        proxy("mean, second half", color=ROLES["found"], linewidth=1.8),
        proxy("target", color="#000000", linestyle="--", linewidth=0.8),
        proxy("plausible", color="#009E73", linewidth=5, alpha=0.2),
        *(proxy(words, color=colour) for _, words, colour in _COLUMNS[-1][1]),
    ]
    legend_below(drawn, handles, 7 if wide else 3)
    return drawn


# -- data ----------------------------------------------------------------------------------------------------


def _pieces(findings: Findings) -> list[_Piece]:
    """Return the rows of each stage in each job in the order of time; where jobs overlap the later one counts."""
    pieces = []
    for table in findings.thermo:
        # a part of the work belongs to one of the runs, or to all
        run = re.search(r"T\d{4}_r\d+", table.part)
        if run is None or not findings.runs or run[0] in findings.runs:
            pieces += _of_table(table)
    if not pieces:
        raise NotDrawableError("there are no thermo tables: they are those of LAMMPS jobs in an AiiDA profile")
    kept = []
    for number, piece in enumerate(pieces):
        later = [
            float(one.columns["step"][0])
            for one in pieces[number + 1 :]
            if (one.part, one.name) == (piece.part, piece.name)
        ]
        rows = piece.columns["step"] <= min(later, default=np.inf)
        if rows.any():
            columns = {name: values[rows] for name, values in piece.columns.items()}
            kept.append(
                _Piece(
                    piece.part, piece.name, piece.kind, piece.start, piece.end, columns, piece.span, piece.limits
                )
            )
    return kept


def _of_table(table: ThermoTable) -> list[_Piece]:
    spans = {span.stage.name: span for span in JobPlan.model_validate(table.plan).spans} if table.plan else {}
    limits = Plausibility.model_validate(table.limits)
    found = []
    for index, record in enumerate(table.stages):
        rows = table.columns["stage"] == index
        if not rows.any():
            continue
        columns = {name: np.asarray(values, dtype=np.float64)[rows] for name, values in table.columns.items()}
        name, steps = str(record["name"]), columns["step"]
        start, end = record.get("start_step"), record.get("target_step")
        found.append(
            _Piece(
                part=table.part,
                name=name,
                kind=str(record.get("kind", "")),
                start=int(steps[0] if start is None else start),
                end=int(steps[-1] if end is None else end),
                columns=columns,
                span=spans.get(name),
                limits=limits,
            )
        )
    return found


def _slots(pieces: Sequence[_Piece]) -> list[_Slot]:
    """Return the slots of the stages, those of one part of the work together, in the order of time."""
    parts = list(dict.fromkeys(piece.part for piece in pieces))
    ordered = sorted(pieces, key=lambda piece: parts.index(piece.part))
    slots: dict[tuple[str, str], _Slot] = {}
    left = 0.0
    for piece in ordered:
        if (piece.part, piece.name) in slots:
            continue
        width = _PRODUCTION if piece.name == "production" else _SLOTS.get(piece.kind, 1.0)
        slots[piece.part, piece.name] = _Slot(piece.part, piece.name, piece.kind, left, width)
        left += width
    return list(slots.values())


def _on_axis(piece: _Piece, slot: _Slot, steps: Floats) -> Floats:
    share: Floats = slot.left + slot.width * (steps - piece.start) / max(1, piece.end - piece.start)
    return share


def _drift(piece: _Piece) -> tuple[float, float] | None:
    if piece.span is None or not is_judged(piece.columns, piece.span.stage):
        return None
    return energy_drift(piece.columns, piece.span)


# -- drawing -------------------------------------------------------------------------------------------------


def _draw_column(axes: Axes, piece: _Piece, slot: _Slot, column: str, colour: str, scale: float) -> None:
    """Draw the scaled values of one column of a stage, and their mean over the second half."""
    if column not in piece.columns:
        return
    values = scale * piece.columns[column]
    x = _on_axis(piece, slot, piece.columns["step"])
    thin = {"lx": 2.0, "ly": 0.8, "lz": 0.8}.get(column, 0.5)
    axes.plot(x, values, color=colour, linewidth=thin, alpha=1.0 if column[0] == "l" else 0.6, label=column)
    half = len(values) // 2
    if column in ("temp", "press", "density") and len(values) > 3:
        axes.plot(
            [x[half], x[-1]], [values[half:].mean()] * 2, color=colour, linewidth=1.8, label="mean", zorder=4
        )


def _draw_targets(
    temperature: Axes,
    pressure: Axes,
    pieces: Sequence[_Piece],
    slots: Mapping[tuple[str, str], _Slot],
    pressure_scale: float,
) -> None:
    """Draw the target of temperature with its limits and that of pressure, where the plan is known."""
    for piece in pieces:
        if piece.span is None or piece.kind in _SLOTS:
            continue
        slot, stage = slots[piece.part, piece.name], piece.span.stage
        x = np.array([slot.left, slot.left + slot.width])
        style: dict[str, Any] = {"color": "#000000", "linestyle": "--", "linewidth": 0.8, "zorder": 3}
        if stage.temperature is not None:
            target = np.full(2, stage.temperature, dtype=np.float64)
            temperature.plot(x, target, label="target", **style)
            if (reach := piece.limits.temperature.warn) is not None:
                low, high = target * (1 - reach), target * (1 + reach)
                temperature.fill_between(x, low, high, color="#009E73", alpha=0.2, linewidth=0, label="plausible")
        if stage.pressure is not None:
            target = pressure_scale * np.full(2, stage.pressure, dtype=np.float64)
            pressure.plot(x, target, label="target", **style)


def _draw_density_limits(axes: Axes, pieces: Sequence[_Piece], slots: Mapping[tuple[str, str], _Slot]) -> None:
    """Shade the plausible densities of NpT stages; the limits do not widen the axis."""
    low, high = axes.get_ylim()
    for piece in pieces:
        window = piece.limits.density.warn or piece.limits.density.fail
        if piece.kind != "npt" or window is None:
            continue
        slot = slots[piece.part, piece.name]
        axes.fill_between(
            [slot.left, slot.left + slot.width],
            *window,
            color="#009E73",
            alpha=0.12,
            linewidth=0,
            zorder=0,
            label="plausible",
        )
    axes.set_ylim(max(0.0, low), high)


def _draw_drifts(axes: Axes, pieces: Sequence[_Piece], slots: Mapping[tuple[str, str], _Slot]) -> None:
    """Draw the drift of the conserved energy of each stage with its limits."""
    axes.set_yscale("symlog", linthresh=10, linscale=0.6)
    for piece in pieces:
        found = _drift(piece)
        if found is None:
            continue
        slot = slots[piece.part, piece.name]
        x = float(_on_axis(piece, slot, piece.columns["step"]).mean())
        axes.errorbar(
            [x], [found[0]], yerr=[found[1]], marker="o", markersize=2.5, color=ROLES["found"], label="drift"
        )
    limits = pieces[0].limits.drift
    for limit, dashes in ((limits.warn, ":"), (limits.fail, "-")):
        for place in () if limit is None else (-limit, limit):
            axes.axhline(place, color=ROLES["limit"], linestyle=dashes, linewidth=0.8, label="limit")
    axes.set_ylim(-2e4, 2e4)
    axes.set_yticks([-1000, -10, 10, 1000], ["−1000", "−10", "10", "1000"])
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("drift (K/ns)", fontsize=7)


def _draw_slots(axes: Axes, slots: Sequence[_Slot]) -> None:
    """Draw the borders of the stages and parts, and shade what is no dynamics."""
    for number, slot in enumerate(slots):
        if slot.kind in _SLOTS:
            axes.axvspan(slot.left, slot.left + slot.width, color=ROLES["region"], linewidth=0, zorder=0)
        border = number and slot.part != slots[number - 1].part
        if number:
            axes.axvline(slot.left, color="#000000" if border else "#CCCCCC", linewidth=0.8 if border else 0.3)
    axes.set_xlim(0, slots[-1].left + slots[-1].width)


def _name_slots(upper: Axes, lower: Axes, slots: Sequence[_Slot], millimetres: float) -> None:
    """Write the parts of the work above the panels, and the names of the stages below where there is space."""
    scale = millimetres / (slots[-1].left + slots[-1].width)
    stages = [(left, right, words) for left, right, words in _groups(slots) if (right - left) * scale >= _NAMED]
    lower.set_xticks([(left + right) / 2 for left, right, _ in stages])
    lower.set_xticklabels([words for *_, words in stages], rotation=90, fontsize=_SMALL)
    for label, (left, right, words) in zip(lower.get_xticklabels(), stages, strict=True):
        if (right - left) * scale >= 1.5 * _LETTER * len(words):
            label.set_rotation(0)
    for one in (upper, lower):
        one.tick_params(axis="x", which="both", length=0)
    edges: dict[str, list[float]] = {}
    for slot in slots:
        edges.setdefault(slot.part, []).extend([slot.left, slot.left + slot.width])
    lines = {part: part.split("_", 1) for part in edges}
    fits = all(
        (max(places) - min(places)) * scale >= _LETTER * max(map(len, lines[part]))
        for part, places in edges.items()
    )
    top = upper.secondary_xaxis("top")
    top.set_xticks([(min(places) + max(places)) / 2 for places in edges.values()])
    top.set_xticklabels(["\n".join(lines[part]) for part in edges], fontsize=6, rotation=0 if fits else 90)
    top.tick_params(length=0)
    lower.set_xlabel("stages in the order of time")


def _groups(slots: Sequence[_Slot]) -> list[tuple[float, float, str]]:
    """Return left, right and name of each stage; numbered stages of one name in a row are one group."""
    found: list[tuple[str, str, list[_Slot]]] = []
    for slot in slots:
        match = re.fullmatch(r"(.+)_\d+", slot.name)
        stem = match[1] if match else slot.name
        if match and found and found[-1][:2] == (slot.part, stem):
            found[-1][2].append(slot)
        else:
            found.append((slot.part, stem, [slot]))
    return [
        (
            group[0].left,
            group[-1].left + group[-1].width,
            group[0].name if len(group) == 1 else f"{group[0].name} to {group[-1].name.removeprefix(stem + '_')}",
        )
        for _, stem, group in found
    ]
