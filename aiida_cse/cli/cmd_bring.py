"""Commands that bring in systems and trajectories: ``build``, ``system import``, ``reduce`` and ``discard``.

``build``, ``reduce`` and ``discard`` neither import AiiDA nor need a profile: the jobs of studies call them too.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_cse.cli import inputs
from aiida_cse.cli import profile as profiles
from aiida_cse.cli.inputs import FILE, AboveZero, InputError, OutPath, find_recipe, input_errors
from aiida_cse.engine.hints import aiida_cse

if TYPE_CHECKING:
    from aiida_cse.lammps.files.system import System, SystemInfo

__all__ = ["build", "discard", "reduce", "system"]

# -- build ---------------------------------------------------------------------------------------------------


@click.group()
def build() -> None:
    """Build a slab or an electrolyte: LAMMPS data file, force-field include file and a summary in JSON."""


@build.command()
@inputs.RECIPE
@inputs.NEW_FOLDER
def slab(recipe: str, out: Path) -> None:
    """Build the ceramic as a periodic crystal.

    The cut plane is at z = 0; the mobile ions are distributed at random over their sites.

    \b
    Example:
      aiida-cse build slab --recipe llzo-peo-litfsi-demo --out slab
    """
    with input_errors():
        from aiida_cse.building.ceramic.slab import build_slab
        from aiida_cse.building.recipe import load_recipe

        _write(build_slab(load_recipe(recipe)), out)


@build.command()
@inputs.RECIPE
@click.option("--lx", type=float, required=True, help="Length of the cross-section along x in Å.")
@click.option("--ly", type=float, required=True, help="Length of the cross-section along y in Å.")
@inputs.NEW_FOLDER
def electrolyte(recipe: str, lx: float, ly: float, out: Path) -> None:
    """Build polymer chains and salt at low density.

    The box has the cross-section of a ceramic; the electrolyte is above a wall.

    \b
    Example:
      aiida-cse build electrolyte --recipe recipe.yaml --lx 26 --ly 26 --out peo
    """
    with input_errors():
        from aiida_cse.building.electrolyte.build import build_electrolyte
        from aiida_cse.building.recipe import load_recipe

        _write(build_electrolyte(load_recipe(recipe), lx, ly), out)


def _write(built: System, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    built.write(out)
    _echo_system(built)
    click.echo(f"written to {out}")


def _echo_system(found: System) -> None:
    """Print phase, composition, box and charge of a system in one line."""
    info = found.info
    composition = ", ".join(f"{label} {count}" for label, count in info.composition.items() if count)
    lengths = " × ".join(f"{high - low:.2f}" for low, high in info.box)
    click.echo(f"{info.phase}: {info.natoms} atoms ({composition}), box {lengths} Å, charge {info.charge:g} e")


# -- system --------------------------------------------------------------------------------------------------

#: largest data file, about that of 5 million atoms with velocities
_MOST_BYTES = 2_000_000_000


@click.group()
def system() -> None:
    """Import systems built by other programs."""


@system.command("import")
@click.argument("file", type=FILE)
@click.option("--facts", type=FILE, help="YAML file with types, slab and phase, which a data file lacks.")
@click.option("--forcefield", type=FILE, help="Include file with styles and coefficients.")
@click.option(
    "--recipe",
    metavar="FILE|NAME",
    help="Recipe that defines atom types (by label), slab and force field.",
    shell_complete=inputs.complete_recipe,
)
@click.option("--check", is_flag=True, help="Only report what is missing; store nothing.")
@inputs.PROFILE
def import_(
    file: Path, facts: Path | None, forcefield: Path | None, recipe: str | None, check: bool, profile: str | None
) -> None:
    """Import the LAMMPS data file FILE as a system node.

    The file has atom style full and units real. All missing or wrong information is reported at once, and so is
    what was repaired. An exported system.data beside its system.json needs no --facts. A production starts from a
    system of the phase interface.
    """
    notes: list[str] = []
    found = _read_system(file, facts, forcefield, recipe, profile, notes)
    for note in notes:
        click.echo(f"note: {note}")
    _echo_system(found)
    if (made := found.info.slab) is not None:
        click.echo(
            f"slab: {made.thickness:.3f} Å thick, mid-plane {made.midplane_offset:+.3f} Å from the centre of mass"
            f" of {' and '.join(made.framework)}; {made.lithium} mobile ions at the start"
        )
    if check:
        click.echo("nothing is missing")
        return
    profiles.load(profile)
    from aiida_cse.data.system import CseSystemData

    node = CseSystemData(found, label=file.name, description=f"imported from {file.name}").store()
    click.echo(f"stored as system <{node.pk}>")
    if found.info.phase in ("interface", "production"):
        words = ["--system", node.pk, "--temperature", "K"]
        words += [] if "velocities" in found.info.seeds else ["--seed", "N"]
        click.echo(f"continue with: {aiida_cse('launch', 'production', *words)}")


def _read_system(
    file: Path,
    facts: Path | None,
    forcefield: Path | None,
    recipe: str | None,
    profile: str | None,
    notes: list[str],
) -> System:
    """Return the system of a data file and its description; refuse all that is missing or wrong together.

    What was repaired or taken from elsewhere is appended to ``notes``.
    """
    with input_errors():
        from aiida_cse.building.imported.description import SystemFacts
        from aiida_cse.building.imported.system import import_described, import_system
        from aiida_cse.schema import located
        from aiida_cse.yaml_io import read_mapping, read_text

        content = {} if facts is None else read_mapping(facts, "the description of a system")
        with located(facts or "facts"):
            description = SystemFacts.model_validate(content)
        include = "" if forcefield is None else read_text(forcefield, "a force field")
        chosen = None if recipe is None else find_recipe(recipe, profile)
        text = read_text(file, "a data file", _MOST_BYTES)
        beside = None if facts or recipe else _summary_beside(file, include, notes)
    try:
        if beside is not None:
            return import_described(text, *beside, notes)
        return import_system(text, description, include, chosen, notes)
    except ValueError as error:
        lines = str(error).splitlines()
        if len(lines) == 1:
            raise InputError(f"{file}: {lines[0]}") from error
        points = "".join(f"\n  {line}" for line in lines)
        raise InputError(f"{file}: {len(lines)} things are missing or wrong:{points}") from error


def _summary_beside(file: Path, include: str, notes: list[str]) -> tuple[SystemInfo, str] | None:
    """Return the summary that was written with a data file and its include file, None if there is none.

    A given include file replaces the one beside the data file; another force field has no sources.
    """
    from aiida_cse.lammps.files.system import FILENAMES, read_info
    from aiida_cse.yaml_io import read_text

    summary, forcefield = file.parent / FILENAMES["info"], file.parent / FILENAMES["forcefield"]
    if file.name != FILENAMES["data"] or not summary.is_file():
        return None
    info = read_info(summary)
    written = "" if include and not forcefield.is_file() else read_text(forcefield, "a force field")
    if include and include != written:
        info = info.model_copy(update={"forcefield": (), "forcefield_md5": {}, "citations": ()})
        notes.append(f"{summary} has the types, the slab and the seeds")
        return info, include
    notes.append(f"{summary} has the types, the slab, the seeds and the sources")
    return info, written


# -- reduce --------------------------------------------------------------------------------------------------


@click.command()
@click.argument(
    "segments", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="SEGMENT..."
)
@click.option(
    "--config",
    required=True,
    type=FILE,
    help="With --system: YAML file with the sampling and, for a system built by another program, its regions. "
    "Without --system: JSON file with system, regions and sampling.",
)
@click.option("--system", type=FILE, help="LAMMPS data file, or PSF, PRMTOP, TPR, GRO or PDB, of the system.")
@click.option("--out", required=True, type=OutPath(dir_okay=False, path_type=Path), help="State (npz) to write.")
@click.option(
    "--all-atoms",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Trajectory of all atoms, if the SEGMENTs hold framework and ions alone; once for each of them.",
)
@click.option(
    "--ions",
    metavar="LABELS",
    help="With --all-atoms: atom types in the SEGMENTs, separated by commas. [default: framework and ions]",
)
@click.option("--previous", type=FILE, help="State (npz) that the segments continue.")
@click.option("--increment", is_flag=True, help="Write the state of the frames after --previous alone.")
@click.option("--until-step", type=click.IntRange(min=0), help="Omit the frames at or after this step.")
@click.option(
    "--checksums",
    type=FILE,
    help="Output of sha256sum with the expected sums of segments, by their paths as given here.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of parts reduced concurrently, at most the number of cores; it does not change the state.",
)
@click.option(
    "--unwrap",
    is_flag=True,
    help="Unwrap coordinates by the nearest image from frame to frame, unless the file has image flags.",
)
@click.option("--frame-ps", type=AboveZero(), help="Time between frames in ps, if what the files say is wrong.")
@click.option(
    "--skip-missing",
    is_flag=True,
    help="Omit segments that do not exist, such as those of jobs that ended before their first frame.",
)
def reduce(
    segments: tuple[Path, ...],
    config: Path,
    system: Path | None,
    out: Path,
    all_atoms: tuple[Path, ...],
    ions: str | None,
    previous: Path | None,
    increment: bool,
    until_step: int | None,
    checksums: Path | None,
    threads: int,
    unwrap: bool,
    frame_ps: float | None,
    skip_missing: bool,
) -> None:
    """Reduce the SEGMENTs, in the order of time, to a state that every analysis reads.

    A SEGMENT is a trajectory of unwrapped coordinates: .dcd (sorted by ID; the fastest by far), .xtc, .trr, a text
    dump of LAMMPS (.lammpstrj or .dump, also .gz) with id xu yu zu or with image flags, or NetCDF (.nc). What
    is wrapped, torn, not in the order of the IDs or in other units is repaired, with a note, or refused.

    Where a production writes its ions more often than all atoms, each SEGMENT has two files, which are read once.

    \b
    Examples:
      aiida-cse reduce run.dcd --system system.data --config run.yaml --out state.npz
      aiida-cse reduce a/ions.dcd --all-atoms a/trajectory.dcd --system system.data \\
        --config run.yaml --out state.npz
    """
    with input_errors(), ExitStack() as stack:
        from aiida_cse.cli.display.progress import frames_progress
        from aiida_cse.reduction.all_atoms import TwoTrajectories, run_reduction_of_two
        from aiida_cse.reduction.readers.checked import Entrance, atoms_of_files
        from aiida_cse.reduction.reduce import run_reduction
        from aiida_cse.reduction.segments import load_checksums

        if increment and previous is None:
            raise ValueError("--increment: leaves out the frames of --previous; give it as well")
        if ions is not None and not all_atoms:
            raise ValueError(f"--ions = {ions}: names the atoms of SEGMENTs, with --all-atoms for the others")
        if all_atoms:
            inputs.refuse_with_all_atoms(unwrap=unwrap, frame_ps=frame_ps)
        found, described = _existing(segments, skip_missing=skip_missing), None
        # a job that was killed early has frames of the ions alone
        whole_files = _existing(all_atoms, skip_missing=skip_missing, least=0) if all_atoms else found
        if system is None:
            from aiida_cse.reduction.config import load_config

            settings = load_config(config)
        else:
            from aiida_cse.building.imported.interface import load_interface
            from aiida_cse.reduction.config import ReductionConfig
            from aiida_cse.schema import located

            whole, sampling = load_interface(system, config, (whole_files or found)[0])
            described = atoms_of_files(whole_files, whole, sampling)
            for note in described.notes:
                click.echo(f"note: {note}")
            with located(config):
                settings = ReductionConfig.build(described, sampling)
        sums = {} if checksums is None else load_checksums(checksums)
        gone = {*segments, *all_atoms} - {*found, *whole_files}
        ways: dict[str, Any] = {
            "until_step": until_step,
            "threads": threads,
            "checksums": {path: one for path, one in sums.items() if Path(path) not in gone},
            "entrance": Entrance(described, unwrap, frame_ps),
            "increment": increment,
            "hash_sources": True,
        }
        progress = stack.enter_context(frames_progress())
        if all_atoms:
            files = TwoTrajectories(tuple(found), tuple(whole_files), _types_of(ions, settings.labels))
            summary = run_reduction_of_two(files, settings, out, previous, progress, **ways)
        else:
            summary = run_reduction(found, settings, out, previous, progress, **ways)
    for note in summary.notes:
        click.echo(f"note: {note}")
    click.echo(
        f"{summary.frames_read} frames read; the state holds {summary.frames} frames "
        f"from step {summary.first_step} to {summary.last_step}"
    )


def _types_of(labels: str | None, known: tuple[str, ...]) -> tuple[int, ...] | None:
    """Return the atom types with these labels, separated by commas; None without labels."""
    if labels is None:
        return None
    from aiida_cse.schema import nearest

    names = [label.strip() for label in labels.split(",")]
    for name in names:
        if name not in known:
            raise ValueError(f"--ions: {name!r} is no atom type; {nearest(name, known)}")
    return tuple(known.index(name) + 1 for name in names)


def _existing(segments: tuple[Path, ...], *, skip_missing: bool, least: int = 1) -> list[Path]:
    """Return the segments that exist, the first ``least`` among them; refuse or report those that do not."""
    found = [segment for segment in segments if segment.is_file()]
    for segment in segments:
        if segment not in found:
            if not skip_missing or len(found) < least:
                raise ValueError(f"{segment}: there is no such file")
            click.echo(f"note: {segment}: there is no such file; it is omitted")
    return found


@click.command()
@click.argument(
    "segments", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="SEGMENT..."
)
@click.option("--state", required=True, type=FILE, help="State (npz) of their frames.")
@click.option("--yes", is_flag=True, help="Delete; without it, only show what can be deleted.")
def discard(segments: tuple[Path, ...], state: Path, yes: bool) -> None:
    """Delete the SEGMENTs whose frames a state holds.

    The state names the files from which it was made. A SEGMENT of another name, size, first step or checksum
    stays, and so does one with frames after those of the state.

    \b
    Example:
      aiida-cse discard run.1.dcd run.2.dcd --state state.npz --yes
    """
    with input_errors():
        from aiida_cse.reduction.readers.base import TrajectoryError
        from aiida_cse.reduction.readers.open import open_trajectory
        from aiida_cse.reduction.segments import file_sha256
        from aiida_cse.reduction.state import State
        from aiida_cse.report.words import size_words

        held = State.load(state)
        known = {(source.name, source.bytes, source.first_step): source for source in held.sources}
        chosen: list[tuple[Path, int]] = []
        for segment in dict.fromkeys(segments):
            if not segment.is_file():
                click.echo(f"{segment}: is not there")
                continue
            size = segment.stat().st_size
            try:
                with open_trajectory(segment) as file:
                    source = known.get((segment.name, size, file.first_step))
                    every = file.frame_steps or held.config.frame_steps
                    last = file.first_step + (file.frames - 1) * every
                    more = source is not None and source.frames < file.frames
            except TrajectoryError as error:
                click.echo(f"{error}; it stays")
                continue
            if source is None:
                click.echo(f"{segment}: is none of the files of the state; it stays")
            elif more and last - held.last_step >= held.config.frame_steps:
                click.echo(f"{segment}: has frames to step {last}, the state to step {held.last_step}; it stays")
            elif source.sha256 is None:
                click.echo(
                    f"{segment}: the state lacks its checksum; reduce it again, or delete it by hand; it stays"
                )
            elif source.sha256 != file_sha256(segment):
                click.echo(f"{segment}: was changed since it was reduced, its checksum is another one; it stays")
            else:
                chosen.append((segment, size))
        if yes:
            for segment, _ in chosen:
                segment.unlink()
                click.echo(f"{segment}: removed")
        number = f"{len(chosen)} file{'s' if len(chosen) != 1 else ''}"
        size_text = size_words(sum(size for _, size in chosen))
    click.echo(f"{'removed' if yes else 'would remove'} {number}, {size_text}")
