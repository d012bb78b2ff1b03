"""A LAMMPS data file of any origin becomes a system; what is missing or wrong is told all at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.imported.description import SystemDescription
from aiida_cse.building.imported.slab import number_molecules, slab_of
from aiida_cse.building.imported.types import TypeTable
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.reduction import reduction_config
from aiida_cse.building.type_table import Chemistry, chemistry_of
from aiida_cse.lammps.files.data import TOPOLOGY, DataFileContents, read_contents
from aiida_cse.lammps.files.forcefield_input import read_statements
from aiida_cse.lammps.files.system import System
from aiida_cse.reduction.layers import SURFACE_OFFSETS, SurfaceOffsets
from aiida_cse.reduction.sampling import Sampling

__all__ = ["import_system"]

#: e; a net charge that is none
_NEUTRAL = 1e-3
#: relative; LAMMPS writes six digits of the coefficients into a data file
_WRITTEN = 1e-5
#: pair styles that need one cutoff and nothing else to be named
_ONE_CUTOFF = frozenset({"lj/cut/coul/long", "buck/coul/long", "lj/cut", "buck", "coul/long"})


def import_system(data: str, box: SystemDescription, forcefield: str = "", recipe: Recipe | None = None) -> System:
    """Return the system of a data file.

    Atoms keep order, positions, image flags and velocities. Molecule IDs stay where they follow the convention of
    :mod:`aiida_cse.lammps.files.system`, else they are counted anew.

    Parameters
    ----------
    data
        The text of the data file (atom style ``full``), with or without coefficients.
    box
        What it does not say.
    forcefield
        The text of an include file with styles and, unless the data file has them, coefficients; it may use the
        variable ``cutoff``. With a recipe, by default that of the recipe.
    recipe
        The recipe whose atom types, by label, and force field these are.

    Raises
    ------
    ValueError
        The data file cannot be read, or something is missing or wrong; one line for each.
    """
    file = read_contents(data)
    chemistry = None if recipe is None else chemistry_of(recipe)
    known = {} if chemistry is None else {entry.label: entry for entry in chemistry.types}
    given = forcefield or ("" if chemistry is None else chemistry.forcefield)
    problems = _other_labels(file, given)
    table = TypeTable(file.data, box, read_statements(given).labels | file.labels, known, problems)
    types = table.entries()
    slab = slab_of(table, types, None if recipe is None else build_slab(recipe))
    include = _include(file, given, table.labels, problems)
    charge = float(file.data.charges.sum())
    if abs(charge) > _NEUTRAL:
        problems.append(f"the box has the charge {charge:g} e, it must be neutral")
    if types is not None:
        file.data.molecules = number_molecules(table, types, slab)
    if problems or types is None:
        raise ValueError("\n".join(problems))
    file.data.charges = np.array([entry.charge for entry in types])[file.data.types - 1]
    system = System.create(
        file.data,
        include,
        phase=box.phase,
        types=types,
        slab=slab,
        seeds=dict(box.seeds),
        **_sources(box, None if forcefield else chemistry),
    )
    _refuse_without_regions(system)
    return system


def _sources(box: SystemDescription, chemistry: Chemistry | None) -> dict[str, Any]:
    """Return where the parameters are from: what the user says, else the recipe whose force field it is."""
    if box.forcefield or chemistry is None:
        return {"forcefield_names": box.forcefield, "citations": box.citations}
    return {
        "forcefield_names": chemistry.sources,
        "forcefield_md5": chemistry.checksums,
        "citations": box.citations or chemistry.citations,
    }


def _other_labels(file: DataFileContents, forcefield: str) -> list[str]:
    """Return where data file and force field give a type different labels."""
    told = read_statements(forcefield).labels
    return [
        f"type {number} is {label} in the data file, but {told[number]} in the labelmap of the force field"
        for number, label in file.labels.items()
        if told.get(number, label) != label
    ]


def _include(file: DataFileContents, given: str, labels: dict[int, str], problems: list[str]) -> str:
    """Return the include file: what was given, and what the data file has of styles and coefficients besides."""
    data, own = file.data, read_statements(given)
    problems += [f"force field, {problem}" for problem in own.problems]
    head = (
        [] if own.labels else ["labelmap atom " + " ".join(f"{n} {label}" for n, label in sorted(labels.items()))]
    )
    head += [
        f"{name} {style}{' ${cutoff}' if name == 'pair_style' else ''}"
        for name, style in file.styles.items()
        if own.style(name) is None and (name != "pair_style" or style in _ONE_CUTOFF)
    ]
    told = {command[0] for command in own.commands}
    tail = [command for command in file.commands if command.split()[0] not in told]
    problems += _contradictions(file, given)
    text = "\n".join([*head, given.strip("\n"), *tail]) + "\n"
    types = {"pair": len(data.masses)} | {kind[:-1]: data.topology_types[kind] for kind in TOPOLOGY}
    problems += read_statements(text).missing(types, labels, bonded=bool(len(data.topology["bonds"])))
    return text


def _contradictions(file: DataFileContents, given: str) -> list[str]:
    """Return the coefficients that the data file has with other values than the force field."""
    told = {command[:2]: command[2:] for command in read_statements(given).commands if command[0] != "pair_coeff"}
    differ = []
    for command in file.commands:
        words = tuple(command.split())
        values = told.get(words[:2])
        if values is not None and not _same(words[2:], values):
            there, here = " ".join(values), " ".join(words[2:])
            differ.append(f"{' '.join(words[:2])}: {here} in the data file, {there} in the force field")
    return differ


def _same(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Whether two lists of coefficients are the same to the digits that LAMMPS writes."""
    try:
        ours, theirs = (np.array([float(word) for word in words]) for words in (first, second))
    except ValueError:
        return first == second
    return len(first) == len(second) and bool(np.allclose(ours, theirs, rtol=_WRITTEN, atol=0.0))


def _refuse_without_regions(system: System) -> None:
    """Refuse an interface whose trajectory could not be reduced.

    Where the layer of an ion lies that the published study does not have is asked for by the production.
    """
    if system.info.phase not in ("interface", "production"):
        return
    anywhere = SurfaceOffsets(inner=-0.5, outer=6.5)
    others = {entry.species for entry in system.info.types if _is_ion(system, entry.species)} - set(
        SURFACE_OFFSETS
    )
    reduction_config(system, Sampling(timestep_fs=1.0, frame_ps=1.0, offsets=dict.fromkeys(others, anywhere)))


def _is_ion(system: System, species: str) -> bool:
    phases = {entry.phase for entry in system.info.types if entry.species == species}
    own = np.isin(system.data.types, system.info.type_numbers(species=species))
    return phases == {"both"} or (phases == {"electrolyte"} and float(system.data.charges[own].sum()) < -_NEUTRAL)
