"""System: a data file, its force-field include file and the facts that queries and analyses need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from pydantic import Field

from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.forcefield_input import MOST_CHARACTERS, refuse_other_commands
from aiida_cse.schema import StrictModel, located, parse_json
from aiida_cse.yaml_io import read_text

__all__ = [
    "CERAMIC_MOLECULE",
    "FILENAMES",
    "WALL_MOLECULE",
    "AtomType",
    "Phase",
    "SlabGeometry",
    "System",
    "SystemInfo",
    "read_info",
    "refuse_other_atoms",
]

#: molecule ID of all atoms of the initial ceramic; the molecules of the electrolyte count from 2
CERAMIC_MOLECULE = 1
#: molecule ID of the dummy atoms of a wall
WALL_MOLECULE = 0

#: files of a system
FILENAMES = {"data": "system.data", "forcefield": "forcefield.in", "info": "system.json"}

#: relative; LAMMPS writes six digits of the masses
_SAME_MASS = 1e-5

#: bytes of the summary of a system
_MOST_SUMMARY = 1_000_000
#: phase of the work to which a system belongs
Phase = Literal["slab", "ceramic", "electrolyte", "interface", "production"]


class AtomType(StrictModel):
    """A LAMMPS atom type, whose atoms share mass (g/mol) and charge (e)."""

    label: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    element: str = Field(pattern=r"^[A-Z][a-z]?$")
    mass: float = Field(gt=0)
    charge: float
    phase: Literal["ceramic", "electrolyte", "both", "wall"]
    species: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")


class SlabGeometry(StrictModel):
    """Frame of reference of the slab, measured on the slab as cut.

    ``thickness`` is the distance between the two cut planes (Å); the surfaces lie at ± thickness / 2 from the
    mid-plane. ``framework`` names the atom types that do not diffuse and therefore define the frame.
    ``midplane_offset`` (Å) is the position of the mid-plane relative to the centre of mass of the framework, along
    z. ``lithium`` is the stored name of :attr:`initial_cations`.
    """

    thickness: float = Field(gt=0)
    framework: tuple[str, ...] = Field(min_length=1)
    midplane_offset: float
    lithium: int = Field(ge=0)

    @property
    def initial_cations(self) -> int:
        """Number of mobile cations in the initial slab."""
        return self.lithium


class SystemInfo(StrictModel):
    """Facts about a system besides its coordinates.

    ``forcefield`` names the force-field sets with the chosen variants; ``forcefield_md5`` maps each name to its
    checksum. ``initial_excess`` is the number of cations that were moved from the salt into the slab at the
    assembly, below zero out of it; the count of ``slab`` is that before.
    """

    phase: Phase
    types: tuple[AtomType, ...]
    natoms: int
    composition: dict[str, int]
    charge: float
    box: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    slab: SlabGeometry | None = None
    initial_excess: int = 0
    seeds: dict[str, int] = Field(default_factory=dict)
    forcefield: tuple[str, ...] = ()
    forcefield_md5: dict[str, str] = Field(default_factory=dict)
    citations: tuple[str, ...] = ()

    def type_numbers(self, *, labels: tuple[str, ...] = (), species: str | None = None) -> list[int]:
        """Return the LAMMPS types (from 1) that have one of the labels or belong to the species."""
        return [
            number
            for number, atom_type in enumerate(self.types, 1)
            if atom_type.label in labels or atom_type.species == species
        ]

    def ion_species(self) -> tuple[str, str]:
        """Return the cation, which both phases share, and the anion, the electrolyte's species of negative charge.

        Raises
        ------
        ValueError
            There is not exactly one such cation and one such anion.
        """
        mobile = {entry.species for entry in self.types if entry.phase == "both"}
        charges: dict[str, float] = {}
        for entry in self.types:
            if entry.phase == "electrolyte":
                charge = self.composition.get(entry.label, 0) * entry.charge
                charges[entry.species] = charges.get(entry.species, 0.0) + charge
        negative = {species for species, charge in charges.items() if charge < -1e-6}
        for found, kind in (
            (mobile, "cation shared by both phases"),
            (negative, "species with negative molecules"),
        ):
            if len(found) != 1:
                raise ValueError(
                    f"the system must have exactly one {kind}, it has {', '.join(sorted(found)) or 'none'}"
                )
        return mobile.pop(), negative.pop()

    def ion_types(self) -> list[int]:
        """Return the LAMMPS types of the framework, the cations and the anions, ascending.

        Raises
        ------
        ValueError
            There is no slab, or not exactly one such cation and one such anion.
        """
        if self.slab is None:
            raise ValueError(f"a system of phase '{self.phase}' without a slab has no framework")
        cation, anion = (self.type_numbers(species=species) for species in self.ion_species())
        return sorted({*self.type_numbers(labels=self.slab.framework), *cation, *anion})

    def atoms_of(self, types: Sequence[int]) -> int:
        """Return the number of atoms of these LAMMPS types."""
        return sum(self.composition.get(self.types[number - 1].label, 0) for number in types)


@dataclass(frozen=True)
class System:
    """Data file, include file and facts of a system, as LAMMPS and the analyses need them."""

    data: DataFile
    forcefield: str
    info: SystemInfo

    @classmethod
    def create(
        cls,
        data: DataFile,
        forcefield: str,
        *,
        phase: Phase,
        types: tuple[AtomType, ...],
        slab: SlabGeometry | None = None,
        initial_excess: int = 0,
        seeds: dict[str, int] | None = None,
        forcefield_names: tuple[str, ...] = (),
        forcefield_md5: Mapping[str, str] = MappingProxyType({}),
        citations: tuple[str, ...] = (),
    ) -> System:
        """Create a system and derive its composition, charge and box from the data file.

        Raises
        ------
        ValueError
            The number of types differs from that of ``types``, an atom's charge from that of its type, or the
            include file has other commands than those of a force field.
        """
        with located(Path(FILENAMES["forcefield"])):
            refuse_other_commands(forcefield)
        if len(data.masses) != len(types):
            msg = f"the data file declares {len(data.masses)} atom types, the type table has {len(types)}"
            raise ValueError(msg)
        by_type = np.array([atom_type.charge for atom_type in types])
        if not np.allclose(data.charges, by_type[data.types - 1], atol=1e-9):
            wrong = int(np.argmax(np.abs(data.charges - by_type[data.types - 1])))
            msg = f"atom {wrong + 1} has charge {data.charges[wrong]}, its type {by_type[data.types[wrong] - 1]}"
            raise ValueError(msg)
        counts = Counter(types[number - 1].label for number in data.types.tolist())
        x, y, z = ((float(low), float(high)) for low, high in data.box)
        info = SystemInfo(
            phase=phase,
            types=types,
            natoms=data.natoms,
            composition={atom_type.label: counts[atom_type.label] for atom_type in types},
            charge=round(float(data.charges.sum()), 9) + 0.0,
            box=(x, y, z),
            slab=slab,
            initial_excess=initial_excess,
            seeds=seeds or {},
            forcefield=forcefield_names,
            forcefield_md5=dict(forcefield_md5),
            citations=citations,
        )
        return cls(data=data, forcefield=forcefield, info=info)

    def evolved(
        self,
        data: DataFile,
        *,
        phase: Phase | None = None,
        slab: SlabGeometry | None = None,
        seeds: dict[str, int] | None = None,
        initial_excess: int | None = None,
    ) -> System:
        """Return the system with new coordinates and, if given, another phase, slab or excess and more seeds."""
        return System.create(
            data,
            self.forcefield,
            phase=phase or self.info.phase,
            types=self.info.types,
            slab=slab or self.info.slab,
            initial_excess=self.info.initial_excess if initial_excess is None else initial_excess,
            seeds=self.info.seeds | (seeds or {}),
            forcefield_names=self.info.forcefield,
            forcefield_md5=self.info.forcefield_md5,
            citations=self.info.citations,
        )

    def write(self, folder: str | Path) -> None:
        """Write the three files of :data:`FILENAMES` into ``folder``."""
        target = Path(folder)
        self.data.write(target / FILENAMES["data"], title=self.info.phase)
        (target / FILENAMES["forcefield"]).write_text(self.forcefield, encoding="utf-8")
        (target / FILENAMES["info"]).write_text(self.info.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: str | Path) -> System:
        """Read the files that :meth:`write` wrote.

        Raises
        ------
        ValueError
            A file is missing or invalid; the message names it.
        """
        source = Path(folder)
        for name in FILENAMES.values():
            if not (source / name).is_file():
                msg = f"{source}: is not a system; {name} is missing"
                raise ValueError(msg)
        data = DataFile.read(source / FILENAMES["data"])
        info = read_info(source / FILENAMES["info"])
        with located(source / FILENAMES["info"]):
            refuse_other_atoms(data, info)
        forcefield = read_text(source / FILENAMES["forcefield"], "a force field", MOST_CHARACTERS)
        with located(source / FILENAMES["forcefield"]):
            refuse_other_commands(forcefield)
        return cls(data, forcefield, info)


def read_info(path: Path) -> SystemInfo:
    """Return the facts that :meth:`System.write` wrote.

    Raises
    ------
    ValueError
        The file cannot be read or is invalid; the message names it.
    """
    text = read_text(path, "the summary of a system", _MOST_SUMMARY)
    with located(path):
        return parse_json(SystemInfo, text, _MOST_SUMMARY)


def refuse_other_atoms(data: DataFile, info: SystemInfo) -> None:
    """Refuse facts that are those of another data file: with other types, numbers of atoms or masses.

    Raises
    ------
    ValueError
        Names the fact and what the data file has.
    """
    hint = "it is that of another data file; move it elsewhere"
    if len(data.masses) != len(info.types):
        raise ValueError(f"types: {len(info.types)}, the data file has {len(data.masses)}; {hint}")
    if data.natoms != info.natoms:
        raise ValueError(f"natoms = {info.natoms}: the data file has {data.natoms}; {hint}")
    numbers = np.bincount(data.types, minlength=len(info.types) + 1)[1:]
    for entry, number, mass in zip(info.types, numbers.tolist(), data.masses.tolist(), strict=True):
        given = info.composition.get(entry.label, 0)
        if number != given:
            raise ValueError(f"composition.{entry.label} = {given}: the data file has {number} atoms; {hint}")
        if abs(mass - entry.mass) > _SAME_MASS * entry.mass:
            raise ValueError(f"the mass of {entry.label} is {entry.mass:g}, in the data file {mass:g}; {hint}")
