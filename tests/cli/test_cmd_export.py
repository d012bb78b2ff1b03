"""``aiida-cse paper`` and ``aiida-cse export`` on analysed folders, which need no profile."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import analyse_separately
from aiida_cse.cli import main
from aiida_cse.cli.cmd_export import export
from aiida_cse.report.export import FORMATS
from aiida_cse.report.figures.registry import figures
from aiida_cse.report.page import published as published_page
from aiida_cse.report.published import published
from aiida_cse.report.results import collect_results, load_results
from tests.nodes import state


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an analysed run at 700 K."""
    path = tmp_path_factory.mktemp("analysed") / "hot"
    path.mkdir()
    production = ReducedProduction(state(), 700.0)
    collect_results(production, *analyse_separately(production), label="hot").save(path / "results.json")
    return path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_paper_prints_every_published_number_within_80_columns(folder: Path) -> None:
    result = invoke("paper", folder)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= 80
    assert "Another system" in result.output
    assert "not run at 600 K" in result.output
    assert [n.figure for n in published().numbers if n.figure not in result.output] == []


def test_paper_writes_a_page_json_and_csv_that_agree(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # one of the figures, which have their own tests
    monkeypatch.setattr(published_page, "figures", lambda: {"populations": figures()["populations"]})
    result = invoke("paper", folder, "--output", tmp_path / "found")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "found" / "published.json").read_text(encoding="utf-8"))
    with (tmp_path / "found" / "published.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["quantity"] for row in rows] == [one["quantity"] for one in found["numbers"]]
    stated = [one for one in found["numbers"] if one["here"] is None and one["reasons"] == ""]
    assert [one for one in stated if one["lower_bound"] is None and one["upper_bound"] is None] == []
    page = (tmp_path / "found" / "published.html").read_text(encoding="utf-8")
    assert "Table 1" in page
    assert page.count("<svg") == 1
    assert re.findall(r"(?:src|href)=[\"']http", page) == []
    assert json.loads(invoke("paper", folder, "--format", "json").output) == found


def test_paper_names_the_formats_that_it_writes(folder: Path, tmp_path: Path) -> None:
    result = invoke("paper", folder, "--output", tmp_path / "found.pdf")
    assert result.exit_code == 2
    assert "must be one of .html, .json, .csv, or a folder" in result.output


def test_export_writes_a_folder_that_is_read_as_analysed(folder: Path, tmp_path: Path) -> None:
    result = invoke("export", folder, "--format", "json", "--out", tmp_path / "out", "--author", "Ada Lovelace")
    assert result.exit_code == 0, result.output
    assert "Ada Lovelace" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    again = load_results(tmp_path / "out" / "hot" / "results.json")
    assert again == load_results(folder / "results.json")


def test_export_offers_the_formats_that_there_are_and_names_unknown_runs(folder: Path, tmp_path: Path) -> None:
    (option,) = [one for one in export.params if one.name == "form"]
    assert list(option.type.choices) == list(FORMATS)
    result = invoke("export", folder, "--out", tmp_path / "out", "--run", "T0700_r9")
    assert result.exit_code == 2
    assert "there is no such run; there are hot" in result.output
