"""The type table and the force-field include file of a recipe, shared by all phases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.electrolyte.typing import BondedTerm, TypedMolecule, typed_molecules
from aiida_cse.building.recipe import WALL_SPECIES, ForceFieldSets, Recipe
from aiida_cse.forcefields.include import BondedRow, render_include
from aiida_cse.forcefields.models import ForceFieldSet
from aiida_cse.forcefields.pairs import PairRow, PairSite, Role, missing_buckingham, pair_table
from aiida_cse.lammps.files.data import TOPOLOGY
from aiida_cse.lammps.files.system import AtomType

__all__ = ["Chemistry", "MoleculeTemplate", "chemistry_of"]

Entry = tuple[AtomType, PairSite]

#: g/mol; the wall's dummy atoms are never integrated, and their mass must not count in densities
_WALL_MASS = 0.01
#: e
_NEUTRAL = 1e-9


@dataclass(frozen=True)
class MoleculeTemplate:
    """A molecule in the form that the data file needs.

    ``types`` (n,) are LAMMPS types from 1. ``topology`` has for each kind of term an (M, 1 + k) array: type, then
    k atom indices from 0. ``graph`` is the RDKit molecule, None for a single atom.
    """

    name: str
    types: NDArray[np.int64]
    topology: dict[str, NDArray[np.int64]]
    graph: Any

    @property
    def natoms(self) -> int:
        """Number of atoms."""
        return len(self.types)


@dataclass(frozen=True)
class Chemistry:
    """Atom types, molecules and force field of a recipe, in any phase.

    Attributes
    ----------
    types
        The type table in the order ceramic, mobile ion (that of the ceramic, then that of the salt if they
        differ), polymer, anion, wall.
    forcefield
        The text of the include file.
    pairs
        Its pair table.
    chain, cation, anion
        The molecules of the electrolyte.
    topology_types
        The number of types of each kind of bonded term.
    sources, citations
        Names and literature of the force-field sets.
    checksums
        The checksum of each force-field set by its name.
    """

    types: tuple[AtomType, ...]
    forcefield: str
    pairs: tuple[PairRow, ...]
    chain: MoleculeTemplate
    cation: MoleculeTemplate
    anion: MoleculeTemplate
    topology_types: dict[str, int]
    sources: tuple[str, ...]
    checksums: dict[str, str]
    citations: tuple[str, ...]

    @property
    def masses(self) -> NDArray[np.float64]:
        """(T,) in g/mol."""
        return np.array([entry.mass for entry in self.types])

    @property
    def charges(self) -> NDArray[np.float64]:
        """(T,) in e."""
        return np.array([entry.charge for entry in self.types])

    def number(self, label: str) -> int:
        """Return the LAMMPS type (from 1) with this label."""
        return [entry.label for entry in self.types].index(label) + 1


def chemistry_of(recipe: Recipe) -> Chemistry:
    """Return the type table, the molecules and the include file of a recipe.

    Raises
    ------
    ValueError
        Parameters are missing, two types share a label, or a molecule is not neutral.
    """
    return _chemistry(recipe.model_dump_json())


@lru_cache(maxsize=8)
def _chemistry(recipe_json: str) -> Chemistry:
    recipe = Recipe.model_validate_json(recipe_json)
    sets = recipe.forcefield.sets()
    problems = _missing_of_ions(recipe, sets)
    chain, anion = typed_molecules(recipe, sets, problems)
    if problems:
        raise ValueError("\n".join(problems))
    _refuse_net_charges(recipe, chain, anion)
    one_four = chain.source.one_four
    if one_four is None or one_four != anion.source.one_four:
        weights = f"({one_four}; {anion.source.one_four})"
        names = f"{chain.source.name} and {anion.source.name}"
        raise ValueError(f"forcefield: sets {names} do not agree on the 1-4 weights {weights}")
    entries = _type_table(recipe, sets, chain, anion)
    numbers = {entry.label: number for number, (entry, _) in enumerate(entries, 1)}
    pairs = pair_table(
        [site for _, site in entries],
        sets.ceramic.buckingham_pairs(),
        sets.ceramic.name,
        recipe.forcefield.mixing,
    )
    bonded = _bonded_rows((chain, anion))
    named = [recipe.forcefield.named_set(role) for role in ForceFieldSets._fields]
    checksums = {chosen.name: chosen.md5 for chosen in named}
    sources = []
    for chosen in named:
        choices = {key: value for key, value in recipe.forcefield.variants.items() if key in chosen.variants}
        options = sorted(chosen.chosen_variants(choices).items())
        sources.append(" ".join([chosen.name, *(f"{key}={value}" for key, value in options)]))
    return Chemistry(
        types=tuple(atom_type for atom_type, _ in entries),
        forcefield=render_include(
            recipe.name, checksums, list(numbers), pairs, [row for row, _ in bonded], one_four
        ),
        pairs=tuple(pairs),
        chain=_template(chain, numbers, bonded),
        cation=MoleculeTemplate(
            name=_cation_label(recipe),
            types=np.array([numbers[_cation_label(recipe)]], dtype=np.int64),
            topology={kind: np.zeros((0, atoms + 1), dtype=np.int64) for kind, atoms in TOPOLOGY.items()},
            graph=None,
        ),
        anion=_template(anion, numbers, bonded),
        topology_types={kind: sum(row.kind == kind[:-1] for row, _ in bonded) for kind in TOPOLOGY},
        sources=tuple(sources),
        checksums=checksums,
        citations=tuple(dict.fromkeys(citation for chosen in sets for citation in chosen.citations)),
    )


# -- completeness and consistency ------------------------------------------------------------------------


def _missing_of_ions(recipe: Recipe, sets: ForceFieldSets) -> list[str]:
    """Return one line for each set that lacks parameters of the ceramic or of the salt's cation.

    The charge of an atom without a type is not known; its Buckingham terms with known anions are required.
    """
    ceramic, cation = recipe.ceramic, recipe.salt.cation
    charges = {entry.name: entry.charge for entry in sets.ceramic.atom_types}
    untyped: dict[str, list[str]] = {name: [] for name in ceramic.species if name not in charges}
    for site in ceramic.structure.sites:
        if site.species in untyped:
            untyped[site.species].append(str(list(site.coords[0])))
    pairs = missing_buckingham(
        {name: charges.get(name, 0.0) for name in ceramic.species}, sets.ceramic.buckingham_pairs()
    )
    of_cross = ceramic.species if recipe.forcefield.lithium == "by-origin" else ceramic.species[:-1]
    has_type = any(entry.name == cation for entry in sets.salt.atom_types)
    lacking = {
        "ceramic": [f"type of {name} at {' and '.join(places)}" for name, places in untyped.items()]
        + ([f"Buckingham {', '.join(pairs)}"] if pairs else []),
        "cross": _without_lj(of_cross, sets.cross),
        "salt": ([] if has_type else [f"type of {cation}"]) + _without_lj((cation,), sets.salt),
    }
    return [
        f"forcefield.{role}: force-field set {getattr(sets, role).name} lacks parameters: {'; '.join(parameters)}"
        for role, parameters in lacking.items()
        if parameters
    ]


def _without_lj(names: Sequence[str], chosen: ForceFieldSet) -> list[str]:
    known = {entry.type for entry in chosen.lj}
    return [f"Lennard-Jones of {name}" for name in names if name not in known]


def _refuse_net_charges(recipe: Recipe, chain: TypedMolecule, anion: TypedMolecule) -> None:
    cation = anion.source.atom_type(recipe.salt.cation).charge
    for field, molecule, expected in (("polymer", chain, 0.0), ("salt.anion", anion, -cation)):
        charge = sum(atom.charge for atom in molecule.atoms)
        if abs(charge - expected) > _NEUTRAL:
            held = f"{molecule.name} has the charge {charge:.6g} e with set {molecule.source.name}"
            raise ValueError(f"{field}: {held}; must be {expected:g}")


# -- the type table --------------------------------------------------------------------------------------


def _type_table(recipe: Recipe, sets: ForceFieldSets, chain: TypedMolecule, anion: TypedMolecule) -> list[Entry]:
    """Return each atom type with what the pair table needs of it."""
    choices, wall = recipe.forcefield, recipe.electrolyte.wall
    entries = _ceramic_entries(recipe, sets)
    if choices.lithium == "by-origin":
        # the species of this cation is that of the ceramic's; its parameters are those of the salt
        name, label = recipe.salt.cation, _cation_label(recipe)
        found, lj = anion.source.atom_type(name), anion.source.lennard_jones(name)
        charge = round(found.charge * choices.salt_charge_scale, 10)
        entries.append(
            (
                AtomType(
                    label=label, element=found.element, mass=found.mass, charge=charge, phase="both", species=name
                ),
                PairSite(label, "organic", charge, lj.epsilon, lj.sigma, lj.origin or anion.source.name),
            )
        )
    entries += _molecule_entries(chain, 1.0, choices.hydrogen_mass)
    entries += _molecule_entries(anion, choices.salt_charge_scale, choices.hydrogen_mass)
    entries.append(
        (
            AtomType(label="W", element="X", mass=_WALL_MASS, charge=0.0, phase="wall", species=WALL_SPECIES),
            PairSite("W", "wall", 0.0, wall.epsilon, wall.sigma, "wall"),
        )
    )
    twice = [label for label, count in Counter(entry.label for entry, _ in entries).items() if count > 1]
    if twice:
        raise ValueError(
            f"forcefield: the chosen sets share the type names {', '.join(twice)}; one table needs distinct names"
        )
    return entries


def _ceramic_entries(recipe: Recipe, sets: ForceFieldSets) -> list[Entry]:
    entries = []
    for name in recipe.ceramic.species:
        mobile = name == recipe.ceramic.mobile
        found = sets.ceramic.atom_type(name)
        atom_type = AtomType(
            label=name,
            element=found.element,
            mass=found.mass,
            charge=found.charge,
            phase="both" if mobile else "ceramic",
            species=name,
        )
        shared = mobile and recipe.forcefield.lithium == "one"
        site = _site(atom_type, "mobile", sets.salt) if shared else _site(atom_type, "ceramic", sets.cross)
        entries.append((atom_type, site))
    return entries


def _cation_label(recipe: Recipe) -> str:
    """Return the label of the salt's cation: that of the ceramic's mobile ion unless they differ by origin."""
    return recipe.salt.cation if recipe.forcefield.lithium == "one" else f"{recipe.salt.cation}_salt"


def _molecule_entries(molecule: TypedMolecule, charge_scale: float, hydrogen_mass: float) -> list[Entry]:
    used = {atom.name for atom in molecule.atoms}
    entries = []
    for found in molecule.source.atom_types:
        if found.name not in used:
            continue
        atom_type = AtomType(
            label=found.name,
            element=found.element,
            mass=hydrogen_mass if found.element == "H" else found.mass,
            charge=round(found.charge * charge_scale, 10),
            phase="electrolyte",
            species=molecule.name,
        )
        entries.append((atom_type, _site(atom_type, "organic", molecule.source)))
    return entries


def _site(atom_type: AtomType, role: Role, source: ForceFieldSet) -> PairSite:
    lj = source.lennard_jones(atom_type.label)
    return PairSite(atom_type.label, role, atom_type.charge, lj.epsilon, lj.sigma, lj.origin or source.name)


# -- bonded types and molecules --------------------------------------------------------------------------


def _bonded_rows(molecules: Sequence[TypedMolecule]) -> list[tuple[BondedRow, BondedTerm]]:
    """Return the numbered bonded terms in use: by kind, then by molecule, then in the order of the set."""
    rows: list[tuple[BondedRow, BondedTerm]] = []
    for kind in ("bond", "angle", "dihedral"):
        number = 0
        for molecule in molecules:
            used = {id(term) for _, term in molecule.terms[kind]}
            known: tuple[BondedTerm, ...] = getattr(molecule.source, f"{kind}s")
            for term in known:
                if id(term) in used:
                    number += 1
                    row = BondedRow(kind, number, term.atoms, term.coefficients, molecule.source.name)
                    rows.append((row, term))
    return rows


def _template(
    molecule: TypedMolecule, numbers: dict[str, int], bonded: Sequence[tuple[BondedRow, BondedTerm]]
) -> MoleculeTemplate:
    """Return the template of a molecule from the LAMMPS types by label and the numbered terms.

    A row of its topology is the number of the term and its atoms, from 0.
    """
    term_numbers = {id(term): row.number for row, term in bonded}
    topology = {}
    for kind, atoms_in_term in TOPOLOGY.items():
        rows = [(term_numbers[id(term)], *path) for path, term in molecule.terms.get(kind[:-1], ())]
        topology[kind] = np.array(rows, dtype=np.int64).reshape(-1, atoms_in_term + 1)
    types = np.array([numbers[atom.name] for atom in molecule.atoms], dtype=np.int64)
    return MoleculeTemplate(name=molecule.name, types=types, topology=topology, graph=molecule.graph)
