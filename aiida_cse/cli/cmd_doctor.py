"""Commands that examine programs: ``doctor`` and ``calibrate``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from aiida_cse.cli import inputs
from aiida_cse.cli import profile as profiles
from aiida_cse.engine.hints import verdi

if TYPE_CHECKING:
    from aiida.orm import AbstractCode

    from aiida_cse.cli.site.checks import Section

__all__ = ["calibrate", "doctor", "print_checks"]


@click.command()
@click.argument("codes", nargs=-1, type=inputs.Identifier(), metavar="[CODE]...")
@click.option("--again", is_flag=True, help="Examine LAMMPS even if a stored examination counts.")
@click.option("--account", help="Account to charge for jobs on a cluster.")
@click.option("--queue", help="Queue or partition of jobs on a cluster.")
@inputs.PROFILE
def doctor(
    codes: tuple[int | str, ...], again: bool, account: str | None, queue: str | None, profile: str | None
) -> None:
    """Check profile, daemon, disk and codes; say what to do about each fault.

    Each LAMMPS runs a tiny input with every style and command of the protocols, with one MPI rank and with two and
    with its accelerators. The result is stored, and launches refuse what is marked ✗. Codes on other
    computers are run only if they are named: CODE is a PK, UUID or label. The command fails if a line is marked ✗.

    \b
    Examples:
      aiida-cse doctor
      aiida-cse doctor lmp@cluster cse@cluster --account abc
    """
    profiles.load(profile)
    from aiida_cse.cli.site.checks import code_checks, profile_code_checks, site_checks

    given = {"account": account, "queue_name": queue}
    options = {key: value for key, value in given.items() if value is not None}
    named = [_named(code) for code in codes]
    sections: Iterable[Section]
    if named:
        sections = (code_checks(code, ask=True, again=again, options=options) for code in named)
    else:
        sections = chain(site_checks(), profile_code_checks(ask=False, again=again, options=options))
    with inputs.input_errors():
        faults = print_checks(sections)
    sys.exit(1 if faults else 0)


def _named(identifier: int | str) -> AbstractCode:
    """Return a code by PK, UUID or label."""
    from aiida.common import MultipleObjectsError, NotExistent
    from aiida.orm import load_code

    try:
        return load_code(identifier)
    except (NotExistent, MultipleObjectsError, ValueError) as error:
        raise inputs.InputError(f"CODE = {identifier!r}: {error}; codes: {verdi('code', 'list')}") from error


def print_checks(sections: Iterable[Section]) -> bool:
    """Print sections of checks as they are found, then a line on all; return whether one is marked ✗."""
    from rich.console import Console

    from aiida_cse.cli.display.site import print_section
    from aiida_cse.cli.site.checks import has_faults

    console, seen = Console(highlight=False), []
    for section in sections:
        print_section(section, console)
        seen.append(section)
    faults = sum(check.is_wrong for section in seen for check in section.checks)
    if faults:
        console.print(f"{faults} {'line is' if faults == 1 else 'lines are'} marked ✗")
    else:
        console.print("nothing is wrong")
    return has_faults(seen)


@click.command()
@click.option("--lammps", default="lmp@localhost", show_default=True, help="Code of LAMMPS.")
@click.option("--system", type=inputs.Identifier(), help="System that is run: PK, UUID or label.")
@click.option("--recipe", metavar="FILE|NAME", help="Recipe whose number of atoms is run.")
@click.option("--protocol", metavar="NAME", help="Protocol with cutoff and electrostatics [default: moderate].")
@click.option("--cores", type=click.IntRange(min=1), help="Cores of a node [default: those of the computer].")
@click.option("--account", help="Account to charge for jobs on a cluster.")
@click.option("--queue", help="Queue or partition of jobs on a cluster.")
@inputs.PROFILE
def calibrate(
    lammps: str,
    system: int | str | None,
    recipe: str | None,
    protocol: str | None,
    cores: int | None,
    account: str | None,
    queue: str | None,
    profile: str | None,
) -> None:
    """Measure the speed of LAMMPS against MPI ranks and threads, in some 30 s of runs.

    Give a --system, such as a relaxed interface, or a --recipe. The latter runs copies of the newest relaxed
    interface of the profile side by side, as many as the recipe has atoms, or else a crystal of its ceramic. The
    speeds are stored, and forecasts of launches use them.

    \b
    Examples:
      aiida-cse calibrate --recipe llzo-peo-litfsi
      aiida-cse calibrate --system 123 --lammps lmp@cluster --cores 64
    """
    if (system is None) == (recipe is None):
        raise inputs.InputError("--system, --recipe: give one of them")
    profiles.load(profile)
    import psutil  # type: ignore[import-untyped]
    from rich.console import Console

    from aiida_cse.cli.display.site import print_speeds
    from aiida_cse.cli.running import leave, run_shown
    from aiida_cse.data.system import CseSystemData
    from aiida_cse.engine.embedded import run_embedded
    from aiida_cse.workchains.calibrate import CalibrateWorkChain, choices_for, system_like
    from aiida_cse.workchains.common.availability import code_error
    from aiida_cse.workchains.common.capability import capabilities_of, has_mpirun, is_local
    from aiida_cse.workchains.production import ProductionWorkChain

    code = _named(lammps)
    if error := code_error(code):
        raise inputs.InputError(f"--lammps = {lammps!r}: {error}")
    with inputs.input_errors():
        settings = ProductionWorkChain.get_protocol_inputs(protocol)["plan"]["settings"]
        if recipe is None:
            node = inputs.load_typed(system or "", CseSystemData, "--system")
            words = f"<{node.pk}>"
        else:
            made, words = system_like(inputs.find_recipe(recipe, profile))
            node = CseSystemData(made)
        known = capabilities_of(code)
        content = {} if known is None else known.get_dict()
        parallel = 2 in (content.get("ranks") or (1, 2)) and has_mpirun(code)
        computer = code.computer
        if is_local(code) or computer is None:
            there = psutil.cpu_count(logical=False)
        else:
            there = computer.get_default_mpiprocs_per_machine()
        number = cores or int(there or 1)
        choices = choices_for(number, content.get("accelerators") or (), parallel=parallel)
        given = {"account": account, "queue_name": queue}
        options = {key: value for key, value in given.items() if value is not None}
        builder = CalibrateWorkChain.get_builder_for(code, node, settings, choices, options=options)
    click.echo(f"{code.full_label}, {number} cores: {node.info.natoms:,} atoms, {words}")
    process: Any = run_shown(run_embedded, builder)
    if "speeds" in process.outputs:
        print_speeds(process.outputs.speeds.get_dict(), Console(highlight=False))
        click.echo(f"kept as <{process.outputs.speeds.pk}>; forecasts of launches use these speeds")
    leave(process)
