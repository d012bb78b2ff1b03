"""The electrolyte that EMC built: its data file and parameters, turned into a system of the recipe.

EMC gives the layout: which atoms are bonded, and where they are. What an atom is follows from its element, which
its mass tells, and its place in its molecule, so that types, charges and force field are those of the recipe,
as in an electrolyte of our own builder. What EMC itself assigned is held against them.

EMC's files are a LAMMPS data file without coefficients, its molecules whole and without image flags, and a LAMMPS
include file with the coefficients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components

from aiida_cse.building.electrolyte.build import electrolyte_system, molecules_of
from aiida_cse.building.electrolyte.emc_field import emc_types
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.type_table import Chemistry, Template, chemistry_of
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import System

__all__ = ["EmcParameters", "read_emc_electrolyte", "read_emc_parameters"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Å; how far EMC's box may be from the one that was asked for
_SAME_LENGTH = 1e-3
#: g/mol; how far a mass may be from that of its element
_SAME_MASS = 0.1
#: e, kcal/mol and Å; EMC writes four and five decimals
_SAME_NUMBER = 1e-3


@dataclass(frozen=True)
class EmcParameters:
    """What EMC's include file says of each atom type, from 1: ``masses`` (T,) g/mol, ``pairs`` {type: (ε, σ)}."""

    masses: Floats
    pairs: dict[int, tuple[float, float]]


def read_emc_parameters(text: str) -> EmcParameters:
    """Read the text of the include file with masses and coefficients, ``.params``.

    Raises
    ------
    ValueError
        It is none, or not whole; says what is missing.
    """
    lines = [words for line in text.splitlines() if (words := line.split("#", 1)[0].split())]
    masses = {int(words[1]): float(words[2]) for words in lines if words[0] == "mass" and len(words) == 3}
    pairs = {
        int(words[1]): (float(words[3]), float(words[4]))
        for words in lines
        if words[0] == "pair_coeff" and len(words) >= 5 and words[1] == words[2]
    }
    types = set(range(1, len(masses) + 1))
    if not types or set(masses) != types or set(pairs) != types:
        msg = (
            f"EMC's parameters name masses of the types {sorted(masses)} and Lennard-Jones coefficients of"
            f" {sorted(pairs)}, must be all from 1 to N in both"
        )
        raise ValueError(msg)
    return EmcParameters(masses=np.array([masses[number] for number in sorted(masses)]), pairs=pairs)


def read_emc_electrolyte(
    recipe: Recipe, lx: float, ly: float, data: str, parameters: str
) -> tuple[System, tuple[str, ...]]:
    """Return the electrolyte that EMC built, and where EMC's own parameters differ from the recipe's.

    Molecules that reach over an end of EMC's box along z, which is periodic, are laid out whole, and the box
    is made as high as they need it, with the recipe's padding; the wall is put at z = 0. Along x and y the box
    is the cross-section.

    Parameters
    ----------
    recipe
        What EMC was to build.
    lx, ly
        The cross-section in Å that EMC was given.
    data, parameters
        The text of EMC's data file and of its include file.

    Raises
    ------
    ValueError
        A file is not whole, or holds other molecules or another box than was asked for.
    """
    chemistry = chemistry_of(recipe)
    layout, coefficients = DataFile.parse(data), read_emc_parameters(parameters)
    if not np.array_equal(layout.masses, coefficients.masses):
        raise ValueError("EMC's data file and its parameters have different masses: they are of two builds")
    if not np.allclose(layout.lengths[:2], (lx, ly), rtol=0, atol=_SAME_LENGTH):
        x, y = layout.lengths[:2]
        raise ValueError(f"EMC's box is {x:.4f} × {y:.4f} Å² along x and y, must be {lx:.4f} × {ly:.4f} Å²")
    order = _order(recipe, chemistry, layout)
    whole = _made_whole(layout)
    molecules = [whole[indices] for indices in order]
    system = electrolyte_system(recipe, chemistry, *_standing(molecules, recipe, lx, ly, layout.lengths[2]))
    return system, tuple(_differences(recipe, chemistry, layout, coefficients, np.concatenate(order)))


