"""Joint kinetics of several analysed runs: from their files of results, to ``kinetics.json`` and its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aiida_cse.analysis.kinetics import KINETICS, KineticsSettings, kinetics
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.analysis.shifts import SHIFTS, shifts
from aiida_cse.reduction.state import State
from aiida_cse.report.results import (
    FILENAME,
    ObservableResult,
    Results,
    describe_result,
    load_json,
    load_results,
)
from aiida_cse.schema import StrictModel, located
from aiida_cse.version import __version__

__all__ = [
    "KINETICS_FILENAME",
    "AnalysedRun",
    "KineticsResults",
    "join_runs",
    "load_kinetics",
    "load_runs",
    "rates_by_law",
    "rates_of",
]

KINETICS_FILENAME = "kinetics.json"
STATE_FILENAME = "state.npz"


@dataclass(frozen=True)
class AnalysedRun:
    """A run with its results and, if it is there, its reduction."""

    label: str
    results: Results
    production: ReducedProduction | None

    def same_trajectory(self, other: AnalysedRun) -> bool:
        """Return whether both are of one trajectory: by a file of theirs, else by the frames that both have."""
        mine, others = ({source.sha256 for source in run.results.sources} for run in (self, other))
        if mine & others - {None}:
            return True
        if self.production is None or other.production is None:
            return False
        one, two = self.production.reduction, other.production.reduction
        start, stop = max(one.start, two.start), min(one.stop, two.stop)
        if stop - start < 2 or one.config.frame_steps != two.config.frame_steps:
            return False
        first, second = slice(start - one.start, stop - one.start), slice(start - two.start, stop - two.start)
        return np.array_equal(one.centres[first], two.centres[second]) and np.array_equal(
            one.region_counts[first], two.region_counts[second]
        )


class KineticsResults(StrictModel):
    """Joint kinetics of several runs.

    Attributes
    ----------
    schema_name
        Name of this form.
    schema_version
        Version of this form.
    program_version
        Version of aiida-cse that wrote the file.
    runs
        Temperature of each run by its label, K.
    settings
        See :class:`~aiida_cse.analysis.kinetics.KineticsSettings`.
    kinetics
        The fit; see the result ``kinetics``.
    shifts
        The shift Δz from the profiles of the runs; null without it.
    notes
        Why there is no shift, and what else was left out.
    """

    schema_name: Literal["aiida-cse kinetics"] = "aiida-cse kinetics"
    schema_version: Literal[1] = 1
    program_version: str
    runs: dict[str, float]
    settings: dict[str, Any]
    kinetics: ObservableResult
    shifts: ObservableResult | None
    notes: tuple[str, ...]


def load_runs(folders: Sequence[Path]) -> list[AnalysedRun]:
    """Return the runs that were analysed into these folders.

    A run is labelled by the name of its folder, or by the path if two names are equal.

    Raises
    ------
    ValueError
        A folder has no results, a file of it cannot be read, or a folder or its trajectory is given twice.
    """
    paths = [folder.resolve() for folder in folders]
    for folder, path in zip(folders, paths, strict=True):
        if paths.count(path) > 1:
            raise ValueError(f"{folder}: is given twice; each run counts once")
        if not (folder / FILENAME).is_file():
            raise ValueError(f"{folder}: has no {FILENAME}; make it with: aiida-cse analyse FILES --out {folder}")
    names = [path.name for path in paths]
    found: list[AnalysedRun] = []
    for folder, name in zip(folders, names, strict=True):
        results = load_results(folder / FILENAME)
        production = None
        if (state := folder / STATE_FILENAME).is_file():
            with located(folder / FILENAME):
                settings = AnalysisSettings.model_validate(results.settings)
            production = ReducedProduction(State.load(state), results.temperature_K, settings)
        run = AnalysedRun(name if names.count(name) == 1 else str(folder), results, production)
        for earlier in found:
            if run.same_trajectory(earlier):
                raise ValueError(f"{folder}: has the same trajectory as {earlier.label}; give one of them")
        found.append(run)
    return found


def join_runs(runs: Sequence[AnalysedRun], settings: KineticsSettings) -> KineticsResults:
    """Fit the entries of all runs, with the shift Δz of their profiles unless the settings give one.

    Raises
    ------
    ValueError
        The runs are of different ions or rules, or lack what the fit needs.
    """
    found, notes = None, []
    productions = {run.label: run.production for run in runs if run.production is not None}
    if settings.shifts is None and len({run.results.temperature_K for run in runs}) > 1:
        try:
            found = shifts(productions)
        except ValueError as error:
            notes.append(f"Δz from the profiles is not known: {error}")
    parts = {run.label: run.results.scalars() for run in runs}
    return KineticsResults(
        program_version=__version__,
        runs={run.label: run.results.temperature_K for run in runs},
        settings=settings.model_dump(mode="json"),
        kinetics=describe_result(KINETICS, kinetics(parts, settings, found)),
        shifts=None if found is None else describe_result(SHIFTS, found),
        notes=tuple(notes),
    )


def load_kinetics(path: Path) -> KineticsResults:
    """Read a file ``kinetics.json``.

    Raises
    ------
    ValueError
        The file cannot be read, is of another form or version, or a field of it is wrong; names the file.
    """
    return load_json(path, KineticsResults, "a file of joint kinetics", "repeat: aiida-cse kinetics")


def rates_of(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield temperature, rate, interval and bounds of each wanted temperature of a result of kinetics."""
    for name in [key[: -len("_per_s")] for key in found if key.startswith("rate_") and key.endswith("K_per_s")]:
        low, high = found[f"{name}_interval_per_s"] or (None, None)
        yield {
            "temperature_K": float(name[len("rate_") : -1]),
            "rate_per_s": found[f"{name}_per_s"],
            "low_per_s": low,
            "high_per_s": high,
            "lower_bound_per_s": found[f"{name}_lower_bound_per_s"],
            "upper_bound_per_s": found[f"{name}_upper_bound_per_s"],
            "extrapolated": found[f"{name}_extrapolated"],
        }


def rates_by_law(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rates of each law with its weight, and those of the average, which has neither weight nor bounds.

    Results of earlier versions have Arrhenius' law alone, and nothing is yielded.
    """
    for law, values in found.get("by_law", {}).items():
        told = {
            "weight": values["weight"],
            "log_evidence": values["log_evidence"],
            "refuted": law not in found["laws"],
        }
        for rate in rates_of(values):
            yield {"law": law, **told, **rate}
    for rate in rates_of(found) if "by_law" in found else ():
        name = f"averaged_rate_{round(rate['temperature_K']):04d}K"
        low, high = found[f"{name}_interval_per_s"] or (None, None)
        average = {"rate_per_s": found[f"{name}_per_s"], "low_per_s": low, "high_per_s": high}
        nothing = dict.fromkeys(("weight", "log_evidence", "refuted", "lower_bound_per_s", "upper_bound_per_s"))
        yield {"law": "averaged", **rate, **average, **nothing}
