"""``aiida-cse plot``: one figure, all of them, or their list; ``aiida-cse report``: the page."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from matplotlib.figure import Figure

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import analyse_separately
from aiida_cse.cli import main
from aiida_cse.report.figures import registry
from aiida_cse.report.figures.style import new_figure, render
from aiida_cse.report.findings import Findings
from aiida_cse.report.results import FILENAME, collect_results
from tests.nodes import state


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["plot", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An analysed folder, as ``aiida-cse analyse`` leaves it."""
    path = tmp_path_factory.mktemp("analysed") / "hot"
    path.mkdir()
    production = ReducedProduction(state(), 700.0)
    collect_results(production, *analyse_separately(production), label="hot").save(path / FILENAME)
    return path


@pytest.fixture(autouse=True)
def three_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Replace the registered figures by one that is drawn, one that cannot be, and one that fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(registry, "_import_modules", lambda: None)

    @registry.figure("temperatures", title="Temperatures of the runs", caption=str)
    def _temperatures(findings: Findings, width: float) -> Figure:
        figure, (axes,) = new_figure(width, 50)
        axes.plot([run.temperature for run in findings.runs.values()], label=", ".join(findings.runs))
        axes.legend()
        return figure

    @registry.figure("thermo", title="Thermo of every stage", caption=str, paper="Fig. 0")
    def _thermo(findings: Findings, width: float) -> Figure:
        raise registry.NotDrawableError("a folder has no thermo tables")

    @registry.figure("broken", title="Fails", caption=str)
    def _broken(findings: Findings, width: float) -> Figure:
        raise KeyError("n_li_ceramic")


def test_the_list_says_what_is_drawn_and_why_the_rest_is_not(folder: Path) -> None:
    lines = invoke(folder).output.splitlines()
    assert any(re.match(r"\s*✓ +temperatures +Temperatures of the runs$", line.rstrip()) for line in lines)
    assert any(
        re.match(r"\s*– +thermo +Thermo of every stage \(Fig\. 0 of the published study\)", line) for line in lines
    )
    text = " ".join(" ".join(lines).split())
    assert "not drawn: a folder has no thermo tables" in text
    assert "not drawn: unexpected KeyError: 'n_li_ceramic'" in text
    assert max(map(len, lines[:-1])) <= 80


@pytest.mark.parametrize(("suffix", "start"), [("pdf", b"%PDF"), ("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_figure_is_written_in_the_format_of_its_name(folder: Path, suffix: str, start: bytes) -> None:
    result = invoke(folder, "temperatures", "--output", f"a.{suffix}", "--width", 85, "--run", "hot")
    assert (result.exit_code, result.output) == (0, f"wrote a.{suffix}\n")
    assert Path(f"a.{suffix}").read_bytes().startswith(start)


def test_all_figures_that_can_be_drawn_are_written(folder: Path) -> None:
    result = invoke(folder, "--all", "figures")
    assert result.exit_code == 0
    assert [path.name for path in Path("figures").iterdir()] == ["temperatures.pdf"]
    assert "no thermo: a folder has no thermo tables" in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("temperature",), "NAME = temperature: there is no such figure; did you mean temperatures?"),
        (("temperatures", "--output", "a.gif"), "'.gif': no format of figures; must be one of .pdf, .png, .svg"),
        (("temperatures", "--run", "cold"), "run = cold: there is no such run; there are hot"),
        (("thermo",), "thermo: cannot be drawn: a folder has no thermo tables"),
        (("broken",), "broken: cannot be drawn: not of the form of results of aiida-cse: KeyError"),
        (("temperatures", "--width", "nan"), "nan is not in the range 40.0<=x<=500.0"),
        (("--output", "a.pdf"), "--output: which figure? give its NAME"),
        (("thermo", "--all", "figures"), "--all writes every figure: give it without NAME and --output"),
    ],
)  # fmt: skip
def test_wrong_calls_of_plot_are_refused(folder: Path, words: tuple[str, ...], message: str) -> None:
    result = invoke(folder, *words)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_the_report_of_an_analysed_folder_is_one_page(folder: Path) -> None:
    result = CliRunner().invoke(main, ["report", str(folder), "--output", "hot.html", "--run", "hot"])
    assert (result.exit_code, result.output) == (0, "wrote hot.html\n")
    page = Path("hot.html").read_text(encoding="utf-8")
    assert "Temperatures of the runs" in page
    assert "a folder has no thermo tables" in page


def test_a_report_is_a_page_and_its_source_has_a_name(folder: Path) -> None:
    result = CliRunner().invoke(main, ["report", str(folder), "--output", "report.pdf"])
    assert result.exit_code == 2
    assert "--output = report.pdf: suffix '.pdf': the report is a page; use .html" in result.output
    assert "is empty; give a name" in invoke("").output


def test_ids_of_two_figures_on_one_page_differ() -> None:
    seen: Counter[str] = Counter()
    for name in ("a", "b"):
        figure, (axes,) = new_figure(85, 50)
        axes.plot([0, 1], [0, 1], marker="o", label="line")
        axes.legend()
        content = render(figure, "svg", name=name).decode()
        ids = re.findall(r' id="([^"]+)"', content)
        used = {one or other for one, other in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', content)}
        assert used
        assert used <= set(ids)
        seen.update(ids)
    assert [one for one, count in seen.items() if count > 1] == []
