"""A species of ion as a reduction sees it: which atoms, which regions, which layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from aiida_cse.physics.exchange.regions import REGION_NAMES, Region, RegionSet

__all__ = [
    "SURFACE_INSET",
    "Finite",
    "FrozenModel",
    "IonSpecies",
    "Layers",
    "Name",
    "Positive",
    "TypeNumber",
    "displacement_layers",
]

#: the surface of the ceramic begins this far (Å) outward from the surface plane; at a half thickness of 19.5 Å
#: that is |z| = 15, where the text of Kozdra et al. (2025) begins it
SURFACE_INSET = -4.5

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
TypeNumber = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
#: names and edges (Å, one more) of layers, from LEFT to RIGHT
Layers = tuple[tuple[str, ...], tuple[float, ...]]


class FrozenModel(BaseModel):
    """A model that neither changes nor takes a key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class IonSpecies(FrozenModel):
    """One species of ion and its regions.

    ``types`` are the LAMMPS types of its atoms. With ``point`` = ``atom`` each such atom is an ion (for a
    molecule, name the one type that stands for it); with ``centre_of_mass`` the atoms of these types in one
    molecule are. ``edges`` (6, Å) bound the five regions, ``cores`` (5 pairs, Å) their cores; the outermost
    regions reach to the periodic boundary wherever it is. ``exchange`` names the region whose entries and exits
    count. ``initial_ceramic`` is the number of these ions that the slab started with. ``layers`` are the names of
    the layers that displacements are told apart by, from LEFT to RIGHT, and ``layer_edges`` (one more, Å) bound
    them; the outermost reach to the periodic boundary as well.
    """

    types: tuple[TypeNumber, ...] = Field(min_length=1)
    point: Literal["atom", "centre_of_mass"] = "atom"
    edges: tuple[Finite, Finite, Finite, Finite, Finite, Finite]
    cores: tuple[tuple[Finite, Finite], ...] = Field(min_length=len(REGION_NAMES), max_length=len(REGION_NAMES))
    exchange: Literal["ceramic", "layer"]
    initial_ceramic: int | None = Field(default=None, ge=0)
    layers: tuple[Name, ...] = Field(min_length=1)
    layer_edges: tuple[Finite, ...]

    @model_validator(mode="after")
    def _check_regions(self) -> Self:
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"edges are {self.edges}, they must ascend")
        for name, low, high, core in zip(REGION_NAMES, self.edges, self.edges[1:], self.cores, strict=False):
            if not low <= core[0] < core[1] <= high:
                raise ValueError(f"cores: that of {name} is {core}, it must lie within {(low, high)}")
        return self

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        if len(set(self.layers)) != len(self.layers):
            raise ValueError(f"layers are {self.layers}, each name must be there once")
        if len(self.layer_edges) != len(self.layers) + 1:
            raise ValueError(
                f"layer_edges has {len(self.layer_edges)} entries, {len(self.layers)} layers must have "
                f"{len(self.layers) + 1}"
            )
        if list(self.layer_edges) != sorted(set(self.layer_edges)):
            raise ValueError(f"layer_edges are {self.layer_edges}, they must ascend")
        return self

    def regions(self, name: str) -> RegionSet:
        """Return the five regions; ``name`` is that of the species."""
        parts = zip(REGION_NAMES, self.edges, self.edges[1:], self.cores, strict=False)
        return RegionSet(name, tuple(Region(*part) for part in parts))

    @classmethod
    def from_regions(
        cls,
        regions: RegionSet,
        types: Sequence[int],
        *,
        point: Literal["atom", "centre_of_mass"] = "atom",
        exchange: Literal["ceramic", "layer"] = "ceramic",
        initial_ceramic: int | None = None,
        layers: Layers | None = None,
    ) -> IonSpecies:
        """Make a species of five regions, which are its layers too unless ``layers`` says others."""
        a, b, c, d, e, f = regions.edges
        names, layer_edges = (regions.names, regions.edges) if layers is None else layers
        return cls(
            types=tuple(types),
            point=point,
            edges=(a, b, c, d, e, f),
            cores=regions.cores,
            exchange=exchange,
            initial_ceramic=initial_ceramic,
            layers=names,
            layer_edges=layer_edges,
        )


def displacement_layers(regions: RegionSet, half_thickness: float) -> Layers:
    """Return names and edges (Å) of the layers that displacements of the cation are told apart by.

    They are the regions, with the surface of the ceramic apart from its inside. A slab that is too thin to have an
    inside has the regions alone.
    """
    surface = half_thickness + SURFACE_INSET
    names, edges = list(regions.names), list(regions.edges)
    middle = names.index("ceramic")
    if not 0 < surface < edges[middle + 1]:
        return tuple(names), tuple(edges)
    names[middle : middle + 1] = ["surface_left", "inside", "surface_right"]
    edges[middle + 1 : middle + 1] = [-surface, surface]
    return tuple(names), tuple(edges)
