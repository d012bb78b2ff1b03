"""Command that checks an installation: ``doctor``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from aiida_cse.cli import inputs
from aiida_cse.cli import profile as profiles
from aiida_cse.engine.hints import verdi

if TYPE_CHECKING:
    from aiida.orm import AbstractCode

    from aiida_cse.cli.site_checks import Section

__all__ = ["doctor", "print_checks"]


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
    from aiida_cse.cli.site_checks import code_checks, codes_of_profile, site_checks

    given = {"account": account, "queue_name": queue}
    options = {key: value for key, value in given.items() if value is not None}
    named = [_named(code) for code in codes]
    sections: list[Iterable[Section]] = [] if named else [site_checks()]
    chosen: list[Any] = named or codes_of_profile()
    sections.append(code_checks(code, ask=bool(named), again=again, options=options) for code in chosen)
    if not chosen:
        raise inputs.InputError(
            "CODE: this profile has no code of LAMMPS; create those of this machine with setup"
        )
    with inputs.input_errors():
        faults = print_checks(section for group in sections for section in group)
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

    from aiida_cse.cli.display.checks import print_section
    from aiida_cse.cli.site_checks import has_faults

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
