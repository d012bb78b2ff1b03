"""Force-field types of molecules from SMARTS rules, with the parameters of all bonds, angles and dihedrals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from rdkit import Chem, rdBase

from aiida_cse.building.electrolyte.molecules import anion_molecule, chain_molecule
from aiida_cse.building.recipe import ForceFieldSets, Recipe
from aiida_cse.forcefields.models import (
    AngleTerm,
    BondTerm,
    DihedralTerm,
    ForceFieldSet,
    ForceFieldType,
    canonical,
)

__all__ = ["BondedTerm", "TypedMolecule", "type_molecule", "typed_molecules", "typing_patterns"]

BondedTerm = BondTerm | AngleTerm | DihedralTerm


@dataclass(frozen=True)
class TypedMolecule:
    """A molecule of n atoms with the parameters of every atom and every bonded term.

    Attributes
    ----------
    name
        The species name used in analyses.
    graph
        The RDKit molecule, hydrogens included.
    atoms
        The force-field type of each atom, n entries.
    terms
        For ``bond``, ``angle`` and ``dihedral``: the atom indices (from 0) of each term and its parameters.
    source
        The force-field set.
    """

    name: str
    graph: Any
    atoms: tuple[ForceFieldType, ...]
    terms: dict[str, tuple[tuple[tuple[int, ...], BondedTerm], ...]]
    source: ForceFieldSet


def typed_molecules(
    recipe: Recipe, sets: ForceFieldSets, problems: list[str]
) -> tuple[TypedMolecule, TypedMolecule]:
    """Return the typed chain and anion of a recipe; see :func:`type_molecule`."""
    polymer, anion = recipe.polymer, recipe.salt.anion
    return (
        type_molecule(polymer.name, chain_molecule(polymer), sets.polymer, problems),
        type_molecule(anion.name, anion_molecule(anion), sets.salt, problems),
    )


def type_molecule(name: str, graph: Any, forcefield: ForceFieldSet, problems: list[str]) -> TypedMolecule:
    """Assign a type to every atom of an RDKit molecule and parameters to every bonded term.

    Atoms that match no typing rule and terms without parameters are left out, and one line that lists all of them
    is added to ``problems``. The molecule is complete only if no line is added.
    """
    names: list[str | None] = [None] * graph.GetNumAtoms()
    for pattern, found in typing_patterns(forcefield):
        for match in graph.GetSubstructMatches(pattern, uniquify=False, maxMatches=10 * len(names) + 1000):
            names[match[0]] = found
    atoms = [None if found is None else forcefield.atom_type(found) for found in names]
    missing = [f"type of {_environment(graph, index)}" for index, found in enumerate(names) if found is None]
    with_lj = {entry.type for entry in forcefield.lj}
    missing += [f"Lennard-Jones of {found}" for found in names if found is not None and found not in with_lj]
    terms: dict[str, tuple[tuple[tuple[int, ...], BondedTerm], ...]] = {}
    for kind, paths, known in _kinds(graph, forcefield):
        lookup = {canonical(term.atoms): term for term in known}
        keys: list[tuple[str, ...] | None] = []
        for path in paths:
            # a term is looked up under the names of its atoms, if all have a type
            bonded = [atom.bonded_name for atom in (atoms[index] for index in path) if atom is not None]
            keys.append(canonical(bonded) if len(bonded) == len(path) else None)
        first = {key: path for path, key in reversed(list(zip(paths, keys, strict=True)))}
        missing += [
            f"{kind} {'–'.join(key)}, of {_surroundings(graph, first[key], key, atoms)}"
            for key in dict.fromkeys(keys)
            if key is not None and key not in lookup
        ]
        terms[kind] = tuple((path, lookup[key]) for path, key in zip(paths, keys, strict=True) if key in lookup)
    if missing:
        listed = "; ".join(dict.fromkeys(missing))
        problems.append(f"{name}: force-field set {forcefield.name} lacks parameters: {listed}")
    typed = tuple(atom for atom in atoms if atom is not None)
    return TypedMolecule(name=name, graph=graph, atoms=typed, terms=terms, source=forcefield)


def typing_patterns(forcefield: ForceFieldSet) -> list[tuple[Any, str]]:
    """Return the typing rules of a set in order: the RDKit pattern, and the type of its first atom.

    Raises
    ------
    ValueError
        A rule is not a SMARTS pattern.
    """
    patterns = []
    for rule in forcefield.typing:
        with rdBase.BlockLogs():
            pattern: Any = Chem.MolFromSmarts(rule.smarts)
        if pattern is None:
            place = f"typing.smarts = {rule.smarts!r}"
            raise ValueError(f"force-field set {forcefield.name}: {place}: is not a valid SMARTS pattern")
        patterns.append((pattern, rule.type))
    return patterns


def _kinds(
    graph: Any, forcefield: ForceFieldSet
) -> Iterator[tuple[str, list[tuple[int, ...]], Sequence[BondedTerm]]]:
    """Yield each kind of bonded term, the atom indices of its terms, and the parameters of the set."""
    neighbours = [sorted(near.GetIdx() for near in atom.GetNeighbors()) for atom in graph.GetAtoms()]
    bonds = sorted((i, j) for i, near in enumerate(neighbours) for j in near if i < j)
    yield "bond", list(bonds), forcefield.bonds
    angles = [(i, centre, k) for centre, near in enumerate(neighbours) for i, k in combinations(near, 2)]
    yield "angle", list(angles), forcefield.angles
    dihedrals = [
        (i, j, k, m)
        for j, k in bonds
        for i in neighbours[j]
        for m in neighbours[k]
        if i != k and m != j and i != m
    ]
    yield "dihedral", list(dihedrals), forcefield.dihedrals


def _environment(graph: Any, index: int) -> str:
    atom = graph.GetAtomWithIdx(index)
    neighbours = sorted(neighbour.GetSymbol() for neighbour in atom.GetNeighbors())
    return f"{atom.GetSymbol()} bonded to {', '.join(neighbours) or 'nothing'}"


def _surroundings(
    graph: Any, path: Sequence[int], key: tuple[str, ...], atoms: Sequence[ForceFieldType | None]
) -> str:
    """Return the atoms of a term in the order of its key, each with its neighbours: ``H(C)–C(C,H,H,O)``."""
    names = tuple(atom.bonded_name for atom in (atoms[index] for index in path) if atom is not None)
    members = [graph.GetAtomWithIdx(index) for index in (path if names == key else reversed(path))]
    return "–".join(
        f"{atom.GetSymbol()}({','.join(sorted(near.GetSymbol() for near in atom.GetNeighbors()))})"
        for atom in members
    )
