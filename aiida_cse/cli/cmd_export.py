"""Commands that bring results to others: ``export`` to files, ``paper`` beside the published study."""

from __future__ import annotations

import json
from pathlib import Path

import click

from aiida_cse.cli import inputs

__all__ = ["paper"]

_FORMATS = ("table", "json", "csv")


@click.command()
@inputs.SOURCE
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="table", show_default=True, help="Form of the output."
)
@click.option(
    "--output",
    type=inputs.OutPath(path_type=Path),
    help="Write FILE.html, FILE.json or FILE.csv, or all three into a folder, instead of printing.",
)
@inputs.PROFILE
def paper(source: str, form: str, output: Path | None, profile: str | None) -> None:
    """Lay the results of a process beside the published study, figure by figure.

    Each number of Table 1, Figures 3 to 13 and equations 7 to 11 of Kozdra et al. (2025) stands beside the number
    here that has the same estimator, with the difference in standard errors where both have one. A number that
    cannot be compared says why: not run at its temperature, off equilibrium, another recipe, published without an
    error. Any process with results will do, also an analysed folder.
    """
    from aiida_cse.report.published import compare, comparison_table

    findings = inputs.open_source(source, profile)
    with inputs.input_errors():
        compared = compare(findings)
    if output is not None:
        from aiida_cse.report.published_page import write_comparison

        with inputs.input_errors():
            for path in write_comparison(findings, compared, output):
                click.echo(f"wrote {path}")
        return
    if form == "table":
        from rich.console import Console

        from aiida_cse.cli.display.published import WIDTH, print_comparison

        print_comparison(findings, compared, Console(highlight=False, width=WIDTH))
    elif form == "csv":
        click.echo(comparison_table(compared).csv, nl=False)
    else:
        from aiida_cse.report.published_page import comparison_json

        click.echo(json.dumps(comparison_json(findings, compared), ensure_ascii=False, indent=1))
