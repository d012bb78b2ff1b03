"""Import of a LAMMPS data file of any origin as a system; all missing or wrong information is reported at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.imported.description import SystemFacts
from aiida_cse.building.imported.slab import number_molecules, slab_of
from aiida_cse.building.imported.types import TypeTable
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.reduction import describe_system
from aiida_cse.building.type_table import Chemistry, chemistry_of
from aiida_cse.lammps.files.data import TOPOLOGY, DataFileContents, read_contents
from aiida_cse.lammps.files.forcefield_input import read_statements
from aiida_cse.lammps.files.system import System
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.layers import SURFACE_OFFSETS, SurfaceOffsets
from aiida_cse.reduction.sampling import Sampling

__all__ = ["import_system"]

#: e; largest net charge of a neutral system
_NEUTRAL = 1e-3
#: relative; LAMMPS writes six digits of the coefficients into a data file
_WRITTEN = 1e-5
#: pair styles that take a cutoff and no other argument
_ONE_CUTOFF = frozenset({"lj/cut/coul/long", "buck/coul/long", "lj/cut", "buck", "coul/long"})


def import_system(
    data: str, description: SystemFacts, forcefield: str = "", recipe: Recipe | None = None
) -> System:
    """Return the system of a data file.

    Atoms keep order, positions, image flags and velocities. Molecule IDs are kept if they follow the convention of
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
    include = _include(file, given, table.labels, problems)
    charge = float(file.data.charges.sum())
    if abs(charge) > _NEUTRAL:
        problems.append(f"the box has the charge {charge:g} e; it must be neutral")
    if types is not None:
        file.data.molecules = number_molecules(table, types, slab)
    if problems or types is None:
        raise ValueError("\n".join(problems))
    file.data.charges = np.array([entry.charge for entry in types])[file.data.types - 1]
    system = System.create(
        file.data,
        include,
        phase=description.phase,
        types=types,
        slab=slab,
        seeds=dict(description.seeds),
        **_sources(description, None if forcefield else chemistry),
    )
    if description.phase in ("interface", "production"):
        _refuse_without_regions(system)
    return system


def _sources(description: SystemFacts, chemistry: Chemistry | None) -> dict[str, Any]:
    """Return the sources of the parameters: those of the description, else those of the recipe."""
    if description.forcefield or chemistry is None:
        return {"forcefield_names": description.forcefield, "citations": description.citations}
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
    values = {command[:2]: command[2:] for command in own.commands if command[0] != "pair_coeff"}
    for words in map(tuple, map(str.split, file.commands)):
        if words[:2] in values and not _same(words[2:], values[words[:2]]):
            here, there = " ".join(words[2:]), " ".join(values[words[:2]])
            problems.append(f"{' '.join(words[:2])}: {here} in the data file, {there} in the force field")
    text = "\n".join([*head, given.strip("\n"), *tail]) + "\n"
    types = {"pair": len(data.masses)} | {kind[:-1]: data.topology_types[kind] for kind in TOPOLOGY}
    problems += read_statements(text).missing(types, labels, bonded=bool(len(data.topology["bonds"])))
    return text


def _same(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Return whether two lists of coefficients agree within the digits that LAMMPS writes."""
    try:
        ours, theirs = (np.array([float(word) for word in words]) for words in (first, second))
    except ValueError:
        return first == second
    return len(first) == len(second) and bool(np.allclose(ours, theirs, rtol=_WRITTEN, atol=0.0))


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
