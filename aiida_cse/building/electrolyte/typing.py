"""Molecules typed by the SMARTS rules of a force-field set, with all their bonds, angles and dihedrals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from rdkit import Chem, rdBase

from aiida_cse.forcefields.models import (
    AngleTerm,
    BondTerm,
    DihedralTerm,
    ForceFieldSet,
    ForceFieldType,
    canonical,
)

__all__ = ["BondedTerm", "TypedMolecule", "type_molecule", "typing_patterns"]

BondedTerm = BondTerm | AngleTerm | DihedralTerm


@dataclass(frozen=True)
class TypedMolecule:
    """A molecule of n atoms with the parameters of every atom and every bonded term.

    Attributes
    ----------
    name
        The species, as an analysis will call it.
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


def type_molecule(name: str, graph: Any, forcefield: ForceFieldSet, problems: list[str]) -> TypedMolecule:
    """Give every atom of the RDKit molecule its type and every bonded term its parameters.

    Atoms that match no typing rule and terms without parameters are left out, and one line that lists all of
    them is added to ``problems``: the molecule is only whole if that stays empty.
    """
    names = _match_rules(graph, forcefield)
    atoms = [None if found is None else forcefield.atom_type(found) for found in names]
    missing = [f"type of {_environment(graph, index)}" for index, found in enumerate(names) if found is None]
    missing += [f"Lennard-Jones of {found}" for found in _without_lj(names, forcefield)]
    terms: dict[str, tuple[tuple[tuple[int, ...], BondedTerm], ...]] = {}
    for kind, paths, known in _kinds(graph, forcefield):
        lookup = {canonical(term.atoms): term for term in known}
        keys = [_key(path, atoms) for path in paths]
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


def _match_rules(graph: Any, forcefield: ForceFieldSet) -> list[str | None]:
    names: list[str | None] = [None] * graph.GetNumAtoms()
    for pattern, found in typing_patterns(forcefield):
        for match in graph.GetSubstructMatches(pattern, uniquify=False, maxMatches=10 * len(names) + 1000):
            names[match[0]] = found
    return names


def typing_patterns(forcefield: ForceFieldSet) -> list[tuple[Any, str]]:
    """Return the typing rules of a set in their order: the RDKit pattern, and the type that its first atom gets.

    Raises
    ------
    ValueError
        A rule is no SMARTS pattern.
    """
    patterns = []
    for rule in forcefield.typing:
        with rdBase.BlockLogs():
            pattern: Any = Chem.MolFromSmarts(rule.smarts)
        if pattern is None:
            msg = f"force-field set {forcefield.name}: typing: {rule.smarts!r} is not a valid SMARTS pattern"
            raise ValueError(msg)
        patterns.append((pattern, rule.type))
    return patterns


def _environment(graph: Any, index: int) -> str:
    atom = graph.GetAtomWithIdx(index)
    neighbours = sorted(neighbour.GetSymbol() for neighbour in atom.GetNeighbors())
    return f"{atom.GetSymbol()} bonded to {', '.join(neighbours) or 'nothing'}"


def _surroundings(
    graph: Any, path: Sequence[int], key: tuple[str, ...], atoms: Sequence[ForceFieldType | None]
) -> str:
    """Return the atoms of a term in the order of its key, each with what is bonded to it: ``H(C)–C(C,H,H,O)``."""
    names = tuple(atom.bonded_name for atom in (atoms[index] for index in path) if atom is not None)
    members = [graph.GetAtomWithIdx(index) for index in (path if names == key else reversed(path))]
    return "–".join(
        f"{atom.GetSymbol()}({','.join(sorted(near.GetSymbol() for near in atom.GetNeighbors()))})"
        for atom in members
    )


def _without_lj(names: Sequence[str | None], forcefield: ForceFieldSet) -> list[str]:
    known = {entry.type for entry in forcefield.lj}
    return [name for name in names if name is not None and name not in known]


def _key(path: Sequence[int], atoms: Sequence[ForceFieldType | None]) -> tuple[str, ...] | None:
    """Return the names that a term is looked up by, None if one of its atoms has no type."""
    members = [atoms[index] for index in path]
    names = [atom.bonded_name for atom in members if atom is not None]
    return canonical(names) if len(names) == len(members) else None


def _kinds(
    graph: Any, forcefield: ForceFieldSet
) -> Iterator[tuple[str, list[tuple[int, ...]], Sequence[BondedTerm]]]:
    neighbours = [sorted(n.GetIdx() for n in atom.GetNeighbors()) for atom in graph.GetAtoms()]
    bonds = sorted((i, j) for i, near in enumerate(neighbours) for j in near if i < j)
    yield "bond", list(bonds), forcefield.bonds
    yield "angle", _angles(neighbours), forcefield.angles
    yield "dihedral", _dihedrals(neighbours, bonds), forcefield.dihedrals


def _angles(neighbours: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    return [(i, centre, k) for centre, near in enumerate(neighbours) for i, k in combinations(near, 2)]


def _dihedrals(neighbours: Sequence[Sequence[int]], bonds: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    return [
        (i, j, k, m)
        for j, k in bonds
        for i in neighbours[j]
        for m in neighbours[k]
        if i != k and m != j and i != m
    ]
