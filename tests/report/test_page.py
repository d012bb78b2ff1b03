"""The page of a report: one sound HTML file that holds the numbers of the nodes and reaches for nothing else."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from matplotlib.figure import Figure

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import analyse_separately
from aiida_cse.report.figures import registry
from aiida_cse.report.figures.style import new_figure
from aiida_cse.report.findings import Change, Findings, Job, Origin, Provenance
from aiida_cse.report.page import write_page
from aiida_cse.report.page.bibliography import bibtex
from aiida_cse.report.page.content import smaller_svg
from aiida_cse.report.results import FILENAME, collect_results
from aiida_cse.report.sources import findings_of_folders
from tests.nodes import state

ROOT = Path(__file__).parents[2]
HOSTILE = """<script>alert("1")</script><img src=https://example.org/a.png onerror='x'> {{ 7*7 }} "'&"""
#: elements without an end
VOID = {"meta", "img", "br", "link", "input"}


@dataclass
class Page(HTMLParser):
    """Elements, attributes and text of a page."""

    html: str
    stack: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)
        self.faults += [f"<{tag}> does not end" for tag in self.stack]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.stack and self.stack[-1] == tag:
            self.stack.pop()
        else:
            self.faults.append(f"</{tag}> within {self.stack}")

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    def table(self, name: str) -> list[dict[str, str]]:
        """Return the rows of the CSV file of a table."""
        files = {
            found["download"]: found["href"]
            for _, found in self.elements
            if "download" in found and "href" in found
        }
        content = unquote(files[f"{name}.csv"].partition(",")[2])
        return list(csv.DictReader(io.StringIO(content)))


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Findings of two runs, with the provenance of a process, and text that is no page's friend."""
    production = ReducedProduction(state(), 700.0)
    results = collect_results(production, *analyse_separately(production), label="hot", notes=[HOSTILE])
    folders = [tmp_path_factory.mktemp("analysed") / name for name in ("hot", "hot_2")]
    for folder in folders:
        folder.mkdir()
        results.save(folder / FILENAME)
    job = Job(
        part=HOSTILE, kind="LammpsStageCalculation", pk=5, uuid="u-5", state="finished [410]", message=HOSTILE,
        computer=HOSTILE, code="lmp", ranks=4, program="LAMMPS 22 Jul 2025", seconds=60.0, warnings=(HOSTILE,),
    )  # fmt: skip
    provenance = Provenance(
        versions={"aiida-core": "2.9.4"},
        jobs=(job,),
        changes=(Change("ceramic", "job_001", {"job": "job_0002", "words": HOSTILE, "exact": None}),),
        settings={"production.plan": {"length_ps": 12, "stop": {"rule": HOSTILE}, "settings": None}},
        citations=("J. Åqvist, J. Phys. Chem. 1990, 94, 8021 (Li+)", HOSTILE),
    )
    return replace(
        findings_of_folders(folders),
        origin=Origin("study", HOSTILE, pk=7, uuid="u-7", state="finished [0]", description=HOSTILE),
        recipe={"name": HOSTILE, "ceramic": {"miller": None}, "polymer": HOSTILE, "seeds": {"slab": None}},
        load_provenance=lambda: provenance,
    )


