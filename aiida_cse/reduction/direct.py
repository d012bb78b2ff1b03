"""Reading and counting in one compiled loop: a few frames at a time, which never leave the cache in between."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import LENGTH_TOLERANCE
from aiida_cse.reduction.kernels.compiled import compiled
from aiida_cse.reduction.kernels.exchange import sweep
from aiida_cse.reduction.kernels.layout import Cadence, Chunk, Layout, Memory, Sums
from aiida_cse.reduction.readers.records import CELL_BYTES, Source, check_records, read_bytes, read_pieces

__all__ = ["NOT_FINITE", "UNUSUAL", "USUAL", "sweep_source"]

#: how a loop ended: as it should, before frames that must be looked at closely, or before one that is not finite
USUAL, UNUSUAL, NOT_FINITE = 0, 1, 2


def _read_rows(source: Source, frame: int, table: NDArray[np.uint8]) -> Any:
    """Fill the rows of a table with frames from ``frame`` on, and return whether all were there."""
    offset, flat = source.start + frame * source.frame_bytes, table.reshape(-1)
    if source.skipped == 0:
        return read_bytes(source.descriptor, flat, offset)
    if not read_bytes(source.descriptor, flat[:CELL_BYTES], offset):
        return False
    offset += CELL_BYTES + source.skipped
    pieces = flat[CELL_BYTES:]
    return read_pieces(source.descriptor, pieces, table.shape[1], offset, source.frame_bytes) < 0


def _differ(boxes: NDArray[np.float64], box: NDArray[np.float64]) -> Any:
    """Whether one of the boxes (F, 3) is not that of the configuration."""
    for row in range(boxes.shape[0]):
        for axis in range(3):
            if abs(boxes[row, axis] - box[axis]) > LENGTH_TOLERANCE * box[axis]:
                return True
    return False


def _sweep_source(
    source: Source,
    first: int,
    count: int,
    number: int,
    box: NDArray[np.float64],
    layout: Layout,
    cadence: Cadence,
    memory: Memory,
    sums: Sums,
    events: NDArray[np.int64],
) -> Any:
    """Count ``count`` frames of a file from frame ``first`` on, until ``events`` is full or something is wrong.

    ``number`` is that of the first frame in the production; ``box`` (3,), Å, is what each frame must have. Without
    displacements.

    Returns how many frames were counted, the number of events and how it ended; where that is not as usual, the
    next frame is the one with the reason, or it comes soon after.
    """
    done, found, most = 0, 0, memory.last_labels.size
    boxes, no_layers = np.empty((source.table.shape[0], 3)), np.empty((0, 0), np.int16)
    while done < count and events.shape[0] - found >= most:
        rows = min(source.table.shape[0], count - done)
        table = source.table[:rows]
        if not _read_rows(source, first + done, table):
            return done, found, UNUSUAL
        words, cells = table.view(np.int32), table[:, 4:52].copy().view(np.float64)
        wrong, _ = check_records(words, cells, source.natoms, source.blocks, boxes[:rows])
        if wrong >= 0 or _differ(boxes[:rows], box):
            return done, found, UNUSUAL
        chunk = Chunk(table.view(np.float32), source.column, boxes[:rows, 2].copy(), number + done)
        row, new, finite = sweep(chunk, 0, layout, cadence, memory, sums, no_layers, events[found:])
        done, found = done + row, found + new
        if not finite:
            return done, found, NOT_FINITE
    return done, found, USUAL


_read_rows = compiled(_read_rows)
_differ = compiled(_differ)
sweep_source = compiled(_sweep_source)
