"""The ``cse.system`` node: LAMMPS input files of a system, with its facts as queryable attributes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from aiida.orm import Data, StructureData
from pydantic import ValidationError

from aiida_cse.analysis.registry import Documented
from aiida_cse.data.files import read_text
from aiida_cse.data.html import html_table, html_title
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.forcefield_input import MOST_CHARACTERS, refuse_other_commands
from aiida_cse.lammps.files.system import FILENAMES, System, SystemInfo, refuse_other_atoms
from aiida_cse.schema import explain, located

if TYPE_CHECKING:
    import MDAnalysis

__all__ = ["SYSTEM", "CseSystemData"]

#: largest data file of a node, about that of 3 million atoms with velocities
_MOST_BYTES = 500_000_000
#: checksums of the contents that this Python has checked; reading a data file of 30,000 atoms takes a second
_checked: set[bytes] = set()

SYSTEM = Documented(
    "cse.system",
    "Attributes of a system; its files are `system.data` and `forcefield.in`.",
    {
        "phase": ("", "slab, ceramic, electrolyte, interface or production"),
        "types": ("", "LAMMPS types in order: label, element, mass (g/mol), charge (e), phase, species"),
        "natoms": ("", "Number of atoms"),
        "composition": ("", "Number of atoms per label"),
        "charge": ("e", "Total charge"),
        "box": ("Å", "Lower and upper end along x, y and z"),
        "slab": (
            "Å",
            (
                "Thickness, framework, offset of the mid-plane from the framework's mass centre, number of Li+; "
                "null without a slab"
            ),
        ),
        "initial_excess": (
            "",
            "Number of Li+ moved from the salt into the slab at the assembly, below zero out of it; 0 if absent",
        ),
        "seeds": ("", "The seed of each random choice"),
        "forcefield": ("", "Names of the force-field sets, with their variants"),
        "forcefield_md5": ("", "Checksum of each set, by its name"),
        "citations": ("", "Their sources"),
    },
)


class CseSystemData(Data):
    """A LAMMPS data file with numeric types, its force-field include file and queryable facts.

    Nothing in a node is trusted, because it may come from an archive of anybody: files and attributes are checked
    when a node is stored, and again before a system or a job is made of it (:meth:`refuse_unsafe`).

    The attributes are those of :class:`~aiida_cse.lammps.files.system.SystemInfo`: ``phase``, ``natoms``,
    ``composition``, ``charge`` (e), ``box`` (Å), ``types``, ``slab``, ``initial_excess``, ``seeds``,
    ``forcefield``, ``forcefield_md5`` and ``citations``. Structures for other programs are made on demand.
    """

    def __init__(self, system: System | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        if system is None:
            return
        refuse_other_commands(system.forcefield)
        self.base.attributes.set_many(system.info.model_dump(mode="json"))
        texts = (system.data.format(system.info.phase), system.forcefield)
        for key, content in zip(("data", "forcefield"), texts, strict=True):
            self.base.repository.put_object_from_bytes(content.encode(), FILENAMES[key])
        _checked.add(self._checksum(*texts))

    @property
    def info(self) -> SystemInfo:
        """Facts about the system."""
        attributes = self.base.attributes.all
        return SystemInfo.model_validate(
            {key: attributes[key] for key in SystemInfo.model_fields if key in attributes}
        )

    @property
    def lammps_data(self) -> str:
        """Text of the LAMMPS data file."""
        return read_text(self, FILENAMES["data"], _MOST_BYTES)

    @property
    def forcefield(self) -> str:
        """Text of the include file with styles and coefficients."""
        return read_text(self, FILENAMES["forcefield"], MOST_CHARACTERS)

    def get_system(self) -> System:
        """Return the system in the form of the plain library; the files are read at each call.

        Raises
        ------
        ValueError
            As :meth:`refuse_unsafe`.
        """
        with self._named():
            return self._read_checked(self.lammps_data, self.forcefield)

    def refuse_unsafe(self) -> None:
        """Refuse files that LAMMPS must not read, and attributes that are not those of the files.

        The include file may contain the commands and styles of a force field only, the data file what
        :meth:`~aiida_cse.lammps.files.data.DataFile.format` writes. A content is checked once in each Python.

        Raises
        ------
        ValueError
            Names the node, the file and the line, and says what would be right.
        """
        with self._named():
            texts = self.lammps_data, self.forcefield
            if self._checksum(*texts) not in _checked:
                self._read_checked(*texts)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Put the node before the message of an error of its content."""
        try:
            yield
        except ValueError as error:
            reason = explain(error) if isinstance(error, ValidationError) else str(error)
            raise ValueError(f"cse.system{f' {self.pk}' if self.pk else ''}: {reason}") from error

    def _checksum(self, *texts: str) -> bytes:
        """Return the checksum of files and attributes."""
        parts = [*texts, json.dumps(self.base.attributes.all, sort_keys=True)]
        return hashlib.sha256("\0".join(parts).encode()).digest()

    def _read_checked(self, data: str, forcefield: str) -> System:
        with located(Path(FILENAMES["forcefield"])):
            refuse_other_commands(forcefield)
        info = self.info
        with located(Path(FILENAMES["data"])):
            read = DataFile.parse(data, written=True)
            refuse_other_atoms(read, info)
        _checked.add(self._checksum(data, forcefield))
        return System(data=read, forcefield=forcefield, info=info)

    def get_universe(self) -> MDAnalysis.Universe:
        """Return an MDAnalysis Universe with whole molecules, residues and elements.

        See :func:`aiida_cse.building.export.make_universe`.
        """
        from aiida_cse.building.export import make_universe

        return make_universe(self.get_system())

    def get_structure(self) -> StructureData:
        """Return a StructureData, which is slow and large above some thousand atoms.

        Each atom type is a kind with its label, element and mass; the cell begins at the lower corner of the box.
        """
        system = self.get_system()
        structure = StructureData(cell=np.diag(system.data.lengths).tolist())
        for number, position in zip(system.data.types, system.data.positions - system.data.box[:, 0], strict=True):
            atom_type = system.info.types[number - 1]
            structure.append_atom(
                position=position.tolist(), symbols=atom_type.element, name=atom_type.label, mass=atom_type.mass
            )
        return structure

    def _repr_html_(self) -> str:
        info = self.info
        rows = [
            ("phase", info.phase),
            ("atoms", f"{info.natoms:,}"),
            (
                "composition",
                ", ".join(f"{label} {number}" for label, number in info.composition.items() if number),
            ),
            ("charge (e)", f"{info.charge:g}"),
            ("box (Å)", " × ".join(f"{high - low:.2f}" for low, high in info.box)),
            ("seeds", ", ".join(f"{name} {seed}" for name, seed in info.seeds.items())),
            ("force field", ", ".join(info.forcefield)),
            ("sources", "; ".join(info.citations)),
        ]
        return html_title(f"cse.system <{self.pk}>", self.label) + html_table(rows)

    def _validate(self) -> bool:
        super()._validate()
        from aiida.common.exceptions import ValidationError as NodeValidationError

        missing = {FILENAMES["data"], FILENAMES["forcefield"]} - set(self.base.repository.list_object_names())
        if missing:
            msg = f"files = {sorted(missing)}: are missing; create the node with CseSystemData(system=System(...))"
            raise NodeValidationError(msg)
        try:
            _ = self.info
            self.refuse_unsafe()
        except ValidationError as error:
            msg = f"the attributes do not describe a system: {explain(error)}"
            raise NodeValidationError(msg) from error
        except ValueError as error:
            raise NodeValidationError(str(error)) from error
        return True
