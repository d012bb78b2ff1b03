"""``aiida-cse compare``: results of several processes or folders beside each other."""

from __future__ import annotations

from pathlib import Path

import click

from aiida_cse.cli import inputs

__all__ = ["compare"]


@click.command()
@click.argument(
    "sources", nargs=-1, required=True, metavar="PK|UUID|LABEL|FOLDER...", shell_complete=inputs.complete_folder
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json", "csv")),
    default="table",
    show_default=True,
    help="A table for the terminal, or the same rows as data.",
)
@click.option(
    "--figure",
    "file",
    type=inputs.OutPath(dir_okay=False, path_type=Path),
    help="Also draw F(z) of all sources in one figure, as pdf, png or svg by the suffix.",
)
@click.option(
    "--width",
    type=inputs.FigureWidth(),
    default=180.0,
    show_default=True,
    help="Width of the figure, mm: 85 for one column of a journal, 180 for two.",
)
@inputs.PROFILE
def compare(sources: tuple[str, ...], form: str, file: Path | None, width: float, profile: str | None) -> None:
    r"""Compare two or more processes or analysed folders: what differs in recipe and protocol, and the results.

    Runs at the same temperature stand beside each other, those with the same label first. Differences are from
    the first source that has a number, in standard errors; a difference of rates is that of their logarithms. It
    is not known from two bounds, and not judged if both are the same run or trajectory, or if transitions are
    counted in different ways. Sources that come from the same slab or other systems are named, because their
    differences are not independent.

    \b
    Examples:
      aiida-cse compare 834 99
      aiida-cse compare 834 99 1171 --figure F.pdf
      aiida-cse compare hot cold --format csv
    """
    from aiida_cse.report.compared.results import compare_findings

    if len(sources) < 2:
        raise click.UsageError("give at least two processes or folders")
    inputs.check_figure_file(file, "--figure")
    opened = [inputs.open_source(source, profile) for source in sources]
    with inputs.input_errors():
        comparison = compare_findings(opened)
        if form == "table":
            from rich.console import Console

            from aiida_cse.cli.display.comparison import print_comparison_of

            print_comparison_of(comparison, Console(highlight=False))
        else:
            from aiida_cse.cli.display.comparison import comparison_csv, comparison_json

            click.echo((comparison_json if form == "json" else comparison_csv)(comparison).rstrip())
        if file is not None:
            from aiida_cse.report.figures.style import save
            from aiida_cse.report.figures.superposed import draw_free_energies

            click.echo(
                f"wrote {save(draw_free_energies(opened, width), file, name='compared')}", err=form != "table"
            )
