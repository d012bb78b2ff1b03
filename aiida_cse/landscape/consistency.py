"""Agreement of a reduced state with the landscape that was run, and of its arrays with each other.

A reduction keeps the same ions several times: as histograms, as numbers per region, as bins at the snapshots, as
labels under two rules, and as displacements. The sums of all of them are tied to each other and to the numbers of
atoms, without any statistical error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.landscape.identities import edges_are_resolved, region_labels
from aiida_cse.landscape.model import CATION, Ions, Landscape
from aiida_cse.landscape.system import landscape_types, midplane_offset
from aiida_cse.reduction.state import State, Track

__all__ = ["STATE_CHECKS", "inconsistency"]

Integers = NDArray[np.int64]
#: Å; a moving framework is written with six digits
_PLACE = 2e-3
#: relative difference of settings that are computed twice
_SAME = 1e-9


def _settings(
    state: State, landscape: Landscape, ions: Ions, plan: Mapping[str, Any]
) -> Iterator[tuple[str, bool]]:
    """Compare the configuration with the landscape, the type table and the plan of the run."""
    config, types = state.config, landscape_types(landscape, ions)
    yield "labels", config.labels == tuple(entry.label for entry in types)
    yield "masses", np.allclose(config.masses, [entry.mass for entry in types], rtol=_SAME)
    yield "charges", np.allclose(config.charges, [entry.charge for entry in types], rtol=_SAME, atol=_SAME)
    yield "half_thickness", bool(np.isclose(config.half_thickness, landscape.half_thickness, rtol=_SAME))
    yield "midplane_offset", bool(np.isclose(config.midplane_offset, midplane_offset(landscape), rtol=_SAME))
    yield "box along z", bool(np.isclose(config.box[2], 2 * landscape.box_half_length, rtol=_SAME))
    yield "temperature", config.temperature == plan["temperature"]
    yield "timestep_fs", config.timestep_fs == plan["timestep_fs"]
    frame_ps = config.frame_steps * config.timestep_fs / 1000
    yield "frame_ps", bool(np.isclose(frame_ps, plan["frame_ps"], rtol=_SAME))
    yield "frames", state.start == 0 and state.stop == round(plan["length_ps"] / plan["frame_ps"]) + 1
    for name, species in config.ions.items():
        regions = landscape.regions(name)
        yield f"edges of {name}", np.allclose(species.edges, regions.edges, rtol=_SAME)
        yield f"cores of {name}", np.allclose(species.cores, regions.cores, rtol=_SAME)
        ceramic = name == CATION
        yield f"exchange of {name}", species.exchange == ("ceramic" if ceramic else "layer")
        inside = round(ions.cations * ions.inside) if ceramic else None
        yield f"initial_ceramic of {name}", species.initial_ceramic == inside


def _motion(state: State, landscape: Landscape, ions: Ions, plan: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Compare the slab's mid-plane in the box with the motion that LAMMPS was told."""
    times = np.arange(state.start, state.stop) * plan["frame_ps"] / 1000
    known = landscape.origin + landscape.drift * times
    yield "centres", len(state.centres) == state.frames and bool(np.abs(state.centres - known).max() < _PLACE)
    box = np.array(state.config.box)
    yield "edges", state.edges.shape == (state.frames, 3) and np.allclose(state.edges, box, rtol=1e-6)


