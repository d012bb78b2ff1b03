"""Free energies of the ions along z."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.bins import bin_centres, bin_volume
from aiida_cse.analysis.production import Subject
from aiida_cse.physics.exchange.regions import REFERENCE_OFFSET
from aiida_cse.physics.profiles.density import free_energy_profile
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.ions import IonSpecies

__all__ = ["free_energy_profiles"]


def free_energy_profiles(subject: Subject) -> dict[str, Any]:
    """Return the free energy of each ion.

    Returns
    -------
    dict
        ``z_A`` (bins,), and per ion ``<ion>_K``, ``<ion>_error_K``, ``<ion>_lower_bound_K`` (bins,),
        ``<ion>_counts_per_visit`` and ``<ion>_zero``, which says in words where F is zero.

    Raises
    ------
    ValueError
        An ion was never seen.
    """
    state, window = subject.state, subject.window
    z = bin_centres(state.config)
    results = subject.facts | subject.region_facts() | {"z_A": z}
    for index, ion in enumerate(subject.ions.values()):
        blocks = window.blocks(state.point_histograms)[:, index]
        counts = blocks.sum(axis=0)
        reference, words = _reference(state.config, ion.species, counts)
        profile = free_energy_profile(
            counts,
            subject.temperature,
            bin_volume(state.config),
            z=z,
            frames=window.frames,
            block_counts=blocks[window.whole],
            level=subject.settings.level,
            **reference,
        )
        results |= {
            f"{ion.key}_K": profile.free_energy,
            f"{ion.key}_error_K": profile.standard_error,
            f"{ion.key}_lower_bound_K": profile.lower_bound,
            f"{ion.key}_counts_per_visit": profile.dispersion,
            f"{ion.key}_zero": words,
        }
    return results


def _reference(
    config: ReductionConfig, species: IonSpecies, counts: NDArray[np.int64]
) -> tuple[dict[str, Any], str]:
    """Return where F is zero: inside the ceramic for ions that live there, else in the bulk electrolyte."""
    z = bin_centres(config)
    if species.initial_ceramic is not None:
        inside = config.half_thickness + REFERENCE_OFFSET
        bins = np.array([np.argmin(np.abs(z - inside)), np.argmin(np.abs(z + inside))])
        if inside > 0 and counts[bins].all():
            return {"reference_z": z[bins]}, f"mean of the bins at z = ±{inside:.2f} Å"
    else:
        bulk = (z < species.edges[1]) | (z >= species.edges[-2])
        if counts[bulk].any():
            return {"reference_mask": bulk}, "mean density of the bulk electrolyte"
    return {}, "the bin with most counts, because those of the reference are empty"
