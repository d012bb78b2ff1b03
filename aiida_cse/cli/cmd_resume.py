"""``aiida-cse resume``: go on with a run that was interrupted."""

from __future__ import annotations

import click

from aiida_cse.cli import params
from aiida_cse.cli import profile as profiles

__all__ = ["resume"]


@click.command()
@params.PK
@params.PROFILE
def resume(pk: int, profile: str | None) -> None:
    """Go on with the run PK from its last checkpoints.

    A run survives Ctrl-C, a closed terminal, a killed Python and a reboot. LAMMPS jobs that are still running are
    found again; nothing that has finished is run twice.
    """
    profiles.load(profile)
    from aiida_cse.cli.running import leave, resume_shown

    leave(resume_shown(pk))
