"""Exports: each format holds the numbers of the results, and a folder that a repository accepts."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from rocrate.rocrate import ROCrate

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import analyse_separately
from aiida_cse.report.export import FORMATS, Publication, crate, export_findings
from aiida_cse.report.export.datasets import dataset_of, needed_package
from aiida_cse.report.figures.registry import figures
from aiida_cse.report.findings import Findings, Origin, RunFindings
from aiida_cse.report.results import Results, collect_results, load_results
from aiida_cse.report.sources import findings_of_folders
from aiida_cse.report.tables import tables_of
from tests.nodes import interface, state

LABELS = ("T0700_r1", "T0700_r2")


@pytest.fixture(scope="module")
def results() -> Results:
    production = ReducedProduction(state(), 700.0)
    return collect_results(production, *analyse_separately(production), label="run")


@pytest.fixture(scope="module")
def findings(results: Results) -> Findings:
    """Return findings of two equal runs with the interface that they were made of."""
    run = RunFindings(
        LABELS[0], 700.0, results.scalars(), results.missing, lambda: results, uuids={"charge_integral": "abc"}
    )
    return Findings(
        Origin("study", "a study", 1, "0b2b3d9e-1111-4222-8333-444455556666"),
        {LABELS[0]: run, LABELS[1]: replace(run, label=LABELS[1])},
        recipe={"name": "small", "description": "A small interface."},
        load_phases=lambda: {"interface T0700_r1": interface()},
    )


@pytest.fixture(scope="module")
def exports(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a format, which is written once."""

    @cache
    def write(form: str) -> Path:
        folder = tmp_path_factory.mktemp("exported") / form
        with pytest.MonkeyPatch.context() as patched:
            # one of the figures, which have their own tests
            patched.setattr(crate, "figures", lambda: {"populations": figures()["populations"]})
            written = export_findings(findings, form, folder, Publication(("Ada Lovelace",), "CC-BY-4.0"))
        assert sorted(written) == sorted(path for path in folder.rglob("*") if path.is_file())
        return folder

    return write


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("form", FORMATS)
def test_the_readme_names_files_authors_licence_and_the_way_to_ship_provenance(
    exports: Callable[[str], Path], form: str
) -> None:
    exported = exports(form)
    text = (exported / "README.md").read_text(encoding="utf-8")
    files = {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()} - {"README.md"}
    assert [name for name in files if f"`{name}`" not in text] == []
    for words in (
        "Ada Lovelace",
        "CC-BY-4.0",
        "verdi archive create --nodes 0b2b3d9e-1111-4222-8333-444455556666 --",
        "Kozdra",
        "LAMMPS",
        "T0700_r2",
    ):
        assert words in text


def test_csv_holds_the_numbers_of_each_run(
    findings: Findings, results: Results, exports: Callable[[str], Path]
) -> None:
    folder = exports("csv")
    numbers = rows(folder / "numbers.csv")
    assert {row["run"] for row in numbers} == set(LABELS)
    compared = 0
    for row in numbers:
        entry = results.observables[row["observable"]].entries[row["key"]]
        if isinstance(entry.value, float):
            assert float(row["value"]) == entry.value
            assert row["unit"] == entry.unit
            compared += 1
        elif isinstance(entry.value, list):
            assert [float(row["low"]), float(row["high"])] == entry.value
    assert compared > 100
    profile = [
        row for row in rows(folder / "density_profiles.csv") if (row["run"], row["of"]) == (LABELS[1], "Li")
    ]
    found = results.observables["density_profiles"]
    np.testing.assert_array_equal([float(row["density_per_A3"]) for row in profile], found.array("Li_per_A3"))
    np.testing.assert_array_equal([float(row["z_A"]) for row in profile], found.array("z_A"))


def test_tables_describe_each_column_and_repeat_no_observation(findings: Findings) -> None:
    for table in tables_of(findings):
        assert {len(row) for row in table.rows} == {len(table.columns)}, table.name
        assert [column.name for column in table.columns if not column.meaning] == []
        if table.name in ("numbers", "populations", "free_energy_profiles"):
            assert len({row[:4] for row in table.rows}) == len(table.rows), table.name


def test_json_is_read_as_analysed_folders(
    findings: Findings, results: Results, exports: Callable[[str], Path]
) -> None:
    folder = exports("json")
    assert load_results(folder / LABELS[0] / "results.json") == results
    again = findings_of_folders([folder / label for label in LABELS])
    assert list(again.runs) == list(LABELS)
    origin = json.loads((folder / "origin.json").read_text(encoding="utf-8"))
    assert origin["process"]["uuid"] == findings.origin.uuid
    assert origin["recipe"] == findings.recipe


