"""The file of results: its round trip, and what its loader refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import analyse_separately
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.report.results import Results, collect_results, load_results
from tests.nodes import state


@pytest.fixture(scope="module")
def production() -> ReducedProduction:
    return ReducedProduction(state(), 700.0)


@pytest.fixture(scope="module")
def results(production: ReducedProduction) -> Results:
    return collect_results(production, *analyse_separately(production), label="run", notes=["a note"])


def test_results_are_read_as_they_were_written(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path / "results.json")
    assert load_results(tmp_path / "results.json") == results


def test_numbers_that_are_not_finite_are_null_and_come_back_as_nan(
    results: Results, production: ReducedProduction, tmp_path: Path
) -> None:
    results.save(tmp_path / "results.json")
    json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)  # NaN is no JSON
    energies = load_results(tmp_path / "results.json").observables["free_energy_profiles"].array("li_K")
    expected = analyse_separately(production)[0]["free_energy_profiles"]["li_K"]
    assert np.isnan(energies).any()
    np.testing.assert_array_equal(energies, expected)


def test_every_entry_of_a_result_has_a_meaning(results: Results) -> None:
    entries = [
        (name, key, entry) for name, one in results.observables.items() for key, entry in one.entries.items()
    ]
    assert [(name, key) for name, key, entry in entries if not entry.meaning] == []
    assert results.observables["populations"].entries["n_li_ceramic"].unit == "ions"


def test_populations_in_time_average_to_the_populations(results: Results) -> None:
    for ion, regions in results.populations_in_time.ions.items():
        for region, numbers in regions.items():
            mean = results.observables["populations"].value(f"n_{ion.lower()}_{region}")
            assert np.mean(numbers) == pytest.approx(mean)


def test_populations_in_time_end_with_the_last_snapshot_where_ions_are_counted_in_these() -> None:
    settings = AnalysisSettings.model_validate(
        {"boundaries": {"Li": [25, 35]}, "start_ns": 0.2e-3, "end_ns": 1.1e-3}
    )
    production = ReducedProduction(state(), 700.0, settings)
    found = collect_results(production, {}, {}, label="run").populations_in_time
    sums = np.sum([found.ions["Li"][region] for region in REGION_NAMES], axis=0)
    assert found.mean_over_frames == 3
    np.testing.assert_allclose(sums, len(production.ions["Li"].numbers))
    assert len(sums) == len(found.time_ns)


def test_transitions_in_time_are_those_that_are_counted(results: Results) -> None:
    found, counted = results.transitions_in_time, results.observables["transitions"]
    entries = sum(ion == "Li" and target == "ceramic" for ion, target in zip(found.ion, found.target, strict=True))
    assert entries == counted.value("s_in_li_ceramic") > 0
    assert list(found.time_ns) == sorted(found.time_ns)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_name": "other"}, "schema_name = 'other': must be 'aiida-cse results'"),
        ({"schema_version": 2}, "schema_version = 2: written by aiida-cse"),
        ({"temperatur_K": 3}, "unknown key 'temperatur_K'; did you mean 'temperature_K'?"),
        ({"temperature_K": -1}, "temperature_K = -1"),
    ],
)
def test_another_form_is_refused_by_name(
    results: Results, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results.model_dump(mode="json") | change))
    with pytest.raises(ValueError, match=str(path)) as caught:
        load_results(path)
    assert words in str(caught.value)


@pytest.mark.parametrize("value", [500.0, [1, 2], None])
def test_an_observable_of_another_temperature_is_refused(results: Results, tmp_path: Path, value: object) -> None:
    path = tmp_path / "results.json"
    content = results.model_dump(mode="json")
    content["observables"]["transitions"]["entries"]["temperature_K"]["value"] = value
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"observables.transitions.temperature_K = .*: must be temperature_K = "):
        load_results(path)


def test_damaged_json_is_refused_with_its_position(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"a": ')
    with pytest.raises(ValueError, match=r"results\.json: not valid JSON: .*line 1"):
        load_results(tmp_path / "results.json")
