"""Runs as figures show them: ions, intervals, places on an axis of temperature, and their sampling in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from aiida_cse.report.figures.registry import NotDrawableError
from aiida_cse.report.figures.style import proxy
from aiida_cse.report.findings import Findings, RunFindings

__all__ = [
    "deciding_ion",
    "ends",
    "exchanging_ions",
    "legend_below",
    "level_words",
    "open_proxy",
    "places",
    "rule_words",
    "runs_with",
    "sampling_words",
    "temperature_axis",
    "verdict_marks",
    "verdict_words",
]

Floats = NDArray[np.float64]
#: K; distance of runs at one temperature as a share of the range of the axis
_APART = 0.018


def runs_with(findings: Findings, *names: str) -> dict[str, RunFindings]:
    """Return the runs by label that have these results.

    Raises
    ------
    NotDrawableError
        None has them; names what is missing of the first run.
    """
    found = {label: run for label, run in findings.runs.items() if all(name in run.scalars for name in names)}
    if found:
        return found
    if not findings.runs:
        raise NotDrawableError("there are no runs: no production has been analysed")
    run = next(iter(findings.runs.values()))
    absent = next(name for name in names if name not in run.scalars)
    raise NotDrawableError(f"no run has the result {absent!r}: {run.missing.get(absent, 'it was not computed')}")


def exchanging_ions(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the region whose entries count by the key of each ion, from a result ``equilibration``."""
    matches = (re.fullmatch("ec_([a-z][a-z0-9]*)_(ceramic|layer)", key) for key in found)
    return {match[1]: match[2] for match in matches if match is not None}


def deciding_ion(run: RunFindings) -> str:
    """Return the key of the first of the ions that decide the verdict."""
    return str(run.scalars["equilibration"]["decided_by"][0]).lower()


def ends(found: Mapping[str, Any], key: str) -> tuple[float, float]:
    """Return the ends of a stored interval, NaN where there is none or an end is unknown."""
    low, high = np.array(found.get(key) or (None, None), dtype=np.float64).tolist()
    return low, high


def places(runs: Sequence[RunFindings]) -> Floats:
    """Return the place of each run on an axis of temperature, K: those of one temperature stand side by side."""
    temperatures = np.array([run.temperature for run in runs])
    apart = _APART * (float(np.ptp(temperatures)) or 100.0)
    found = temperatures.astype(np.float64)
    for kelvin in np.unique(temperatures):
        same = np.flatnonzero(temperatures == kelvin)
        found[same] += apart * (np.arange(len(same)) - (len(same) - 1) / 2)
    return found


def verdict_marks(colour: str, *, equilibrated: bool | None) -> dict[str, Any]:
    """Return the style of a marker: filled for a positive verdict, else open."""
    return {"color": colour, "markerfacecolor": colour if equilibrated else "white", "markeredgecolor": colour}


def legend_below(figure: Figure, handles: Sequence[Any], columns: int) -> None:
    """Draw a legend below all panels, so that it covers no data."""
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def open_proxy(runs: Sequence[RunFindings]) -> list[Line2D]:
    """Return the entry of a legend that explains open markers, nothing where all verdicts are positive."""
    if all(run.equilibrated for run in runs):
        return []
    style = verdict_marks("#595959", equilibrated=False)
    unknown = any(run.equilibrated is None for run in runs)
    words = "open: not equilibrated" + (", or no verdict" if unknown else "")
    return [proxy(words, marker="o", linestyle="none", **style)]


def temperature_axis(axes: Axes, runs: Sequence[RunFindings]) -> None:
    """Set ticks at the temperatures of the runs, K."""
    kelvin = sorted({run.temperature for run in runs})
    spread = kelvin[-1] - kelvin[0] or 100.0
    axes.set_xlim(kelvin[0] - 0.12 * spread, kelvin[-1] + 0.12 * spread)
    if len(kelvin) <= 8:
        axes.set_xticks(kelvin, [f"{one:g}" for one in kelvin])
    axes.set_xlabel("temperature (K)")


# -- words of captions ---------------------------------------------------------------------------------------


def sampling_words(runs: Mapping[str, RunFindings], name: str) -> str:
    """Return the time that was analysed, frames and stride of the result ``name`` of all runs, in sentences."""
    words: dict[str, list[str]] = {}
    for label, run in runs.items():
        found = run.scalars[name]
        facts = [found.get(key) for key in ("start_ns", "end_ns", "frames", "frame_ps")]
        start, end, frames, stride = (
            f"{one:,}" if isinstance(one, int) else f"{one:g}" if isinstance(one, float) else "?" for one in facts
        )
        told = f"{start} to {end} ns after the first frame, {frames} frames {stride} ps apart"
        words.setdefault(told, []).append(label)
    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    if len(words) == 1:
        return f"Analysed: {next(iter(words))}{' in each run' if len(runs) > 1 else ''}; n = {count}."
    listed = "; ".join(f"{', '.join(labels)}: {told}" for told, labels in words.items())
    return f"Analysed: {listed}; n = {count}."


def rule_words(runs: Mapping[str, RunFindings]) -> str:
    """Return how the transitions were counted, a sentence."""
    kinds = {
        (str(run.scalars["transitions"]["rule"]), float(run.scalars["transitions"]["stride_ps"]))
        for run in runs.values()
        if "transitions" in run.scalars
    }
    told = []
    for rule, stride in sorted(kinds):
        if rule == "core":
            told.append("from core to core at every frame (rule core)")
        else:
            told.append(f"between regions in snapshots every {stride:g} ps (rule {rule})")
    return f"Transitions are counted by ion, {' or '.join(told)}." if told else ""


def level_words(runs: Mapping[str, RunFindings], key: Literal["level", "bound_level"] = "level") -> str:
    """Return a level of the criteria in per cent."""
    default = {"level": 0.95, "bound_level": 0.975}[key]
    levels = {
        float(run.scalars["equilibration"]["criteria"].get(key, default))
        for run in runs.values()
        if "equilibration" in run.scalars
    }
    return " and ".join(f"{100 * level:g} %" for level in sorted(levels or {default}))


def verdict_words(runs: Mapping[str, RunFindings]) -> str:
    """Return which runs have equilibrated, a sentence."""
    off = [label for label, run in runs.items() if run.equilibrated is False]
    unknown = [label for label, run in runs.items() if run.equilibrated is None]
    if not off and not unknown:
        return "Every run has equilibrated."
    told = [f"that have not equilibrated ({', '.join(off)})"] if off else []
    told += [f"without a verdict ({', '.join(unknown)})"] if unknown else []
    return f"Open symbols: runs {' and '.join(told)}."
