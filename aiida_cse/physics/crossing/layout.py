"""Places and times of umbrella windows, and the dividing surface on top of a measured profile.

Windows lie at equal distances from the electrolyte to beyond the top. After a round of windows the time of the
next one goes where the error of the barrier comes from. An error of the mean force at a window shifts everything
on its one side against the other; of the barrier it is worth that shift times the share of the well that lies on
the side away from the top. With the contribution c of a window to the variance after a time t, the variance of all
is least at a given total time if that of each window is proportional to √(c t) (Neyman's allocation).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.crossing.umbrella import UmbrellaProfile, UmbrellaWindow
from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.timeseries import statistical_inefficiency

__all__ = ["added_centres", "find_surface", "next_times", "window_centres"]

Floats = NDArray[np.float64]

#: a spacing that rounding may exceed, relative
_ROUNDING: Final = 1e-9
#: part by which windows are closer than their spacing, so that a whole number covers the range
_UNEVEN: Final = 0.2
#: bins on each side of the highest one through which the parabola of the top goes
_BESIDE: Final = 2
#: fewest bins that such a parabola takes
_FEWEST_BINS: Final = 4
#: part of the first spacing to which added windows halve a gap at most
_FINEST: Final = 0.25


def window_centres(first: float, last: float, spacing: float) -> Floats:
    """Return the centres (W,) of windows from ``first`` to ``last``, at most ``spacing`` apart, Å.

    Raises
    ------
    ValueError
        The spacing is not above zero, or both ends are the same.
    """
    step = arguments.number("spacing", spacing, above=0)
    begin, end = arguments.number("first", first), arguments.number("last", last)
    if begin == end:
        raise ValueError(f"first = last = {begin:g} Å: windows must cover a range")
    centres: Floats = np.linspace(begin, end, math.ceil(abs(end - begin) / step - _ROUNDING) + 1)
    return centres


def find_surface(profile: UmbrellaProfile, low: float, high: float) -> float:
    """Return the place of the top of F between ``low`` and ``high``, Å.

    It is that of a parabola through the highest bin and its neighbours, or the centre of that bin where a ladder
    has no sample beside it.

    Raises
    ------
    ValueError
        F is known nowhere there, or highest at an end, so that there is no top in between.
    """
    centres, energies = profile.centres, profile.free_energy
    known = np.flatnonzero((centres >= low) & (centres <= high) & np.isfinite(energies))
    if len(known) < _FEWEST_BINS:
        raise ValueError(
            f"F is known in {len(known)} bins between {low:g} and {high:g} Å; a top takes {_FEWEST_BINS}"
        )
    highest = int(np.argmax(energies[known]))
    if highest in (0, len(known) - 1):
        raise ValueError(
            f"F is highest at the end of the range from {low:g} to {high:g} Å, at {centres[known[highest]]:.1f} Å"
        )
    beside = known[max(highest - _BESIDE, 0) : highest + _BESIDE + 1]
    top, (curvature, slope, _) = centres[known[highest]], np.polyfit(centres[beside], energies[beside], 2)
    vertex = -slope / (2 * curvature) if curvature < 0 else top
    width = float(np.diff(profile.edges).max())
    place = float(np.clip(vertex, top - width, top + width))
    return place if math.isfinite(profile.at(place)[0]) else float(top)


def added_centres(
    centres: Sequence[float], profile: UmbrellaProfile, low: float, high: float, spacing: float
) -> list[float]:
    """Return the centres of windows that are needed between the others, Å.

    They halve each gap which the windows of a ladder do not join: that they overlap too little there, or that it
    has a bin which a ladder never visits.

    Parameters
    ----------
    centres
        Those of all windows so far, Å.
    profile
        F from them.
    low, high
        Range of the gaps that count, Å.
    spacing
        First distance of windows, Å; a quarter of it is the smallest one.
    """
    empty = profile.centres[np.isnan(profile.ladders).any(axis=0)]
    thin = {(one, other) for _, one, other in profile.thin}
    found = []
    for one, other in pairwise(np.unique(centres).tolist()):
        if other <= low or one >= high or (other - one) / 2 < _FINEST * spacing * (1 - _UNEVEN):
            continue
        if (one, other) in thin or ((empty > one) & (empty < other)).any():
            found.append((one + other) / 2)
    return found


def next_times(
    windows: Sequence[UmbrellaWindow],
    profile: UmbrellaProfile,
    well: tuple[float, float],
    surface: float,
    total: float,
    least: float,
) -> dict[float, float]:
    """Return by centre the share of ``total`` that each window gets in the next round.

    Parameters
    ----------
    windows
        All windows so far.
    profile
        F from them.
    well
        Range of the well, Å.
    surface
        The dividing surface, Å.
    total
        Time of the next round over all windows, in any unit.
    least
        Time that each window gets in any case, in the same unit.

    Raises
    ------
    ValueError
        There is no window, or the total is less than the least times of all windows.
    """
    centres = np.array(sorted({window.centre for window in windows}))
    if not len(centres):
        raise ValueError("windows: there is none")
    spare = arguments.number("total", total, above=0) - arguments.number("least", least, least=0) * len(centres)
    if spare < -_ROUNDING * total:
        raise ValueError(f"total = {total:g}: is less than {least:g} for each of {len(centres)} windows")
    spacing = float(np.diff(centres).mean()) if len(centres) > 1 else 1.0
    weights = np.zeros(len(centres))
    for index, centre in enumerate(centres):
        own = [window for window in windows if window.centre == centre]
        share = _share_beyond(profile, well, surface, float(centre))
        weights[index] = share * spacing * math.sqrt(_variance_of_force(own) * sum(len(one.series) for one in own))
    if not weights.sum() > 0:
        weights = np.ones(len(centres))
    times = least + max(spare, 0.0) * weights / weights.sum()
    return dict(zip(centres.tolist(), times.tolist(), strict=True))


def _share_beyond(profile: UmbrellaProfile, well: tuple[float, float], surface: float, place: float) -> float:
    """Return the share of the ions in the well that are farther from the surface than a place; 0 beyond it."""
    centres, outward = profile.centres, math.copysign(1.0, sum(well) / 2 - surface)
    if outward * (place - surface) < 0:
        return 0.0
    inside = (centres >= well[0]) & (centres <= well[1])
    weights = np.nan_to_num(np.exp(-profile.free_energy / profile.temperature)) * inside
    beyond = outward * (centres - place) >= 0
    return float(weights[beyond].sum() / weights.sum()) if weights.sum() > 0 else 1.0


def _variance_of_force(windows: Sequence[UmbrellaWindow]) -> float:
    """Return the variance of the mean force of a window, (K Å⁻¹)², from its series and between its ladders.

    Few ladders tell their variance badly, and the series do not see what is slower: the mean of both is taken.
    """
    spring, means, within = windows[0].spring, [], []
    for window in windows:
        inefficiency = statistical_inefficiency(window.series)
        means.append(float(window.series.mean()))
        within.append(float(window.series.var()) * inefficiency / len(window.series))
    own = float(np.mean(within)) / len(windows)
    between = float(np.var(means, ddof=1)) / len(windows) if len(windows) > 1 else own
    return spring**2 * (own + between) / 2
