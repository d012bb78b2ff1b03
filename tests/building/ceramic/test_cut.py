"""The cut: the plane moves with the framework, both terminations survive, stray ions are moved back."""

import dataclasses

import numpy as np
import pytest

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import System

STRETCH = np.array([1.004, 1.004, 1.006])


def equilibrated(
    slab: System, move: np.ndarray | None = None, drift: tuple[float, ...] = (0.0, 0.0, 0.0)
) -> DataFile:
    """Return the slab stretched, with noise, displaced by ``move`` (N, 3) and drifted, wrapped."""
    rng = np.random.default_rng(11)
    data = slab.data
    box = data.box * STRETCH[:, None]
    positions = data.unwrapped * STRETCH + rng.normal(scale=0.15, size=(data.natoms, 3)) + np.array(drift)
    if move is not None:
        positions += move
    result = dataclasses.replace(data, box=box, velocities=rng.normal(scale=0.01, size=(data.natoms, 3)))
    result.set_unwrapped(positions)
    return result


def of(system: System, label: str) -> np.ndarray:
    return system.data.types == system.info.type_numbers(labels=(label,))[0]


def test_the_framework_keeps_its_places_whatever_the_drift(slab: System) -> None:
    still, drifted = (cut_slab(slab, equilibrated(slab, drift=drift)) for drift in [(0, 0, 0), (3.1, -20.0, 17.3)])
    assert drifted.data.positions[:, 2] == pytest.approx(still.data.positions[:, 2], abs=1e-9)
    folded = (drifted.data.positions - still.data.positions)[:, :2] / drifted.data.lengths[:2]
    assert folded - np.round(folded) == pytest.approx(0, abs=1e-9)
    assert (drifted.data.images == 0).all()


def test_geometry_of_the_cut_slab(slab: System) -> None:
    cut = cut_slab(slab, equilibrated(slab))
    assert slab.info.slab is not None
    assert cut.info.slab is not None
    assert cut.info.phase == "ceramic"
    assert cut.info.slab.thickness == pytest.approx(25.94 * 1.006)
    assert cut.info.slab.lithium == 112
    assert cut.data.lengths[:2] == pytest.approx(12.97 * 1.004)
    framework = of(cut, "La") | of(cut, "Zr")
    masses = cut.data.masses[cut.data.types[framework] - 1]
    centre = np.average(cut.data.positions[framework, 2], weights=masses)
    assert centre + cut.info.slab.midplane_offset == pytest.approx(0.0, abs=1e-9)
    half = cut.info.slab.thickness / 2
    assert cut.data.box[2] == pytest.approx([-half - 2.0, half + 2.0])
    assert (np.abs(cut.data.positions[:, 2]) < half + 1.6).all()


def test_terminations_survive_and_no_immobile_atom_changes_sides(slab: System) -> None:
    cut = cut_slab(slab, equilibrated(slab, drift=(0.0, 0.0, -0.4)))
    half = slab.data.lengths[2] / 2
    immobile = ~of(cut, "Li")
    moved = cut.data.positions[immobile, 2] - (slab.data.positions[immobile, 2] - half) * STRETCH[2]
    assert np.abs(moved).max() < 1.0, "nothing jumped by a slab height"
    left, right = np.argmin(slab.data.positions[:, 2]), np.argmax(slab.data.positions[:, 2])
    assert cut.data.positions[left, 2] < -12.0
    assert cut.data.positions[right, 2] > 12.0


def test_stray_ions_come_back_and_vibrating_ones_stay(slab: System) -> None:
    lithium = np.flatnonzero(of(slab, "Li"))
    height = slab.data.lengths[2] * STRETCH[2]
    top = lithium[np.argmax(slab.data.positions[lithium, 2])]
    others = [atom for atom in lithium if atom != top][:3]
    move = np.zeros((slab.data.natoms, 3))
    move[top, 2] = 0.8
    move[others, 2] = [height, -2 * height, 3 * height]
    plain, moved = (cut_slab(slab, equilibrated(slab, m)) for m in (None, move))
    difference = moved.data.positions[:, 2] - plain.data.positions[:, 2]
    assert difference[top] == pytest.approx(0.8)
    assert moved.data.positions[top, 2] > height / 2
    assert difference[others] == pytest.approx(0.0, abs=1e-9)


def test_an_ion_beyond_the_margin_is_shifted_by_one_height(slab: System) -> None:
    lithium = np.flatnonzero(of(slab, "Li"))
    height = slab.data.lengths[2] * STRETCH[2]
    top = lithium[np.argmax(slab.data.positions[lithium, 2])]
    move = np.zeros((slab.data.natoms, 3))
    move[top, 2] = 4.0
    cut = cut_slab(slab, equilibrated(slab, move))
    plain = cut_slab(slab, equilibrated(slab))
    assert cut.data.positions[top, 2] - plain.data.positions[top, 2] == pytest.approx(4.0 - height)


def test_velocities_are_kept(slab: System) -> None:
    data = equilibrated(slab)
    cut = cut_slab(slab, data)
    assert cut.data.velocities is not None
    assert np.array_equal(cut.data.velocities, data.velocities)  # type: ignore[arg-type]


@pytest.mark.parametrize("label", ["La", "O"])
def test_a_melted_crystal_is_refused(slab: System, label: str) -> None:
    atom = int(np.flatnonzero(of(slab, label))[5])
    move = np.zeros((slab.data.natoms, 3))
    move[atom, 0] = 4.0
    with pytest.raises(ValueError, match=rf"the crystal melted: atom {atom + 1} \({label}\) is [34]\.\d Å"):
        cut_slab(slab, equilibrated(slab, move))


def test_other_atoms_are_refused(slab: System, electrolyte: System) -> None:
    data = equilibrated(slab)
    with pytest.raises(ValueError, match="has 707 atoms, the slab as built 384"):
        cut_slab(slab, electrolyte.data)
    swapped = dataclasses.replace(data, types=data.types[::-1].copy())
    with pytest.raises(ValueError, match="atom 1 of the equilibrated crystal has type 4, in the slab as built 1"):
        cut_slab(slab, swapped)
    with pytest.raises(ValueError, match="phase 'electrolyte' has no slab geometry"):
        cut_slab(electrolyte, data)
