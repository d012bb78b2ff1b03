"""Periodic boxes: torn molecules and slabs are joined, and atoms that are too close are named."""

import time

import numpy as np
import pytest

from aiida_cse.physics.periodic import (
    BondTree,
    describe_contacts,
    find_contacts,
    join_by_gap,
    whole_molecules,
)

LENGTHS = np.array([20.0, 22.0, 60.0])


def chains(number: int, beads: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions of random walks with steps of 1.5 Å, their bonds and their molecule IDs from 2."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(number, beads, 3))
    steps *= 1.5 / np.linalg.norm(steps, axis=2, keepdims=True)
    steps[:, 0] = rng.uniform(0, LENGTHS, (number, 3))
    atoms = np.arange(number * beads).reshape(number, beads)
    bonds = np.stack([atoms[:, :-1], atoms[:, 1:]], axis=2).reshape(-1, 2)
    return steps.cumsum(axis=1).reshape(-1, 3), bonds, 2 + np.repeat(np.arange(number), beads)


def test_wrapped_chains_are_made_whole_by_their_bonds() -> None:
    positions, bonds, molecules = chains(12, 200)
    shuffled = np.random.default_rng(3).permutation(len(bonds))
    wrapped = np.mod(positions, LENGTHS)
    found = whole_molecules(wrapped, LENGTHS, bonds[shuffled, ::-1], molecules, np.full(len(wrapped), True))
    moved = wrapped + found.shifts * LENGTHS - positions
    assert np.ptp(moved.reshape(12, 200, 3), axis=1) == pytest.approx(0, abs=1e-9)
    assert found.notes == (
        "molecules 2, 3, 4, 5, 6 and 7 others were torn by the box along x, y and z: made whole by their bonds",
    )
    assert found.problems == ()


def test_whole_molecules_are_not_touched() -> None:
    positions, bonds, molecules = chains(12, 200)
    found = whole_molecules(positions, LENGTHS, bonds, molecules, np.full(len(positions), True))
    assert not found.shifts.any()
    assert (found.notes, found.problems) == ((), ())


def test_one_torn_molecule_is_named_with_its_axis() -> None:
    positions = np.array([[1.0, 1, 29.5], [1, 1, -29.3], [5, 5, 5]])
    found = whole_molecules(
        positions, LENGTHS, np.array([[0, 1]]), np.array([12, 12, 1]), np.array([True, True, False])
    )
    assert found.shifts.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert found.notes == ("molecule 12 was torn by the box along z: made whole by its bonds",)


def test_a_molecule_bonded_to_its_own_image_is_refused() -> None:
    positions = np.arange(0, 60.0, 7.5)[:, None] * np.array([0, 0, 1])
    bonds = np.column_stack([np.arange(8), (np.arange(8) + 1) % 8])
    members = np.full(8, True)
    found = whole_molecules(positions, LENGTHS, bonds, np.full(8, 7), members)
    assert len(found.problems) == 1
    assert found.problems[0].startswith("molecule 7: the bond of atoms")
    assert "and no image of the molecule makes it shorter" in found.problems[0]
    crystal = whole_molecules(positions, LENGTHS, bonds, np.full(8, 1), ~members)
    assert crystal.problems == ()
    assert not crystal.shifts.any()


def test_a_bond_of_an_impossible_length_is_refused() -> None:
    positions = np.array([[1.0, 1, 20], [1, 1, -0.8]])
    found = whole_molecules(positions, LENGTHS, np.array([[0, 1]]), np.array([4, 4]), np.full(2, True))
    assert found.problems == (
        "molecule 4: the bond of atoms 1 and 2 is 20.8 Å long; bonds are shorter than 10 Å, correct positions or"
        " bonds",
    )


def test_a_torn_molecule_without_bonds_is_refused() -> None:
    positions = np.array([[1.0, 1, 29.5], [1, 1, -29.3], [5, 5, 5]])
    found = whole_molecules(
        positions, LENGTHS, np.zeros((0, 2), dtype=int), np.array([9, 9, 3]), np.full(3, True), np.array([4, 8, 9])
    )
    assert found.problems == (
        "molecule 9: its atoms extend over 58.8 Å along z in a box of 60.0 Å and lack bonds that would make it"
        " whole; give image flags or bonds",
    )


@pytest.mark.parametrize("middle", [0.0, 17.0, 30.0, 59.0])
def test_a_slab_across_the_end_of_the_box_is_joined_by_its_largest_gap(middle: float) -> None:
    layers = np.repeat(np.arange(-12.0, 12.1, 2.0), 9) + np.random.default_rng(2).normal(0, 0.1, 117)
    shifts, gap = join_by_gap(np.mod(layers + middle, 60.0), 60.0)
    joined = np.mod(layers + middle, 60.0) + 60.0 * shifts
    assert joined - joined.mean() == pytest.approx(layers - layers.mean())
    assert gap == pytest.approx(60.0 - np.ptp(layers))
    assert (shifts == 0).mean() > 0.5


def test_contacts_are_found_through_the_box() -> None:
    positions = np.array([[0.1, 0, 0], [-0.1, 0, 60], [10, 10, 10], [10, 10, 10.9]])
    pairs, distances = find_contacts(positions, LENGTHS, 1.0)
    assert pairs.tolist() == [[0, 1], [2, 3]]
    assert distances == pytest.approx([0.2, 0.9])
    said = describe_contacts(
        positions, LENGTHS, np.array([1, 1, 2, 3]), ["La", "O", "C", "C"], np.array([5, 9, 11, 12])
    )
    assert said == ["atoms 5 (La) and 9 (O) are 0.20 Å apart; no two atoms can be closer than 0.5 Å"]


def test_molecules_in_the_same_place_are_named_once() -> None:
    positions, _, molecules = chains(2, 10)
    positions[10:] = positions[:10] + np.array([0.3, 0, 0])
    said = describe_contacts(positions, LENGTHS, molecules, ["C"] * 20)
    assert len(said) == 1
    assert said[0].startswith("molecules 2 and 3 overlap: ")
    assert "(C) are 0.30 Å apart" in said[0]


def test_chains_that_cross_do_not_overlap() -> None:
    line = np.arange(40)[:, None] * np.array([1.5, 0, 0])
    positions = np.vstack([line, line[:, ::-1] + np.array([15.0, 0.6, -15.0])])
    molecules = np.repeat([2, 3], 40)
    assert len(find_contacts(positions, np.full(3, 90.0), 1.0)[0]) == 1
    assert describe_contacts(positions, np.full(3, 90.0), molecules, ["C"] * 80) == []


def test_atoms_on_top_of_one_another_are_refused_at_once() -> None:
    said = describe_contacts(np.zeros((30_000, 3)), LENGTHS, np.ones(30_000, dtype=int), ["C"] * 30_000)
    assert said == [
        "449985000 pairs of the 30000 atoms are closer than 1 Å: the positions are those of no structure"
    ]


def test_thirty_thousand_atoms_take_less_than_a_second() -> None:
    positions, bonds, molecules = chains(30, 1000)
    lattice = np.stack(np.meshgrid(*[np.arange(32.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[:30_000] * 2
    lengths = np.full(3, 64.0)
    start = time.process_time()
    shifts = BondTree(len(positions), bonds).shifts(np.mod(positions, LENGTHS), LENGTHS)
    said = describe_contacts(lattice, lengths, molecules, ["C"] * 30_000)
    assert time.process_time() - start < 1.0
    assert shifts.any()
    assert said == []
