"""Tidy tables of results: each row is one observation, each column has its unit and its meaning.

The tables of one run are made from its file of results (:func:`tables_of_results`), those of a process by the same
code, with the run and its temperature in front (:func:`tables_of`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiida_cse.report.findings import Findings, RunFindings
from aiida_cse.report.kinetics import KINETICS_FILENAME, KineticsResults, rates_by_law, rates_of
from aiida_cse.report.results import ObservableResult, Results, save_json
from aiida_cse.report.words import of_form

__all__ = ["Column", "TidyTable", "tables_of", "tables_of_results", "write_kinetics", "write_tables"]

Row = tuple[Any, ...]
#: name, unit and meaning of each column
Columns = tuple[tuple[str, str, str], ...]

_AXES = "xyz"
_SIDES = ("left", "right")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name
        Its heading, which ends with the unit if it has one, as ``z_A``.
    unit
        Its unit; empty without one.
    meaning
        Its meaning.
    """

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class TidyTable:
    """A table.

    Attributes
    ----------
    name
        Name of its file, without suffix.
    title
        Its content in one sentence.
    columns
        Its columns.
    rows
        One observation each; an unknown value is None.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def headings(self) -> list[str]:
        """The headings of the columns."""
        return [column.name for column in self.columns]

    @property
    def csv(self) -> str:
        """The table in CSV; an unknown value is an empty cell."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(self.headings)
        writer.writerows(self.rows)
        return file.getvalue()

    def write(self, folder: Path) -> Path:
        """Write the table in CSV into a folder and return its path."""
        path = folder / f"{self.name}.csv"
        path.write_text(self.csv, encoding="utf-8")
        return path


def write_tables(results: Results, folder: str | Path) -> list[Path]:
    """Write a table for each kind of result of a run into ``folder``; return their paths."""
    return [table.write(Path(folder)) for table in tables_of_results(results)]


