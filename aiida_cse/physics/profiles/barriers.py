"""The free-energy barrier between the first layer of an ion and the ceramic, with its uncertainty.

ΔF is F at its maximum (the top, on the surface of the slab) minus F at the minimum of the first layer (the
well), Kozdra et al., PCCP 27, 24918 (2025), section 3.3. The highest bin minus the lowest one is too high,
because the few counts on the top scatter and the lowest of them wins (+281 K for 10 expected counts at 700 K).
Here ln of the mean count is fitted by a parabola in a window around either by Poisson likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from aiida_cse.physics.profiles.extrema import BarrierWindows, place_window
from aiida_cse.physics.profiles.slow_exchange import SlowExchange
from aiida_cse.physics.statistics import arguments as checks
from aiida_cse.physics.statistics.resampling import (
    bootstrap_counts,
    dispersion,
    expanded_interval,
    group_blocks,
    visits_interval,
)

__all__ = [
    "FEWEST_BLOCKS",
    "FEWEST_VISITS",
    "Barrier",
    "BarrierSamples",
    "SlowExchange",
    "find_barrier",
]

Floats = NDArray[np.float64]
Range = tuple[float, float]

#: blocks that it takes to tell how many counts make one visit
FEWEST_BLOCKS = 5
#: visits of the top below which a barrier has a bound instead of an interval
FEWEST_VISITS = 30
#: resampled profiles at most: more would need more memory than they are worth
MOST_SAMPLES = 100_000
_NAN = float("nan")


@dataclass(frozen=True)
class BarrierSamples:
    """The bootstrap: (samples,) barrier in K, curvature of the well in K/Å², slope in K/Å."""

    barrier: Floats
    well_curvature: Floats
    slope: Floats


@dataclass(frozen=True)
class Barrier:
    """A free-energy barrier, F / k_B.

    Attributes
    ----------
    barrier
        K; NaN where the top was never visited.
    interval, standard_error
        K; NaN below :data:`FEWEST_VISITS` visits.
    lower_bound
        K, one-sided; all that is known of a barrier with few visits, -inf where that is nothing.
    visits, counts
        Independent visits of the window around the top, and counts in it.
    top_z, well_z
        Å, where F has its maximum and its minimum.
    well_curvature, well_curvature_interval
        k in F = k (z − z₀)², without a factor ½, K/Å².
    slope, slope_interval
        |dF/dz| halfway between top and well, K/Å.
    raw
        K, highest bin minus lowest bin, for comparison only; infinite where a bin of the top is empty.
    samples
        The bootstrap.
    blocks
        Independent blocks that were resampled; None where every count was taken for a visit.
    """

    barrier: float
    interval: Range
    standard_error: float
    lower_bound: float
    visits: float
    counts: int
    top_z: float
    well_z: float
    well_curvature: float
    well_curvature_interval: Range
    slope: float
    slope_interval: Range
    raw: float
    samples: BarrierSamples
    blocks: int | None


@dataclass(frozen=True)
class _Data:
    """The counts (bins,), those of groups of blocks (G, bins), and how far ions were exchanged."""

    counts: Floats
    blocks: Floats | None
    exchange: SlowExchange | None

    @property
    def unseen(self) -> float:
        """Standard error of ln(top / well) beside that of the blocks."""
        if self.exchange is None:
            return 0.0
        return self.exchange.relative_error(None if self.blocks is None else len(self.blocks))

    def visits(self, window: NDArray[np.bool_]) -> float:
        """Return the independent visits of a window."""
        worth = 1.0 if self.blocks is None else dispersion(self.blocks[:, window].sum(axis=1))
        return float(self.counts[window].sum() / worth)

    def resample(self, samples: int, seed: int) -> tuple[Floats, Floats]:
        """Return resampled counts (samples, bins) and what of ln(top / well) they cannot show (samples,)."""
        rng = np.random.default_rng(seed)
        if self.blocks is None:
            counts = rng.poisson(self.counts, (samples, len(self.counts))).astype(np.float64)
        else:
            counts = bootstrap_counts(self.blocks, samples, rng)
        return counts, rng.normal(0.0, self.unseen, samples)


def find_barrier(
    z: ArrayLike,
    counts: ArrayLike,
    temperature: float,
    *,
    top: Range,
    well: Range,
    block_counts: ArrayLike | None = None,
    exchange: SlowExchange | None = None,
    plateau: bool = False,
    top_half_width: float = 1.0,
    well_half_width: float = 1.5,
    groups: int = 20,
    level: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> Barrier:
    """Return the barrier between the well of a layer and the top beside it, from counts per bin.

    The uncertainty is that of a bootstrap of blocks of time through the whole chain of fits. Without blocks each
    count is taken for an independent visit, which those of a trajectory are not. With fewer than
    :data:`FEWEST_VISITS` visits of the top there is a lower bound only.

    Parameters
    ----------
    z
        (bins,) ascending, equally spaced centres of the bins, Å.
    counts
        (bins,) counts summed over the frames.
    temperature
        K.
    top, well
        Where the maximum and the minimum of F are looked for, Å, lower end first.
    block_counts
        (B, bins) counts of at least :data:`FEWEST_BLOCKS` consecutive blocks of equal time.
    exchange
        How far the ions were exchanged meanwhile; without it the uncertainty is that at the numbers of ions on
        either side that the run happened to have.
    plateau
        Whether the well is flat, as a bulk phase: F of the whole window ``well`` is then that of its mean density,
        and the barrier has no ``well_z``, curvature or slope (NaN).
    top_half_width, well_half_width
        Half of the windows that are fitted around them, Å.
    groups
        Neighbouring blocks are added up to about this many, so that they are independent; fewer blocks are taken
        as they are.
    level
        Level of the intervals and of the bound.
    samples, seed
        Number of resampled profiles, and the seed of their choice: the same seed and blocks give the same
        choice, so that both sides of a slab can be joined sample by sample.

    Raises
    ------
    ValueError
        An argument is out of range, the windows do not lie on the grid, the well was never visited, or F has no
        maximum within ``top`` or no minimum within ``well`` although there are enough visits to tell.
    """
    grid = checks.centres("z", z, minimum=3)
    table = checks.counts_array("counts", counts, ndim=1)
    kelvin = checks.positive("temperature", temperature)
    confidence = checks.probability("level", level)
    if len(grid) != len(table):
        raise ValueError(f"counts has {len(table)} values, z has {len(grid)}")
    number = checks.count_between("samples", samples, 2, MOST_SAMPLES)
    search_top, search_well = _search("top", top, grid), _search("well", well, grid)
    if not table[search_well].any():
        raise ValueError(f"counts: all bins of the well, {well[0]:g} to {well[1]:g} Å, are empty")
    top_reach = checks.positive("top_half_width", top_half_width)
    well_reach = checks.positive("well_half_width", well_half_width)
    windows = BarrierWindows(
        z=grid,
        temperature=kelvin,
        top=place_window("top", grid, table, search_top, top_reach, maximum=True),
        well=search_well if plateau else place_window("well", grid, table, search_well, well_reach, maximum=False),
        plateau=plateau,
    )
    data = _Data(table, None if block_counts is None else _grouped(block_counts, len(table), groups), exchange)
    drawn = data.resample(number, checks.count("seed", seed))
    return _summarize(windows, data, drawn, confidence, (top, well))


def _summarize(
    windows: BarrierWindows,
    data: _Data,
    drawn: tuple[Floats, Floats],
    level: float,
    searched: tuple[Range, Range],
) -> Barrier:
    found, resampled = windows.fit(data.counts[None]), windows.fit(drawn[0])
    barriers = resampled.barrier + windows.temperature * drawn[1]
    visits, well_visits = data.visits(windows.top), data.visits(windows.well)
    well_known = well_visits >= FEWEST_VISITS
    known = well_known and visits >= FEWEST_VISITS
    if well_known and not windows.plateau:
        _check_inside("well", float(found.well_z[0]), searched[1], "minimum")
    if known:
        _check_inside("top", float(found.top_z[0]), searched[0], "maximum")
    blocks = None if data.blocks is None else len(data.blocks)

    def interval(values: Floats, enough: bool) -> Range:
        finite = values[np.isfinite(values)]
        return expanded_interval(finite, level, blocks) if enough and len(finite) else (_NAN, _NAN)

    return Barrier(
        barrier=float(found.barrier[0]),
        interval=interval(barriers, known),
        standard_error=float(np.nanstd(barriers, ddof=1)) if known else _NAN,
        lower_bound=_lower_bound(windows, float(found.well_log_density[0]), data, level),
        visits=visits,
        counts=int(data.counts[windows.top].sum()),
        top_z=float(found.top_z[0]),
        well_z=float(found.well_z[0]),
        well_curvature=float(found.well_curvature[0]),
        well_curvature_interval=interval(resampled.well_curvature, well_known),
        slope=float(found.slope[0]),
        slope_interval=interval(resampled.slope, known),
        raw=_raw(windows, data.counts),
        samples=BarrierSamples(barriers, resampled.well_curvature, resampled.slope),
        blocks=blocks,
    )


def _raw(windows: BarrierWindows, counts: Floats) -> float:
    lowest, well = counts[windows.top].min(), counts[windows.well]
    highest = well.mean() if windows.plateau else well.max()
    return float(windows.temperature * np.log(highest / lowest)) if lowest > 0 else float("inf")


def _lower_bound(windows: BarrierWindows, well_log_density: float, data: _Data, level: float) -> float:
    """Return the barrier against the mean density of the top window, at most as dense as the visits allow.

    The density on the top is at most that mean, so that the barrier is at least this. Half of the error goes to
    either end: an upper bound of the visits of the top, a lower bound of those of the well.
    """
    top_counts, well_counts = data.counts[windows.top].sum(), data.counts[windows.well].sum()
    top_visits, well_visits = data.visits(windows.top), data.visits(windows.well)
    # a top that was never visited says nothing about how long a visit is: take that of the well
    worth = top_counts / top_visits if top_visits else well_counts / well_visits
    densest_top = worth * visits_interval(top_visits, level)[1] / windows.top.sum()
    part = visits_interval(well_visits, level)[0] / well_visits
    if part == 0:
        return -float("inf")
    slow = data.unseen * stats.norm.isf((1 - level) / 2)
    return float(windows.temperature * (well_log_density + np.log(part / densest_top) - slow))


def _search(name: str, limits: Range, z: Floats) -> NDArray[np.bool_]:
    ends = checks.finite_array(name, limits, ndim=1, minimum=2)
    if len(ends) != 2 or ends[0] >= ends[1]:
        raise ValueError(f"{name} is {limits}, it must be two finite numbers, the lower one first")
    low, high = ends
    width = z[1] - z[0]
    if low < z[0] - width / 2 or high > z[-1] + width / 2:
        raise ValueError(
            f"{name} is {low:g} to {high:g} Å, the profile reaches from {z[0] - width / 2:g} to "
            f"{z[-1] + width / 2:g} Å only: it must reach that far"
        )
    inside = np.asarray(np.logical_and(z >= low, z <= high), dtype=np.bool_)
    if not inside.any():
        raise ValueError(f"{name} is {low:g} to {high:g} Å, no bin has its centre there")
    return inside


def _grouped(block_counts: ArrayLike, bins: int, groups: int) -> Floats:
    blocks = checks.counts_array("block_counts", block_counts, ndim=2, minimum=FEWEST_BLOCKS)
    if blocks.shape[1] != bins:
        raise ValueError(f"block_counts has {blocks.shape[1]} bins, counts has {bins}")
    return group_blocks(blocks, checks.count_between("groups", groups, 2, MOST_SAMPLES))


def _check_inside(name: str, place: float, limits: Range, what: str) -> None:
    low, high = limits
    if not low < place < high:
        raise ValueError(f"{name} is {low:g} to {high:g} Å: F has its {what} at its end, it must have it inside")
