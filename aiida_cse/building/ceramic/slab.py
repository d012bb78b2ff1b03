"""Construction of the slab: cells of the crystal at the recipe's plane, filled with mobile ions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.ceramic.occupancy import draw_occupancy, site_counts, too_close
from aiida_cse.building.ceramic.surface import SlabSites, slab_sites
from aiida_cse.building.recipe import CeramicRecipe, Recipe
from aiida_cse.building.type_table import Chemistry, chemistry_of
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, SlabGeometry, System
from aiida_cse.schema import located

__all__ = ["SlabComposition", "build_slab", "check_slab", "slab_composition"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: random stream of the dopants, separate from that of the mobile ions
_DOPANTS = 1
#: largest number of sites for which a check draws the mobile ions; it takes half a second
_QUICK = 10_000


@dataclass(frozen=True)
class SlabComposition:
    """Number of ``atoms`` of each species of a slab, and its ``lengths`` Lx, Ly, Lz as built, Å."""

    atoms: dict[str, int]
    lengths: tuple[float, float, float]


def build_slab(recipe: Recipe) -> System:
    """Build the slab as a periodic bulk crystal whose cut plane is z = 0.

    The box is [0, Lx] × [0, Ly] × [0, Lz] and holds the recipe's cells without vacuum. Dopants are drawn at random
    on the partly occupied sites of immobile species, then mobile ions according to their site occupancies, in the
    number that makes the slab neutral. No two are closer than the recipe allows.

    Raises
    ------
    ValueError
        The crystal cannot be built, cut or made neutral; names the field of the recipe.
    """
    chemistry, ceramic = chemistry_of(recipe), recipe.ceramic
    lattice = slab_sites(ceramic)
    kept = _occupied(recipe, lattice, chemistry)
    type_of_site = np.array([chemistry.number(site.species) for site in ceramic.structure.sites], dtype=np.int64)
    types = type_of_site[lattice.sites[kept]]
    order = np.argsort(types, kind="stable")
    types = types[order]
    data = DataFile(
        box=np.column_stack([np.zeros(3), lattice.lengths]),
        masses=chemistry.masses,
        molecules=np.full(len(types), CERAMIC_MOLECULE, dtype=np.int64),
        types=types,
        charges=chemistry.charges[types - 1],
        positions=lattice.positions[kept][order],
        images=np.zeros((len(types), 3), dtype=np.int64),
        topology_types=dict(chemistry.topology_types),
    )
    framework = np.isin(types, [chemistry.number(species) for species in ceramic.framework])
    height = float(data.lengths[2])
    centre = np.average(data.positions[framework, 2], weights=data.masses[types[framework] - 1])
    return System.create(
        data,
        chemistry.forcefield,
        phase="slab",
        types=chemistry.types,
        slab=SlabGeometry(
            thickness=height,
            framework=ceramic.framework,
            midplane_offset=height / 2 - float(centre),
            lithium=int((types == chemistry.number(ceramic.mobile)).sum()),
        ),
        seeds=recipe.seeds.model_dump(),
        forcefield_names=chemistry.sources,
        forcefield_md5=chemistry.checksums,
        citations=chemistry.citations,
    )


def check_slab(recipe: Recipe) -> tuple[float, float]:
    """Return the edges Lx, Ly (Å) of the slab's cross-section, and refuse a slab that cannot be built.

    The mobile ions of a large slab are not drawn, because that takes too long for a check.

    Raises
    ------
    ValueError
        As :func:`build_slab`.
    """
    chemistry = chemistry_of(recipe)
    lattice = slab_sites(recipe.ceramic)
    if len(lattice.sites) <= _QUICK:
        _occupied(recipe, lattice, chemistry)
    lx, ly, _ = lattice.lengths.tolist()
    return lx, ly


def slab_composition(recipe: Recipe) -> SlabComposition:
    """Return the atoms and edges of the slab that :func:`build_slab` gives, without drawing its mobile ions.

    Raises
    ------
    ValueError
        As :func:`build_slab`, except where drawn ions are too close to each other.
    """
    ceramic, sites = recipe.ceramic, recipe.ceramic.structure.sites
    lattice = slab_sites(ceramic)
    places = np.bincount(lattice.sites, minlength=len(sites)).astype(np.int64)
    counts = np.array([0 if site.species == ceramic.mobile else n for site, n in zip(sites, places, strict=True)])
    drawn = [number for number, site in enumerate(sites) if site.occupancy < 1 and site.species != ceramic.mobile]
    if drawn:
        capacities, occupancies = _orbits(ceramic, lattice, drawn)
        counts[drawn] = np.rint(capacities * occupancies).astype(np.int64)
    atoms = dict.fromkeys(ceramic.species, 0)
    for site, count in zip(sites, counts.tolist(), strict=True):
        atoms[site.species] += count
    atoms[ceramic.mobile] = _neutral_count(ceramic, counts, chemistry_of(recipe))
    lx, ly, lz = lattice.lengths.tolist()
    return SlabComposition(atoms, (lx, ly, lz))


def _occupied(recipe: Recipe, lattice: SlabSites, chemistry: Chemistry) -> NDArray[np.bool_]:
    """Return a mask of the sites that hold an atom: all ordered ones, and those drawn of the others.

    Dopants are drawn first, then the mobile ions in the number that makes the slab neutral.
    """
    ceramic, sites, seed = recipe.ceramic, recipe.ceramic.structure.sites, recipe.seeds.slab
    mobile = [number for number, site in enumerate(sites) if site.species == ceramic.mobile]
    dopants = [number for number, site in enumerate(sites) if site.occupancy < 1 and number not in mobile]
    free, drawn = (np.isin(lattice.sites, numbers) for numbers in (mobile, dopants))
    kept: NDArray[np.bool_] = ~free
    if dopants:
        capacities, occupancies = _orbits(ceramic, lattice, dopants)
        counts = np.rint(capacities * occupancies).astype(np.int64)
        with located("ceramic.dopant_distance"):
            kept[drawn] = _draw(lattice, drawn, dopants, counts, ceramic.dopant_distance, (seed, _DOPANTS))
    needed = _neutral_count(ceramic, np.bincount(lattice.sites[kept], minlength=len(sites)), chemistry)
    with located("ceramic.structure.sites.occupancy"):
        counts = site_counts(*_orbits(ceramic, lattice, mobile), needed)
    free[free] = ~too_close(
        lattice.positions[free], lattice.positions[drawn & kept], lattice.lengths, ceramic.dopant_distance
    )
    with located("ceramic.min_distance"):
        kept[free] = _draw(lattice, free, mobile, counts, ceramic.min_distance, seed)
    return kept


def _orbits(ceramic: CeramicRecipe, lattice: SlabSites, numbers: Sequence[int]) -> tuple[Integers, Floats]:
    """Return the number of places of each of these sites in the slab, and the fraction that is occupied."""
    places = np.bincount(lattice.sites, minlength=len(ceramic.structure.sites))[list(numbers)]
    occupancies = np.array([ceramic.structure.sites[number].occupancy for number in numbers])
    return places.astype(np.int64), occupancies


def _draw(
    lattice: SlabSites,
    where: NDArray[np.bool_],
    numbers: Sequence[int],
    counts: Integers,
    distance: float,
    seed: int | Sequence[int],
) -> NDArray[np.bool_]:
    """Return the occupancy of the places ``where`` by ``counts`` ions of the sites ``numbers``."""
    groups = np.searchsorted(numbers, lattice.sites[where]).astype(np.int64)
    left = np.bincount(groups, minlength=len(numbers))
    for number, count, places in zip(numbers, counts, left, strict=True):
        if count > places:
            raise ValueError(f"{count} ions of site {number} do not fit on the {places} places left to them")
    return draw_occupancy(lattice.positions[where], lattice.lengths, groups, counts, distance, seed)


def _neutral_count(ceramic: CeramicRecipe, counts: Integers, chemistry: Chemistry) -> int:
    """Return the number of mobile ions that makes a slab with ``counts`` other atoms on each site neutral."""
    charges = {entry.label: entry.charge for entry in chemistry.types}
    of_site = np.array([charges[site.species] for site in ceramic.structure.sites])
    charge = charges[ceramic.mobile]
    needed = -float((of_site * counts).sum()) / charge
    if abs(needed - round(needed)) > 1e-6 or needed < 0:
        raise ValueError(
            f"ceramic.structure: no whole number of {ceramic.mobile} ({charge:+g} e) makes the slab neutral; "
            f"its other atoms have {-needed * charge:+g} e"
        )
    return round(needed)
