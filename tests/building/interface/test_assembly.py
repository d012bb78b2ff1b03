"""The interface: both gaps, the box, whole molecules, and mismatched phases."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial import cKDTree

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.lammps.files.data import TOPOLOGY, DataFile
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, WALL_MOLECULE, System

GAP = 2.5


@pytest.fixture(scope="module")
def ceramic(slab: System) -> System:
    return cut_slab(slab, slab.data)


@pytest.fixture(scope="module")
def interface(ceramic: System, electrolyte: System) -> System:
    return assemble(ceramic, electrolyte, GAP)


def closest_contact(data: DataFile, split: int) -> float:
    positions = np.mod(data.positions - data.box[:, 0], data.lengths)
    return float(cKDTree(positions[:split], boxsize=data.lengths).query(positions[split:])[0].min())


def test_the_slab_has_the_counts_and_the_order_of_its_recipe(interface: System, ceramic: System) -> None:
    assert interface.info.natoms == 1066
    assert interface.info.phase == "interface"
    assert interface.info.charge == 0
    assert interface.info.slab == ceramic.info.slab
    assert interface.info.composition["W"] == 0
    molecules = interface.data.molecules
    assert (molecules[:384] == CERAMIC_MOLECULE).all()
    assert (molecules[384:] > CERAMIC_MOLECULE).all()
    assert np.array_equal(interface.data.positions[:384, 2], ceramic.data.positions[:, 2])


def test_both_gaps_and_the_box_have_the_right_lengths(interface: System) -> None:
    data = interface.data
    z = data.unwrapped[:, 2]
    solid, liquid = z[:384], z[384:]
    length = data.lengths[2]
    assert liquid.min() - solid.max() == pytest.approx(GAP)
    assert solid.min() - (liquid.max() - length) == pytest.approx(GAP)
    assert data.box[2] == pytest.approx([-length / 2, length / 2])
    assert closest_contact(data, 384) >= GAP - 1e-9


def test_the_electrolyte_crosses_the_end_of_the_box(interface: System) -> None:
    data = interface.data
    assert set(np.unique(data.images[384:, 2])) == {0, 1}
    assert (data.images[:384] == 0).all()
    assert ((data.positions >= data.box[:, 0]) & (data.positions < data.box[:, 1])).all()


def test_molecules_of_the_convention_keep_their_ids(interface: System, electrolyte: System) -> None:
    before, after = electrolyte.data.select(electrolyte.data.molecules != WALL_MOLECULE), interface.data
    for kind in TOPOLOGY:
        assert len(after.topology[kind]) == len(before.topology[kind])
    old, new = (d.topology["bonds"][:, 1:] - 1 for d in (before, after))
    spans = [d.unwrapped[ends[:, 0]] - d.unwrapped[ends[:, 1]] for d, ends in ((before, old), (after, new))]
    assert spans[1] == pytest.approx(spans[0], abs=1e-9)
    assert np.array_equal(after.types[new], before.types[old])


def with_data(system: System, **changes: object) -> System:
    return system.evolved(dataclasses.replace(system.data, **changes))  # type: ignore[arg-type]


def test_velocities_of_both_are_kept_and_zero_where_there_are_none(ceramic: System, electrolyte: System) -> None:
    moving = with_data(electrolyte, velocities=np.ones((electrolyte.data.natoms, 3)))
    velocities = assemble(ceramic, moving).data.velocities
    assert velocities is not None
    assert (velocities[:384] == 0).all()
    assert (velocities[384:] == 1).all()
    assert assemble(ceramic, electrolyte).data.velocities is None


def test_a_whole_molecule_beyond_the_wall_is_brought_back(
    ceramic: System, electrolyte: System, interface: System
) -> None:
    data = electrolyte.data
    images = data.images.copy()
    images[data.molecules == 13, 2] = -1
    images[data.molecules == 3, 2] = 1
    moved = assemble(ceramic, with_data(electrolyte, images=images), GAP)
    assert np.array_equal(moved.data.positions, interface.data.positions)


def test_a_molecule_across_the_wall_is_refused(ceramic: System, electrolyte: System) -> None:
    images = electrolyte.data.images.copy()
    images[np.flatnonzero(electrolyte.data.molecules == 5)[:4], 2] = -1
    with pytest.raises(ValueError, match=r"1 molecules lie across the wall, the first is molecule 5 .* -1 to 0"):
        assemble(ceramic, with_data(electrolyte, images=images))


def test_the_wall_may_have_any_image(ceramic: System, electrolyte: System, interface: System) -> None:
    images = electrolyte.data.images.copy()
    images[np.flatnonzero(electrolyte.data.molecules == WALL_MOLECULE)[:2], 2] = -1
    assert assemble(ceramic, with_data(electrolyte, images=images), GAP).info.box == interface.info.box


def test_mismatches_are_refused(ceramic: System, electrolyte: System, slab: System) -> None:
    wide = electrolyte.data.box * [[1.0001], [1.0], [1.0]]
    with pytest.raises(ValueError, match=r"box edge Lx: 12\.970000 Å of the ceramic, 12\.971297 Å"):
        assemble(ceramic, with_data(electrolyte, box=wide))
    with pytest.raises(ValueError, match="different force fields"):
        assemble(dataclasses.replace(ceramic, forcefield="# another"), electrolyte)
    info = ceramic.info.model_copy(update={"types": ceramic.info.types[::-1]})
    with pytest.raises(ValueError, match="different type tables"):
        assemble(dataclasses.replace(ceramic, info=info), electrolyte)
    with pytest.raises(ValueError, match="ceramic: a system of phase 'electrolyte' has no slab geometry"):
        assemble(electrolyte, electrolyte)
    for gap in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=r"gap = .*: must be a positive number"):
            assemble(ceramic, electrolyte, gap)
