"""The slab: the unit cells of a crystal, cut at the recipe's plane and filled with mobile ions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.chemistry import Chemistry, chemistry_of
from aiida_cse.building.decoration import decorate, site_counts
from aiida_cse.building.recipe import CeramicRecipe, Recipe
from aiida_cse.lammps.datafile import DataFile
from aiida_cse.lammps.system import CERAMIC_MOLECULE, SlabGeometry, System

__all__ = ["build_slab"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: no atom may lie closer to the cut plane (Å): which side it belongs to would be a rounding error
_CLEARANCE = 1e-4


@dataclass(frozen=True)
class _Lattice:
    """All sites of the slab, occupied or not: (N, 3) Å, the recipe's site number (N,), box edges (3,) Å."""

    positions: Floats
    sites: Integers
    lengths: Floats


def build_slab(recipe: Recipe) -> System:
    """Build the slab as a periodic bulk crystal whose cut plane is z = 0.

    The box is [0, Lx] × [0, Ly] × [0, Lz] and holds the recipe's cells without vacuum. Mobile ions are drawn
    at random at the site occupancies, in the exact number that makes the slab neutral, no two closer than
    ``ceramic.min_distance``.

    Raises
    ------
    ValueError
        The crystal cannot be built, cut or made neutral; names the field of the recipe.
    """
    chemistry = chemistry_of(recipe)
    lattice = _lattice(recipe.ceramic)
    _refuse_atoms_in_plane(recipe.ceramic, lattice)
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
        citations=chemistry.citations,
    )


# -- crystal and cut -----------------------------------------------------------------------------------


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
        msg = f"ceramic.structure: no crystal of space group {structure.spacegroup!r}: {error}"
        raise ValueError(msg) from error


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


def _refuse_atoms_in_plane(ceramic: CeramicRecipe, lattice: _Lattice) -> None:
    z, height = lattice.positions[:, 2], lattice.lengths[2]
    nearest = float(np.minimum(z, height - z).min())
    if nearest < _CLEARANCE:
        msg = f"ceramic.shift: the cut at {ceramic.shift} passes through atoms ({nearest:.1e} Å); move it a little"
        raise ValueError(msg)


# -- mobile ions ---------------------------------------------------------------------------------------


def _occupied(recipe: Recipe, lattice: _Lattice, chemistry: Chemistry) -> NDArray[np.bool_]:
    """Return which sites hold an atom: all immobile ones, and the mobile ones that the draw chose."""
    sites = recipe.ceramic.structure.sites
    groups = [number for number, site in enumerate(sites) if site.species == recipe.ceramic.mobile]
    mobile = np.isin(lattice.sites, groups)
    local = np.searchsorted(groups, lattice.sites[mobile])
    needed = _neutral_count(recipe.ceramic, lattice, mobile, chemistry)
    try:
        counts = site_counts(
            np.bincount(local, minlength=len(groups)), np.array([sites[g].occupancy for g in groups]), needed
        )
    except ValueError as error:
        msg = f"ceramic.structure.sites: occupancy: {error}"
        raise ValueError(msg) from error
    kept = ~mobile
    kept[mobile] = decorate(
        lattice.positions[mobile],
        lattice.lengths,
        local.astype(np.int64),
        counts,
        recipe.ceramic.min_distance,
        recipe.seeds.slab,
    )
    return kept


def _neutral_count(
    ceramic: CeramicRecipe, lattice: _Lattice, mobile: NDArray[np.bool_], chemistry: Chemistry
) -> int:
    of_site = np.array([chemistry.types[n - 1].charge for n in _type_of_site(ceramic, chemistry)])
    charge = chemistry.types[chemistry.number(ceramic.mobile) - 1].charge
    needed = -float(of_site[lattice.sites[~mobile]].sum()) / charge
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
