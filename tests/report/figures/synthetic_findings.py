"""Findings of two runs of the synthetic system, without a profile, and changes to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import analyse_separately
from aiida_cse.analysis.shifts import SHIFTS
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.report.findings import Findings, Origin, RunFindings
from aiida_cse.report.results import Entry, Results, collect_results, describe_result
from tests.reduction import synthetic

TEMPERATURES = (700.0, 600.0)
#: Δz of the charge integrals, and Δz and rise of F of the free energies at 600 K
DZ, DZ_FREE_ENERGY, RISE = 0.3, 0.18, 360.0


@cache
def two_runs() -> Findings:
    """Return findings of two runs with all observables and shifts between them."""
    runs = {}
    for seed, temperature in enumerate(TEMPERATURES, 3):
        with TemporaryDirectory() as folder:
            path = synthetic.write_dcd(Path(folder) / "trajectory.dcd", synthetic.make(seed, 120).positions)
            state = reduce_segments([path], synthetic.config())
        production = ReducedProduction(state, temperature)
        label = f"T{temperature:04.0f}_r1"
        runs[label] = run_of(collect_results(production, *analyse_separately(production), label=label))
    return Findings(origin=Origin("folders", "synthetic"), runs=runs, shifts=describe_result(SHIFTS, _shifts()))


def run_of(results: Results) -> RunFindings:
    return RunFindings(results.label, results.temperature_K, results.scalars(), results.missing, lambda: results)


def _shifts() -> dict[str, Any]:
    sides = {
        f"{name}_0600K_{side}{error}_{unit}": 0.05 * value if error else value
        for side in ("left", "right")
        for name, value, unit in (("dz_free_energy", DZ_FREE_ENERGY, "A"), ("df", RISE, "K"))
        for error in ("", "_error")
    }
    triples = [[700.0, 0.0, 0.0], [600.0, DZ, 0.04]]
    return {"reference_temperature_K": 700.0, "ion": "li", "shifts": triples, "reasons": [], **sides}


def changed(
    findings: Findings, observable: str, entries: Mapping[str, Any], *, drop: Collection[str] = ()
) -> Findings:
    """Return findings whose runs have other values of an observable, and lack the keys of ``drop``."""
    runs = {}
    for label, run in findings.runs.items():
        results = run.results
        result = results.observables[observable]
        values = {key: Entry(value=value, unit="", meaning="") for key, value in entries.items()}
        kept = {key: entry for key, entry in (result.entries | values).items() if key not in drop}
        result = result.model_copy(update={"entries": kept})
        runs[label] = run_of(
            results.model_copy(update={"observables": results.observables | {observable: result}})
        )
    return replace(findings, runs=runs)


def without(findings: Findings, *observables: str) -> Findings:
    """Return findings whose runs lack observables, for the reason "not asked for"."""
    runs = {}
    for label, run in findings.runs.items():
        results = run.results
        kept = {name: one for name, one in results.observables.items() if name not in observables}
        missing = results.missing | dict.fromkeys(observables, "not asked for")
        runs[label] = run_of(results.model_copy(update={"observables": kept, "missing": missing}))
    return replace(findings, runs=runs)
