"""Import of a LAMMPS data file of any origin as a system; all missing or wrong information is reported at once."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.imported.description import SystemFacts
from aiida_cse.building.imported.slab import number_molecules, repair_molecules, slab_of
from aiida_cse.building.imported.types import TypeTable
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.reduction import describe_system
from aiida_cse.building.type_table import Chemistry, chemistry_of
from aiida_cse.lammps.files.data import TOPOLOGY, DataFile, DataFileContents, read_contents
from aiida_cse.lammps.files.forcefield_input import Statements, read_statements
from aiida_cse.lammps.files.styles import plain_style
from aiida_cse.lammps.files.system import FILENAMES, System, SystemInfo, refuse_other_atoms
from aiida_cse.physics.periodic import describe_contacts
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.layers import SURFACE_OFFSETS, SurfaceOffsets
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.schema import located

__all__ = ["import_described", "import_system"]

#: e; largest net charge of a neutral system
_NEUTRAL = 1e-3
#: relative; LAMMPS writes six digits of the coefficients into a data file
_WRITTEN = 1e-5
#: phases from which a production starts
_RUN_AS_IT_IS = frozenset({"interface", "production"})
#: contradicting coefficients of a kind that are listed
_LISTED = 8
#: pair styles that take a cutoff and no other argument
_ONE_CUTOFF = frozenset({"lj/cut/coul/long", "buck/coul/long", "lj/cut", "buck", "coul/long"})


def import_system(
    data: str,
    description: SystemFacts,
    forcefield: str = "",
    recipe: Recipe | None = None,
    notes: list[str] | None = None,
) -> System:
    """Return the system of a data file.

    Atoms keep order, positions, image flags and velocities; only the image flags of molecules and of a slab that
    the box has torn are corrected. Molecule IDs are kept if they follow the convention of
    :mod:`aiida_cse.lammps.files.system`, otherwise new ones are assigned.

    Parameters
    ----------
    data
        The text of the data file (atom style ``full``), with or without coefficients.
    description
        What the data file does not contain.
    forcefield
        The text of an include file with styles and, unless the data file has them, coefficients; it may use the
        variable ``cutoff``. With a recipe, the default is that of the recipe.
    recipe
        The recipe that defines the atom types, by label, and the force field.
    notes
        A list to which a sentence for each repair is appended.

    Raises
    ------
    ValueError
        The data file cannot be read, or information is missing or wrong; one line for each problem.
    """
    file = read_contents(data)
    chemistry = None if recipe is None else chemistry_of(recipe)
    known = {} if chemistry is None else {entry.label: entry for entry in chemistry.types}
    given = forcefield or ("" if chemistry is None else chemistry.forcefield)
    labels = read_statements(given).labels
    problems = [
        f"type {number} is {label} in the data file, but {labels[number]} in the labelmap of the force field"
        for number, label in file.labels.items()
        if labels.get(number, label) != label
    ]
    table = TypeTable(file.data, description, labels | file.labels, known, problems)
    types = table.entries()
    slab = slab_of(table, types, None if recipe is None else build_slab(recipe))
    if types is not None:
        repair_molecules(table, types)
    include = _include(file, given, table.labels, problems)
    charge = float(file.data.charges.sum())
    if abs(charge) > _NEUTRAL:
        problems.append(f"the box has the charge {charge:g} e; it must be neutral")
    close = describe_contacts(
        file.data.unwrapped,
        file.data.lengths,
        file.data.molecules,
        [table.labels.get(number, f"type {number}") for number in file.data.types.tolist()],
    )
    # a phase that is still to be joined or relaxed may begin with atoms that are too close
    (problems if description.phase in _RUN_AS_IT_IS else table.notes).extend(close)
    if types is not None:
        file.data.molecules = number_molecules(table, types, slab)
    if problems or types is None:
        raise ValueError("\n".join(problems))
    if notes is not None:
        notes += table.notes
    file.data.charges = np.array([entry.charge for entry in types])[file.data.types - 1]
    system = System.create(
        file.data,
        include,
        phase=description.phase,
        types=types,
        slab=slab,
        initial_excess=description.initial_excess,
        seeds=dict(description.seeds),
        **_sources(description, None if forcefield else chemistry),
    )
    if description.phase in _RUN_AS_IT_IS:
        _refuse_without_regions(system)
    return system


def import_described(data: str, info: SystemInfo, forcefield: str, notes: list[str] | None = None) -> System:
    """Return the system of a data file and the summary written with it, checked as any other.

    Parameters
    ----------
    data, forcefield
        The texts of the data file and of the include file, which is kept as it is.
    info
        The summary. The numbers of atoms, the box and the charge are those of the data file.
    notes
        As of :func:`import_system`.

    Raises
    ------
    ValueError
        As :func:`import_system`, or the summary is that of other atoms.
    """
    with located(Path(FILENAMES["info"])):
        refuse_other_atoms(DataFile.parse(data), info)
    found = import_system(data, SystemFacts.of(info), forcefield, notes=notes)
    return System.create(
        found.data,
        forcefield,
        phase=info.phase,
        types=info.types,
        slab=info.slab,
        initial_excess=info.initial_excess,
        seeds=info.seeds,
        forcefield_names=info.forcefield,
        forcefield_md5=info.forcefield_md5,
        citations=info.citations,
    )


def _sources(description: SystemFacts, chemistry: Chemistry | None) -> dict[str, Any]:
    """Return the sources of the parameters: those of the description, else those of the recipe."""
    if description.forcefield or chemistry is None:
        return {
            "forcefield_names": description.forcefield,
            "forcefield_md5": description.forcefield_md5,
            "citations": description.citations,
        }
    return {
        "forcefield_names": chemistry.sources,
        "forcefield_md5": chemistry.checksums,
        "citations": description.citations or chemistry.citations,
    }


def _include(file: DataFileContents, given: str, labels: dict[int, str], problems: list[str]) -> str:
    """Return the include file: the given text, completed by styles and coefficients of the data file."""
    data, own = file.data, read_statements(given)
    problems += [f"force field, {problem}" for problem in own.problems]
    head = [] if own.labels else [" ".join(["labelmap atom", *(f"{n} {labels[n]}" for n in sorted(labels))])]
    head += [
        f"{name} {style}{' ${cutoff}' if name == 'pair_style' else ''}"
        for name, style in file.styles.items()
        if own.style(name) is None and (name != "pair_style" or style in _ONE_CUTOFF)
    ]
    given_kinds = {command[0] for command in own.commands}
    tail = [command for command in file.commands if command.split()[0] not in given_kinds]
    types = {"pair": len(data.masses)} | {kind[:-1]: data.topology_types[kind] for kind in TOPOLOGY}
    for kind, count in types.items():
        problems += _contradictions(file, own, kind, count, labels)
    text = "\n".join([*head, given.strip("\n"), *tail]) + "\n"
    problems += read_statements(text).missing(types, labels, bonded=bool(len(data.topology["bonds"])))
    return text


def _contradictions(
    file: DataFileContents, own: Statements, kind: str, count: int, labels: dict[int, str]
) -> list[str]:
    """Return a sentence for each style and coefficient that differs between data file and force field."""
    command, found = f"{kind}_coeff", []
    style, theirs = file.styles.get(f"{kind}_style"), own.style(f"{kind}_style")
    if kind != "pair" and style and theirs and plain_style(style) != plain_style(theirs[0]):
        found.append(f"{kind}_style: {style} in the data file, {theirs[0]} in the force field")
    given, width = own.coefficients(kind, count, labels), 2 if kind == "pair" else 1
    mixed = own.mixed(count, labels) if kind == "pair" and given else {}
    for words in (line.split() for line in file.commands if line.startswith(f"{command} ")):
        types, values = tuple(map(int, words[1 : 1 + width])), tuple(words[1 + width :])
        entries = [(*name.split(), *arguments) for name, arguments in given.get(types, {}).items()]
        if len(entries) == 1 and entries[0][0] != values[0] and _is_number(values[0]):
            # a run whose style was not hybrid wrote the coefficients without a sub-style
            entries = list(map(tuple, given[types].values()))
        origin = ""
        if not entries and kind == "pair" and (types[0], types[1]) in mixed:
            entries = [tuple(f"{value:.6g}" for value in mixed[types[0], types[1]])]
            origin = " by the mixing rule"
        if entries and not any(_same(values, entry, shared=kind == "pair") for entry in entries):
            place = " ".join(words[: 1 + width])
            there = " and ".join(" ".join(entry) for entry in entries)
            found.append(f"{place}: {' '.join(values)} in the data file, {there}{origin} in the force field")
    if len(found) > _LISTED:
        found[_LISTED:] = [f"{command}: {len(found) - _LISTED} more differ between data file and force field"]
    return found


def _same(first: tuple[str, ...], second: tuple[str, ...], *, shared: bool) -> bool:
    """Return whether two lists of coefficients agree within the digits that LAMMPS writes.

    With ``shared``, only the words that both have are compared: LAMMPS writes cutoffs of pairs or not, and the
    cutoff of a force field may be that of the protocol.
    """
    if len(first) != len(second) and not shared:
        return False
    return all(
        abs(float(one) - float(other)) <= _WRITTEN * max(abs(float(one)), abs(float(other)))
        if _is_number(one) and _is_number(other)
        else one == other
        for one, other in zip(first, second, strict=False)
    )


def _is_number(word: str) -> bool:
    try:
        return isfinite(float(word))
    except ValueError:
        return False


def _refuse_without_regions(system: System) -> None:
    """Refuse an interface whose trajectory could not be reduced.

    The layer of an ion that the published study does not have is required by the production, not here.
    """
    anywhere, others = SurfaceOffsets(inner=-0.5, outer=6.5), set()
    for species in {entry.species for entry in system.info.types} - set(SURFACE_OFFSETS):
        phases = {entry.phase for entry in system.info.types if entry.species == species}
        own = np.isin(system.data.types, system.info.type_numbers(species=species))
        negative = float(system.data.charges[own].sum()) < -_NEUTRAL
        if phases == {"both"} or (phases == {"electrolyte"} and negative):
            others.add(species)
    sampling = Sampling(timestep_fs=1.0, frame_ps=1.0, offsets=dict.fromkeys(others, anywhere))
    ReductionConfig.build(describe_system(system), sampling)
