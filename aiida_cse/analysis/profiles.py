"""Profiles along z: densities, free energies of the ions, and the charge integral."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.production import FACT_KEYS, REGION_KEYS, ReducedProduction
from aiida_cse.analysis.registry import observable
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

Floats = NDArray[np.float64]
Side = Literal["left", "right"]

_Z_KEYS = {"z_A": ("Å", "(bins,) centres of the bins, from the mid-plane of the slab")}


# -- bins ----------------------------------------------------------------------------------------------------


def bin_centres(config: ReductionConfig) -> Floats:
    """Return the centres of the bins (bins,), Å from the mid-plane of the slab."""
    edges = np.linspace(-config.box[2] / 2, config.box[2] / 2, config.bins + 1)
    centres: Floats = (edges[1:] + edges[:-1]) / 2
    return centres


def bin_volume(config: ReductionConfig) -> float:
    """Return the volume of one bin, Å³."""
    return config.box[0] * config.box[1] * config.box[2] / config.bins


def rebinned(values: Floats, z: Floats, other: Floats) -> Floats:
    """Return densities (..., bins) of the bins around ``z`` (bins,) on the bins around ``other``.

    The density is constant within a bin and zero beyond the last one. A bin is divided in proportion to overlap.
    """
    width, other_width = ((each[-1] - each[0]) / (len(each) - 1) for each in (z, other))
    low = np.maximum(z - width / 2, other[:, None] - other_width / 2)
    high = np.minimum(z + width / 2, other[:, None] + other_width / 2)
    shares = np.maximum(high - low, 0) / other_width
    found: Floats = values @ shares.T
    return found


# -- densities -----------------------------------------------------------------------------------------------


@observable(
    "density_profiles",
    kind="ArrayData",
    summary="Densities along z in Å^-3.",
    description="Densities along z, as arrays of one value per bin from one end of the box to the other.",
    keys={
        **FACT_KEYS,
        **_Z_KEYS,
        "<label>_per_A3": ("Å⁻³", "Number density of the atoms of one type"),
        "<label>_error_per_A3": (
            "Å⁻³",
            "Its standard error, from the means of whole blocks of time; NaN with fewer than two",
        ),
        "point_<ion>_per_A3": ("Å⁻³", "Number density of the points that represent the ions"),
        "point_<ion>_error_per_A3": ("Å⁻³", "Its standard error"),
        "charge_e_per_A3": ("e Å⁻³", "Charge density"),
    },
)
def density_profiles(production: ReducedProduction) -> dict[str, Any]:
    """Return the density of each type of atom, of the point of each ion, and of charge."""
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


def charge_density(production: ReducedProduction, counts: NDArray[np.int64], frames: int) -> Floats:
    """Return the charge density (..., bins), e Å⁻³, from counts (..., types, bins) summed over ``frames``."""
    config = production.state.config
    charge: Floats = np.array(config.charges) @ counts
    return charge / (frames * bin_volume(config))


# -- free energies -------------------------------------------------------------------------------------------


@observable(
    "free_energy_profiles",
    kind="ArrayData",
    summary="F along z in K, with bounds.",
    description="F / k_B along z, as arrays of one value per bin; see [profiles](../science/profiles.md).",
    calculation="cse.free_energy",
    keys={
        **FACT_KEYS,
        **REGION_KEYS,
        **_Z_KEYS,
        "<ion>_K": ("K", "Free energy; NaN in a bin without a visit"),
        "<ion>_error_K": ("K", "Its standard error"),
        "<ion>_lower_bound_K": ("K", "Lower bound of the free energy in a bin without a visit; NaN elsewhere"),
        "<ion>_counts_per_visit": ("", "Number of counts that make one independent visit"),
        "<ion>_zero": ("", "Position of the zero, in words"),
    },
)
def free_energy_profiles(production: ReducedProduction) -> dict[str, Any]:
    """Return the free energy of each ion along z (eq 2 of Kozdra et al., PCCP 27, 24918 (2025)).

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
    """Return the zero of F: inside the ceramic for ions of the slab, else in the bulk electrolyte."""
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


