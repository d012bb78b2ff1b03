"""Arguments of the compiled loops: the system, the sampling, and the memory from frame to frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.exchange.regions import REGION_NAMES

__all__ = ["Cadence", "Chunk", "Layout", "Memory", "StreamSums", "Sums"]


class Layout(NamedTuple):
    """Properties of all frames: N atoms, I ions of S species, C classes, W widths of the buffers.

    A *class* of a species is an interval of z between two neighbours among all its boundaries (of regions, cores
    and layers). The class of an ion therefore determines its region, core and layer.

    Attributes
    ----------
    natoms, offset
        Number of atoms in a frame, and the offset of the mid-plane from the framework's centre, Å.
    bins, width
        Number of bins, and their width if it is fixed, Å; 0 for equal parts of the box.
    shared
        Whether all atoms are counted in these bins in every frame, and the ions that are atoms with them. If not,
        only these ions are counted.
    counted, rows
        (M,) the atoms that are counted, and the offset of the row of each in a flat histogram: that of its type,
        or that of its species. If all atoms are, ``counted`` is empty.
    framework, framework_weights
        (K,) atoms whose weighted sum is the framework's centre.
    ion_starts, ion_atoms, ion_weights
        Ion p is the weighted sum over ``ion_atoms[ion_starts[p]:ion_starts[p + 1]]``.
    ion_rows
        Place of each of ``ion_atoms`` among the atoms that are counted, −1 if it is not counted.
    species_starts, single, sizes
        (S + 1,) first ion of each species; (S,) whether its ions are single atoms; (S,) number of atoms of each of
        its ions if all have as many and follow each other in a frame, else 0.
    bounds
        (S, C − 1) boundaries between the classes, ascending, infinite beyond the last.
    class_of_bin
        (S, bins) class of each bin, −1 if a boundary runs through it.
    lowest, highest
        (2, S, C) first and last bin of each class, in the wrong order for a class without one; then those of all
        classes of the same region and layer.
    regions, layers
        (S, C) region and layer (counted over all species) of each class.
    cores
        (S, C, W) core of each class, −1 between cores.
    """

    natoms: int
    offset: float
    bins: int
    width: float
    shared: bool
    counted: NDArray[np.int32]
    rows: NDArray[np.int32]
    framework: NDArray[np.int32]
    framework_weights: NDArray[np.float64]
    ion_starts: NDArray[np.int32]
    ion_atoms: NDArray[np.int32]
    ion_weights: NDArray[np.float64]
    ion_rows: NDArray[np.int32]
    species_starts: NDArray[np.int32]
    single: NDArray[np.bool_]
    sizes: NDArray[np.int32]
    bounds: NDArray[np.float64]
    class_of_bin: NDArray[np.int16]
    lowest: NDArray[np.int32]
    highest: NDArray[np.int32]
    regions: NDArray[np.int8]
    layers: NDArray[np.int16]
    cores: NDArray[np.int8]


class Cadence(NamedTuple):
    """Number of frames per block, between snapshots, and between displacement frames (0 without these)."""

    block: int
    snapshot: int
    sample: int


class Memory(NamedTuple):
    """Memory from frame to frame; T tracks: that of the snapshots, then one for each width of the buffers.

    Attributes
    ----------
    classes
        (I,) class of each ion, −1 before the first frame.
    layers
        (I,) its layer.
    lowest, highest
        (I,) for ions that are atoms, the range of bins in the flat histogram within which nothing changes: that of
        the ion's class or, if its last core is that of its region, of the whole region and layer.
    counts
        (S, 5) ions in each region.
    first_labels, first_frames, last_labels
        (T, I) first and last label of each ion, −1 for none yet.
    z
        (M,) buffer: z of the atoms that are counted, unless these are all atoms.
    indices, places, point_bins
        (M,), (I,) and (I,) buffers: bins of the atoms in a flat histogram; z and bins of ions that are molecules.
    gathered, changed
        (I,) and (I + 1,) buffers: bins of the ions that are atoms, and the numbers of those that may have left
        their class.
    histogram, point_histogram
        Flat histograms of the frames since the block began; one and the same unless all atoms are counted.
    """

    classes: NDArray[np.int16]
    layers: NDArray[np.int16]
    lowest: NDArray[np.int32]
    highest: NDArray[np.int32]
    counts: NDArray[np.int32]
    first_labels: NDArray[np.int8]
    first_frames: NDArray[np.int64]
    last_labels: NDArray[np.int8]
    z: NDArray[np.float32]
    indices: NDArray[np.int32]
    places: NDArray[np.float64]
    point_bins: NDArray[np.int32]
    gathered: NDArray[np.int32]
    changed: NDArray[np.int32]
    histogram: NDArray[np.uint32]
    point_histogram: NDArray[np.uint32]

    @classmethod
    def empty(cls, layout: Layout, types: int) -> Memory:
        """Return the memory before the first frame."""
        species, ions = len(layout.single), int(layout.species_starts[-1])
        tracks = layout.cores.shape[2] + 1
        points = np.zeros(species * layout.bins, np.uint32)
        return cls(
            classes=np.full(ions, -1, np.int16),
            layers=np.zeros(ions, np.int16),
            lowest=np.full(ions, 1, np.int32),
            highest=np.zeros(ions, np.int32),
            counts=np.zeros((species, len(REGION_NAMES)), np.int32),
            first_labels=np.full((tracks, ions), -1, np.int8),
            first_frames=np.full((tracks, ions), -1, np.int64),
            last_labels=np.full((tracks, ions), -1, np.int8),
            z=np.zeros(len(layout.counted), np.float32),
            indices=np.zeros(len(layout.rows), np.int32),
            places=np.zeros(ions),
            point_bins=np.zeros(ions, np.int32),
            gathered=np.zeros(ions, np.int32),
            changed=np.zeros(ions + 1, np.int32),
            histogram=np.zeros(types * layout.bins, np.uint32) if layout.shared else points,
            point_histogram=points,
        )


class Chunk(NamedTuple):
    """Consecutive frames as a reader delivers them.

    Attributes
    ----------
    table
        (F, columns) float32, one frame in each row.
    column
        Column at which z begins.
    boxes
        (F, 3) edges of the box, Å.
    first
        Number of the first frame.
    """

    table: NDArray[np.float32]
    column: int
    boxes: NDArray[np.float64]
    first: int


class StreamSums(NamedTuple):
    """Histograms of the atom types in K streams, each at a cadence and in bins of its own.

    Attributes
    ----------
    every, per
        (K,) ``per`` histograms in every ``every`` frames.
    block, first_block
        Number of frames per block, and number of the first block.
    bins, widths
        (K,) as in :class:`Layout`.
    rows, indices
        (K, N) offset of the row of each atom's type in a flat histogram, and (N,) a buffer for the bins.
    starts, histograms
        (K + 1,) first column of each stream in the histograms (B, Σ types × bins).
    """

    every: NDArray[np.int64]
    per: NDArray[np.int64]
    block: int
    first_block: int
    bins: NDArray[np.int64]
    widths: NDArray[np.float64]
    rows: NDArray[np.int32]
    indices: NDArray[np.int32]
    starts: NDArray[np.int64]
    histograms: NDArray[np.int64]


class Sums(NamedTuple):
    """Arrays that a pass writes to.

    Attributes
    ----------
    start, first_block, first_snapshot
        Numbers of the first frame, block and snapshot of the arrays.
    histograms, point_histograms
        (B, types × bins) and (B, S × bins); flat, because that is three times as fast. The first one has no
        columns unless all atoms are counted.
    region_counts, centres, edges
        (F, S, 5), (F,) and (F, 3).
    snapshots
        (snapshots, I) the bins of the ions.
    """

    start: int
    first_block: int
    first_snapshot: int
    histograms: NDArray[np.int64]
    point_histograms: NDArray[np.int64]
    region_counts: NDArray[np.int32]
    centres: NDArray[np.float64]
    edges: NDArray[np.float64]
    snapshots: NDArray[np.int32]
