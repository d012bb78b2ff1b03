"""``aiida-cse extend``: go on with a study, or a production, that has ended."""

from __future__ import annotations

import click

from aiida_cse.cli import params
from aiida_cse.cli import profile as profiles
from aiida_cse.cli.errors import input_errors

__all__ = ["extend"]


def _numbers(_: click.Context, __: click.Parameter, value: str | None) -> list[float] | None:
    if value is None:
        return None
    try:
        return [float(word) for word in value.replace(",", " ").split()]
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: give numbers in K with commas between them") from error


@click.command()
@click.argument("pk", type=click.IntRange(min=1), metavar="PK")
@click.option("--temperatures", callback=_numbers, metavar="K,K,…", help="Further temperatures in K.")
@click.option("--replicas", type=click.IntRange(min=1), help="Runs at each temperature, old ones included.")
@click.option("--length", type=float, metavar="NS", help="Length of each run in ns, or its budget.")
@click.option("--wait", is_flag=True, help="Show progress until the end (a daemon runs it either way).")
@params.PROFILE
def extend(
    pk: int,
    temperatures: list[float] | None,
    replicas: int | None,
    length: float | None,
    wait: bool,
    profile: str | None,
) -> None:
    """Go on with the study PK: more temperatures, more replicas, longer runs; nothing is run twice.

    PK may be a production, too: then --length is its length in all.
    """
    profiles.load(profile)
    from aiida.orm import WorkChainNode

    from aiida_cse.cli.cmd_launch import go, load
    from aiida_cse.workchains.continue_from import get_builder_from

    process = load(pk, WorkChainNode, "PK")
    with input_errors():
        builder = get_builder_from(process, temperatures=temperatures, replicas=replicas, length_ns=length)
    go(builder, wait)