# -- charge integral -----------------------------------------------------------------------------------------


def _charge_rows(found: Mapping[str, Any], _: object) -> Iterator[tuple[str, str]]:
    changes = [found.get(f"sign_changes_{side}_electrolyte") for side in ("left", "right")]
    if None not in changes:
        yield "charge reversals outside, left / right", " / ".join(map(str, changes))


@observable(
    "charge_integral",
    kind="ArrayData",
    summary="Charge between each end of the box and z, in e Å^-2.",
    description=(
        "The charge integral (equation 6 of Kozdra et al.), ∫ρ dz from the end of the box: each half from its own "
        "end, as arrays of one value per bin, NaN in the other half. A change of sign is a charge reversal."
    ),
    rows=_charge_rows,
    keys={
        **FACT_KEYS,
        **_Z_KEYS,
        "<side>_e_per_A2": (
            "e Å⁻²",
            "Integral from this end of the box to z; on the right it is minus the charge between z and the end",
        ),
        "<side>_error_e_per_A2": (
            "e Å⁻²",
            "Its standard error, from the integrals of whole blocks of time; NaN with fewer than two",
        ),
        "sign_changes_<side>": (
            "",
            "Number of changes of sign between two lobes that both exceed two standard errors",
        ),
        "sign_changes_<side>_electrolyte": (
            "",
            "Number of these outside the slab; inside, each plane of the crystal causes some",
        ),
        "sign_changes_<side>_A": ("Å", "Their positions, from left to right"),
        "charge_enclosed_<side>_e_per_A2": (
            "e Å⁻²",
            "Charge of this half of the box, up to the mid-plane of the slab",
        ),
        "charge_enclosed_<side>_error_e_per_A2": (
            "e Å⁻²",
            "Its standard error; null with fewer than two whole blocks",
        ),
    },
)
def charge_integrals(production: ReducedProduction) -> dict[str, Any]:
    """Return the charge integral (eq 6) of each half of the box, from its end to the mid-plane of the slab.

    The ends of the box are the bulk farthest from both surfaces. Each half is integrated from its own end, so that
    the noise of one interface does not reach the other.
    """
    state, window = production.state, production.window
    histograms = window.blocks(state.histograms)
    density = charge_density(production, histograms.sum(axis=0), window.frames)
    blocks = charge_density(production, histograms[window.whole], state.config.block_frames)
    results = production.facts | {"z_A": bin_centres(state.config)}
    sides: tuple[Side, ...] = ("left", "right")
    for side in sides:
        results |= _half_box(results["z_A"], density, blocks, side)
        places = np.abs(results[f"sign_changes_{side}_A"])
        results[f"sign_changes_{side}_electrolyte"] = int((places > state.config.half_thickness).sum())
    return results


def _half_box(z: Floats, density: Floats, blocks: Floats, side: Side) -> dict[str, Any]:
    """Return the results of one half, from the charge density (bins,) and that of whole blocks (B, bins)."""
    width = (z[-1] - z[0]) / (len(z) - 1)
    right = np.clip(np.round(z / width + 0.5, 9), 0, 1)
    #: part of each bin on this side of z = 0
    share: Floats = right if side == "right" else 1 - right
    half = share > 0
    found = charge_integral(z[half], density[half], side, block_densities=blocks[:, half])
    enclosed = blocks @ share * width
    integral, error = np.full((2, len(z)), np.nan)
    integral[half], error[half] = found.integral, found.standard_error
    return {
        f"{side}_e_per_A2": integral,
        f"{side}_error_e_per_A2": error,
        f"sign_changes_{side}": len(found.sign_changes),
        f"sign_changes_{side}_A": found.sign_changes.tolist(),
        f"charge_enclosed_{side}_e_per_A2": float(density @ share * width),
        f"charge_enclosed_{side}_error_e_per_A2": (
            float(enclosed.std(ddof=1) / np.sqrt(len(enclosed))) if len(enclosed) > 1 else None
        ),
    }
