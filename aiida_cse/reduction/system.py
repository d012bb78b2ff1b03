"""Description of the system of a trajectory: its atoms, its slab and its two ions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aiida_cse.schema import nearest

__all__ = ["IonDescription", "SystemDescription", "refuse_unknown_ions", "select_atoms"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class IonDescription:
    """An ion: its name, and the types (from 1) of its atoms."""

    name: str
    types: tuple[int, ...]


@dataclass(frozen=True)
class SystemDescription:
    """An interface of one mobile cation and one anion; N atoms of T types.

    Attributes
    ----------
    types, molecules
        (N,) type from 1 and molecule ID of each atom, in the order of the atom IDs.
    labels, masses, charges
        (T) label, mass (g/mol) and charge (e) of each type.
    box
        (3) edges of the box, Å.
    box_precision
        To what the file that gives the edges rounds them, Å, 0 for not at all.
    framework
        Types of the atoms that do not diffuse.
    thickness
        Distance of the slab's surface planes, Å.
    midplane_offset
        Mid-plane of the slab minus centre of mass of the framework along z, Å.
    cation, anion
        The ions. Each atom of the cation's types is an ion; the atoms of the anion's types in a molecule are one.
    initial_cations
        Number of cations that the slab started with, None if unknown.
    ids
        (N,) IDs of the atoms if they are a subset of those of the simulation, None for 1 to N.
    bonds
        (M, 2) indices (from 0) of bonded atoms, None if they are unknown.
    positions
        (N, 3) unwrapped positions of the moment that the file describes, Å, None if they are unknown.
    notes
        What was found out or repaired when the files were read, one sentence each.

    Raises
    ------
    ValueError
        The framework or an ion names a type that does not exist.
    """

    types: Integers
    molecules: Integers
    labels: tuple[str, ...]
    masses: tuple[float, ...]
    charges: tuple[float, ...]
    box: tuple[float, float, float]
    framework: tuple[int, ...]
    thickness: float
    midplane_offset: float
    cation: IonDescription
    anion: IonDescription
    initial_cations: int | None = None
    ids: Integers | None = None
    bonds: Integers | None = None
    positions: Floats | None = None
    notes: tuple[str, ...] = ()
    box_precision: float = 0.0

    def __post_init__(self) -> None:
        for field, numbers in (
            ("framework", self.framework),
            ("cation.types", self.cation.types),
            ("anion.types", self.anion.types),
        ):
            for number in numbers:
                if not 1 <= number <= len(self.labels):
                    raise ValueError(f"{field} = {number}: there are {len(self.labels)} atom types")

    def ion_labels(self) -> dict[str, list[str]]:
        """Return the labels of the atom types of the cation and of the anion, by name of the ion."""
        return {ion.name: [self.labels[number - 1] for number in ion.types] for ion in (self.cation, self.anion)}

    def cations_among(self, chosen: Sequence[str]) -> tuple[tuple[int, ...], int | None]:
        """Return the cation's types with these labels and how many of their atoms the slab started with.

        Without labels, all types and :attr:`initial_cations`. Of some of the types, the slab started with the
        atoms in the molecule of the framework.
        """
        if not chosen:
            return self.cation.types, self.initial_cations
        types = tuple(number for number in self.cation.types if self.labels[number - 1] in chosen)
        if self.initial_cations is None or set(types) == set(self.cation.types):
            return types, self.initial_cations
        slab = self.molecules[np.isin(self.types, self.framework)]
        return types, int((np.isin(self.types, types) & np.isin(self.molecules, slab)).sum())


def select_atoms(system: SystemDescription, ids: Integers, *, whole_anions: bool) -> SystemDescription:
    """Return the description of the atoms with these IDs (ascending), which a trajectory of some atoms holds.

    With ``whole_anions`` an anion needs all its atoms.

    Raises
    ------
    ValueError
        An ID is none of the system; or a type of the framework, the cations, the anions or atoms of an anion are
        missing. Names what is missing.
    """
    own = np.arange(1, len(system.types) + 1) if system.ids is None else system.ids
    unknown = np.setdiff1d(ids, own)
    if len(unknown):
        raise ValueError(f"there is an atom of ID {unknown[0]}, which the system does not have")
    kept = np.isin(own, ids)
    groups: dict[str, tuple[int, ...]]
    groups = {f"framework type {system.labels[number - 1]}": (number,) for number in system.framework}
    groups |= {ion.name: ion.types for ion in (system.cation, system.anion)}
    for name, types in groups.items():
        if not (kept & np.isin(system.types, types)).any():
            raise ValueError(f"there is no atom of {name} among the {len(ids)} of {len(own)} atoms of the system")
    anions = np.isin(system.types, system.anion.types)
    if whole_anions:
        torn = np.intersect1d(system.molecules[anions & kept], system.molecules[anions & ~kept])
        if len(torn):
            missing = own[anions & ~kept & (system.molecules == torn[0])]
            raise ValueError(
                f"molecule {torn[0]} of {system.anion.name} lacks atoms {', '.join(map(str, missing[:5]))}; its "
                "centre of mass needs all of them: write them too, or give anion_point: atom and anion_atom"
            )
    index = np.cumsum(kept) - 1
    bonds = system.bonds
    return replace(
        system,
        types=system.types[kept],
        molecules=system.molecules[kept],
        ids=own[kept],
        bonds=None if bonds is None else index[bonds[kept[bonds].all(axis=1)]],
        positions=None if system.positions is None else system.positions[kept],
    )


def refuse_unknown_ions(
    offsets: Iterable[str],
    cation_atoms: Iterable[str],
    anion_atom: str | None,
    labels: Mapping[str, Sequence[str]],
) -> None:
    """Refuse fields of a sampling that name an ion or an atom type that does not exist.

    ``labels`` are the atom types of the cation and of the anion, in this order, by name of the ion.

    Raises
    ------
    ValueError
        Names the field, its value and the nearest known name.
    """
    cation, anion = labels
    anion_atoms = () if anion_atom is None else (anion_atom,)
    for field, names, known, kind in (
        ("offsets", offsets, labels, "ion of the system"),
        ("anion_atom", anion_atoms, labels[anion], f"atom type of {anion}"),
        ("cation_atoms", cation_atoms, labels[cation], f"atom type of {cation}"),
    ):
        for name in names:
            if name not in known:
                raise ValueError(f"{field} = {name!r}: no {kind}; {nearest(str(name), known)}")