# -- molecules -----------------------------------------------------------------------------------------


def _order(recipe: Recipe, chemistry: Chemistry, layout: DataFile) -> list[Integers]:
    """Return the indices of the atoms of each molecule, molecules and atoms in the recipe's order.

    Molecules are what bonds hold together; their atoms are found by elements and bonds.
    """
    elements, fragments = _elements(recipe, chemistry, layout), _fragments(layout)
    kinds = (chemistry.chain, chemistry.cation, chemistry.anion)
    found: dict[str, list[Integers]] = {kind.name: [] for kind in kinds}
    graphs = [_bare(_graph(kind, recipe)) for kind in kinds]
    known: dict[tuple[Any, ...], tuple[str, Integers]] = {}
    for atoms, bonds in fragments:
        key = (tuple(elements[atoms]), tuple(bonds))
        if key not in known:
            known[key] = _recognised(elements[atoms], bonds, kinds, graphs)
        name, indices = known[key]
        found[name].append(atoms[indices])
    wanted = [template.name for template in molecules_of(recipe, chemistry)]
    counts = {kind.name: wanted.count(kind.name) for kind in kinds}
    if {name: len(entries) for name, entries in found.items()} != counts:
        built = ", ".join(f"{len(entries)} {name}" for name, entries in found.items())
        asked = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise ValueError(f"EMC built {built}; the recipe has {asked}")
    return [atoms for kind in kinds for atoms in found[kind.name]]


def _elements(recipe: Recipe, chemistry: Chemistry, layout: DataFile) -> Integers:
    """Return the atomic number of each atom, (N,), from the masses of their types."""
    table = Chem.GetPeriodicTable()
    by_mass: dict[float, int] = {}
    for entry in emc_types(recipe, chemistry):
        number = table.GetAtomicNumber(entry.element)
        by_mass |= {entry.mass: number, table.GetAtomicWeight(number): number}
    masses = np.array(sorted(by_mass))
    numbers = []
    for kind, mass in enumerate(layout.masses.tolist(), 1):
        nearest = float(masses[np.argmin(np.abs(masses - mass))])
        if abs(nearest - mass) > _SAME_MASS:
            raise ValueError(
                f"EMC's type {kind} has the mass {mass:g} g/mol, that of no element of the electrolyte"
            )
        numbers.append(by_mass[nearest])
    of_type: Integers = np.array(numbers, dtype=np.int64)
    return of_type[layout.types - 1]


def _fragments(layout: DataFile) -> Iterator[tuple[Integers, list[tuple[int, int]]]]:
    """Give the atoms of each molecule, and its bonds by their place in it, both in order."""
    _, labels = connected_components(_bond_matrix(layout), directed=False)
    bonds = np.sort(layout.topology["bonds"][:, 1:] - 1, axis=1)
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    place = np.empty(layout.natoms, dtype=np.int64)
    members: list[list[tuple[int, int]]] = [[] for _ in starts]
    fragments = np.split(order, starts[1:])
    for atoms in fragments:
        place[atoms] = np.arange(len(atoms))
    for i, j in bonds.tolist():
        members[labels[i]].append((int(place[i]), int(place[j])))
    for atoms in fragments:
        yield atoms, sorted(members[labels[atoms[0]]])


def _bond_matrix(layout: DataFile) -> Any:
    i, j = (layout.topology["bonds"][:, 1:] - 1).T
    return coo_matrix((np.ones(len(i)), (i, j)), shape=(layout.natoms, layout.natoms)).tocsr()


def _recognised(
    elements: Integers, bonds: list[tuple[int, int]], kinds: Sequence[Template], graphs: Sequence[Any]
) -> tuple[str, Integers]:
    """Return the name of a molecule, and for each atom of its template the place in the molecule."""
    molecule = Chem.RWMol()
    for number in elements.tolist():
        molecule.AddAtom(Chem.Atom(number))
    for i, j in bonds:
        molecule.AddBond(i, j, Chem.BondType.SINGLE)
    for kind, graph in zip(kinds, graphs, strict=True):
        if (graph.GetNumAtoms(), graph.GetNumBonds()) == (len(elements), len(bonds)):
            match = molecule.GetSubstructMatch(graph)
            if match:
                return kind.name, np.array(match, dtype=np.int64)
    names = ", ".join(kind.name for kind in kinds)
    raise ValueError(
        f"EMC built a molecule of {len(elements)} atoms and {len(bonds)} bonds that is none of: {names}"
    )


