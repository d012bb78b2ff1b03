"""A small system for the real program: an ionic crystal as the ceramic, diatomic molecules as the electrolyte."""

from __future__ import annotations

import numpy as np

from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, AtomType, SlabGeometry, System

SPACING = 2.8

TYPES = (
    AtomType(label="La", element="La", mass=138.905, charge=0.7, phase="ceramic", species="La"),
    AtomType(label="O_c", element="O", mass=15.999, charge=-0.7, phase="ceramic", species="O"),
    AtomType(label="Li", element="Li", mass=6.94, charge=0.0, phase="both", species="Li"),
    AtomType(label="C", element="C", mass=15.0, charge=0.0, phase="electrolyte", species="PEO"),
    AtomType(label="W", element="Ar", mass=1.0, charge=0.0, phase="wall", species="wall"),
)

FORCEFIELD = """\
pair_style lj/cut/coul/long ${cutoff}
pair_modify mix arithmetic
bond_style harmonic
special_bonds lj/coul 0 0 0.5
pair_coeff 1 1 0.10 2.6
pair_coeff 2 2 0.10 2.6
pair_coeff 3 3 0.05 2.6
pair_coeff 4 4 0.10 3.2
pair_coeff 5 5 0.05 2.193
bond_coeff 1 100.0 1.5
neigh_modify exclude type 5 5
"""


def crystal_and_molecules(seed: int = 1) -> System:
    """Return a rock-salt slab at z = 0 (96 ions), Li atoms and diatomic molecules above and below it."""
    rng = np.random.default_rng(seed)
    grid = np.array([(x, y, z) for z in range(4) for x in range(4) for y in range(4)])
    slab = (grid + 0.5) * SPACING - np.array([0, 0, 2 * SPACING])
    slab_types = 1 + grid.sum(axis=1) % 2
    edge, height = 4 * SPACING, 2 * SPACING + 12.0
    places = np.array([(x, y, z) for z in range(3) for x in range(3) for y in range(3)], dtype=float)
    centres = places * [edge / 3, edge / 3, 4.5] + [1.5, 1.5, 2 * SPACING + 3.0] + rng.normal(0, 0.1, (27, 3))
    molecules = np.repeat(centres[:22], 2, axis=0)
    molecules[1::2] += [0.0, 1.5, 0.0]
    lithium = centres[22:]
    positions = np.vstack([slab, lithium, molecules])
    natoms, nlithium = len(positions), len(lithium)
    types = np.concatenate([slab_types, np.full(nlithium, 3), np.full(len(molecules), 4)])
    bonds = np.array([[1, 64 + nlithium + 2 * i + 1, 64 + nlithium + 2 * i + 2] for i in range(22)])
    data = DataFile(
        box=np.array([[0, edge], [0, edge], [-height, height]]),
        masses=np.array([t.mass for t in TYPES]),
        molecules=np.concatenate(
            [np.full(64, CERAMIC_MOLECULE), 2 + np.arange(nlithium), 2 + nlithium + np.repeat(np.arange(22), 2)]
        ),
        types=types,
        charges=np.array([t.charge for t in TYPES])[types - 1],
        positions=positions,
        images=np.zeros((natoms, 3), dtype=np.int64),
    )
    data.set_unwrapped(positions)
    data.topology["bonds"] = bonds
    data.topology_types["bonds"] = 1
    return System.create(
        data,
        FORCEFIELD,
        phase="interface",
        types=TYPES,
        slab=SlabGeometry(thickness=4 * SPACING, framework=("La",), midplane_offset=0.0, lithium=0),
        seeds={"test": seed},
    )


def slab_and_molecules() -> tuple[System, System]:
    """Return slab and electrolyte of the small system; its pairs are mixed by LAMMPS."""
    whole = crystal_and_molecules()
    solid = whole.data.molecules == CERAMIC_MOLECULE
    slab, molecules = whole.data.select(solid), whole.data.select(~solid)
    slab.box = np.vstack([whole.data.box[:2], [(-2 * SPACING - 2, 2 * SPACING + 2)]])
    return whole.evolved(slab, phase="ceramic"), whole.evolved(molecules, phase="electrolyte")
