"""The plane of a cut: the sites of the slab in a box at right angles, the plane at its ends along z."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aiida_cse.building.crystal import pymatgen_crystal
from aiida_cse.building.recipe import CeramicRecipe

__all__ = ["MOST_ATOMS", "SlabSites", "right_angled_axes", "slab_sites"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: sites of a slab, or atoms of an electrolyte; more are an error of input
MOST_ATOMS = 5_000_000
#: no atom may lie closer to the cut plane (Å): which side it belongs to would be a rounding error
_CLEARANCE = 1e-4
#: Å; how near the nearest immobile atoms of a crystal are, from a C-H bond to the metal atoms of a salt
_NEAREST = (0.9, 4.5)
#: cosine of an angle that is a right one
_RIGHT = 1e-6
#: lattice vectors are tried up to so many steps along each axis of the cell
_REACH = 12


@dataclass(frozen=True)
class SlabSites:
    """All sites of the slab, occupied or not: (N, 3) Å, the recipe's site number (N,), box edges (3,) Å."""

    positions: Floats
    sites: Integers
    lengths: Floats


def slab_sites(ceramic: CeramicRecipe) -> SlabSites:
    """Return the sites of the recipe's cells, its plane at z = 0 and at the upper end of the box.

    Raises
    ------
    ValueError
        The crystal has no cell with right angles on this plane, atoms lie in the plane, or immobile atoms lie too
        near or too far from each other; names the field of the recipe.
    """
    crystal = pymatgen_crystal(ceramic.structure)
    nx, ny, nz = ceramic.repeat
    axes = _axes(ceramic, crystal.lattice.matrix)
    number = round(abs(np.linalg.det(axes))) * len(crystal) * nx * ny * nz
    if number > MOST_ATOMS:
        msg = f"ceramic.repeat: {ceramic.repeat} makes {number} sites, at most {MOST_ATOMS} are taken"
        raise ValueError(msg)
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
    _refuse_atoms_in_plane(ceramic, sites)
    return sites


def _axes(ceramic: CeramicRecipe, matrix: Floats) -> Integers:
    axes = right_angled_axes(matrix, ceramic.miller)
    if axes is None:
        msg = (
            f"ceramic.miller: on {ceramic.miller} this crystal has no cell with right angles that is shorter than"
            f" {_REACH} cells; choose another plane, such as (1, 0, 0) of a cubic crystal"
        )
        raise ValueError(msg)
    return axes


def right_angled_axes(matrix: Floats, miller: tuple[int, int, int]) -> Integers | None:
    """Return lattice vectors at right angles, two in a plane and one along its normal, in units of a cell's.

    Of all there are the plane's are those of the smallest area, then the shortest; a box with these edges repeats
    the crystal without strain. None if there are none within 12 cells, as in most planes of oblique crystals.

    Parameters
    ----------
    matrix
        (3, 3), the cell's vectors as rows, Å.
    miller
        The plane, in units of the cell's reciprocal vectors.

    Returns
    -------
    axes
        (3, 3), right-handed, the last one along the outward normal; or None.
    """
    steps: Integers = np.array(list(itertools.product(range(_REACH, -_REACH - 1, -1), repeat=3)))
    steps = steps[np.gcd.reduce(steps, axis=1) == 1]
    heights = steps @ miller
    normal = _unit(np.linalg.solve(matrix, miller))
    upward = steps[(heights > 0) & (np.linalg.norm(np.cross(_unit(steps @ matrix), normal), axis=1) < _RIGHT)]
    level = steps[heights == 0]
    vectors = level @ matrix
    first, second = np.nonzero(np.abs(_unit(vectors) @ _unit(vectors).T) < _RIGHT)
    turn = np.cross(vectors[first], vectors[second]) @ normal
    first, second, areas = first[turn > 0], second[turn > 0], turn[turn > 0]
    if not len(upward) or not len(first):
        return None
    lengths = np.linalg.norm(vectors, axis=1)
    # rounding takes no part in the choice; among equals it falls on the first, as the steps are ordered
    best = np.lexsort((np.round(lengths[first] + lengths[second], 6), np.round(areas, 6)))[0]
    return np.stack([level[first[best]], level[second[best]], upward[0]])


def _unit(vectors: NDArray[np.floating[Any]]) -> Floats:
    unit: Floats = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


def _refuse_wrong_distances(ceramic: CeramicRecipe, lattice: SlabSites) -> None:
    sites = enumerate(ceramic.structure.sites)
    ordered = [number for number, site in sites if site.species != ceramic.mobile and site.occupancy == 1]
    positions = lattice.positions[np.isin(lattice.sites, ordered)]
    if len(positions) < 2:
        return
    distances: Floats = np.array(cKDTree(positions, boxsize=lattice.lengths).query(positions, k=2)[0])
    nearest = float(distances[:, 1].min())
    if not _NEAREST[0] <= nearest <= _NEAREST[1]:
        low, high = _NEAREST
        msg = (
            f"ceramic.structure: with a = {ceramic.structure.a:g} Å and these coords immobile atoms are"
            f" {nearest:.2f} Å apart, the nearest must be between {low} and {high} Å apart"
        )
        raise ValueError(msg)


def _refuse_atoms_in_plane(ceramic: CeramicRecipe, lattice: SlabSites) -> None:
    z, height = lattice.positions[:, 2], lattice.lengths[2]
    nearest = float(np.minimum(z, height - z).min())
    if nearest < _CLEARANCE:
        msg = f"ceramic.shift: the cut at {ceramic.shift} passes through atoms ({nearest:.1e} Å); move it a little"
        raise ValueError(msg)
