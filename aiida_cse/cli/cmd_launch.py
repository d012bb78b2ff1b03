"""``aiida-cse launch``: studies, productions, quenches, analyses and validations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from aiida_cse.cli import params
from aiida_cse.cli import profile as profiles
from aiida_cse.cli.errors import InputError, input_errors
from aiida_cse.engine.hints import aiida_cse

if TYPE_CHECKING:
    from aiida.engine import ProcessBuilder
    from aiida.orm import AbstractCode, Node

    from aiida_cse.workchains.common.builders import Codes

__all__ = ["go", "launch", "load"]

Command = TypeVar("Command", bound=Callable[..., Any])

_PROTOCOL = click.option("--protocol", metavar="NAME", help="Protocol; without it, the default one.")
_OVERRIDES = click.option(
    "--overrides",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file with changes to the protocol; unknown keys are refused.",
)
_TEMPERATURE = click.option("--temperature", type=float, required=True, help="Temperature in K.")
_WAIT = click.option("--wait", is_flag=True, help="Show progress until the end (a daemon runs it either way).")


def _job_options(command: Command) -> Command:
    """Add the options that say where and how the LAMMPS jobs run."""
    for option in reversed(
        [
            click.option("--lammps", default="lmp@localhost", show_default=True, help="Code with LAMMPS."),
            click.option("--cse", help="Code of aiida-cse; without it, cse on the computer of --lammps."),
            click.option(
                "--machines", type=click.IntRange(min=1), default=1, show_default=True, help="Nodes per job."
            ),
            click.option(
                "--mpiprocs", type=click.IntRange(min=1), default=1, show_default=True, help="Ranks per node."
            ),
            click.option("--walltime", type=click.IntRange(min=60), help="Wall time per job in seconds."),
            click.option("--queue", help="Queue or partition."),
            click.option("--account", help="Account to charge."),
        ]
    ):
        command = option(command)
    return command


@click.group()
def launch() -> None:
    """Launch a study, a production, a quench, an analysis or a validation.

    A profile with a broker hands it to the daemon; a profile without one runs it here, with live progress.
    """


@launch.command()
@params.RECIPE
@_PROTOCOL
@_OVERRIDES
@click.option("--emc", help="Code of EMC, which then builds the electrolyte; needs --emc-setup.")
@click.option("--emc-setup", help="Code of EMC's front end, emc.pl.")
@click.option("--moltemplate", help="Code of Moltemplate, which then joins the phases.")
@_job_options
@_WAIT
@params.PROFILE
def study(
    recipe: str, protocol: str | None, overrides: Path | None, wait: bool, profile: str | None, **job: Any
) -> None:
    """Launch a whole study from a recipe."""
    with input_errors():
        changes = _read_overrides(overrides) or {}
    profiles.load(profile)
    from aiida_cse.workchains.common.forcefields import load_stored_recipe
    from aiida_cse.workchains.common.protocol import merge
    from aiida_cse.workchains.study import StudyWorkChain

    if job["moltemplate"] is not None:
        changes = merge({"interface": {"assembler": "moltemplate"}}, changes)
    if job["emc"] is not None or job["emc_setup"] is not None:
        changes = merge({"electrolyte": {"builder": "emc"}}, changes)
    with input_errors():
        builder = StudyWorkChain.get_builder_from_protocol(
            codes=_codes(job),
            recipe=load_stored_recipe(recipe),
            protocol=protocol,
            overrides=changes,
            options=_options(job),
        )
    go(builder, wait)


@launch.command()
@click.option("--system", type=click.IntRange(min=1), required=True, help="PK of the relaxed interface.")
@_TEMPERATURE
@click.option(
    "--seed",
    type=click.IntRange(1, 2**31 - 1),
    help="Seed of the velocities that the run draws (plan.velocities: draw).",
)
@_PROTOCOL
@_OVERRIDES
@_job_options
@_WAIT
@params.PROFILE
def production(
    system: int,
    temperature: float,
    seed: int | None,
    protocol: str | None,
    overrides: Path | None,
    wait: bool,
    profile: str | None,
    **job: Any,
) -> None:
    """Launch the production of a relaxed interface, with its reduction and analysis."""
    with input_errors():
        changes = _read_overrides(overrides)
    profiles.load(profile)
    from aiida_cse.data.system import CseSystemData
    from aiida_cse.workchains.production import ProductionWorkChain

    node = load(system, CseSystemData, "--system")
    seeds = node.info.seeds | ({} if seed is None else {"velocities": seed})
    if "velocities" not in seeds:
        raise InputError(f"--seed: system {system} names no seed for velocities; give one")
    with input_errors():
        builder = ProductionWorkChain.get_builder_from_protocol(
            codes=_codes(job),
            recipe={"seeds": seeds},
            system=node,
            temperature=temperature,
            protocol=protocol,
            overrides=changes,
            options=_options(job),
        )
    go(builder, wait)


@launch.command()
@click.option("--system", type=click.IntRange(min=1), required=True, help="PK of the relaxed interface.")
@click.option("--temperature", type=float, required=True, help="Temperature of the cold run in K.")
@click.option("--hot-temperature", type=float, help="Where it equilibrates, in K; without it, the protocol's.")
@_PROTOCOL
@_OVERRIDES
@_job_options
@_WAIT
@params.PROFILE
def quench(
    system: int,
    temperature: float,
    hot_temperature: float | None,
    protocol: str | None,
    overrides: Path | None,
    wait: bool,
    profile: str | None,
    **job: Any,
) -> None:
    """Launch a quench: a relaxed interface equilibrates hot, is cooled, runs cold, and both are compared."""
    with input_errors():
        changes = _read_overrides(overrides) or {}
    profiles.load(profile)
    from aiida_cse.data.system import CseSystemData
    from aiida_cse.workchains.quench import QuenchWorkChain

    node = load(system, CseSystemData, "--system")
    if "velocities" not in node.info.seeds:
        raise InputError(f"--system: system {system} names no seed for velocities; take one that was built")
    with input_errors():
        builder = QuenchWorkChain.get_builder_from_protocol(
            codes=_codes(job),
            recipe={"seeds": node.info.seeds},
            system=node,
            temperature=temperature,
            protocol=protocol,
            overrides=changes | ({} if hot_temperature is None else {"hot_temperature": hot_temperature}),
            options=_options(job),
        )
    go(builder, wait)


@launch.command()
@click.option("--reduction", type=click.IntRange(min=1), required=True, help="PK of the reduction.")
@_TEMPERATURE
@_PROTOCOL
@_OVERRIDES
@_WAIT
@params.PROFILE
def analysis(
    reduction: int,
    temperature: float,
    protocol: str | None,
    overrides: Path | None,
    wait: bool,
    profile: str | None,
) -> None:
    """Launch the analysis of a reduced production; it reads no trajectory."""
    with input_errors():
        changes = _read_overrides(overrides)
    profiles.load(profile)
    from aiida_cse.data.reduction import CseReductionData
    from aiida_cse.workchains.analysis import AnalysisWorkChain

    node = load(reduction, CseReductionData, "--reduction")
    with input_errors():
        builder = AnalysisWorkChain.get_builder_from_protocol(
            reduction=node, temperature=temperature, protocol=protocol, overrides=changes
        )
    go(builder, wait)


@launch.command()
@click.option(
    "--seed", type=click.IntRange(1, 2**31 - 1), default=1, show_default=True, help="Draws the landscape."
)
@_PROTOCOL
@_OVERRIDES
@_job_options
@_WAIT
@params.PROFILE
def validation(
    seed: int, protocol: str | None, overrides: Path | None, wait: bool, profile: str | None, **job: Any
) -> None:
    """Launch a validation: known answers through the whole chain, on any computer."""
    with input_errors():
        changes = _read_overrides(overrides)
    profiles.load(profile)
    from aiida_cse.workchains.validate import ValidationWorkChain

    with input_errors():
        builder = ValidationWorkChain.get_builder_from_protocol(
            codes=_codes(job), seed=seed, protocol=protocol, overrides=changes, options=_options(job)
        )
    go(builder, wait)


def _read_overrides(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    from aiida_cse.yaml_io import read_mapping

    try:
        return read_mapping(path, "a file of overrides")
    except ValueError as error:
        raise ValueError(f"--overrides {error}") from error


def _codes(job: dict[str, Any]) -> Codes:
    lammps = _code(job["lammps"], "--lammps")
    codes: Codes = {"lammps": lammps, "cse": _code(_beside(lammps) if job["cse"] is None else job["cse"], "--cse")}
    if job.get("moltemplate") is not None:
        codes["moltemplate"] = _code(job["moltemplate"], "--moltemplate")
    if job.get("emc") is not None:
        codes["emc"] = _code(job["emc"], "--emc")
    if job.get("emc_setup") is not None:
        codes["emc_setup"] = _code(job["emc_setup"], "--emc-setup")
    return codes


def _code(label: str, option: str) -> AbstractCode:
    from aiida.common.exceptions import MultipleObjectsError, NotExistent
    from aiida.orm import load_code

    try:
        return load_code(label)
    except (NotExistent, MultipleObjectsError, ValueError) as error:
        hint = f"codes of this machine are made with: {aiida_cse('setup')}"
        raise InputError(f"{option} {label!r}: {error}; {hint}") from error


def _beside(lammps: AbstractCode) -> str:
    """Return the label of the code of aiida-cse on the computer of LAMMPS."""
    if lammps.computer is None:
        raise InputError(f"--cse: {lammps.full_label} belongs to no computer; give the code of aiida-cse")
    return f"cse@{lammps.computer.label}"


def _options(job: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "resources": {"num_machines": job["machines"], "num_mpiprocs_per_machine": job["mpiprocs"]}
    }
    for key, name in (("walltime", "max_wallclock_seconds"), ("queue", "queue_name"), ("account", "account")):
        if job[key] is not None:
            options[name] = job[key]
    return options


NodeType = TypeVar("NodeType", bound="Node")


def load(pk: int, kind: type[NodeType], option: str) -> NodeType:
    """Return a node that a user named with an option, of this kind."""
    from aiida.common.exceptions import NotExistent
    from aiida.orm import load_node

    try:
        node = load_node(pk)
    except NotExistent as error:
        raise InputError(f"{option}: there is no node {pk} in this profile") from error
    if not isinstance(node, kind):
        raise InputError(f"{option}: node {pk} is a {type(node).__name__}, it must be a {kind.__name__}")
    return node


def go(builder: ProcessBuilder, wait: bool) -> None:
    """Submit to the daemon where there is a broker, else run here."""
    from aiida.manage import get_manager

    from aiida_cse.workchains.common.builders import refuse_invalid

    with input_errors():
        refuse_invalid(builder)
    from aiida_cse.cli.running import follow_shown, leave, run_shown, submit

    if get_manager().get_profile().process_control_backend is None:  # type: ignore[union-attr]
        leave(run_shown(builder))
    node = submit(builder)
    click.echo(f"submitted {node.process_label} <{node.pk}>; see: {aiida_cse('status', node.pk)}")
    if wait:
        leave(follow_shown(node))
