"""F in the well from umbrella windows beside F from the density of ions that no spring holds.

Both are −T ln of the same density, with zeros of their own. The zero of the density is therefore moved to that of
the windows, by the mean difference over the ions of the well. What remains is laid beside what the errors of both
explain: the errors of the bins of the density, and the scatter of the ladders. The ladders are moved one by one,
so that an error that is the same in all bins of the well does not count. F of the windows is averaged over each
bin of the density, as exp(−F / T), since these may be wider.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.crossing.umbrella import FEWEST_LADDERS, UmbrellaProfile

__all__ = ["WellDensity", "compare_in_well"]

Floats = NDArray[np.float64]

#: bins below which two curves are not compared
_FEWEST_BINS: Final = 4
#: part of a bin that may be missing by rounding
_ROUNDING: Final = 1e-6


@dataclass(frozen=True)
class WellDensity:
    """F from a density in a well, and how far F from umbrella windows is from it.

    Attributes
    ----------
    z, free_energy, error
        (B,) centres of the bins, Å, F of the density with the zero of the windows, and its standard error, K.
    shift
        What was added to F of the density, K.
    deviation, expected
        Root mean square of the difference over the ions of the well, and of its standard errors, K.
    """

    z: Floats
    free_energy: Floats
    error: Floats
    shift: float
    deviation: float
    expected: float


def compare_in_well(
    profile: UmbrellaProfile, z: ArrayLike, free_energy: ArrayLike, error: ArrayLike, well: tuple[float, float]
) -> WellDensity | None:
    """Compare F from umbrella windows with F from a density at the same temperature.

    Parameters
    ----------
    profile
        F from umbrella windows.
    z, free_energy, error
        (N,) ascending centres of the bins of the density, Å, and there F = −T ln of the density and its standard
        error, K; NaN in a bin without an ion.
    well
        Range of z that is compared, Å.

    Returns
    -------
    WellDensity or None
        None if fewer than four bins of the well, or fewer than three ladders, are known in both. Bins of the
        density must be of one width.

    Raises
    ------
    ValueError
        The arrays of the density have different lengths.
    """
    places, energies, errors = (np.asarray(one, dtype=np.float64) for one in (z, free_energy, error))
    if places.ndim != 1 or not places.shape == energies.shape == errors.shape:
        raise ValueError(
            f"z, free_energy, error: have the shapes {places.shape}, {energies.shape} and {errors.shape}; must be "
            "a number for each bin"
        )
    if len(profile.ladders) < FEWEST_LADDERS:
        return None
    if len(places) < _FEWEST_BINS or not np.isfinite(places).all() or not (np.diff(places) > 0).all():
        return None
    ladders = _averages(profile, places, float(np.median(np.diff(places))))
    used = (places >= well[0]) & (places <= well[1]) & np.isfinite([energies, errors, *ladders]).all(axis=0)
    if used.sum() < _FEWEST_BINS:
        return None
    kept, squares = energies[used], errors[used] ** 2
    weights = np.exp(-(kept - kept.min()) / profile.temperature)
    weights /= weights.sum()
    differences = ladders[:, used] - kept
    shifts = differences @ weights
    aligned = differences - shifts[:, None]
    # variance of a bin after the weighted mean of all bins is subtracted
    of_density = squares * (1 - 2 * weights) + (weights**2 @ squares)
    of_ladders = aligned.var(axis=0, ddof=1) / len(ladders)
    shift = float(shifts.mean())
    return WellDensity(
        places[used],
        kept + shift,
        errors[used],
        shift,
        math.sqrt(weights @ aligned.mean(axis=0) ** 2),
        math.sqrt(weights @ (of_density + of_ladders)),
    )


def _averages(profile: UmbrellaProfile, z: Floats, width: float) -> Floats:
    """Return F (L, N) of each ladder in bins of a width (Å) around z; NaN where a part of a bin is not known."""
    kelvin, edges = profile.temperature, profile.edges
    found = np.full((len(profile.ladders), len(z)), np.nan)
    # a bin may end beyond an edge by rounding
    ends = [np.clip(z + side * width / 2, edges[0], edges[-1]) for side in (-1, 1)]
    inside = ends[1] - ends[0] > (1 - _ROUNDING) * width
    for ladder, energies in zip(found, profile.ladders, strict=True):
        known = np.isfinite(energies)
        if not known.any():
            continue
        lowest = float(energies[known].min())
        shares = np.where(known, np.exp(-(np.where(known, energies, lowest) - lowest) / kelvin), 0.0)
        number, gaps = (
            np.interp(ends[1], edges, one) - np.interp(ends[0], edges, one)
            for one in (
                np.append(0.0, np.cumsum(part * np.diff(edges))) for part in (shares, (~known).astype(np.float64))
            )
        )
        use = inside & (gaps < _ROUNDING * width) & (number > 0)
        ladder[use] = lowest - kelvin * np.log(number[use] / width)
    return found
