"""Ions drawn at random on partially occupied sites, with a shortest distance between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["blocked", "decorate", "site_counts"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: swaps tried per site before giving up; shipped structures need fewer than two
_SWAPS_PER_SITE = 100
#: a distance (Å) is too short if it is shorter by more than this
_ROUNDING = 1e-6


def site_counts(capacities: Integers, occupancies: Floats, total: int) -> Integers:
    """Share ``total`` ions among groups of sites in proportion to their occupancies.

    Largest remainders decide the rounding, so that the counts add up to ``total`` exactly.

    Parameters
    ----------
    capacities, occupancies
        (G,) number of sites of each group, and the part of them that is occupied.
    total
        The ions to place.

    Raises
    ------
    ValueError
        The occupancies imply a number of ions that is more than 1 % (and more than one ion) from ``total``,
        or a group has fewer sites than ions.
    """
    implied = capacities * occupancies
    if abs(implied.sum() - total) > max(1.0, 0.01 * total):
        raise ValueError(f"the occupancies imply {implied.sum():.2f} mobile ions, neutrality needs {total}")
    exact = implied * (total / implied.sum())
    counts: Integers = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(counts - exact, kind="stable")
    counts[by_remainder[: total - int(counts.sum())]] += 1
    if (counts > capacities).any():
        raise ValueError(f"{total} mobile ions do not fit on the sites")
    return counts


def decorate(
    positions: Floats,
    lengths: Floats,
    groups: Integers,
    counts: Integers,
    min_distance: float,
    seed: int | Sequence[int],
) -> NDArray[np.bool_]:
    """Choose which sites are occupied: (N,) true where there is an ion.

    Sites are drawn at random within each group; then ions closer than ``min_distance`` to another move, at
    fixed counts, to vacant sites of their group that are no worse, until no such pair is left.

    Parameters
    ----------
    positions, lengths
        (N, 3) sites in the orthogonal periodic box from 0 to (3,) its edges, Å.
    groups
        (N,) the group of each site, from 0.
    counts
        (G,) the ions of each group.
    min_distance
        Å; pairs at this distance or beyond are allowed.
    seed
        Seed of the draw.

    Raises
    ------
    ValueError
        Pairs that are too close remain.
    """
    rng = np.random.default_rng(seed)
    occupied = np.zeros(len(positions), dtype=np.bool_)
    for group, count in enumerate(counts):
        occupied[rng.choice(np.flatnonzero(groups == group), size=count, replace=False)] = True
    neighbours = _neighbours(positions, lengths, min_distance)
    _separate(occupied, groups, neighbours, rng)
    left = sum(int(occupied[neighbours[site]].sum()) for site in np.flatnonzero(occupied)) // 2
    if left:
        raise ValueError(f"{left} pairs of ions stay closer than {min_distance} Å; choose a smaller distance")
    return occupied


def blocked(positions: Floats, others: Floats, lengths: Floats, distance: float) -> NDArray[np.bool_]:
    """Return which of the sites (N, 3) are closer than ``distance`` to one of the ``others`` (M, 3), all in Å.

    The box is orthogonal and periodic, from 0 to (3,) its edges.
    """
    if not len(others):
        return np.zeros(len(positions), dtype=np.bool_)
    nearest = np.asarray(cKDTree(others, boxsize=lengths).query(positions)[0])
    return nearest < distance - _ROUNDING


def _neighbours(positions: Floats, lengths: Floats, distance: float) -> list[Integers]:
    tree = cKDTree(positions, boxsize=lengths)
    pairs = tree.query_pairs(max(distance - _ROUNDING, 0.0), output_type="ndarray")
    near: list[list[int]] = [[] for _ in positions]
    for first, second in pairs:
        near[first].append(second)
        near[second].append(first)
    return [np.array(sorted(entry), dtype=np.int64) for entry in near]


def _separate(
    occupied: NDArray[np.bool_], groups: Integers, neighbours: list[Integers], rng: np.random.Generator
) -> None:
    """Move ions with too close neighbours, in place."""
    members = [np.flatnonzero(groups == group) for group in range(int(groups.max()) + 1)]
    for _ in range(_SWAPS_PER_SITE):
        crowded = [site for site in np.flatnonzero(occupied) if occupied[neighbours[site]].any()]
        if not crowded:
            return
        for site in rng.permutation(crowded):
            here = occupied[neighbours[site]].sum()
            if not here:
                continue
            vacant = members[groups[site]][~occupied[members[groups[site]]]]
            if not len(vacant):
                continue
            target = rng.choice(vacant)
            there = occupied[neighbours[target]].sum() - int(site in neighbours[target])
            if there <= here:
                occupied[site], occupied[target] = False, True
