"""Density and free-energy profiles of a window of a state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.profiles import FreeEnergyProfile, density_profile, free_energy_profile
from aiida_cse.physics.regions import REFERENCE_OFFSET
from aiida_cse.trajectory.config import IonSpecies, ReductionConfig
from aiida_cse.trajectory.state import State
from aiida_cse.trajectory.window import Window

__all__ = ["bin_centres", "density_profiles", "free_energy_profiles"]


def bin_centres(config: ReductionConfig) -> NDArray[np.float64]:
    """Return the centres of the bins (bins,), Å from the mid-plane of the slab."""
    edges = np.linspace(-config.box[2] / 2, config.box[2] / 2, config.bins + 1)
    centres: NDArray[np.float64] = (edges[1:] + edges[:-1]) / 2
    return centres


def density_profiles(state: State, window: Window) -> dict[str, Any]:
    """Return the density of each type of atom, of the points of each ion, and of charge.

    Returns
    -------
    dict
        ``z_A`` (bins,), and per type ``<label>_per_A3`` and ``<label>_error_per_A3``, per ion
        ``point_<ion>_per_A3`` with its error; ``charge_e_per_A3``. The errors are those of the means of whole
        blocks, NaN with fewer than two.
    """
    config = state.config
    names = [*config.labels, *(f"point_{name.lower()}" for name in config.ions)]
    histograms = np.concatenate([state.histograms, state.point_histograms], axis=1)
    total, whole = window.blocks(histograms).sum(axis=0), window.whole_blocks(histograms)
    results: dict[str, Any] = {"z_A": bin_centres(config)}
    for index, name in enumerate(names):
        profile = density_profile(
            total[index],
            window.frames,
            _bin_volume(config),
            block_counts=whole[:, index],
            block_frames=config.block_frames,
        )
        results[f"{name}_per_A3"] = profile.density
        results[f"{name}_error_per_A3"] = profile.standard_error
    charge = np.array(config.charges) @ total[: len(config.charges)]
    results["charge_e_per_A3"] = charge / (window.frames * _bin_volume(config))
    return results


def free_energy_profiles(state: State, window: Window, temperature: float, level: float) -> dict[str, Any]:
    """Return the free energy of each ion that was seen.

    Returns
    -------
    dict
        ``temperature_K``, ``z_A`` (bins,), and per ion ``<ion>_K``, ``<ion>_error_K``,
        ``<ion>_lower_bound_K`` (bins,), ``<ion>_counts_per_visit`` and ``<ion>_zero``, which says in words where
        F is zero.
    """
    results: dict[str, Any] = {"temperature_K": temperature, "z_A": bin_centres(state.config)}
    for index, (name, species) in enumerate(state.config.ions.items()):
        counts = window.blocks(state.point_histograms)[:, index].sum(axis=0)
        reference, words = _reference(state.config, species, counts)
        profile: FreeEnergyProfile = free_energy_profile(
            counts,
            temperature,
            _bin_volume(state.config),
            z=bin_centres(state.config),
            frames=window.frames,
            block_counts=window.whole_blocks(state.point_histograms)[:, index],
            level=level,
            **reference,
        )
        key = name.lower()
        results |= {
            f"{key}_K": profile.free_energy,
            f"{key}_error_K": profile.standard_error,
            f"{key}_lower_bound_K": profile.lower_bound,
            f"{key}_counts_per_visit": profile.dispersion,
            f"{key}_zero": words,
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


def _bin_volume(config: ReductionConfig) -> float:
    return config.box[0] * config.box[1] * config.box[2] / config.bins
