"""``aiida-cse demo``: a small study with real LAMMPS, from recipe to equilibration coefficient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_cse.cli import params
from aiida_cse.cli import profile as profiles
from aiida_cse.engine.hints import aiida_cse, verdi

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

    from aiida_cse.cli.environment import Environment

__all__ = ["demo"]

RECIPE, PROTOCOL = "llzo-peo-litfsi-demo", "demo"
_EXTRA = "cse_demo"


@click.command()
@click.option("--new", is_flag=True, help="Run it again although there is a finished one.")
@params.LMP
@click.option("--mpiprocs", type=click.IntRange(min=1), default=1, show_default=True, help="MPI ranks per job.")
def demo(new: bool, lmp: Path | None, mpiprocs: int) -> None:
    """Run a small LLZO + PEO:LiTFSI study here: about 1,100 atoms, a few minutes, nothing outside this folder.

    An interrupted demo is taken up where it stopped, a finished one is shown again.
    """
    profiles.activate(create=True)
    from aiida_cse.cli.environment import EnvironmentSetupError, ensure_environment
    from aiida_cse.cli.running import resume_shown, run_shown

    try:
        environment = ensure_environment(lmp=lmp)
    except EnvironmentSetupError as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(environment.lines))

    study = _last_demo()
    if study is None or (new and study.is_terminated):
        study = run_shown(_builder(environment, mpiprocs), extras={_EXTRA: True})
    elif not study.is_terminated:
        click.echo(f"going on with the interrupted demo <{study.pk}>")
        study = resume_shown(study)
    else:
        click.echo(f"the demo <{study.pk}> has run already; run it again with: {aiida_cse('demo', '--new')}")
    _tell(study)


def _builder(environment: Environment, mpiprocs: int) -> Any:
    """Return the study that the demo runs."""
    from aiida_cse.building.recipe import load_recipe
    from aiida_cse.workchains.study import StudyWorkChain

    builder = StudyWorkChain.get_builder_from_protocol(
        codes={"lammps": environment.lammps, "cse": environment.cse},
        recipe=load_recipe(RECIPE),
        protocol=PROTOCOL,
        options={"resources": {"num_machines": 1, "num_mpiprocs_per_machine": mpiprocs}},
    )
    builder.metadata.label = "demo"
    return builder


def _last_demo() -> ProcessNode | None:
    """Return the newest demo that was not killed and did not crash."""
    from aiida.orm import ProcessNode, QueryBuilder

    query = QueryBuilder().append(ProcessNode, filters={f"extras.{_EXTRA}": True}, tag="demo")
    query.order_by({"demo": {"id": "desc"}})
    nodes: list[ProcessNode] = query.all(flat=True)
    return next((node for node in nodes if not node.is_terminated or node.is_finished_ok), None)


def _tell(study: ProcessNode) -> None:
    from rich.console import Console

    from aiida_cse.cli.display.results import has_results, print_results
    from aiida_cse.cli.running import leave

    if has_results(study):
        print_results(study, Console(highlight=False))
        click.echo(f"\nthe study is process {study.pk}; three things to try next:")
        click.echo(f"  {aiida_cse('status', study.pk)}")
        click.echo(f"  {verdi('process', 'report', study.pk)}")
        click.echo(f"  {verdi('process', 'dump', study.pk)}")
    leave(study)
