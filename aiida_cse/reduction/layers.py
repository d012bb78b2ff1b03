"""Regions and layers of a species around a slab, from offsets to the slab's surface planes.

z = 0 is the mid-plane of the slab. Offsets from the surface planes give regions for a slab of any thickness; at a
half thickness of 19.5 Å they are those of Kozdra et al., PCCP 27, 24918 (2025), Table 1.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from aiida_cse.physics.exchange.regions import Region, RegionSet
from aiida_cse.physics.statistics import arguments
from aiida_cse.schema import Number, StrictModel

__all__ = ["SURFACE_OFFSETS", "Layers", "SurfaceOffsets", "displacement_layers", "offsets_of", "surface_regions"]

#: names and edges (Å, one more) of layers, from LEFT to RIGHT
Layers = tuple[tuple[str, ...], tuple[float, ...]]
Margin = Annotated[Number, Field(ge=0, le=50)]

#: offset (Å) from the surface plane at which the surface of the ceramic begins; at a half thickness of 19.5 Å that
#: is |z| = 15, as in the text of Kozdra et al. (2025)
_SURFACE_INSET = -4.5


class SurfaceOffsets(StrictModel):
    """First layer of a species, in Å outward from the surface plane.

    ``inner`` and ``outer`` bound the layer. ``margins`` are the widths of the buffers of the core rule at these
    two boundaries, from the ceramic outward: before and behind ``inner``, before and behind ``outer``.
    """

    inner: Number = Field(ge=-50, le=50)
    outer: Number = Field(ge=-50, le=100)
    margins: tuple[Margin, Margin, Margin, Margin] = (1.0, 1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _has_core(self) -> Self:
        low, high = self.inner + self.margins[1], self.outer - self.margins[2]
        if low >= high:
            raise ValueError(
                f"the core of the layer from {low:g} to {high:g} Å is empty; outer must lie farther out"
            )
        return self

    @property
    def slab_depth(self) -> float:
        """Half thickness (Å) that a slab must exceed for the region of the ceramic to have a core."""
        return self.margins[0] - self.inner

    @property
    def reach(self) -> float:
        """Distance (Å) from the surface plane to the core of the bulk; the electrolyte must be twice as thick."""
        return self.outer + self.margins[3]


#: offsets of the species of the published study
SURFACE_OFFSETS = {
    "Li": SurfaceOffsets(inner=3.5, outer=12.5, margins=(2.0, 3.0, 1.0, 1.0)),
    "TFSI": SurfaceOffsets(inner=-0.5, outer=6.5),
}


def offsets_of(species: str, given: SurfaceOffsets | None = None) -> SurfaceOffsets:
    """Return the first layer of a species: that given, else the published one of this name.

    Raises
    ------
    ValueError
        Neither exists.
    """
    layer = SURFACE_OFFSETS.get(species) if given is None else given
    if layer is None:
        known = ", ".join(SURFACE_OFFSETS)
        raise ValueError(f"species = {species!r}: offsets are known for {known}; others must be given in offsets")
    return layer


def surface_regions(
    half_thickness: float,
    box_half_length: float,
    species: str,
    offsets: SurfaceOffsets | None = None,
) -> RegionSet:
    """Return the five regions of a species around a slab.

    Parameters
    ----------
    half_thickness
        Half the distance of the slab's surface planes, Å.
    box_half_length
        Half the length of the box along z, Å.
    species
        Name of the species.
    offsets
        Its first layer; by default that of :data:`SURFACE_OFFSETS` with this name.

    Raises
    ------
    ValueError
        A length is not positive, the species has no offsets, or its layers do not fit; the message gives the
        length that they need.
    """
    half = arguments.number("half_thickness", half_thickness, above=0)
    end = arguments.number("box_half_length", box_half_length, above=0)
    layer = offsets_of(species, offsets)
    before_inner, behind_inner, before_outer, behind_outer = layer.margins
    if half <= (need := layer.slab_depth):
        raise ValueError(f"half_thickness = {half:g} Å: the ceramic core of {species} needs more than {need:g} Å")
    if end <= (need := half + layer.reach):
        raise ValueError(
            f"box_half_length = {end:g} Å: the layers of {species} at a half thickness of {half:g} Å need "
            f"more than {need:g} Å, a box longer than {2 * need:g} Å"
        )
    inner, outer = half + layer.inner, half + layer.outer
    core_end, core_start = outer - before_outer, inner + behind_inner
    return RegionSet(
        species,
        (
            Region("bulk_left", -end, -outer, (-end, -(outer + behind_outer))),
            Region("layer_left", -outer, -inner, (-core_end, -core_start)),
            Region("ceramic", -inner, inner, (-(inner - before_inner), inner - before_inner)),
            Region("layer_right", inner, outer, (core_start, core_end)),
            Region("bulk_right", outer, end, (outer + behind_outer, end)),
        ),
    )


def displacement_layers(regions: RegionSet, half_thickness: float) -> Layers:
    """Return names and edges (Å) of the layers by which displacements of the cation are distinguished.

    They are the regions, with the surface of the ceramic separated from its inside. A slab that is too thin to
    have an inside has the regions alone.
    """
    surface = half_thickness + _SURFACE_INSET
    names, edges = list(regions.names), list(regions.edges)
    middle = names.index("ceramic")
    if not 0 < surface < edges[middle + 1]:
        return tuple(names), tuple(edges)
    names[middle : middle + 1] = ["surface_left", "inside", "surface_right"]
    edges[middle + 1 : middle + 1] = [-surface, surface]
    return tuple(names), tuple(edges)
