"""The configuration as arrays: which atoms are the framework and the ions, and where their regions end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_cse.trajectory.config import ReductionConfig
from aiida_cse.trajectory.kernels import place_points

__all__ = ["Selection"]


@dataclass(frozen=True)
class Selection:
    """The configuration as the arrays that the kernels take; see there."""

    type_rows: NDArray[np.int64]
    framework: NDArray[np.int64]
    framework_weights: NDArray[np.float64]
    ion_starts: NDArray[np.int64]
    ion_atoms: NDArray[np.int64]
    ion_weights: NDArray[np.float64]
    ion_species: NDArray[np.int64]
    edges: NDArray[np.float64]
    cores: NDArray[np.float64]
    layer_edges: tuple[NDArray[np.float64], ...]

    @property
    def ions(self) -> int:
        """Number of ions of all species."""
        return len(self.ion_species)

    @classmethod
    def from_config(cls, config: ReductionConfig) -> Selection:
        """Select the framework and the ions; ions are numbered species by species, then by atom or molecule."""
        types = np.array(config.atom_types, dtype=np.int64)
        masses = np.array(config.masses)[types - 1]
        framework = np.flatnonzero(np.isin(types, config.framework))
        groups = [_ions(config, name, types) for name in config.ions]
        atoms = [ion for group in groups for ion in group]
        flat = np.concatenate(atoms)
        sizes = np.array([len(ion) for ion in atoms])
        species = list(config.ions.values())
        return cls(
            type_rows=(types - 1) * config.bins,
            framework=framework,
            framework_weights=masses[framework] / masses[framework].sum(),
            ion_starts=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            ion_atoms=flat,
            ion_weights=masses[flat] / np.repeat([masses[ion].sum() for ion in atoms], sizes),
            ion_species=np.repeat(np.arange(len(groups)), [len(group) for group in groups]).astype(np.int64),
            edges=np.array([one.edges[1:-1] for one in species]),
            cores=_cores(config),
            layer_edges=tuple(np.array(one.layer_edges[1:-1]) for one in species),
        )

    def place(self, coordinates: NDArray[np.float32], offset: float) -> NDArray[np.float64]:
        """Return (F, ions) how far each ion is from the framework's centre plus ``offset`` along one axis, Å.

        ``coordinates`` (F, N) are unwrapped.
        """
        points = np.empty((len(coordinates), self.ions))
        place_points(
            coordinates,
            self.framework,
            self.framework_weights,
            offset,
            self.ion_starts,
            self.ion_atoms,
            self.ion_weights,
            points,
        )
        return points

    def layers(self, z: NDArray[np.float64], lengths: NDArray[np.float64]) -> NDArray[np.int16]:
        """Return the layers at ``z`` (F, ions) in boxes of ``lengths`` (F,), counted over all species."""
        fraction = z / lengths[:, None] + 0.5
        place = (fraction - np.floor(fraction) - 0.5) * lengths[:, None]
        layers = np.empty(z.shape, dtype=np.int16)
        start = 0
        for species, edges in enumerate(self.layer_edges):
            ions = self.ion_species == species
            layers[:, ions] = start + np.searchsorted(edges, place[:, ions], side="right")
            start += len(edges) + 1
        return layers


def _cores(config: ReductionConfig) -> NDArray[np.float64]:
    """Return (species, regions, widths, 2) bounds of the cores: of the core rule, then of each scale."""
    regions = [species.regions(name) for name, species in config.ions.items()]
    widths = [
        [_open_ended(one.scaled_cores(scale).cores) for scale in (1.0, *config.core_scales)] for one in regions
    ]
    return np.ascontiguousarray(np.array(widths).swapaxes(1, 2))


def _ions(config: ReductionConfig, name: str, types: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the atoms of each ion of a species."""
    species = config.ions[name]
    atoms = np.flatnonzero(np.isin(types, species.types))
    if species.point == "atom":
        return list(atoms[:, None])
    molecules = np.array(config.molecules, dtype=np.int64)[atoms]
    order = np.argsort(molecules, kind="stable")
    cuts = np.flatnonzero(np.diff(molecules[order])) + 1
    return np.split(atoms[order], cuts)


def _open_ended(cores: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Let the outermost cores reach to the periodic boundary, wherever it is."""
    bounds = list(cores)
    bounds[0] = (-np.inf, bounds[0][1])
    bounds[-1] = (bounds[-1][0], np.inf)
    return bounds
