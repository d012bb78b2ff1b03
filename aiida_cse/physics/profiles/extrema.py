"""Extrema of profiles by local fits of counts: peaks of a density, and top and well of a free energy.

A window of a profile is fitted by ln μ(x) = β₀ + β₁ x (+ β₂ x² …), μ the mean count per bin, for many resampled
profiles at once. The likelihood is that of independent Poisson counts (McCullagh and Nelder, Generalized Linear
Models, 1989), so that empty bins contribute and need no logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.resampling import jackknife_error

__all__ = ["BarrierFit", "BarrierWindows", "Peak", "find_peak", "place_window"]

Floats = NDArray[np.float64]

#: most moves of a window to the extremum of its fit
_MOVES = 5
#: points at which a fit is evaluated to find its extremum, and steps of Newton's method from the best of them
_POINTS, _STEPS = 201, 4
#: fewest bins for a curve of fourth order
_FEWEST_QUARTIC = 7
#: iterations of the fit, its convergence in ln μ, and the largest change of ln μ in one step
_ITERATIONS, _CONVERGED, _LARGEST_STEP = 60, 1e-9, 2.0
#: keeps the matrix of Newton's method regular where all counts lie in one or two bins
_RIDGE = 1e-9


# -- peaks ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peak:
    """A peak: z and its standard error in Å, height and its in the unit of the counts; NaN with too few groups."""

    z: float
    z_error: float
    height: float
    height_error: float


def find_peak(z: ArrayLike, samples: ArrayLike, low: float, high: float, *, peak_half_width: float = 2.0) -> Peak:
    """Find the peak of counts between ``low`` and ``high``.

    ln of the mean count is fitted around the highest mean by Poisson likelihood, with a curve of fourth order (a
    parabola in few bins). The fullest bin alone would be biased towards noise, and upward. The window is placed
    by all counts and is the same for every sample.

    Parameters
    ----------
    z
        (bins,) ascending, equally spaced centres of the bins, Å.
    samples
        (1 + G, bins) counts of all groups of blocks together, and of all but one each, see
        :func:`~aiida_cse.physics.statistics.resampling.leave_one_out`. Densities serve as well: only their ratios
        matter.
    low, high
        Range of the search, Å.
    peak_half_width
        Of the window of the fit, Å.

    Raises
    ------
    ValueError
        ``z`` is not ascending and equally spaced, a count is negative, there is no bin or no count between
        ``low`` and ``high``, or the window has fewer than 3 bins.
    """
    places = arguments.centres("z", z)
    counts = arguments.array("samples", samples, ndim=2, length=1, least=0)
    if counts.shape[1] != len(places):
        raise ValueError(f"samples has {counts.shape[1]} bins, z has {len(places)}")
    search = (places >= arguments.number("low", low)) & (places <= arguments.number("high", high))
    if not counts[0, search].any():
        raise ValueError(f"samples: no count between low = {low:g} and high = {high:g} Å, there is no peak")
    reach = arguments.number("peak_half_width", peak_half_width, above=0)
    window = place_window("peak", places, counts[0], search, reach, maximum=False)
    place, height = _vertices(places[window], counts[:, window])
    return Peak(
        z=float(place[0]),
        z_error=float(jackknife_error(place[1:])),
        height=float(height[0]),
        height_error=float(jackknife_error(height[1:])),
    )


def _vertices(z: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Return the places and the heights of the maxima of the fits of counts (S, bins), (S,) each.

    Newton's method starts from the best of many points, because samples differ by less than the spacing of the
    points.
    """
    middle = float(z.mean())
    x = z - middle
    powers = _fit_log_polynomial(x, counts, 4 if len(x) >= _FEWEST_QUARTIC else 2).T
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


# -- barriers ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BarrierFit:
    """Fits of S profiles: (S,) barrier, places, ln of the counts per bin in the well, curvature and slope."""

    barrier: Floats
    top_z: Floats
    well_z: Floats
    well_log_density: Floats
    well_curvature: Floats
    slope: Floats


