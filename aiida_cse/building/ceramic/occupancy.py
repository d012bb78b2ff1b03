"""Random occupancy of partly occupied sites, with a shortest distance between ions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["draw_occupancy", "site_counts", "too_close"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: largest number of sweeps in which crowded ions are moved; shipped structures need fewer than two
_SWEEPS = 100
#: Å; tolerance of distances
_ROUNDING = 1e-6


def site_counts(capacities: Integers, occupancies: Floats, total: int) -> Integers:
    """Share ``total`` ions among groups of sites in proportion to their occupancies.

    Counts are rounded by largest remainders, so that they add up to ``total`` exactly.

    Parameters
    ----------
    capacities, occupancies
        (G,) number of sites of each group, and the fraction of them that is occupied.
    total
        Number of ions.

    Raises
    ------
    ValueError
        The occupancies imply a number of ions that differs by more than 1 % (and more than one ion) from
        ``total``, or a group has fewer sites than ions.
    """
    implied = capacities * occupancies
    if abs(implied.sum() - total) > max(1.0, 0.01 * total):
        raise ValueError(f"occupancies imply {implied.sum():.2f} mobile ions; neutrality needs {total}")
    exact = implied * (total / implied.sum())
    counts: Integers = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(counts - exact, kind="stable")
    counts[by_remainder[: total - int(counts.sum())]] += 1
    if (counts > capacities).any():
        raise ValueError(f"{total} mobile ions do not fit on the sites")
    return counts


def draw_occupancy(
    positions: Floats,
    lengths: Floats,
    groups: Integers,
    counts: Integers,
    min_distance: float,
    seed: int | Sequence[int],
) -> NDArray[np.bool_]:
    """Return a random occupancy of the sites, (N,), true where there is an ion.

    Sites are drawn at random within each group. Ions closer than ``min_distance`` to another one are then moved to
    vacant sites of their group with no more such neighbours, until no such pair is left.

    Parameters
    ----------
    positions, lengths
        (N, 3) sites in the orthogonal periodic box from 0 to (3,) its edges, in Å.
    groups
        (N,) the group of each site, from 0.
    counts
        (G,) number of ions of each group.
    min_distance
        Shortest distance allowed, Å.
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
    tree = cKDTree(positions, boxsize=lengths)
    near: list[list[int]] = [[] for _ in positions]
    for first, second in tree.query_pairs(max(min_distance - _ROUNDING, 0.0), output_type="ndarray"):
        near[first].append(second)
        near[second].append(first)
    neighbours = [np.array(sorted(sites), dtype=np.int64) for sites in near]
    _separate(occupied, groups, neighbours, rng)
    left = sum(int(occupied[neighbours[site]].sum()) for site in np.flatnonzero(occupied)) // 2
    if left:
        raise ValueError(f"{left} pairs of ions stay closer than {min_distance} Å; choose a smaller distance")
    return occupied


def too_close(positions: Floats, others: Floats, lengths: Floats, distance: float) -> NDArray[np.bool_]:
    """Return a mask of the sites (N, 3) closer than ``distance`` to one of the ``others`` (M, 3), all in Å.

    The box is orthogonal and periodic, from 0 to (3,) its edges.
    """
    if not len(others):
        return np.zeros(len(positions), dtype=np.bool_)
    nearest = np.asarray(cKDTree(others, boxsize=lengths).query(positions)[0])
    return nearest < distance - _ROUNDING


def _separate(
    occupied: NDArray[np.bool_], groups: Integers, neighbours: list[Integers], rng: np.random.Generator
) -> None:
    """Move ions with neighbours that are too close, in place."""
    members = [np.flatnonzero(groups == group) for group in range(int(groups.max()) + 1)]
    for _ in range(_SWEEPS):
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
