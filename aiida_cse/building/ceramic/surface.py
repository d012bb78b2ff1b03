"""Sites of the slab in a right-angled box with the cut plane at both ends along z."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aiida_cse.building.crystal.model import pymatgen_crystal
from aiida_cse.building.recipe import CeramicRecipe

__all__ = ["MOST_ATOMS", "SlabSites", "has_unlike_edges", "right_angled_axes", "slab_sites"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: largest number of sites of a slab or of atoms of an electrolyte
MOST_ATOMS = 5_000_000
#: Å; smallest distance of an atom to the cut plane, below which rounding would decide its side
_CLEARANCE = 1e-4
#: Å; range of the shortest distance between immobile atoms, from a C-H bond to metal atoms of a salt
_NEAREST = (0.9, 4.5)
#: largest cosine of a right angle, and of an angle intended to be right (0.1°)
_RIGHT, _NEARLY_RIGHT = 1e-6, 2e-3
#: planes suggested when the chosen one has no right-angled cell
_PLANES = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1))
#: longest lattice vectors tried, in steps along each axis of the cell
_REACH = 12


@dataclass(frozen=True)
class SlabSites:
    """All sites of the slab, occupied or not.

    ``positions`` (N, 3) in Å, ``sites`` (N,) the number of the site in the recipe, ``lengths`` (3,) box edges in
    Å.
    """

    positions: Floats
    sites: Integers
    lengths: Floats


def slab_sites(ceramic: CeramicRecipe) -> SlabSites:
    """Return the sites of the recipe's cells, with its plane at z = 0 and at the upper end of the box.

    Raises
    ------
    ValueError
        The crystal has no right-angled cell on this plane, atoms lie in the plane, or immobile atoms are too close
        or too far apart; names the field of the recipe.
    """
    return _sites(ceramic.model_dump_json())


@lru_cache(maxsize=4)
def _sites(ceramic_json: str) -> SlabSites:
    """Return the sites, which nobody may change, because a launch asks for them several times."""
    ceramic = CeramicRecipe.model_validate_json(ceramic_json)
    crystal = pymatgen_crystal(ceramic.structure)
    nx, ny, nz = ceramic.repeat
    axes = _axes(ceramic, crystal.lattice.matrix)
    number = _volume(axes) * len(crystal) * nx * ny * nz
    if number > MOST_ATOMS:
        raise ValueError(
            f"ceramic.repeat = {ceramic.repeat}: makes {number} sites; at most {MOST_ATOMS} are possible"
        )
    cell = crystal.make_supercell(axes)
    lengths = np.array(cell.lattice.abc) * (1, 1, nz)
    fractions = np.mod(cell.frac_coords - (0, 0, ceramic.shift), 1.0)
    layers = np.tile(fractions, (nz, 1))
    layers[:, 2] = (layers[:, 2] + np.repeat(np.arange(nz), len(cell))) / nz
    if ceramic.flip:
        layers[:, 1:] *= -1
    positions = np.mod(np.round(layers, 12), 1.0) * lengths
    shifts = np.array([(i, j, 0) for i in range(nx) for j in range(ny)]) * lengths
    sites = SlabSites(
        positions=(shifts[:, None, :] + positions).reshape(-1, 3),
        sites=np.tile(np.array(cell.site_properties["site"], dtype=np.int64), len(shifts) * nz),
        lengths=lengths * (nx, ny, 1),
    )
    _refuse_wrong_distances(ceramic, sites)
    z, height = sites.positions[:, 2], sites.lengths[2]
    clearance = float(np.minimum(z, height - z).min())
    if clearance < _CLEARANCE:
        raise ValueError(
            f"ceramic.shift = {ceramic.shift}: the cut passes through atoms ({clearance:.1e} Å); move it a little"
        )
    for array in (sites.positions, sites.sites, sites.lengths):
        array.flags.writeable = False
    return sites


def _axes(ceramic: CeramicRecipe, matrix: Floats) -> Integers:
    axes, nearly = (right_angled_axes(matrix, ceramic.miller, angle) for angle in (_RIGHT, _NEARLY_RIGHT))
    if nearly is not None and (axes is None or _volume(nearly) < _volume(axes)):
        directions = _unit(nearly @ matrix)
        off = np.degrees(np.arcsin(np.abs(directions @ directions.T - np.eye(3)).max()))
        raise ValueError(
            f"ceramic.miller = {ceramic.miller}: the angles of the crystal's cell miss right angles by {off:.2g}°;"
            " give edges and angles without the digits that break the symmetry"
        )
    if axes is None:
        fitting = [plane for plane in _PLANES if right_angled_axes(matrix, plane) is not None]
        right = f"choose another plane, such as {fitting[0]}" if fitting else "simple planes have none either"
        raise ValueError(
            f"ceramic.miller = {ceramic.miller}: on this plane the crystal has no right-angled cell within"
            f" {_REACH} unit cells; {right}"
        )
    return axes


def has_unlike_edges(ceramic: CeramicRecipe) -> bool:
    """Return whether x and y of the slab are inequivalent axes of its crystal and expand independently.

    They are equivalent in a cubic crystal, on (001) of a tetragonal or hexagonal one, and if they are equally
    long.
    """
    a, b, c, *angles = ceramic.structure.parameters
    if a == b and (*ceramic.miller[:2], *angles[:2]) == (0, 0, 90, 90):
        return False
    matrix = pymatgen_crystal(ceramic.structure).lattice.matrix
    edges = np.linalg.norm(_axes(ceramic, matrix)[:2] @ matrix, axis=1)
    return not (a == b == c and angles == [90, 90, 90]) and bool(abs(edges[0] - edges[1]) > _CLEARANCE)


def _volume(axes: Integers) -> int:
    return round(abs(float(np.linalg.det(axes))))


def right_angled_axes(matrix: Floats, miller: tuple[int, int, int], tolerance: float = _RIGHT) -> Integers | None:
    """Return right-angled lattice vectors, two in a plane and one along its normal, in units of the cell vectors.

    Those in the plane have the smallest area, then the shortest lengths. A box with these edges repeats the
    crystal without strain. The result is None if there are none within 12 cells, as on most planes of oblique
    crystals.

    Parameters
    ----------
    matrix
        (3, 3), the cell vectors as rows, Å.
    miller
        The plane, in units of the reciprocal vectors.
    tolerance
        Largest cosine of a right angle.

    Returns
    -------
    axes
        (3, 3), right-handed, the last one along the outward normal; or None.
    """
    steps: Integers = np.array(list(itertools.product(range(_REACH, -_REACH - 1, -1), repeat=3)))
    steps = steps[np.gcd.reduce(steps, axis=1) == 1]
    heights = steps @ miller
    normal = _unit(np.linalg.solve(matrix, miller))
    upward = steps[(heights > 0) & (np.linalg.norm(np.cross(_unit(steps @ matrix), normal), axis=1) < tolerance)]
    level = steps[heights == 0]
    vectors = level @ matrix
    first, second = np.nonzero(np.abs(_unit(vectors) @ _unit(vectors).T) < tolerance)
    turn = np.cross(vectors[first], vectors[second]) @ normal
    first, second, areas = first[turn > 0], second[turn > 0], turn[turn > 0]
    if not len(upward) or not len(first):
        return None
    lengths = np.linalg.norm(vectors, axis=1)
    # rounded so that rounding errors do not decide; of equal candidates the first one is taken
    best = np.lexsort((np.round(lengths[first] + lengths[second], 6), np.round(areas, 6)))[0]
    return np.stack([level[first[best]], level[second[best]], upward[0]])


def _unit(vectors: NDArray[np.floating[Any]]) -> Floats:
    unit: Floats = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


def _refuse_wrong_distances(ceramic: CeramicRecipe, lattice: SlabSites) -> None:
    """Refuse ordered sites that are too close or too far apart, and other sites too close to them."""
    sites = enumerate(ceramic.structure.sites)
    ordered = [number for number, site in sites if site.species != ceramic.mobile and site.occupancy == 1]
    full = np.isin(lattice.sites, ordered)
    if full.sum() < 2:
        return
    tree = cKDTree(lattice.positions[full], boxsize=lattice.lengths)
    nearest = float(np.array(tree.query(lattice.positions[full], k=2)[0])[:, 1].min())
    low, high = _NEAREST
    a, b, c = ceramic.structure.parameters[:3]
    cell = f"ceramic.structure: with a = {a:g} Å, b = {b:g} Å, c = {c:g} Å and these coords"
    if not low <= nearest <= high:
        msg = f"{cell} immobile atoms are {nearest:.2f} Å apart, the nearest must be between {low} and {high} Å"
        raise ValueError(f"{msg} apart")
    distances: Floats = np.array(tree.query(lattice.positions[~full])[0])
    if len(distances) and distances.min() < low:
        site = lattice.sites[~full][distances.argmin()]
        species = ceramic.structure.sites[site].species
        msg = f"{cell} {species} of sites.{site} is {distances.min():.2f} Å from an immobile atom"
        raise ValueError(f"{msg}, it must be {low} Å at least")
