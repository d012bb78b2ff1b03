"""A landscape as a system: ions that do not see each other, and a few held atoms that say where the slab is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import constants

from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import WALL_MOLECULE, AtomType, SlabGeometry, System
from aiida_cse.landscape.model import ANION, CATION, Ions, Landscape
from aiida_cse.landscape.shape import Curve

__all__ = ["landscape_system"]

Floats = NDArray[np.float64]

#: Å; the cross-section is wide, so that LAMMPS has few neighbours to look for
EDGE = 80.0
#: held atoms of the framework in each of two layers, and their distance from the mid-plane, Å
FRAMEWORK, FRAMEWORK_AT = 4, 3.0
#: Å between the points of the table, and how far it reaches beyond the box: ions leave it until they are wrapped
SPACING, BEYOND = 0.1, 10.0
#: kcal/mol per K
_KCAL = constants.R / constants.calorie / 1000
_CHARGE = 0.7


def landscape_system(landscape: Landscape, ions: Ions, seed: int) -> System:
    """Return the system that LAMMPS is to run: ions at random places, off equilibrium.

    A share of the cations is spread over the slab's well and the rest over the electrolyte, both evenly, and so
    are the anions over their bulk. The force field has no pairs; tables of F act on the cations and on the anions,
    as those of a wall far outside. The framework has the molecule ID of a wall: what has it is not moved.
    """
    rng = np.random.default_rng(seed)
    half, end = landscape.half_thickness, landscape.box_half_length
    within = round(ions.cations * ions.inside)
    heights = np.concatenate(
        [
            np.repeat([-FRAMEWORK_AT, FRAMEWORK_AT], FRAMEWORK),
            rng.uniform(-half, half, within),
            _outside(rng, half + 7.0, end, ions.cations - within),
            _outside(rng, half + 9.0, end, ions.anions),
        ]
    )
    types = np.repeat([1, 2, 3], [2 * FRAMEWORK, ions.cations, ions.anions])
    table = _types(landscape, ions)
    data = DataFile(
        box=np.array([[0.0, EDGE], [0.0, EDGE], [-end, end]]),
        masses=np.array([entry.mass for entry in table]),
        molecules=np.where(types == 1, WALL_MOLECULE, np.cumsum(types > 1) + 1),
        types=types,
        charges=np.array([entry.charge for entry in table])[types - 1],
        positions=np.zeros((len(types), 3)),
        images=np.zeros((len(types), 3), dtype=np.int64),
    )
    data.set_unwrapped(np.column_stack([rng.uniform(0, EDGE, (len(types), 2)), heights]))
    return System.create(
        data,
        _forcefield(landscape),
        phase="interface",
        types=table,
        slab=SlabGeometry(thickness=2 * half, framework=("La",), midplane_offset=0.0, lithium=within),
        seeds={"landscape": seed},
    )


def _outside(rng: np.random.Generator, low: float, high: float, number: int) -> Floats:
    heights: Floats = rng.choice([-1.0, 1.0], number) * rng.uniform(low, high, number)
    return heights


def _types(landscape: Landscape, ions: Ions) -> tuple[AtomType, ...]:
    # neutral as a whole, as every system has to be
    anion = -_CHARGE * ions.cations / ions.anions
    return (
        AtomType(label="La", element="La", mass=138.905, charge=0.0, phase="ceramic", species="La"),
        AtomType(label=CATION, element="Li", mass=landscape.mass, charge=_CHARGE, phase="both", species=CATION),
        AtomType(label="N", element="N", mass=14.007, charge=anion, phase="electrolyte", species=ANION),
    )


def _forcefield(landscape: Landscape) -> str:
    lines = [
        "pair_style zero ${cutoff} nocoeff",
        "pair_coeff * *",
        *_table(CATION, 2, landscape.cation, landscape.box_half_length),
        *_table(ANION, 3, landscape.anion, landscape.box_half_length),
    ]
    return "\n".join(lines) + "\n"


def _table(name: str, atom_type: int, curve: Curve, end: float) -> list[str]:
    """Return the commands that write a table of F and let it act on one type."""
    z = np.arange(-end - BEYOND, end + BEYOND + SPACING / 2, SPACING)
    # beyond the box the bulk goes on: its other side
    inside = (z + end) % (2 * end) - end
    energies, forces = curve.free_energy(inside) * _KCAL, -curve.slope(inside) * _KCAL
    distances = z - z[0] + SPACING
    rows = [
        f"{number} {distance:.10g} {energy:.12g} {force:.12g}"
        for number, (distance, energy, force) in enumerate(zip(distances, energies, forces, strict=True), 1)
    ]
    key, wall = f"landscape_{name}", z[0] - SPACING
    return [
        # LAMMPS leaves out an empty line here and needs one before the rows: any other word does
        f'print """# F of {name} along z\n{key}\nN {len(rows)}\n-',
        *rows,
        f'""" file {key}.table screen no',
        f"group {key} type {atom_type}",
        f"fix {key} {key} wall/table spline {10 * len(rows)} zlo {wall:.10g} {key}.table {key} "
        f"{distances[-1]:.10g} units box pbc yes",
        f"fix_modify {key} energy yes",
    ]
