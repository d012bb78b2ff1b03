"""The slab: the unit cells of a crystal, cut at the recipe's plane and filled with mobile ions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aiida_cse.building.chemistry import Chemistry, chemistry_of
from aiida_cse.building.decoration import blocked, decorate, site_counts
from aiida_cse.building.recipe import CeramicRecipe, Recipe
from aiida_cse.lammps.datafile import DataFile
from aiida_cse.lammps.system import CERAMIC_MOLECULE, SlabGeometry, System
from aiida_cse.validation import located

__all__ = ["MOST_ATOMS", "build_slab", "check_slab"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: no atom may lie closer to the cut plane (Å): which side it belongs to would be a rounding error
_CLEARANCE = 1e-4
#: the draw of the dopants has a stream of its own beside the one of the mobile ions
_DOPANTS = 1
#: Å; how near the nearest immobile atoms of a crystal are, from a C-H bond to the metal atoms of a salt
_NEAREST = (0.9, 4.5)
#: sites of a slab, or atoms of an electrolyte; more are an error of input
MOST_ATOMS = 5_000_000
#: up to this many sites a check draws the mobile ions as well; that takes half a second
_QUICK = 10_000


@dataclass(frozen=True)
class _Lattice:
    """All sites of the slab, occupied or not: (N, 3) Å, the recipe's site number (N,), box edges (3,) Å."""

    positions: Floats
    sites: Integers
    lengths: Floats


def build_slab(recipe: Recipe) -> System:
    """Build the slab as a periodic bulk crystal whose cut plane is z = 0.

    The box is [0, Lx] × [0, Ly] × [0, Lz] and holds the recipe's cells without vacuum. Dopants are drawn at
    random on the partly occupied sites of immobile species, then mobile ions at their site occupancies, in the
    exact number that makes the slab neutral; none is closer to another than the recipe allows.

    Raises
    ------
    ValueError
        The crystal cannot be built, cut or made neutral; names the field of the recipe.
    """
    chemistry = chemistry_of(recipe)
    lattice = _checked_lattice(recipe.ceramic)
    kept = _occupied(recipe, lattice, chemistry)
    data = _data(recipe.ceramic, lattice, kept, chemistry)
    return System.create(
        data,
        chemistry.forcefield,
        phase="slab",
        types=chemistry.types,
        slab=_geometry(recipe.ceramic, data, chemistry),
        seeds=recipe.seeds.model_dump(),
        forcefield_names=chemistry.sources,
        forcefield_md5=chemistry.checksums,
        citations=chemistry.citations,
    )


def check_slab(recipe: Recipe) -> tuple[float, float]:
    """Return the edges Lx, Ly (Å) of the slab's cross-section, if the slab can be built.

    The ions of a large slab are not drawn for this.

    Raises
    ------
    ValueError
        As :func:`build_slab`.
    """
    chemistry = chemistry_of(recipe)
    lattice = _checked_lattice(recipe.ceramic)
    if len(lattice.sites) <= _QUICK:
        _occupied(recipe, lattice, chemistry)
    lx, ly, _ = lattice.lengths.tolist()
    return lx, ly


# -- crystal and cut -----------------------------------------------------------------------------------


def _checked_lattice(ceramic: CeramicRecipe) -> _Lattice:
    lattice = _lattice(ceramic)
    _refuse_wrong_distances(ceramic, lattice)
    _refuse_atoms_in_plane(ceramic, lattice)
    return lattice


def _crystal(ceramic: CeramicRecipe) -> Any:
    from pymatgen.core.composition import Composition
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    structure = ceramic.structure
    try:
        return Structure.from_spacegroup(
            structure.spacegroup,
            Lattice.cubic(structure.a),
            [Composition({site.species: site.occupancy}) for site in structure.sites],
            [list(site.coords) for site in structure.sites],
            site_properties={"site": list(range(len(structure.sites)))},
        )
    except ValueError as error:
        msg = f"ceramic.structure.spacegroup: no crystal of {structure.spacegroup!r}: {error}"
        raise ValueError(f"{msg}; give the Hermann-Mauguin symbol of a cubic group, such as 'Ia-3d'") from error


def _lattice(ceramic: CeramicRecipe) -> _Lattice:
    from pymatgen.core.surface import SlabGenerator

    nx, ny, nz = ceramic.repeat
    generator = SlabGenerator(
        _crystal(ceramic),
        ceramic.miller,
        min_slab_size=nz,
        min_vacuum_size=0,
        in_unit_planes=True,
        primitive=False,
        center_slab=False,
    )
    slab = generator.get_slab(shift=ceramic.shift)
    if not np.allclose(slab.lattice.angles, 90.0, atol=1e-6):
        angles = ", ".join(f"{angle:.2f}" for angle in slab.lattice.angles)
        msg = f"ceramic.miller: the surface cell of {ceramic.miller} is not orthogonal (angles {angles})"
        raise ValueError(f"{msg}; choose a plane with right angles, such as (1, 0, 0)")
    if nx * ny * len(slab) > MOST_ATOMS:
        msg = f"ceramic.repeat: {ceramic.repeat} makes {nx * ny * len(slab)} sites, at most {MOST_ATOMS} are taken"
        raise ValueError(msg)
    fractions = np.round(slab.frac_coords, 12)
    if np.linalg.det(slab.lattice.matrix) < 0:  # else a left-handed cell would mirror the crystal
        fractions[:, 0] *= -1
    if ceramic.flip:
        fractions[:, 1:] *= -1
    lengths = np.array(slab.lattice.abc)
    positions = np.mod(fractions, 1.0) * lengths
    shifts = np.array([(i, j, 0) for i in range(nx) for j in range(ny)]) * lengths
    return _Lattice(
        positions=(shifts[:, None, :] + positions).reshape(-1, 3),
        sites=np.tile(np.array(slab.site_properties["site"], dtype=np.int64), len(shifts)),
        lengths=lengths * (nx, ny, 1),
    )


