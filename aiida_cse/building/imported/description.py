"""What a data file and a force field do not say of a box that was not built here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from aiida_cse.building.crystal.model import Element
from aiida_cse.building.recipe import Seed, SpeciesName
from aiida_cse.lammps.files.system import Phase
from aiida_cse.schema import Number, StrictModel, Whole

__all__ = ["SlabDescription", "SystemDescription", "TypeDescription", "TypeName"]

Label = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=80)]
TypeName = Annotated[Whole, Field(ge=1)] | Label


class TypeDescription(StrictModel):
    """What a data file does not say of an atom type; without ``label`` it has that of the data file."""

    element: Element
    phase: Literal["ceramic", "electrolyte", "both", "wall"]
    species: SpeciesName
    label: Label | None = None


class SlabDescription(StrictModel):
    """The slab.

    ``thickness`` (Å) is the distance of its surface planes, ``framework`` the types that do not diffuse and so
    say where it is. ``midplane_offset`` (Å) is the mid-plane minus the centre of mass of the framework,
    ``lithium`` how many mobile ions the slab started with, by default as many as make the ceramic neutral. With a
    recipe the first three are by default those of its slab, stretched as the framework is; without one, the
    mid-plane is by default in the middle between the outermost atoms of the framework.
    """

    thickness: Number | None = Field(default=None, gt=0, le=10_000)
    framework: tuple[TypeName, ...] = ()
    midplane_offset: Number | None = None
    lithium: Annotated[Whole, Field(ge=0)] | None = None


class SystemDescription(StrictModel):
    """What is to be known of a box besides its data file and its force field.

    Attributes
    ----------
    phase
        Which part of the work it is; ``interface`` is what a production takes.
    types
        The atom types, by number or by the label that the data file gives them.
    slab
        Of a system with a slab.
    seeds
        Of what was drawn; a production draws its velocities from ``velocities``.
    forcefield, citations
        Names and sources of the parameters.
    """

    phase: Phase = "interface"
    types: dict[TypeName, TypeDescription] = Field(default_factory=dict)
    slab: SlabDescription | None = None
    seeds: dict[Label, Seed] = Field(default_factory=dict)
    forcefield: tuple[str, ...] = ()
    citations: tuple[str, ...] = ()

    @field_validator("types", mode="after")
    @classmethod
    def _each_once(cls, value: dict[TypeName, TypeDescription]) -> dict[TypeName, TypeDescription]:
        labels = [entry.label for entry in value.values() if entry.label is not None]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"label {twice[0]!r} is there twice")
        return value
