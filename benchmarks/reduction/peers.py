"""Peers of the reduction: a loop over MDAnalysis with the same outputs, MAICoS, and a bare read.

The loop is what one would write by hand: groups of MDAnalysis, histograms of numpy, no loop over atoms. It shares
no code with the reduction.
"""

from __future__ import annotations

import warnings
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import MDAnalysis
import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import IonSpecies, ReductionConfig

__all__ = ["LoopResult", "circular_centre_offset", "maicos_profiles", "mdanalysis_loop", "warm_read"]

_READ_BYTES = 2**20


def warm_read(path: Path) -> int:
    """Read a file into one buffer from start to end and return its size."""
    buffer, size = bytearray(_READ_BYTES), 0
    with path.open("rb", buffering=0) as file:
        while got := file.readinto(buffer):
            size += got
    return size


def _universe(path: Path, config: ReductionConfig) -> MDAnalysis.Universe:
    types = np.array(config.atom_types)
    _, residues = np.unique(config.molecules, return_inverse=True)
    universe = MDAnalysis.Universe.empty(config.natoms, int(residues.max()) + 1, atom_resindex=residues)
    universe.add_TopologyAttr("type", [str(one) for one in types])
    universe.add_TopologyAttr("mass", np.array(config.masses)[types - 1])
    universe.add_TopologyAttr("charge", np.array(config.charges)[types - 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe.load_new(str(path), format="DCD")
    return universe


# -- the loop ------------------------------------------------------------------------------------------------


@dataclass
class LoopResult:
    """Results of the loop.

    Attributes
    ----------
    histograms, charges
        (blocks, types, bins) atoms and (blocks, bins) e.
    region_counts
        (frames, species, 5).
    centres
        (frames,), Å.
    events
        By rule, the transitions as rows of frame, ion, from, to.
    counts, sums, squares
        Moments of the displacements: (blocks, layers) and twice (blocks, layers, 3).
    """

    histograms: NDArray[np.int64]
    charges: NDArray[np.float64]
    region_counts: list[NDArray[np.int64]] = field(default_factory=list)
    centres: list[float] = field(default_factory=list)
    events: dict[str, list[NDArray[np.int64]]] = field(default_factory=lambda: {"snapshot": [], "core": []})
    counts: NDArray[np.float64] | None = None
    sums: NDArray[np.float64] | None = None
    squares: NDArray[np.float64] | None = None


class _Species:
    """The ions of one species and its boundaries."""

    def __init__(self, universe: MDAnalysis.Universe, species: IonSpecies, config: ReductionConfig) -> None:
        self._atoms = universe.atoms[np.isin(config.atom_types, species.types)]
        self._molecular = species.point == "centre_of_mass"
        self._edges = np.array(species.edges[1:-1])
        self._cores = np.array(species.cores)
        self._cores[0, 0], self._cores[-1, 1] = -np.inf, np.inf
        self.layer_edges = np.array(species.layer_edges[1:-1])

    def points(self) -> NDArray[np.float64]:
        """Return the positions of the ions, (ions, 3)."""
        if self._molecular:
            found: NDArray[np.float64] = self._atoms.center_of_mass(compound="residues")
            return found
        return self._atoms.positions.astype(np.float64)

    def regions(self, z: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the regions at z."""
        return np.digitize(z, self._edges)

    def cores(self, z: NDArray[np.float64], regions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the cores at z, −1 between them."""
        low, high = self._cores[regions].T
        return np.where((low <= z) & (z < high), regions, -1)


class _Transitions:
    """The last label of each ion, and the changes."""

    def __init__(self, events: list[NDArray[np.int64]]) -> None:
        self._events = events
        self._last: NDArray[np.int64] | None = None

    def follow(self, frame: int, labels: NDArray[np.int64]) -> None:
        if self._last is None:
            self._last = labels
            return
        changed = np.flatnonzero((labels >= 0) & (self._last >= 0) & (labels != self._last))
        if len(changed):
            rows = (np.full(len(changed), frame), changed, self._last[changed], labels[changed])
            self._events.append(np.column_stack(rows))
        self._last = np.where(labels >= 0, labels, self._last)


def mdanalysis_loop(path: Path, config: ReductionConfig, frames: int) -> LoopResult:
    """Return histograms, charge, populations, transitions and, with a lag, displacements of the first frames."""
    universe = _universe(path, config)
    slab = universe.atoms[np.isin(config.atom_types, config.framework)]
    groups = [universe.atoms[np.array(config.atom_types) == one + 1].indices for one in range(len(config.labels))]
    species = [_Species(universe, one, config) for one in config.ions.values()]
    blocks = -(-frames // config.block_frames)
    result = LoopResult(
        np.zeros((blocks, len(config.labels), config.bins), dtype=np.int64), np.zeros((blocks, config.bins))
    )
    snapshots, cores = _Transitions(result.events["snapshot"]), _Transitions(result.events["core"])
    displacements = _Displacements(config, species, result, blocks) if config.lags else None
    for number, step in enumerate(universe.trajectory[:frames]):
        block, length = number // config.block_frames, float(step.dimensions[2])
        centre = slab.center_of_mass()
        centre[2] += config.midplane_offset
        edges = np.linspace(-length / 2, length / 2, config.bins + 1)
        z = _wrap(universe.atoms.positions[:, 2] - centre[2], length)
        for one, atoms in enumerate(groups):
            result.histograms[block, one] += np.histogram(z[atoms], edges)[0]
        result.charges[block] += np.histogram(z, edges, weights=universe.atoms.charges)[0]
        points = [one.points() - centre for one in species]
        places = [_wrap(one[:, 2], length) for one in points]
        regions = [one.regions(place) for one, place in zip(species, places, strict=True)]
        result.region_counts.append(np.array([np.bincount(one, minlength=5) for one in regions]))
        result.centres.append(float(centre[2]))
        if number % config.snapshot_frames == 0:
            snapshots.follow(number, np.concatenate(regions))
        labels = [one.cores(place, region) for one, place, region in zip(species, places, regions, strict=True)]
        cores.follow(number, np.concatenate(labels))
        if displacements is not None:
            displacements.follow(number, np.concatenate(points), places)
    return result


def _wrap(z: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    return (z + length / 2) % length - length / 2


class _Displacements:
    """Moments over one lag, from the positions of the last frames."""

    def __init__(self, config: ReductionConfig, species: list[_Species], result: LoopResult, blocks: int) -> None:
        self._species = species
        self._block_frames = config.block_frames
        (lag,) = config.lags
        self._past: deque[tuple[NDArray[np.float64], NDArray[np.int64]]] = deque(maxlen=lag + 1)
        layers = sum(len(one.layer_edges) + 1 for one in species)
        self._counts = result.counts = np.zeros((blocks, layers))
        self._sums, self._squares = np.zeros((blocks, layers, 3)), np.zeros((blocks, layers, 3))
        result.sums, result.squares = self._sums, self._squares

    def follow(self, number: int, points: NDArray[np.float64], places: list[NDArray[np.float64]]) -> None:
        layers, first = [], 0
        for one, z in zip(self._species, places, strict=True):
            layers.append(first + np.digitize(z, one.layer_edges))
            first += len(one.layer_edges) + 1
        self._past.append((points, np.concatenate(layers)))
        if len(self._past) < (self._past.maxlen or 0):
            return
        origin, layer = self._past[0]
        moved = points - origin
        block = (number - len(self._past) + 1) // self._block_frames
        size = self._counts.shape[1]
        self._counts[block] += np.bincount(layer, minlength=size)
        for axis in range(3):
            self._sums[block, :, axis] += np.bincount(layer, moved[:, axis], size)
            self._squares[block, :, axis] += np.bincount(layer, moved[:, axis] ** 2, size)


# -- MAICoS --------------------------------------------------------------------------------------------------


def circular_centre_offset(path: Path, config: ReductionConfig) -> float:
    """Return the distance of MAICoS' framework centre from the centre of mass in the first frame, Å along z.

    MAICoS maps the box onto a circle (Bai and Breen, J. Graph. Tools 13, 53, 2008), whose mean differs if the
    masses are not distributed symmetrically. For a rigid framework the difference is constant.
    """
    universe = _universe(path, config)
    slab = universe.atoms[np.isin(config.atom_types, config.framework)]
    z, length = slab.positions[:, 2].astype(np.float64), float(universe.dimensions[2])
    centre = float(np.average(z, weights=slab.masses))
    mean = np.average(np.exp(2j * np.pi * (z - centre) / length), weights=slab.masses)
    return float(np.angle(mean)) * length / (2 * np.pi)


def maicos_profiles(
    path: Path, config: ReductionConfig, groups: dict[str, tuple[str, ...]], frames: int
) -> dict[str, NDArray[np.float64]]:
    """Return the number densities (bins,) of groups of labels around the centre of mass of the framework."""
    from maicos import DensityPlanar
    from maicos.core import AnalysisCollection

    universe = _universe(path, config)
    reference = universe.atoms[np.isin(config.atom_types, config.framework)]
    types: dict[str, list[int]] = {
        name: [config.labels.index(label) + 1 for label in labels] for name, labels in groups.items()
    }
    settings: dict[str, Any] = {
        "dens": "number",
        "refgroup": reference,
        "unwrap": False,
        "bin_width": config.box[2] / config.bins,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        profiles = {
            name: DensityPlanar(universe.atoms[np.isin(config.atom_types, own)], **settings)
            for name, own in types.items()
        }
        AnalysisCollection(*profiles.values()).run(stop=frames, verbose=False)
    return {name: np.asarray(one.results.profile).ravel() for name, one in profiles.items()}