@pytest.fixture(scope="module")
def page(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of the findings with two figures, of which one cannot be drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_registered", {})
        patch.setattr(registry, "_import_modules", lambda: None)

        @registry.figure("hostile", title=HOSTILE, caption=lambda _: HOSTILE)
        def _hostile(findings: Findings, width: float) -> Figure:
            figure, (axes,) = new_figure(width, 50)
            axes.plot([0, 1], label="$<$ & line")
            axes.legend()
            return figure

        @registry.figure("missing", title="Not there", caption=str)
        def _missing(findings: Findings, width: float) -> Figure:
            raise registry.NotDrawableError(HOSTILE)

        words: list[str] = []
        path = write_page(findings, tmp_path_factory.mktemp("page") / "report.html", progress=words.append)
    assert words == [
        "reading the results",
        "drawing hostile (1 of 2)",
        "drawing missing (2 of 2)",
        "writing the page",
    ]
    assert [one.name for one in path.parent.iterdir()] == ["report.html"]
    return Page(path.read_text(encoding="utf-8"))


def test_every_element_ends_and_every_id_is_there_once(page: Page) -> None:
    assert page.faults == []
    ids = Counter(page.values("id"))
    assert [name for name, count in ids.items() if count > 1] == []
    places = [value[1:] for value in page.values("href") if value.startswith("#")]
    assert {*places, *page.values("aria-labelledby"), *page.values("data-of")} <= set(ids)


def test_the_page_reaches_for_nothing_outside_itself(page: Page) -> None:
    assert [
        one for name in ("src", "href") for one in page.values(name) if not one.startswith(("data:", "#"))
    ] == []
    assert {"link", "iframe", "object", "base"} & {tag for tag, _ in page.elements} == set()
    policy = next(found["content"] for _, found in page.elements if "http-equiv" in found)
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_nothing_of_a_node_reaches_the_page_unescaped(page: Page) -> None:
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert [found for tag, found in page.elements if tag == "img" and "onerror" in found] == []
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    # the title, facts, statements, tables and captions show it as it is
    assert page.text.count(HOSTILE) >= 8
    images = [unquote(found["src"]) for tag, found in page.elements if tag == "img"]
    assert not any("<script" in one for one in images)


def test_the_files_of_the_page_hold_the_numbers_of_the_results(page: Page, findings: Findings) -> None:
    rows = {(row["source"]): row for row in page.table("populations")}
    for label, run in findings.runs.items():
        for key in ("n_li_excess", "n_tfsi_layer"):
            row = rows[f"runs.{label}.populations.{key}"]
            assert float(row["value"]) == run.scalars["populations"][key]
            low, high = run.scalars["populations"][f"{key}_interval"] or (None, None)
            assert (row["low"], row["high"]) == tuple("" if one is None else str(one) for one in (low, high))
    assert page.table("jobs")[0]["program"] == "LAMMPS 22 Jul 2025"
    assert page.table("missing-figures") == [{"figure": "Not there", "reason": HOSTILE}]


def test_figures_have_alternatives_and_tables_have_headings(page: Page) -> None:
    assert all(found.get("alt") for tag, found in page.elements if tag == "img")
    tags = Counter(tag for tag, _ in page.elements)
    assert tags["caption"] == tags["table"]
    assert tags["table"] > 5
    assert all(found.get("scope") in ("col", "row") for tag, found in page.elements if tag == "th")
    assert tags["h1"] == 1


def test_a_smaller_svg_has_the_same_lines_to_a_hundredth_of_a_point() -> None:
    content = (
        b'<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg><g id="a-line2d_1">\n'
        b'<path d="M 1.23456 2 L 3.14159 -4.9999 \nL 5 6 z" style="opacity: 0.5"/></g>\n'
        b'<use xlink:href="#a-m12.345678" x="-0.0001" transform="scale(0.015625)"/></svg>'
    )
    assert smaller_svg(content) == (
        b'<svg><g><path d="M 1.23 2 3.14 -5 5 6 z" style="opacity: 0.5"/></g>'
        b'<use xlink:href="#a-m12.345678" x="-0.0001" transform="scale(0.015625)"/></svg>'
    )


def test_sources_become_entries_of_bibtex() -> None:
    text = bibtex(
        ["K. P. Jensen, W. L. Jorgensen, J. Chem. Theory Comput. 2006, 2, 1499 (Li+)", "EMC, type li+ & 5 %"]
    )
    assert "author = {K. P. Jensen and W. L. Jorgensen}" in text
    assert "journal = {J. Chem. Theory Comput.},\n  year = {2006},\n  volume = {2},\n  pages = {1499}" in text
    assert r"note = {EMC, type li+ \& 5 \%}" in text
    keys = re.findall(r"^@\w+\{([^,]+),$", text, re.M)
    assert len(set(keys)) == len(keys) == 6
    assert text.count("{") == text.count("}")


def test_the_entries_of_every_report_are_those_of_the_citation_file() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    text = bibtex(())
    for one in (cited["preferred-citation"], *cited["references"]):
        assert f"doi = {{{one['doi']}}}" in text
        assert f"year = {{{one['year']}}}" in text
    assert f"version = {{{cited['version']}}}" in text
