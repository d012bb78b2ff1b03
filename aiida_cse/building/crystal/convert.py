"""Conversion of a CIF or a pymatgen structure to the crystal of a recipe.

Ambiguous or contradictory files are refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aiida_cse.schema import located

__all__ = ["as_crystal", "crystal_of_cif"]

#: place in a text as gemmi names it
_PLACE = re.compile(r"^string:(\d+):\d+(\(\d+\))?: *")

#: occupancy by species, and fractional coordinates
Place = tuple[dict[str, float], list[float]]

#: decimals kept of lengths (Å), angles (degrees), fractional coordinates and occupancies
_LENGTH, _ANGLE, _FRACTION, _OCCUPANCY = 8, 6, 10, 8
#: places in a cell before those that coincide are joined
_MOST_PLACES = 200_000
#: largest difference of an element's atomic fraction from that in the formula
_COMPOSITION = 0.01


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
        with located("cif"):
            text = value["cif"]
            if len(value) > 1:
                others = ", ".join(sorted(str(key) for key in value if key != "cif"))
                raise ValueError(f"a CIF describes the whole crystal; leave out {others}")
            if not isinstance(text, str) or (text.strip() and "\n" not in text):
                raise ValueError(
                    f"{text!r} is not the text of a CIF; in a recipe file, give the name of one beside it"
                )
            return crystal_of_cif(text)
    if not isinstance(value, Mapping) and hasattr(value, "as_dict") and hasattr(value, "lattice"):
        value = value.as_dict()
    if isinstance(value, Mapping) and "lattice" in value:
        return _described(*_from_mapping(value))
    return value


def _from_mapping(value: Mapping[str, Any]) -> tuple[list[float], list[Place]]:
    """Return cell and places of ``Structure.as_dict()``, whatever the names of its classes."""
    try:
        matrix = np.array(value["lattice"]["matrix"], dtype=np.float64).reshape(3, 3)
        # coordinates of a left-handed cell are inverted, since the result is right-handed
        sign = -1 if np.linalg.det(matrix) < 0 else 1
        places: list[Place] = []
        for site in value["sites"]:
            species: Counter[str] = Counter()
            for entry in site["species"]:
                species[entry["element"]] += entry["occu"]
            places.append((dict(species), [sign * float(coord) for coord in site["abc"]]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"not the as_dict() of a pymatgen Structure: {error!r}") from error
    edges = np.linalg.norm(matrix, axis=1)
    if not (np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 0):
        raise ValueError(f"the lattice vectors span no cell: {matrix.tolist()}")
    unit = matrix / edges[:, None]
    angles = (np.degrees(np.arccos(unit[i] @ unit[j])) for i, j in ((1, 2), (0, 2), (0, 1)))
    return [*edges.tolist(), *map(float, angles)], places


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


# -- CIF -------------------------------------------------------------------------------------------------


def crystal_of_cif(text: str) -> dict[str, Any]:
    """Return the mapping that describes the crystal in the text of a CIF, with all places of its cell.

    The symmetry operations must be listed, because the name of a space group does not define its origin.

    Raises
    ------
    ValueError
        The text is empty or not a CIF with exactly one crystal; operations are missing, incomplete or not those of
        the named group; an atom has no element; or the atoms disagree with the formula.
    """
    import gemmi

    if not text.strip():
        raise ValueError("is empty; give a CIF with one crystal")
    try:
        blocks = [block for block in gemmi.cif.read_string(text) if len(block.find_values("_atom_site_fract_x"))]
    except (ValueError, RuntimeError) as error:
        reason = _PLACE.sub(r"line \1: ", str(error))
        raise ValueError(f"not a CIF: {reason}") from error
    if len(blocks) != 1:
        names = f" ({', '.join(block.name for block in blocks)})" if blocks else ""
        raise ValueError(f"holds {len(blocks)} crystals{names}; give a single one, in fractional coordinates")
    crystal = gemmi.make_small_structure_from_block(blocks[0])
    number = len(crystal.sites) * max(len(crystal.symops), 1)
    if number > _MOST_PLACES:
        raise ValueError(
            f"{len(crystal.sites)} atoms under {len(crystal.symops)} operations make {number:,} places; must be "
            f"at most {_MOST_PLACES:,}"
        )
    _set_symmetry(crystal)
    for site in crystal.sites:
        if site.element.atomic_number == 0:
            kind = f" of type {site.type_symbol!r}" if site.type_symbol else ""
            raise ValueError(f"the atom {site.label!r}{kind} has no element")
        if not 0 <= site.occ <= 1:
            raise ValueError(f"the atom {site.label!r} has the occupancy {site.occ:g}; must be between 0 and 1")
    sites = crystal.get_all_unit_cell_sites()
    places = [({site.element.name: site.occ}, site.fract.tolist()) for site in sites if site.occ > 0]
    _refuse_other_formula(blocks[0].find_value("_chemical_formula_sum"), places)
    cell = crystal.cell
    return _described([cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma], places)


def _set_symmetry(crystal: Any) -> None:
    if not len(crystal.symops):
        raise ValueError(
            "symmetry operations are not listed (_space_group_symop_operation_xyz), and the name of a space group"
            " does not define its origin; use a program that lists them, such as pymatgen or VESTA"
        )
    try:
        crystal.determine_and_set_spacegroup("s")
        problem = crystal.check_spacegroup().strip()
    except (ValueError, RuntimeError) as error:
        problem = str(error)
    if problem or crystal.spacegroup is None:
        reason = "; ".join(problem.splitlines()) or "they belong to no space group"
        raise ValueError(f"symmetry operations cannot be used: {reason}")
    crystal.setup_cell_images()


def _refuse_other_formula(formula: str | None, places: Sequence[Place]) -> None:
    """Refuse atoms that disagree with the formula, a sign that some are missing."""
    from gemmi import cif
    from pymatgen.core.composition import Composition

    text = cif.as_string(formula) if formula else ""
    if not text:
        return
    counted: Counter[str] = Counter()
    for species, _ in places:
        counted.update(species)
    found = Composition(dict(counted))
    try:
        asked = Composition(text)
    except ValueError as error:
        raise ValueError(f"_chemical_formula_sum: {text!r} is not a formula: {error}") from error
    if not (found.num_atoms and asked.num_atoms):
        nothing = "_chemical_formula_sum" if found.num_atoms else "_atom_site_occupancy"
        raise ValueError(f"{nothing}: there is no atom; must be above 0 for at least one element")
    elements = {str(element) for element in (*asked, *found)}
    if any(
        abs(found.get_atomic_fraction(name) - asked.get_atomic_fraction(name)) > _COMPOSITION for name in elements
    ):
        raise ValueError(f"the atoms are {found.formula}, but _chemical_formula_sum is {text!r}")
