"""Findings of three small runs, made without a profile, and what tests ask of drawn figures."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D

from aiida_cse.analysis.kinetics import KINETICS, KineticsSettings, kinetics
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import analyse_separately
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.report.findings import Findings, Origin, RunFindings, by_temperature
from aiida_cse.report.results import collect_results, describe_result
from tests.nodes import state

#: temperature of each run, and whether it has equilibrated
RUNS = {700.0: True, 600.0: True, 500.0: False}


@pytest.fixture(scope="session")
def findings() -> Findings:
    """Three runs of one trajectory said to be at 700, 600 and 500 K, the last off equilibrium and without entries.

    The counts at 600 K are changed so that the laws are determined.
    """
    reduction = state()
    settings = AnalysisSettings.model_validate({"minimum_excess": -2, "start_ns": 0.2e-3})
    results = collect_results(
        *((production := ReducedProduction(reduction, 700.0, settings)), *analyse_separately(production)), label=""
    )
    runs = {}
    for kelvin, equilibrated in RUNS.items():
        scalars = deepcopy(results.scalars())
        for found in scalars.values():
            found["temperature_K"] = kelvin
        scalars["equilibration"]["equilibrated"] = equilibrated
        _set_entries(scalars["transitions"], {700.0: 12, 600.0: 6, 500.0: 0}[kelvin])
        label = f"T{kelvin:04.0f}_r1"
        looks = [] if equilibrated else [_look(1, 0.5e-3), _look(2, 1.1e-3)]
        runs[label] = RunFindings(label, kelvin, scalars, results.missing, lambda: results, looks=looks)
    asked = KineticsSettings(temperatures=[400.0, 600.0, 700.0], samples=20_000)
    found = kinetics({label: run.scalars for label, run in runs.items()}, asked)
    return Findings(Origin("folders", "test"), by_temperature(runs), kinetics=describe_result(KINETICS, found))


def _set_entries(found: dict[str, Any], entries: int) -> None:
    """Give a result ``transitions`` this number of entries of Li in 1 ion ns."""
    for suffix in ("", "_conditioned"):
        key = f"rate_in_li_ceramic{suffix}_per_ion_per_s"
        found |= {
            f"s_in_li_ceramic{suffix}": entries,
            key: entries * 1e9,
            f"{key}_interval": [0.5e9 * entries, 2e9 * entries + 3e9],
            f"dispersion_li_ceramic{suffix}": 1.0,
        }
    found |= {"exposure_li_ceramic_ion_ns": 1.0, "exposure_conditioned_ion_ns": 1.0}


def _look(number: int, end_ns: float) -> dict[str, Any]:
    return {
        "look": number,
        "end_ns": end_ns,
        "equilibrated": number == 2,
        "ec": 0.3 * number,
        "ec_lower_bound": 0.2 * number,
        "entries": 4 * number,
        "exits": 3 * number,
        "criteria": {"bound_level": 0.975, "minimum_coefficient": 0.5, "minimum_lower_bound": 0.25},
    }


def lines(axes: Axes, label: str) -> list[Line2D]:
    """Return the lines of a panel with this label."""
    return [line for line in axes.get_lines() if line.get_label() == label]


def bars(axes: Axes, label: str) -> list[ErrorbarContainer]:
    """Return the points with error bars of a panel with this label, in the order in which they were drawn."""
    return [one for one in axes.containers if isinstance(one, ErrorbarContainer) and one.get_label() == label]


def point(bar: ErrorbarContainer) -> tuple[float, float]:
    """Return x and y of a point with error bars."""
    (x,), (y,) = bar.lines[0].get_data()
    return float(x), float(y)


def reach(bar: ErrorbarContainer) -> list[float]:
    """Return the ends of the vertical bar of a point."""
    (segments,) = (one for one in bar.lines[2] if np.ptp(one.get_segments()[0][:, 0]) == 0)
    return [float(end) for end in segments.get_segments()[0][:, 1]]


def is_filled(bar: ErrorbarContainer) -> bool:
    """Return whether the marker of a point is filled."""
    return bar.lines[0].get_markerfacecolor() != "white"
