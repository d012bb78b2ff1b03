"""System of a landscape: ions that do not interact, and held framework atoms that define the slab."""

from __future__ import annotations

import numpy as np
from scipy import constants

from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import WALL_MOLECULE, AtomType, SlabGeometry, System
from aiida_cse.landscape.model import ANION, CATION, Curve, Ions, Landscape

__all__ = ["landscape_system"]

#: Å; a wide cross-section keeps neighbour lists short
EDGE = 80.0
#: framework atoms in each of two layers, and the distance of the layers from the mid-plane, Å
FRAMEWORK, FRAMEWORK_AT = 4, 3.0
#: Å; grid spacing of the tables, and their extension beyond the box, which ions may leave between wrappings
SPACING, BEYOND = 0.1, 10.0
#: kcal/mol per K
_KCAL = constants.R / constants.calorie / 1000
_CHARGE = 0.7


def landscape_system(landscape: Landscape, ions: Ions, seed: int) -> System:
    """Return the system that LAMMPS runs, with ions at random positions, off equilibrium.

    A fraction of the cations is distributed uniformly over the slab's well and the rest over the electrolyte;
    anions are distributed uniformly over their bulk. There are no pair interactions. Tables of F
    act on the ions through ``fix wall/table``, with the wall outside the box. The framework carries the molecule
    ID of a wall, so that its atoms are held.
    """
    rng = np.random.default_rng(seed)

    def outside(low: float, number: int) -> np.ndarray:
        """Draw ``number`` values of z with |z| between ``low`` and ``end`` and a random sign."""
        return np.asarray(rng.choice([-1.0, 1.0], number) * rng.uniform(low, end, number))

    half, end = landscape.half_thickness, landscape.box_half_length
    within = round(ions.cations * ions.inside)
    heights = np.concatenate(
        [
            np.repeat([-FRAMEWORK_AT, FRAMEWORK_AT], FRAMEWORK),
            rng.uniform(-half, half, within),
            outside(half + 7.0, ions.cations - within),
            outside(half + 9.0, ions.anions),
        ]
    )
    types = np.repeat([1, 2, 3], [2 * FRAMEWORK, ions.cations, ions.anions])
    # the system as a whole must be neutral
    anion = -_CHARGE * ions.cations / ions.anions
    table = (
        AtomType(label="La", element="La", mass=138.905, charge=0.0, phase="ceramic", species="La"),
        AtomType(label=CATION, element="Li", mass=landscape.mass, charge=_CHARGE, phase="both", species=CATION),
        AtomType(label="N", element="N", mass=14.007, charge=anion, phase="electrolyte", species=ANION),
    )
    forcefield = [
        "pair_style zero ${cutoff} nocoeff",
        "pair_coeff * *",
        *_table(CATION, 2, landscape.cation, end),
        *_table(ANION, 3, landscape.anion, end),
    ]
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
        "\n".join(forcefield) + "\n",
        phase="interface",
        types=table,
        slab=SlabGeometry(thickness=2 * half, framework=("La",), midplane_offset=0.0, lithium=within),
        seeds={"landscape": seed},
    )


def _table(name: str, atom_type: int, curve: Curve, end: float) -> list[str]:
    """Return the commands that write a table of F and apply it to one atom type."""
    z = np.arange(-end - BEYOND, end + BEYOND + SPACING / 2, SPACING)
    # periodic: beyond the box follows the bulk of the other side
    inside = (z + end) % (2 * end) - end
    energies, slopes = curve.evaluate(inside)
    distances = z - z[0] + SPACING
    rows = [
        f"{number} {distance:.10g} {energy:.12g} {force:.12g}"
        for number, (distance, energy, force) in enumerate(
            zip(distances, energies * _KCAL, -slopes * _KCAL, strict=True), 1
        )
    ]
    key, wall = f"landscape_{name}", z[0] - SPACING
    return [
        # the table format needs a line before the rows; LAMMPS drops empty lines here but keeps any word
        f'print """# F of {name} along z\n{key}\nN {len(rows)}\n-',
        *rows,
        f'""" file {key}.table screen no',
        f"group {key} type {atom_type}",
        f"fix {key} {key} wall/table spline {10 * len(rows)} zlo {wall:.10g} {key}.table {key} "
        f"{distances[-1]:.10g} units box pbc yes",
        f"fix_modify {key} energy yes",
    ]
