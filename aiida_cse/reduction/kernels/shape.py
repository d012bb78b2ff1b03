"""Shape of the slab and of the molecules along z, compiled: in one piece, and in the order of the atom IDs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.kernels.compiled import uncounted

__all__ = ["DISORDERED", "TORN_MOLECULE", "TORN_SLAB", "Shape", "find_torn", "inspect"]

#: what :func:`inspect` finds
TORN_SLAB, DISORDERED, TORN_MOLECULE = 1, 2, 3
#: number of frames from one that is inspected to the next
_EVERY = 16


class Shape(NamedTuple):
    """Limits on the shape of the slab and of the molecules along z.

    Attributes
    ----------
    framework
        (K,) atoms that do not diffuse.
    reference
        (K,) their heights relative to the mean, Å.
    widest_slab, least_order
        Largest extent of the framework, Å, and the largest mean squared deviation from the reference, Å².
    starts, atoms
        Molecule m has the atoms ``atoms[starts[m]:starts[m + 1]]``.
    widest_molecule
        Largest extent of a molecule in boxes.
    """

    framework: NDArray[np.int32]
    reference: NDArray[np.float64]
    widest_slab: float
    least_order: float
    starts: NDArray[np.int32]
    atoms: NDArray[np.int32]
    widest_molecule: float


@uncounted
def inspect(table: NDArray[np.float32], column: int, boxes: NDArray[np.float64], number: int, shape: Shape) -> Any:
    """Return the first row that is not of the shape and what is wrong, −1 and 0 if there is none.

    The frames whose numbers are multiples of 16 are inspected: a tear or another order lasts, and all frames would
    take a tenth of the time of the reduction.

    Parameters
    ----------
    table, column
        (F, columns) frames, and the column at which z begins.
    boxes
        (F, 3) edges of the box, Å.
    number
        Number of the first frame.
    shape
        What they must look like.
    """
    count = shape.framework.shape[0]
    own = 0.0
    for k in range(count):
        own += shape.reference[k] * shape.reference[k]
    for row in range(-number % _EVERY, table.shape[0], _EVERY):
        z = table[row, column:]
        start = z[np.uint32(shape.framework[0])]
        low = high = start
        total = squares = mixed = 0.0
        for k in range(count):
            value = z[np.uint32(shape.framework[k])]
            low = value if value < low else low
            high = value if value > high else high
            height = np.float64(value - start)
            total += height
            squares += height * height
            mixed += height * shape.reference[k]
        if high - low > shape.widest_slab:
            return row, TORN_SLAB
        if squares - total * total / count - 2 * mixed + own > shape.least_order * count:
            return row, DISORDERED
        most = shape.widest_molecule * boxes[row, 2]
        for molecule in range(shape.starts.shape[0] - 1):
            low = high = z[np.uint32(shape.atoms[shape.starts[molecule]])]
            for k in range(shape.starts[molecule] + 1, shape.starts[molecule + 1]):
                value = z[np.uint32(shape.atoms[k])]
                low = value if value < low else low
                high = value if value > high else high
            if high - low > most:
                return row, TORN_MOLECULE
    return -1, 0


@uncounted
def find_torn(
    table: NDArray[np.float32],
    columns: tuple[int, int, int],
    boxes: NDArray[np.float64],
    rows: tuple[int, int, int],
    links: NDArray[np.int64],
    axes: NDArray[np.int64],
) -> Any:
    """Return row, link and axis of the first link that is longer than half a box edge, three times −1 for none.

    ``columns`` are those at which x, y and z begin, ``rows`` start, stop and step of the frames to look at, and
    ``links`` (M, 2) pairs of atoms that must be close along ``axes``.
    """
    for axis in axes:
        for row in range(rows[0], rows[1], rows[2]):
            values, half = table[row, columns[axis] :], boxes[row, axis] / 2
            near = 0
            for link in range(links.shape[0]):
                one, other = np.uint32(links[link, 0]), np.uint32(links[link, 1])
                near += abs(values[one] - values[other]) <= half
            if near < links.shape[0]:
                for link in range(links.shape[0]):
                    if abs(values[links[link, 0]] - values[links[link, 1]]) > half:
                        return row, link, axis
    return -1, -1, -1
