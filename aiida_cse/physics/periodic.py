"""Structures in orthogonal periodic boxes: whole molecules, a slab in one piece, atoms that are too close.

Positions are shifted by whole box edges only. Lengths are in Å; atoms are indices from 0, and messages name
them by ID.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import cKDTree

__all__ = ["BondTree", "WholeMolecules", "describe_contacts", "find_contacts", "join_by_gap", "whole_molecules"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Å; two atoms are never closer, bonded or not
_CONTACT = 0.5
#: Å; two molecules occupy the same place if at least this number of pairs, and share of the smaller one, is closer
_OVERLAP, _OVERLAPPING_PAIRS, _OVERLAPPING_SHARE = 1.0, 3, 0.25
#: Å; bonds are shorter, those between coarse-grained beads included
_LONGEST_BOND = 10.0
#: pairs per atom beyond which positions are those of no structure
_MOST_PAIRS = 4
#: names that a message lists
_LISTED = 5


class BondTree:
    """Spanning trees of the molecules that bonds define, to place each atom next to its neighbours.

    Parameters
    ----------
    natoms
        Number of atoms.
    bonds
        (M, 2) atoms of each bond.
    """

    def __init__(self, natoms: int, bonds: Integers) -> None:
        self.natoms, self.bonds = natoms, bonds
        ends = np.asarray(bonds, dtype=np.int64).reshape(-1, 2)
        graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(natoms, natoms)).tocsr()
        #: (N,) number of the connected atoms to which an atom belongs
        self.fragments: Integers = connected_components(graph, directed=False)[1].astype(np.int64)
        firsts = np.unique(self.fragments, return_index=True)[1]
        # one more node is above the first atom of each fragment and makes the trees a single one
        rows = np.concatenate([ends[:, 0], np.full(len(firsts), natoms)])
        columns = np.concatenate([ends[:, 1], firsts])
        rooted = coo_array((np.ones(len(rows)), (rows, columns)), shape=(natoms + 1, natoms + 1)).tocsr()
        above = breadth_first_order(rooted, natoms, directed=False)[1].astype(np.int64)
        above[natoms] = natoms
        self._above: Integers = above

    def shifts(self, positions: Floats, lengths: Floats) -> Integers:
        """Return the box edges (N, 3) to add to unwrapped positions so that bonds have their shortest length.

        The first atom of each fragment stays. A fragment that is whole is not moved.
        """
        above = self._above
        padded = np.vstack([positions, np.zeros(3)])
        steps = -np.round((padded - padded[above]) / lengths).astype(np.int64)
        steps[above == self.natoms] = 0
        while (above != self.natoms).any():
            steps = steps + steps[above]
            above = above[above]
        return steps[: self.natoms]

    def open_bonds(self, positions: Floats, lengths: Floats) -> Mask:
        """Return which bonds (M,) are longer than half a box edge along an axis."""
        spans = np.abs(positions[self.bonds[:, 0]] - positions[self.bonds[:, 1]])
        mask: Mask = np.any(spans > lengths / 2, axis=1)
        return mask


@dataclass(frozen=True)
class WholeMolecules:
    """The outcome of :func:`whole_molecules`.

    Attributes
    ----------
    shifts
        (N, 3) box edges to add to the positions.
    notes, problems
        What was repaired, and what could not be, one sentence each.
    """

    shifts: Integers
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def whole_molecules(
    positions: Floats,
    lengths: Floats,
    bonds: Integers,
    molecules: Integers,
    members: Mask,
    ids: Integers | None = None,
) -> WholeMolecules:
    """Return how to make molecules whole that the box has torn, as image flags that are absent or wrong do.

    Parameters
    ----------
    positions
        (N, 3) positions with whatever image flags there are, Å.
    lengths
        (3,) box edges, Å.
    bonds
        (M, 2) atoms of each bond.
    molecules
        (N,) molecule IDs.
    members
        (N,) which atoms belong to molecules. The others, such as those of a crystal with bonds through the box,
        are left as they are.
    ids
        (N,) atom IDs, by default 1 to N.
    """
    ids = np.arange(1, len(positions) + 1) if ids is None else ids
    bonds = bonds[members[bonds].all(axis=1)]
    tree = BondTree(len(positions), bonds)
    shifts = tree.shifts(positions, lengths)
    whole = positions + shifts * lengths
    problems = []
    spans = np.linalg.norm(whole[bonds[:, 0]] - whole[bonds[:, 1]], axis=1)
    left = tree.open_bonds(whole, lengths)
    for bond in np.flatnonzero((spans > _LONGEST_BOND) & ~left):
        first, second = bonds[bond]
        problems.append(
            f"molecule {molecules[first]}: the bond of atoms {ids[first]} and {ids[second]} is {spans[bond]:.1f} Å"
            f" long; bonds are shorter than {_LONGEST_BOND:g} Å, correct positions or bonds"
        )
    for molecule in np.unique(molecules[bonds[left, 0]]):
        first, second = bonds[left][molecules[bonds[left, 0]] == molecule][0]
        edges = np.abs(whole[first] - whole[second])
        axis = int(np.argmax(edges / lengths))
        problems.append(
            f"molecule {molecule}: the bond of atoms {ids[first]} and {ids[second]} is {edges[axis]:.1f} Å long"
            f" along {'xyz'[axis]} in a box of {lengths[axis]:.1f} Å, and no image of the molecule makes it"
            " shorter than half of that; correct bonds or image flags"
        )
    numbers, sizes = np.unique(molecules[members], return_counts=True)
    lone = members & ~np.isin(np.arange(len(positions)), bonds)
    for molecule in np.intersect1d(numbers[(sizes > 1) & (numbers > 0)], molecules[lone]):
        extent = np.ptp(whole[members & (molecules == molecule)], axis=0)
        axis = int(np.argmax(extent / lengths))
        if extent[axis] > lengths[axis] / 2:
            problems.append(
                f"molecule {molecule}: its atoms extend over {extent[axis]:.1f} Å along {'xyz'[axis]} in a box of"
                f" {lengths[axis]:.1f} Å and lack bonds that would make it whole; give image flags or bonds"
            )
    if len(problems) > _LISTED:
        problems[_LISTED:] = [f"{len(problems) - _LISTED} more molecules have such bonds or cannot be made whole"]
    axes = (shifts != 0).any(axis=0)
    torn = np.unique(molecules[(shifts != 0).any(axis=1)])
    notes = []
    if len(torn):
        along = _joined([axis for axis, moved in zip("xyz", axes, strict=True) if moved])
        subject, verb, own = ("molecules", "were", "their") if len(torn) > 1 else ("molecule", "was", "its")
        notes.append(f"{subject} {_listed(torn)} {verb} torn by the box along {along}: made whole by {own} bonds")
    return WholeMolecules(shifts, tuple(notes), tuple(problems))


def join_by_gap(heights: Floats, length: float) -> tuple[Integers, float]:
    """Return how atoms of a slab come to lie in one piece, opposite the largest gap along an axis.

    Parameters
    ----------
    heights
        (N,) positions along the axis, with whatever image flags there are, Å.
    length
        The box edge, Å.

    Returns
    -------
    tuple
        (N,) box edges to add, 0 for most atoms; and the largest gap, Å.
    """
    folded = np.mod(heights, length)
    ordered = np.sort(folded)
    gaps = np.append(ordered[1:], ordered[0] + length) - ordered
    widest = int(np.argmax(gaps))
    start = ordered[(widest + 1) % len(ordered)]
    joined = start + np.mod(folded - start, length)
    shifts = np.round((joined - heights) / length).astype(np.int64)
    values, counts = np.unique(shifts, return_counts=True)
    return shifts - values[np.argmax(counts)], float(gaps[widest])


def find_contacts(positions: Floats, lengths: Floats, radius: float) -> tuple[Integers, Floats]:
    """Return the pairs of atoms (P, 2) closer than ``radius`` Å in the periodic box, and their distances (P,) Å.

    The closest pair is the first.

    Raises
    ------
    ValueError
        There are more pairs than any structure has.
    """
    folded = np.mod(positions, lengths)
    # the remainder of a tiny negative number is rounded to the length itself
    folded[folded >= lengths] = 0.0
    tree = cKDTree(folded, boxsize=lengths)
    count = (int(tree.count_neighbors(tree, radius)) - len(positions)) // 2
    if count > _MOST_PAIRS * len(positions):
        raise ValueError(
            f"{count} pairs of the {len(positions)} atoms are closer than {radius:g} Å: the positions are those of"
            " no structure"
        )
    pairs = tree.query_pairs(radius, output_type="ndarray").astype(np.int64)
    spans = folded[pairs[:, 0]] - folded[pairs[:, 1]]
    distances = np.linalg.norm(spans - np.round(spans / lengths) * lengths, axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], distances))
    return pairs[order], distances[order]


def describe_contacts(
    positions: Floats, lengths: Floats, molecules: Integers, labels: Sequence[str], ids: Integers | None = None
) -> list[str]:
    """Return a sentence for each two molecules that overlap and for each two atoms closer than 0.5 Å.

    Molecules overlap if at least three pairs of their atoms, and a quarter as many as the smaller one has atoms,
    are closer than 1 Å.

    Parameters
    ----------
    positions
        (N, 3) positions, Å.
    lengths
        (3,) box edges, Å.
    molecules
        (N,) molecule IDs.
    labels
        (N,) what the atoms are called besides their IDs.
    ids
        (N,) atom IDs, by default 1 to N.
    """
    ids = np.arange(1, len(positions) + 1) if ids is None else ids
    try:
        pairs, distances = find_contacts(positions, lengths, _OVERLAP)
    except ValueError as error:
        return [str(error)]
    numbers = np.sort(molecules[pairs], axis=1)
    between = numbers[:, 0] != numbers[:, 1]
    names, firsts, inverse, counts = np.unique(
        numbers, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    known, sizes = np.unique(molecules, return_counts=True)
    smaller = sizes[np.searchsorted(known, names)].min(axis=1)
    overlapping = counts >= np.maximum(_OVERLAPPING_PAIRS, _OVERLAPPING_SHARE * smaller)
    overlapping &= names[:, 0] != names[:, 1]

    def pair(index: int) -> str:
        first, second = pairs[index]
        words = (f"{ids[atom]} ({labels[atom]})" for atom in (first, second))
        return f"atoms {' and '.join(words)} are {distances[index]:.2f} Å apart"

    sentences = [
        f"molecules {names[group, 0]} and {names[group, 1]} overlap: {counts[group]} pairs of their atoms are"
        f" closer than {_OVERLAP:g} Å; {pair(int(firsts[group]))}"
        for group in sorted(np.flatnonzero(overlapping), key=lambda group: -counts[group])
    ]
    alone = np.flatnonzero((distances < _CONTACT) & ~(between & overlapping[inverse.reshape(-1)]))
    sentences += [
        f"{pair(int(index))}; no two atoms can be closer than {_CONTACT:g} Å" for index in alone[:_LISTED]
    ]
    if len(alone) > _LISTED:
        sentences.append(f"{len(alone) - _LISTED} more pairs of atoms are closer than {_CONTACT:g} Å")
    return sentences


def _listed(numbers: Integers) -> str:
    """Return the first of some numbers as text, with the number of the others."""
    others = [f"{len(numbers) - _LISTED} others"] if len(numbers) > _LISTED else []
    return _joined([*map(str, numbers[:_LISTED]), *others])


def _joined(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