def _numbers(
    state: State, landscape: Landscape, ions: Ions, plan: Mapping[str, Any]
) -> Iterator[tuple[str, bool]]:
    """Compare the sums of all counts with the numbers of atoms and ions."""
    numbers = np.array([ions.cations, ions.anions])
    yield "region_counts", bool((state.region_counts.sum(axis=2) == numbers).all())
    lengths = np.bincount(np.arange(state.start, state.stop) // state.config.block_frames - state.first_block)
    points = state.point_histograms.sum(axis=2)
    yield (
        "point_histograms",
        points.shape[0] == len(lengths) and bool((points == lengths[:, None] * numbers).all()),
    )
    atoms = np.bincount(np.array(state.config.atom_types) - 1, minlength=len(state.config.labels))
    for name, stream in state.config.streams.items():
        frames = np.arange(
            -(-state.start // stream.every_frames) * stream.every_frames, state.stop, stream.every_frames
        )
        counted = np.bincount(frames // state.config.block_frames - state.first_block, minlength=len(lengths))
        found = state.streams[name].sum(axis=2)
        yield f"stream {name}", found.shape[0] == len(counted) and bool((found == counted[:, None] * atoms).all())


def _places(state: State, landscape: Landscape, ions: Ions, plan: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Compare numbers per region with histograms, with bins at the snapshots, and with displacements."""
    config = state.config
    if not edges_are_resolved(state):
        return
    length, first = config.box[2], 0
    for index, (name, species) in enumerate(config.ions.items()):
        bounds = np.round((np.array(species.edges) / length + 0.5) * config.bins).astype(int)
        of_block = np.add.reduceat(state.point_histograms[:, index], bounds[:-1], axis=1)
        summed = np.add.reduceat(
            state.region_counts[:, index].astype(np.int64),
            np.maximum((np.arange(state.blocks) + state.first_block) * config.block_frames - state.start, 0),
        )
        yield f"point_histograms of {name}", bool((of_block == summed).all())
        number = int(state.region_counts[0, index].sum())
        labels = region_labels(state, name, slice(first, first + number))
        counted = np.stack([(labels == region).sum(axis=1) for region in range(5)], axis=1)
        yield (
            f"snapshot_bins of {name}",
            bool((counted == state.region_counts[state.snapshots - state.start, index]).all()),
        )
        first += number
    yield from _displaced(state)
    yield from _elements(state, landscape)


def _displaced(state: State) -> Iterator[tuple[str, bool]]:
    """Compare the displacements that began in each region with the ions that were there."""
    config, first = state.config, 0
    for index, (name, species) in enumerate(config.ions.items()):
        rows = slice(first, first + len(species.layers))
        first = rows.stop
        inner = [np.flatnonzero(np.isclose(species.layer_edges, edge)) for edge in species.edges]
        if not config.lags or any(len(found) != 1 for found in inner):
            continue
        starts = np.concatenate(inner)[:-1]
        every = config.displacement_frames or 1
        for number, lag in enumerate(config.lags):
            began = np.add.reduceat(state.displacements.counts[:, rows, number].sum(axis=0), starts)
            frames = np.arange(-(-state.start // every) * every, state.stop - lag, every)
            there = state.region_counts[frames - state.start, index].sum(axis=0)
            yield f"displacements of {name}", bool((began == there).all())


def _elements(state: State, landscape: Landscape) -> Iterator[tuple[str, bool]]:
    """Find the planes of the framework's elements, and the cations in both kinds of histogram."""
    config = state.config
    for name, histograms in state.streams.items():
        total = histograms.sum(axis=0)
        bins = total.shape[-1]
        z = (np.arange(bins) + 0.5) * config.box[2] / bins - config.box[2] / 2
        for row, sign in ((0, -1), (1, 1)) if landscape.molecular else ():
            away = np.abs(z[total[row] > 0] - sign * 3.0)
            yield (
                f"plane of {config.labels[row]} in {name}",
                len(away) > 0 and bool(away.max() < config.box[2] / bins),
            )
        # the same ions, at fewer frames: the shares on both sides differ by less than their fluctuation
        lithium = total[config.labels.index(CATION)]
        coarse = np.add.reduceat(lithium, np.arange(0, bins, bins // 6)) / lithium.sum()
        points = state.point_histograms[:, list(config.ions).index(CATION)].sum(axis=0)
        fine = np.add.reduceat(points, np.arange(0, config.bins, config.bins // 6)) / points.sum()
        yield f"cations in {name}", bool(np.abs(coarse - fine).max() < 0.01)


# -- labels ------------------------------------------------------------------------------------------------------


def _labels(state: State, landscape: Landscape, ions: Ions, plan: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Count the events of the snapshot rule again, and compare those of the core rule with the snapshots."""
    for rule, track in state.tracks.items():
        yield f"chain of {rule}", _is_chain(track)
    if not edges_are_resolved(state):
        return
    first, snapshots, labels = 0, state.snapshots, []
    for index, name in enumerate(state.config.ions):
        number = int(state.region_counts[0, index].sum())
        labels.append(region_labels(state, name, slice(first, first + number)))
        first += number
    regions = np.concatenate(labels, axis=1)
    looks, movers = np.nonzero(regions[1:] != regions[:-1])
    again = np.column_stack([snapshots[looks + 1], movers, regions[looks, movers], regions[looks + 1, movers]])
    yield "events of snapshot", np.array_equal(again, state.tracks["snapshot"].events)
    yield from _cores(state, regions)


def _is_chain(track: Track) -> bool:
    """Return whether each event of an ion begins in the label in which the one before ended."""
    order = np.lexsort((track.events[:, 0], track.events[:, 1]))
    frame, ion, origin, target = track.events[order].T
    begins = np.append(True, ion[1:] != ion[:-1])[: len(ion)]
    before = np.where(begins, track.first_labels[ion], np.roll(target, 1))
    ends = np.append(ion[1:] != ion[:-1], True)[-len(ion) :] if len(ion) else np.zeros(0, dtype=bool)
    last = track.first_labels.astype(np.int64)
    last[ion[ends]] = target[ends]
    later = begins | (frame > np.roll(frame, 1))
    return bool(
        (before == origin).all() and (origin != target).all() and later.all() and (last == track.last_labels).all()
    )


def _cores(state: State, regions: Integers) -> Iterator[tuple[str, bool]]:
    """Compare the labels under the core rule with the bins of the ions at the snapshots."""
    track, snapshots = state.tracks["core"], state.snapshots
    current = np.where(track.first_frames <= snapshots[0], track.first_labels, -1).astype(np.int64)
    labels = np.empty(regions.shape, dtype=np.int64)
    events, position = track.events, 0
    for row, frame in enumerate(snapshots):
        while position < len(events) and events[position, 0] <= frame:
            current[events[position, 1]] = events[position, 3]
            position += 1
        fresh = (current < 0) & (track.first_frames <= frame)
        current[fresh] = track.first_labels[fresh]
        labels[row] = current
    species = np.repeat(np.arange(len(state.config.ions)), state.region_counts[0].sum(axis=1))
    length, bins = state.config.box[2], state.config.bins
    low = state.snapshot_bins / bins * length - length / 2
    settled = np.zeros(regions.shape, dtype=bool)
    for index, one in enumerate(state.config.ions.values()):
        own = species == index
        cores = np.array(one.cores)[regions[:, own]]
        settled[:, own] = (low[:, own] >= cores[..., 0] - 1e-9) & (
            low[:, own] + length / bins <= cores[..., 1] + 1e-9
        )
    yield "labels of core", bool((labels[settled] == regions[settled]).all())


#: by name, the comparisons of a state
STATE_CHECKS = {
    "settings": _settings,
    "motion of the slab": _motion,
    "numbers of atoms": _numbers,
    "places of ions": _places,
    "labels": _labels,
}


def inconsistency(
    name: str, state: State, landscape: Landscape, ions: Ions, plan: Mapping[str, Any]
) -> tuple[str, int]:
    """Return the first comparison that fails, empty for none, and their number.

    ``plan`` has ``temperature`` (K), ``timestep_fs``, ``frame_ps`` and ``length_ps`` of the run.
    """
    outcomes = list(STATE_CHECKS[name](state, landscape, ions, plan))
    return next((place for place, holds in outcomes if not holds), ""), len(outcomes)
