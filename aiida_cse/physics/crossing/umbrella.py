"""Free energy along z from umbrella windows in several independent ladders.

A window holds one ion near a place z₀ by a spring, U = k_B K (z − z₀)² / 2. The windows of a ladder cover well
and top. MBAR (Shirts and Chodera, J. Chem. Phys. 129, 124105, 2008) joins them; with the free energies f of
the windows, a sample z has the weight 1 / Σ_k N_k exp(f_k − U_k(z) / k_B T), and F = −T ln p of the weighted
histogram.

F of a crossing needs no zero: here it is −T ln of the density per Å over the number in the well, F(z) = −T
ln(p(z) Å / ∫_well p dz). Its value on the top is the TST barrier
(:mod:`~aiida_cse.physics.kinetics.transition_state`).

Errors come from the ladders. Samples of one window see a slow coordinate that they do not cross as if it were
fixed; their blocks then give an error that is too small (intervals of 95 % hold in 25 to 58 %). Ladders that
begin from independent structures differ by it. The interval of F is Student's t over them, which takes at
least three.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.timeseries import statistical_inefficiency

__all__ = ["FEWEST_LADDERS", "LEAST_CORRELATION_TIMES", "UmbrellaProfile", "UmbrellaWindow", "umbrella_profile"]

Floats = NDArray[np.float64]

#: ladders below which there is no interval
FEWEST_LADDERS: Final = 3
#: correlation times that a window of a ladder must last, so that F does not miss what is slow
LEAST_CORRELATION_TIMES: Final = 5
#: correlation times at the beginning of a window that are left out
_RELAXATION: Final = 3.0
#: largest part of a window that is left out
_MOST_LEFT_OUT: Final = 0.5
#: overlap of neighbours (element of the overlap matrix of MBAR) below which another window is needed between them;
#: that of Klimovich, Shirts and Mobley, J. Comput. Aided Mol. Des. 29, 397 (2015)
_THIN: Final = 0.03
#: part of a bin by which a place may miss its centre
_ROUNDING: Final = 1e-9
#: bins around a place whose parabola corrects F there, and their places
_AROUND: Final = 4
_PLACES: Final = np.array([-1.5, -0.5, 0.5, 1.5])


@dataclass(frozen=True)
class UmbrellaWindow:
    """Samples of one window.

    Attributes
    ----------
    centre
        z₀, Å.
    spring
        K, k_B K is the spring constant; K Å⁻².
    series
        (N,) z at equal intervals of time, Å.
    ladder
        Number of its ladder, from 0.
    """

    centre: float
    spring: float
    series: Floats
    ladder: int

    def relaxed(self) -> tuple[Floats, float]:
        """Return the samples after the relaxation, and how many of them are worth an independent one."""
        time = (statistical_inefficiency(self.series) - 1) / 2
        begin = min(math.ceil(_RELAXATION * time), int(_MOST_LEFT_OUT * len(self.series)))
        rest: Floats = self.series[begin:]
        return rest, statistical_inefficiency(rest)


@dataclass(frozen=True)
class UmbrellaProfile:
    """F along z.

    Attributes
    ----------
    edges
        (B + 1,) edges of the bins, Å.
    temperature
        K.
    ladders
        (L, B) F of each ladder, K; NaN in a bin that it never visits.
    level
        Level of the intervals.
    correlation
        Slowest correlation time of a window, in samples; slower processes are not seen.
    samples
        Independent samples of all windows.
    thin
        Triples of a ladder and the centres (Å) of two neighbouring windows between which the overlap is too small.
    """

    edges: Floats
    temperature: float
    ladders: Floats
    level: float
    correlation: float
    samples: int
    thin: tuple[tuple[int, float, float], ...]

    @property
    def centres(self) -> Floats:
        """(B,) centres of the bins, Å."""
        middle: Floats = (self.edges[:-1] + self.edges[1:]) / 2
        return middle

    @property
    def free_energy(self) -> Floats:
        """(B,) mean of the ladders, K; NaN where one of them has no sample."""
        mean: Floats = self.ladders.mean(axis=0)
        return mean

    @property
    def standard_error(self) -> Floats:
        """(B,) its standard error from the ladders, K; NaN below :data:`FEWEST_LADDERS`."""
        number = len(self.ladders)
        if number < FEWEST_LADDERS:
            return np.full(self.ladders.shape[1], np.nan)
        error: Floats = self.ladders.std(axis=0, ddof=1) / math.sqrt(number)
        return error

    def interval(self) -> tuple[Floats, Floats]:
        """Return the ends (B,) of the interval of F in each bin, K."""
        reach = stats.t.ppf((1 + self.level) / 2, max(len(self.ladders) - 1, 1)) * self.standard_error
        return self.free_energy - reach, self.free_energy + reach

    def at(self, z: float) -> tuple[float, float]:
        """Return F and its standard error (K) at a place, Å.

        F of each ladder is linear between the centres of the bins. A sharp top is lower in between and in the mean
        of a bin: slope and curvature of the mean of the ladders over four bins correct both.

        Raises
        ------
        ValueError
            The place is beyond the centres.
        """
        centres = self.centres
        place = arguments.number("z", z, least=float(centres[0]), most=float(centres[-1]))
        right = int(np.clip(np.searchsorted(centres, place), 1, len(centres) - 1))
        width = float(centres[right] - centres[right - 1])
        share = (place - centres[right - 1]) / width
        there = self.ladders[:, right].copy()
        if share < 1 - _ROUNDING:
            there = (1 - share) * self.ladders[:, right - 1] + share * there
        value, number = float(there.mean()), len(there)
        around = self.free_energy[max(right - 2, 0) : right + 2]
        if len(around) == _AROUND and np.isfinite(around).all():
            # in units of T and of a bin; p of a bin is p (1 + p'' / 24 p) of its centre
            slope, curvature = np.polynomial.polynomial.polyfit(_PLACES, around / self.temperature, 2)[1:]
            slope, curvature = slope + 2 * curvature * (share - 0.5), 2 * curvature
            within = math.log(max(1 + (slope**2 - curvature) / 24, 0.5))
            value += self.temperature * (within - curvature * share * (1 - share) / 2)
        error = float(there.std(ddof=1)) / math.sqrt(number) if number >= FEWEST_LADDERS else math.nan
        return value, error


def umbrella_profile(
    windows: Sequence[UmbrellaWindow],
    edges: ArrayLike,
    temperature: float,
    well: tuple[float, float],
    level: float = 0.95,
) -> UmbrellaProfile:
    """Return F along z, relative to the number of ions in the well.

    Parameters
    ----------
    windows
        Of all ladders.
    edges
        (B + 1,) ascending edges of at least two bins, Å.
    temperature
        K.
    well
        Range of the well, Å: the whole first layer. It takes whole bins, those whose centres are in it.
    level
        Level of the intervals.

    Raises
    ------
    ValueError
        A ladder is missing, shares a series with another or has no sample in the well, a window has fewer than
        two samples, a spring is not above zero, a centre is not finite, the edges do not ascend, or no bin
        lies in the well.
    """
    kelvin = arguments.number("temperature", temperature, above=0)
    bounds = arguments.array("edges", edges, ndim=1, length=3)
    if not (np.diff(bounds) > 0).all():
        raise ValueError("edges must ascend")
    confidence = arguments.probability("level", level)
    middle = (bounds[:-1] + bounds[1:]) / 2
    inside = (middle >= well[0]) & (middle <= well[1])
    if not inside.any():
        raise ValueError(f"well = {well[0]:g} to {well[1]:g} Å: there is no bin in it")
    for number, window in enumerate(windows):
        arguments.number(f"windows[{number}].centre", window.centre)
        arguments.number(f"windows[{number}].spring", window.spring, above=0)
        arguments.count(f"windows[{number}].ladder", window.ladder)
        arguments.array(f"windows[{number}].series", window.series, ndim=1, length=2)
    numbers = sorted({window.ladder for window in windows})
    if numbers != list(range(len(numbers))) or not numbers:
        raise ValueError(f"ladders = {numbers}: must be numbered from 0 without gaps")
    first: dict[bytes, int] = {}
    for window in windows:
        earlier = first.setdefault(np.asarray(window.series, dtype=np.float64).tobytes(), window.ladder)
        if earlier != window.ladder:
            raise ValueError(
                f"ladders {earlier} and {window.ladder} share a series: they must be independent runs"
            )
    found, thin, correlation, samples = [], [], 0.0, 0
    for ladder in numbers:
        own = sorted((window for window in windows if window.ladder == ladder), key=lambda one: one.centre)
        relaxed = [window.relaxed() for window in own]
        correlation = max(correlation, *((inefficiency - 1) / 2 for _, inefficiency in relaxed))
        density, gaps, number = _joined(own, relaxed, bounds, kelvin)
        samples += number
        occupied = float((density * np.diff(bounds))[inside].sum())
        if occupied <= 0:
            raise ValueError(f"ladder {ladder}: it has no sample in the well, {well[0]:g} to {well[1]:g} Å")
        with np.errstate(divide="ignore"):
            found.append(np.where(density > 0, -kelvin * np.log(density / occupied), np.nan))
        thin += [(ladder, one, other) for one, other, overlap in gaps if overlap < _THIN]
    return UmbrellaProfile(bounds, kelvin, np.array(found), confidence, correlation, samples, tuple(thin))


def _joined(
    windows: Sequence[UmbrellaWindow],
    relaxed: Sequence[tuple[Floats, float]],
    edges: Floats,
    temperature: float,
) -> tuple[Floats, list[tuple[float, float, float]], int]:
    """Return the density per Å (B,) of one ladder without its springs, its gaps, and its independent samples.

    Independent samples give the free energies of the windows, since MBAR weights windows by their numbers. All
    samples of a window share its weight in the density: the others are no worse, and fill its bins.
    """
    # pymbar takes half a second to import, few need it, and it then names optional packages in its log
    logging.getLogger("pymbar").setLevel(logging.ERROR)
    from pymbar import MBAR

    # all independent ones: with at most 500 a window F on the top would move by 0.1 to 4 of its standard errors,
    # and MBAR of 100,000 samples takes 2 s
    independent = [series[:: max(1, round(inefficiency))] for series, inefficiency in relaxed]
    counts = np.array([len(one) for one in independent])
    try:
        energies = _spring_energies(windows, np.concatenate(independent), temperature)
        solved = MBAR(energies, counts, initialize="BAR", relative_tolerance=1e-8)
    except Exception as error:  # pymbar has several, not all of them its own
        what = f"ladder {windows[0].ladder}: MBAR finds no free energies ({type(error).__name__}: {error})"
        raise ValueError(f"{what}; check springs, centres and temperature") from error
    free = np.asarray(solved.f_k, dtype=np.float64)
    places = np.concatenate([series for series, _ in relaxed])
    lengths = np.array([len(series) for series, _ in relaxed])
    # the denominator of a sample is the density with which all windows together draw it
    exponents = free[:, None] - _spring_energies(windows, places, temperature)
    weights = special.softmax(
        np.repeat(np.log(counts / lengths), lengths) - special.logsumexp(exponents, axis=0, b=counts[:, None])
    )
    # np.histogram takes differences of a cumulative sum, which lose what is more than 36 k_BT above the well
    bins = np.searchsorted(edges, places, side="right")
    density: Floats = np.bincount(bins, weights, len(edges) + 1)[1:-1] / np.diff(edges)
    if len(windows) == 1:
        return density, [], int(counts.sum())
    overlap = np.asarray(solved.compute_overlap()["matrix"], dtype=np.float64)
    return density, list(_gaps(windows, overlap)), int(counts.sum())


def _spring_energies(windows: Sequence[UmbrellaWindow], places: Floats, temperature: float) -> Floats:
    """Return the energies (W, N) of samples in the springs of all windows, in units of the temperature."""
    return np.array([one.spring * (places - one.centre) ** 2 / (2 * temperature) for one in windows])


def _gaps(windows: Sequence[UmbrellaWindow], overlap: Floats) -> Iterator[tuple[float, float, float]]:
    """Yield the two centres of each gap between windows and its overlap: that of the windows which reach across.

    With one window on each side it is the element of the overlap matrix. Several share it, as do two springs at
    one centre.
    """
    for place, (one, other) in enumerate(pairwise(windows), 1):
        if one.centre < other.centre:
            across = overlap[:place, place:].sum(axis=1).max(), overlap[place:, :place].sum(axis=1).max()
            yield one.centre, other.centre, float(min(across))
