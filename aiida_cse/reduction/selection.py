"""Configuration of a reduction as arrays: the atoms of the framework and the ions, and the classes along z.

The boundaries of a species (of its regions, cores and layers) divide z into classes. The class of an ion therefore
determines its region, its core for every width of the buffers, and its layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import LENGTH_TOLERANCE, ReductionConfig
from aiida_cse.reduction.kernels.layout import Cadence, Layout

__all__ = ["Selection"]

#: largest shift of a bin because the box differs from that of the configuration, in units of its length
_SHIFT = 2 * LENGTH_TOLERANCE


@dataclass(frozen=True)
class Selection:
    """Configuration in the form that the kernels take.

    Attributes
    ----------
    layout, cadence
        Atoms and classes; frames per block, snapshot and displacement.
    ion_species
        (ions,) species of each ion; ions are numbered species by species, then by atom or molecule.
    """

    layout: Layout
    cadence: Cadence
    ion_species: NDArray[np.int64]

    @property
    def ions(self) -> int:
        """Number of ions of all species."""
        return len(self.ion_species)

    @classmethod
    def from_config(cls, config: ReductionConfig) -> Selection:
        """Select the framework and the ions, and tabulate the classes."""
        types = np.array(config.atom_types, dtype=np.int64)
        masses = np.array(config.masses)[types - 1]
        framework = np.flatnonzero(np.isin(types, config.framework))
        groups = [_ions(config, name, types) for name in config.ions]
        flat = np.concatenate([atoms for atoms, _ in groups])
        sizes = np.concatenate([sizes for _, sizes in groups])
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        numbers = [len(sizes) for _, sizes in groups]
        cores, bounds = _cores_and_bounds(config)
        regions, layers, core_labels = _labels(config, cores, bounds)
        class_of_bin, lowest, highest = _classes_and_bins(bounds, regions, layers, config)
        counted, rows, ion_rows = _counted(config, types, flat, [int(sizes.sum()) for _, sizes in groups])
        layout = Layout(
            natoms=config.natoms,
            offset=config.midplane_offset,
            bins=config.bins,
            width=config.bin_width or 0.0,
            shared=config.shared_stream is not None,
            counted=counted.astype(np.int32),
            rows=rows.astype(np.int32),
            framework=framework.astype(np.int32),
            framework_weights=masses[framework] / masses[framework].sum(),
            ion_starts=starts,
            ion_atoms=flat.astype(np.int32),
            ion_weights=masses[flat] / np.repeat(np.add.reduceat(masses[flat], starts[:-1]), sizes),
            ion_rows=ion_rows.astype(np.int32),
            species_starts=np.concatenate([[0], np.cumsum(numbers)]).astype(np.int32),
            sizes=np.array([_common_size(*group) for group in groups], np.int32),
            single=np.array([species.point == "atom" for species in config.ions.values()]),
            bounds=bounds,
            class_of_bin=class_of_bin,
            lowest=lowest,
            highest=highest,
            regions=regions,
            layers=layers,
            cores=core_labels,
        )
        cadence = Cadence(config.block_frames, config.snapshot_frames, config.displacement_frames or 0)
        return cls(layout, cadence, np.repeat(np.arange(len(groups)), numbers).astype(np.int64))


def _ions(
    config: ReductionConfig, name: str, types: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the atoms of a species, ion by ion, and the number of atoms of each ion."""
    species = config.ions[name]
    atoms = np.flatnonzero(np.isin(types, species.types))
    if species.point == "atom":
        return atoms, np.ones(len(atoms), dtype=np.int64)
    molecules = np.array(config.molecules, dtype=np.int64)[atoms]
    order = np.argsort(molecules, kind="stable")
    _, sizes = np.unique(molecules, return_counts=True)
    return atoms[order], sizes


def _common_size(atoms: NDArray[np.int64], sizes: NDArray[np.int64]) -> int:
    """Return the size of all ions of a species if it is the same and they follow each other, else 0."""
    same = (np.diff(atoms) == 1).all() and (sizes == sizes[0]).all()
    return int(sizes[0]) if same else 0


