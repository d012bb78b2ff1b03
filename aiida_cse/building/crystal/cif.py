"""Crystals from CIF files; ambiguous or contradictory files are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

__all__ = ["Place", "read_cif"]

#: occupancy by species, and fractional coordinates
Place = tuple[dict[str, float], list[float]]

#: largest difference of an element's atomic fraction from that in the formula
_COMPOSITION = 0.01


def read_cif(text: str) -> tuple[list[float], list[Place]]:
    """Return edges (Å) and angles (degrees) of the crystal in a CIF, and all places in its cell.

    The symmetry operations must be listed, because the name of a space group does not define its origin.

    Raises
    ------
    ValueError
        The text is not a CIF with exactly one crystal; operations are missing, incomplete or not those of the
        named group; an atom has no element; or the atoms disagree with the formula.
    """
    import gemmi

    try:
        blocks = [block for block in gemmi.cif.read_string(text) if len(block.find_values("_atom_site_fract_x"))]
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"not a CIF: {error}") from error
    if len(blocks) != 1:
        names = f" ({', '.join(block.name for block in blocks)})" if blocks else ""
        raise ValueError(f"holds {len(blocks)} crystals{names}; give a single one, in fractional coordinates")
    crystal = gemmi.make_small_structure_from_block(blocks[0])
    _set_symmetry(crystal)
    _refuse_other_atoms(list(crystal.sites))
    sites = crystal.get_all_unit_cell_sites()
    places = [({site.element.name: site.occ}, site.fract.tolist()) for site in sites if site.occ > 0]
    _refuse_other_formula(blocks[0].find_value("_chemical_formula_sum"), places)
    cell = crystal.cell
    return [cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma], places


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


def _refuse_other_atoms(sites: Sequence[Any]) -> None:
    for site in sites:
        if site.element.atomic_number == 0:
            kind = f" of type {site.type_symbol!r}" if site.type_symbol else ""
            raise ValueError(f"the atom {site.label!r}{kind} has no element")
        if not 0 <= site.occ <= 1:
            raise ValueError(f"the atom {site.label!r} has the occupancy {site.occ:g}; must be between 0 and 1")


def _refuse_other_formula(formula: str | None, places: Sequence[Place]) -> None:
    """Refuse atoms that disagree with the formula, because some are missing then."""
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
    elements = {str(element) for element in (*asked, *found)}
    if any(
        abs(found.get_atomic_fraction(name) - asked.get_atomic_fraction(name)) > _COMPOSITION for name in elements
    ):
        raise ValueError(f"the atoms are {found.formula}, but _chemical_formula_sum is {text!r}")
