"""Description of the system of a trajectory from elsewhere, from a LAMMPS data file and what the user adds."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aiida_cse.building.imported.description import Label, TypeName
from aiida_cse.building.imported.topology import Topology
from aiida_cse.building.imported.types import SAME_CHARGE
from aiida_cse.lammps.files.data import DataFile, DataFileContents
from aiida_cse.physics.periodic import BondTree, join_by_gap
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.system import IonDescription, SystemDescription
from aiida_cse.schema import Number, StrictModel, Whole, nearest

__all__ = [
    "InterfaceDescription",
    "IonFacts",
    "describe_interface",
    "describe_topology",
    "type_charges",
    "type_labels",
]

#: labels that a configuration takes
#: Å; a box that its data file gives with fewer digits is taken to be meant to this
_COARSEST_BOX = 1e-3
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")


#: an atom type by number or by label; in a topology a name of atoms, atom types or residues
AtomName = TypeName | Annotated[str, Field(strict=True, pattern=r"^\S+( \S+)?$", max_length=80)]


class IonFacts(StrictModel):
    """An ion: its name, and its atom types by number or by label."""

    name: Label
    types: tuple[AtomName, ...] = Field(min_length=1)


class InterfaceDescription(StrictModel):
    """Description of an interface: what its data file or topology does not contain.

    In a topology, the names of atoms, of atom types or of residues select the atoms in place of types; where one
    name means several things, ``name``, ``type`` or ``resname`` before it says which.

    Attributes
    ----------
    framework
        Types that do not diffuse and define the position of the slab, by number or by label.
    cation, anion
        The ions. Each atom is a cation. An anion is the centre of mass of its atoms in a molecule or, with
        ``anion_point: atom``, the atom of its one type.
    thickness
        Distance of the surface planes of the slab, Å.
    midplane_offset
        Mid-plane minus centre of mass of the framework, Å; by default the mid-plane is halfway between the
        outermost atoms of the framework in the data file.
    initial_cations
        Number of cations in the slab at the start; without it there is no excess.
    labels
        A label for each atom type of a data file, in order; by default that of the file, or type1, type2 and so
        on.
    masses, charges
        Masses (g/mol) and charges (e) by name, for a topology without them or with others.
    sampling
        See :class:`~aiida_cse.reduction.sampling.Sampling`.
    """

    framework: tuple[AtomName, ...] = Field(min_length=1)
    cation: IonFacts
    anion: IonFacts
    thickness: Number = Field(gt=0)
    midplane_offset: Number | None = None
    initial_cations: Annotated[Whole, Field(ge=0)] | None = None
    labels: tuple[Label, ...] | None = None
    masses: dict[AtomName, Annotated[Number, Field(gt=0)]] = Field(default_factory=dict)
    charges: dict[AtomName, Number] = Field(default_factory=dict)
    sampling: Sampling


def describe_interface(contents: DataFileContents, interface: InterfaceDescription) -> SystemDescription:
    """Return the description of a system from its data file and what the user says about it.

    Raises
    ------
    ValueError
        A field names no type of the data file, atoms of one type differ in charge, or it is not known which atoms
        are an anion.
    """
    system = _describe(contents, interface)
    return system if interface.sampling.anion_point == "atom" else _with_own_anions(system)


def _describe(contents: DataFileContents, interface: InterfaceDescription) -> SystemDescription:
    """Return the description of a system with the molecules that its data file has."""
    for name in ("masses", "charges"):
        if getattr(interface, name):
            raise ValueError(f"{name}: the data file has them; omit the field")
    data = contents.data
    labels = type_labels(contents, interface.labels)
    framework = _numbers("framework", interface.framework, labels)
    x, y, z = (float(length) for length in data.lengths)
    offset = interface.midplane_offset
    if offset is None:
        own = np.isin(data.types, framework)
        if not own.any():
            raise ValueError(f"framework: no atom has one of the types {framework}")
        heights = data.unwrapped[own, 2]
        # without image flags, the end of the box may divide the slab
        heights = heights + join_by_gap(heights, z)[0] * z
        centre = np.average(heights, weights=data.masses[data.types[own] - 1])
        offset = float((heights.min() + heights.max()) / 2 - centre)
    elif abs(offset) >= interface.thickness / 2:
        raise ValueError(
            f"midplane_offset = {offset:g}: the centre of mass of the framework would lie outside of the slab, "
            f"which is {interface.thickness:g} Å thick; it must be less than half of that"
        )
    cation, anion = (
        IonDescription(ion.name, tuple(_numbers(f"{field}.types", ion.types, labels)))
        for field, ion in (("cation", interface.cation), ("anion", interface.anion))
    )
    groups = {"framework": framework, "cation.types": cation.types, "anion.types": anion.types}
    for (first, numbers), (second, others) in combinations(groups.items(), 2):
        for number in numbers:
            if number in others:
                raise ValueError(
                    f"{second}: type {number} ({labels[number - 1]}) is named in {first} as well; each type "
                    "belongs to one of the two"
                )
    # the unit of the last digit of the bounds of the box
    written = (np.format_float_positional(bound, trim="-") for bound in data.box.ravel())
    digits = max(len(bound.partition(".")[2]) for bound in written)
    precision = float(min(10.0**-digits, _COARSEST_BOX))
    return SystemDescription(
        types=data.types,
        molecules=data.molecules,
        labels=labels,
        masses=tuple(data.masses.tolist()),
        charges=type_charges(data),
        box=(x, y, z),
        framework=tuple(framework),
        thickness=interface.thickness,
        midplane_offset=offset,
        cation=cation,
        anion=anion,
        initial_cations=interface.initial_cations,
        bonds=data.topology["bonds"][:, 1:] - 1,
        positions=data.unwrapped,
        box_precision=precision,
    )


def _with_own_anions(system: SystemDescription) -> SystemDescription:
    """Return a system in which each anion is a molecule of its own, with a note if IDs of molecules are new.

    Many programs number the molecules in another way, or give all of them the ID 0. The bonds then tell which
    atoms belong together, except those of the framework and the cations.

    Raises
    ------
    ValueError
        The anions are not alike by their molecule IDs, nor by their bonds.
    """
    own, bonds = np.isin(system.types, system.anion.types), np.zeros((0, 2), np.int64)
    if system.bonds is not None:
        apart = np.isin(system.types, (*system.framework, *system.cation.types))
        bonds = system.bonds[~apart[system.bonds].any(axis=1)]
    fragments = BondTree(len(system.types), bonds).fragments
    by_id, by_bonds = (
        _compositions(system.types[own], groups[own], system.labels) for groups in (system.molecules, fragments)
    )
    pairs = len(np.unique(np.column_stack([system.molecules, fragments])[own], axis=0))
    if pairs == sum(by_id.values()) == sum(by_bonds.values()):
        return system
    unnumbered = bool((system.molecules[own] == 0).any())
    if len(by_bonds) == 1 and (own[bonds].any() or unnumbered):
        (formula, number), found = next(iter(by_bonds.items())), sum(by_id.values())
        name = system.anion.name
        note = f"{name}: by their bonds there are {number} of {formula}, by molecule IDs {found}; bonds decide"
        molecules = np.where(own, system.molecules.max() + 1 + fragments, system.molecules)
        return replace(system, molecules=molecules, notes=(*system.notes, note))
    if len(by_id) > 1 or unnumbered:
        raise ValueError(
            f"anion.types: the molecule IDs of the data file give {_listed(by_id)}; each anion needs its own "
            "ID, and all anions must consist of the same atoms; correct the IDs or give sampling.anion_point: atom"
        )
    return system


def _compositions(
    types: NDArray[np.int64], molecules: NDArray[np.int64], labels: tuple[str, ...]
) -> dict[str, int]:
    """Return the formulas of molecules, from the type and the molecule of each atom, and how many have each."""
    kinds, columns = np.unique(types, return_inverse=True)
    groups, rows = np.unique(molecules, return_inverse=True)
    numbers = np.zeros((len(groups), len(kinds)), np.int64)
    np.add.at(numbers, (rows, columns), 1)
    compositions, counts = np.unique(numbers, axis=0, return_counts=True)
    names = [labels[kind - 1] for kind in kinds]
    formulas = (
        " ".join(f"{name}{number}" for name, number in zip(names, row, strict=True) if number)
        for row in compositions.tolist()
    )
    return dict(zip(formulas, counts.tolist(), strict=True))


def _listed(compositions: dict[str, int]) -> str:
    """Return the first formulas and how many molecules have each, as text."""
    return " and ".join(f"{number} of {formula}" for formula, number in list(compositions.items())[:3])


def describe_topology(topology: Topology, interface: InterfaceDescription) -> SystemDescription:
    """Return the description of a system from a topology and what the user says about it.

    Raises
    ------
    ValueError
        A field names no atoms, masses or charges are missing, or the anions differ from each other.
    """
    if interface.labels is not None:
        raise ValueError("labels: those of a topology are the names of its atoms; omit the field")
    groups = {
        "framework": interface.framework,
        "cation.types": interface.cation.types,
        "anion.types": interface.anion.types,
    }
    types = topology.number_types(groups, interface.masses, interface.charges)
    numbered = interface.model_copy(
        update={
            "framework": types.numbers["framework"],
            "cation": interface.cation.model_copy(update={"types": types.numbers["cation.types"]}),
            "anion": interface.anion.model_copy(update={"types": types.numbers["anion.types"]}),
            "masses": {},
            "charges": {},
        }
    )
    described = _describe(topology.contents(types), numbered)
    if interface.sampling.anion_point != "atom":
        # anions of different atoms show that molecules are not what they should be
        own = np.isin(described.types, described.anion.types)
        found = _compositions(described.types[own], described.molecules[own], described.labels)
        if len(found) != 1:
            source = "the bonds" if topology.complete else "the residues"
            raise ValueError(
                f"anion.types: the molecules, by {source} of the topology, are not alike: {_listed(found)}; "
                "correct them or the names, or give sampling.anion_point: atom"
            )
    # some bonds would leave atoms of a molecule apart
    bonds = described.bonds if topology.complete else None
    return replace(described, bonds=bonds, notes=types.notes, box_precision=topology.box_precision)


def type_labels(contents: DataFileContents, given: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the labels of the types: as given, else those of the data file, else type1, type2 and so on.

    Raises
    ------
    ValueError
        Another number of labels is given than there are types.
    """
    ntypes = len(contents.data.masses)
    if given is not None:
        if len(given) != ntypes:
            raise ValueError(f"labels: has {len(given)} entries; the data file has {ntypes} atom types")
        return given
    found = [contents.labels.get(number, "") for number in range(1, ntypes + 1)]
    return tuple(
        label if _LABEL.fullmatch(label) and found.count(label) == 1 else f"type{number}"
        for number, label in enumerate(found, 1)
    )


