"""The configuration as arrays: which atoms are the framework and the ions, and where their regions end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import LENGTH_TOLERANCE, ReductionConfig
from aiida_cse.reduction.kernels.layout import Cadence, Layout

__all__ = ["Selection"]

#: how far a bin may shift because the box is not quite that of the configuration, in units of its length
_SHIFT = 2 * LENGTH_TOLERANCE


@dataclass(frozen=True)
class Selection:
    """The configuration as the kernels take it.

    Attributes
    ----------
    layout, cadence
        See there.
    ion_species
        (ions,) the species of each ion; ions are numbered species by species, then by atom or molecule.
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
        bounds = _bounds(config)
        class_of_bin = _class_of_bin(bounds, config)
        regions, layers = _regions(bounds, config), _layers(bounds, config)
        lowest, highest = _quiet_bins(bounds, regions, layers, config)
        layout = Layout(
            bins=config.bins,
            offset=config.midplane_offset,
            rows=((types - 1) * config.bins).astype(np.int32),
            framework=framework.astype(np.int32),
            framework_weights=masses[framework] / masses[framework].sum(),
            ion_starts=starts,
            ion_atoms=flat.astype(np.int32),
            ion_weights=masses[flat] / np.repeat(np.add.reduceat(masses[flat], starts[:-1]), sizes),
            species_starts=np.concatenate([[0], np.cumsum(numbers)]).astype(np.int32),
            single=np.array([species.point == "atom" for species in config.ions.values()]),
            bounds=bounds,
            class_of_bin=class_of_bin,
            lowest=lowest,
            highest=highest,
            regions=regions,
            layers=layers,
            cores=_cores(bounds, config),
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


# -- classes -------------------------------------------------------------------------------------------------


def _bounds(config: ReductionConfig) -> NDArray[np.float64]:
    """Return (S, C − 1) the boundaries of each species that anything is asked about, filled up with infinity."""
    found = []
    for species, widths in zip(config.ions.values(), _core_bounds(config), strict=True):
        cores = [bound for width in widths for core in width for bound in core]
        layers = species.layer_edges[1:-1] if config.lags else ()
        edges = (*species.edges[1:-1], *layers, *cores)
        found.append(sorted({edge for edge in edges if np.isfinite(edge)}))
    bounds = np.full((len(found), max(map(len, found))), np.inf)
    for row, one in zip(bounds, found, strict=True):
        row[: len(one)] = one
    return bounds


def _core_bounds(config: ReductionConfig) -> list[list[list[tuple[float, float]]]]:
    """Return the cores of each species under the core rule, then with each scale of its buffers.

    The outermost reach to the periodic boundary, wherever it is.
    """
    found = []
    for name, species in config.ions.items():
        regions = species.regions(name)
        found.append([_open_ended(regions.scaled_cores(scale).cores) for scale in (1.0, *config.core_scales)])
    return found


def _open_ended(cores: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    bounds = list(cores)
    bounds[0] = (-np.inf, bounds[0][1])
    bounds[-1] = (bounds[-1][0], np.inf)
    return bounds


def _class_of_bin(bounds: NDArray[np.float64], config: ReductionConfig) -> NDArray[np.int16]:
    edges = (np.arange(config.bins + 1) / config.bins - 0.5) * config.box[2]
    shift = _SHIFT * config.box[2]
    low = np.array([np.searchsorted(row, edges[:-1] - shift, side="right") for row in bounds])
    high = np.array([np.searchsorted(row, edges[1:] + shift, side="right") for row in bounds])
    return np.where(low == high, low, -1).astype(np.int16)


def _quiet_bins(
    bounds: NDArray[np.float64],
    regions: NDArray[np.int8],
    layers: NDArray[np.int16],
    config: ReductionConfig,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the first and the last bin (2, S, C) within each class, and within all of one region and layer."""
    low, high = _starts(bounds), np.concatenate([bounds, np.full((len(bounds), 1), np.inf)], axis=1)
    wide_low, wide_high = low.copy(), high.copy()
    for species, (region, layer) in enumerate(zip(regions, layers, strict=True)):
        for one in range(len(region)):
            same = (region == region[one]) & (layer == layer[one])
            wide_low[species, one], wide_high[species, one] = low[species, same].min(), high[species, same].max()
    edges, shift = (np.arange(config.bins + 1) / config.bins - 0.5) * config.box[2], _SHIFT * config.box[2]
    first = np.searchsorted(edges[:-1] - shift, np.stack([low, wide_low]))
    stop = np.searchsorted(edges[1:] + shift, np.stack([high, wide_high]))
    return first.astype(np.int32), (stop - 1).astype(np.int32)


def _starts(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (S, C) where each class begins; no boundary lies within a class, so that this point stands for it."""
    return np.concatenate([np.full((len(bounds), 1), -np.inf), bounds], axis=1)


def _regions(bounds: NDArray[np.float64], config: ReductionConfig) -> NDArray[np.int8]:
    edges = [species.edges[1:-1] for species in config.ions.values()]
    found = [np.searchsorted(one, z, side="right") for one, z in zip(edges, _starts(bounds), strict=True)]
    return np.array(found, dtype=np.int8)


def _layers(bounds: NDArray[np.float64], config: ReductionConfig) -> NDArray[np.int16]:
    """Return the layer of each class; one and the same where no displacements ask for it."""
    if not config.lags:
        return np.zeros((len(bounds), bounds.shape[1] + 1), dtype=np.int16)
    found, first = [], 0
    for species, z in zip(config.ions.values(), _starts(bounds), strict=True):
        found.append(first + np.searchsorted(species.layer_edges[1:-1], z, side="right"))
        first += len(species.layers)
    return np.array(found, dtype=np.int16)


def _cores(bounds: NDArray[np.float64], config: ReductionConfig) -> NDArray[np.int8]:
    regions = _regions(bounds, config)
    cores = np.full((*regions.shape, len(config.core_scales) + 1), -1, dtype=np.int8)
    for species, (widths, z) in enumerate(zip(_core_bounds(config), _starts(bounds), strict=True)):
        for width, one in enumerate(widths):
            low, high = np.array(one)[regions[species]].T
            cores[species, :, width] = np.where((low <= z) & (z < high), regions[species], -1)
    return cores
