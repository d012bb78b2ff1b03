"""Topologies of other programs than LAMMPS (PSF, PRMTOP, TPR, GRO, PDB, …), read by MDAnalysis as a data file is.

Atoms of one residue name, atom type (in GRO and PDB: atom name without its number), mass and charge are one type.
The names in a description select atoms; of these, all of one name are one type, whatever their residue.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from aiida_cse.lammps.files.data import DataFile, DataFileContents
from aiida_cse.physics.periodic import BondTree, join_by_gap
from aiida_cse.reduction.readers.mdanalysis import box_edges, first_reason
from aiida_cse.reduction.readers.open import open_trajectory
from aiida_cse.schema import nearest

__all__ = ["SUFFIXES", "NumberedTypes", "Topology", "read_topology"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: suffix -> format of MDAnalysis
SUFFIXES = {
    ".psf": "PSF",
    ".prmtop": "PRMTOP",
    ".parm7": "PARM7",
    ".tpr": "TPR",
    ".gro": "GRO",
    ".pdb": "PDB",
    ".ent": "PDB",
    ".pqr": "PQR",
    ".mol2": "MOL2",
}
#: formats that list all bonds; PDB lists some
_BONDED = frozenset({"PSF", "PRMTOP", "PARM7", "TPR", "MOL2"})
#: words that say what a name is the name of, as MDAnalysis has them
_KINDS = {"name": "an atom", "type": "an atom type", "resname": "a residue"}
#: Å; to what a format rounds the edges of the box
_BOX_PRECISION = {"GRO": 1e-4, "PDB": 1e-3}
#: numbers of a header that are numbers of entries
_COUNTS = {"GRO": re.compile(rb"\A[^\n]*\n\s*(\d+)"), "PSF": re.compile(rb"(?m)^[ \t]*(\d+)[ \t]+!N")}
_MOST_BYTES = 2_000_000_000
#: more types than any system needs; histograms are taken for each
_MOST_TYPES = 1000
#: names of atoms of organic molecules that are symbols of two letters
_TWO_LETTERS = frozenset({"Cl", "Br", "Si"})


@dataclass(frozen=True)
class Topology:
    """The N atoms of a topology file, before types are numbered.

    Attributes
    ----------
    path
        The file.
    attributes
        ``name``, ``type`` and ``resname`` of the atoms, (N,) texts each; a file may lack the second.
    molecules
        (N,) numbers of the molecules, from 1.
    masses, charges
        (N,) g/mol and e, None where the file has none.
    bonds
        (M, 2) indices of bonded atoms.
    complete
        Whether these are all bonds.
    positions, box
        (N, 3) and (3,) Å, None where the file has none.
    elements
        (N,) symbols, None where the file has none.
    box_precision
        To what the file rounds the edges of the box, Å, 0 for not at all.
    """

    path: Path
    attributes: Mapping[str, NDArray[np.str_]]
    molecules: NDArray[np.int64]
    masses: Floats | None
    charges: Floats | None
    bonds: NDArray[np.int64]
    complete: bool
    positions: Floats | None
    box: Floats | None
    elements: NDArray[np.str_] | None = None
    box_precision: float = 0.0

    def select(self, given: str | int) -> Mask:
        """Return which atoms (N,) a name selects.

        It is the name of an atom, of an atom type or of a residue; ``name``, ``type`` or ``resname`` before it say
        which.

        Raises
        ------
        ValueError
            Nothing has the name, or it means different atoms as the name of an atom and of something else.
        """
        kind, _, rest = str(given).partition(" ")
        kinds, name = ((kind,), rest.strip()) if kind in _KINDS and rest else (tuple(_KINDS), str(given))
        found = {one: self.attributes[one] == name for one in kinds if one in self.attributes}
        found = {one: mask for one, mask in found.items() if mask.any()}
        if not found:
            known = sorted({str(one) for values in self.attributes.values() for one in np.unique(values)})
            raise ValueError(f"no atom, atom type or residue has the name {name!r}; {nearest(name, known)}")
        first: Mask = next(iter(found.values()))
        if any((mask != first).any() for mask in found.values()):
            means = ", ".join(f"{_KINDS[one]} ({int(mask.sum())} atoms)" for one, mask in found.items())
            forms = " or ".join(f"{one} {name}" for one in found)
            raise ValueError(f"{name!r} is the name of {means}; write {forms}")
        return first

    def number_types(
        self,
        groups: Mapping[str, Sequence[str | int]],
        masses: Mapping[Any, float] | None = None,
        charges: Mapping[Any, float] | None = None,
    ) -> NumberedTypes:
        """Return the types of the atoms, numbered.

        Parameters
        ----------
        groups
            The fields of a description that select atoms, with their names.
        masses, charges
            Values by name, which replace those of the file.

        Raises
        ------
        ValueError
            A name is unknown, groups overlap, or a mass or some of the charges are missing; names the field.
        """
        masks = {one: [self._selected(one, name) for name in names] for one, names in groups.items()}
        taken = np.sum([np.any(found, axis=0) for found in masks.values()], axis=0)
        if (taken > 1).any():
            atom = self._named(int(np.argmax(taken > 1)))
            raise ValueError(f"{' and '.join(groups)}: {atom} is in two of them; each atom has one part")
        mass, notes = self._masses(masses or {})
        charge, more = self._charges(charges or {})
        names = self.attributes["name"]
        kinds = self.attributes.get("type", np.array([_stem(one) for one in names]))
        # the residue of an atom of a group says nothing more: lithium of crystal and salt is one type
        residues = np.where(taken > 0, "", self.attributes["resname"])
        parts = [np.unique(one, return_inverse=True)[1] for one in (residues, kinds)]
        parts += [np.unique(np.round(one, 6), return_inverse=True)[1] for one in (mass, charge)]
        parts += [mask.astype(np.int64) for found in masks.values() for mask in found]
        _, first, types = np.unique(np.column_stack(parts), axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        if len(order) > _MOST_TYPES:
            raise ValueError(
                f"{self.path}: has {len(order)} kinds of atoms; at most {_MOST_TYPES} can be followed"
            )
        types = np.argsort(order)[types.reshape(-1)] + 1
        first = first[order]
        numbers = {
            one: tuple(int(number) for number in np.unique(types[np.any(found, axis=0)]))
            for one, found in masks.items()
        }
        labels = _labels(kinds[first].tolist(), self.attributes["resname"][first].tolist())
        return NumberedTypes(types, mass[first], charge[first], labels, numbers, (*notes, *more))

    def _selected(self, place: str, name: str | int) -> Mask:
        try:
            return self.select(name)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None

    def _given(self, place: str, values: Mapping[Any, float], own: Floats | None) -> Floats:
        """Return the values (N,) of the file, replaced by those of a description; NaN where there are none."""
        found = np.full(len(self.molecules), np.nan) if own is None else own.copy()
        for name, value in values.items():
            found[self._selected(f"{place}.{name}", name)] = value
        return found

    def _masses(self, given: Mapping[Any, float]) -> tuple[Floats, list[str]]:
        """Return the masses (N,), those of elements where there are no others, and a note about these."""
        masses = self._given("masses", given, self.masses)
        missing = ~(masses > 0)
        if not missing.any():
            return masses, []
        elements = _guess_elements(self.attributes["resname"], self.attributes["name"], self.elements)
        unknown = missing & (elements == "")
        if unknown.any():
            raise ValueError(f"masses: {self._named(int(np.argmax(unknown)))} has none; give masses by name")
        weights = {one: float(gemmi.Element(one).weight) for one in np.unique(elements[missing]).tolist()}
        masses[missing] = [weights[one] for one in elements[missing]]
        pairs = sorted(
            {
                (_stem(name), one)
                for name, one in zip(self.attributes["name"][missing], elements[missing], strict=True)
            }
        )
        listed = ", ".join(f"{name} {one}" for name, one in pairs)
        return masses, [f"{self.path.name}: has no masses; those of the elements were taken: {listed}"]

    def _charges(self, given: Mapping[Any, float]) -> tuple[Floats, list[str]]:
        """Return the charges (N,), all 0 if there are none, and a note about that."""
        charges = self._given("charges", given, self.charges)
        missing = np.isnan(charges)
        if missing.all():
            return np.zeros(len(charges)), [
                f"{self.path.name}: has no charges, so that there is no charge profile; charges by name give one"
            ]
        if missing.any():
            raise ValueError(f"charges: {self._named(int(np.argmax(missing)))} has none; give those of all atoms")
        return charges, []

    def _named(self, atom: int) -> str:
        """Return an atom as messages name it."""
        name, residue = (self.attributes[one][atom] for one in ("name", "resname"))
        return f"atom {atom + 1} ({name} of {residue or 'no residue'})"

    def contents(self, types: NumberedTypes) -> DataFileContents:
        """Return the atoms as a data file has them, the slab and the molecules with bonds in one piece.

        The framework is the group ``framework`` of the types.
        """
        assert self.box is not None
        assert self.positions is not None
        positions = self.positions.copy()
        framework = np.isin(types.types, types.numbers["framework"])
        positions[framework, 2] += join_by_gap(positions[framework, 2], self.box[2])[0] * self.box[2]
        loose = self.bonds[~framework[self.bonds].any(axis=1)]
        positions += BondTree(len(positions), loose).shifts(positions, self.box) * self.box
        data = DataFile(
            box=np.column_stack([np.zeros(3), self.box]),
            masses=types.masses,
            molecules=self.molecules,
            types=types.types,
            charges=types.charges[types.types - 1],
            positions=positions,
            images=np.zeros((len(positions), 3), np.int64),
        )
        data.set_unwrapped(positions)
        data.topology["bonds"] = np.column_stack([np.ones(len(self.bonds), np.int64), self.bonds + 1])
        return DataFileContents(data, dict(enumerate(types.labels, 1)), (), {})


@dataclass(frozen=True)
class NumberedTypes:
    """The types of the atoms of a topology.

    Attributes
    ----------
    types
        (N,) type of each atom, from 1.
    masses, charges, labels
        (T,) of each type.
    numbers
        The types of each group.
    notes
        What was assumed, one sentence each.
    """

    types: NDArray[np.int64]
    masses: Floats
    charges: Floats
    labels: tuple[str, ...]
    numbers: Mapping[str, tuple[int, ...]]
    notes: tuple[str, ...]


def _stem(name: str) -> str:
    """Return the first letters of the name of an atom, which several atoms of a molecule share."""
    found = re.search(r"[A-Za-z]+", name)
    return found[0] if found else name


def _labels(kinds: list[str], residues: list[str]) -> tuple[str, ...]:
    """Return labels of types: their kind if it is unique, else with the residue, else with a number.

    A label begins with a letter; characters other than letters and digits become underscores.
    """
    found: list[str] = []
    for kind, residue in zip(kinds, residues, strict=True):
        label = kind if kinds.count(kind) == 1 or not residue else f"{residue}_{kind}"
        label = re.sub(r"[^A-Za-z0-9_]", "_", label)[:70]
        label = label if re.match("[A-Za-z]", label) else f"X{label}"
        again = (f"{label}_{number}" for number in count(2))
        found.append(label if label not in found else next(one for one in again if one not in found))
    return tuple(found)


def _guess_elements(
    residues: NDArray[np.str_], names: NDArray[np.str_], given: NDArray[np.str_] | None
) -> NDArray[np.str_]:
    """Return the symbols (N,) of elements by the names of atoms, "" where there is none.

    In a residue all of whose names begin with the symbol of an element of one letter, as in an organic molecule,
    CA is carbon. Elsewhere, in a crystal or for a lone ion, it is calcium.
    """
    pairs = sorted(set(zip(residues.tolist(), names.tolist(), strict=True)))
    stems: dict[str, set[str]] = {}
    for residue, name in pairs:
        stems.setdefault(residue, set()).add(_stem(name).capitalize())
    found = {}
    for residue, name in pairs:
        stem, others = _stem(name).capitalize(), stems[residue]
        organic = len(others) > 1 and all(_is_element(one[:1]) for one in others)
        order = (stem[:1], stem[:2]) if organic and stem not in _TWO_LETTERS else (stem[:2], stem[:1])
        found[residue, name] = next((one for one in order if _is_element(one)), "")
    guessed = np.array([found[key] for key in zip(residues.tolist(), names.tolist(), strict=True)])
    if given is None:
        return guessed
    own = np.array([one.capitalize() for one in given.tolist()])
    return np.where([_is_element(one) for one in own.tolist()], own, guessed)


def _is_element(symbol: str) -> bool:
    return bool(symbol) and gemmi.Element(symbol).atomic_number > 0


def read_topology(path: Path, trajectory: Path | None = None) -> Topology:
    """Read a topology file.

    Parameters
    ----------
    path
        The file; its suffix gives the format.
    trajectory
        A trajectory of the same atoms. Its first frame gives the box and positions that the file lacks.

    Raises
    ------
    ValueError
        A file cannot be read, is damaged or has a tilted box, or the trajectory has other atoms.
    """
    kind = SUFFIXES[path.suffix.lower()]
    _check_size(path, kind)
    import MDAnalysis

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            universe = MDAnalysis.Universe(str(path), topology_format=kind, to_guess=())
            found = _read_universe(path, universe, complete=kind in _BONDED)
    except Exception as error:
        if isinstance(error, _BoxError):
            raise
        raise ValueError(f"{path}: cannot be read by MDAnalysis: {first_reason(error)}") from None
    if found.box is not None and found.positions is not None:
        return replace(found, box_precision=_BOX_PRECISION.get(kind, 0.0))
    if trajectory is None:
        raise ValueError(f"{path}: has no box and positions; a trajectory of the same atoms must give them")
    with open_trajectory(trajectory) as file:
        if file.natoms != len(found.molecules):
            raise ValueError(f"{trajectory}: has {file.natoms} atoms, {path} has {len(found.molecules)}")
        frames = file.read_xyz(0, 1)
        positions = np.column_stack([frames.along(axis)[0] for axis in range(3)]).astype(np.float64)
        return replace(found, box=frames.boxes[0].copy(), positions=positions)


class _BoxError(ValueError):
    """A box cannot be used."""


def _check_size(path: Path, kind: str) -> None:
    """Refuse a file that is too large, or promises more entries than it can have, before memory is taken."""
    try:
        size = path.stat().st_size
        content = b"" if kind not in _COUNTS or size > _MOST_BYTES else path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    if size > _MOST_BYTES:
        raise ValueError(f"{path}: has {size} bytes; a topology has at most {_MOST_BYTES}")
    if not size:
        raise ValueError(f"{path}: is empty")
    for found in _COUNTS[kind].finditer(content) if content else ():
        if int(found[1][:20]) > size:
            line = content.count(b"\n", 0, found.start(1)) + 1
            raise ValueError(f"{path}: line {line}: promises {found[1][:20].decode()} entries in {size} bytes")


def _read_universe(path: Path, universe: Any, *, complete: bool) -> Topology:
    """Return what a universe of MDAnalysis knows."""
    atoms = universe.atoms

    def values(name: str) -> Any:
        return getattr(atoms, name, None)

    attributes = {
        key: np.array([str(one) for one in found])
        for key, found in (("name", values("names")), ("type", values("types")), ("resname", values("resnames")))
        if found is not None
    }
    natoms = len(atoms)
    if not natoms:
        raise ValueError("has no atoms")
    attributes.setdefault("name", attributes.get("type", np.full(natoms, "X")))
    attributes.setdefault("resname", np.full(natoms, ""))
    bonds = np.zeros((0, 2), np.int64)
    if hasattr(atoms, "bonds") and len(universe.bonds):
        bonds = np.array(universe.bonds.indices, np.int64)
    masses, elements = values("masses"), values("elements")
    positions, box = None, None
    if hasattr(universe, "trajectory"):
        positions = np.array(atoms.positions, np.float64)
        box = _box(path, universe.dimensions)
        if not np.isfinite(positions).all():
            raise ValueError("has coordinates that are not finite")
    whole = complete and bool(len(bonds))
    residues = np.asarray(atoms.resindices, np.int64)
    # molecules are what all bonds connect, else residues and what some bonds connect of them
    edges = bonds
    if not whole:
        order = np.argsort(residues, kind="stable")
        same = residues[order][1:] == residues[order][:-1]
        edges = np.concatenate([bonds, np.column_stack([order[1:][same], order[:-1][same]])])
    molecules = BondTree(len(residues), edges).fragments + 1
    return Topology(
        path=path,
        attributes=attributes,
        molecules=molecules,
        masses=None if masses is None else np.array(masses, np.float64),
        charges=None if values("charges") is None else np.array(values("charges"), np.float64),
        bonds=bonds,
        complete=whole,
        positions=positions,
        box=box,
        elements=None if elements is None else np.array([str(one) for one in elements]),
    )


def _box(path: Path, dimensions: Any) -> Floats | None:
    """Return the edges (3,) of a box, None for none."""
    if dimensions is None or not np.any(dimensions):
        return None
    try:
        return box_edges(dimensions)
    except ValueError as error:
        raise _BoxError(f"{path}: {error}") from None
