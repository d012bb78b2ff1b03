"""Compiled loop along z: histograms, populations and transitions.

Every number depends on its own frame alone and sums run in a fixed order. The result therefore depends neither on
how the frames are cut into chunks nor on which thread reduces them.

Three measures make the loop fast. The bins of all atoms of a frame are computed without a branch, so that the
compiler uses vector instructions. Histograms grow in a small table that stays in the cache. Each ion has a range
of bins within which neither its class nor a label changes, so that only an ion that leaves it costs more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.kernels.compiled import (
    EDGE,
    compiled,
    copy,
    fraction,
    gather,
    uncounted,
    weighted_sum,
    weighted_sums,
)
from aiida_cse.reduction.kernels.histogram import bin_of, count_atoms
from aiida_cse.reduction.kernels.layout import Cadence, Chunk, Layout, Memory, StreamSums, Sums

__all__ = ["count_streams", "sweep"]

#: number of ions that are checked together for one that left its range of bins
_IONS_AT_ONCE = 64


@uncounted
def _classify(share: float, length: float, bounds: NDArray[np.float64]) -> Any:
    """Return the class at a fractional coordinate of the box."""
    z = (share - 0.5) * length
    found = 0
    for k in range(bounds.shape[0]):
        found += z >= bounds[k]
    return found


@uncounted
def _follow_track(
    track: int, label: int, ion: int, frame: int, memory: Memory, events: NDArray[np.int64], found: int
) -> Any:
    """Set the label of an ion in a track; return the number of events, one more if the label changes."""
    before = memory.last_labels[track, ion]
    if label < 0 or label == before:
        return found
    memory.last_labels[track, ion] = label
    if before < 0:
        memory.first_labels[track, ion] = label
        memory.first_frames[track, ion] = frame
        return found
    events[found, 0] = track
    events[found, 1] = frame
    events[found, 2] = ion
    events[found, 3] = before
    events[found, 4] = label
    return found + 1


@uncounted
def _change_class(
    species: int,
    ion: int,
    new: int,
    frame: int,
    layout: Layout,
    memory: Memory,
    events: NDArray[np.int64],
    found: int,
) -> Any:
    """Move an ion to another class; return the number of events including those of the move."""
    old, region = memory.classes[ion], layout.regions[species, new]
    before = layout.regions[species, old] if old >= 0 else -1
    if region != before:
        memory.counts[species, region] += 1
        if before >= 0:
            memory.counts[species, before] -= 1
    memory.classes[ion], memory.layers[ion] = new, layout.layers[species, new]
    for width in range(layout.cores.shape[2]):
        found = _follow_track(width + 1, layout.cores[species, new, width], ion, frame, memory, events, found)
    return found


@uncounted
def _is_settled(ion: int, region: int, last_labels: NDArray[np.int8]) -> Any:
    """Return 1 if the last core of an ion is that of its region for every width of the buffers, else 0."""
    for track in range(1, last_labels.shape[0]):
        if last_labels[track, ion] != region:
            return 0
    return 1


@uncounted
def _find_changed(
    indices: NDArray[np.int32],
    lowest: NDArray[np.int32],
    highest: NDArray[np.int32],
    changed: NDArray[np.int32],
) -> Any:
    """Write to ``changed`` the ions that are outside their ranges of bins; return how many.

    Most groups of ions have none and are skipped at once. Within a group there is no branch, because the processor
    could not predict it.
    """
    found = np.uint32(0)
    for first in range(0, lowest.shape[0], _IONS_AT_ONCE):
        start, stop = np.uint64(first), np.uint64(min(first + _IONS_AT_ONCE, lowest.shape[0]))
        negative = np.int32(0)
        for ion in range(start, stop):
            negative |= np.int32(np.int32(indices[ion] - lowest[ion]) | np.int32(highest[ion] - indices[ion]))
        if negative < 0:
            for ion in range(start, stop):
                changed[found] = ion
                found += np.uint32((indices[ion] < lowest[ion]) | (indices[ion] > highest[ion]))
    return found


@uncounted
def _follow_atoms(
    species: int,
    z: NDArray[np.float32],
    centre: float,
    length: float,
    frame: int,
    layout: Layout,
    memory: Memory,
    events: NDArray[np.int64],
    found: int,
) -> Any:
    """Follow the ions of a species whose ions are atoms, from the bins of the atoms.

    ``z`` is that of the atoms that are counted.
    """
    table, bounds, inverse = layout.class_of_bin[species], layout.bounds[species], 1.0 / length
    first, stop = layout.species_starts[species], layout.species_starts[species + 1]
    atoms = layout.ion_rows[layout.ion_starts[first] : layout.ion_starts[stop]]
    classes, lowest, highest = memory.classes[first:stop], memory.lowest[first:stop], memory.highest[first:stop]
    changed, count = memory.changed, atoms.shape[0]
    if atoms[count - 1] - atoms[0] == count - 1:
        indices = memory.indices[atoms[0] : atoms[0] + count]
    else:
        indices = memory.gathered[:count]
        gather(memory.indices, atoms, indices)
    for k in range(_find_changed(indices, lowest, highest, changed)):
        ion = changed[k]
        atom = atoms[ion]
        new = table[indices[ion] - layout.rows[atom]]
        if new < 0:
            new = _classify(fraction(z[atom] - centre, inverse), length, bounds)
        if new != classes[ion]:
            found = _change_class(species, first + ion, new, frame, layout, memory, events, found)
            wide = _is_settled(first + ion, layout.regions[species, new], memory.last_labels)
            lowest[ion] = layout.rows[atom] + layout.lowest[wide, species, new]
            highest[ion] = layout.rows[atom] + layout.highest[wide, species, new]
    return found


@uncounted
def _follow_molecules(
    species: int,
    z: NDArray[np.float32],
    centre: float,
    length: float,
    frame: int,
    layout: Layout,
    memory: Memory,
    events: NDArray[np.int64],
    found: int,
) -> Any:
    """Follow the ions of a species whose ions are the centres of several atoms, and count their bins.

    Returns the number of events, −1 if a coordinate is not finite.
    """
    table, bounds, inverse = layout.class_of_bin[species], layout.bounds[species], 1.0 / length
    row, first, stop = species * layout.bins, layout.species_starts[species], layout.species_starts[species + 1]
    places = memory.places[first:stop]
    starts, size = layout.ion_starts[first : stop + 1], layout.sizes[species]
    weighted_sums(z, starts, layout.ion_atoms, layout.ion_weights, places, size)
    for ion in range(first, stop):
        share = fraction(places[ion - first] - centre, inverse)
        if not share >= 0.0:
            return -1
        place = bin_of(share, length, layout.bins, layout.width)
        memory.point_bins[ion] = place
        memory.point_histogram[row + place] += np.uint32(1)
        new = table[place]
        if new < 0:
            new = _classify(share, length, bounds)
        if new != memory.classes[ion]:
            found = _change_class(species, ion, new, frame, layout, memory, events, found)
    return found


@uncounted
def _follow_ions(
    z: NDArray[np.float32],
    counted: NDArray[np.float32],
    centre: float,
    length: float,
    frame: int,
    layout: Layout,
    memory: Memory,
    events: NDArray[np.int64],
    found: int,
) -> Any:
    """Follow all ions and return the number of events, −1 if a coordinate is not finite.

    ``z`` are those of all atoms, ``counted`` those of the atoms that are counted.
    """
    for species in range(layout.single.shape[0]):
        if layout.single[species]:
            found = _follow_atoms(species, counted, centre, length, frame, layout, memory, events, found)
        else:
            found = _follow_molecules(species, z, centre, length, frame, layout, memory, events, found)
            if found < 0:
                return -1
    return found


@uncounted
def _take_snapshot(
    frame: int,
    bins: NDArray[np.int32],
    layout: Layout,
    memory: Memory,
    events: NDArray[np.int64],
    found: int,
) -> Any:
    """Follow the ions' regions under the snapshot rule and keep their bins."""
    for species in range(layout.single.shape[0]):
        for ion in range(layout.species_starts[species], layout.species_starts[species + 1]):
            label = layout.regions[species, memory.classes[ion]]
            found = _follow_track(0, label, ion, frame, memory, events, found)
            atom = layout.ion_rows[layout.ion_starts[ion]]
            single = layout.single[species]
            if single:
                bins[ion] = memory.indices[atom] - layout.rows[atom]
            else:
                bins[ion] = memory.point_bins[ion]
    return found


