"""Coarser states and other boundaries from a stored state, without reading the trajectory again.

A state holds, per block of time, the number of atoms of each type and of ions in each bin, and per snapshot the
bin of every ion. Bins and blocks can therefore be joined and snapshots left out, and populations and transitions
under the snapshot rule follow for all boundaries on the edges of bins. The core rule and the displacements depend
on every frame; they are known for the boundaries, cores, layers and lags of the reduction only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.sensitivity import labels_from_events, recount_at_stride
from aiida_cse.physics.exchange.transitions import count_transitions
from aiida_cse.reduction.config import LENGTH_TOLERANCE, IonSpecies, ReductionConfig, Stream
from aiida_cse.reduction.displacements import Displacements
from aiida_cse.reduction.selection import Selection
from aiida_cse.reduction.state import State, Track
from aiida_cse.schema import located

__all__ = [
    "Boundaries",
    "Recount",
    "exact_boundaries",
    "join_bins",
    "merge_blocks",
    "point_counts",
    "recount",
    "rereading_reasons",
    "select_lags",
    "snapshot_labels",
    "thin_snapshots",
]

#: the four boundaries between the five regions, ascending, Å from the mid-plane of the slab
Boundaries = tuple[float, float, float, float]

#: largest distance (Å) of a boundary from the edge of a bin that it denotes: edges are written with two decimals
_EDGE_TOLERANCE = 0.0051
#: bound on sums of squares that fit 64 bits, less the rounding of the check in float64
_LARGEST_SUM = 2.0**63 * (1 - 1e-9)
#: fields that identify the trajectory; charges are not among them, because counts are weighted with them later
_SYSTEM = (
    "atom_types",
    "molecules",
    "labels",
    "masses",
    "framework",
    "midplane_offset",
    "box",
    "atom_ids",
    "timestep_fs",
    "frame_steps",
)


def join_bins(state: State, factor: int) -> State:
    """Return the state with bins that are ``factor`` times as wide.

    It equals that of a reduction with these bins, except that a position may round to the other side of an edge if
    ``factor`` is no power of two. A stream with bins of its own keeps them.

    Raises
    ------
    ValueError
        As :meth:`~aiida_cse.reduction.grid.Grid.joined`.
    """
    there = state.config.grid
    grid, starts = there.joined(factor), there.starts(factor)
    joined = partial(np.add.reduceat, indices=starts, axis=-1)
    width = grid.width if grid.fixed else None
    own = {name for name, stream in state.config.streams.items() if stream.bins or stream.bin_width}
    return replace(
        state,
        config=state.config.model_copy(update={"bins": grid.bins, "bin_width": width}),
        streams={name: array if name in own else joined(array) for name, array in state.streams.items()},
        point_histograms=joined(state.point_histograms),
        snapshot_bins=(np.searchsorted(starts, state.snapshot_bins, side="right") - 1).astype(np.int32),
    )


def merge_blocks(state: State, factor: int) -> State:
    """Return the state with blocks that are ``factor`` times as long; it equals that of a reduction with these.

    Blocks count from step 0, so that the first and the last one may be partial, as in any state.

    Raises
    ------
    ValueError
        ``factor`` is below 1, or the blocks are so long that sums of displacements could overflow.
    """
    if factor < 1:
        raise ValueError(f"factor = {factor}: must be at least 1")
    longer = {"block_frames": state.config.block_frames * factor}
    with located(""):
        config = ReductionConfig.model_validate(state.config.model_dump() | longer)
    blocks = (state.first_block + np.arange(state.blocks)) // factor
    starts = np.flatnonzero(np.diff(blocks, prepend=-1))
    merged = partial(np.add.reduceat, indices=starts, axis=0)
    moved = state.displacements
    # the summands are whole numbers, so that no sum of them exceeds that of their squares
    if merged(moved.squares.astype(np.float64)).max(initial=0.0) > _LARGEST_SUM:
        raise ValueError(
            f"factor = {factor}: the sums of displacements over blocks of {config.block_frames} frames overflow"
        )
    return replace(
        state,
        config=config,
        streams={name: merged(array) for name, array in state.streams.items()},
        point_histograms=merged(state.point_histograms),
        displacements=replace(
            moved, counts=merged(moved.counts), sums=merged(moved.sums), squares=merged(moved.squares)
        ),
    )


def thin_snapshots(state: State, factor: int) -> State:
    """Return the state with every ``factor``-th snapshot; it equals that of a reduction with these.

    The snapshot rule counts the transitions between the remaining snapshots. Snapshots count from step 0.

    Raises
    ------
    ValueError
        ``factor`` is below 1.
    """
    if factor < 1:
        raise ValueError(f"factor = {factor}: must be at least 1")
    stride = state.config.snapshot_frames * factor
    kept = state.snapshots % stride == 0
    frames, track = state.snapshots[kept], state.tracks["snapshot"]
    ions = len(track.first_labels)
    if len(frames):
        first, last = int(frames[0]), int(frames[-1])
        ends = labels_from_events(track.first_labels, track.events, np.unique(frames[[0, -1]]))
        seen = recount_at_stride(track.first_labels, track.events, start=first, stop=last + 1, stride=stride)
        thinned = Track(ends[0], np.full(ions, first, dtype=np.int64), ends[-1], seen.events)
    else:
        thinned = Track.empty(ions)
    return replace(
        state,
        config=state.config.model_copy(update={"snapshot_frames": stride}),
        snapshot_bins=state.snapshot_bins[kept],
        tracks=state.tracks | {"snapshot": thinned},
    )


def select_lags(state: State, lags: Sequence[int]) -> State:
    """Return the state with the displacements over some of its ``lags`` (frames, ascending) only.

    Raises
    ------
    ValueError
        A lag is not among those of the state, or they do not ascend.
    """
    config, moved = state.config, state.displacements
    if list(lags) != sorted(set(lags)):
        raise ValueError(f"lags = {tuple(lags)}: must ascend")
    for reason in _unknown("lags", lags, config.lags):
        raise ValueError(reason)
    if not lags:
        none = config.model_copy(update={"lags": (), "displacement_frames": None})
        empty = Displacements.empty(none, state.blocks, moved.head.shape[2])
        return replace(state, config=none, displacements=empty)
    chosen = config.model_copy(update={"lags": tuple(lags)})
    columns, longest = [config.lags.index(lag) for lag in lags], max(chosen.lag_samples)
    return replace(
        state,
        config=chosen,
        displacements=Displacements(
            counts=moved.counts[:, :, columns],
            sums=moved.sums[:, :, columns],
            squares=moved.squares[:, :, columns],
            head=moved.head[:longest],
            tail=moved.tail.last(longest),
        ),
    )


def exact_boundaries(config: ReductionConfig, boundaries: ArrayLike) -> NDArray[np.float64]:
    """Return the edges of bins (Å from the mid-plane) that boundaries denote, which may be rounded to 0.01 Å.

    Raises
    ------
    ValueError
        As for :func:`point_counts`.
    """
    return config.grid.place(_bin_edges(config, boundaries))


def point_counts(state: State, name: str, boundaries: ArrayLike) -> NDArray[np.int64]:
    """Return the number of ions between boundaries, summed over the frames of each block.

    Parameters
    ----------
    state
        The reduced trajectory.
    name
        Species of the ions.
    boundaries
        (R − 1,) ascending, Å from the mid-plane of the slab, each on the edge of a bin to 0.005 Å. They bound R
        regions, the outermost of which reach to the periodic boundary.

    Returns
    -------
    ndarray of int64
        (blocks, R); divided by the frames of a block, they are mean populations.

    Raises
    ------
    ValueError
        There is no such species, or boundaries do not ascend or lie on no edge; names the nearest edges.
    """
    index = _species(state.config, name)
    edges = _bin_edges(state.config, boundaries)
    starts = np.concatenate([[0], edges])
    return np.add.reduceat(state.point_histograms[:, index], starts, axis=1)


def snapshot_labels(
    state: State, name: str, boundaries: ArrayLike, cores: Sequence[tuple[float, float]] | None = None
) -> NDArray[np.int8]:
    """Return the region of each ion in each snapshot.

    :func:`~aiida_cse.physics.exchange.transitions.count_transitions` counts the transitions in it.

    Parameters
    ----------
    state, name, boundaries
        As for :func:`point_counts`.
    cores
        Lower and upper bound of the core of each region, Å, on edges of bins (or infinite); between cores the
        label is −1. This is the core rule at the stride of the snapshots.

    Returns
    -------
    ndarray of int8
        (snapshots, ions of the species).

    Raises
    ------
    ValueError
        As for :func:`point_counts`, or there is not one core for each region.
    """
    index = _species(state.config, name)
    edges = _bin_edges(state.config, boundaries)
    bins = state.snapshot_bins[:, Selection.from_config(state.config).ion_species == index]
    labels = np.searchsorted(edges, bins, side="right")
    if cores is None:
        return labels.astype(np.int8)
    if len(cores) != len(edges) + 1:
        raise ValueError(f"cores has {len(cores)} entries: {len(edges) + 1} regions need {len(edges) + 1}")
    end = state.config.box[2] / 2
    low = np.array([0 if low <= -end else _bin_edges(state.config, low)[0] for low, _ in cores])
    high = np.array([state.config.bins if high >= end else _bin_edges(state.config, high)[0] for _, high in cores])
    inside = (low[labels] <= bins) & (bins < high[labels])
    return np.where(inside, labels, -1).astype(np.int8)


@dataclass(frozen=True)
class Recount:
    """Populations and transitions for other boundaries, from the snapshots alone.

    Attributes
    ----------
    boundaries
        Boundaries of each species that was counted again, exactly on edges of bins.
    counts
        (snapshots, 5) int32 for each such species, its ions in each region.
    track
        Labels of all ions under the snapshot rule; other species keep the boundaries of the reduction.
    """

    boundaries: dict[str, Boundaries]
    counts: dict[str, NDArray[np.int32]]
    track: Track


def recount(state: State, boundaries: Mapping[str, Boundaries]) -> Recount:
    """Count the ions of some species again, each with four boundaries (Å) between its five regions.

    Counts and track equal those of a reduction with these boundaries at the snapshots.

    Raises
    ------
    ValueError
        As for :func:`snapshot_labels`.
    """
    found = Recount({}, {}, state.tracks["snapshot"])
    species_of_ion = Selection.from_config(state.config).ion_species
    for name, places in boundaries.items():
        labels = snapshot_labels(state, name, places)
        own = np.flatnonzero(species_of_ion == list(state.config.ions).index(name))
        counts = [np.count_nonzero(labels == label, axis=1) for label in range(len(REGION_NAMES))]
        a, b, c, d = exact_boundaries(state.config, places).tolist()
        found = Recount(
            found.boundaries | {name: (a, b, c, d)},
            found.counts | {name: np.column_stack(counts).astype(np.int32)},
            _relabelled(found.track, own, labels, state.snapshots),
        )
    return found


def _relabelled(
    track: Track, ions: NDArray[np.int64], labels: NDArray[np.int8], snapshots: NDArray[np.int64]
) -> Track:
    """Return the track with other labels (snapshots, ions) of some ions."""
    if not len(snapshots):
        return track
    events = count_transitions(labels).events
    events[:, :2] = np.column_stack([snapshots[events[:, 0]], ions[events[:, 1]]])
    events = np.concatenate([track.events[~np.isin(track.events[:, 1], ions)], events])
    first, last = track.first_labels.copy(), track.last_labels.copy()
    first[ions], last[ions] = labels[0], labels[-1]
    return Track(first, track.first_frames, last, events[np.lexsort((events[:, 1], events[:, 0]))])


def rereading_reasons(have: ReductionConfig, want: ReductionConfig) -> tuple[str, ...]:
    """Return why the trajectory must be read again for a state of ``want`` if there is one of ``have``.

    Each reason is a sentence that names a field. There is none if the functions of this module and the omission of
    data lead from one state to the other.
    """
    reasons = [f"{name} differs" for name in _SYSTEM if getattr(have, name) != getattr(want, name)]
    grid, wanted = have.grid, want.grid
    if grid.fixed != wanted.fixed:
        reasons.append("bins: one are equal parts of the box, the others have a fixed width")
    else:
        factor = grid.factors().get(wanted.bins)
        width = grid.joined(factor).width if factor is not None and grid.fixed else wanted.width
        if factor is None or not math.isclose(width, wanted.width, rel_tol=LENGTH_TOLERANCE):
            reasons.append(
                f"bins = {wanted.bins}: can only be made coarser, by whole factors of the {grid.bins} of the state"
            )
    for name, stream in want.streams.items():
        reasons += _stream_reasons(name, stream, have, want)
    for name, coarse, fine in (
        ("block_frames", want.block_frames, have.block_frames),
        ("snapshot_frames", want.snapshot_frames, have.snapshot_frames),
    ):
        if coarse % fine:
            reasons.append(
                f"{name} = {getattr(want, name)}: can only be made coarser, by whole factors of the "
                f"{getattr(have, name)} of the state"
            )
    reasons += _unknown("core_scales", want.core_scales, have.core_scales)
    if want.lags:
        reasons += _unknown("lags", want.lags, have.lags)
        if want.displacement_frames != have.displacement_frames:
            reasons.append(
                f"displacement_frames = {want.displacement_frames}: the state has {have.displacement_frames}"
            )
    for name, species in want.ions.items():
        reasons += [f"ions.{name}: {reason}" for reason in _species_reasons(species, have, want, name)]
    return tuple(reasons)


def _stream_reasons(name: str, stream: Stream, have: ReductionConfig, want: ReductionConfig) -> list[str]:
    known = have.streams.get(name)
    if known is None:
        return [f"streams.{name}: is not in the state, which has {', '.join(have.streams) or 'none'}"]
    reasons = []
    if stream.interval != known.interval:
        reasons.append(f"streams.{name}.every_frames = {stream.interval:g}: the state has {known.interval:g}")
    # bins of a stream's own are never joined, those that it has from the ions are joined with theirs
    mine, wanted = ((one.bins, one.bin_width) for one in (known, stream))
    if mine != wanted:
        reasons.append(f"streams.{name}: its bins differ")
    return reasons


def _unknown(name: str, wanted: Sequence[float], known: Sequence[float]) -> list[str]:
    """Return a sentence about the first wanted value that is not known, if there is one."""
    missing = [one for one in wanted if one not in known]
    there = ", ".join(f"{one:g}" for one in known) or "none"
    return [f"{name} = {missing[0]:g}: not in the state, which has {there}"] if missing else []


def _species_reasons(species: IonSpecies, have: ReductionConfig, want: ReductionConfig, name: str) -> list[str]:
    known = have.ions.get(name)
    if known is None:
        return ["was not followed"]
    reasons = [
        f"{field} differs" for field in ("types", "point") if getattr(species, field) != getattr(known, field)
    ]
    if (species.edges[1:-1], species.cores) != (known.edges[1:-1], known.cores):
        reasons.append("edges or cores differ, and the core rule depends on every frame")
    if want.lags and (species.layers, species.layer_edges) != (known.layers, known.layer_edges):
        reasons.append("layers differ, and displacements are assigned to them in every frame")
    return reasons


def _species(config: ReductionConfig, name: str) -> int:
    if name not in config.ions:
        raise ValueError(f"name = {name!r}: must be one of {', '.join(config.ions)}")
    return list(config.ions).index(name)


def _bin_edges(config: ReductionConfig, boundaries: ArrayLike) -> NDArray[np.int64]:
    """Return the number of the bin that begins at each boundary; refuse boundaries on no edge."""
    given = np.atleast_1d(np.asarray(boundaries, dtype=np.float64))
    grid = config.grid
    places = (given / grid.span + 0.5) * grid.bins
    edges = np.rint(places)
    for boundary, place, edge in zip(given, places, edges, strict=True):
        if not np.isfinite(boundary):
            raise ValueError(f"boundaries = {boundary}: no position in the box")
        if abs(place - edge) * grid.width > _EDGE_TOLERANCE or not 0 < edge < grid.bins:
            around = np.unique(np.clip([np.floor(place), np.ceil(place)], 1, grid.bins - 1))
            nearest = " and ".join(f"{grid.place(one):.2f}" for one in around)
            raise ValueError(
                f"boundaries = {boundary:g} Å: lies on no edge of the state's bins, which are {grid.width:.3g} Å "
                f"wide; nearest: {nearest} Å"
            )
    if (np.diff(edges) <= 0).any():
        raise ValueError(f"boundaries = {given.tolist()}: must ascend by at least a bin of {grid.width:.3g} Å")
    return edges.astype(np.int64)
