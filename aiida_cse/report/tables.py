"""Tidy tables of the results of a production in CSV, from its file of results alone."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from aiida_cse.report.results import ObservableResult, Results

__all__ = ["write_table", "write_tables"]

Row = tuple[Any, ...]

_AXES = "xyz"


def write_tables(results: Results, folder: str | Path) -> list[Path]:
    """Write a table for each kind of result into ``folder``; return their paths.

    Each row is one observation; the unit is in the heading. An unknown value is an empty cell.
    """
    return [write_table(Path(folder) / f"{name}.csv", *table) for name, table in _tables(results).items()]


def write_table(path: Path, headings: Iterable[str], rows: Iterable[Iterable[Any]]) -> Path:
    """Write a table in CSV and return its path."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(headings)
        writer.writerows(rows)
    return path


def _tables(results: Results) -> dict[str, tuple[Row, Iterable[Row]]]:
    """Return headings and rows of each table by its name."""
    tables: dict[str, tuple[Row, Iterable[Row]]] = {
        "numbers": (("observable", "key", "value", "unit", "meaning"), _numbers(results)),
        "populations_in_time": (("time_ns", "ion", "region", "ions"), _populations_in_time(results)),
        "transitions_in_time": (("time_ns", "rule", "ion", "number", "from", "to"), _transitions_in_time(results)),
    }
    shaped: dict[str, tuple[Row, Callable[[Results, ObservableResult], Iterator[Row]]]] = {
        "populations": (
            ("ion", "region", "ions", "error_ions", "low_ions", "high_ions", "samples", "error_from"),
            _populations,
        ),
        "transitions": (("rule", "ion", "from", "to", "events"), _transitions),
        "density_profiles": (("z_A", "of", "density_per_A3", "error_per_A3"), _densities),
        "free_energy_profiles": (
            ("z_A", "ion", "free_energy_K", "error_K", "lower_bound_K"),
            _free_energies,
        ),
        "charge_integral": (("z_A", "side", "charge_e_per_A2", "error_e_per_A2"), _charge),
        "displacement_variance": (
            ("ion", "layer", "lag_ps", "axis", "variance_A2", "error_A2", "mean_A", "samples"),
            _displacements,
        ),
    }
    for name, (headings, rows) in shaped.items():
        if name in results.observables:
            tables[name] = headings, rows(results, results.observables[name])
    return tables


def _numbers(results: Results) -> Iterator[Row]:
    """Yield every value that is no list."""
    for name, observable in results.observables.items():
        for key, entry in observable.entries.items():
            if not isinstance(entry.value, list | dict):
                yield name, key, entry.value, entry.unit, entry.meaning


def _populations_in_time(results: Results) -> Iterator[Row]:
    found = results.populations_in_time
    for ion, regions in found.ions.items():
        for region, numbers in regions.items():
            for time, number in zip(found.time_ns, numbers, strict=True):
                yield time, ion, region, number


def _transitions_in_time(results: Results) -> Iterator[Row]:
    found = results.transitions_in_time
    for time, *row in zip(found.time_ns, found.ion, found.number, found.source, found.target, strict=True):
        yield time, found.rule, *row


def _populations(results: Results, found: ObservableResult) -> Iterator[Row]:
    for ion in results.system.ions:
        for region in results.populations_in_time.ions[ion]:
            key = f"n_{ion.lower()}_{region}"
            low, high = found.value(f"{key}_interval") or (None, None)
            yield (
                ion,
                region,
                found.value(key),
                found.value(f"{key}_error"),
                low,
                high,
                found.value(f"{key}_samples"),
                # results of earlier versions do not say it
                found.values.get(f"{key}_error_from"),
            )


def _transitions(results: Results, found: ObservableResult) -> Iterator[Row]:
    regions = found.value("regions")
    for rule, counted in found.value("by_rule").items():
        for ion in results.system.ions:
            for source, row in zip(regions, counted[f"matrix_{ion.lower()}"], strict=True):
                for target, events in zip(regions, row, strict=True):
                    if source != target:
                        yield rule, ion, source, target, events


def _densities(results: Results, found: ObservableResult) -> Iterator[Row]:
    """Yield the densities of the atom types and of the points of the ions."""
    names = [*results.system.composition, *(f"point_{ion.lower()}" for ion in results.system.ions)]
    for name in names:
        columns = (found.value(key) for key in ("z_A", f"{name}_per_A3", f"{name}_error_per_A3"))
        for z, density, error in zip(*columns, strict=True):
            yield z, name, density, error


def _free_energies(results: Results, found: ObservableResult) -> Iterator[Row]:
    for ion in results.system.ions:
        keys = ("z_A", *(f"{ion.lower()}{part}_K" for part in ("", "_error", "_lower_bound")))
        for z, energy, error, bound in zip(*map(found.value, keys), strict=True):
            yield z, ion, energy, error, bound


def _charge(_: Results, found: ObservableResult) -> Iterator[Row]:
    for side in ("left", "right"):
        keys = ("z_A", f"{side}_e_per_A2", f"{side}_error_e_per_A2")
        for z, charge, error in zip(*map(found.value, keys), strict=True):
            if charge is not None:
                yield z, side, charge, error


def _displacements(results: Results, found: ObservableResult) -> Iterator[Row]:
    for ion in results.system.ions:
        key = ion.lower()
        variances, errors, means, samples = (
            found.value(f"{key}_{part}") for part in ("variance_A2", "error_A2", "mean_A", "samples")
        )
        for row, layer in enumerate(found.value(f"{key}_layers")):
            for column, lag in enumerate(found.value("lags_ps")):
                for axis, name in enumerate(_AXES):
                    values = (part[row][column][axis] for part in (variances, errors, means))
                    yield ion, layer, lag, name, *values, samples[row][column]
