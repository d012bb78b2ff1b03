"""The crystal of a recipe: cell, symmetry, and sites that may be partly occupied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, field_serializer, field_validator, model_validator

from aiida_cse.schema import Number, StrictModel, worded

__all__ = ["Coords", "CrystalSite", "CrystalStructure", "Element", "pymatgen_crystal"]

_ELEMENT = worded(r"^[A-Z][a-z]?$", "the symbol of an element, such as Li")
_SPACEGROUP = worded(r"^[A-Za-z0-9/_-]+(:[12HR])?$", "a Hermann-Mauguin symbol, such as Ia-3d")
Element = Annotated[str, Field(strict=True, pattern=_ELEMENT)]
Fraction = Annotated[float, Field(strict=True, ge=-1, le=1)]
Coords = tuple[Fraction, Fraction, Fraction]
#: Å
Edge = Annotated[Number, Field(ge=2, le=50)]
#: largest excess over 1 of the sum of rounded occupancies of a place
_OVERFULL = 1e-6
#: edges that a crystal system does not fix beside a; by default b and c
_OPEN_EDGES = {"cubic": (), "tetragonal": ("c",), "trigonal": ("c",), "hexagonal": ("c",)}
#: degrees
Angle = Annotated[Number, Field(ge=30, le=150)]


class CrystalSite(StrictModel):
    """Places of one species with one occupancy.

    ``coords`` are the fractional coordinates of one place, whose equivalents follow from the space group, or a
    list of several places; ``occupancy`` is the fraction of the places that is occupied.
    """

    species: Element
    coords: tuple[Coords, ...] = Field(min_length=1)
    occupancy: Number = Field(default=1.0, gt=0, le=1)

    @field_validator("coords", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: object) -> object:
        if isinstance(value, (list, tuple)) and value and not isinstance(value[0], (list, tuple)):
            return [value]
        return value

    @field_serializer("coords")
    def _list_of_one_is_one(self, value: tuple[Coords, ...]) -> tuple[Coords, ...] | Coords:
        return value[0] if len(value) == 1 else value


class CrystalStructure(StrictModel):
    """A crystal: edges ``a``, ``b`` and ``c`` in Å, except those equal by symmetry, and angles in degrees.

    Sites with the same coordinates share their places. Miller indices refer to the cell as given. Of space groups
    with two origins, that of pymatgen is used; a CIF lists its operations and may have any origin.
    """

    spacegroup: str = Field(strict=True, pattern=_SPACEGROUP, max_length=20)
    a: Edge
    b: Edge | None = None
    c: Edge | None = None
    alpha: Angle = 90.0
    beta: Angle = 90.0
    gamma: Angle = 90.0
    sites: tuple[CrystalSite, ...] = Field(min_length=1)

    @property
    def parameters(self) -> tuple[float, float, float, float, float, float]:
        """Edges in Å and angles in degrees."""
        return self.a, self.b or self.a, self.c or self.a, self.alpha, self.beta, self.gamma

    def places(self) -> Iterator[tuple[int, CrystalSite, Coords]]:
        """Yield the number of each site, the site and each of its coordinates."""
        for number, site in enumerate(self.sites):
            for coords in site.coords:
                yield number, site, coords

    @model_validator(mode="after")
    def _cell_and_places_are_possible(self) -> CrystalStructure:
        alpha, beta, gamma = self.parameters[3:]
        if alpha + beta + gamma >= 360 or 2 * max(alpha, beta, gamma) >= alpha + beta + gamma:
            raise ValueError(f"alpha, beta, gamma = {alpha:g}, {beta:g}, {gamma:g}: no cell has these angles")
        filled: dict[tuple[float, ...], float] = {}
        for number, site, coords in self.places():
            place = tuple(round(coord % 1.0, 6) % 1.0 for coord in coords)
            filled[place] = filled.get(place, 0.0) + site.occupancy
            if filled[place] > 1 + _OVERFULL:
                raise ValueError(
                    f"sites.{number}.occupancy = {site.occupancy:g}: {site.species} fills the orbit of"
                    f" {list(coords)} to {filled[place]:.7g}; at most 1 is possible"
                )
        return self


def pymatgen_crystal(structure: CrystalStructure) -> Any:
    """Return the crystal as a pymatgen Structure with the number of the site as site property ``site``.

    Raises
    ------
    ValueError
        The space group is unknown or incompatible with the cell, or edges are missing.
    """
    from pymatgen.core.composition import Composition
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure
    from pymatgen.symmetry.groups import SpaceGroup

    places = list(structure.places())
    try:
        system = SpaceGroup(structure.spacegroup).crystal_system
        missing = [edge for edge in _OPEN_EDGES.get(system, ("b", "c")) if getattr(structure, edge) is None]
        if not missing:
            return Structure.from_spacegroup(
                structure.spacegroup,
                Lattice.from_parameters(*structure.parameters),
                [Composition({site.species: site.occupancy}) for _, site, _ in places],
                [list(coords) for _, _, coords in places],
                site_properties={"site": [number for number, _, _ in places]},
            )
    except ValueError as error:
        raise ValueError(
            f"ceramic.structure.spacegroup = {structure.spacegroup!r}: {error}; give the Hermann-Mauguin symbol of"
            " a group that the cell has, such as 'Ia-3d' of a cubic one, or a CIF"
        ) from error
    raise ValueError(
        f"ceramic.structure: {' and '.join(missing)} missing; {structure.spacegroup} is {system}, where"
        f" a = {structure.a:g} Å does not define all edges"
    )