@uncounted
def _close_block(frame: int, cadence: Cadence, memory: Memory, sums: Sums) -> None:
    """Move the histograms since the block began to the block of this frame."""
    block = frame // cadence.block - sums.first_block
    for k in range(sums.histograms.shape[1]):
        sums.histograms[block, k] += memory.histogram[k]
        memory.histogram[k] = 0
    for k in range(memory.point_histogram.shape[0]):
        sums.point_histograms[block, k] += memory.point_histogram[k]
        memory.point_histogram[k] = 0


@uncounted
def sweep(
    chunk: Chunk,
    begin: int,
    layout: Layout,
    cadence: Cadence,
    memory: Memory,
    sums: Sums,
    layers: NDArray[np.int16],
    events: NDArray[np.int64],
) -> Any:
    """Count the frames of a chunk from row ``begin`` on, until its end or until ``events`` may be full.

    ``layers`` (samples, I) takes the layers of the ions at the displacement frames of the chunk, ``events`` (E, 5)
    takes track, frame, ion, from, to.

    Returns the next row, the number of events, and whether all coordinates were finite; if not, the row is that of
    the frame with one that is not.
    """
    most = memory.last_labels.size
    found = 0
    for row in range(begin, chunk.table.shape[0]):
        frame, length = chunk.first + row, chunk.boxes[row, 2]
        if row > begin and frame % cadence.block == 0:
            _close_block(frame - 1, cadence, memory, sums)
        if events.shape[0] - found < most:
            _close_block(frame - 1, cadence, memory, sums)
            return row, found, True
        z = chunk.table[row, chunk.column : chunk.column + layout.natoms]
        centre = layout.offset + weighted_sum(
            z, layout.framework, layout.framework_weights, 0, layout.framework.shape[0]
        )
        sums.centres[frame - sums.start] = centre
        sums.edges[frame - sums.start, 0] = chunk.boxes[row, 0]
        sums.edges[frame - sums.start, 1] = chunk.boxes[row, 1]
        sums.edges[frame - sums.start, 2] = length
        centre -= EDGE
        counted = z if layout.shared else memory.z
        if not layout.shared:
            gather(z, layout.counted, counted)
        if not count_atoms(
            counted, centre, length, layout.bins, layout.width, layout.rows, memory.indices, memory.histogram
        ):
            return row, found, False
        before = found
        found = _follow_ions(z, counted, centre, length, frame, layout, memory, events, found)
        if found < 0:
            return row, before, False
        copy(memory.counts.reshape(-1), sums.region_counts[frame - sums.start].reshape(-1))
        if frame % cadence.snapshot == 0:
            bins = sums.snapshots[frame // cadence.snapshot - sums.first_snapshot]
            found = _take_snapshot(frame, bins, layout, memory, events, found)
        if cadence.sample and frame % cadence.sample == 0:
            copy(memory.layers, layers[frame // cadence.sample + (-chunk.first // cadence.sample)])
    _close_block(chunk.first + chunk.table.shape[0] - 1, cadence, memory, sums)
    return chunk.table.shape[0], found, True


@uncounted
def _stream_frame(number: int, every: int, per: int) -> Any:
    """Return the frame nearest to the time of a histogram of a stream, the later of two."""
    return (2 * number * every + per) // (2 * per)


@compiled
def count_streams(chunk: Chunk, layout: Layout, to: StreamSums) -> Any:
    """Count the atoms of all types in those frames of a chunk that belong to one of the streams.

    Returns the row of a frame with a coordinate that is not finite, −1 if there is none.
    """
    for stream in range(to.every.shape[0]):
        every, per, columns = to.every[stream], to.per[stream], slice(to.starts[stream], to.starts[stream + 1])
        number = max(chunk.first * per // every - 1, 0)
        while _stream_frame(number, every, per) < chunk.first:
            number += 1
        row = _stream_frame(number, every, per) - chunk.first
        if row >= chunk.table.shape[0]:
            continue
        histogram = np.zeros(to.starts[stream + 1] - to.starts[stream], np.uint32)
        while row < chunk.table.shape[0]:
            number += 1
            following = _stream_frame(number, every, per) - chunk.first
            z = chunk.table[row, chunk.column : chunk.column + layout.natoms]
            centre = layout.offset + weighted_sum(
                z, layout.framework, layout.framework_weights, 0, layout.framework.shape[0]
            )
            centre -= EDGE
            length, bins, width = chunk.boxes[row, 2], to.bins[stream], to.widths[stream]
            if not count_atoms(z, centre, length, bins, width, to.rows[stream], to.indices, histogram):
                return row
            block = (chunk.first + row) // to.block
            if (chunk.first + following) // to.block != block or following >= chunk.table.shape[0]:
                histograms = to.histograms[block - to.first_block, columns]
                for k in range(histogram.shape[0]):
                    histograms[k] += histogram[k]
                    histogram[k] = 0
            row = following
    return -1
