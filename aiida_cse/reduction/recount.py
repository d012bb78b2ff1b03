"""The ions of a state counted again, in its snapshots, between boundaries that the reduction did not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.transitions import count_transitions
from aiida_cse.reduction.coarsen import exact_boundaries, snapshot_labels
from aiida_cse.reduction.selection import Selection
from aiida_cse.reduction.state import State
from aiida_cse.reduction.tracks import Track

__all__ = ["Boundaries", "Recount", "recount"]

#: the four boundaries between the five regions, ascending, Å from the mid-plane of the slab
Boundaries = tuple[float, float, float, float]


@dataclass(frozen=True)
class Recount:
    """What is known by other boundaries, from the snapshots alone.

    Attributes
    ----------
    boundaries
        Per species that was counted again, where its boundaries are: exactly on edges of bins.
    counts
        Per such species (snapshots, 5) int32, its ions in each region.
    track
        The way of all ions under the snapshot rule; other species go by the boundaries of the reduction.
    """

    boundaries: dict[str, Boundaries]
    counts: dict[str, NDArray[np.int32]]
    track: Track


def recount(state: State, boundaries: Mapping[str, Boundaries]) -> Recount:
    """Count the ions of some species again, each with four boundaries (Å) between its five regions.

    Counts and track are those of a reduction with these boundaries, as far as it looks at the snapshots.

    Raises
    ------
    ValueError
        As for :func:`~aiida_cse.reduction.coarsen.snapshot_labels`.
    """
    found = Recount({}, {}, state.tracks["snapshot"])
    species_of_ion = Selection.from_config(state.config).ion_species
    for name, places in boundaries.items():
        labels = snapshot_labels(state, name, places)
        own = np.flatnonzero(species_of_ion == list(state.config.ions).index(name))
        a, b, c, d = exact_boundaries(state.config, places).tolist()
        found = Recount(
            found.boundaries | {name: (a, b, c, d)},
            found.counts | {name: _counts(labels)},
            _replaced(found.track, own, labels, state.snapshots),
        )
    return found


def _counts(labels: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return how many ions have each label (snapshots, 5) in a table (snapshots, ions)."""
    counts = [np.count_nonzero(labels == label, axis=1) for label in range(len(REGION_NAMES))]
    return np.column_stack(counts).astype(np.int32)


def _replaced(
    track: Track, ions: NDArray[np.int64], labels: NDArray[np.int8], snapshots: NDArray[np.int64]
) -> Track:
    """Return the track with another way of some ions, whose labels (snapshots, ions) are given."""
    if not len(snapshots):
        return track
    events = count_transitions(labels).events
    events[:, :2] = np.column_stack([snapshots[events[:, 0]], ions[events[:, 1]]])
    events = np.concatenate([track.events[~np.isin(track.events[:, 1], ions)], events])
    first, last = track.first_labels.copy(), track.last_labels.copy()
    first[ions], last[ions] = labels[0], labels[-1]
    return Track(first, track.first_frames, last, events[np.lexsort((events[:, 1], events[:, 0]))])
