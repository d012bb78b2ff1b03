"""Commands that bring results to others: ``export`` to files, ``paper`` beside the published study."""

from __future__ import annotations

import json
from pathlib import Path

import click

from aiida_cse.cli import inputs

__all__ = ["export", "paper"]

_FORMATS = ("table", "json", "csv")
#: names of the formats of :data:`aiida_cse.report.export.FORMATS`, which is slow to import
_EXPORTS = ("csv", "json", "xarray", "ro-crate")


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
        from aiida_cse.report.page.published import write_comparison

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
        from aiida_cse.report.page.published import comparison_json

        click.echo(json.dumps(comparison_json(findings, compared), ensure_ascii=False, indent=1))


@click.command()
@inputs.SOURCE
@click.option(
    "--format", "form", type=click.Choice(_EXPORTS), default="csv", show_default=True, help="Form of the files."
)
@inputs.NEW_FOLDER
@click.option(
    "--author", "authors", multiple=True, metavar="NAME", help="Author of the data, with ORCID if any; repeatable."
)
@click.option("--license", "licence", default="", metavar="SPDX", help="Licence of the data, as CC-BY-4.0.")
@click.option("--run", "runs", multiple=True, metavar="LABEL", help="Export this run alone; repeatable.")
@inputs.PROFILE
def export(
    source: str,
    form: str,
    out: Path,
    authors: tuple[str, ...],
    licence: str,
    runs: tuple[str, ...],
    profile: str | None,
) -> None:
    """Write the results of a process, or of an analysed folder, into a new folder for others.

    `csv` writes tidy tables over all runs with units in the headings; `json` the results of each run, which the
    other commands read as an analysed folder, with kinetics and origin; `xarray` a netCDF file of profiles and
    series per run; `ro-crate` all tables, results, figures and structures with metadata for a data repository.
    Each folder has a README that names content, authors, versions, columns, licence and sources. `xarray` and
    `ro-crate` need: pip install "aiida-cse[export]".
    """
    from aiida_cse.report.export import Publication, export_findings
    from aiida_cse.report.figures.registry import of_runs

    findings = inputs.open_source(source, profile)
    with inputs.input_errors():
        written = export_findings(of_runs(findings, runs or None), form, out, Publication(authors, licence))
    click.echo(f"wrote {len(written)} files to {out}, described in {written[0]}")
