"""The input of EMC: the setup script of the electrolyte, and the force field as parameters and typing rules.

EMC Setup (``emc.pl``, ``emc_setup.pl``) converts the script and the two field files beside it to ``build.emc``,
the input of EMC itself. Keywords and paragraphs are those of EMC's manual, chapters 4 and 5; the formats of the
field are those of the manual (Scripting Commands, Field) and of the OPLS field that EMC ships.

EMC finds the type of an atom by rules that describe its surroundings. They are derived from the molecules: every
surrounding that occurs becomes a rule. EMC's types serve the growth of the molecules only; a system gets its types
from the recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiida_cse.building.electrolyte.build import layer_height
from aiida_cse.building.electrolyte.typing import TypedMolecule, typed_molecules
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.type_table import Chemistry, chemistry_of
from aiida_cse.forcefields.models import DihedralTerm, canonical

__all__ = ["BUILD_SCRIPT", "PROJECT", "SETUP_OUTPUT", "EmcField", "EmcType", "emc_field", "emc_files"]

Row = tuple[object, ...]

#: base name of EMC's files
PROJECT = "electrolyte"
#: output of EMC Setup and input of EMC
BUILD_SCRIPT = "build.emc"
#: standard output of EMC Setup
SETUP_OUTPUT = "emc_setup.out"

#: EMC Setup makes only boxes with two equal edges. Its build section is therefore excluded and replaced by this
#: one, which differs in the lengths only, followed by the commands that store the result.
_BUILD = """\
variables\t= {{lxx -> {lx:.10g}, lyy -> {ly:.10g}, lzz -> {lz:.10g}, lzy -> 0, lzx -> 0, lyx -> 0}};

build\t\t= {{
  system\t-> {{
    id\t\t-> main,
    split\t-> false,
    geometry\t-> {{xx -> lxx, yy -> lyy, zz -> lzz, zy -> lzy, zx -> lzx, yx -> lyx}},
    temperature\t-> temperature,
    flag\t-> {{charge -> true, geometry -> true, map -> true, pbc -> true}}
  }},
  select\t-> {{
    progress\t-> list,
    frequency\t-> 1,
    name\t-> "error",
    order\t-> random,
    cluster\t-> {{chains, cations, anions}},
    relax\t-> {{ncycles -> nrelax, radius -> radius}},
    grow\t-> {{
      method\t-> energetic,
      check\t-> all,
      nbonded\t-> 20,
      ntrials\t-> 20,
      niterations -> 1000,
      theta\t-> 0,
      weight\t-> {{bonded -> weight_bond, nonbonded -> weight_nonbond, focus -> weight_focus}}
    }}
  }}
}};

force\t\t= {{style -> none, message -> nkt}};
force\t\t= {{style -> init, message -> nkt}};

