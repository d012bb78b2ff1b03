"""The one type table and the one include file of a recipe, shared by every phase of the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.electrolyte.molecules import chain_molecule
from aiida_cse.building.electrolyte.salt import anion_molecule
from aiida_cse.building.electrolyte.typing import BondedTerm, TypedMolecule, type_molecule
from aiida_cse.building.missing import missing_of_ions
from aiida_cse.building.recipe import WALL_SPECIES, ForceFieldSets, Recipe
from aiida_cse.forcefields.include import BondedRow, render_include
from aiida_cse.forcefields.models import ForceFieldSet, ForceFieldType, OneFour
from aiida_cse.forcefields.pairs import PairRow, PairSite, Role, pair_table
from aiida_cse.lammps.files.data import TOPOLOGY
from aiida_cse.lammps.files.system import AtomType

__all__ = ["Chemistry", "Template", "chemistry_of"]

#: the wall's dummy atoms are never integrated; their mass is negligible so that it does not count in densities
_WALL_MASS = 0.01
_NEUTRAL = 1e-9


@dataclass(frozen=True)
class Template:
    """A molecule as the data file needs it.

    ``types`` (n,) LAMMPS types from 1; ``topology`` for each kind an (M, 1 + k) array: type, then k atom
    indices from 0; ``graph`` the RDKit molecule, None for a single atom.
    """

    name: str
    types: NDArray[np.int64]
    topology: dict[str, NDArray[np.int64]]
    graph: Any

    @property
    def natoms(self) -> int:
        """The number of atoms."""
        return len(self.types)


@dataclass(frozen=True)
class Chemistry:
    """What a recipe's atoms are, whatever phase they are in.

    ``types`` is the type table in the order ceramic, mobile ion (the ceramic's, then the salt's if they differ),
    polymer, anion, wall; ``forcefield`` the text of the include file; ``pairs`` its pair table; ``topology_types``
    the number of types of each kind; ``checksums`` the checksum of each force-field set, by its name.
    """

    types: tuple[AtomType, ...]
    forcefield: str
    pairs: tuple[PairRow, ...]
    chain: Template
    cation: Template
    anion: Template
    topology_types: dict[str, int]
    sources: tuple[str, ...]
    checksums: dict[str, str]
    citations: tuple[str, ...]

    @property
    def masses(self) -> NDArray[np.float64]:
        """(T,) g/mol."""
        return np.array([entry.mass for entry in self.types])

    @property
    def charges(self) -> NDArray[np.float64]:
        """(T,) e."""
        return np.array([entry.charge for entry in self.types])

    def number(self, label: str) -> int:
        """Return the LAMMPS type (from 1) of the type labelled ``label``."""
        return [entry.label for entry in self.types].index(label) + 1


@lru_cache(maxsize=8)
def _chemistry(recipe_json: str) -> Chemistry:
    recipe = Recipe.model_validate_json(recipe_json)
    sets = recipe.forcefield.sets()
    chain, anion = _typed_molecules(recipe, sets)
    ceramic = _ceramic_entries(recipe, sets)
    _refuse_net_charges(recipe, chain, anion)
    one_four = _one_four(chain, anion)
    entries = _type_table(recipe, ceramic, chain, anion)
    types = tuple(atom_type for atom_type, _ in entries)
    pairs = pair_table(
        [site for _, site in entries],
        sets.ceramic.buckingham_pairs(),
        sets.ceramic.name,
        recipe.forcefield.mixing,
    )
    bonded = _bonded_rows((chain, anion))
    checksums = _checksums(recipe)
    numbers = {entry.label: number for number, entry in enumerate(types, 1)}
    return Chemistry(
        types=types,
        forcefield=render_include(
            recipe.name, checksums, list(numbers), pairs, [row for row, _ in bonded], one_four
        ),
        pairs=tuple(pairs),
        chain=_template(chain, numbers, bonded),
        cation=_single_atom(_cation_label(recipe), numbers),
        anion=_template(anion, numbers, bonded),
        topology_types={kind: sum(row.kind == kind[:-1] for row, _ in bonded) for kind in TOPOLOGY},
        sources=_sources(recipe),
        checksums=checksums,
        citations=tuple(dict.fromkeys(citation for chosen in sets for citation in chosen.citations)),
    )


def chemistry_of(recipe: Recipe) -> Chemistry:
    """Return the type table, molecules and include file of a recipe.

    Raises
    ------
    ValueError
        Parameters are missing, two types share a label, or a molecule is not neutral.
    """
    return _chemistry(recipe.model_dump_json())


def _typed_molecules(recipe: Recipe, sets: ForceFieldSets) -> tuple[TypedMolecule, TypedMolecule]:
    """Type the chain and the anion; what these and the ions lack is reported at once."""
    problems = missing_of_ions(recipe, sets)
    chain = type_molecule(recipe.polymer.name, chain_molecule(recipe.polymer), sets.polymer, problems)
    anion = type_molecule(recipe.salt.anion.name, anion_molecule(recipe.salt), sets.salt, problems)
    if problems:
        raise ValueError("\n".join(problems))
    return chain, anion


def _refuse_net_charges(recipe: Recipe, chain: TypedMolecule, anion: TypedMolecule) -> None:
    cation = anion.source.atom_type(recipe.salt.cation).charge
    for field, molecule, expected in (("polymer", chain, 0.0), ("salt.anion", anion, -cation)):
        charge = sum(atom.charge for atom in molecule.atoms)
        if abs(charge - expected) > _NEUTRAL:
            msg = f"{field}: {molecule.name} has the charge {charge:.6g} e with set {molecule.source.name}"
            msg += f", must be {expected:g}"
            raise ValueError(msg)


def _one_four(chain: TypedMolecule, anion: TypedMolecule) -> OneFour:
    first, second = chain.source.one_four, anion.source.one_four
    if first is None or first != second:
        names = f"{chain.source.name} and {anion.source.name}"
        raise ValueError(f"forcefield: sets {names} do not agree on the 1-4 weights ({first}; {second})")
    return first


# -- the type table ------------------------------------------------------------------------------------


def _type_table(
    recipe: Recipe, ceramic: list[tuple[AtomType, PairSite]], chain: TypedMolecule, anion: TypedMolecule
) -> list[tuple[AtomType, PairSite]]:
    entries = [*ceramic, *_salt_cation(recipe, anion.source)]
    entries += _molecule_entries(chain, 1.0, recipe.forcefield.hydrogen_mass)
    entries += _molecule_entries(anion, recipe.forcefield.salt_charge_scale, recipe.forcefield.hydrogen_mass)
    wall = recipe.electrolyte.wall
    entries.append(
        (
            AtomType(label="W", element="X", mass=_WALL_MASS, charge=0.0, phase="wall", species=WALL_SPECIES),
            PairSite("W", "wall", 0.0, wall.epsilon, wall.sigma, "wall"),
        )
    )
    twice = [label for label, count in Counter(entry.label for entry, _ in entries).items() if count > 1]
    if twice:
        raise ValueError(
            f"forcefield: the chosen sets share the type names {', '.join(twice)}; one table needs them distinct"
        )
    return entries


def _ceramic_entries(recipe: Recipe, sets: ForceFieldSets) -> list[tuple[AtomType, PairSite]]:
    entries = []
    for name in recipe.ceramic.species:
        mobile = name == recipe.ceramic.mobile
        shared = mobile and recipe.forcefield.lithium == "one"
        found = sets.ceramic.atom_type(name)
        atom_type = AtomType(
            label=name,
            element=found.element,
            mass=found.mass,
            charge=found.charge,
            phase="both" if mobile else "ceramic",
            species=name,
        )
        site = _site(atom_type, "mobile", sets.salt) if shared else _site(atom_type, "ceramic", sets.cross)
        entries.append((atom_type, site))
    return entries


def _cation_label(recipe: Recipe) -> str:
    """Return the label of the salt's cation, that of the ceramic's mobile ion unless they differ."""
    return recipe.salt.cation if recipe.forcefield.lithium == "one" else f"{recipe.salt.cation}_salt"


def _salt_cation(recipe: Recipe, salt: ForceFieldSet) -> list[tuple[AtomType, PairSite]]:
    """Return the entry of the salt's cation if it has parameters of its own; it is the same species."""
    if recipe.forcefield.lithium == "one":
        return []
    found = salt.atom_type(recipe.salt.cation)
    atom_type = AtomType(
        label=_cation_label(recipe),
        element=found.element,
        mass=found.mass,
        charge=round(found.charge * recipe.forcefield.salt_charge_scale, 10),
        phase="both",
        species=recipe.salt.cation,
    )
    lj = salt.lennard_jones(recipe.salt.cation)
    origin = lj.origin or salt.name
    return [(atom_type, PairSite(atom_type.label, "organic", atom_type.charge, lj.epsilon, lj.sigma, origin))]


