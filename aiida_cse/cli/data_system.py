"""``verdi data cse-system``: the systems of a profile, and their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from aiida.cmdline.groups import VerdiCommandGroup
from aiida.cmdline.params import arguments, options, types
from aiida.cmdline.utils import decorators, echo

from aiida_cse.lammps.files.system import FILENAMES, Phase

if TYPE_CHECKING:
    from aiida_cse.data.system import CseSystemData
    from aiida_cse.lammps.files.system import SystemInfo

__all__ = ["cse_system"]

FORMATS = ("lammps", "pdb", "gro", "xyz", "extxyz")

_SYSTEM = types.DataParamType(sub_classes=("aiida.data:cse.system",))
_PROJECTED = ("id", *(f"attributes.{key}" for key in ("phase", "natoms", "charge", "box", "types", "composition")))


@click.group("cse-system", cls=VerdiCommandGroup)
def cse_system() -> None:
    """Inspect and export systems of composite solid electrolytes (cse.system)."""


@cse_system.command("list")
@click.option("--phase", type=click.Choice(get_args(Phase)), help="Only systems of this phase of the work.")
@options.PAST_DAYS()
@options.RAW()
@decorators.with_dbenv()
def list_systems(phase: str | None, past_days: int | None, raw: bool) -> None:
    """List the systems, oldest first."""
    from datetime import timedelta

    from aiida.common import timezone
    from aiida.orm import QueryBuilder

    from aiida_cse.data.system import CseSystemData

    filters: dict[str, Any] = {} if phase is None else {"attributes.phase": phase}
    if past_days is not None:
        filters["ctime"] = {">=": timezone.now() - timedelta(days=past_days)}
    query = QueryBuilder().append(CseSystemData, filters=filters, project=[*_PROJECTED, "ctime"], tag="system")
    query.order_by({"system": {"ctime": "asc"}})
    rows = []
    for pk, of_phase, natoms, charge, box, atom_types, composition, ctime in query.all():
        species = dict.fromkeys(t["species"] for t in atom_types if composition[t["label"]])
        created = f"{timezone.localtime(ctime):%Y-%m-%d %H:%M}"
        rows.append((pk, of_phase, natoms, f"{charge:g}", _lengths(box), " ".join(species), created))
    if raw:
        echo.echo_tabulate(rows, tablefmt="plain")
        return
    echo.echo_tabulate(rows, headers=["PK", "Phase", "Atoms", "Charge (e)", "Box (Å)", "Species", "Created"])
    echo.echo(f"\n{len(rows)} systems")


@cse_system.command("show")
@arguments.DATUM("system", type=_SYSTEM)
@decorators.with_dbenv()
def show(system: CseSystemData) -> None:
    """Show the facts about a system."""
    info = system.info
    echo.echo_tabulate(_facts(system, info), tablefmt="plain")
    echo.echo("")
    echo.echo_tabulate(
        [
            (n, t.label, t.element, t.mass, t.charge, t.species, t.phase, info.composition[t.label])
            for n, t in enumerate(info.types, 1)
        ],
        headers=["Type", "Label", "Element", "Mass (g/mol)", "Charge (e)", "Species", "Phase", "Atoms"],
    )
    for title, lines in (("Force field", info.forcefield), ("Citations", info.citations)):
        if lines:
            echo.echo("\n".join([f"\n{title}", *(f"  {line}" for line in lines)]))


@cse_system.command("export")
@arguments.DATUM("system", type=_SYSTEM)
@options.EXPORT_FORMAT(type=click.Choice(FORMATS), default="lammps")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for the files of `lammps` (default: here), or name of the one file of the other formats.",
)
@click.option(
    "--trajectory",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Trajectory of the system, such as the .dcd of a production, whose last frames are written as XTC.",
)
@click.option(
    "--frames",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Number of the last frames of --trajectory to write.",
)
@options.FORCE(help="Replace files that exist.")
@decorators.with_dbenv()
def export(
    system: CseSystemData, fmt: str, output: Path | None, trajectory: Path | None, frames: int, force: bool
) -> None:
    """Write the files of a system.

    `lammps` writes system.data and the force field that belongs to it, forcefield.in; a script that includes the
    force field sets the variable `cutoff` (Å) first. system.json and facts.yaml hold what these files lack, for
    `aiida-cse system import` and `aiida-cse reduce`. The other formats hold coordinates with whole molecules, in
    the order of the atoms in LAMMPS; `pdb` and `gro` name residues, `extxyz` has cell, masses and charges for ASE.
    With --trajectory, an .xtc file of the same name holds the last frames.
    """
    from aiida_cse.building.export import lammps_files, write_structure

    content = system.get_system()
    texts = lammps_files(content) | {FILENAMES["data"]: system.lammps_data} if fmt == "lammps" else {}
    paths = _targets(list(texts), fmt, output, f"cse-system-{system.pk}.{fmt}")
    moving = paths[0].with_suffix(".xtc") if trajectory else None
    for path in [*paths, *([moving] if moving else [])]:
        if path.is_file() and not force:
            echo.echo_critical(f"{path} exists already; replace it with --force, or give another --output")
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    try:
        for path, text in zip(paths, texts.values(), strict=False):
            path.write_text(text, encoding="utf-8")
        if not texts:
            write_structure(content, paths[0], fmt)
        echo.echo_success(f"wrote {' and '.join(map(str, paths))}")
        if trajectory is not None and moving is not None:
            from aiida_cse.building.export import write_frames
            from aiida_cse.reduction.readers.open import open_trajectory

            with open_trajectory(trajectory) as reader:
                number = write_frames(content, reader, moving, frames)
                if reader.frame_ps is None and reader.timestep_fs is None:
                    echo.echo_warning(
                        f"{trajectory} does not say its times; those in {moving} are frame numbers in ps"
                    )
                echo.echo_success(
                    f"wrote {moving}: the last {number} of the {reader.frames} frames of {trajectory}"
                )
    except ValueError as error:
        echo.echo_critical(str(error))


def _lengths(box: Sequence[Sequence[float]]) -> str:
    return " × ".join(f"{high - low:.2f}" for low, high in box)


# -- show ----------------------------------------------------------------------------------------------------


def _facts(system: CseSystemData, info: SystemInfo) -> Iterator[tuple[str, Any]]:
    yield "PK", system.pk
    yield "UUID", system.uuid
    yield "Phase", info.phase
    yield "Atoms", info.natoms
    yield "Composition", ", ".join(f"{number} {label}" for label, number in info.composition.items() if number)
    yield "Charge (e)", f"{info.charge:g}"
    yield "Box (Å)", _lengths(info.box)
    if info.slab is not None:
        yield "Slab thickness (Å)", f"{info.slab.thickness:.3f}"
        yield "Slab framework", " ".join(info.slab.framework)
        yield "Mid-plane from its mass centre (Å)", f"{info.slab.midplane_offset:.4f}"
        yield "Li+ of the slab", info.slab.initial_cations
    if info.initial_excess:
        yield "Li+ moved into the slab", info.initial_excess
    yield "Seeds", ", ".join(f"{name} {seed}" for name, seed in info.seeds.items()) or "none"


def _targets(names: list[str], fmt: str, output: Path | None, default: str) -> list[Path]:
    if fmt != "lammps":
        if output is not None and output.is_dir():
            echo.echo_critical(f"--output {output}: is a folder; the format {fmt} needs the name of a file")
        return [output or Path(default)]
    if output is not None and output.exists() and not output.is_dir():
        echo.echo_critical(f"--output {output}: is a file; the format lammps needs a folder")
    return [(output or Path()) / name for name in names]
