"""Conversion of a CIF or a pymatgen structure to the crystal of a recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aiida_cse.building.crystal.cif import Place, read_cif
from aiida_cse.schema import located

__all__ = ["as_crystal"]

#: decimals kept of lengths (Å), angles (degrees), fractional coordinates and occupancies
_LENGTH, _ANGLE, _FRACTION, _OCCUPANCY = 8, 6, 10, 8


def as_crystal(value: object) -> object:
    """Return a CIF or a pymatgen structure as the mapping that describes a crystal in a recipe.

    All places are listed without symmetry (space group P1). Places with the same species and occupancy form one
    site, whose ions are drawn together. Labels are ignored, since programs give every place its own.

    Parameters
    ----------
    value
        ``{"cif": text}``, a pymatgen Structure or its ``as_dict()``; anything else is returned unchanged.

    Raises
    ------
    ValueError
        The value does not describe exactly one crystal.
    """
    if isinstance(value, Mapping) and "cif" in value:
        return _described(*_from_cif(value))
    if not isinstance(value, Mapping) and hasattr(value, "as_dict") and hasattr(value, "lattice"):
        value = value.as_dict()
    if isinstance(value, Mapping) and "lattice" in value:
        return _described(*_from_mapping(value))
    return value


def _from_cif(value: Mapping[str, Any]) -> tuple[list[float], list[Place]]:
    with located("cif"):
        text = value["cif"]
        if len(value) > 1:
            others = ", ".join(sorted(str(key) for key in value if key != "cif"))
            raise ValueError(f"a CIF describes the whole crystal; leave out {others}")
        if not isinstance(text, str) or "\n" not in text:
            raise ValueError(
                f"{text!r} is not the text of a CIF; in a recipe file, give the name of one beside it"
            )
        return read_cif(text)


def _from_mapping(value: Mapping[str, Any]) -> tuple[list[float], list[Place]]:
    """Return cell and places of ``Structure.as_dict()``; its class names are ignored, since they may be any."""
    try:
        matrix = np.array(value["lattice"]["matrix"], dtype=np.float64).reshape(3, 3)
        places = [_place(site, np.linalg.det(matrix) < 0) for site in value["sites"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"not the as_dict() of a pymatgen Structure: {error!r}") from error
    edges = np.linalg.norm(matrix, axis=1)
    if not (np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 0):
        raise ValueError(f"the lattice vectors span no cell: {matrix.tolist()}")
    unit = matrix / edges[:, None]
    angles = (np.degrees(np.arccos(unit[i] @ unit[j])) for i, j in ((1, 2), (0, 2), (0, 1)))
    return [*edges.tolist(), *map(float, angles)], places


def _place(site: Mapping[str, Any], left_handed: bool) -> Place:
    """Return a place; coordinates of a left-handed cell are inverted, since the result is right-handed."""
    coords = [-float(coord) if left_handed else float(coord) for coord in site["abc"]]
    species: Counter[str] = Counter()
    for entry in site["species"]:
        species[entry["element"]] += entry["occu"]
    return dict(species), coords


def _described(cell: Sequence[float], places: Iterable[Place]) -> dict[str, Any]:
    sites: dict[tuple[str, float], list[list[float]]] = {}
    for species, coords in places:
        place = [round(coord % 1.0, _FRACTION) % 1.0 for coord in coords]
        for symbol, occupancy in species.items():
            sites.setdefault((symbol, round(occupancy, _OCCUPANCY)), []).append(place)
    return {
        "spacegroup": "P1",
        **{name: round(edge, _LENGTH) for name, edge in zip("abc", cell[:3], strict=True)},
        **{name: round(angle, _ANGLE) for name, angle in zip(("alpha", "beta", "gamma"), cell[3:], strict=True)},
        "sites": [
            {"species": species, "coords": coords, "occupancy": occupancy}
            for (species, occupancy), coords in sites.items()
        ],
    }