lammps\t\t= {{name -> output, mode -> put, forcefield -> opls, parameters -> true, types -> false,
\t\t   unwrap -> true, charges -> true, ewald -> true}};
"""

#: largest number of bonds from an atom within which its surroundings must determine its type
_DEEPEST = 6
#: elements that SMILES writes without brackets
_BARE = frozenset({"H", "B", "C", "N", "O", "P", "S", "F"})
#: SMILES symbol by RDKit's name of the bond type
_BONDS = {"SINGLE": "", "DOUBLE": "=", "TRIPLE": "#", "AROMATIC": ":"}


def emc_files(recipe: Recipe, lx: float, ly: float) -> dict[str, str]:
    """Return the text of each input file of EMC Setup by name: the script and the field of the recipe.

    The molecules are built in the box lx × ly × Lz, periodic along all three axes, at the recipe's initial density
    and from its seed.

    Parameters
    ----------
    recipe
        The recipe.
    lx, ly
        The cross-section in Å, that of the equilibrated ceramic.

    Raises
    ------
    ValueError
        Parameters are missing, or EMC cannot distinguish two types of the force field.
    """
    chemistry = chemistry_of(recipe)
    field = emc_field(recipe, chemistry)
    build = _BUILD.format(lx=lx, ly=ly, lz=layer_height(recipe, chemistry, lx, ly))
    return {
        f"{PROJECT}.esh": _script(recipe, build),
        f"{PROJECT}.prm": field.parameters(),
        f"{PROJECT}.top": field.rules(),
    }


def _script(recipe: Recipe, build: str) -> str:
    polymer, salt = recipe.polymer, recipe.salt
    options = {
        "replace": "true",
        "field": f"./{PROJECT}",
        "number": "true",
        "density": f"{recipe.electrolyte.density:.10g}",
        "seed": recipe.seeds.electrolyte,
        "build_dir": ".",
        "emc_exclude": "build=true",
    }
    # end 1 of a monomer is bonded to the preceding piece and end 2 to the following one, as in chain_molecule
    first, last = polymer.end_groups
    groups = [f"monomer\t{polymer.repeat_unit},1,monomer:2"]
    if first == last:
        groups.append(f"terminal\t{first},1,monomer:1,1,monomer:2")
        ends = "terminal,2"
    else:
        groups += [f"head\t{first},1,monomer:1", f"tail\t{last},1,monomer:2"]
        ends = "head,1,tail,1"
    groups += [f"cation\t[{salt.cation}+]", f"anion\t{salt.anion.smiles}"]
    paragraphs = {
        "OPTIONS": [f"{key}\t{value}" for key, value in options.items()],
        "GROUPS": groups,
        "CLUSTERS": [
            f"chains\talternate\t{polymer.chains}",
            f"cations\tcation\t{salt.pairs}",
            f"anions\tanion\t{salt.pairs}",
        ],
        "POLYMERS": ["chains", f"1\tmonomer,{polymer.length},{ends}"],
        "EMC\tphase=1\tspot=2": [build],
    }
    return "\n".join(
        f"ITEM\t{name}\n\n" + "\n".join(lines) + "\n\nITEM\tEND\n" for name, lines in paragraphs.items()
    )


# -- the force field -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EmcType:
    """An atom type: mass in g/mol, charge in e, ε in kcal/mol, σ in Å, and the surroundings in which it occurs."""

    label: str
    element: str
    mass: float
    charge: float
    epsilon: float
    sigma: float
    formal_charge: int
    bonds: int
    surroundings: tuple[str, ...]


@dataclass(frozen=True)
class EmcField:
    """Types, in the order of the type table, and molecules of the electrolyte, for EMC.

    ``depth`` is the number of bonds within which the surroundings of all atoms determine their types.
    """

    types: tuple[EmcType, ...]
    molecules: tuple[TypedMolecule, TypedMolecule]
    depth: int

    def parameters(self) -> str:
        """Return the text of the parameter file, ``.prm``.

        Bonds and angles are harmonic as in LAMMPS; a torsion lists the OPLS constants V as terms (k, n, δ = 0).
        """
        definitions: list[Row] = [
            ("FFMODE", "OPLS"),
            ("FFTYPE", "ATOMISTIC"),
            ("FFDEPTH", self.depth),
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
        masses: list[Row] = [
            (entry.label, entry.mass, entry.element, entry.bonds, entry.formal_charge, entry.element)
            for entry in self.types
        ]
        nonbonded: list[Row] = [(entry.label, entry.label, entry.sigma, entry.epsilon) for entry in self.types]
        terms = {kind: _terms(self.molecules, kind) for kind in ("bond", "angle", "dihedral")}
        return _sections(
            {
                "DEFINE": definitions,
                "MASS": masses,
                "NONBOND": [("?", "?", 0, 0), *nonbonded],
                "BOND": terms["bond"],
                "ANGLE": terms["angle"],
                "TORSION": terms["dihedral"],
            }
        )

    def rules(self) -> str:
        """Return the text of the file of typing rules, ``.top``."""
        rules = [(entry, surrounding) for entry in self.types for surrounding in entry.surroundings]
        rows = [
            (number, entry.label, entry.element, number, entry.charge, surrounding)
            for number, (entry, surrounding) in enumerate(rules, 1)
        ]
        order = [("(?",), *((f"  ({entry.label})",) for entry in self.types), (")",)]
        return _sections({"PRECEDENCE": order, "RULES": rows})


def emc_field(recipe: Recipe, chemistry: Chemistry) -> EmcField:
    """Return the types of the electrolyte's molecules and their surroundings.

    Raises
    ------
    ValueError
        Two types have the same surroundings within six bonds.
    """
    # parameters that are missing were refused when the chemistry of the recipe was made
    molecules = typed_molecules(recipe, recipe.forcefield.sets(), [])
    atoms_of: dict[str, list[Any]] = {}
    source_of: dict[str, TypedMolecule] = {}
    for molecule in molecules:
        for found, atom in zip(molecule.atoms, molecule.graph.GetAtoms(), strict=True):
            atoms_of.setdefault(found.name, []).append(atom)
            source_of[found.name] = molecule
    depth = _depth(atoms_of)
    cation = recipe.salt.cation
    types = []
    for entry in chemistry.types:
        if entry.label == chemistry.cation.name:
            lj = recipe.forcefield.sets().salt.lennard_jones(cation)
            formal, bonds = 1, 0
            surroundings: tuple[str, ...] = (f"[{cation}+]",)
        elif entry.label in atoms_of:
            atoms = atoms_of[entry.label]
            lj = source_of[entry.label].source.lennard_jones(entry.label)
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
    return EmcField(types=tuple(types), molecules=molecules, depth=depth)


# -- surroundings ----------------------------------------------------------------------------------------


def _depth(atoms_of: Mapping[str, Sequence[Any]]) -> int:
    """Return the smallest number of bonds within which no two types share a surrounding."""
    shared: list[str] = []
    for depth in range(1, _DEEPEST + 1):
        owners: dict[str, set[str]] = {}
        for label, atoms in atoms_of.items():
            for atom in atoms:
                owners.setdefault(_surroundings(atom, depth), set()).add(label)
        shared = next((sorted(labels) for labels in owners.values() if len(labels) > 1), [])
        if not shared:
            return depth
    raise ValueError(f"EMC: the types {' and '.join(shared)} have the same surroundings within {_DEEPEST} bonds")


def _surroundings(atom: Any, depth: int, before: Any = None) -> str:
    """Return the atoms within ``depth`` bonds of an atom, as ``C(H)(H)(H)(O)``."""
    symbol, charge = atom.GetSymbol(), atom.GetFormalCharge()
    name: str = symbol.lower() if atom.GetIsAromatic() else symbol
    if charge:
        name = f"[{name}{'+' if charge > 0 else '-'}{abs(charge) if abs(charge) > 1 else ''}]"
    elif symbol not in _BARE:
        name = f"[{name}]"
    if depth == 0:
        return name
    branches = []
    for bond in atom.GetBonds():
        other = bond.GetOtherAtom(atom)
        if before is None or other.GetIdx() != before.GetIdx():
            branches.append(f"({_BONDS[bond.GetBondType().name]}{_surroundings(other, depth - 1, atom)})")
    return name + "".join(sorted(branches))


# -- sections --------------------------------------------------------------------------------------------


def _terms(molecules: Iterable[TypedMolecule], kind: str) -> list[Row]:
    """Return one row for each combination of types with which a kind of term occurs."""
    rows: dict[tuple[str, ...], Row] = {}
    for molecule in molecules:
        for path, term in molecule.terms[kind]:
            labels = canonical([molecule.atoms[index].name for index in path])
            coefficients: Sequence[float] = term.coefficients
            if isinstance(term, DihedralTerm):
                constants = [(v, n, 0.0) for n, v in enumerate(term.opls, 1) if v] or [(0.0, 1, 0.0)]
                coefficients = [number for triple in constants for number in triple]
            rows[labels] = (*labels, *coefficients)
    return [rows[labels] for labels in sorted(rows)]


def _sections(sections: Mapping[str, Sequence[Row]]) -> str:
    """Return sections of rows whose columns are separated by exactly one tab, which EMC requires."""
    texts = []
    for name, rows in sections.items():
        texts.append(f"ITEM\t{name}\n")
        for row in rows:
            words = (f"{value:.10g}" if isinstance(value, float) else str(value) for value in row)
            texts.append("\t".join(words))
        texts.append("\nITEM\tEND\n")
    return "\n".join(texts)
