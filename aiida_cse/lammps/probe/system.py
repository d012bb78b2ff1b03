"""A tiny interface with every kind of interaction of the force fields, for runs of a few steps."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from aiida_cse.forcefields.include import BONDED_STYLES, BondedRow, render_include
from aiida_cse.forcefields.models import OneFour
from aiida_cse.forcefields.pairs import BUCKINGHAM, LENNARD_JONES, PairRow
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, AtomType, SlabGeometry, System

__all__ = ["tiny_interface", "tiny_phases"]

#: Å; lattice constant of the crystal, a rock salt of 4 × 4 × 4 ions, and thickness of the layer on each side
_SPACING, _LAYER = 2.8, 12.0
_TYPES = tuple(
    AtomType.model_validate(
        dict(zip(("label", "element", "mass", "charge", "phase", "species"), row, strict=True))
    )
    for row in (
        ("La", "La", 138.905, 0.7, "ceramic", "La"),
        ("O_c", "O", 15.999, -0.7, "ceramic", "O"),
        ("Li", "Li", 6.94, 0.7, "both", "Li"),
        ("N", "N", 14.007, -0.7, "electrolyte", "anion"),
        ("C1", "C", 14.0, 0.1, "electrolyte", "PEO"),
        ("C2", "C", 14.0, -0.1, "electrolyte", "PEO"),
        ("W", "Ar", 39.948, 0.0, "wall", "wall"),
    )
)
#: coefficients of the one type of each bonded term, by its LAMMPS style
_BONDED = {"harmonic": (100.0, 1.5), "multi/harmonic": (0.5, 0.5, 0.0, 0.0, 0.0)}
_ANGLE = (50.0, 120.0)
#: shape of a molecule of four atoms, Å
_CHAIN = np.array([(0.0, 0.0, 0.0), (0.75, 0.0, 1.3), (0.0, 0.0, 2.6), (0.75, 0.0, 3.9)])


def tiny_interface() -> System:
    """Return a slab of 64 ions, 9 molecules of four atoms above it, and 9 pairs of ions below it."""
    grid = np.array([(x, y, z) for z in range(4) for x in range(4) for y in range(4)])
    edge, half = 4 * _SPACING, 2 * _SPACING
    slab = (grid + 0.5) * _SPACING - np.array([0, 0, half])
    columns = np.array([(x, y, 0.0) for x in range(3) for y in range(3)]) * edge / 3 + [1.0, 1.0, 0.0]
    chains = (columns[:, None] + _CHAIN + [0.0, 0.0, half + 3.0]).reshape(-1, 3)
    ions = np.vstack([columns - [0, 0, half + 3.5], columns - [0, 0, half + 7.0]])
    positions = np.vstack([slab, ions, chains])
    types = np.concatenate([1 + grid.sum(axis=1) % 2, np.repeat([3, 4], 9), np.tile([5, 6], 18)])
    data = DataFile(
        box=np.array([[0, edge], [0, edge], [-half - _LAYER, half + _LAYER]]),
        masses=np.array([entry.mass for entry in _TYPES]),
        molecules=np.concatenate(
            [np.full(64, CERAMIC_MOLECULE), 2 + np.arange(18), 20 + np.repeat(np.arange(9), 4)]
        ),
        types=types,
        charges=np.array([entry.charge for entry in _TYPES])[types - 1],
        positions=positions,
        images=np.zeros((len(positions), 3), dtype=np.int64),
    )
    data.set_unwrapped(positions)
    first = 64 + 18 + 1 + 4 * np.arange(9)
    for kind, width in (("bonds", 2), ("angles", 3), ("dihedrals", 4)):
        starts = (first[:, None] + np.arange(5 - width)).ravel()
        data.topology[kind] = np.column_stack([np.ones_like(starts), starts[:, None] + np.arange(width)])
        data.topology_types[kind] = 1
    return System.create(
        data,
        _forcefield(),
        phase="interface",
        types=_TYPES,
        slab=SlabGeometry(thickness=2 * half, framework=("La",), midplane_offset=0.0, lithium=0),
    )


def tiny_phases() -> tuple[System, System]:
    """Return slab and electrolyte of the tiny interface as they are before they are joined."""
    whole = tiny_interface()
    solid = whole.data.molecules == CERAMIC_MOLECULE
    slab, molecules = whole.data.select(solid), whole.data.select(~solid)
    slab.box = np.vstack([whole.data.box[:2], [(-2 * _SPACING - 2, 2 * _SPACING + 2)]])
    return whole.evolved(slab, phase="ceramic"), whole.evolved(molecules, phase="electrolyte")


def _forcefield() -> str:
    """Return the include file: the styles of every recipe with simple coefficients."""
    labels = [entry.label for entry in _TYPES]
    ceramic = {"La", "O_c", "Li"}
    pairs = []
    for (i, first), (j, second) in combinations_with_replacement(enumerate(labels, 1), 2):
        buckingham = {first, second} <= ceramic and "O_c" in (first, second)
        style, numbers = (BUCKINGHAM, (30000.0, 0.28, 0.0)) if buckingham else (LENNARD_JONES, (0.05, 2.5))
        pairs.append(PairRow(i, j, (first, second), style, numbers, "tiny", "for runs of a few steps"))
    atoms = {"bond": ("C1", "C2"), "angle": ("C1", "C2", "C1"), "dihedral": ("C1", "C2", "C1", "C2")}
    bonded = [
        BondedRow(kind, 1, atoms[kind], _ANGLE if kind == "angle" else _BONDED[style], "for runs of a few steps")
        for kind, style in BONDED_STYLES.items()
    ]
    return render_include("a tiny interface", {}, labels, pairs, bonded, OneFour(lj=0.5, coul=0.5))
