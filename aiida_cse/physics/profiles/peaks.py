"""Where a density along z has its peak and how high it is, by a local fit of counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.profiles.extrema import place_window
from aiida_cse.physics.statistics import arguments as checks
from aiida_cse.physics.statistics.fits import fit_log_polynomial
from aiida_cse.physics.statistics.jackknife import jackknife_error

__all__ = ["Peak", "find_peak"]

Floats = NDArray[np.float64]

#: bins from which on a curve of fourth order is fitted
_FEWEST_QUARTIC = 7
#: points at which a fit is looked at for its highest, and steps of Newton's method from there
_POINTS, _STEPS = 201, 4


@dataclass(frozen=True)
class Peak:
    """A peak: z and its standard error in Å, height and its in the unit of the counts; NaN with too few groups."""

    z: float
    z_error: float
    height: float
    height_error: float


def find_peak(z: ArrayLike, samples: ArrayLike, low: float, high: float, *, peak_half_width: float = 2.0) -> Peak:
    """Find the peak of counts between ``low`` and ``high``.

    ln of the mean count is fitted around the fullest place by Poisson likelihood, with a curve of fourth order
    (a parabola in few bins): the fullest bin alone would be drawn to where the noise is, and upward. The window is
    placed by all counts and is the same for every sample.

    Parameters
    ----------
    z
        (bins,) ascending, equally spaced centres of the bins, Å.
    samples
        (1 + G, bins) counts of all groups of blocks together, and of all but one each, see
        :func:`~aiida_cse.physics.statistics.jackknife.leave_one_out`. Densities serve as well: only their ratios
        count.
    low, high
        Where to look, Å.
    peak_half_width
        Of the window of the fit, Å.

    Raises
    ------
    ValueError
        ``z`` is not ascending and equally spaced, a count is negative, there is no bin or no count between
        ``low`` and ``high``, or the window has fewer than 3 bins.
    """
    places = checks.centres("z", z)
    counts = checks.counts_array("samples", samples, ndim=2, minimum=1)
    if counts.shape[1] != len(places):
        raise ValueError(f"samples has {counts.shape[1]} bins, z has {len(places)}")
    bounds = checks.finite("low", low), checks.finite("high", high)
    search = (places >= bounds[0]) & (places <= bounds[1])
    if not counts[0, search].any():
        raise ValueError(f"samples: no count between low = {low:g} and high = {high:g} Å, there is no peak")
    reach = checks.positive("peak_half_width", peak_half_width)
    window = place_window("peak", places, counts[0], search, reach, maximum=False)
    place, height = _vertices(places[window], counts[:, window])
    return Peak(
        z=float(place[0]),
        z_error=float(jackknife_error(place[1:])),
        height=float(height[0]),
        height_error=float(jackknife_error(height[1:])),
    )


def _vertices(z: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Return where the fits of counts (S, bins) are highest, and how high they are there, (S,) each.

    Newton's method goes on from the best of many points: samples differ by less than the points are apart.
    """
    middle = float(z.mean())
    x = z - middle
    powers = fit_log_polynomial(x, counts, 4 if len(x) >= _FEWEST_QUARTIC else 2).T
    fine: Floats = np.linspace(x[0], x[-1], _POINTS)
    highest = np.argmax(np.polynomial.polynomial.polyval(fine, powers), axis=1)
    best = place = np.asarray(fine[highest], dtype=np.float64)
    reach = fine[1] - fine[0]
    for _ in range(_STEPS):
        slope, bend = (_of_each(place, np.polynomial.polynomial.polyder(powers, order)) for order in (1, 2))
        step = np.where(bend < 0, -slope / np.where(bend < 0, bend, -1.0), 0.0)
        place = np.asarray(np.clip(place + step, best - reach, best + reach), dtype=np.float64)
    place = np.asarray(np.clip(place, x[0], x[-1]), dtype=np.float64)
    return place + middle, np.exp(_of_each(place, powers))


def _of_each(x: Floats, powers: Floats) -> Floats:
    """Return the value of each polynomial, (order + 1, S), at its own x (S,)."""
    return np.asarray(np.polynomial.polynomial.polyval(x, powers, tensor=False), dtype=np.float64)
