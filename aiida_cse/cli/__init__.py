"""The command ``aiida-cse``.

Nothing here imports AiiDA: each subcommand's module is imported when that subcommand is called, so that
``aiida-cse --help`` is quick and the plain commands (``build``, ``reduce``) need no profile.
"""

import click

from aiida_cse import __version__
from aiida_cse.cli.lazy import LazyGroup

__all__ = ["main"]


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommands={
        "setup": ("aiida_cse.cli.cmd_setup:setup", "Make a profile, this computer and its codes."),
        "demo": ("aiida_cse.cli.cmd_demo:demo", "Run a small study from recipe to result."),
        "validate": (
            "aiida_cse.cli.cmd_validate:validate",
            "Run ions in a landscape with known answers through the whole chain.",
        ),
        "build": ("aiida_cse.cli.cmd_build:build", "Build a slab or an electrolyte (needs no profile)."),
        "reduce": (
            "aiida_cse.cli.cmd_reduce:reduce",
            "Reduce trajectory segments to a state (needs no profile).",
        ),
        "forcefield": (
            "aiida_cse.cli.cmd_forcefield:forcefield",
            "Show force-field sets and pair tables, take in your own.",
        ),
        "launch": (
            "aiida_cse.cli.cmd_launch:launch",
            "Launch a study, a production, a quench, an analysis or a validation.",
        ),
        "extend": (
            "aiida_cse.cli.cmd_extend:extend",
            "Go on with a study: more temperatures, replicas, longer runs.",
        ),
        "system": ("aiida_cse.cli.cmd_system:system", "Import boxes that were not built here."),
        "status": ("aiida_cse.cli.cmd_status:status", "Show where a process stands, or its results."),
        "resume": ("aiida_cse.cli.cmd_resume:resume", "Go on with an interrupted run."),
    },
)
@click.version_option(__version__, prog_name="aiida-cse")
def main() -> None:
    """Composite solid electrolyte interfaces: build, equilibrate, run and analyse with LAMMPS."""