def test_xarray_holds_profiles_and_series_with_units(
    findings: Findings, results: Results, exports: Callable[[str], Path]
) -> None:
    folder = exports("xarray")
    with xarray.open_dataset(folder / f"{LABELS[0]}.nc") as found:
        found.load()
    assert [name for name, one in found.variables.items() if not one.attrs.get("long_name")] == []
    energies, charges = (results.observables[name] for name in ("free_energy_profiles", "charge_integral"))
    np.testing.assert_array_equal(found.free_energy.sel(ion="Li"), energies.array("li_K"))
    np.testing.assert_array_equal(found.z_free_energy, energies.array("z_A"))
    np.testing.assert_array_equal(found.charge_integral.sel(side="right"), charges.array("right_e_per_A2"))
    assert found.charge_integral.attrs["node"] == "abc"
    series = results.populations_in_time
    np.testing.assert_array_equal(found.population.sel(ion="Li", region="excess"), series.ions["Li"]["excess"])
    assert np.isnan(found.population.sel(ion="TFSI", region="excess")).all()
    np.testing.assert_array_equal(
        found.density.sel(type="Li"), results.observables["density_profiles"].array("Li_per_A3")
    )
    assert (found.free_energy.units, found.density.units, found.time.units) == ("K", "Å⁻³", "ns")
    assert found.attrs["temperature_K"] == 700
    assert found.attrs["process"] == findings.origin.uuid
    assert found.transition_source.values.tolist() == list(results.transitions_in_time.source)


def test_displacement_variances_are_a_dataset_too(findings: Findings, results: Results) -> None:
    dataset = dataset_of(findings.runs[LABELS[0]], findings.origin)
    found = results.observables["displacement_variance"].array("li_variance_A2")
    np.testing.assert_array_equal(dataset.displacement_variance_li, found)


def test_an_ro_crate_describes_every_file_that_it_names(
    findings: Findings, exports: Callable[[str], Path]
) -> None:
    folder = exports("ro-crate")
    graph: list[dict[str, Any]] = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    by_id = {entity["@id"]: entity for entity in graph}
    assert len(by_id) == len(graph)
    assert by_id["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    root = by_id["./"]
    assert {"name", "description", "datePublished", "license", "author", "citation", "hasPart"} <= root.keys()
    parts = {part["@id"] for part in root["hasPart"]}
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert parts == files - {"ro-crate-metadata.json"}
    assert "structures/interface_T0700_r1/system.data" in parts
    assert [name for name in parts if by_id[name]["@type"] != "File" or not by_id[name]["encodingFormat"]] == []
    references = [one["@id"] for entity in graph for value in entity.values() for one in listed(value)]
    assert [name for name in references if name not in by_id and not name.startswith("https://w3id.org/")] == []
    table = by_id["tables/free_energy_profiles.csv"]
    units = {by_id[one["@id"]]["name"]: by_id[one["@id"]].get("unitText") for one in table["variableMeasured"]}
    assert units["free_energy_K"] == "K"
    assert ROCrate(folder).name == "a study"


def listed(value: Any) -> list[dict[str, Any]]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def test_a_format_without_its_package_says_how_to_install_it() -> None:
    with pytest.raises(
        ValueError, match=r'format = xarray: .* install it with: pip install "aiida-cse\[export\]"'
    ):
        needed_package("no_such_package", "xarray")


def test_a_folder_with_files_and_an_unknown_format_are_refused(findings: Findings, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(ValueError, match="has files already; give a new or an empty folder"):
        export_findings(findings, "csv", tmp_path)
    with pytest.raises(ValueError, match="format = 'pdf': no format of exports; must be one of csv, json"):
        export_findings(findings, "pdf", tmp_path / "b")


def test_a_table_of_an_ill_formed_result_names_it_and_leaves_no_folder(findings: Findings, tmp_path: Path) -> None:
    ill = replace(findings, stages={"ceramic": [3]})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="stages: not of the form of results of aiida-cse: TypeError"):
        export_findings(ill, "csv", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_times_that_are_not_known_are_dashes_in_the_readme(findings: Findings, tmp_path: Path) -> None:
    label, run = next(iter(findings.runs.items()))
    ill = replace(run, scalars={"barrier": {"start_ns": None, "end_ns": "x"}})
    export_findings(replace(findings, runs={label: ill}), "csv", tmp_path / "out")
    assert " | – to – | " in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_lists_of_unequal_length_are_refused_with_the_run(findings: Findings) -> None:
    label, run = next(iter(findings.runs.items()))
    populations = run.results.populations_in_time.model_copy(update={"time_ns": ()})
    results = run.results.model_copy(update={"populations_in_time": populations})
    with pytest.raises(ValueError, match=f"{results.label}: not of the form of results of aiida-cse"):
        tables_of(replace(findings, runs={label: replace(run, load_results=lambda: results)}))