def write_kinetics(results: KineticsResults, folder: Path) -> list[Path]:
    """Write ``kinetics.json`` and tables of rates, laws and observations into ``folder``; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    save_json(results, folder / KINETICS_FILENAME)
    tables = _kinetics_tables(results.kinetics)
    return [folder / KINETICS_FILENAME, *(table.write(folder) for table in tables if table.rows)]


# -- one run -------------------------------------------------------------------------------------------------


def tables_of_results(results: Results) -> list[TidyTable]:
    """Return the tables of one run."""
    with of_form(results.label):
        every = [row for name, one in results.observables.items() for row in _entries(name, one)]
        numbers, events = results.populations_in_time, results.transitions_in_time
        numbers_in_time = (
            (time, ion, region, number)
            for ion, regions in numbers.ions.items()
            for region, series in regions.items()
            for time, number in zip(numbers.time_ns, series, strict=True)
        )
        seen = zip(events.time_ns, events.ion, events.number, events.source, events.target, strict=True)
        events_in_time = ((time, events.rule, *row) for time, *row in seen)
        found = [
            _table("numbers", "Every result that is a number, a word or an interval", _NUMBERS, every),
            _table(
                "populations_in_time",
                "Numbers of ions per region over time",
                (
                    ("time_ns", "ns", "Middle of an interval of time, from the first frame of the reduction"),
                    ("ion", "", "Name of the ion"),
                    ("region", "", "Name of the region"),
                    ("ions", "ions", "Mean number of these ions in the region"),
                ),
                numbers_in_time,
            ),
            _table(
                "transitions_in_time",
                "Each transition of an ion between two regions",
                (
                    (
                        "time_ns",
                        "ns",
                        "Time of the frame in which it was seen, from the first frame of the reduction",
                    ),
                    ("rule", "", "Counting rule"),
                    ("ion", "", "Name of the ion"),
                    ("number", "", "Number of the ion within its species, from 0"),
                    ("from", "", "Region that it left"),
                    ("to", "", "Region that it entered"),
                ),
                events_in_time,
            ),
        ]
    for name, title, columns, rows in _SHAPED:
        if name in results.observables:
            with of_form(f"{results.label}.{name}"):
                found.append(_table(name, title, columns, rows(results, results.observables[name])))
    return found


def _table(name: str, title: str, columns: Columns, rows: Iterable[Row]) -> TidyTable:
    return TidyTable(name, title, tuple(Column(*column) for column in columns), tuple(rows))


_NUMBERS: Columns = (
    ("observable", "", "Name of the result"),
    ("key", "", "Its key in the result node"),
    ("value", "", "Its value in the unit of the column `unit`; empty for an interval, and if it is not known"),
    ("unit", "", "Its unit"),
    ("meaning", "", "Its meaning"),
    ("low", "", "Lower end, if it is an interval, in the same unit"),
    ("high", "", "Upper end, if it is an interval; empty if there is none"),
)


def _entries(name: str, observable: ObservableResult) -> Iterator[Row]:
    """Yield every value of a result that is no list, and every interval."""
    for key, entry in observable.entries.items():
        value = entry.value
        if "_interval" in key and isinstance(value, list) and len(value) == len(("low", "high")):
            yield name, key, None, entry.unit, entry.meaning, *value
        elif not isinstance(value, list | dict):
            yield name, key, value, entry.unit, entry.meaning, None, None


def _populations(results: Results, found: ObservableResult) -> Iterator[Row]:
    for ion in results.system.ions:
        for region in results.populations_in_time.ions[ion]:
            key = f"n_{ion.lower()}_{region}"
            low, high = found.values.get(f"{key}_interval") or (None, None)
            # results of earlier versions lack the reasons
            told = (found.values.get(f"{key}_{name}") for name in ("samples", "error_from", "reason"))
            yield ion, region, found.value(key), found.values.get(f"{key}_error"), low, high, *told


def _transitions(results: Results, found: ObservableResult) -> Iterator[Row]:
    regions = found.value("regions")
    for rule, counted in found.value("by_rule").items():
        for ion in results.system.ions:
            for source, row in zip(regions, counted[f"matrix_{ion.lower()}"], strict=True):
                for target, events in zip(regions, row, strict=True):
                    if source != target:
                        yield rule, ion, source, target, events


def _densities(results: Results, found: ObservableResult) -> Iterator[Row]:
    """Yield the densities of the atom types and of the points of the ions, which may have bins of their own."""
    points = found.values.get("point_z_A") or found.value("z_A")
    names = [(name, found.value("z_A")) for name in results.system.composition]
    names += [(f"point_{ion.lower()}", points) for ion in results.system.ions]
    for name, places in names:
        if f"{name}_per_A3" not in found.entries:
            continue
        densities, errors = found.value(f"{name}_per_A3"), found.value(f"{name}_error_per_A3")
        for z, density, error in zip(places, densities, errors, strict=True):
            yield z, name, density, error


def _free_energies(results: Results, found: ObservableResult) -> Iterator[Row]:
    for ion in results.system.ions:
        keys = ("z_A", *(f"{ion.lower()}{part}_K" for part in ("", "_error", "_lower_bound")))
        for z, energy, error, bound in zip(*map(found.value, keys), strict=True):
            yield z, ion, energy, error, bound


def _charge(_: Results, found: ObservableResult) -> Iterator[Row]:
    for side in _SIDES:
        keys = ("z_A", f"{side}_e_per_A2", f"{side}_error_e_per_A2")
        for z, charge, error in zip(*map(found.value, keys), strict=True):
            if charge is not None:
                yield z, side, charge, error


def _displacements(results: Results, found: ObservableResult) -> Iterator[Row]:
    """Yield variance and mean of the displacements by ion, layer of the start, lag and axis."""
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


_SHAPED: tuple[tuple[str, str, Columns, Callable[[Results, ObservableResult], Iterable[Row]]], ...] = (
    (
        "populations",
        "Mean numbers of ions per region",
        (
            ("ion", "", "Name of the ion"),
            ("region", "", "Name of the region; `excess` is the number in the ceramic minus that of the start"),
            ("ions", "ions", "Mean number"),
            ("error_ions", "ions", "Its standard error"),
            ("low_ions", "ions", "Lower end of its interval at the `level` of the settings"),
            ("high_ions", "ions", "Upper end"),
            ("samples", "", "Number of independent samples"),
            ("error_from", "", "Estimate of the error, from the variance over time or between ions"),
            ("reason", "", "Why there is no interval"),
        ),
        _populations,
    ),
    (
        "transitions",
        "Numbers of transitions between regions under each counting rule",
        (
            ("rule", "", "Counting rule"),
            ("ion", "", "Name of the ion"),
            ("from", "", "Region that was left"),
            ("to", "", "Region that was entered"),
            ("events", "events", "Number of transitions"),
        ),
        _transitions,
    ),
    (
        "density_profiles",
        "Number densities along the normal of the slab",
        (
            ("z_A", "Å", "Centre of the bin, from the mid-plane of the slab"),
            ("of", "", "Label of the atom type, or `point_` and the ion for the points that stand for ions"),
            ("density_per_A3", "Å⁻³", "Number density"),
            ("error_per_A3", "Å⁻³", "Its standard error"),
        ),
        _densities,
    ),
    (
        "free_energy_profiles",
        "Free energies along the normal of the slab",
        (
            ("z_A", "Å", "Centre of the bin, from the mid-plane of the slab"),
            ("ion", "", "Name of the ion"),
            ("free_energy_K", "K", "F / k_B; empty for a bin without a visit"),
            ("error_K", "K", "Its standard error"),
            ("lower_bound_K", "K", "Lower bound of an empty bin"),
        ),
        _free_energies,
    ),
    (
        "charge_integral",
        "Integral of the charge density from either end of the box",
        (
            ("z_A", "Å", "Centre of the bin, from the mid-plane of the slab"),
            ("side", "", "End of the box from which the integral starts"),
            ("charge_e_per_A2", "e Å⁻²", "Integral from this end to z"),
            ("error_e_per_A2", "e Å⁻²", "Its standard error"),
        ),
        _charge,
    ),
    (
        "displacement_variance",
        "Variance of the displacements of ions by the layer in which they start",
        (
            ("ion", "", "Name of the ion"),
            ("layer", "", "Name of the layer"),
            ("lag_ps", "ps", "Lag"),
            ("axis", "", "x, y, or z, the normal of the slab"),
            ("variance_A2", "Å²", "Variance of the displacement"),
            ("error_A2", "Å²", "Its standard error"),
            ("mean_A", "Å", "Mean displacement"),
            ("samples", "", "Number of displacements"),
        ),
        _displacements,
    ),
)

# -- a process -----------------------------------------------------------------------------------------------

_RUN: tuple[Column, ...] = (
    Column("run", "", "Label of the run"),
    Column("temperature_K", "K", "Its temperature"),
)


def tables_of(findings: Findings) -> list[TidyTable]:
    """Return the tables of all runs of a process, of its kinetics, looks and stages; those with rows."""
    tables: dict[str, TidyTable] = {}
    for run in findings.runs.values():
        for table in tables_of_results(run.results):
            rows = tuple((run.label, run.temperature, *row) for row in table.rows)
            if table.name in tables:
                rows = tables[table.name].rows + rows
            tables[table.name] = TidyTable(table.name, table.title, (*_RUN, *table.columns), rows)
    joint = {
        "kinetics": findings.kinetics,
        "shifts": findings.shifts,
        "comparison": findings.comparison,
        **{f"starts {label}": starts for label, starts in findings.starts.items()},
    }
    numbers = [row for name, one in joint.items() if one is not None for row in _entries(name, one)]
    found = [*tables.values(), _table("joint_numbers", "Results of several runs together", _NUMBERS, numbers)]
    with of_form("runs"):
        found.insert(0, _runs(findings.runs))
    with of_form("kinetics"):
        found += () if findings.kinetics is None else _kinetics_tables(findings.kinetics)
    with of_form("looks"):
        found.append(_looks(findings.runs))
    with of_form("stages"):
        records = [
            {"part": part, **stage} for part, part_stages in findings.stages.items() for stage in part_stages
        ]
        found.append(_records("stages", "Each stage of the simulations with its averages", records))
    with of_form("checks"):
        checks = findings.validation.get("checks", {}).get("checks")
        found.append(_records("checks", "Known and found of a validation", checks))
    return [table for table in found if table.rows]


def _runs(runs: Mapping[str, RunFindings]) -> TidyTable:
    """Return one row per run: its sampling, its verdict, and its nodes."""
    columns: Columns = (
        ("start_ns", "ns", "Start of the time that was analysed, from the first frame"),
        ("end_ns", "ns", "Its end"),
        ("frames", "", "Number of frames of the reduction"),
        ("frame_ps", "ps", "Time between them"),
        ("timestep_fs", "fs", "Timestep"),
        ("atoms", "", "Number of atoms"),
        ("rule", "", "Counting rule of the transitions"),
        ("equilibrated", "", "The verdict; empty without one"),
        ("not_known", "", "Results that there are not, each with the reason"),
        ("nodes", "", "UUID of each result node"),
    )
    rows = []
    for run in runs.values():
        results = run.results
        window: Mapping[str, Any] = next(iter(run.scalars.values()), {})
        rows.append(
            (
                run.label,
                run.temperature,
                window.get("start_ns"),
                window.get("end_ns"),
                results.sampling.frames,
                results.sampling.frame_ps,
                results.sampling.timestep_fs,
                results.system.natoms,
                results.transitions_in_time.rule,
                run.equilibrated,
                "; ".join(f"{name}: {reason}" for name, reason in run.missing.items()),
                "; ".join(f"{name} {uuid}" for name, uuid in run.uuids.items()),
            )
        )
    return TidyTable(
        "runs",
        "The runs: sampling, verdict, missing results and nodes",
        (*_RUN, *(Column(*column) for column in columns)),
        tuple(rows),
    )


def _looks(runs: Mapping[str, RunFindings]) -> TidyTable:
    """Return the verdict at each look of an adaptive run."""
    columns: Columns = (
        ("look", "", "Number of the look"),
        ("end_ns", "ns", "Length of the run at the look"),
        ("equilibrated", "", "The verdict at the look"),
        ("ec", "", "Equilibration coefficient"),
        ("ec_lower_bound", "", "Its one-sided lower bound"),
        ("entries", "events", "Entries into the ceramic so far"),
        ("exits", "events", "Exits so far"),
        ("rate_upper_bound_per_s", "s⁻¹", "Upper bound of the rate of entries"),
        ("reasons", "", "One sentence per criterion"),
    )
    rows = []
    for run in runs.values():
        for look in run.looks:
            reasons = look.get("reasons")
            words = "; ".join(map(str, reasons)) if isinstance(reasons, list | tuple) else str(reasons or "")
            rows.append((run.label, run.temperature, *(look.get(name) for name, _, _ in columns[:-1]), words))
    return TidyTable(
        "looks",
        "The verdict at each look of an adaptive run",
        (*_RUN, *(Column(*column) for column in columns)),
        tuple(rows),
    )


_STAGE_UNITS = {
    "ns_per_day": "ns/day",
    "wall_seconds": "s",
    "_K": "K",
    "_atm": "atm",
    "_g_cm3": "g/cm³",
    "_A": "Å",
    "_ps": "ps",
    "_fs": "fs",
    "_kcal_per_mol": "kcal/mol",
}


def _records(name: str, title: str, records: Sequence[Mapping[str, Any]] | None) -> TidyTable:
    """Return a table of records, which need not all have the same keys; lists and mappings are left out.

    The unit of a column follows from the ending of its key.
    """
    records = records or ()
    keys = dict.fromkeys(
        key for record in records for key, value in record.items() if not isinstance(value, list | dict)
    )
    units = {
        key: next((unit for ending, unit in _STAGE_UNITS.items() if key.endswith(ending)), "") for key in keys
    }
    columns = tuple(Column(key, units[key], key.replace("_", " ")) for key in keys)
    return TidyTable(name, title, columns, tuple(tuple(record.get(key) for key in keys) for record in records))


_RATE_COLUMNS: Columns = (
    ("temperature_K", "K", "Temperature"),
    ("rate_per_s", "s⁻¹", "Rate of entries per ion in a first layer, median of the posterior"),
    ("low_per_s", "s⁻¹", "Lower end of its interval"),
    ("high_per_s", "s⁻¹", "Upper end"),
    ("lower_bound_per_s", "s⁻¹", "Cautious one-sided lower bound"),
    ("upper_bound_per_s", "s⁻¹", "Cautious one-sided upper bound; empty if there is none"),
    ("extrapolated", "", "Whether the temperature lies outside those of the runs"),
)
_LAW_COLUMNS: Columns = (
    ("law", "", "Law of the temperature dependence; `averaged` over the laws with the evidence as weight"),
    ("weight", "", "Its posterior probability"),
    ("log_evidence", "", "Natural logarithm of its evidence"),
    ("refuted", "", "Whether the data refute it"),
)


def _kinetics_tables(found: ObservableResult) -> list[TidyTable]:
    """Return the tables of rates, laws and observations of a result of kinetics."""
    values, law_columns = found.values, (*_LAW_COLUMNS, *_RATE_COLUMNS)
    rates = (tuple(rate[key] for key, _, _ in _RATE_COLUMNS) for rate in rates_of(values))
    laws = (tuple(rate[key] for key, _, _ in law_columns) for rate in rates_by_law(values))
    # nodes of earlier versions have no measured rates
    measured = values.get("crossings") or ()
    return [
        _table("rates", "Rates over temperature", _RATE_COLUMNS, rates),
        _table("laws", "Rates under each law", law_columns, laws),
        _records("observations", "The counted entries of each run that the fit used", values["observations"]),
        _records("crossings", "Rates that were measured without counting", measured),
    ]