def _refuse_wrong_distances(ceramic: CeramicRecipe, lattice: _Lattice) -> None:
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


def _refuse_atoms_in_plane(ceramic: CeramicRecipe, lattice: _Lattice) -> None:
    z, height = lattice.positions[:, 2], lattice.lengths[2]
    nearest = float(np.minimum(z, height - z).min())
    if nearest < _CLEARANCE:
        msg = f"ceramic.shift: the cut at {ceramic.shift} passes through atoms ({nearest:.1e} Å); move it a little"
        raise ValueError(msg)


# -- disorder ------------------------------------------------------------------------------------------


def _occupied(recipe: Recipe, lattice: _Lattice, chemistry: Chemistry) -> NDArray[np.bool_]:
    """Return which sites hold an atom: the ordered ones, and of the others those that the draw chose.

    Dopants are drawn first; then the mobile ions, in the number that makes the slab neutral.
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
    needed = _neutral_count(ceramic, lattice, kept, chemistry)
    with located("ceramic.structure.sites: occupancy"):
        counts = site_counts(*_orbits(ceramic, lattice, mobile), needed)
    free[free] = ~blocked(
        lattice.positions[free], lattice.positions[drawn & kept], lattice.lengths, ceramic.dopant_distance
    )
    with located("ceramic.min_distance"):
        kept[free] = _draw(lattice, free, mobile, counts, ceramic.min_distance, seed)
    return kept


def _orbits(ceramic: CeramicRecipe, lattice: _Lattice, numbers: Sequence[int]) -> tuple[Integers, Floats]:
    """Return how many places each of these sites has in the slab, and the part of them that is occupied."""
    places = np.bincount(lattice.sites, minlength=len(ceramic.structure.sites))[list(numbers)]
    occupancies = np.array([ceramic.structure.sites[number].occupancy for number in numbers])
    return places.astype(np.int64), occupancies


def _draw(
    lattice: _Lattice,
    where: NDArray[np.bool_],
    numbers: Sequence[int],
    counts: Integers,
    distance: float,
    seed: int | Sequence[int],
) -> NDArray[np.bool_]:
    """Draw ``counts`` ions of the sites ``numbers`` on their places ``where``."""
    groups = np.searchsorted(numbers, lattice.sites[where]).astype(np.int64)
    left = np.bincount(groups, minlength=len(numbers))
    for number, count, places in zip(numbers, counts, left, strict=True):
        if count > places:
            msg = f"{count} ions of site {number} do not fit on the {places} places left to them"
            raise ValueError(msg)
    return decorate(lattice.positions[where], lattice.lengths, groups, counts, distance, seed)


def _neutral_count(
    ceramic: CeramicRecipe, lattice: _Lattice, kept: NDArray[np.bool_], chemistry: Chemistry
) -> int:
    of_site = np.array([chemistry.types[n - 1].charge for n in _type_of_site(ceramic, chemistry)])
    charge = chemistry.types[chemistry.number(ceramic.mobile) - 1].charge
    needed = -float(of_site[lattice.sites[kept]].sum()) / charge
    if abs(needed - round(needed)) > 1e-6 or needed < 0:
        msg = (
            f"ceramic.structure: no whole number of {ceramic.mobile} ({charge:+g} e) makes the slab neutral; "
            f"its other atoms have {-needed * charge:+g} e"
        )
        raise ValueError(msg)
    return round(needed)


def _type_of_site(ceramic: CeramicRecipe, chemistry: Chemistry) -> Integers:
    return np.array([chemistry.number(site.species) for site in ceramic.structure.sites], dtype=np.int64)


# -- the system ----------------------------------------------------------------------------------------


def _data(ceramic: CeramicRecipe, lattice: _Lattice, kept: NDArray[np.bool_], chemistry: Chemistry) -> DataFile:
    types = _type_of_site(ceramic, chemistry)[lattice.sites[kept]]
    order = np.argsort(types, kind="stable")
    types = types[order]
    return DataFile(
        box=np.column_stack([np.zeros(3), lattice.lengths]),
        masses=chemistry.masses,
        molecules=np.full(len(types), CERAMIC_MOLECULE, dtype=np.int64),
        types=types,
        charges=chemistry.charges[types - 1],
        positions=lattice.positions[kept][order],
        images=np.zeros((len(types), 3), dtype=np.int64),
        topology_types=dict(chemistry.topology_types),
    )


def _geometry(ceramic: CeramicRecipe, data: DataFile, chemistry: Chemistry) -> SlabGeometry:
    numbers = [chemistry.number(species) for species in ceramic.framework]
    framework = np.isin(data.types, numbers)
    height = float(data.lengths[2])
    centre = np.average(data.positions[framework, 2], weights=data.masses[data.types[framework] - 1])
    return SlabGeometry(
        thickness=height,
        framework=ceramic.framework,
        midplane_offset=height / 2 - float(centre),
        lithium=int((data.types == chemistry.number(ceramic.mobile)).sum()),
    )
