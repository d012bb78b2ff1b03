"""The ``cse.system`` node: LAMMPS input files of a system, with its facts as queryable attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from aiida.orm import Data, StructureData
from pydantic import ValidationError

from aiida_cse.analysis.registry import Documented
from aiida_cse.data.html import html_table, html_title
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import FILENAMES, System, SystemInfo
from aiida_cse.schema import explain

if TYPE_CHECKING:
    import MDAnalysis

__all__ = ["SYSTEM", "CseSystemData"]


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

    The attributes are those of :class:`~aiida_cse.lammps.files.system.SystemInfo`: ``phase``, ``natoms``,
    ``composition``, ``charge`` (e), ``box`` (Å), ``types``, ``slab``, ``initial_excess``, ``seeds``,
    ``forcefield``, ``forcefield_md5`` and ``citations``. Structures for other programs are made on demand.
    """

    def __init__(self, system: System | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        if system is None:
            return
        self.base.attributes.set_many(system.info.model_dump(mode="json"))
        for key, content in (
            ("data", system.data.format(system.info.phase)),
            ("forcefield", system.forcefield),
        ):
            self.base.repository.put_object_from_bytes(content.encode(), FILENAMES[key])

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
        return self.base.repository.get_object_content(FILENAMES["data"], "r")

    @property
    def forcefield(self) -> str:
        """Text of the include file with styles and coefficients."""
        return self.base.repository.get_object_content(FILENAMES["forcefield"], "r")

    def get_system(self) -> System:
        """Return the system in the form of the plain library."""
        return System(data=DataFile.parse(self.lammps_data), forcefield=self.forcefield, info=self.info)

    def get_universe(self) -> MDAnalysis.Universe:
        """Return an MDAnalysis Universe with whole molecules, residues and elements.

        See :func:`aiida_cse.building.export.make_universe`.
        """
        from aiida_cse.building.export import make_universe

        return make_universe(self.get_system())

    def get_structure(self) -> StructureData:
        """Return a StructureData, which is slow and large above some thousand atoms."""
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
        except ValidationError as error:
            msg = f"the attributes do not describe a system: {explain(error)}"
            raise NodeValidationError(msg) from error
        return True
