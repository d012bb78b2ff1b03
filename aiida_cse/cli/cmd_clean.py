"""The command ``clean``: free the disk space of the jobs of an ended process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from aiida_cse.cli import inputs
from aiida_cse.cli import profile as profiles
from aiida_cse.cli.inputs import InputError, input_errors
from aiida_cse.engine.hints import aiida_cse
from aiida_cse.report.words import size_words

if TYPE_CHECKING:
    from aiida_cse.cli.site.disk import Files

__all__ = ["clean"]

#: for each need, its words and the option that frees what it keeps
_ROWS = {
    "nothing": ("no longer needed", ""),
    "reduction": ("for a new reduction: trajectories", "--trajectories"),
    "extend": ("for extend: last checkpoints", "--checkpoints"),
    "stash": ("stashed copies", "--stashes"),
}


@click.command()
@inputs.PK
@click.option("--trajectories", is_flag=True, help="Also free trajectories, which a new reduction needs.")
@click.option("--checkpoints", is_flag=True, help="Also free the last checkpoints, which `extend` needs.")
@click.option("--stashes", is_flag=True, help="Also free stashes.")
@click.option("--dry-run", is_flag=True, help="Only show what can be freed.")
@click.option("--yes", is_flag=True, help="Free without asking.")
@inputs.PROFILE
def clean(
    pk: int | str,
    trajectories: bool,
    checkpoints: bool,
    stashes: bool,
    dry_run: bool,
    yes: bool,
    profile: str | None,
) -> None:
    """Free the disk space of the jobs of the ended process PK, and show first what still needs it.

    Without options, only files are removed that nothing needs: those of builds, of the equilibration and of older
    checkpoints. Results, systems, reductions and provenance stay in the profile, so that everything can still be
    shown, analysed again and exported. Only a new reduction, as for finer bins, needs the trajectories.

    \b
    Examples:
      aiida-cse clean 67 --dry-run
      aiida-cse clean 67 --trajectories --yes
    """
    profiles.load(profile)
    from aiida.orm import ProcessNode

    from aiida_cse.cli.site.disk import find_files, free, measure, refuse_in_use

    process = inputs.load_typed(pk, ProcessNode, "PK")
    with input_errors():
        refuse_in_use(process)
        files = find_files(process)
        measure(files)
    there = [one for one in files if one.kilobytes is not None]
    flags = {"nothing": True, "reduction": trajectories, "extend": checkpoints, "stash": stashes}
    needs = [need for need, given in flags.items() if given]
    _print_files(f"{process.process_label} <{process.pk}>", there, needs)
    if not there:
        return
    kilobytes = sum(one.size(need) for one in there for need in needs)
    size = size_words(1024 * kilobytes)
    if kilobytes == 0:
        click.echo("nothing to free" + ("" if all(flags.values()) else " without a further option"))
        return
    click.echo("results, systems, reductions and provenance stay in the profile")
    if "extend" in needs:
        click.echo("after this, no run of it can be extended from its checkpoint")
    if dry_run:
        click.echo(f"would free {size}; nothing was removed")
        return
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"--yes is needed to free {size} without a terminal that can answer")
        click.confirm(f"free {size}?", abort=True)
    with input_errors():
        freed = free(there, needs)
    click.echo(f"freed {size_words(1024 * freed)}; what is left: {aiida_cse('clean', process.pk, '--dry-run')}")


def _print_files(process: str, files: list[Files], freed: list[str]) -> None:
    """Print number, places and size of the folders; and for each need what it keeps, and whether that is freed."""
    if not files:
        click.echo(f"{process}: its jobs have no files left")
        return
    computers = ", ".join(sorted({one.computer for one in files}))
    number = f"{len(files)} folders" if len(files) != 1 else "1 folder"
    size = size_words(1024 * sum(one.kilobytes or 0 for one in files))
    click.echo(f"{process}: {number} on {computers}, {size}")
    for need, (words, option) in _ROWS.items():
        kilobytes = sum(one.size(need) for one in files)
        if kilobytes == 0:
            continue
        fate = "is freed" if need in freed else f"stays; {option} frees it"
        click.echo(f"  {size_words(1024 * kilobytes):>8}  {words:<34}  {fate}")
