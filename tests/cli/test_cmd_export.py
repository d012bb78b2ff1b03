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
from aiida_cse.report.published import published
from aiida_cse.report.results import collect_results
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


def test_paper_writes_a_page_json_and_csv_that_agree(folder: Path, tmp_path: Path) -> None:
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
    assert re.findall(r"(?:src|href)=[\"']http", page) == []
    assert json.loads(invoke("paper", folder, "--format", "json").output) == found


def test_paper_names_the_formats_that_it_writes(folder: Path, tmp_path: Path) -> None:
    result = invoke("paper", folder, "--output", tmp_path / "found.pdf")
    assert result.exit_code == 2
    assert "must be one of .html, .json, .csv, or a folder" in result.output
