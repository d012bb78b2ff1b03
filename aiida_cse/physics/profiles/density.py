"""Density and free-energy profiles along z, from counts per bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.poisson import poisson_upper

__all__ = ["DensityProfile", "FreeEnergyProfile", "density_profile", "free_energy_profile"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DensityProfile:
    """Number density per bin and its standard error, both (bins,) in Å⁻³; an unknown error is NaN."""

    density: Floats
    standard_error: Floats


@dataclass(frozen=True)
class FreeEnergyProfile:
    """Free energy per bin, F / k_B.

    Attributes
    ----------
    free_energy
        (bins,) kelvin; NaN in a bin that was never visited.
    standard_error
        (bins,) kelvin; NaN in such a bin.
    lower_bound
        (bins,) kelvin; one-sided lower bound in a bin that was never visited, NaN elsewhere.
    dispersion
        Number of counts per independent visit (≥ 1), from the blocks.
    """

    free_energy: Floats
    standard_error: Floats
    lower_bound: Floats
    dispersion: float


def density_profile(
    counts: ArrayLike,
    frames: int,
    bin_volume: ArrayLike,
    *,
    block_counts: ArrayLike | None = None,
    block_frames: int | None = None,
) -> DensityProfile:
    """Return ρ(z) = counts / (frames × bin volume), eq 1 of Kozdra et al., PCCP 27, 24918 (2025).

    Parameters
    ----------
    counts
        (bins,) counts summed over the frames.
    frames
        Number of frames.
    bin_volume
        Volume of every bin, or (bins,) of each, Å³. In a bin without a volume the density is NaN.
    block_counts, block_frames
        (B, bins) counts of blocks of ``block_frames`` frames each; with at least 2 of them the standard error is
        that of the block means.

    Raises
    ------
    ValueError
        A count is negative, a volume is not above zero, a number of frames is no whole number of at least 1, the
        blocks have other bins than ``counts`` or come without ``block_frames``, or a density is too large.
    """
    table = _counts("counts", counts, ndim=1)
    volume = _volume(bin_volume, len(table))
    volume = np.where(volume > 0, volume, np.nan)
    number = arguments.count("frames", frames, least=1)
    with np.errstate(over="ignore"):
        density = _representable("density from counts and bin_volume", table / number / volume)
    error = np.full(len(table), np.nan)
    if block_counts is not None:
        blocks = _blocks(block_counts, len(table))
        length = arguments.count("block_frames", 0 if block_frames is None else block_frames, least=1)
        if len(blocks) > 1:
            with np.errstate(over="ignore"):
                scatter = blocks.std(axis=0, ddof=1) / np.sqrt(len(blocks)) / length / volume
            error = _representable("error of the density from block_counts and bin_volume", scatter)
    return DensityProfile(density, error)


def free_energy_profile(
    counts: ArrayLike,
    temperature: float,
    bin_volume: ArrayLike,
    reference_z: float | Sequence[float] | None = None,
    *,
    z: ArrayLike | None = None,
    reference_mask: ArrayLike | None = None,
    frames: int = 1,
    block_counts: ArrayLike | None = None,
    level: float = 0.95,
) -> FreeEnergyProfile:
    """Return F(z) / k_B = −T ln ρ(z), eq 2 of Kozdra et al., PCCP 27, 24918 (2025).

    The zero is the mean of F over the bins that hold ``reference_z``, or the F of the mean density of the bins in
    ``reference_mask`` (a bulk), or the lowest F where neither is given. It does not depend on ``frames`` and on a
    common ``bin_volume``, which would only matter for a zero at ρ = 1 Å⁻³; both are checked nevertheless.

    In a bin without a visit F is NaN, and ``lower_bound`` is its lower bound, from the Poisson upper bound of the
    visits (3.00 at 95 %) times the counts per visit.

    Parameters
    ----------
    counts
        (bins,) counts summed over the frames.
    temperature
        K.
    bin_volume
        Volume of every bin, or (bins,) of each, Å³. In a bin without a volume everything is NaN.
    reference_z
        One or more z (Å), within the bins; needs ``z``.
    z
        (bins,) ascending, equally spaced centres of the bins, Å.
    reference_mask
        (bins,) true in the reference bins.
    frames
        Number of frames.
    block_counts
        (B, bins) counts of equal blocks of time. Their variance over their mean is the number of counts per
        independent visit; without at least 2 blocks every count is taken for a visit.
    level
        Level of the bounds.

    Raises
    ------
    ValueError
        A count is negative, a number out of range, all bins are empty, the reference is empty or its bins are,
        ``z`` is not ascending and equally spaced, or a free energy is too large.
    """
    table = _counts("counts", counts, ndim=1)
    kelvin = arguments.number("temperature", temperature, above=0)
    volume = _volume(bin_volume, len(table))
    arguments.count("frames", frames, least=1)
    # in units of the largest bin, so that bins of equal volume give the same as their counts
    relative = volume / volume.max()
    if not table.any():
        raise ValueError("counts are all zero: there is no density to take a free energy of")
    dispersion = 1.0 if block_counts is None else _dispersion(_blocks(block_counts, len(table)))
    # in units of T until the end, so that one check of the size is enough
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        energy = np.where((table > 0) & (relative > 0), -np.log(table / relative), np.nan)
        error = np.where(np.isfinite(energy), np.sqrt(dispersion / table), np.nan)
        zero = _zero(table, relative, energy, reference_z, z, reference_mask)
        fewest = -np.log(poisson_upper(0, level) * dispersion / relative) - zero
    bound = np.where((table > 0) | (relative == 0), np.nan, fewest)
    largest = float(np.nanmax(np.abs([energy - zero, error, bound])))
    arguments.number("largest free energy, from temperature and counts,", kelvin * largest)
    return FreeEnergyProfile(
        free_energy=kelvin * (energy - zero),
        standard_error=kelvin * error,
        lower_bound=kelvin * bound,
        dispersion=dispersion,
    )


def _volume(bin_volume: ArrayLike, bins: int) -> Floats:
    """Return the volume of every bin, or (bins,) of each, some of which may be 0."""
    volume = arguments.array("bin_volume", bin_volume)
    if volume.ndim == 0:
        return np.asarray(arguments.number("bin_volume", float(volume), above=0))
    volume = arguments.array("bin_volume", bin_volume, ndim=1, least=0)
    if len(volume) != bins:
        raise ValueError(f"bin_volume has {len(volume)} values, counts has {bins}")
    if not volume.any():
        raise ValueError("bin_volume is zero in all bins: must be above 0 in one of them")
    return volume


def _representable(name: str, values: Floats) -> Floats:
    """Return values, which are NaN without a volume and must be representable otherwise."""
    arguments.representable(name, np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf))
    return values


def _zero(
    counts: Floats,
    relative: Floats,
    energy: Floats,
    reference_z: float | Sequence[float] | None,
    z: ArrayLike | None,
    reference_mask: ArrayLike | None,
) -> float:
    """Return F / T at the reference."""
    if reference_z is not None and reference_mask is not None:
        raise ValueError("reference_z and reference_mask are both given: must be one of them")
    if reference_mask is not None:
        values = arguments.array("reference_mask", reference_mask)
        if not np.isin(values, (0, 1)).all():
            raise ValueError(f"reference_mask = {reference_mask!r}: must be true or false in each bin")
        mask = values == 1
        if mask.shape != counts.shape:
            raise ValueError(f"reference_mask has shape {mask.shape}, counts has {counts.shape}")
        if not counts[mask].any():
            raise ValueError("reference_mask: its bins are empty; must hold at least one count")
        return -float(np.log(counts[mask].mean() / np.broadcast_to(relative, counts.shape)[mask].mean()))
    if reference_z is None:
        return float(np.nanmin(energy))
    if z is None:
        raise ValueError("z = None: reference_z needs the centres of the bins")
    points = np.atleast_1d(arguments.array("reference_z", reference_z))
    points = arguments.array("reference_z", points, ndim=1, length=1)
    bins = _bins_of(points, arguments.centres("z", z), len(counts))
    if (counts[bins] == 0).any():
        empty = float(points[counts[bins] == 0][0])
        raise ValueError(f"reference_z = {empty:g} Å: that bin is empty; must hold at least one count")
    return float(energy[bins].mean())


def _bins_of(points: Floats, centres: Floats, bins: int) -> NDArray[np.int64]:
    """Return the indices (n,) of the bins in which points (n,) lie, Å."""
    if len(centres) != bins:
        raise ValueError(f"z has {len(centres)} values, counts has {bins}")
    width = (centres[-1] - centres[0]) / (bins - 1)
    with np.errstate(over="ignore"):
        index = np.floor((points - centres[0]) / width + 0.5)
    if (index < 0).any() or (index >= bins).any():
        low, high = centres[0] - width / 2, centres[-1] + width / 2
        raise ValueError(f"reference_z = {points.tolist()} Å: must lie within {low:g} to {high:g} Å")
    whole: NDArray[np.int64] = index.astype(np.int64)
    return whole


def _counts(name: str, values: ArrayLike, *, ndim: int, length: int = 1) -> Floats:
    """Return counts, which need not be whole numbers but must be small enough to be squared."""
    return arguments.array(name, values, ndim=ndim, length=length, least=0, most=arguments.SUMMABLE)


def _blocks(block_counts: ArrayLike, bins: int) -> Floats:
    blocks = _counts("block_counts", block_counts, ndim=2, length=0)
    if blocks.shape[1] != bins:
        raise ValueError(f"block_counts has {blocks.shape[1]} bins, counts has {bins}")
    return blocks


def _dispersion(blocks: Floats) -> float:
    """Return Pearson's index of dispersion of the counts per block, pooled over the bins, at least 1."""
    if len(blocks) < 2 or not blocks.any():
        return 1.0
    mean = blocks.mean(axis=0)
    visited = mean > 0
    pooled = blocks[:, visited].var(axis=0, ddof=1).sum() / mean[visited].sum()
    return max(float(pooled), 1.0)
