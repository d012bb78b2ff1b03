"""``aiida-cse validate``: known answers through the whole chain, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_cse.cli import params
from aiida_cse.cli import profile as profiles

if TYPE_CHECKING:
    from aiida.orm import ProcessNode
    from rich.table import Table

    from aiida_cse.cli.environment import Environment

__all__ = ["check_table", "validate"]

#: the mistakes that can be planted: factors on what LAMMPS is given
_PLANTED = {"barrier": {"barrier": 1.2}, "mass": {"mass": 2.0}}


@click.command()
@click.option("--quick", is_flag=True, help="Fewer ions and shorter runs: under 2 minutes instead of about 5.")
@click.option(
    "--seed", type=click.IntRange(1, 2**31 - 1), default=1, show_default=True, help="Draws the landscape."
)
@click.option(
    "--plant",
    type=click.Choice(sorted(_PLANTED)),
    help="Give LAMMPS a barrier that is 20 % too high, or twice the mass, to see it found.",
)
@click.option(
    "--figures",
    type=params.OutPath(file_okay=False, path_type=Path),
    default=Path("validation"),
    show_default=True,
    help="Folder for the two figures; it is made if it does not exist.",
)
@params.LMP
@click.option("--mpiprocs", type=click.IntRange(min=1), default=1, show_default=True, help="MPI ranks per job.")
def validate(quick: bool, seed: int, plant: str | None, figures: Path, lmp: Path | None, mpiprocs: int) -> None:
    """Run ions in a landscape whose answers are known, through the whole chain, and compare.

    LAMMPS, segments, reduction, verdict, barriers, κ and kinetics, at five temperatures, from a start that is not
    in equilibrium. Every quantity is printed with its interval; what does not cover the known value ends the
    command with an error. On a cluster: aiida-cse launch validation.
    """
    profiles.activate(create=True)
    from aiida_cse.cli.environment import EnvironmentSetupError, ensure_environment
    from aiida_cse.cli.running import run_shown

    try:
        environment = ensure_environment(lmp=lmp)
    except EnvironmentSetupError as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(environment.lines))
    _tell(run_shown(_builder(environment, quick, seed, plant, mpiprocs)), figures)


def _builder(environment: Environment, quick: bool, seed: int, plant: str | None, mpiprocs: int) -> Any:
    """Return the validation."""
    from aiida_cse.workchains.validate import ValidationWorkChain

    builder = ValidationWorkChain.get_builder_from_protocol(
        codes={"lammps": environment.lammps, "cse": environment.cse},
        seed=seed,
        protocol="quick" if quick else "full",
        overrides=None if plant is None else {"settings": {"planted": _PLANTED[plant]}},
        options={"resources": {"num_machines": 1, "num_mpiprocs_per_machine": mpiprocs}},
    )
    builder.metadata.label = f"validation of seed {seed}" + ("" if plant is None else f", wrong {plant}")
    return builder


def _tell(node: ProcessNode, figures: Path) -> None:
    from rich.console import Console

    from aiida_cse.cli.running import leave

    if "checks" in node.outputs:
        Console(highlight=False).print(check_table(node.outputs.checks["checks"]))
        _draw(node, figures)
    leave(node)


def _draw(node: Any, figures: Path) -> None:
    try:
        from aiida_cse.report.validation import write_figures
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "matplotlib":
            raise
        click.echo("no figures: they need matplotlib, pip install 'aiida-cse[report]'", err=True)
        return
    for path in write_figures(node, figures):
        click.echo(f"written {path}")


def check_table(checks: list[dict[str, Any]]) -> Table:
    """Return the checks as a table, run by run."""
    from rich import box
    from rich.table import Table

    table = Table(title="Known and found", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("run", "quantity"):
        table.add_column(heading, no_wrap=True)
    for heading in ("known", "found", "from", "to"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    previous = None
    for check in checks:
        numbers = [_number(check[name]) for name in ("expected", "found", "low", "high")]
        mark = "[green]✓[/]" if check["holds"] else "[bold red]✗[/]"
        run = "" if check["run"] == previous else check["run"]
        unit = f" ({check['unit']})" if check["unit"] else ""
        table.add_row(run, check["quantity"] + unit, *numbers, mark)
        previous = check["run"]
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if abs(value) >= 1e5 or 0 < abs(value) < 1e-3 else f"{value:.4g}"