def _counted(
    config: ReductionConfig, types: NDArray[np.int64], ion_atoms: NDArray[np.int64], atoms_of_species: list[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return atoms that are counted, their rows in a flat histogram, and the places of ``ion_atoms`` among them.

    If no stream of atom types shares the bins of the ions, only ions that are atoms are counted.
    """
    if config.shared_stream is not None:
        return np.zeros(0, np.int64), (types - 1) * config.bins, ion_atoms
    species = np.repeat(np.arange(len(atoms_of_species)), atoms_of_species)
    single = np.array([one.point == "atom" for one in config.ions.values()])[species]
    places = np.where(single, np.cumsum(single) - 1, -1)
    return ion_atoms[single], species[single] * config.bins, places


# -- classes -------------------------------------------------------------------------------------------------


def _cores_and_bounds(config: ReductionConfig) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the cores of each species, and the boundaries between its classes.

    The cores (W, 5, 2) are those for every width of the buffers, beginning with the given one. The outermost reach
    to the periodic boundary, wherever it is. The boundaries (S, C − 1) are padded with infinity.
    """
    cores, found = [], []
    for name, species in config.ions.items():
        regions = species.regions(name)
        own = np.array([regions.scaled_cores(scale).cores for scale in (1.0, *config.core_scales)])
        own[:, 0, 0], own[:, -1, 1] = -np.inf, np.inf
        cores.append(own)
        layers = species.layer_edges[1:-1] if config.lags else ()
        edges = (*species.edges[1:-1], *layers, *own.ravel().tolist())
        found.append(sorted({edge for edge in edges if np.isfinite(edge)}))
    bounds = np.full((len(found), max(map(len, found))), np.inf)
    for row, one in zip(bounds, found, strict=True):
        row[: len(one)] = one
    return cores, bounds


def _starts(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (S, C) the lower end of each class; no boundary lies within a class, so that it represents it."""
    return np.concatenate([np.full((len(bounds), 1), -np.inf), bounds], axis=1)


def _labels(
    config: ReductionConfig, cores: list[NDArray[np.float64]], bounds: NDArray[np.float64]
) -> tuple[NDArray[np.int8], NDArray[np.int16], NDArray[np.int8]]:
    """Return region (S, C), layer (S, C) and core (S, C, W) of each class; one layer without displacements."""
    starts = _starts(bounds)
    regions = np.zeros(starts.shape, np.int8)
    layers = np.zeros(starts.shape, np.int16)
    labels = np.full((*starts.shape, len(config.core_scales) + 1), -1, np.int8)
    first_layer = 0
    for row, (species, own, z) in enumerate(zip(config.ions.values(), cores, starts, strict=True)):
        regions[row] = np.searchsorted(species.edges[1:-1], z, side="right")
        if config.lags:
            layers[row] = first_layer + np.searchsorted(species.layer_edges[1:-1], z, side="right")
            first_layer += len(species.layers)
        for width, one in enumerate(own):
            low, high = one[regions[row]].T
            labels[row, :, width] = np.where((low <= z) & (z < high), regions[row], -1)
    return regions, layers, labels


def _classes_and_bins(
    bounds: NDArray[np.float64],
    regions: NDArray[np.int8],
    layers: NDArray[np.int16],
    config: ReductionConfig,
) -> tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.int32]]:
    """Return the class of each bin, and the first and the last bin of each class.

    The class (S, bins) is −1 if a boundary may run through the bin. The bins (2, S, C) are those within the class,
    and those within all of its region and layer.
    """
    # the outermost bins of a fixed width have no end; a finite one is beyond every boundary as well
    edges, shift = np.nan_to_num(config.grid.bounds), _SHIFT * config.box[2]
    lower, upper = edges[:-1] - shift, edges[1:] + shift
    of_lower, of_upper = (
        np.array([np.searchsorted(row, ends, side="right") for row in bounds]) for ends in (lower, upper)
    )
    class_of_bin = np.where(of_lower == of_upper, of_lower, -1)
    low, high = _starts(bounds), np.concatenate([bounds, np.full((len(bounds), 1), np.inf)], axis=1)
    wide_low, wide_high = low.copy(), high.copy()
    for species, (region, layer) in enumerate(zip(regions, layers, strict=True)):
        for one in range(len(region)):
            same = (region == region[one]) & (layer == layer[one])
            wide_low[species, one], wide_high[species, one] = low[species, same].min(), high[species, same].max()
    first = np.searchsorted(lower, np.stack([low, wide_low]))
    stop = np.searchsorted(upper, np.stack([high, wide_high]))
    return class_of_bin.astype(np.int16), first.astype(np.int32), (stop - 1).astype(np.int32)