@dataclass(frozen=True)
class BarrierWindows:
    """The grid, and the windows of top and well, which are the same for every resampled profile.

    With ``plateau`` the well is flat: F there is that of the mean count, and it has no place, curvature or slope.
    """

    z: Floats
    temperature: float
    top: NDArray[np.bool_]
    well: NDArray[np.bool_]
    plateau: bool = False

    def parabola(self, counts: Floats) -> Floats:
        """Return the mean counts of the fit of the top (bins of its window,) for counts (bins,)."""
        x = self.z[self.top] - self.z[self.top].mean()
        powers = _fit_log_polynomial(x, counts[None, self.top], 2)[0]
        return np.asarray(np.exp(np.polynomial.polynomial.polyval(x, powers)))

    def fit(self, counts: Floats) -> BarrierFit:
        """Fit counts (S, bins); the slope is that of a line in the middle half of the way between the windows."""
        top_f, top_z, _ = _extremum(self.z, counts, self.top, self.temperature, maximum=True)
        if self.plateau:
            means = counts[:, self.well].mean(axis=1)
            logs, unknown = np.log(np.where(means > 0, means, np.nan)), np.full(len(counts), np.nan)
            return BarrierFit(top_f + self.temperature * logs, top_z, unknown, logs, unknown, unknown)
        well_f, well_z, curvature = _extremum(self.z, counts, self.well, self.temperature, maximum=False)
        ends = np.array([self.z[self.top].mean(), self.z[self.well].mean()])
        middle, reach = ends.mean(), max(abs(ends[1] - ends[0]) / 4, self.z[1] - self.z[0])
        between = np.abs(self.z - middle) <= reach * (1 + 1e-9)
        line = _fit_log_polynomial(self.z[between] - middle, counts[:, between], 1)
        return BarrierFit(
            barrier=top_f - well_f,
            top_z=top_z,
            well_z=well_z,
            well_log_density=-well_f / self.temperature,
            well_curvature=curvature,
            slope=self.temperature * np.abs(line[:, 1]),
        )


def _extremum(
    z: Floats, counts: Floats, window: NDArray[np.bool_], temperature: float, *, maximum: bool
) -> tuple[Floats, Floats, Floats]:
    """Return F at the extremum of counts (S, bins) in a window, its z, and half of F's second derivative there.

    ln of the mean count is a parabola on the top, where there are few counts, and of fourth order in the well,
    where a parabola would be biased by the anharmonic part. An extremum outside of the window is taken at its
    edge.
    """
    middle = z[window].mean()
    x = z[window] - middle
    powers = _fit_log_polynomial(x, counts[:, window], 2 if maximum or len(x) < _FEWEST_QUARTIC else 4)
    fine = np.linspace(x[0], x[-1], _POINTS)
    logs = powers @ np.vander(fine, powers.shape[1], increasing=True).T
    best = (np.argmin if maximum else np.argmax)(logs, axis=1)
    order = np.arange(2, powers.shape[1])
    curvature = (powers[:, 2:] * order * (order - 1) * fine[best][:, None] ** (order - 2)).sum(axis=1) / 2
    return -temperature * logs[np.arange(len(logs)), best], fine[best] + middle, -temperature * curvature


# -- windows and fits ----------------------------------------------------------------------------------------


def place_window(
    name: str, z: Floats, counts: Floats, search: NDArray[np.bool_], half_width: float, *, maximum: bool
) -> NDArray[np.bool_]:
    """Return the bins around the extremum of F (``maximum``: fewest counts).

    The window starts around the lowest or highest mean count of ``search`` and is then moved with the fit.
    """
    reach = half_width + 1e-9 * (z[1] - z[0])
    near = np.abs(z[:, None] - z[None, search]) <= reach
    means = (counts @ near) / near.sum(axis=0)
    ties = np.flatnonzero(means == (means.min() if maximum else means.max()))
    window = np.abs(z - z[search][ties[len(ties) // 2]]) <= reach
    for _ in range(_MOVES):
        if window.sum() < 3:
            raise ValueError(
                f"{name}_half_width = {half_width:g} Å: its window has {int(window.sum())} bins of "
                f"{z[1] - z[0]:g} Å; must have at least 3"
            )
        if not counts[window].any():
            break
        _, vertex, _ = _extremum(z, counts[None], window, 1.0, maximum=maximum)
        moved = np.abs(z - np.clip(vertex[0], z[search][0], z[search][-1])) <= reach
        if (moved == window).all():
            break
        window = moved
    return np.asarray(window, dtype=np.bool_)


def _fit_log_polynomial(x: Floats, counts: Floats, degree: int) -> Floats:
    """Return the most likely β (S, degree + 1) for counts (S, bins) at x (bins,); NaN without a count."""
    powers = np.vander(x, degree + 1, increasing=True)
    found = np.full((len(counts), degree + 1), np.nan)
    visited = counts.sum(axis=1) > 0
    if not visited.any():
        return found
    counts = counts[visited]
    beta = np.zeros((len(counts), powers.shape[1]))
    beta[:, 0] = np.log(counts.mean(axis=1))
    ridge = _RIDGE * np.eye(powers.shape[1])
    for _ in range(_ITERATIONS):
        mean = np.exp(beta @ powers.T)
        gradient = (counts - mean) @ powers
        curvature = np.einsum("sb,bi,bj->sij", mean, powers, powers)
        scale = np.trace(curvature, axis1=1, axis2=2)[:, None, None]
        step = np.linalg.solve(curvature + scale * ridge, gradient[:, :, None])[:, :, 0]
        change = np.abs(step @ powers.T).max(axis=1)
        beta += step * np.minimum(1.0, _LARGEST_STEP / np.maximum(change, _CONVERGED))[:, None]
        if change.max() < _CONVERGED:
            break
    found[visited] = beta
    return found
