"""Independent reduction for comparison: a plain loop over MDAnalysis in float64."""

from __future__ import annotations

import warnings
from pathlib import Path

import MDAnalysis
import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import ReductionConfig


def open_with_mdanalysis(path: Path, config: ReductionConfig) -> MDAnalysis.Universe:
    """Return the atoms without a topology."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe.empty(config.natoms, trajectory=False)
        universe.load_new(str(path), format="DCD")
    return universe


def positions_with_mdanalysis(path: Path, config: ReductionConfig) -> NDArray[np.float64]:
    """Return (frames, N, 3) unwrapped positions."""
    universe = open_with_mdanalysis(path, config)
    return np.array([frame.positions for frame in universe.trajectory], dtype=np.float64)


def ions_in_slab(positions: NDArray[np.float64], config: ReductionConfig, name: str) -> NDArray[np.float64]:
    """Return (frames, ions, 3) the centres of mass of the molecules of a species, in the frame of the slab."""
    masses = np.array(config.masses)[np.array(config.atom_types) - 1]
    slab = np.isin(config.atom_types, config.framework)
    centre = np.average(positions[:, slab], axis=1, weights=masses[slab])
    centre[:, 2] += config.midplane_offset
    own = np.isin(config.atom_types, config.ions[name].types)
    molecules = np.array(config.molecules)
    ions = [own & (molecules == molecule) for molecule in np.unique(molecules[own])]
    points = [np.average(positions[:, ion], axis=1, weights=masses[ion]) for ion in ions]
    return np.stack(points, axis=1) - centre[:, None]


def reduce_with_mdanalysis(path: Path, config: ReductionConfig) -> dict[str, NDArray[np.float64]]:
    """Return per frame the histograms of types, the region counts, the centres and the labels of the ions."""
    universe = open_with_mdanalysis(path, config)
    types = np.array(config.atom_types)
    masses = np.array(config.masses)[types - 1]
    molecules = np.array(config.molecules)
    slab = np.isin(types, config.framework)
    results: dict[str, list[NDArray[np.float64]]] = {"histograms": [], "regions": [], "centres": [], "labels": []}
    for frame in universe.trajectory:
        z = frame.positions[:, 2].astype(np.float64)
        length = float(frame.dimensions[2])
        centre = np.average(z[slab], weights=masses[slab]) + config.midplane_offset
        wrapped = (z - centre + length / 2) % length - length / 2
        edges = np.linspace(-length / 2, length / 2, config.bins + 1)
        labels, counts = [], []
        for species in config.ions.values():
            own = np.isin(types, species.types)
            points = []
            groups = np.flatnonzero(own) if species.point == "atom" else np.unique(molecules[own])
            for group in groups:
                atoms = [group] if species.point == "atom" else np.flatnonzero(own & (molecules == group))
                points.append(np.average(z[atoms], weights=masses[atoms]))
            place = (np.array(points) - centre + length / 2) % length - length / 2
            label = np.digitize(place, species.edges[1:-1])
            labels.append(label)
            counts.append(np.bincount(label, minlength=5))
        results["histograms"].append(
            np.array([np.histogram(wrapped[types == t + 1], edges)[0] for t in range(len(config.labels))])
        )
        results["regions"].append(np.array(counts))
        results["centres"].append(np.array(centre))
        results["labels"].append(np.concatenate(labels))
    return {name: np.array(values) for name, values in results.items()}
