"""Compiled pass over the frames of an open DCD file: they are read and counted a few at a time.

Frames that were read stay in the cache until all observables have taken them. The loop holds no lock of the
interpreter, so that threads that read different frames do not wait for each other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.kernels.compiled import compiled, uncounted
from aiida_cse.reduction.kernels.displacements import Following, follow_samples
from aiida_cse.reduction.kernels.exchange import count_streams, sweep
from aiida_cse.reduction.kernels.layout import Cadence, Chunk, Layout, Memory, StreamSums, Sums
from aiida_cse.reduction.kernels.moves import Moves, add_frame
from aiida_cse.reduction.kernels.shape import Shape, find_torn, inspect
from aiida_cse.reduction.readers.base import Source
from aiida_cse.reduction.readers.dcd import CELL_BYTES, check_records, read_bytes

__all__ = ["FAR", "NOT_FINITE", "UNUSUAL", "USUAL", "Counted", "Watched", "sweep_file"]

#: how the loop ends: after all frames or a full buffer, at frames that need a closer look, at a coordinate that is
#: not finite, or at an ion that is too far from the slab
USUAL, UNUSUAL, NOT_FINITE, FAR = 0, 1, 2, 3


class Watched(NamedTuple):
    """Moves of some atoms and distances between others, which are watched while frames are read.

    Attributes
    ----------
    every
        Number of frames from one that is watched to the next.
    links, axes
        (M, 2) pairs of atoms that must be close along some axes.
    moves
        Moves from one of these frames to the next.
    """

    every: int
    links: NDArray[np.int64]
    axes: NDArray[np.int64]
    moves: Moves


class Counted(NamedTuple):
    """Arrays of all counts, and the limits within which frames must be.

    ``limits`` (2, 3) are the smallest and the largest box, Å; ``events`` (E, 5) a buffer for transitions.
    """

    limits: NDArray[np.float64]
    shape: Shape
    layout: Layout
    cadence: Cadence
    memory: Memory
    sums: Sums
    streams: StreamSums
    following: Following
    watched: Watched
    events: NDArray[np.int64]


@uncounted
def _read_rows(source: Source, frame: int, number: int, rows: int) -> Any:
    """Fill the first rows of the table with frames from ``frame`` on; return whether all could be read.

    ``number`` is that of the first one in the production. The cell of a frame follows z of the one before.
    """
    size, offset = source.frame_bytes, source.start + frame * source.frame_bytes
    flat = source.table.reshape(-1)[: rows * size]
    if source.skipped == 0:
        return read_bytes(source.descriptor, flat, offset)
    if not read_bytes(source.descriptor, flat[:CELL_BYTES], offset):
        return False
    for row in range(rows):
        begin = row * size
        first, stop = begin + CELL_BYTES + source.skipped, min(begin + size + CELL_BYTES, flat.shape[0])
        if source.sample > 0 and (number + row) % source.sample == 0:
            for piece in range(source.pieces.shape[0]):
                start, end = source.pieces[piece, 0], source.pieces[piece, 1]
                if end == CELL_BYTES + source.skipped:
                    first = begin + start
                elif not read_bytes(source.descriptor, flat[begin + start : begin + end], offset + begin + start):
                    return False
        if not read_bytes(source.descriptor, flat[first:stop], offset + first):
            return False
    return True


@compiled
def _check_rows(
    source: Source, number: int, table: NDArray[np.uint8], limits: NDArray[np.float64], boxes: NDArray[np.float64]
) -> Any:
    """Write the boxes of frames (F, 3); return whether all records are sound and all boxes within the limits."""
    words, cells = table.view(np.int32), table[:, 4:52].copy().view(np.float64)
    for row in range(table.shape[0]):
        whole = source.skipped == 0 or (source.sample > 0 and (number + row) % source.sample == 0)
        own = slice(row, row + 1)
        wrong, _ = check_records(words[own], cells[own], source.natoms, 0 if whole else 2, 3, boxes[own])
        if wrong >= 0:
            return False
        for axis in range(3):
            if not limits[0, axis] <= boxes[row, axis] <= limits[1, axis]:
                return False
    return True


@compiled
def _is_usual(
    source: Source, frame: int, number: int, table: NDArray[np.uint8], boxes: NDArray[np.float64], counted: Counted
) -> Any:
    """Read frames and their boxes (F, 3); return whether they can be counted without a closer look."""
    if not _read_rows(source, frame, number, table.shape[0]):
        return False
    if not _check_rows(source, number, table, counted.limits, boxes):
        return False
    values, watched = table.view(np.float32), counted.watched
    if inspect(values, source.columns[2], boxes, number, counted.shape)[0] >= 0:
        return False
    rows = (-number % watched.every, table.shape[0], watched.every)
    return find_torn(values, source.columns, boxes, rows, watched.links, watched.axes)[0] < 0


@compiled
def sweep_file(source: Source, first: int, count: int, number: int, counted: Counted) -> Any:
    """Count ``count`` frames of a file from frame ``first`` on, which is frame ``number`` of the production.

    Returns the number of frames that were counted, the number of events, and how the loop ended. At frames that
    need a closer look, none of those that are not counted has been looked at. Otherwise the next frame is the one
    with the reason; it may be counted in part.
    """
    layout, cadence, watched, events = counted.layout, counted.cadence, counted.watched, counted.events
    done, found, most, sample = 0, 0, counted.memory.last_labels.size, max(cadence.sample, 1)
    boxes = np.empty((source.table.shape[0], 3))
    layers = np.empty((boxes.shape[0] // sample + 1, layout.ion_starts.shape[0] - 1), np.int16)
    while done < count and events.shape[0] - found >= most:
        rows, now = min(boxes.shape[0], count - done), number + done
        if not _is_usual(source, first + done, now, source.table[:rows], boxes[:rows], counted):
            return done, found, UNUSUAL
        chunk = Chunk(source.table[:rows].view(np.float32), source.columns[2], boxes[:rows], now)
        rows, new, finite = sweep(chunk, 0, layout, cadence, counted.memory, counted.sums, layers, events[found:])
        found += new
        if not finite:
            return done + rows, found, NOT_FINITE
        chunk = Chunk(chunk.table[:rows], chunk.column, chunk.boxes[:rows], now)
        broken = count_streams(chunk, layout, counted.streams)
        if broken >= 0:
            return done + broken, found, NOT_FINITE
        if cadence.sample > 0:
            for row in range(-now % watched.every, rows, watched.every):
                add_frame(chunk.table[row], source.columns, now + row, chunk.boxes[row], watched.moves)
            start = -now % sample
            own = layers[: max(rows - start + sample - 1, 0) // sample]
            far = follow_samples(
                chunk.table, source.columns, start, sample, now + start, sample, own, layout, counted.following
            )
            if far >= 0:
                return done + start + far * sample, found, FAR
        done += rows
    return done, found, USUAL
