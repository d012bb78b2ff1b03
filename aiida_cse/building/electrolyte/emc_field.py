"""The force field of a recipe as EMC reads it: a file of parameters and a file of typing rules.

The formats are those of EMC's manual (Scripting Commands, Field) and of the OPLS field that it ships. EMC finds
the type of an atom by rules that describe what is bonded to it, which here come from the molecules themselves:
every surrounding that there is becomes a rule. What EMC assigns serves the growth of the molecules alone; a
system gets its types from the recipe again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiida_cse.building.electrolyte.molecules import chain_molecule
from aiida_cse.building.electrolyte.salt import anion_molecule
from aiida_cse.building.electrolyte.typing import TypedMolecule, type_molecule
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.type_table import Chemistry
from aiida_cse.forcefields.models import AngleTerm, BondTerm, DihedralTerm, canonical

__all__ = ["EmcType", "emc_parameters", "emc_rules", "emc_types"]

#: bonds from an atom within which its surroundings must tell its type
_DEEPEST = 6
#: elements that SMILES writes without brackets
_BARE = frozenset({"H", "B", "C", "N", "O", "P", "S", "F"})
#: by RDKit's name of the bond type
_BONDS = {"SINGLE": "", "DOUBLE": "=", "TRIPLE": "#", "AROMATIC": ":"}

Row = tuple[object, ...]


@dataclass(frozen=True)
class EmcType:
    """An atom type: mass in g/mol, charge in e, ε in kcal/mol, σ in Å, and the surroundings that it occurs in."""

    label: str
    element: str
    mass: float
    charge: float
    epsilon: float
    sigma: float
    formal_charge: int
    bonds: int
    surroundings: tuple[str, ...]


def emc_types(recipe: Recipe, chemistry: Chemistry) -> tuple[EmcType, ...]:
    """Return the types of the electrolyte's molecules, those of the chain first, then cation and anion.

    Raises
    ------
    ValueError
        Two types have the same surroundings, as far as EMC is told to look.
    """
    depth, molecules = _depth(recipe), _molecules(recipe)
    cation, label_of_cation = recipe.salt.cation, chemistry.types[chemistry.cation.types[0] - 1].label
    found = {label: (atoms, molecule) for molecule in molecules for label, atoms in _by_type(molecule).items()}
    types = []
    for entry in chemistry.types:
        if entry.label == label_of_cation:
            lj = recipe.forcefield.sets().salt.lennard_jones(cation)
            formal, bonds = 1, 0
            surroundings: tuple[str, ...] = (f"[{cation}+]",)
        elif entry.label in found:
            atoms, molecule = found[entry.label]
            lj = molecule.source.lennard_jones(entry.label)
            formal, bonds = atoms[0].GetFormalCharge(), atoms[0].GetDegree()
            surroundings = tuple(sorted({_surroundings(atom, depth) for atom in atoms}))
        else:
            continue
        types.append(
            EmcType(
                label=entry.label,
                element=entry.element,
                mass=entry.mass,
                charge=entry.charge,
                epsilon=lj.epsilon,
                sigma=lj.sigma,
                formal_charge=formal,
                bonds=bonds,
                surroundings=surroundings,
            )
        )
    return tuple(types)


def emc_parameters(recipe: Recipe, chemistry: Chemistry) -> str:
    """Return the text of the file of parameters, ``.prm``.

    Bonds and angles are harmonic as in LAMMPS; a torsion has the OPLS constants V as its terms (k, n, δ = 0).

    Raises
    ------
    ValueError
        As :func:`emc_types`.
    """
    types, molecules = emc_types(recipe, chemistry), _molecules(recipe)
    sections: dict[str, Sequence[Row]] = {
        "DEFINE": _definitions(_depth(recipe)),
        "MASS": [
            (entry.label, entry.mass, entry.element, entry.bonds, entry.formal_charge, entry.element)
            for entry in types
        ],
        "NONBOND": [
            ("?", "?", 0, 0),
            *((entry.label, entry.label, entry.sigma, entry.epsilon) for entry in types),
        ],
        "BOND": _terms(molecules, "bond"),
        "ANGLE": _terms(molecules, "angle"),
        "TORSION": _terms(molecules, "dihedral"),
    }
    return _sections(sections)


def emc_rules(recipe: Recipe, chemistry: Chemistry) -> str:
    """Return the text of the file of typing rules, ``.top``.

    Raises
    ------
    ValueError
        As :func:`emc_types`.
    """
    types = emc_types(recipe, chemistry)
    rules = [(entry, surrounding) for entry in types for surrounding in entry.surroundings]
    rows = [
        (number, entry.label, entry.element, number, entry.charge, surrounding)
        for number, (entry, surrounding) in enumerate(rules, 1)
    ]
    order = [("(?",), *((f"  ({entry.label})",) for entry in types), (")",)]
    return _sections({"PRECEDENCE": order, "RULES": rows})


def _molecules(recipe: Recipe) -> tuple[TypedMolecule, TypedMolecule]:
    """Return chain and anion; what they lack has been refused with the chemistry of the recipe."""
    sets = recipe.forcefield.sets()
    problems: list[str] = []
    return (
        type_molecule(recipe.polymer.name, chain_molecule(recipe.polymer), sets.polymer, problems),
        type_molecule(recipe.salt.anion.name, anion_molecule(recipe.salt), sets.salt, problems),
    )


def _by_type(molecule: TypedMolecule) -> dict[str, list[Any]]:
    """Return the RDKit atoms of each type."""
    atoms: dict[str, list[Any]] = {}
    for found, atom in zip(molecule.atoms, molecule.graph.GetAtoms(), strict=True):
        atoms.setdefault(found.name, []).append(atom)
    return atoms


# -- surroundings --------------------------------------------------------------------------------------


def _depth(recipe: Recipe) -> int:
    """Return within how many bonds the surroundings of all atoms tell their types."""
    molecules = _molecules(recipe)
    shared: list[str] = []
    for depth in range(1, _DEEPEST + 1):
        shared = _shared(molecules, depth)
        if not shared:
            return depth
    msg = f"EMC: the types {' and '.join(shared)} have the same surroundings within {_DEEPEST} bonds"
    raise ValueError(msg)


def _shared(molecules: Iterable[TypedMolecule], depth: int) -> list[str]:
    """Return the types that have a surrounding in common, empty if none have."""
    owners: dict[str, set[str]] = {}
    for molecule in molecules:
        for label, atoms in _by_type(molecule).items():
            for atom in atoms:
                owners.setdefault(_surroundings(atom, depth), set()).add(label)
    return next((sorted(labels) for labels in owners.values() if len(labels) > 1), [])


def _surroundings(atom: Any, depth: int, before: Any = None) -> str:
    """Return what is bonded to an atom within ``depth`` bonds, as ``C(H)(H)(H)(O)``."""
    if depth == 0:
        return _symbol(atom)
    branches = []
    for bond in atom.GetBonds():
        other = bond.GetOtherAtom(atom)
        if before is None or other.GetIdx() != before.GetIdx():
            branches.append(f"({_BONDS[bond.GetBondType().name]}{_surroundings(other, depth - 1, atom)})")
    return _symbol(atom) + "".join(sorted(branches))


def _symbol(atom: Any) -> str:
    symbol, charge = atom.GetSymbol(), atom.GetFormalCharge()
    name = symbol.lower() if atom.GetIsAromatic() else symbol
    if charge:
        return f"[{name}{'+' if charge > 0 else '-'}{abs(charge) if abs(charge) > 1 else ''}]"
    return name if symbol in _BARE else f"[{name}]"


# -- sections ------------------------------------------------------------------------------------------


def _definitions(depth: int) -> list[Row]:
    return [
        ("FFMODE", "OPLS"),
        ("FFTYPE", "ATOMISTIC"),
        ("FFDEPTH", depth),
        ("FFCHARGE", "ALL"),
        ("LENGTH", "ANGSTROM"),
        ("ENERGY", "KCAL/MOL"),
        ("DENSITY", "G/CC"),
        ("MIX", "BERTHELOT"),
        ("NBONDED", 3),
        ("ANGLE", "ERROR"),
        ("PAIR14", "INCLUDE"),
        ("TORSION", "ERROR"),
    ]


def _terms(molecules: Iterable[TypedMolecule], kind: str) -> list[Row]:
    """Return one row for each combination of types that a kind of term occurs with."""
    rows: dict[tuple[str, ...], Row] = {}
    for molecule in molecules:
        for path, term in molecule.terms[kind]:
            labels = canonical([molecule.atoms[index].name for index in path])
            rows[labels] = (*labels, *_coefficients(term))
    return [rows[labels] for labels in sorted(rows)]


def _coefficients(term: BondTerm | AngleTerm | DihedralTerm) -> Sequence[float]:
    if not isinstance(term, DihedralTerm):
        return term.coefficients
    terms = [(v, n, 0.0) for n, v in enumerate(term.opls, 1) if v] or [(0.0, 1, 0.0)]
    return [number for triple in terms for number in triple]


def _sections(sections: Mapping[str, Sequence[Row]]) -> str:
    """Return sections of rows whose columns have exactly one tab between them, as EMC wants it."""
    return "\n".join(
        f"ITEM\t{name}\n\n" + "".join("\t".join(map(_word, row)) + "\n" for row in rows) + "\nITEM\tEND\n"
        for name, rows in sections.items()
    )


def _word(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
