"""The comparison with the published study as files: a page with the figures, JSON and CSV."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from aiida_cse.report.figures.registry import attempt, figures
from aiida_cse.report.figures.style import render
from aiida_cse.report.findings import Findings
from aiida_cse.report.published import (
    LEGEND,
    ComparedNumber,
    compared_cell,
    comparison_table,
    here_cell,
    other_system,
    published,
    published_cells,
)
from aiida_cse.report.whole_files import write_whole
from aiida_cse.version import __version__

__all__ = ["comparison_json", "comparison_page", "write_comparison"]

_STEM = "published"
#: width of the figures of the page, mm
_WIDTH = 180.0


def comparison_json(findings: Findings, compared: Sequence[ComparedNumber]) -> dict[str, Any]:
    """Return the comparison with its sources: one record per published number and run."""
    study, origin, table = published(), findings.origin, comparison_table(compared)
    return {
        "publication": study.citation,
        "doi": study.doi,
        "process": {"kind": origin.kind, "label": origin.label, "pk": origin.pk, "uuid": origin.uuid},
        "program_version": __version__,
        "temperatures_K": findings.temperatures,
        "other_system": other_system(findings) or None,
        "columns": {column.name: column.meaning for column in table.columns},
        "numbers": [dict(zip(table.headings, row, strict=True)) for row in table.rows],
    }


def comparison_page(findings: Findings, compared: Sequence[ComparedNumber]) -> str:
    """Return a self-contained page: by figure of the publication the figure drawn here and the numbers."""
    environment = Environment(
        loader=PackageLoader("aiida_cse.report", "page"), autoescape=True, undefined=StrictUndefined
    )
    other = other_system(findings)
    sections = []
    for name, group in groupby(compared, key=lambda one: one.published.figure):
        rows = [
            {
                **dict(zip(("quantity", "printed"), published_cells(one, compared), strict=True)),
                "here": here_cell(one),
                "judgement": compared_cell(one),
                "source": one.published.source,
                "estimator": one.published.estimator,
                # the system is told once, above
                "notes": [
                    *(reason for reason in one.reasons if reason != other),
                    *([f"derived {one.published.derived}"] if one.published.derived else []),
                ],
            }
            for one in group
        ]
        sections.append({"name": name, "rows": rows, "drawings": _drawings(name, findings)})
    return environment.get_template("published.html.j2").render(
        study=published(),
        origin=findings.origin,
        temperatures=findings.temperatures,
        other=other,
        sections=sections,
        legend=LEGEND,
        version=__version__,
    )


def _drawings(name: str, findings: Findings) -> list[dict[str, str]]:
    """Return the figures here with the content of a published one, as SVG with captions, or why there is none."""
    numbers = set(name.removeprefix("Figs. ").removeprefix("Fig. ").split(" and "))
    drawn = []
    for kind in figures().values():
        wanted = kind.paper.replace("Figs.", "").replace("Fig.", "").replace(",", " ").replace("and", " ").split()
        if not (name.startswith("Fig") and numbers & set(wanted)):
            continue
        one = attempt(kind, findings, _WIDTH)
        svg = ""
        if one.figure is not None:
            text = render(one.figure, "svg", name=f"{kind.name}-{_STEM}", dpi=150).decode()
            svg = text[text.index("<svg") :]
        drawn.append({"title": kind.title, "svg": svg, "caption": one.caption, "reason": one.reason})
    return drawn


def write_comparison(findings: Findings, compared: Sequence[ComparedNumber], output: Path) -> list[Path]:
    """Write the comparison to a file, in the format of its suffix, or in all formats into a folder.

    Raises
    ------
    ValueError
        The suffix is none of ``.html``, ``.json`` and ``.csv``.
    """
    makers = {
        ".html": lambda: comparison_page(findings, compared),
        ".json": lambda: json.dumps(comparison_json(findings, compared), ensure_ascii=False, indent=1) + "\n",
        ".csv": lambda: comparison_table(compared).csv,
    }
    if output.is_dir() or not output.suffix:
        output.mkdir(parents=True, exist_ok=True)
        paths = [output / f"{_STEM}{suffix}" for suffix in makers]
    elif output.suffix in makers:
        paths = [output]
    else:
        raise ValueError(
            f"output = {output}: suffix {output.suffix!r}: no format of the comparison; must be one of "
            f"{', '.join(makers)}, or a folder"
        )
    for path in paths:
        write_whole(path, makers[path.suffix]().encode())
    return paths