def _molecule_entries(
    molecule: TypedMolecule, charge_scale: float, hydrogen_mass: float
) -> list[tuple[AtomType, PairSite]]:
    entries = []
    for found in _used_types(molecule):
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


def _used_types(molecule: TypedMolecule) -> list[ForceFieldType]:
    used = {atom.name for atom in molecule.atoms}
    return [entry for entry in molecule.source.atom_types if entry.name in used]


def _site(atom_type: AtomType, role: Role, source: ForceFieldSet) -> PairSite:
    lj = source.lennard_jones(atom_type.label)
    return PairSite(atom_type.label, role, atom_type.charge, lj.epsilon, lj.sigma, lj.origin or source.name)


# -- bonded types and molecules ------------------------------------------------------------------------


def _bonded_rows(molecules: Sequence[TypedMolecule]) -> list[tuple[BondedRow, BondedTerm]]:
    """Assign numbers to the bonded terms in use: by kind, then molecule, then the order of the set."""
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
) -> Template:
    term_numbers = {id(term): row.number for row, term in bonded}
    topology = {}
    for kind, atoms_in_term in TOPOLOGY.items():
        terms = molecule.terms.get(kind[:-1], ())
        rows = [(term_numbers[id(term)], *path) for path, term in terms]
        topology[kind] = np.array(rows, dtype=np.int64).reshape(-1, atoms_in_term + 1)
    types = np.array([numbers[atom.name] for atom in molecule.atoms], dtype=np.int64)
    return Template(name=molecule.name, types=types, topology=topology, graph=molecule.graph)


def _single_atom(name: str, numbers: dict[str, int]) -> Template:
    topology = {kind: np.zeros((0, atoms + 1), dtype=np.int64) for kind, atoms in TOPOLOGY.items()}
    return Template(name=name, types=np.array([numbers[name]], dtype=np.int64), topology=topology, graph=None)


def _sources(recipe: Recipe) -> tuple[str, ...]:
    """Return the names of the sets, each with the options of its variants."""
    sources = []
    for role in ForceFieldSets._fields:
        chosen = recipe.forcefield.named_set(role)
        choices = {key: value for key, value in recipe.forcefield.variants.items() if key in chosen.variants}
        options = chosen.chosen_variants(choices)
        sources.append(" ".join([chosen.name, *(f"{key}={value}" for key, value in sorted(options.items()))]))
    return tuple(sources)


def _checksums(recipe: Recipe) -> dict[str, str]:
    """Return the checksum of each set, by its name."""
    named = [recipe.forcefield.named_set(role) for role in ForceFieldSets._fields]
    return {chosen.name: chosen.md5 for chosen in named}
