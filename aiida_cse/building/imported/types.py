"""The type table of an imported system, from its data file, its description and a recipe."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.imported.description import SystemFacts, TypeDescription, TypeName
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import AtomType
from aiida_cse.schema import nearest

__all__ = ["SAME_CHARGE", "TypeTable"]

#: e; largest difference of charges that are the same
SAME_CHARGE = 1e-6


@dataclass
class TypeTable:
    """The atom types of a system, and the problems found in it so far.

    Attributes
    ----------
    data
        The data file.
    description
        The user's description.
    labels
        The known labels by type.
    known
        The types of a recipe by label.
    problems
        Missing or wrong information, one sentence each; methods append to it.
    notes
        What was repaired, one sentence each.
    """

    data: DataFile
    description: SystemFacts
    labels: dict[int, str]
    known: dict[str, AtomType]
    problems: list[str]
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, entry in self.description.types.items():
            number = self._number(name)
            if number is not None and entry.label is not None:
                self.labels[number] = entry.label

    def numbers(self, field: str, names: tuple[TypeName, ...]) -> list[int]:
        """Return the numbers of types given by number or label; an unknown name is a problem of ``field``."""
        found = []
        for name in names:
            number = self._number(name)
            if number is None:
                hint = nearest(str(name), self.labels.values())
                self.problems.append(f"{field}: there is no atom type {name!r}; {hint}")
            else:
                found.append(number)
        return found

    def atoms(self, numbers: list[int]) -> NDArray[np.bool_]:
        """Return a mask of the atoms of these types, (N,)."""
        mask: NDArray[np.bool_] = np.isin(self.data.types, numbers)
        return mask

    def entries(self) -> tuple[AtomType, ...] | None:
        """Return the type table, None if it is incomplete."""
        own: dict[int, TypeDescription] = {}
        for name, entry in self.description.types.items():
            own |= dict.fromkeys(self.numbers("types", (name,)), entry)
        found = [self._entry(number, own.get(number)) for number in range(1, len(self.data.masses) + 1)]
        complete = tuple(entry for entry in found if entry is not None)
        labels = [entry.label for entry in complete]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            self.problems.append(f"types: label {twice[0]!r} is that of more than one type; each needs its own")
        return complete if len(complete) == len(found) and not twice else None

    def _number(self, name: TypeName) -> int | None:
        if isinstance(name, int):
            return name if name <= len(self.data.masses) else None
        return next((number for number, label in self.labels.items() if label == name), None)

    def _entry(self, number: int, own: TypeDescription | None) -> AtomType | None:
        label, charge = self.labels.get(number), self._charge(number, own)
        known = self.known.get(label or "")
        facts = own or known
        # an entry of its own takes the place of the recipe's
        counted = known if own is None and self.atoms([number]).any() else None
        if counted is not None and charge is not None and abs(counted.charge - charge) > SAME_CHARGE:
            self.problems.append(
                f"{self._named(number)}: charge {charge:g} e, that of the recipe is {counted.charge:g} e"
            )
        if label is None:
            self.problems.append(f"{self._named(number)}: its label is missing; give types.{number}.label")
        if facts is None:
            place = f"types.{label or number}"
            self.problems.append(f"{self._named(number)}: element, phase and species are missing; give {place}")
        if label is None or facts is None or charge is None:
            return None
        mass = float(self.data.masses[number - 1])
        if mass <= 0:
            self.problems.append(f"{self._named(number)}: the mass must be positive")
            return None
        return AtomType(
            label=label, element=facts.element, mass=mass, charge=charge, phase=facts.phase, species=facts.species
        )

    def _charge(self, number: int, described: TypeDescription | None) -> float | None:
        """Return the charge of a type, None if its atoms have different charges or not that of the description."""
        own = self.data.charges[self.atoms([number])]
        if len(own) and np.ptp(own) > SAME_CHARGE:
            self.problems.append(
                f"{self._named(number)}: its atoms have charges from {own.min():g} to {own.max():g} e; a type has"
                " one charge, split it into several types"
            )
            return None
        if described is None or described.charge is None:
            return float(own[0]) if len(own) else 0.0
        if len(own) and abs(own[0] - described.charge) > SAME_CHARGE:
            field = f"types.{self.labels.get(number, number)}.charge"
            self.problems.append(f"{field} = {described.charge:g}: the atoms of the type have {own[0]:g} e")
            return None
        return described.charge

    def _named(self, number: int) -> str:
        """Return a type as messages name it."""
        count = int(self.atoms([number]).sum())
        label, mass = self.labels.get(number, "without a label"), self.data.masses[number - 1]
        return f"type {number} ({label}, mass {mass:g}, {count} atoms)"
