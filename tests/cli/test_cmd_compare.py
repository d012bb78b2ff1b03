"""``aiida-cse compare``: a table of 80 columns, the same rows as data, and the figure."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import analyse_separately
from aiida_cse.cli import main
from aiida_cse.report.results import FILENAME, collect_results
from tests.nodes import state


def invoke(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(main, ["compare", *map(str, arguments)])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three folders of one trajectory, the last with another temperature; a long name has no place to wrap."""
    made = []
    for name, kelvin in (("hot", 700.0), ("b" * 150, 700.0), ("cold", 500.0)):
        path = tmp_path_factory.mktemp("analysed") / name
        path.mkdir()
        production = ReducedProduction(state(), kelvin)
        results = collect_results(production, *analyse_separately(production), label=name)
        sources = tuple(one.model_copy(update={"sha256": "5e" * 32}) for one in results.sources)
        results.model_copy(update={"sources": sources}).save(path / FILENAME)
        made.append(path)
    return made


def test_folders_are_compared_without_aiida_on_80_columns(folders: list[Path]) -> None:
    words = ["compare", *map(str, folders)]
    script = f"import sys; from aiida_cse.cli import main; main({words!r}, standalone_mode=False); " + (
        "sys.exit('aiida' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "Results at 700 K" in done.stdout
    assert "3 alone has them" in done.stdout
    assert "not known of 1 and 2 and 3" in done.stdout


def test_the_same_trajectory_in_two_folders_is_named(folders: list[Path]) -> None:
    output = " ".join(invoke(*folders[:2]).output.split())
    assert "Not independent 1 and 2: the same trajectory, analysed twice" in output


def test_rows_are_the_same_as_data(folders: list[Path]) -> None:
    records = json.loads(invoke(*folders[:2], "--format", "json").output)
    (excess,) = [one for one in records["results"] if one["key"] == "populations.n_li_excess"]
    lines = list(csv.DictReader(io.StringIO(invoke(*folders[:2], "--format", "csv").output)))
    values = [float(line["value"]) for line in lines if line["key"] == "populations.n_li_excess"]
    assert values == [cell["value"] for cell in excess["sources"]]
    assert excess["sources"][1]["difference"]["value"] == 0
    assert [one["runs"][1] is None for one in records["verdicts"]] == [False]


def test_the_figure_is_written_beside_the_table(folders: list[Path], tmp_path: Path) -> None:
    result = invoke(*folders[:2], "--figure", tmp_path / "f.svg", "--width", 85)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "f.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("hot",), "give at least two processes or folders"),
        (("hot", "cold", "--figure", "f.txt"), "--figure = f.txt: suffix '.txt': no format of figures"),
        (("hot", "."), "has neither results.json nor kinetics.json"),
        (("hot", "cold", "--width", "nan"), "nan is not in the range"),
    ],
)
def test_wrong_calls_are_refused(
    folders: list[Path], words: tuple[str, ...], answer: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (folders[0], folders[2]):
        (tmp_path / path.name).symlink_to(path)
    result = invoke(*words)
    assert result.exit_code == 2
    assert answer in " ".join(result.output.split())
