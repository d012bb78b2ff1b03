"""Conversion of the electrolyte built by EMC to a system of the recipe.

EMC provides the layout: bonds and positions. The type of an atom follows from its element, known from its mass,
and its place in the molecule, so that types, charges and force field are those of the recipe, as with the built-in
builder. They are compared with those that EMC assigned.

EMC's files are a LAMMPS data file without coefficients, whose molecules are whole and have no image flags, and a
LAMMPS include file with the coefficients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components

from aiida_cse.building.electrolyte.build import electrolyte_system, molecules_of
from aiida_cse.building.electrolyte.emc_input import EmcType, emc_field
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import System

__all__ = ["EmcParameters", "read_emc_electrolyte", "read_emc_parameters"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Å; tolerance of EMC's box edges
_SAME_LENGTH = 1e-3
#: g/mol; tolerance of a mass against that of its element
_SAME_MASS = 0.1
#: e, kcal/mol and Å; EMC writes four and five decimals
_SAME_NUMBER = 1e-3


@dataclass(frozen=True)
class EmcParameters:
    """Parameters of EMC's include file: ``masses`` (T,) in g/mol, ``pairs`` {type from 1: (ε, σ)}."""

    masses: Floats
    pairs: dict[int, tuple[float, float]]


def read_emc_parameters(text: str) -> EmcParameters:
    """Read the text of the include file with masses and coefficients, ``.params``.

    Raises
    ------
    ValueError
        Masses or coefficients are missing; names them.
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
        raise ValueError(
            f"EMC's parameters name masses of the types {sorted(masses)} and Lennard-Jones coefficients of"
            f" {sorted(pairs)}; both must have all from 1 to N"
        )
    return EmcParameters(masses=np.array([masses[number] for number in sorted(masses)]), pairs=pairs)


def read_emc_electrolyte(
    recipe: Recipe, lx: float, ly: float, data: str, parameters: str
) -> tuple[System, tuple[str, ...]]:
    """Return the electrolyte built by EMC, and the differences between EMC's parameters and the recipe's.

    EMC's box is periodic along z. Molecules that cross its ends are made whole, and the box becomes as high as
    they need, plus the recipe's padding, with the wall at z = 0. Along x and y the box is the cross-section.

    Parameters
    ----------
    recipe
        The recipe given to EMC.
    lx, ly
        The cross-section in Å given to EMC.
    data, parameters
        The text of EMC's data file and of its include file.

    Raises
    ------
    ValueError
        A file is incomplete, or molecules or box are not those of the recipe.
    """
    chemistry = chemistry_of(recipe)
    types, templates = emc_field(recipe, chemistry).types, molecules_of(recipe, chemistry)
    layout, coefficients = DataFile.parse(data), read_emc_parameters(parameters)
    if not np.array_equal(layout.masses, coefficients.masses):
        raise ValueError("EMC's data file and its parameters have different masses: they are of two builds")
    if not np.allclose(layout.lengths[:2], (lx, ly), rtol=0, atol=_SAME_LENGTH):
        x, y = layout.lengths[:2]
        raise ValueError(f"EMC's box is {x:.4f} × {y:.4f} Å² along x and y; must be {lx:.4f} × {ly:.4f} Å²")
    graphs = {
        chemistry.chain.name: chemistry.chain.graph,
        chemistry.cation.name: Chem.MolFromSmiles(f"[{recipe.salt.cation}+]"),
        chemistry.anion.name: chemistry.anion.graph,
    }
    order = _order(layout, _elements(layout, types), graphs, [template.name for template in templates])
    positions, height = _made_whole(layout), layout.lengths[2]
    molecules = [positions[indices] for indices in order]
    for molecule in molecules:
        # the centre of each molecule is moved into EMC's box
        molecule[:, 2] -= height * np.floor(molecule[:, 2].mean() / height)
    padding = recipe.electrolyte.padding
    bottom = min(float(molecule[:, 2].min()) for molecule in molecules)
    top = max(float(molecule[:, 2].max()) for molecule in molecules)
    lifted = [molecule + np.array([0.0, 0.0, padding - bottom]) for molecule in molecules]
    box = np.array([(0.0, lx), (0.0, ly), (0.0, top - bottom + 2 * padding)])
    numbers = np.concatenate([template.types for template in templates])
    atoms_of = {entry.label: np.concatenate(order)[numbers == chemistry.number(entry.label)] for entry in types}
    system = electrolyte_system(recipe, chemistry, lifted, box)
    return system, tuple(_differences(layout, coefficients, types, atoms_of))


# -- molecules -------------------------------------------------------------------------------------------


def _order(
    layout: DataFile, elements: Integers, graphs: Mapping[str, Any], wanted: Sequence[str]
) -> list[Integers]:
    """Return the indices of the atoms of each molecule, molecules and atoms in the recipe's order.

    A molecule is a connected set of bonds. Its atoms are identified by elements and bonds.
    """
    found: dict[str, list[Integers]] = {name: [] for name in graphs}
    bare = {}
    for name, graph in graphs.items():
        bonded = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in graph.GetBonds()]
        bare[name] = _bare([atom.GetAtomicNum() for atom in graph.GetAtoms()], bonded)
    known: dict[tuple[Any, ...], tuple[str, Integers]] = {}
    for atoms, bonds in _fragments(layout):
        key = (tuple(elements[atoms]), tuple(bonds))
        if key not in known:
            known[key] = _recognised(elements[atoms].tolist(), bonds, bare)
        name, indices = known[key]
        found[name].append(atoms[indices])
    counts = {name: wanted.count(name) for name in graphs}
    if {name: len(entries) for name, entries in found.items()} != counts:
        built = ", ".join(f"{len(entries)} {name}" for name, entries in found.items())
        asked = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise ValueError(f"EMC built {built}; the recipe has {asked}")
    return [atoms for entries in found.values() for atoms in entries]


def _elements(layout: DataFile, types: Sequence[EmcType]) -> Integers:
    """Return the atomic number of each atom, (N,), from the masses of their types."""
    table = Chem.GetPeriodicTable()
    by_mass: dict[float, int] = {}
    for entry in types:
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
    """Yield the atoms of each molecule and its bonds as pairs of indices in the molecule, both in order."""
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
    elements: list[int], bonds: list[tuple[int, int]], graphs: Mapping[str, Any]
) -> tuple[str, Integers]:
    """Return the name of a molecule, and for each atom of its template the index in the molecule."""
    molecule = _bare(elements, bonds)
    for name, graph in graphs.items():
        if (graph.GetNumAtoms(), graph.GetNumBonds()) == (len(elements), len(bonds)):
            match = molecule.GetSubstructMatch(graph)
            if match:
                return name, np.array(match, dtype=np.int64)
    size = f"{len(elements)} atoms and {len(bonds)} bonds"
    raise ValueError(f"EMC built a molecule of {size} that is none of: {', '.join(graphs)}")


def _bare(elements: list[int], bonds: list[tuple[int, int]]) -> Any:
    """Return a molecule with single bonds only: a data file has neither bond orders nor formal charges."""
    bare = Chem.RWMol()
    for number in elements:
        bare.AddAtom(Chem.Atom(number))
    for i, j in bonds:
        bare.AddBond(i, j, Chem.BondType.SINGLE)
    return bare


# -- positions -------------------------------------------------------------------------------------------


def _made_whole(layout: DataFile) -> Floats:
    """Return positions (N, 3) in Å at which every bond connects nearest images."""
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


# -- parameters ------------------------------------------------------------------------------------------


def _differences(
    layout: DataFile, coefficients: EmcParameters, types: Sequence[EmcType], atoms_of: Mapping[str, Integers]
) -> Iterator[str]:
    """Yield one sentence for each type whose charge, ε or σ differs between EMC and the recipe."""
    for entry in types:
        atoms = atoms_of[entry.label]
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
