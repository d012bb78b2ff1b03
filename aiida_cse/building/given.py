"""Crystals that come from elsewhere, as a CIF or a pymatgen structure, in the words of a recipe."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

__all__ = ["as_crystal"]

#: decimals that are kept of lengths (Å), angles (degrees), fractional coordinates and occupancies
_LENGTH, _ANGLE, _FRACTION, _OCCUPANCY = 8, 6, 10, 6
#: where a CIF lists its symmetry operations, in newer and older words
_OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
#: by how much occupancies of a place may add up to more than 1 in a CIF; pymatgen scales them down
_OVERFULL = 1.01


def as_crystal(value: object) -> object:
    """Return a CIF or a pymatgen structure as the mapping that a recipe has for a crystal.

    All places are listed, without symmetry (space group P1). Those of one species and occupancy are one site: its
    ions are drawn together. Labels do not count, since programs give every place one of its own.

    Parameters
    ----------
    value
        ``{"cif": text}``, a pymatgen Structure or its ``as_dict()``; anything else is returned as it is.

    Raises
    ------
    ValueError
        There is not one crystal in it; says what is wrong.
    """
    if isinstance(value, Mapping) and "cif" in value:
        return _described(_from_cif(value))
    if isinstance(value, Mapping) and "lattice" in value:
        return _described(_from_mapping(value))
    if hasattr(value, "as_dict") and hasattr(value, "lattice"):
        return _described(value)
    return value


def _from_cif(value: Mapping[str, Any]) -> Any:
    from pymatgen.io.cif import CifFile, CifParser

    text = value["cif"]
    if len(value) > 1:
        others = ", ".join(sorted(str(key) for key in value if key != "cif"))
        msg = f"cif: a CIF says all of a crystal; leave out {others}"
        raise ValueError(msg)
    if not isinstance(text, str) or "\n" not in text:
        msg = f"cif: {text!r} is not the text of a CIF; in a recipe file it is the name of one beside it"
        raise ValueError(msg)
    try:
        blocks = CifFile.from_str(text).data.values()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of digits that were rounded: the distances are checked when it is cut
            parser = CifParser.from_str(text, occupancy_tolerance=_OVERFULL)
            found = parser.parse_structures(primitive=False, on_error="raise")
    except Exception as error:  # what a parser of free text may raise has no common class
        msg = f"cif: no crystal can be read from it: {error}"
        raise ValueError(msg) from error
    if len(found) != 1:
        msg = f"cif: it holds {len(found)} crystals; give one with a single one"
        raise ValueError(msg)
    if not any(key.rstrip("_").lower() in _OPERATIONS for block in blocks for key in block.data):
        msg = (
            "cif: its symmetry operations are not listed (_space_group_symop_operation_xyz), and the name of a"
            " group leaves its origin open; write it with a program that lists them, such as pymatgen or VESTA"
        )
        raise ValueError(msg)
    return found[0]


def _from_mapping(value: Mapping[str, Any]) -> Any:
    from pymatgen.core.structure import Structure

    try:
        return Structure.from_dict(dict(value))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"it is not the as_dict() of a pymatgen Structure: {error!r}"
        raise ValueError(msg) from error


def _described(crystal: Any) -> dict[str, Any]:
    sites: dict[tuple[str, float], list[list[float]]] = {}
    for site in crystal:
        coords = [round(float(coord) % 1.0, _FRACTION) for coord in site.frac_coords]
        for species, occupancy in site.species.items():
            sites.setdefault((species.symbol, round(float(occupancy), _OCCUPANCY)), []).append(coords)
    lattice = crystal.lattice
    edges = zip("abc", lattice.abc, strict=True)
    angles = zip(("alpha", "beta", "gamma"), lattice.angles, strict=True)
    return {
        "spacegroup": "P1",
        **{name: round(float(edge), _LENGTH) for name, edge in edges},
        **{name: round(float(angle), _ANGLE) for name, angle in angles},
        "sites": [
            {"species": species, "coords": coords, "occupancy": occupancy}
            for (species, occupancy), coords in sites.items()
        ],
    }
