"""The type table of a box that was not built here: from its data file, a user's facts and a recipe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.imported.description import SystemDescription, TypeDescription, TypeName
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import AtomType
from aiida_cse.schema import nearest

__all__ = ["TypeTable"]

#: e; charges of atoms of one type that are one charge
_SAME_CHARGE = 1e-6


@dataclass
class TypeTable:
    """The atom types of a box, and in ``problems`` what is missing or wrong about them.

    Attributes
    ----------
    data
        The box.
    box
        The user's facts.
    labels
        The label of each type that one is known for.
    known
        The types of a recipe, by label.
    problems
        One sentence each, added to as they are found.
    """

    data: DataFile
    box: SystemDescription
    labels: dict[int, str]
    known: dict[str, AtomType]
    problems: list[str]

    def __post_init__(self) -> None:
        for name, entry in self.box.types.items():
            number = self.number(name)
            if number is not None and entry.label is not None:
                self.labels[number] = entry.label

    def number(self, name: TypeName) -> int | None:
        """Return the number of a type by its number or label, None if there is none."""
        if isinstance(name, int):
            return name if name <= len(self.data.masses) else None
        return next((number for number, label in self.labels.items() if label == name), None)

    def numbers(self, field: str, names: tuple[TypeName, ...]) -> list[int]:
        """Return the numbers of types; a name that there is not is a problem of ``field``."""
        found = []
        for name in names:
            number = self.number(name)
            if number is None:
                hint = nearest(str(name), self.labels.values())
                self.problems.append(f"{field}: there is no atom type {name!r}; {hint}")
            else:
                found.append(number)
        return found

    def atoms(self, numbers: list[int]) -> NDArray[np.bool_]:
        """Return which atoms are of one of these types, (N,)."""
        mask: NDArray[np.bool_] = np.isin(self.data.types, numbers)
        return mask

    def named(self, number: int) -> str:
        """Return how a message names a type."""
        count = int(self.atoms([number]).sum())
        label, mass = self.labels.get(number, "without a label"), self.data.masses[number - 1]
        return f"type {number} ({label}, mass {mass:g}, {count} atoms)"

    def entries(self) -> tuple[AtomType, ...] | None:
        """Return the table, None if it is not complete."""
        own: dict[int, TypeDescription] = {}
        for name, entry in self.box.types.items():
            own |= dict.fromkeys(self.numbers("types", (name,)), entry)
        found = [self._entry(number, own.get(number)) for number in range(1, len(self.data.masses) + 1)]
        complete = tuple(entry for entry in found if entry is not None)
        twice = sorted({entry.label for entry in complete if [e.label for e in complete].count(entry.label) > 1})
        if twice:
            self.problems.append(f"label {twice[0]!r} is that of more than one type")
        return complete if len(complete) == len(found) and not twice else None

    def _entry(self, number: int, own: TypeDescription | None) -> AtomType | None:
        label, charge = self.labels.get(number), self._charge(number)
        facts = own or self._of_recipe(number, label, charge)
        if label is None:
            self.problems.append(f"{self.named(number)}: its label is missing; give types.{number}.label")
        if facts is None:
            place = f"types.{label or number}"
            self.problems.append(f"{self.named(number)}: element, phase and species are missing; give {place}")
        if label is None or facts is None or charge is None:
            return None
        mass = float(self.data.masses[number - 1])
        if mass <= 0:
            self.problems.append(f"{self.named(number)}: the mass must be positive")
            return None
        return AtomType(
            label=label, element=facts.element, mass=mass, charge=charge, phase=facts.phase, species=facts.species
        )

    def _charge(self, number: int) -> float | None:
        """Return the charge of a type, 0 without atoms, None if its atoms differ in it."""
        own = self.data.charges[self.atoms([number])]
        if len(own) and np.ptp(own) > _SAME_CHARGE:
            self.problems.append(
                f"{self.named(number)}: its atoms have charges from {own.min():g} to {own.max():g} e; a type has "
                "one charge, make it several types"
            )
            return None
        return float(own[0]) if len(own) else 0.0

    def _of_recipe(self, number: int, label: str | None, charge: float | None) -> AtomType | None:
        """Return the recipe's type of this label, None if it has none."""
        found = self.known.get(label or "")
        if found is None or charge is None or not self.atoms([number]).any():
            return found
        if abs(found.charge - charge) > _SAME_CHARGE:
            self.problems.append(
                f"{self.named(number)}: charge {charge:g} e, that of the recipe is {found.charge:g} e"
            )
        return found
