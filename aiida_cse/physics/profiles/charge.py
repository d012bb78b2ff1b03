"""The charge integral along the normal of the interface, and its changes of sign."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.statistics import arguments

__all__ = ["ChargeIntegral", "charge_integral", "integrated_charge"]

Floats = NDArray[np.float64]
Start = float | Literal["left", "right"]


@dataclass(frozen=True)
class ChargeIntegral:
    """The integral at the centres of the bins.

    Attributes
    ----------
    z
        (bins,) centres, Å.
    integral
        (bins,) e/Å².
    standard_error
        (bins,) e/Å², of the mean over the blocks; NaN without at least 2 blocks.
    sign_changes
        (n,) ascending z in Å where the integral changes its sign.
    """

    z: Floats
    integral: Floats
    standard_error: Floats
    sign_changes: Floats


def charge_integral(
    z: ArrayLike,
    charge_density: ArrayLike,
    start: Start,
    *,
    block_densities: ArrayLike | None = None,
    significance: float = 2.0,
) -> ChargeIntegral:
    """Return E_eff(z) = ∫_{z_b}^{z} ρ_q dz', eq 6 of Kozdra et al., PCCP 27, 24918 (2025).

    The density is constant within a bin. Where z_b lies in neutral bulk, E_eff is proportional to the field along
    z, and its change of sign is charge reversal. To the left of z_b it is minus the charge between z and z_b, as
    the limits of the integral say; in a neutral box both ends give the same curve.

    The errors of the integral at neighbouring z are strongly correlated. Each block is therefore integrated on
    its own, and the standard error is that of the mean of these integrals. A sign change counts only between two
    lobes that are both significant. Where noise crosses zero more than once between them, the middle crossing is
    given.

    Parameters
    ----------
    z
        (bins,) ascending, equally spaced centres of the bins, Å.
    charge_density
        (bins,) e/Å³.
    start
        z_b: ``left`` or ``right``, the outer edge of the first or the last bin, or a z in Å between them.
    block_densities
        (B, bins) densities of equal blocks of time, e/Å³.
    significance
        A lobe counts where the integral exceeds this many standard errors. Without blocks every lobe counts that
        exceeds rounding.

    Raises
    ------
    ValueError
        ``z`` is not ascending and equally spaced, a density is not finite or has another number of bins, the
        start lies outside the bins, ``significance`` is negative, or the integral is too large for a number.
    """
    places = arguments.centres("z", z)
    density = arguments.array("charge_density", charge_density, ndim=1, length=1)
    if len(density) != len(places):
        raise ValueError(f"charge_density has {len(density)} bins, z has {len(places)}")
    origin = _origin(start, places)
    factor = arguments.number("significance", significance, least=0)
    integral = arguments.representable("integral of charge_density", _integrate(places, density, origin))
    error = np.full(len(places), np.nan)
    if block_densities is not None:
        error = _block_error(places, block_densities, origin)
    # a lobe exceeds its error, and at least the rounding of the sum
    width = (places[-1] - places[0]) / (len(places) - 1)
    rounding = len(places) * np.finfo(np.float64).eps * np.abs(density).max() * width * len(places)
    threshold = np.maximum(np.nan_to_num(factor * error), rounding)
    lobes = np.flatnonzero(np.abs(integral) > threshold).tolist()
    changes = [
        _crossing(places, integral, i, j) for i, j in pairwise(lobes) if (integral[i] > 0) != (integral[j] > 0)
    ]
    return ChargeIntegral(
        z=places, integral=integral, standard_error=error, sign_changes=np.array(changes, dtype=np.float64)
    )


def integrated_charge(z: ArrayLike, charge_densities: ArrayLike, start: Start) -> Floats:
    """Return E_eff (..., bins) of many densities (..., bins), integrated as in :func:`charge_integral`.

    Raises
    ------
    ValueError
        As :func:`charge_integral`.
    """
    places = arguments.centres("z", z)
    densities = arguments.array("charge_densities", charge_densities)
    if densities.ndim == 0 or densities.shape[-1] != len(places):
        raise ValueError(f"charge_densities has the shape {densities.shape}, z has {len(places)} bins")
    found = _integrate(places, densities, _origin(start, places))
    return arguments.representable("integral of charge_densities", found)


def _origin(start: Start, z: Floats) -> float:
    """Return z_b in widths of a bin from the outer edge of the first bin."""
    bins = len(z)
    if isinstance(start, str) and start in ("left", "right"):
        return 0.0 if start == "left" else float(bins)
    place = np.full(1, np.nan) if isinstance(start, str) else arguments.array("start", start)
    if place.ndim:
        raise ValueError(f"start = {start!r}: must be 'left', 'right' or a z in Å")
    width = (z[-1] - z[0]) / (bins - 1)
    origin = float((place - z[0]) / width + 0.5)
    if not 0 <= origin <= bins:
        low, high = z[0] - width / 2, z[-1] + width / 2
        raise ValueError(f"start = {start:g} Å: must lie within {low:g} to {high:g} Å")
    return origin


def _integrate(z: Floats, density: Floats, origin: float) -> Floats:
    """Return the integral (..., bins) of ``density`` (..., bins) from ``origin`` to the centres of the bins.

    ``origin`` is a number of bins from the lower edge. A bin is filled evenly: half of it lies below its centre.
    """
    width = (z[-1] - z[0]) / (len(z) - 1)
    with np.errstate(over="ignore", invalid="ignore"):
        charge = density * width
        to_edge = np.cumsum(charge, axis=-1)
        before = min(int(origin), len(z) - 1)
        at_origin = to_edge[..., before] - charge[..., before] * (before + 1 - origin)
        integral: Floats = to_edge - charge / 2 - at_origin[..., None]
    return integral


def _block_error(z: Floats, block_densities: ArrayLike, origin: float) -> Floats:
    blocks = arguments.array("block_densities", block_densities, ndim=2)
    if blocks.shape[1] != len(z):
        raise ValueError(f"block_densities has {blocks.shape[1]} bins, z has {len(z)}")
    if len(blocks) < 2:
        return np.full(len(z), np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        error = _integrate(z, blocks, origin).std(axis=0, ddof=1) / np.sqrt(len(blocks))
    return arguments.representable("error from block_densities", error)


def _crossing(z: Floats, integral: Floats, first: int, last: int) -> float:
    """Return the middle one of the zeros of the integral between the bins ``first`` and ``last``.

    The zero between two bins of opposite sign is that of a straight line. Where the integral is zero in the bins
    between them, it is their middle.
    """
    known = [i for i in range(first, last + 1) if integral[i] != 0]
    crossings = []
    for i, j in pairwise(known):
        if (integral[i] > 0) != (integral[j] > 0):
            share = abs(integral[i]) / (abs(integral[i]) + abs(integral[j]))
            crossings.append(float((z[i + 1] + z[j - 1]) / 2 if j - i > 1 else z[i] + share * (z[j] - z[i])))
    return crossings[len(crossings) // 2]
