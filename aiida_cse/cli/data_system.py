"""``verdi data cse-system``: the systems of a profile, and their files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from aiida.cmdline.groups import VerdiCommandGroup
from aiida.cmdline.params import arguments, options, types
from aiida.cmdline.utils import decorators, echo

from aiida_cse.lammps.files.system import Phase

if TYPE_CHECKING:
    from aiida_cse.data.system import CseSystemData
    from aiida_cse.lammps.files.system import SystemInfo

__all__ = ["cse_system"]

FORMATS = ("lammps", "pdb", "xyz")

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
    help="Folder for the two files of `lammps` (default: here), or name of the one file of the other formats.",
)
@options.FORCE(help="Replace files that exist.")
@decorators.with_dbenv()
def export(system: CseSystemData, fmt: str, output: Path | None, force: bool) -> None:
    """Write the files of a system.

    `lammps` writes system.data and the force field that belongs to it, forcefield.in; a script that includes the
    force field sets the variable `cutoff` (Å) first. `pdb` and `xyz` hold coordinates for other programs.
    """
    paths = _targets(fmt, output, f"cse-system-{system.pk}.{fmt}")
    for path in paths:
        if path.is_file() and not force:
            echo.echo_critical(f"{path} exists already; replace it with --force, or give another --output")
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    if fmt == "lammps":
        for path, content in zip(paths, (system.lammps_data, system.forcefield), strict=True):
            path.write_text(content, encoding="utf-8")
    else:
        universe = system.get_universe()
        with warnings.catch_warnings():
            # MDAnalysis warns about missing information
            warnings.simplefilter("ignore")
            universe.atoms.write(str(paths[0]), file_format=fmt)
    echo.echo_success(f"wrote {' and '.join(map(str, paths))}")


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
    yield "Seeds", ", ".join(f"{name} {seed}" for name, seed in info.seeds.items()) or "none"


# -- export --------------------------------------------------------------------------------------------------


def _targets(fmt: str, output: Path | None, default: str) -> list[Path]:
    from aiida_cse.lammps.files.system import FILENAMES

    if fmt != "lammps":
        if output is not None and output.is_dir():
            echo.echo_critical(f"--output {output}: is a folder; the format {fmt} needs the name of a file")
        return [output or Path(default)]
    if output is not None and output.exists() and not output.is_dir():
        echo.echo_critical(f"--output {output}: is a file; the format lammps needs a folder")
    return [(output or Path()) / FILENAMES[key] for key in ("data", "forcefield")]