def _graph(kind: Template, recipe: Recipe) -> Any:
    return kind.graph if kind.graph is not None else Chem.MolFromSmiles(f"[{recipe.salt.cation}+]")


def _bare(graph: Any) -> Any:
    """Return elements and bonds of a molecule, all single: a data file has neither orders nor formal charges."""
    bare = Chem.RWMol()
    for atom in graph.GetAtoms():
        bare.AddAtom(Chem.Atom(atom.GetAtomicNum()))
    for bond in graph.GetBonds():
        bare.AddBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), Chem.BondType.SINGLE)
    return bare


# -- positions -----------------------------------------------------------------------------------------


def _made_whole(layout: DataFile) -> Floats:
    """Return positions (N, 3) Å in which every bond is as short as its images allow."""
    lengths, positions, natoms = layout.lengths, layout.unwrapped, layout.natoms
    _, labels = connected_components(_bond_matrix(layout), directed=False)
    first = np.unique(labels, return_index=True)[1]
    i, j = (layout.topology["bonds"][:, 1:] - 1).T
    # one atom of each molecule is bonded to a root, from which a single walk reaches all others
    ends = (np.concatenate([i, np.full(len(first), natoms)]), np.concatenate([j, first]))
    rooted = coo_matrix((np.ones(len(ends[0])), ends), shape=(natoms + 1, natoms + 1)).tocsr()
    walk, before = breadth_first_order(rooted, natoms, directed=False)
    for atom in walk[1:].tolist():
        origin = before[atom]
        if origin != natoms:
            step = positions[atom] - positions[origin]
            positions[atom] = positions[origin] + step - lengths * np.round(step / lengths)
    return positions


def _standing(
    molecules: Sequence[Floats], recipe: Recipe, lx: float, ly: float, height: float
) -> tuple[list[Floats], Floats]:
    """Move each molecule's centre into EMC's box along z, and all of them above the wall; give the new box."""
    centred = [
        molecule - np.array([0.0, 0.0, height * np.floor(molecule[:, 2].mean() / height)])
        for molecule in molecules
    ]
    padding = recipe.electrolyte.padding
    bottom = min(float(molecule[:, 2].min()) for molecule in centred)
    top = max(float(molecule[:, 2].max()) for molecule in centred)
    lifted = [molecule + np.array([0.0, 0.0, padding - bottom]) for molecule in centred]
    return lifted, np.array([(0.0, lx), (0.0, ly), (0.0, top - bottom + 2 * padding)])


# -- parameters ----------------------------------------------------------------------------------------


def _differences(
    recipe: Recipe, chemistry: Chemistry, layout: DataFile, coefficients: EmcParameters, order: Integers
) -> Iterator[str]:
    """Give one sentence for each type of the recipe to which EMC gave another charge, ε or σ."""
    templates = molecules_of(recipe, chemistry)
    types = np.concatenate([template.types for template in templates])
    for entry in emc_types(recipe, chemistry):
        atoms = order[types == chemistry.number(entry.label)]
        pairs = np.array([coefficients.pairs[number] for number in sorted(set(layout.types[atoms].tolist()))])
        given = {
            "charge (e)": (layout.charges[atoms], entry.charge),
            "epsilon (kcal/mol)": (pairs[:, 0], entry.epsilon),
            "sigma (Å)": (pairs[:, 1], entry.sigma),
        }
        for name, (values, wanted) in given.items():
            worst = float(values[np.argmax(np.abs(values - wanted))])
            if abs(worst - wanted) > _SAME_NUMBER:
                yield f"{name} of {entry.label} is {worst:g} with EMC, {wanted:g} in the recipe"
