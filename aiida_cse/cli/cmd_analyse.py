"""Commands that analyse what is there already: ``analyse``, ``import-run`` and ``kinetics``.

They neither import AiiDA nor need a profile, unless results are stored.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_cse.cli import inputs
from aiida_cse.cli import profile as profiles
from aiida_cse.cli.inputs import FILE, AboveZero, InputError, OutPath, find_recipe, input_errors
from aiida_cse.engine.hints import aiida_cse

if TYPE_CHECKING:
    from aiida_cse.analysis.settings import AnalysisSettings
    from aiida_cse.building.imported.interface import ForeignInterface
    from aiida_cse.lammps.files.system import System
    from aiida_cse.reduction.config import ReductionConfig
    from aiida_cse.reduction.state import State
    from aiida_cse.report.findings import Findings

__all__ = ["analyse", "import_run", "kinetics"]

STATE = "state.npz"
#: state of an interrupted reduction
PARTIAL = "state.partial.npz"
#: time between snapshots of the published counting rule, ps
PUBLISHED_PS = 1000.0
#: proposed regions
REGIONS = "regions.yaml"
_INTERRUPTED = 130


@dataclass(frozen=True)
class _Reduced:
    """A reduction, what was noted on the way, and the interface if it is known."""

    state: State
    notes: list[str]
    interface: ForeignInterface | None = None


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILES..."
)
@click.option("--system", type=FILE, help="LAMMPS data file, or PSF, PRMTOP, TPR, GRO or PDB, of the system.")
@click.option(
    "--recipe",
    metavar="NAME|FILE",
    help="Recipe that explains the labels of the atom types.",
    shell_complete=inputs.complete_recipe,
)
@click.option("--config", type=FILE, help="YAML file with framework, cation, anion, thickness and sampling.")
@click.option(
    "--propose-regions",
    is_flag=True,
    help="Find slab, ions and layers from the trajectory; they are confirmed first.",
)
@click.option("--yes", is_flag=True, help="Confirm the proposed regions.")
@click.option("--temperature", type=AboveZero(), help="Temperature in K [default: that of the state].")
@click.option("--unwrap", is_flag=True, help="Unwrap the coordinates by the nearest image from frame to frame.")
@click.option(
    "--frame-ps", type=AboveZero(), help="Time between frames in ps, if the files do not say it or are wrong."
)
@click.option(
    "--out",
    type=OutPath(file_okay=False, path_type=Path),
    help="Folder for the results [default: the name of the first file].",
)
@click.option(
    "--start",
    type=AboveZero(or_zero=True),
    default=0.0,
    metavar="NS",
    help="Analyse from this time on, from the first frame.",
)
@click.option("--end", type=AboveZero(), metavar="NS", help="Analyse up to this time.")
@click.option(
    "--rule",
    type=click.Choice(["snapshot", "core"]),
    help="Counting rule of the transitions [default: snapshot if snapshots are 1 ns apart or more, else core].",
)
@click.option(
    "--all-atoms",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Trajectory of all atoms, if FILES hold framework and ions alone; once for each part of the run.",
)
@click.option("--previous", type=FILE, help="State (npz) that FILES continue.")
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Parts reduced concurrently."
)
@click.option("--checksums/--no-checksums", default=True, show_default=True, help="Compute SHA-256 of FILES.")
@click.option("--store", is_flag=True, help="Store system, reduction and analysis in the profile as well.")
@inputs.PROFILE
def analyse(
    files: tuple[Path, ...],
    temperature: float | None,
    out: Path | None,
    store: bool,
    profile: str | None,
    **options: Any,
) -> None:
    """Analyse the trajectory in FILES, or the state of a reduction, completely.

    FILES are the parts of one run in any order, in the formats of `aiida-cse reduce`, or one state (npz).
    Populations, exchange, the equilibration coefficient with its verdict, profiles, barriers and displacements are
    printed and written to a folder: results.json, tables in CSV, and state.npz, which can be analysed again.

    The system needs a data file that `aiida-cse build` or `verdi data cse-system export` wrote, or --config, or
    labels that --recipe knows (by default llzo-peo-litfsi).

    \b
    Examples:
      aiida-cse analyse run.1.dcd run.2.dcd --system system.data --temperature 600
      aiida-cse analyse a/ions.dcd b/ions.dcd --all-atoms a/trajectory.dcd \\
        --all-atoms b/trajectory.dcd --system system.data --temperature 600
    """
    folder = out or Path(files[0].name.split(".")[0] + ".analysis")
    with input_errors(), _interruptible(folder):
        from aiida_cse.analysis.production import ReducedProduction
        from aiida_cse.analysis.registry import analyse_separately
        from aiida_cse.report.results import FILENAME, collect_results
        from aiida_cse.report.sources import findings_of_results
        from aiida_cse.report.tables import write_tables

        if store:
            profiles.load(profile)
        if [path.suffix for path in files] == [".npz"]:
            reduced = _load_state(files[0], options)
        else:
            reduced = _reduce(files, folder, temperature, options)
        kelvin = _temperature(temperature, reduced.state)
        state = replace(reduced.state, config=reduced.state.config.model_copy(update={"temperature": kelvin}))
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / STATE
        if not (target.exists() and files[0].samefile(target)):
            state.save(target)
        production = ReducedProduction(state, kelvin, _settings(reduced, options))
        if (window := production.window).frames < state.frames:
            _say("analysed", window.sentence)
            reduced.notes.append(f"analysed: {window.sentence}")
        found, missing = analyse_separately(production)
        results = collect_results(production, found, missing, label=folder.resolve().name, notes=reduced.notes)
        results.save(folder / FILENAME)
        tables = write_tables(results, folder)
    _show(findings_of_results(results))
    click.echo(f"written to {folder}: {FILENAME}, {STATE} and {len(tables)} tables")
    click.echo(f"again, without the trajectory: {aiida_cse('analyse', folder / STATE)}")
    if store:
        system = None if reduced.interface is None else reduced.interface.system
        _store(state, kelvin, results.settings, results.label, system)


def _temperature(given: float | None, state: State) -> float:
    """Return the temperature of a state, K, which a given one must not contradict."""
    from aiida_cse.analysis.production import agreed_temperature

    return agreed_temperature(state.temperature, given, field="--temperature", subject="the state")


def _settings(reduced: _Reduced, options: dict[str, Any]) -> AnalysisSettings:
    """Return the settings of the analysis; the counting rule depends on the time between snapshots."""
    from aiida_cse.analysis.settings import AnalysisSettings

    rule, between = options["rule"], reduced.state.config.snapshot_ps
    if rule is None and between < PUBLISHED_PS:
        rule = "core"
        words = (
            f"transitions are counted by the rule core, because snapshots {between:g} ps apart count recrossings"
        )
        reduced.notes.append(words)
        _say("note", words)
    return AnalysisSettings(start_ns=options["start"], end_ns=options["end"], rule=rule or "snapshot")


def _load_state(path: Path, options: dict[str, Any]) -> _Reduced:
    """Return the reduction in a state; refuse options that need a trajectory."""
    from aiida_cse.reduction.state import State

    for name in ("system", "recipe", "config", "frame_ps", "previous", "unwrap", "propose_regions", "all_atoms"):
        if options[name] not in (None, False, ()):
            raise InputError(
                f"--{name.replace('_', '-')}: {path} is a state, which contains this; omit the option"
            )
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    state = State.load(path)
    frame_ns = state.config.frame_ps / 1000
    _say_input(state.config, path.name, state.frames, (state.start * frame_ns, (state.stop - 1) * frame_ns), [])
    return _Reduced(state, [f"{path.name}: state of an earlier reduction"])


# -- reduction -----------------------------------------------------------------------------------------------


def _reduce(files: tuple[Path, ...], folder: Path, temperature: float | None, options: dict[str, Any]) -> _Reduced:
    """Reduce the trajectory files and print what is reduced and how."""
    from aiida_cse.building.imported.default_sampling import choose_sampling, read_all_atoms, read_times
    from aiida_cse.cli.display.progress import frames_progress
    from aiida_cse.reduction.all_atoms import TwoTrajectories, reduce_two
    from aiida_cse.reduction.config import ReductionConfig
    from aiida_cse.reduction.readers.checked import Entrance, atoms_of_files
    from aiida_cse.reduction.reduce import reduce_in_pieces
    from aiida_cse.reduction.segments import plan_segments
    from aiida_cse.reduction.state import State
    from aiida_cse.schema import located

    _check_files(files, temperature, options)
    whole, apart_ps = read_all_atoms(options["all_atoms"]) if options["all_atoms"] else ((), None)
    interface = _interface(whole or files, folder, options)
    given = dict(interface.sampling)
    times = read_times(files, options["frame_ps"], given)
    if times.overridden:
        given["frame_ps"] = times.frame_ps
    previous = None if options["previous"] is None else State.load(options["previous"])
    carried = []
    with located(options["config"] or options["system"]):
        if previous is not None:
            steps = {name: value for name, value in given.items() if name in ("timestep_fs", "frame_ps")}
            new_ps, own_ps = choose_sampling(times, steps, apart_ps)[0].block_ps, previous.config.block_ps
            if "block_ps" not in given and not math.isclose(new_ps, own_ps):
                carried.append(
                    f"blocks, snapshots and lags are those of the state given by --previous (blocks of {own_ps:g} "
                    f"ps); a new reduction of all files would take {new_ps:g} ps"
                )
            given = _sampling_of(previous.config) | given
        sampling, chosen = choose_sampling(times, given, apart_ps)
    natoms = len(interface.description.types)
    interface = replace(
        interface, description=atoms_of_files(whole or times.paths, interface.description, sampling)
    )
    with located(options["config"] or options["system"]):
        config = ReductionConfig.build(interface.description, sampling, temperature=temperature)
    given_ps = times.frame_ps if times.overridden else None
    entrance = Entrance(interface.description, unwrap=options["unwrap"], frame_ps=given_ps)
    plan = None if whole else plan_segments(times.paths, config, entrance=entrance)
    notes = [*interface.description.notes, *times.notes, *(plan.notes if plan else ()), *carried]
    _say_input(config, interface.origin, times.frames, times.range_ns, chosen, natoms)
    for note in notes:
        _say("note", note)
    seen: list[str] = []
    ways: dict[str, Any] = {"threads": options["threads"], "hash_sources": options["checksums"]}
    with frames_progress() as progress:
        if plan is None:
            # a production writes the types that its system names; other programs those that are counted
            types = None if interface.system is None else tuple(interface.system.info.ion_types())
            two = TwoTrajectories(times.paths, whole, types)
            state, _ = reduce_two(two, config, previous, progress, entrance=entrance, notes=seen, **ways)
        else:
            state = reduce_in_pieces(plan, config, previous, progress, **ways)
            seen += [] if plan.checks is None else plan.checks.notes()
    for note in seen:
        _say("note", note)
    return _Reduced(state, [*notes, *seen, *chosen], interface)


def _check_files(files: tuple[Path, ...], temperature: float | None, options: dict[str, Any]) -> None:
    """Refuse files that are not there, and options without which, or with which, they cannot be reduced."""
    if temperature is None:
        raise InputError("--temperature: is missing; trajectories do not say it, give it in K")
    for path in (*files, *options["all_atoms"]):
        if not path.is_file():
            raise ValueError(f"{path}: there is no such file")
    if options["all_atoms"]:
        inputs.refuse_with_all_atoms(unwrap=options["unwrap"], frame_ps=options["frame_ps"])


def _interface(files: tuple[Path, ...], folder: Path, options: dict[str, Any]) -> ForeignInterface:
    """Return the interface that the options describe, or that was proposed and confirmed."""
    from aiida_cse.building.imported.interface import DEFAULT_RECIPE, UndescribedError, find_interface

    if options["system"] is None:
        raise InputError("--system: is missing; give the LAMMPS data file of the atoms in the trajectory")
    if options["propose_regions"]:
        options["config"] = _propose(files, folder, options)
    name = options["recipe"] or DEFAULT_RECIPE
    recipe = (name, lambda: find_recipe(name, None))
    try:
        found = find_interface(options["system"], options["config"], recipe, files[0])
    except UndescribedError as error:
        others = "--config, --recipe" if options["recipe"] is None else "--config"
        raise InputError(f"{error}; give {others} or --propose-regions") from error
    if options["recipe"] is not None and not found.by_recipe:
        raise InputError(f"--recipe: the atoms are described by {found.origin}; omit one of the two")
    return found


def _sampling_of(config: ReductionConfig) -> dict[str, Any]:
    """Return the sampling of a state to be continued, in place of what would follow from the length of the run."""
    bins = {"bins": config.bins} if config.bin_width is None else {"bin_width": config.bin_width}
    return {"block_ps": config.block_ps, "snapshot_ps": config.snapshot_ps, "lags_ps": config.lags_ps, **bins}


def _propose(files: tuple[Path, ...], folder: Path, options: dict[str, Any]) -> Path:
    """Print regions found in the trajectory, write them to a file, and return it if they are confirmed."""
    from aiida_cse.building.imported.default_sampling import read_times
    from aiida_cse.building.imported.proposal import propose_interface
    from aiida_cse.building.imported.topology import SUFFIXES
    from aiida_cse.lammps.files.data import load_contents
    from aiida_cse.yaml_io import dump_mapping

    for name in ("config", "recipe"):
        if options[name] is not None:
            raise InputError(f"--propose-regions: the regions are given by --{name}; omit one of the two")
    if options["system"].suffix.lower() in SUFFIXES:
        raise InputError(
            f"--propose-regions: {options['system']} is a topology; regions are proposed for a LAMMPS data file, "
            "give --config"
        )
    proposal = propose_interface(load_contents(options["system"]), read_times(files, 1.0).paths)
    text, path = dump_mapping(proposal.description), folder / REGIONS
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"# proposed by aiida-cse analyse --propose-regions: {proposal.sentence}\n{text}", encoding="utf-8"
    )
    click.echo(text)
    _say("proposed", proposal.sentence)
    try:
        if not options["yes"] and not click.confirm(f"Are these regions right? They are in {path}"):
            raise click.Abort
    except click.Abort as error:
        raise InputError(
            f"--propose-regions: the regions in {path} were not confirmed; edit them and give --config {path}, "
            "or confirm them with --yes"
        ) from error
    return path


def _say_input(
    config: ReductionConfig,
    origin: str,
    frames: int,
    range_ns: tuple[float, float],
    chosen: list[str],
    natoms: int | None = None,
) -> None:
    """Print the system (of ``natoms`` atoms) with its regions, the frames and the sampling, for a check."""
    import numpy as np

    from aiida_cse.reduction.selection import Selection

    edges = " × ".join(f"{length:.2f}" for length in config.box)
    framework = ", ".join(config.labels[number - 1] for number in config.framework)
    numbers = np.bincount(Selection.from_config(config).ion_species, minlength=len(config.ions)).tolist()
    some = "" if natoms in (None, config.natoms) else f" of {natoms:,}"
    _say("system", f"{config.natoms:,}{some} atoms, box {edges} Å; described by {origin}")
    _say(
        "slab",
        f"{2 * config.half_thickness:.2f} Å thick, mid-plane {config.midplane_offset:+.2f} Å from {framework}",
    )
    for (name, ion), number in zip(config.ions.items(), numbers, strict=True):
        inner, outer = ion.edges[3:5]
        initial = "" if ion.initial_ceramic is None else f", {ion.initial_ceramic:,} in the slab at first"
        _say(
            name,
            f"{number:,} ions{initial}; ceramic up to {inner:.2f} Å, 1st layer up to {outer:.2f} Å from mid-plane",
        )
    start, end = range_ns
    _say("frames", f"{frames:,} from {start:g} to {end:g} ns, one every {config.frame_ps:g} ps")
    lags = ", ".join(f"{lag:g}" for lag in config.lags_ps)
    displacements = f"displacements over {lags} ps" if lags else "no displacements"
    steps = f"blocks of {config.block_ps:g} ps, snapshots every {config.snapshot_ps:g} ps, {displacements}"
    _say("sampling", "; ".join([steps, *chosen]))


def _say(subject: str, words: str) -> None:
    """Print a line with its subject in the first column, wrapped to the width of the terminal."""
    import shutil
    import textwrap

    width = max(shutil.get_terminal_size().columns, 60)
    first = f"{subject:<10}" if subject else ""
    indent = " " * (len(first) or 4)
    for mark in ("≥ ", "≤ ", " Å", " ps", " ns"):  # these stay together
        words = words.replace(mark, mark.replace(" ", "\N{NO-BREAK SPACE}"))
    filled = textwrap.fill(first + words, width, subsequent_indent=indent, break_on_hyphens=False)
    click.echo(filled.replace("\N{NO-BREAK SPACE}", " "))


@contextmanager
def _interruptible(folder: Path) -> Iterator[None]:
    """On Ctrl-C save what was read, say how to continue, and end the command."""
    from aiida_cse.reduction.reduce import ReductionInterrupted

    begun = time.time()
    try:
        yield
    except ReductionInterrupted as interruption:
        if (state := interruption.state) is None:
            click.echo("interrupted before the first frames were complete; nothing was written", err=True)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            state.save(folder / PARTIAL)
            partial = str(folder / PARTIAL)
            words = [*sys.argv[1:], "--previous", partial]
            hint = f"continue with: {aiida_cse(*words)}"
            if "--unwrap" in sys.argv:  # the images of the atoms are not in a state
                hint = f"--unwrap cannot continue it; analyse these frames with: {aiida_cse('analyse', partial)}"
            done = f"interrupted: {state.frames:,} frames up to step {state.last_step} are in {folder / PARTIAL}"
            click.echo(f"{done}\n{hint}", err=True)
        sys.exit(_INTERRUPTED)
    except KeyboardInterrupt:
        reduced = folder / STATE
        if reduced.is_file() and reduced.stat().st_mtime >= begun:
            words = ["analyse", str(reduced), "--out", str(folder)]
            click.echo(f"interrupted: all frames are in {reduced}\ncontinue with: {aiida_cse(*words)}", err=True)
        else:
            click.echo("interrupted before the first frames were complete; nothing was written", err=True)
        sys.exit(_INTERRUPTED)


# -- display -------------------------------------------------------------------------------------------------


def _show(findings: Findings) -> None:
    """Print the view of findings."""
    from rich.console import Console

    from aiida_cse.cli.display.results import print_view
    from aiida_cse.report.view import view_of

    click.echo()
    print_view(view_of(findings), Console(highlight=False))


# -- nodes ---------------------------------------------------------------------------------------------------


@click.command("import-run")
@click.argument("source", type=click.Path(exists=True, path_type=Path), metavar="DIR|STATE")
@click.option(
    "--system",
    type=FILE,
    help="system.data of the system, beside its system.json; it is stored as a node as well.",
)
@click.option("--temperature", type=AboveZero(), help="Temperature in K, if STATE does not say it.")
@inputs.PROFILE
def import_run(source: Path, system: Path | None, temperature: float | None, profile: str | None) -> None:
    """Store an analysed run as nodes of the profile.

    DIR holds the results of `aiida-cse analyse`, STATE is a state (npz), analysed with the default settings. The
    reduction and each result become the nodes that a run of this profile has. They can be queried and compared
    with its runs, and enter `cse.kinetics` together with them.
    """
    with input_errors():
        from aiida_cse.analysis.production import ReducedProduction
        from aiida_cse.reduction.state import State
        from aiida_cse.report.results import FILENAME, load_results

        if source.is_dir():
            for name in (FILENAME, STATE):
                if not (source / name).is_file():
                    raise ValueError(
                        f"{source}: has no {name}; make it with: aiida-cse analyse FILES --out {source}"
                    )
            state, results = State.load(source / STATE), load_results(source / FILENAME)
            kelvin, settings, label = _temperature(results.temperature_K, state), results.settings, results.label
        else:
            state = State.load(source)
            # every folder of results has a file of this name
            label = source.resolve().parent.name if source.name == STATE else source.stem
            kelvin = _temperature(temperature, state)
            settings = _settings(_Reduced(state, []), {"rule": None, "start": 0.0, "end": None}).model_dump()
            ReducedProduction(state, kelvin)
        whole = None if system is None else _read_system(system)
        profiles.load(profile)
        _store(state, kelvin, settings, label, whole)


def _read_system(path: Path) -> System:
    """Return the complete system of a data file, with its description and force field beside it.

    Raises
    ------
    InputError
        The file is not part of a complete system.
    """
    from aiida_cse.lammps.files.system import FILENAMES, System

    folder = path.resolve().parent
    missing = [name for name in FILENAMES.values() if not (folder / name).is_file()]
    if missing or path.name != FILENAMES["data"]:
        lacks = f"{' and '.join(missing)} beside it" if missing else f"the name {FILENAMES['data']}"
        raise InputError(
            f"--system = {path}: is not a complete system, which has {lacks}, as `aiida-cse build` writes it; "
            "omit --system to store only the reduction and its analysis"
        )
    return System.read(folder)


def _store(state: State, temperature: float, settings: dict[str, Any], label: str, system: System | None) -> None:
    """Store a run in the loaded profile, and print its nodes and the commands that follow."""
    from aiida_cse.workchains import import_run as importing

    complete = system if system is not None and system.forcefield else None
    done = importing.import_run(state, temperature, settings, label=label, system=complete)
    nodes = {"system": done.system, "reduction": done.reduction, "analysis": done.analysis}
    for name, node in nodes.items():
        if node is not None:
            click.echo(f"{name} <{node.pk}>{'' if node.pk in done.new else ' was there already'}")
    if not done.analysis.is_finished_ok:
        click.echo(f"the analysis ended with [{done.analysis.exit_status}] {done.analysis.exit_message}")
    click.echo(f"show the results with: {aiida_cse('show', done.analysis.pk)}")
    words = ("launch", "analysis", "--reduction", done.reduction.pk, "--overrides", "FILE")
    click.echo(
        f"analyse in another way with: {aiida_cse(*words)} (settings that FILE does not name are those of the "
        "protocol, not of this analysis)"
    )


# -- kinetics ------------------------------------------------------------------------------------------------


@click.command()
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR...",
)
@click.option("--at", metavar="K,K,…", callback=inputs.temperatures, help="Temperatures of the wanted rates in K.")
@click.option(
    "--settings",
    type=FILE,
    help="YAML file of settings: temperatures, laws, priors, barrier, admit, shifts, slope, level.",
)
@click.option(
    "--out",
    type=OutPath(file_okay=False, path_type=Path),
    default=Path("kinetics"),
    show_default=True,
    help="Folder for kinetics.json and its tables.",
)
def kinetics(folders: tuple[Path, ...], at: list[float] | None, settings: Path | None, out: Path) -> None:
    """Fit the rates of several runs at different temperatures jointly, and extrapolate them.

    Each DIR holds the results of `aiida-cse analyse`. Runs that have not equilibrated do not enter the fit.
    """
    with input_errors():
        from aiida_cse.analysis.kinetics import KineticsSettings
        from aiida_cse.report.findings import Findings, Origin
        from aiida_cse.report.kinetics import join_runs, load_runs
        from aiida_cse.report.tables import write_kinetics
        from aiida_cse.schema import located
        from aiida_cse.yaml_io import read_mapping

        content = {} if settings is None else read_mapping(settings, "the settings of kinetics")
        with located("--at" if settings is None else settings):
            asked = KineticsSettings.model_validate(content | ({} if at is None else {"temperatures": at}))
        found = join_runs(load_runs(folders), asked)
        paths = write_kinetics(found, out)
    _show(Findings(Origin("folders", str(out)), {}, found.kinetics, found.shifts))
    for note in found.notes:
        _say("note", note)
    click.echo(f"written to {out}: {', '.join(path.name for path in paths)}")
