"""Transfer of cations between the salt and the slab, so that a run starts with too many or too few ions in it.

Two runs that begin with too many and with too few ions in the ceramic, spread over its depth, and end alike have
equilibrated; a single run cannot exclude a process slower than itself (docs/science/stopping.md). Only positions
and molecule IDs change. The system stays neutral, and N(Li excess) still refers to the slab without excess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aiida_cse.building.ceramic.surface import slab_sites
from aiida_cse.building.recipe import CeramicRecipe
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, SlabGeometry, System
from aiida_cse.reduction.layers import SURFACE_OFFSETS

__all__ = [
    "LEAST_GAP",
    "cations_in_slab",
    "excess_error",
    "population_deviation",
    "refused_excess",
    "transfer_cations",
    "vacant_sites",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: standard deviations of N between two starts at the beginning of production, from the cost of the two-start
#: criterion in simulated plain systems, and those by default at the assembly, of which the relaxation takes some
LEAST_GAP, DEFAULT_GAP = 8.0, 10.0
#: largest share of the cations that the slab can lose and keep its crystal; lithium garnets have 3 to 7 Li per
#: formula unit (Cussen, J. Mater. Chem. 20, 5167 (2010))
_MOST_OF_SLAB = 0.5
#: Å; shortest distances to the cations and to the anions of the ceramic, of a site and of a void without a site.
#: Equilibrated ions repel each other out of their sites, so that a site without an ion has neighbours at 1.5 to
#: 2 Å, which give way in the minimisation
_OF_SITES, _OF_VOIDS = (1.5, 1.4), (1.8, 1.8)
#: Å; shortest distance to any atom of the electrolyte
_TO_MOLECULES = 2.0
#: Å; shortest distances between two ions that are put into the slab, and into the electrolyte
_APART_IN_SLAB, _APART_IN_ELECTROLYTE = 2.2, 3.0
#: Å; distance from the surface planes at which the ceramic's region ends
_BEYOND_SLAB = SURFACE_OFFSETS["Li"].inner
#: spacing (Å) of the points among which voids of the slab are sought, and number of those in the electrolyte
_SPACING, _POINTS = 0.5, 60_000
#: Å; median distance of the framework to its sites beyond which the crystal is another one
_OTHER_CRYSTAL = 0.7


def transfer_cations(interface: System, excess: int, seed: int, ceramic: CeramicRecipe | None = None) -> System:
    """Return the assembled interface with ``excess`` cations moved from the salt into the slab, or out of it.

    Cations of the salt, drawn at random, are put on vacant sites of the slab; or cations of the slab are put into
    voids of the electrolyte. Both are drawn evenly over the slab's depth. A cation that enters the slab gets its
    molecule ID, so that it is held where the ceramic is held; one that leaves becomes a molecule of its own.

    Parameters
    ----------
    interface
        Slab and electrolyte as joined, the slab's mid-plane at z = 0.
    excess
        Number of cations to put into the slab; below zero, to take out of it.
    seed
        Seed of the draw.
    ceramic
        The slab's recipe, whose sites of the mobile ion are used; without it, voids of the slab.

    Raises
    ------
    ValueError
        ``excess`` is no whole number; there are fewer cations, vacant sites or voids than that; more than half of
        the slab's cations would leave it; the cations of salt and ceramic are of different types; or the recipe is
        that of another crystal.
    """
    if isinstance(excess, bool) or not isinstance(excess, int | np.integer):
        raise ValueError(f"initial_excess = {excess!r}: must be a whole number of cations")
    if excess == 0:
        return interface
    data, geometry = interface.data, interface.info.slab
    place = f"initial_excess = {excess}"
    if geometry is None:
        raise ValueError(f"{place}: a system of phase {interface.info.phase!r} has no slab; give an interface")
    cations = [number for number, entry in enumerate(interface.info.types, 1) if entry.phase == "both"]
    if len(cations) != 1:
        raise ValueError(
            f"{place}: cations of ceramic and salt have {len(cations)} types, so that an ion which changes phase"
            " keeps the wrong potential; give forcefield.lithium = one"
        )
    if error := excess_error(interface, interface, excess):
        raise ValueError(error)
    rng = np.random.default_rng(seed)
    of_slab = (data.types == cations[0]) & (data.molecules == CERAMIC_MOLECULE)
    of_salt = (data.types == cations[0]) & (data.molecules != CERAMIC_MOLECULE)
    positions, images, molecules = data.positions.copy(), data.images.copy(), data.molecules.copy()
    number = abs(excess)
    if excess > 0:
        moved = rng.choice(np.flatnonzero(of_salt), size=number, replace=False)
        places, apart, what = vacant_sites(interface, ceramic), _APART_IN_SLAB, "vacant sites in the slab"
        heights = places[:, 2]
        molecules[moved] = CERAMIC_MOLECULE
    else:
        slab = np.flatnonzero(of_slab)
        moved = slab[_spread(positions[slab], positions[slab, 2], data.lengths, number, 0.0, rng)]
        places, apart, what = _voids_of_electrolyte(interface), _APART_IN_ELECTROLYTE, "voids in the electrolyte"
        # the electrolyte lies across the end of the box
        heights = np.mod(places[:, 2], data.lengths[2])
        molecules[moved] = molecules.max() + 1 + np.arange(number)
    chosen = _spread(places, heights, data.lengths, number, apart, rng)
    if len(chosen) < number:
        raise ValueError(
            f"{place}: only {len(chosen)} {what} are at least {apart:g} Å apart and far enough from other atoms;"
            " give a smaller number"
        )
    positions[moved], images[moved] = places[chosen], 0
    return interface.evolved(
        replace(data, positions=positions, images=images, molecules=molecules),
        seeds={"initial_excess": seed},
        initial_excess=interface.info.initial_excess + excess,
    )


def excess_error(ceramic: System, electrolyte: System, excess: int) -> str | None:
    """Return the error of an excess that exceeds the cations of the salt or half of those of the slab, or None.

    ``ceramic`` and ``electrolyte`` are the two phases; the interface takes the place of either.
    """
    types = [number for number, entry in enumerate(ceramic.info.types, 1) if entry.phase == "both"]
    label = ceramic.info.types[types[0] - 1].label if types else "cation"
    of_slab, of_salt = (
        int((np.isin(system.data.types, types) & ((system.data.molecules == CERAMIC_MOLECULE) == inside)).sum())
        for system, inside in ((ceramic, True), (electrolyte, False))
    )
    return refused_excess(excess, label, in_slab=of_slab, in_salt=of_salt)


def refused_excess(excess: int, label: str, *, in_slab: int, in_salt: int) -> str | None:
    """Return the error of an excess of cations ``label`` for the numbers in slab and salt, or None."""
    if excess > in_salt:
        return f"initial_excess = {excess}: the salt has {in_salt} {label}; give at most {in_salt}"
    if -excess > (most := int(in_slab * _MOST_OF_SLAB)):
        return (
            f"initial_excess = {excess}: the slab has {in_slab} {label}, and its crystal would change without "
            f"more than half of them; give at least {-most}"
        )
    return None


def population_deviation(pairs: int) -> float:
    """Return the largest standard deviation of the number of cations in the slab, of a salt of ``pairs``.

    Independent ions that are in the slab with probability p have the variance n p (1 − p), at most n / 4. Ions
    that repel each other have less.
    """
    return math.sqrt(pairs) / 2


def cations_in_slab(interface: System) -> int:
    """Return the number of cations in the region of the ceramic, around the present mid-plane of the slab.

    Raises
    ------
    ValueError
        The system has no slab.
    """
    info, data, slab = interface.info, interface.data, interface.info.slab
    if slab is None:
        raise ValueError(f"a system of phase '{info.phase}' has no slab whose cations could be counted")
    framework = np.isin(data.types, info.type_numbers(labels=slab.framework))
    masses = np.array([entry.mass for entry in info.types])[data.types - 1]
    middle = np.average(data.unwrapped[framework, 2], weights=masses[framework]) + slab.midplane_offset
    cations = np.isin(data.types, [number for number, entry in enumerate(info.types, 1) if entry.phase == "both"])
    heights = data.positions[cations, 2] - middle
    heights -= data.lengths[2] * np.round(heights / data.lengths[2])
    return int((np.abs(heights) < slab.thickness / 2 + _BEYOND_SLAB).sum())


# -- places ----------------------------------------------------------------------------------------------


def vacant_sites(interface: System, ceramic: CeramicRecipe | None = None) -> Floats:
    """Return the sites (M, 3) Å in the slab that are free for another cation.

    They are the sites of the recipe's mobile ion, whether they were occupied as built or not, at least 1.5 Å from
    each cation; without a recipe, points of a grid in the slab's voids, at least 1.8 Å from each atom. Places that
    are close exclude one another.
    """
    data, geometry = interface.data, interface.info.slab
    assert geometry is not None
    if ceramic is None:
        places = _grid(interface, [(-geometry.thickness / 2, geometry.thickness / 2)], _SPACING)
        to_cations, to_anions = _OF_VOIDS
    else:
        places = _sites_of_mobile(interface, geometry, ceramic)
        to_cations, to_anions = _OF_SITES
    solid = np.array([entry.phase != "electrolyte" for entry in interface.info.types])[data.types - 1]
    cations, anions = solid & (data.charges > 0), solid & (data.charges <= 0)
    for atoms, distance in ((cations, to_cations), (anions, to_anions), (~solid, _TO_MOLECULES)):
        places = _far_from(interface, atoms, places, distance)
    return places


def _sites_of_mobile(interface: System, geometry: SlabGeometry, ceramic: CeramicRecipe) -> Floats:
    """Return all sites of the mobile ion in the frame of the slab, whose cut scales coordinates with its edges."""
    data, lattice = interface.data, slab_sites(ceramic)
    edges = np.array([*data.lengths[:2], geometry.thickness])
    places = lattice.positions * (edges / lattice.lengths)
    places += [data.box[0, 0], data.box[1, 0], -geometry.thickness / 2]
    species = np.array([site.species for site in ceramic.structure.sites])[lattice.sites]
    framework = np.isin(data.types, interface.info.type_numbers(labels=geometry.framework))
    framework &= data.molecules == CERAMIC_MOLECULE
    sites_of_framework = places[np.isin(species, geometry.framework)]
    off = float(np.median(_distances(interface, sites_of_framework, data.positions[framework])))
    if np.isin(species, geometry.framework).sum() != framework.sum() or off > _OTHER_CRYSTAL:
        raise ValueError(
            f"recipe.ceramic: its crystal is not that of the slab, whose framework is {off:.1f} Å from its sites"
            " (median); give the recipe from which the slab was built"
        )
    sites: Floats = places[species == ceramic.mobile]
    return sites


def _voids_of_electrolyte(interface: System) -> Floats:
    """Return the points (M, 3) Å of a grid in the electrolyte that are at least 2 Å from each atom."""
    data, geometry = interface.data, interface.info.slab
    assert geometry is not None
    start = geometry.thickness / 2 + _BEYOND_SLAB
    low, high = data.box[2]
    volume = data.lengths[0] * data.lengths[1] * (data.lengths[2] - 2 * start)
    spacing = max(_SPACING, (max(volume, 0.0) / _POINTS) ** (1 / 3))
    places = _grid(interface, [(low, -start), (start, high)], spacing)
    return _far_from(interface, np.ones(data.natoms, dtype=np.bool_), places, _TO_MOLECULES)


def _grid(interface: System, ranges: Sequence[tuple[float, float]], spacing: float) -> Floats:
    """Return points (M, 3) about ``spacing`` Å apart in the box within ranges of z, Å."""
    parts = []
    for heights in ranges:
        axes = []
        for start, end in (*interface.data.box[:2], heights):
            count = max(0, math.ceil((end - start) / spacing))
            axes.append(start + (np.arange(count) + 0.5) * (end - start) / max(count, 1))
        parts.append(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3))
    return np.vstack(parts)


def _far_from(interface: System, atoms: Mask, places: Floats, distance: float) -> Floats:
    """Return the places (M, 3) that are at least ``distance`` Å from each of these atoms (N,)."""
    if not atoms.any() or not len(places):
        return places
    return places[np.isinf(_distances(interface, interface.data.positions[atoms], places, distance))]


def _distances(interface: System, points: Floats, places: Floats, most: float = np.inf) -> Floats:
    """Return the distance (M,) of each place (M, 3) to the nearest point (N, 3) through the periodic box, Å.

    Infinite where it exceeds ``most``, Å.
    """
    low, lengths = interface.data.box[:, 0], interface.data.lengths
    folded = [np.mod(positions - low, lengths) for positions in (points, places)]
    # the remainder of a tiny negative number is rounded to the length itself
    near, there = (np.where(positions >= lengths, 0.0, positions) for positions in folded)
    found: Floats = np.asarray(cKDTree(near, boxsize=lengths).query(there, distance_upper_bound=most)[0])
    return found


def _spread(
    places: Floats, heights: Floats, lengths: Floats, number: int, apart: float, rng: np.random.Generator
) -> Integers:
    """Return the indices of up to ``number`` places, each near a random height in one of as many equal ranges.

    ``heights`` (M,) Å are those of the ``places`` (M, 3) Å. Of places at equal height each is equally likely. No
    two are closer than ``apart`` Å in the periodic box with edges ``lengths`` (3,).
    """
    chosen: list[int] = []
    left = rng.permutation(len(places))
    low, high = (heights.min(), heights.max()) if len(places) else (0.0, 0.0)
    for height in rng.permutation(low + (high - low) * (np.arange(number) + rng.random(number)) / number):
        if not len(left):
            break
        one = int(left[np.argmin(np.abs(heights[left] - height))])
        spans = places[left] - places[one]
        distances = np.linalg.norm(spans - np.round(spans / lengths) * lengths, axis=1)
        left = left[(distances >= apart) & (left != one)]
        chosen.append(one)
    return np.array(chosen, dtype=np.int64)
