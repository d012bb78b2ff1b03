"""Profiles along z: densities, free energies of the ions, and the charge integral."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.physics.exchange.regions import REFERENCE_OFFSET
from aiida_cse.physics.profiles.charge import charge_integral
from aiida_cse.physics.profiles.density import density_profile, free_energy_profile
from aiida_cse.reduction.config import IonSpecies, ReductionConfig

__all__ = [
    "bin_centres",
    "bin_volume",
    "charge_density",
    "charge_integrals",
    "density_profiles",
    "free_energy_profiles",
    "rebinned",
]


def density_profiles(production: ReducedProduction) -> dict[str, Any]:
    """Return the density of each type of atom, of the points of each ion, and of charge.

    Returns
    -------
    dict
        ``z_A`` (bins,), and per type ``<label>_per_A3`` and ``<label>_error_per_A3``, per ion
        ``point_<ion>_per_A3`` with its error; ``charge_e_per_A3``. The errors are those of the means of whole
        blocks, NaN with fewer than two.
    """
    state, window = production.state, production.window
    names = [*state.config.labels, *(f"point_{ion.key}" for ion in production.ions.values())]
    histograms = np.concatenate([window.blocks(state.histograms), window.blocks(state.point_histograms)], axis=1)
    total, whole = histograms.sum(axis=0), histograms[window.whole]
    results = production.facts | {"z_A": bin_centres(state.config)}
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
    results["charge_e_per_A3"] = charge_density(production, total[: len(state.config.labels)], window.frames)
    return results


def charge_density(production: ReducedProduction, counts: NDArray[np.int64], frames: int) -> NDArray[np.float64]:
    """Return the charge density (..., bins) of the counts (..., types, bins) of so many frames, e Å⁻³."""
    config = production.state.config
    charge: NDArray[np.float64] = np.array(config.charges) @ counts
    return charge / (frames * bin_volume(config))


def bin_centres(config: ReductionConfig) -> NDArray[np.float64]:
    """Return the centres of the bins (bins,), Å from the mid-plane of the slab."""
    edges = np.linspace(-config.box[2] / 2, config.box[2] / 2, config.bins + 1)
    centres: NDArray[np.float64] = (edges[1:] + edges[:-1]) / 2
    return centres


def bin_volume(config: ReductionConfig) -> float:
    """Return the volume of one bin, Å³."""
    return config.box[0] * config.box[1] * config.box[2] / config.bins


def rebinned(
    values: NDArray[np.float64], z: NDArray[np.float64], other: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return densities (..., bins) with bins around ``z`` as those around ``other``, (..., other bins).

    A density is constant within its bin, and zero outside of all: what is in a bin is shared out by overlap.
    """
    width, other_width = ((each[-1] - each[0]) / (len(each) - 1) for each in (z, other))
    low = np.maximum(z - width / 2, other[:, None] - other_width / 2)
    high = np.minimum(z + width / 2, other[:, None] + other_width / 2)
    shares = np.maximum(high - low, 0) / other_width
    found: NDArray[np.float64] = values @ shares.T
    return found


def free_energy_profiles(production: ReducedProduction) -> dict[str, Any]:
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
    state, window = production.state, production.window
    z = bin_centres(state.config)
    results = production.facts | production.region_facts() | {"z_A": z}
    for index, ion in enumerate(production.ions.values()):
        blocks = window.blocks(state.point_histograms)[:, index]
        counts = blocks.sum(axis=0)
        reference, words = _reference(state.config, ion.species, counts)
        profile = free_energy_profile(
            counts,
            production.temperature,
            bin_volume(state.config),
            z=z,
            frames=window.frames,
            block_counts=blocks[window.whole],
            level=production.settings.level,
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


Side = Literal["left", "right"]


def charge_integrals(production: ReducedProduction) -> dict[str, Any]:
    """Return the charge integral (eq 6) of each half of the box, from its end to the mid-plane of the slab.

    The ends of the box are the bulk farthest from both surfaces. Each half is integrated from its own end, so that
    the noise of one interface does not reach the other.

    Returns
    -------
    dict
        ``z_A`` (bins,), and per side ``<side>_e_per_A2`` and ``<side>_error_e_per_A2`` (bins,), NaN in the other
        half; ``sign_changes_<side>_A``, their number ``sign_changes_<side>``, that outside of the slab
        ``sign_changes_<side>_electrolyte``, for in a crystal each plane of atoms makes one, and
        ``charge_enclosed_<side>_e_per_A2`` with its error. The errors are those of the means of whole blocks, NaN
        (None for numbers) with fewer than two.
    """
    state, window = production.state, production.window
    histograms = window.blocks(state.histograms)
    density = charge_density(production, histograms.sum(axis=0), window.frames)
    blocks = charge_density(production, histograms[window.whole], state.config.block_frames)
    results = production.facts | {"z_A": bin_centres(state.config)}
    for side in ("left", "right"):
        results |= _half(results["z_A"], density, blocks, side)
        places = np.abs(results[f"sign_changes_{side}_A"])
        results[f"sign_changes_{side}_electrolyte"] = int((places > state.config.half_thickness).sum())
    return results


def _half(
    z: NDArray[np.float64], density: NDArray[np.float64], blocks: NDArray[np.float64], side: Side
) -> dict[str, Any]:
    width = (z[-1] - z[0]) / (len(z) - 1)
    share = _share(z / width, side)
    half = share > 0
    found = charge_integral(z[half], density[half], side, block_densities=blocks[:, half])
    enclosed = blocks @ share * width
    return {
        f"{side}_e_per_A2": _whole(found.integral, half),
        f"{side}_error_e_per_A2": _whole(found.standard_error, half),
        f"sign_changes_{side}": len(found.sign_changes),
        f"sign_changes_{side}_A": found.sign_changes.tolist(),
        f"charge_enclosed_{side}_e_per_A2": float(density @ share * width),
        f"charge_enclosed_{side}_error_e_per_A2": (
            float(enclosed.std(ddof=1) / np.sqrt(len(enclosed))) if len(enclosed) > 1 else None
        ),
    }


def _share(centres: NDArray[np.float64], side: Side) -> NDArray[np.float64]:
    """Return how much of each bin lies on this side of z = 0; the centres are in widths of a bin."""
    right: NDArray[np.float64] = np.clip(np.round(centres + 0.5, 9), 0, 1)
    return right if side == "right" else 1 - right


def _whole(values: NDArray[np.float64], half: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return values of one half as values of all bins, NaN in the other half."""
    whole = np.full(len(half), np.nan)
    whole[half] = values
    return whole
