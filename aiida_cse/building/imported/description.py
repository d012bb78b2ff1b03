"""Description of a system built by another program: what its data file and force field do not contain."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from aiida_cse.building.crystal.model import Element
from aiida_cse.building.recipe import Seed, SpeciesName
from aiida_cse.lammps.files.system import Phase, SystemInfo
from aiida_cse.schema import Number, StrictModel, Whole

__all__ = ["Label", "SlabDescription", "SystemFacts", "TypeDescription", "TypeName"]

Label = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=80)]
TypeName = Annotated[Whole, Field(ge=1)] | Label


class TypeDescription(StrictModel):
    """An atom type.

    Without ``label`` it has that of the data file, and without ``charge`` (e) that of its atoms, 0 if there are
    none.
    """

    element: Element
    phase: Literal["ceramic", "electrolyte", "both", "wall"]
    species: SpeciesName
    label: Label | None = None
    charge: Number | None = None


class SlabDescription(StrictModel):
    """The slab.

    With a recipe, the first three fields are by default those of its slab, scaled along z as the framework is.

    Attributes
    ----------
    thickness
        Distance of the surface planes, Å.
    framework
        The types that do not diffuse and define the position of the slab.
    midplane_offset
        Mid-plane minus centre of mass of the framework, Å. Without a recipe, the mid-plane is by default halfway
        between the outermost atoms of the framework.
    lithium
        Number of mobile ions in the slab at the start; by default the number that makes the ceramic neutral.
    """

    thickness: Number | None = Field(default=None, gt=0, le=10_000)
    framework: tuple[TypeName, ...] = ()
    midplane_offset: Number | None = None
    lithium: Annotated[Whole, Field(ge=0)] | None = None


class SystemFacts(StrictModel):
    """A system that is to be imported.

    Attributes
    ----------
    phase
        The phase; a production takes ``interface``.
    types
        The atom types, by number or by the label in the data file.
    slab
        The slab, if there is one.
    initial_excess
        Number of mobile ions that were moved into the slab, below zero out of it, beyond those of ``slab``.
    seeds
        Seeds of random choices; a production draws velocities from ``velocities``.
    forcefield, forcefield_md5, citations
        Names of the parameter sets, the checksum of each, and their literature.
    """

    phase: Phase = "interface"
    types: dict[TypeName, TypeDescription] = Field(default_factory=dict)
    slab: SlabDescription | None = None
    initial_excess: Whole = 0
    seeds: dict[Label, Seed] = Field(default_factory=dict)
    forcefield: tuple[str, ...] = ()
    forcefield_md5: dict[str, str] = Field(default_factory=dict)
    citations: tuple[str, ...] = ()

    @classmethod
    def of(cls, info: SystemInfo) -> SystemFacts:
        """Return what the data file and the include file of a system do not contain."""
        types = {
            number: {name: getattr(entry, name) for name in ("label", "element", "charge", "phase", "species")}
            for number, entry in enumerate(info.types, 1)
        }
        shared = ("phase", "initial_excess", "seeds", "forcefield", "forcefield_md5", "citations")
        slab = None if info.slab is None else info.slab.model_dump()
        return cls.model_validate({name: getattr(info, name) for name in shared} | {"types": types, "slab": slab})

    @field_validator("types", mode="after")
    @classmethod
    def _each_once(cls, value: dict[TypeName, TypeDescription]) -> dict[TypeName, TypeDescription]:
        labels = [entry.label for entry in value.values() if entry.label is not None]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"label {twice[0]!r} is given twice; each type needs its own")
        return value
