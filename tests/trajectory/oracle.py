"""The same reduction as a plain loop over MDAnalysis in float64, written without the code under test."""

from __future__ import annotations

import warnings
from pathlib import Path

import MDAnalysis
import numpy as np
from numpy.typing import NDArray

from aiida_cse.trajectory.config import ReductionConfig


def reduce_with_mdanalysis(path: Path, config: ReductionConfig) -> dict[str, NDArray[np.float64]]:
    """Return per frame the histograms of types, the region counts, the centres and the labels of the ions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe.empty(config.natoms, trajectory=False)
        universe.load_new(str(path), format="DCD")
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
