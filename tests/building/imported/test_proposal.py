"""Proposed regions of a world whose planes and layers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aiida_cse.building.imported.proposal import propose_interface
from aiida_cse.lammps.files.data import DataFile, DataFileContents
from tests.reduction import synthetic

LENGTH, HALF = 110.0, 15.0
PLANES = np.arange(-12.0, 12.1, 3.0)
#: distances from the surface plane at which the ions of each kind are, and their standard deviations
LI = ((-5.0, 2.0), (6.0, 1.2), (18.0, 3.0))
ANIONS = ((3.0, 0.8), (14.0, 3.0))
FRAMES, IONS = 150, 24


def world(folder: Path, *, anion_charge: float = -1.0) -> tuple[DataFileContents, Path]:
    """Write a trajectory of a framework (La), Li+ and anions P–F; return it with its data file."""
    rng = np.random.default_rng(5)
    framework = np.tile(PLANES, 4)
    places = [rng.permutation(np.resize(np.arange(len(kind)), IONS)) for kind in (LI, ANIONS)]
    sides = rng.choice([-1.0, 1.0], (2, IONS))
    natoms = len(framework) + 3 * IONS
    positions = np.zeros((FRAMES, natoms, 3))
    positions[..., :2] = rng.uniform(0, 20, (natoms, 2))
    positions[:, : len(framework), 2] = framework + rng.normal(0, 0.3, (FRAMES, len(framework)))
    for number, (kind, first, each) in enumerate(((LI, len(framework), 1), (ANIONS, len(framework) + IONS, 2))):
        middle, width = np.array(kind)[places[number]].T
        z = sides[number] * (HALF - 1.5 + middle + rng.normal(0, 1, (FRAMES, IONS)) * width)
        for atom in range(each):
            positions[:, first + atom : first + each * IONS : each, 2] = z + 0.4 * atom
        positions[:, first : first + each * IONS, :2] += rng.normal(0, 5, (FRAMES, each * IONS, 2)) * (each == 1)
    positions[..., 2] += 40.0  # the box does not begin at the slab
    first = len(framework) + IONS
    types = np.repeat([1, 2, 3], [len(framework), IONS, 2 * IONS])
    types[first + 1 :: 2] = 4
    bonds = [(1, first + 2 * ion + 1, first + 2 * ion + 2) for ion in range(IONS)]
    data = DataFile(
        box=np.array([[0.0, 20.0], [0.0, 20.0], [0.0, LENGTH]]),
        masses=np.array([138.9, 6.94, 31.0, 19.0]),
        molecules=np.concatenate([np.ones(len(framework) + IONS), 2 + np.repeat(np.arange(IONS), 2)]).astype(int),
        types=types,
        charges=np.array([0.0, 1.0, anion_charge, 0.0])[types - 1],
        positions=np.zeros((natoms, 3)),
        images=np.zeros((natoms, 3), dtype=np.int64),
    )
    data.topology["bonds"] = np.array(bonds)
    path = synthetic.write_dcd(folder / "a.dcd", positions.astype(np.float32), lengths=(20.0, 20.0, LENGTH))
    return DataFileContents(data, {1: "La", 2: "Li", 3: "P", 4: "F"}, (), {}), path


def test_planes_and_layers_are_found_where_they_are(tmp_path: Path) -> None:
    contents, path = world(tmp_path)
    found = propose_interface(contents, [path])
    description = found.description
    assert description["framework"] == [1]
    assert description["cation"] == {"name": "Li", "types": [2]}
    assert description["anion"] == {"name": "anion", "types": [3, 4]}
    assert description["thickness"] == pytest.approx(2 * (HALF - 1.5), abs=1)
    assert description["midplane_offset"] == pytest.approx(0, abs=0.2)
    offsets = description["sampling"]["offsets"]
    assert 1 < offsets["Li"]["inner"] < 4
    assert 9 < offsets["Li"]["outer"] < 13
    assert 0 < offsets["anion"]["inner"] < 2
    assert 5 < offsets["anion"]["outer"] < 10
    assert "between the half maxima of the density of La" in found.sentence


def test_no_negative_molecule_is_said(tmp_path: Path) -> None:
    contents, path = world(tmp_path, anion_charge=0.0)
    with pytest.raises(ValueError, match="no kinds of bonded molecules are negative; give anion in --config"):
        propose_interface(contents, [path])


def test_atoms_that_all_move_are_no_slab(tmp_path: Path) -> None:
    contents, path = world(tmp_path)
    rng = np.random.default_rng(1)
    positions = rng.uniform(0, 100, (20, contents.data.natoms, 3)).astype(np.float32)
    synthetic.write_dcd(path, positions, lengths=(20.0, 20.0, LENGTH))
    with pytest.raises(ValueError, match="no atom type without bonds stays in place"):
        propose_interface(contents, [path])