def _numbers(field: str, names: tuple[TypeName, ...], labels: tuple[str, ...]) -> list[int]:
    numbers = []
    by_label = {f"type{number}": number for number in range(1, len(labels) + 1)}
    by_label |= {label: number for number, label in enumerate(labels, 1)}
    for name in names:
        if isinstance(name, str) and name not in by_label:
            raise ValueError(f"{field}: there is no atom type {name!r}; {nearest(name, labels)}")
        number = by_label[name] if isinstance(name, str) else name
        if number > len(labels):
            raise ValueError(f"{field}: there is no atom type {number}; the data file has {len(labels)}")
        numbers.append(number)
    return numbers


def type_charges(data: DataFile) -> tuple[float, ...]:
    """Return the charge of each type, e, 0 for one without atoms.

    Raises
    ------
    ValueError
        Atoms of one type differ in charge.
    """
    charges = []
    for number in range(1, len(data.masses) + 1):
        own: NDArray[np.float64] = data.charges[data.types == number]
        if len(own) and np.ptp(own) > SAME_CHARGE:
            raise ValueError(
                f"atoms of type {number} have charges from {own.min():g} to {own.max():g} e; a charge profile "
                "needs one charge per type"
            )
        charges.append(float(own[0]) if len(own) else 0.0)
    return tuple(charges)
