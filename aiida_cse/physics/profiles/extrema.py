"""Maximum and minimum of a free-energy profile by local fits, for many resampled profiles at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.statistics.fits import fit_log_polynomial

__all__ = ["BarrierFit", "BarrierWindows", "place_window"]

Floats = NDArray[np.float64]

#: how often a window is moved to where the fit has its extremum
_MOVES = 5
#: points at which a fit is looked at for its extremum
_POINTS = 201
#: bins from which on a curve of fourth order is fitted
_FEWEST_QUARTIC = 7


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
    """The grid and the windows, which are the same for every resampled profile.

    With ``plateau`` the well is flat: F there is that of the mean count, and it has no place, curvature or slope.
    """

    z: Floats
    temperature: float
    top: NDArray[np.bool_]
    well: NDArray[np.bool_]
    plateau: bool = False

    def fit(self, counts: Floats) -> BarrierFit:
        """Fit counts (S, bins)."""
        top_f, top_z, _ = _extremum(self.z, counts, self.top, self.temperature, maximum=True)
        if self.plateau:
            means = counts[:, self.well].mean(axis=1)
            logs, unknown = np.log(np.where(means > 0, means, np.nan)), np.full(len(counts), np.nan)
            return BarrierFit(top_f + self.temperature * logs, top_z, unknown, logs, unknown, unknown)
        well_f, well_z, curvature = _extremum(self.z, counts, self.well, self.temperature, maximum=False)
        return BarrierFit(
            barrier=top_f - well_f,
            top_z=top_z,
            well_z=well_z,
            well_log_density=-well_f / self.temperature,
            well_curvature=curvature,
            slope=self._slope(counts),
        )

    def _slope(self, counts: Floats) -> Floats:
        """Fit a straight line to the middle half of the way between the windows' middles."""
        ends = np.array([self.z[self.top].mean(), self.z[self.well].mean()])
        middle, reach = ends.mean(), max(abs(ends[1] - ends[0]) / 4, self.z[1] - self.z[0])
        between = np.abs(self.z - middle) <= reach * (1 + 1e-9)
        beta = fit_log_polynomial(self.z[between] - middle, counts[:, between], 1)
        slope: Floats = self.temperature * np.abs(beta[:, 1])
        return slope


def _extremum(
    z: Floats, counts: Floats, window: NDArray[np.bool_], temperature: float, *, maximum: bool
) -> tuple[Floats, Floats, Floats]:
    """Return F at the extremum of counts (S, bins) in a window, its z, and half of F's second derivative there.

    ln of the mean count is a parabola on the top, where there are few counts, and of fourth order in the well,
    where a parabola would be biased by what is not one. An extremum outside of the window is taken at its edge.
    """
    middle = z[window].mean()
    x = z[window] - middle
    powers = fit_log_polynomial(x, counts[:, window], 2 if maximum or len(x) < _FEWEST_QUARTIC else 4)
    fine = np.linspace(x[0], x[-1], _POINTS)
    logs = powers @ np.vander(fine, powers.shape[1], increasing=True).T
    best = (np.argmin if maximum else np.argmax)(logs, axis=1)
    order = np.arange(2, powers.shape[1])
    curvature = (powers[:, 2:] * order * (order - 1) * fine[best][:, None] ** (order - 2)).sum(axis=1) / 2
    return -temperature * logs[np.arange(len(logs)), best], fine[best] + middle, -temperature * curvature


def place_window(
    name: str, z: Floats, counts: Floats, search: NDArray[np.bool_], half_width: float, *, maximum: bool
) -> NDArray[np.bool_]:
    """Return the bins around the extremum: around the emptiest or fullest place first, then moved with the fit."""
    reach = half_width + 1e-9 * (z[1] - z[0])
    near = np.abs(z[:, None] - z[None, search]) <= reach
    means = (counts @ near) / near.sum(axis=0)
    ties = np.flatnonzero(means == (means.min() if maximum else means.max()))
    window = _around(z, float(z[search][ties[len(ties) // 2]]), reach)
    for _ in range(_MOVES):
        if window.sum() < 3:
            raise ValueError(
                f"{name}_half_width is {half_width:g} Å: its window has {int(window.sum())} bins of "
                f"{z[1] - z[0]:g} Å, it must have at least 3"
            )
        if not counts[window].any():
            break
        _, vertex, _ = _extremum(z, counts[None], window, 1.0, maximum=maximum)
        moved = _around(z, float(np.clip(vertex[0], z[search][0], z[search][-1])), reach)
        if (moved == window).all():
            break
        window = moved
    return window


def _around(z: Floats, centre: float, reach: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(z - centre) <= reach, dtype=np.bool_)
