"""Densities along z: of each type of atom, of the points of the ions, and of charge."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.bins import bin_centres, bin_volume
from aiida_cse.analysis.production import Subject
from aiida_cse.physics.profiles.density import density_profile

__all__ = ["charge_density", "density_profiles"]


def density_profiles(subject: Subject) -> dict[str, Any]:
    """Return the density of each type of atom, of the points of each ion, and of charge.

    Returns
    -------
    dict
        ``z_A`` (bins,), and per type ``<label>_per_A3`` and ``<label>_error_per_A3``, per ion
        ``point_<ion>_per_A3`` with its error; ``charge_e_per_A3``. The errors are those of the means of whole
        blocks, NaN with fewer than two.
    """
    state, window = subject.state, subject.window
    names = [*state.config.labels, *(f"point_{ion.key}" for ion in subject.ions.values())]
    histograms = np.concatenate([window.blocks(state.histograms), window.blocks(state.point_histograms)], axis=1)
    total, whole = histograms.sum(axis=0), histograms[window.whole]
    results = subject.facts | {"z_A": bin_centres(state.config)}
    for index, name in enumerate(names):
        profile = density_profile(
            total[index],
            window.frames,
            bin_volume(state.config),
            block_counts=whole[:, index],
            block_frames=state.config.block_frames,
        )
        results[f"{name}_per_A3"] = profile.density
        results[f"{name}_error_per_A3"] = profile.standard_error
    results["charge_e_per_A3"] = charge_density(subject, total[: len(state.config.labels)], window.frames)
    return results


def charge_density(subject: Subject, counts: NDArray[np.int64], frames: int) -> NDArray[np.float64]:
    """Return the charge density (..., bins) of the counts (..., types, bins) of so many frames, e Å⁻³."""
    config = subject.state.config
    charge: NDArray[np.float64] = np.array(config.charges) @ counts
    return charge / (frames * bin_volume(config))
