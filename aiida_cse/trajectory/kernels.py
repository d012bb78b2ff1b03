"""The hot loops, compiled by numba.

Every number depends on its own frame alone and sums run in the order of the atoms, so that the result does not
depend on how the frames are cut into chunks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["add_pairs", "bin_frames", "place_points", "scan_labels"]


def _compiled(function: Callable[..., Any], inline: Literal["never", "always"] = "never") -> Any:
    """Compile on first use, and keep the result on disk where there is a writable place for it."""
    try:
        return numba.njit(cache=True, nogil=True, inline=inline)(function)
    except RuntimeError:
        return numba.njit(nogil=True, inline=inline)(function)


def _fraction(z: float, inverse_length: float) -> Any:
    """Return where z lies in the box around 0, from 0 (lower end) to 1 (upper end, after rounding only)."""
    place = z * inverse_length + 0.5
    return place - np.floor(place)


def _weighted_sum(
    values: NDArray[np.float32], atoms: NDArray[np.int64], weights: NDArray[np.float64], first: int, stop: int
) -> Any:
    """Return the sum of weight × value over ``atoms[first:stop]``."""
    total = 0.0
    for k in range(first, stop):
        total += weights[k] * values[atoms[k]]
    return total


_fraction = _compiled(_fraction)
# a call would make the frame a tenth slower
_weighted_sum = _compiled(_weighted_sum, inline="always")


def _bin_frames(
    coordinates: NDArray[np.float32],
    lengths: NDArray[np.float64],
    blocks: NDArray[np.int64],
    bins: int,
    type_rows: NDArray[np.int64],
    framework: NDArray[np.int64],
    framework_weights: NDArray[np.float64],
    midplane_offset: float,
    ion_starts: NDArray[np.int64],
    ion_atoms: NDArray[np.int64],
    ion_weights: NDArray[np.float64],
    ion_species: NDArray[np.int64],
    edges: NDArray[np.float64],
    cores: NDArray[np.float64],
    histograms: NDArray[np.int64],
    point_histograms: NDArray[np.int64],
    region_counts: NDArray[np.int32],
    centres: NDArray[np.float64],
    labels: NDArray[np.int8],
    core_labels: NDArray[np.int8],
) -> int:
    """Histogram and label F frames in the frame of the slab; the last six arrays are written to.

    ``coordinates`` (F, N) unwrapped z, ``lengths`` (F,) box; ``blocks`` (F,) index of each frame's block
    in ``histograms`` (B, types × bins) and ``point_histograms`` (B, species × bins), which are flat
    because that is three times as fast; ``type_rows`` (N,) is where the row of each atom's type starts.
    The framework's centre is the sum of ``framework_weights`` × z. Ion p is the sum of ``ion_weights`` ×
    z over ``ion_atoms[ion_starts[p]:ion_starts[p + 1]]``. ``edges`` (species, regions − 1) inner
    boundaries, ``cores`` (species, regions, W, 2) for W widths of the buffers. ``region_counts`` (F, species,
    regions), ``labels`` (F, ions), ``core_labels`` (F, ions, W).

    Returns the index of the first frame with a coordinate that is not finite, −1 if there is none.
    """
    for frame in range(coordinates.shape[0]):
        z = coordinates[frame]
        length = lengths[frame]
        inverse = 1.0 / length
        histogram = histograms[blocks[frame]]
        point_histogram = point_histograms[blocks[frame]]
        centre = midplane_offset + _weighted_sum(z, framework, framework_weights, 0, framework.shape[0])
        centres[frame] = centre
        for atom in range(z.shape[0]):
            fraction = _fraction(z[atom] - centre, inverse)
            if not 0.0 <= fraction <= 1.0:
                return frame
            histogram[type_rows[atom] + min(int(fraction * bins), bins - 1)] += 1
        for ion in range(ion_species.shape[0]):
            species = ion_species[ion]
            place = _weighted_sum(z, ion_atoms, ion_weights, ion_starts[ion], ion_starts[ion + 1])
            fraction = _fraction(place - centre, inverse)
            place = (fraction - 0.5) * length
            label = 0
            for k in range(edges.shape[1]):
                label += place >= edges[species, k]
            labels[frame, ion] = label
            for width in range(cores.shape[2]):
                inside = cores[species, label, width, 0] <= place < cores[species, label, width, 1]
                core_labels[frame, ion, width] = label if inside else -1
            region_counts[frame, species, label] += 1
            point_histogram[species * bins + min(int(fraction * bins), bins - 1)] += 1
    return -1


def _scan_labels(
    labels: NDArray[np.int8],
    frames: NDArray[np.int64],
    first_labels: NDArray[np.int8],
    first_frames: NDArray[np.int64],
    last_labels: NDArray[np.int8],
    events: NDArray[np.int64],
) -> int:
    """Follow each ion through ``labels`` (F, ions) and return the number of changes of label.

    A label of −1 changes nothing. ``first_labels``, ``first_frames`` and ``last_labels`` (ions) are what is known
    so far, −1 for nothing, and are brought up to date. As many changes as fit go into ``events`` (E, 4) as
    frame, ion, from, to.
    """
    found = 0
    for row in range(labels.shape[0]):
        for ion in range(labels.shape[1]):
            label = labels[row, ion]
            if label < 0 or label == last_labels[ion]:
                continue
            if last_labels[ion] < 0:
                first_labels[ion] = label
                first_frames[ion] = frames[row]
            else:
                if found < events.shape[0]:
                    events[found, 0] = frames[row]
                    events[found, 1] = ion
                    events[found, 2] = last_labels[ion]
                    events[found, 3] = label
                found += 1
            last_labels[ion] = label
    return found


def _place_points(
    coordinates: NDArray[np.float32],
    framework: NDArray[np.int64],
    framework_weights: NDArray[np.float64],
    offset: float,
    ion_starts: NDArray[np.int64],
    ion_atoms: NDArray[np.int64],
    ion_weights: NDArray[np.float64],
    points: NDArray[np.float64],
) -> None:
    """Write to ``points`` (F, ions) how far each ion is from the framework's centre plus ``offset``.

    ``coordinates`` (F, N) are those along one axis; the rest is as in :func:`bin_frames`, to the last bit.
    """
    for frame in range(coordinates.shape[0]):
        values = coordinates[frame]
        centre = offset + _weighted_sum(values, framework, framework_weights, 0, framework.shape[0])
        for ion in range(points.shape[1]):
            place = _weighted_sum(values, ion_atoms, ion_weights, ion_starts[ion], ion_starts[ion + 1])
            points[frame, ion] = place - centre


def _add_pairs(
    positions: NDArray[np.int32],
    layers: NDArray[np.int16],
    blocks: NDArray[np.int64],
    lags: NDArray[np.int64],
    first_target: int,
    counts: NDArray[np.int64],
    sums: NDArray[np.int64],
    squares: NDArray[np.int64],
) -> None:
    """Add the displacements that end in one of the rows from ``first_target`` on.

    ``positions`` (W, ions, 3) of equally spaced frames; ``layers`` (O, ions) and ``blocks`` (O,) of the first O
    of them, which may be origins; ``lags`` (L,) in rows. ``counts`` (B, layers, L), ``sums`` and ``squares``
    (B, layers, L, 3) are added to.
    """
    for target in range(first_target, positions.shape[0]):
        for index in range(lags.shape[0]):
            origin = target - lags[index]
            if origin < 0 or origin >= layers.shape[0]:
                continue
            block = blocks[origin]
            for ion in range(layers.shape[1]):
                layer = layers[origin, ion]
                counts[block, layer, index] += 1
                for axis in range(3):
                    step = np.int64(positions[target, ion, axis]) - np.int64(positions[origin, ion, axis])
                    sums[block, layer, index, axis] += step
                    squares[block, layer, index, axis] += step * step


bin_frames = _compiled(_bin_frames)
place_points = _compiled(_place_points)
add_pairs = _compiled(_add_pairs)
scan_labels = _compiled(_scan_labels)
