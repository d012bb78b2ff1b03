"""Commands that draw results: ``plot``, one figure or all of them, and ``report``, a page."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiida_cse.cli import inputs
from aiida_cse.engine.hints import aiida_cse

if TYPE_CHECKING:
    from aiida_cse.report.figures.registry import Attempt, FigureKind
    from aiida_cse.report.findings import Findings

__all__ = ["plot", "report", "write_report"]

RUNS = click.option("--run", "runs", multiple=True, metavar="LABEL", help="Draw this run alone; repeatable.")


@click.command()
@inputs.SOURCE
@click.argument("name", metavar="[NAME]", required=False)
@click.option(
    "--output",
    type=inputs.OutPath(dir_okay=False, path_type=Path),
    help="File; its suffix, pdf, png or svg, is the format [default: NAME.pdf].",
)
@click.option(
    "--all",
    "folder",
    type=inputs.OutPath(file_okay=False, path_type=Path),
    help="Write every figure that can be drawn, as PDF, into this folder.",
)
@inputs.WIDTH
@RUNS
@inputs.PROFILE
def plot(
    source: str,
    name: str | None,
    output: Path | None,
    folder: Path | None,
    width: float,
    runs: tuple[str, ...],
    profile: str | None,
) -> None:
    """Draw the figure NAME of a process or of an analysed folder; without NAME, list the figures.

    The list says which figures can be drawn and, for the others, what is missing. The figures are drawn from the
    results alone, so that an imported archive is enough; in Python, aiida_cse.report.figures.NAME(PK) returns a
    matplotlib figure.
    """
    if folder is not None and (name or output):
        raise click.UsageError("--all writes every figure: give it without NAME and --output")
    if name is None and output is not None:
        raise click.UsageError("--output: which figure? give its NAME")
    from aiida_cse.report.figures.registry import NotDrawableError
    from aiida_cse.report.figures.style import save
    from aiida_cse.report.words import unreadable

    inputs.check_figure_file(output, "--output")
    kind = None if name is None else _kind(name)
    findings = open_runs(source, runs, profile)
    if kind is not None:
        try:
            figure = kind.draw(findings, width)
        except NotDrawableError as error:
            raise inputs.InputError(f"{kind.name}: cannot be drawn: {error}") from error
        except Exception as error:
            raise inputs.InputError(f"{kind.name}: cannot be drawn: {unreadable(error)}") from error
        path = output or Path(f"{kind.name}.pdf")
        with inputs.input_errors():
            click.echo(f"wrote {save(figure, path, name=kind.name)}")
    elif folder is not None:
        with inputs.input_errors():
            folder.mkdir(parents=True, exist_ok=True)
            for one in attempts(findings, width):
                if one.figure is None:
                    click.echo(f"no {one.kind.name}: {one.reason}")
                else:
                    path = folder / f"{one.kind.name}.pdf"
                    click.echo(f"wrote {save(one.figure, path, name=one.kind.name)}")
    else:
        _list(findings, attempts(findings, width))
        click.echo(f"\ndraw one with: {aiida_cse('plot', source, 'NAME')}")


@click.command()
@inputs.SOURCE
@click.option(
    "--output",
    type=inputs.OutPath(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="The HTML file.",
)
@RUNS
@inputs.PROFILE
def report(source: str, output: Path, runs: tuple[str, ...], profile: str | None) -> None:
    """Write the results of a process or of an analysed folder as one HTML page.

    The page holds verdict, figures, tables, recipe and protocol, warnings, what is not known, what ran where,
    provenance and citations. It needs no other file and no network. Each table can be saved from it as CSV, each
    figure as SVG or PNG.
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise inputs.InputError(f"--output = {output}: suffix {output.suffix!r}: the report is a page; use .html")
    findings = open_runs(source, runs, profile)
    with inputs.input_errors():
        click.echo(f"wrote {write_report(findings, output)}")


def write_report(findings: Findings, path: Path) -> Path:
    """Write the page of findings; on a terminal one line says what is being made."""
    from rich.console import Console

    from aiida_cse.report.page import write_page

    with Console(stderr=True, highlight=False).status("") as status:
        return write_page(findings, path, progress=status.update)


def open_runs(source: str, runs: tuple[str, ...], profile: str | None) -> Findings:
    """Return the findings of a source with the runs of these labels, all without labels."""
    from aiida_cse.report.figures.registry import of_runs

    findings = inputs.open_source(source, profile)
    with inputs.input_errors():
        return of_runs(findings, runs or None)


def attempts(findings: Findings, width: float) -> Iterator[Attempt]:
    """Yield an attempt at every figure; on a terminal one line says which is drawn.

    Parameters
    ----------
    width
        Width of the figures, mm.
    """
    from rich.console import Console

    from aiida_cse.report.figures.registry import attempt, figures

    kinds = figures().values()
    with Console(stderr=True, highlight=False).status("") as status:
        for number, kind in enumerate(kinds, start=1):
            status.update(f"drawing {kind.name} ({number} of {len(kinds)})")
            yield attempt(kind, findings, width)


def _kind(name: str) -> FigureKind:
    from aiida_cse.report.figures.registry import figures

    kinds = figures()
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(kinds)}"
        raise inputs.InputError(f"NAME = {name}: there is no such figure; {hint}")
    return kinds[name]


def _list(findings: Findings, found: Iterable[Attempt]) -> None:
    """Print a line per figure: name and title, or what is missing."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    origin = findings.origin
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("", "figure", "content"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "figure")
    for one in found:
        kind = one.kind
        content = Text(kind.title + (f" ({kind.paper} of the published study)" if kind.paper else ""))
        if one.figure is None:
            content.append(f"\nnot drawn: {one.reason}", style="dim")
        table.add_row("–" if one.figure is None else "✓", kind.name, content)
    console = Console(highlight=False)
    process = "" if origin.pk is None else f" <{origin.pk}>"
    console.print(f"Figures of {origin.kind} {origin.label}{process}", markup=False, soft_wrap=True)
    console.print(table)
