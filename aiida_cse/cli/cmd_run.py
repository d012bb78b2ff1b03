"""Commands that run processes: ``launch``, ``extend``, ``stop``, ``resume`` and ``nudge``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from aiida_cse.cli import inputs
from aiida_cse.cli import profile as profiles
from aiida_cse.cli.inputs import InputError, input_errors, load_typed
from aiida_cse.engine.hints import aiida_cse

if TYPE_CHECKING:
    from aiida_cse.data.system import CseSystemData

__all__ = ["extend", "launch", "nudge", "resume", "stop"]

Command = TypeVar("Command", bound=Callable[..., Any])

_SEED = click.IntRange(1, 2**31 - 1)
_SYSTEM = click.option(
    "--system", type=inputs.Identifier(), required=True, help="The relaxed interface: PK, UUID or label."
)
_TEMPERATURE = click.option("--temperature", type=float, required=True, help="Temperature in K.")
_PROTOCOL = click.option(
    "--protocol",
    metavar="NAME",
    help="Name of the protocol; if omitted, the default one.",
    shell_complete=inputs.complete_protocol,
)
_OVERRIDES = click.option(
    "--overrides", type=inputs.FILE, help="YAML file with changes to the protocol; unknown keys are refused."
)


def _job_options(command: Command, *, stored: bool = False) -> Command:
    """Add the options that say where and how the LAMMPS jobs run; by default as those of a stored process."""
    count = click.IntRange(min=1)
    lammps, one = (None, "") if stored else ("lmp@localhost", " [default: 1]")
    kept = " [default: that of the process PK]" if stored else ""
    on_its_computer = " [default: cse on the computer of --lammps]"
    for option in (
        click.option(
            "--options", type=inputs.FILE, help="YAML file with scheduler options of AiiDA for all jobs, as qos."
        ),
        click.option("--account", help="Account to charge."),
        click.option("--queue", help="Queue or partition."),
        click.option("--walltime", type=click.IntRange(min=60), help="Wall time per job in s."),
        click.option("--mpiprocs", type=count, help=f"MPI ranks per node{one}."),
        click.option("--machines", type=count, help=f"Nodes per job{one}."),
        click.option("--cse", help=f"Code of aiida-cse{on_its_computer}."),
        click.option("--lammps", default=lammps, show_default=True, help=f"Code of LAMMPS{kept}."),
    ):
        command = option(command)
    return command


def _other_programs(command: Command) -> Command:
    """Add the options for the codes of programs that a protocol may need."""
    for option in (
        click.option("--moltemplate", help="Code of Moltemplate, which then joins the phases."),
        click.option("--emc-setup", help="Code of EMC's front end, emc.pl."),
        click.option("--emc", help="Code of EMC, which then builds the electrolyte; needs --emc-setup."),
    ):
        command = option(command)
    return command


@click.group()
def launch() -> None:
    """Launch a study, a production, a quench, a crossing, an analysis or a validation.

    If the profile has a broker, the daemon runs the process. Otherwise it runs here, with a live display.
    """


@launch.command()
@inputs.RECIPE
@_PROTOCOL
@_OVERRIDES
@click.option(
    "--starts",
    callback=inputs.words,
    metavar="START,START,…",
    help="Initial states of the slab: as-built, filled, emptied [default: those of the protocol].",
)
@click.option(
    "--length", type=inputs.AboveZero(), metavar="NS", help="Length of each production in ns, or its budget."
)
@click.option("--replicas", type=click.IntRange(min=1), help="Number of runs at each temperature.")
@click.option(
    "--temperatures", callback=inputs.temperatures, metavar="K,K,…", help="Temperatures of the productions in K."
)
@_other_programs
@_job_options
@inputs.start_options
@inputs.PROFILE
def study(
    recipe: str,
    protocol: str | None,
    overrides: Path | None,
    how: inputs.StartOptions,
    profile: str | None,
    starts: list[str] | None,
    length: float | None,
    replicas: int | None,
    temperatures: list[float] | None,
    **job: Any,
) -> None:
    """Launch a study: build, equilibrate, run and analyse a recipe.

    Options precede the values of --overrides, and these precede those of the protocol.

    \b
    Example:
      aiida-cse launch study --recipe my.yaml --temperatures 600,700 \\
          --replicas 2 --length 20 --label "LLZO, 20 ns" --dry-run
    """
    changes = _read_overrides(overrides)
    given = {"starts": starts, "replicas": replicas, "temperatures": temperatures}
    changes |= {name: value for name, value in given.items() if value is not None}
    profiles.load(profile)
    from aiida_cse.cli.running import start
    from aiida_cse.workchains.common.forcefields import load_stored_recipe
    from aiida_cse.workchains.common.protocol import merge
    from aiida_cse.workchains.study import StudyWorkChain

    if length is not None:
        changes = merge(changes, {"production": _of_length(length)})
    if job["moltemplate"] is not None:
        changes = merge({"interface": {"assembler": "moltemplate"}}, changes)
    if job["emc"] is not None or job["emc_setup"] is not None:
        changes = merge({"electrolyte": {"builder": "emc"}}, changes)
    with input_errors():
        builder = StudyWorkChain.get_builder_from_protocol(
            codes=inputs.codes_of(job),
            recipe=load_stored_recipe(recipe),
            protocol=protocol,
            overrides=changes,
            options=inputs.options_of(job),
        )
    start(builder, how)


@launch.command()
@_SYSTEM
@_TEMPERATURE
@click.option("--length", type=inputs.AboveZero(), metavar="NS", help="Length of the run in ns, or its budget.")
@click.option("--seed", type=_SEED, help="Seed of the velocities, if the plan draws them (velocities: draw).")
@_PROTOCOL
@_OVERRIDES
@_job_options
@inputs.start_options
@inputs.PROFILE
def production(
    system: int | str,
    temperature: float,
    seed: int | None,
    protocol: str | None,
    overrides: Path | None,
    how: inputs.StartOptions,
    profile: str | None,
    length: float | None,
    **job: Any,
) -> None:
    """Launch the production run of a relaxed interface.

    Its trajectory is reduced and analysed.

    \b
    Example:
      aiida-cse launch production --system 1234 --temperature 700 --length 20
    """
    changes = _read_overrides(overrides)
    profiles.load(profile)
    from aiida_cse.cli.running import start
    from aiida_cse.workchains.common.protocol import merge
    from aiida_cse.workchains.production import ProductionWorkChain

    if length is not None:
        changes = merge(changes, _of_length(length))
    node, seeds = _seeded(system, seed, "give one with --seed")
    with input_errors():
        builder = ProductionWorkChain.get_builder_from_protocol(
            codes=inputs.codes_of(job),
            recipe={"seeds": seeds},
            system=node,
            temperature=temperature,
            protocol=protocol,
            overrides=changes,
            options=inputs.options_of(job),
        )
    start(builder, how)


@launch.command()
@_SYSTEM
@click.option("--temperature", type=float, required=True, help="Temperature of the cold run in K.")
@click.option(
    "--hot-temperature", type=float, help="Temperature of the equilibration in K [default: that of the protocol]."
)
@_PROTOCOL
@_OVERRIDES
@_job_options
@inputs.start_options
@inputs.PROFILE
def quench(
    system: int | str,
    temperature: float,
    hot_temperature: float | None,
    protocol: str | None,
    overrides: Path | None,
    how: inputs.StartOptions,
    profile: str | None,
    **job: Any,
) -> None:
    """Launch a quench of a relaxed interface.

    The interface equilibrates hot, is cooled and runs cold; both runs are compared.

    \b
    Example:
      aiida-cse launch quench --system 1234 --temperature 500 --protocol fast
    """
    changes = _read_overrides(overrides)
    profiles.load(profile)
    from aiida_cse.cli.running import start
    from aiida_cse.workchains.quench import QuenchWorkChain

    node, seeds = _seeded(system, None, "use a system that was built here")
    if hot_temperature is not None:
        changes["hot_temperature"] = hot_temperature
    with input_errors():
        builder = QuenchWorkChain.get_builder_from_protocol(
            codes=inputs.codes_of(job),
            recipe={"seeds": seeds},
            system=node,
            temperature=temperature,
            protocol=protocol,
            overrides=changes,
            options=inputs.options_of(job),
        )
    start(builder, how)


@launch.command()
@click.option(
    "--system",
    "systems",
    type=inputs.Identifier(),
    multiple=True,
    help="A relaxed interface: PK, UUID or label; repeatable, the ladders begin with them in turn.",
)
@click.option(
    "--from",
    "source",
    type=inputs.Identifier(),
    metavar="PK",
    help="Take the last systems of this study or production instead, those at --temperature first.",
)
@_TEMPERATURE
@click.option("--side", type=click.Choice(("left", "right")), required=True, help="Side of the slab.")
@click.option("--ion", metavar="NAME", help="The ion, as Li: the one that both phases share [default: that one].")
@click.option(
    "--well",
    type=(float, float),
    metavar="A B",
    help="Range of the well, as distances from the mid-plane in Å [default: the first layer].",
)
@click.option(
    "--surface",
    type=inputs.AboveZero(),
    metavar="Å",
    help="Dividing surface, as distance from the mid-plane [default: the top of F].",
)
@click.option("--seed", type=_SEED, help="Seed of ions and velocities [default: that of the first system].")
@_PROTOCOL
@_OVERRIDES
@_job_options
@inputs.start_options
@inputs.PROFILE
def crossing(
    systems: tuple[int | str, ...],
    source: int | str | None,
    temperature: float,
    side: str,
    ion: str | None,
    well: tuple[float, float] | None,
    surface: float | None,
    seed: int | None,
    protocol: str | None,
    overrides: Path | None,
    how: inputs.StartOptions,
    profile: str | None,
    **job: Any,
) -> None:
    """Launch the measurement of a rate at which nothing crosses by itself.

    Umbrella windows give the free energy of an ion from its first layer into the slab, and short trajectories from
    the top the share of the flux that crosses. Options precede the values of --overrides, and these what --from
    suggests.

    \b
    Example:
      aiida-cse launch crossing --system 1234 --temperature 400 \\
          --side left --ion Li --protocol fast --dry-run
    """
    changes = _read_overrides(overrides)
    if bool(systems) == (source is not None):
        raise click.UsageError("give either --system, once or more often, or --from")
    profiles.load(profile)
    from aiida.orm import WorkChainNode

    from aiida_cse.cli.running import start
    from aiida_cse.data.system import CseSystemData
    from aiida_cse.workchains.common.protocol import merge
    from aiida_cse.workchains.crossing import CrossingWorkChain, places_from, runs_of, systems_of

    given: dict[str, Any] = {} if well is None else {"well": list(well)}
    if surface is not None:
        given["surface"] = surface
    places: dict[str, Any] = {}
    said: list[str] = []
    with input_errors():
        if source is None:
            nodes = [load_typed(one, CseSystemData, "--system") for one in dict.fromkeys(systems)]
            found = {f"system_{number}": node for number, node in enumerate(nodes, 1)}
        else:
            process = load_typed(source, WorkChainNode, "--from")
            found = systems_of(process, temperature)
        first = next(iter(found.values()))
        cation = first.info.ion_species()[0]
        if source is not None:
            places, said = places_from(runs_of(process), found, cation, "left" if side == "left" else "right")
            asked = given.keys() | (changes.get("plan") or {}).keys()
            said = [f"{one} (overridden)" if one.split(" ")[0] in asked else one for one in said]
            nodes_words = ", ".join(f"<{node.pk}> of {label}" for label, node in found.items())
            said = [f"from {process.process_label} <{process.pk}>:", f"systems: {nodes_words}", *said]
        if ion not in (None, cation):
            raise ValueError(f"--ion = {ion}: crosses into no slab; give {cation}, which both phases share")
        seeds = first.info.seeds if seed is None else {"velocities": seed}
        if "velocities" not in seeds:
            raise ValueError(f"system {first.pk} has no seed for velocities; give one with --seed")
        builder = CrossingWorkChain.get_builder_from_protocol(
            codes=inputs.codes_of(job),
            systems=found,
            temperature=temperature,
            side=side,
            recipe={"seeds": seeds},
            protocol=protocol,
            overrides=merge(merge({"plan": places} if places else {}, changes), {"plan": given} if given else {}),
            options=inputs.options_of(job),
        )
    if said:
        click.echo("\n  ".join(said))
    start(builder, how)


@launch.command()
@click.option("--reduction", type=inputs.Identifier(), required=True, help="The reduction: PK, UUID or label.")
@click.option("--temperature", type=float, help="Temperature in K [default: that of the reduction's production].")
@_PROTOCOL
@_OVERRIDES
@inputs.start_options
@inputs.PROFILE
def analysis(
    reduction: int | str,
    temperature: float | None,
    protocol: str | None,
    overrides: Path | None,
    how: inputs.StartOptions,
    profile: str | None,
) -> None:
    """Launch the analysis of a reduction.

    No trajectory is read.

    \b
    Example:
      aiida-cse launch analysis --reduction 1234 --overrides later-start.yaml
    """
    changes = _read_overrides(overrides)
    profiles.load(profile)
    from aiida_cse.analysis.settings import AnalysisSettings, single
    from aiida_cse.cli.running import start
    from aiida_cse.data.reduction import CseReductionData
    from aiida_cse.workchains.analysis import AnalysisWorkChain
    from aiida_cse.workchains.common.builders import refuse_invalid

    node = load_typed(reduction, CseReductionData, "--reduction")
    with input_errors():
        builder = AnalysisWorkChain.get_builder_from_protocol(
            reduction=node, temperature=temperature, protocol=protocol, overrides=changes
        )
        given = changes.get("settings")
        if isinstance(given, dict) and "start_ns" in given:
            origin = str(overrides)
        else:
            name = protocol or AnalysisWorkChain.get_default_protocol()
            origin = f"protocol {name}; --protocol or --overrides change it"
        try:
            refuse_invalid(builder)
        except ValueError as error:
            if "settings.start_ns" not in str(error):
                raise
            raise ValueError(f"{error} (start_ns is that of {origin})") from error
    settings = AnalysisSettings.model_validate(builder.settings.get_dict())
    end = " ns on" if settings.end_ns is None else f" to {settings.end_ns:g} ns"
    last_ns = single(settings.at(builder.temperature.value).last_ns)
    last = "" if last_ns is None else f", at most the last {last_ns:g} ns"
    click.echo(f"analysing from {settings.start_ns:g}{end}{last} ({origin})")
    start(builder, how)


@launch.command()
@click.option("--seed", type=_SEED, default=1, show_default=True, help="Seed of the landscape.")
@_PROTOCOL
@_OVERRIDES
@_job_options
@inputs.start_options
@inputs.PROFILE
def validation(
    seed: int,
    protocol: str | None,
    overrides: Path | None,
    how: inputs.StartOptions,
    profile: str | None,
    **job: Any,
) -> None:
    """Launch a validation on any computer.

    The whole chain runs on a model system whose results are known.

    \b
    Example:
      aiida-cse launch validation --protocol quick --lammps lmp@cluster
    """
    changes = _read_overrides(overrides)
    profiles.load(profile)
    from aiida_cse.cli.running import start
    from aiida_cse.workchains.validate import ValidationWorkChain

    with input_errors():
        builder = ValidationWorkChain.get_builder_from_protocol(
            codes=inputs.codes_of(job),
            seed=seed,
            protocol=protocol,
            overrides=changes,
            options=inputs.options_of(job),
        )
    start(builder, how)


@click.command()
@inputs.PK
@click.option(
    "--temperatures", callback=inputs.temperatures, metavar="K,K,…", help="Additional temperatures in K."
)
@click.option("--replicas", type=click.IntRange(min=1), help="Total number of runs at each temperature.")
@click.option(
    "--starts",
    callback=inputs.words,
    metavar="START,START,…",
    help="Additional initial states of the slab: as-built, filled, emptied.",
)
@click.option(
    "--length", type=inputs.AboveZero(), metavar="NS", help="Total length of each run in ns, or its budget."
)
@click.option(
    "--crossing",
    "crossings",
    type=inputs.Identifier(),
    multiple=True,
    metavar="PK",
    help="A crossing of the study's system, whose rate joins the kinetics; repeatable.",
)
@_other_programs
@partial(_job_options, stored=True)
@inputs.start_options
@inputs.PROFILE
def extend(
    pk: int | str,
    temperatures: list[float] | None,
    replicas: int | None,
    starts: list[str] | None,
    length: float | None,
    crossings: tuple[int | str, ...],
    how: inputs.StartOptions,
    profile: str | None,
    **job: Any,
) -> None:
    """Extend the study PK: more temperatures, replicas, starts, rates, longer runs. Nothing is run twice.

    Without any of these, a study or production that failed is completed as it was launched. PK may also be a
    production. --length is then its total length. A study from an archive needs codes of this
    profile; new temperatures, replicas and starts use its stored systems, longer runs need its remote folders.

    \b
    Example:
      aiida-cse extend 1234 --temperatures 600 --replicas 3 --length 40
      aiida-cse extend 1234 --crossing 2345 --crossing 2346
    """
    profiles.load(profile)
    from aiida.orm import WorkChainNode

    from aiida_cse.cli.running import start
    from aiida_cse.workchains.continue_from import get_builder_from

    process = load_typed(pk, WorkChainNode, "PK")
    measured = [load_typed(one, WorkChainNode, "--crossing") for one in dict.fromkeys(crossings)]
    notes: list[str] = []
    with input_errors():
        builder = get_builder_from(
            process,
            temperatures=temperatures,
            replicas=replicas,
            starts=starts,
            length_ns=length,
            crossings=measured or None,
            codes=inputs.codes_of(job),
            options=inputs.options_of(job),
            notes=notes,
        )
    for note in notes:
        click.echo(click.wrap_text(note, 79))
    start(builder, how)


@click.command()
@inputs.PK
@inputs.PROFILE
def resume(pk: int | str, profile: str | None) -> None:
    """Resume the run PK from its last checkpoints.

    A run can be resumed after `aiida-cse stop`, Ctrl-C, a closed terminal, a killed Python and a reboot. LAMMPS
    jobs that are still running are found again; nothing that has finished is run twice. A run of the daemon is
    continued there, and woken if it stands still.

    \b
    Example:
      aiida-cse resume 1234
    """
    profiles.load(profile)
    from aiida.orm import ProcessNode

    from aiida_cse.cli.running import leave, run_shown
    from aiida_cse.engine.checkpoints import root_of
    from aiida_cse.engine.embedded import resume_embedded
    from aiida_cse.engine.stopping import is_on_daemon, play_tree
    from aiida_cse.engine.waking import nudge as wake

    root = root_of(load_typed(pk, ProcessNode, "PK"))
    if not root.is_terminated and is_on_daemon(root):
        if number := play_tree(root):
            click.echo(f"{root.process_label} <{root.pk}>: the daemon continues its {number} paused processes")
        for line in wake(root):
            click.echo(line)
        click.echo(f"follow it with: {aiida_cse('status', root.pk)}")
        return
    leave(run_shown(resume_embedded, root.pk))


@click.command()
@inputs.PK
@inputs.PROFILE
def nudge(pk: int | str, profile: str | None) -> None:
    """Wake a run that stands still although nothing is wrong with it.

    It tells parents that the children they wait for have ended, and sends processes that no worker of the daemon
    has to one. It may be called at any time: nothing runs twice. PK may be any process of the run.

    \b
    Example:
      aiida-cse nudge 1234
    """
    profiles.load(profile)
    from aiida.orm import ProcessNode

    from aiida_cse.engine.waking import nudge as wake

    for line in wake(load_typed(pk, ProcessNode, "PK")):
        click.echo(line)


@click.command()
@inputs.PK
@inputs.PROFILE
def stop(pk: int | str, profile: str | None) -> None:
    """Stop the run PK and its LAMMPS jobs, so that it can be resumed.

    The Python that runs it leaves it, or the daemon pauses it. Then its LAMMPS jobs are ended, here or by the
    scheduler of their computer. What they did since their last checkpoints is repeated when the run is resumed. PK
    may be any process of the run; the whole run is stopped. Builds and reductions end by themselves.

    \b
    Example:
      aiida-cse stop 1234
      aiida-cse resume 1234
    """
    profiles.load(profile)
    from aiida.orm import ProcessNode

    from aiida_cse.engine.checkpoints import CheckpointError
    from aiida_cse.engine.locks import ProcessBusyError
    from aiida_cse.engine.stopping import StopError, stop_run

    try:
        root = stop_run(load_typed(pk, ProcessNode, "PK"), click.echo)
    except (StopError, ProcessBusyError, CheckpointError) as error:
        raise click.ClickException(str(error)) from error
    name = f"{root.process_label} <{root.pk}>"
    if root.is_terminated:
        click.echo(f"{name} has ended; there is nothing to stop")
    else:
        click.echo(f"{name} is stopped; continue it with: {aiida_cse('resume', root.pk)}")


def _read_overrides(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    from aiida_cse.yaml_io import read_mapping

    with input_errors():
        try:
            return read_mapping(path, "a file of overrides")
        except ValueError as error:
            raise ValueError(f"--overrides {error}") from error


def _seeded(pk: int | str, velocities: int | None, hint: str) -> tuple[CseSystemData, dict[str, int]]:
    """Return a system and the seeds of its runs; refuse it with ``hint`` if there is none for the velocities."""
    from aiida_cse.data.system import CseSystemData

    node = load_typed(pk, CseSystemData, "--system")
    seeds = dict(node.info.seeds) | ({} if velocities is None else {"velocities": velocities})
    if "velocities" not in seeds:
        raise InputError(f"--system = {pk}: system {node.pk} has no seed for velocities; {hint}")
    return node, seeds


def _of_length(length_ns: float) -> dict[str, Any]:
    """Return the overrides of a production of this length at every temperature, as ``extend`` sets it."""
    return {"plan": {"length_ps": length_ns * 1000, "lengths": []}}
