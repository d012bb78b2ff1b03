"""Commands that set up this installation and test it: ``setup``, ``demo`` and ``validate``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from aiida_cse.cli import inputs
from aiida_cse.cli import profile as profiles
from aiida_cse.engine.hints import aiida_cse, verdi

__all__ = ["demo", "setup", "validate"]


@click.command()
@click.option(
    "-p",
    "--profile",
    metavar="NAME",
    help="Add computer and codes to this existing profile, instead of creating one in the folder's .aiida.",
)
@inputs.LMP
@click.option(
    "--daemon", is_flag=True, help="Give the profile a ZeroMQ broker, so that the daemon can run studies."
)
@inputs.MPIPROCS
def setup(profile: str | None, lmp: Path | None, daemon: bool, mpiprocs: int) -> None:
    """Create a profile, this computer and its codes. What exists is left unchanged.

    Without --profile everything is stored in .aiida in the current folder (or in AIIDA_PATH, if that is set): an
    SQLite database, no services, nothing in your home folder. Both programs are examined at the end, as by doctor.

    \b
    Example:
      aiida-cse setup --mpiprocs 4
    """
    if profile is None:
        profiles.activate(create=True)
    else:
        profiles.load(profile)
    from aiida_cse.cli.cmd_doctor import print_checks
    from aiida_cse.cli.site.checks import code_checks
    from aiida_cse.cli.site.environment import PROFILE, ensure_environment

    environment = ensure_environment(
        profile or PROFILE, lmp=lmp, daemon=daemon, mpiprocs=mpiprocs, create=profile is None
    )
    click.echo("\n".join(environment.lines))
    if not environment.changed:
        click.echo("everything exists already; nothing was changed")
    click.echo()
    codes = (environment.lammps, environment.cse)
    faults = print_checks(code_checks(code, ask=True) for code in codes)
    if daemon:
        click.echo(f"start the daemon with: {verdi('daemon', 'start')}")
    sys.exit(1 if faults else 0)


#: the page of the demo, in the current folder
_DEMO_REPORT = "demo-report.html"


@click.command()
@click.option("--new", is_flag=True, help="Run it again even if there is a finished one.")
@inputs.LMP
@inputs.MPIPROCS
def demo(new: bool, lmp: Path | None, mpiprocs: int) -> None:
    """Run a small LLZO + PEO:LiTFSI study here: about 1,100 atoms, a few minutes, nothing outside this folder.

    An interrupted demo is resumed; the results of a finished one are shown again. Its report is demo-report.html.
    """
    jobs = _jobs(lmp, mpiprocs)
    from aiida.orm import ProcessNode, QueryBuilder
    from rich.console import Console

    from aiida_cse.building.recipe import load_recipe
    from aiida_cse.cli.cmd_figures import write_report
    from aiida_cse.cli.display.results import print_view
    from aiida_cse.cli.running import leave, refuse_incapable, run_shown
    from aiida_cse.engine.embedded import resume_embedded, run_embedded
    from aiida_cse.report.processes import findings_of
    from aiida_cse.report.view import view_of
    from aiida_cse.workchains.study import StudyWorkChain

    query = QueryBuilder().append(ProcessNode, filters={"extras.cse_demo": True}, tag="demo")
    demos: list[ProcessNode] = query.order_by({"demo": {"id": "desc"}}).all(flat=True)
    study = next((node for node in demos if not node.is_terminated or node.is_finished_ok), None)
    if study is None or (new and study.is_terminated):
        builder: Any = StudyWorkChain.get_builder_from_protocol(
            recipe=load_recipe("llzo-peo-litfsi-demo"), protocol="demo", **jobs
        )
        builder.metadata.label = "demo"
        refuse_incapable(builder)
        study = run_shown(run_embedded, builder, extras={"cse_demo": True})
    elif not study.is_terminated:
        click.echo(f"resuming the interrupted demo <{study.pk}>")
        study = run_shown(resume_embedded, study)
    else:
        click.echo(f"the demo <{study.pk}> has finished before; run it again with: {aiida_cse('demo', '--new')}")
    if study.is_terminated and "runs" in study.outputs:
        findings = findings_of(study)
        print_view(view_of(findings), Console(highlight=False))
        page = write_report(findings, Path(_DEMO_REPORT))
        click.echo(f"\nthe study is process {study.pk}; commands to try next:")
        click.echo(f"  {aiida_cse('show', study.pk)}")
        click.echo(f"  {verdi('process', 'report', study.pk)}")
        click.echo(f"  {verdi('process', 'dump', study.pk)}")
        click.echo(f"the report, with figures, for a browser: {page}")
    leave(study)


#: errors that can be planted, as factors on the input of LAMMPS
_PLANTED = {"barrier": {"barrier": 1.2}, "mass": {"mass": 2.0}}


@click.command()
@click.option("--quick", is_flag=True, help="Fewer ions and shorter runs: under 2 minutes.")
@click.option(
    "--crossing",
    is_flag=True,
    help="Check one crossing instead: F, κ and Γ where nothing crosses, under 5 minutes.",
)
@click.option(
    "--seed", type=click.IntRange(1, 2**31 - 1), default=1, show_default=True, help="Seed of the landscape."
)
@click.option(
    "--plant",
    type=click.Choice(sorted(_PLANTED)),
    help="Plant an error that must be detected: a barrier that is 20 % too high, or twice the mass.",
)
@click.option(
    "--figures",
    type=inputs.OutPath(file_okay=False, path_type=Path),
    default=Path("validation"),
    show_default=True,
    help="Folder for the two figures, of exchange and rates or of F(z) and κ(t); created if it does not exist.",
)
@inputs.LMP
@inputs.MPIPROCS
def validate(
    quick: bool,
    crossing: bool,
    seed: int,
    plant: str | None,
    figures: Path,
    lmp: Path | None,
    mpiprocs: int,
) -> None:
    """Run the whole chain here on ions in a landscape whose results are known, and compare.

    The chain is LAMMPS, segments, reduction, verdict, barriers, κ and kinetics, at five temperatures, started off
    equilibrium. Every quantity is printed with its interval. The command fails if an interval does not contain the
    known value. On a cluster: aiida-cse launch validation.

    With --crossing, umbrella windows and short trajectories are compared with the exact free energy, transmission
    and rate instead, at the lowest temperature.

    \b
    Examples:
      aiida-cse validate --quick
      aiida-cse validate --crossing --seed 7
    """
    if crossing and quick:
        raise click.UsageError("--crossing with --quick: a crossing has one length; leave out --quick")
    jobs = _jobs(lmp, mpiprocs)
    from rich.console import Console

    from aiida_cse.cli.display.results import print_view
    from aiida_cse.cli.running import leave, refuse_incapable, run_shown
    from aiida_cse.engine.embedded import run_embedded
    from aiida_cse.report.processes import findings_of
    from aiida_cse.report.view import view_of
    from aiida_cse.workchains.validate import CrossingValidationWorkChain, ValidationWorkChain

    chain = CrossingValidationWorkChain if crossing else ValidationWorkChain
    builder: Any = chain.get_builder_from_protocol(
        seed=seed,
        protocol="quick" if quick else "full",
        overrides=None if plant is None else {"settings": {"planted": _PLANTED[plant]}},
        **jobs,
    )
    subject = "validation of a crossing, seed" if crossing else "validation of seed"
    builder.metadata.label = f"{subject} {seed}" + ("" if plant is None else f", wrong {plant}")
    refuse_incapable(builder)
    node: Any = run_shown(run_embedded, builder)
    if "checks" in node.outputs:
        print_view(view_of(findings_of(node)), Console(highlight=False))
        names = ("crossing", "transmission") if crossing else ("exchange", "rates")
        for line in write_figures(node, figures, names):
            click.echo(line)
    leave(node)


def write_figures(validation: Any, folder: Path, names: Iterable[str]) -> Iterator[str]:
    """Draw figures of a validation as SVG and PNG, and yield a line for each file.

    A figure that cannot be drawn has a line with the reason instead.
    """
    from aiida_cse.report.figures.registry import attempt
    from aiida_cse.report.figures.registry import figures as registered
    from aiida_cse.report.figures.style import DOUBLE, save
    from aiida_cse.report.sources import open_findings

    findings = open_findings(validation)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        found = attempt(registered()[name], findings, DOUBLE)
        if found.figure is None:
            yield f"figure {name} was not drawn: {found.reason}"
            continue
        for suffix in ("svg", "png"):
            yield f"wrote {save(found.figure, folder / f'{name}.{suffix}', name=name)}"


def _jobs(lmp: Path | None, mpiprocs: int) -> dict[str, Any]:
    """Return codes and options of a builder whose jobs run on this machine.

    Profile, computer and codes of the current folder are created if necessary, and printed.
    """
    profiles.activate(create=True)
    from aiida_cse.cli.site.environment import ensure_environment

    environment = ensure_environment(lmp=lmp)
    click.echo("\n".join(environment.lines))
    return {
        "codes": {"lammps": environment.lammps, "cse": environment.cse},
        "options": {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": mpiprocs}},
    }
