"""``aiida-cse setup``: what studies on this machine need."""

from __future__ import annotations

from pathlib import Path

import click

from aiida_cse.cli import params
from aiida_cse.cli import profile as profiles
from aiida_cse.engine.hints import verdi

__all__ = ["setup"]


@click.command()
@click.option(
    "-p",
    "--profile",
    metavar="NAME",
    help="Add computer and codes to this existing profile of yours, instead of making one in the folder's .aiida.",
)
@params.LMP
@click.option(
    "--daemon", is_flag=True, help="Give the profile a ZeroMQ broker, so that the daemon can run studies."
)
@click.option(
    "--mpiprocs", type=click.IntRange(min=1), default=1, show_default=True, help="MPI processes per job."
)
def setup(profile: str | None, lmp: Path | None, daemon: bool, mpiprocs: int) -> None:
    """Make a profile, this computer and its codes; what is there is left as it is.

    Without --profile everything lives in .aiida in the current folder (or in AIIDA_PATH, if that is set): an
    SQLite storage, no services, nothing in your home folder.
    """
    if profile is None:
        profiles.activate(create=True)
    else:
        profiles.load(profile)
    from aiida_cse.cli.environment import PROFILE, EnvironmentSetupError, ensure_environment

    try:
        environment = ensure_environment(
            profile or PROFILE, lmp=lmp, daemon=daemon, mpiprocs=mpiprocs, create=profile is None
        )
    except EnvironmentSetupError as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(environment.lines))
    if not environment.changed:
        click.echo("everything was there already; nothing was changed")
    if daemon:
        click.echo(f"start the daemon with verdi on PATH: {verdi('daemon', 'start')}")
