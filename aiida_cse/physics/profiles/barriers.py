"""The free-energy barrier between the first layer of an ion and the ceramic, per side and averaged over the sides.

ΔF is F at its maximum (the top, at the surface of the slab) minus F at the minimum of the first layer (the well;
Kozdra et al., PCCP 27, 24918 (2025), section 3.3). The difference between the highest and the lowest bin of F is
biased upward: counts on the top are few, and the maximum selects a downward fluctuation of them (+281 K for 10
expected counts at 700 K). Here ln of the mean count is fitted in a window around each extremum by Poisson
likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from aiida_cse.physics.profiles.extrema import BarrierWindows, place_window
from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.resampling import (
    bootstrap_counts,
    expanded_interval,
    group_blocks,
    visits_interval,
)

__all__ = [
    "FEWEST_BLOCKS",
    "FEWEST_VISITS",
    "Barrier",
    "BarrierSamples",
    "ExchangeStatistics",
    "JoinedBarrier",
    "average_sides",
    "boltzmann_average",
    "find_barrier",
]

Floats = NDArray[np.float64]
Range = tuple[float, float]

#: fewest blocks from which the number of counts per independent visit is estimated
FEWEST_BLOCKS = 5
#: fewest visits of the top for an interval; below it only a lower bound is given
FEWEST_VISITS = 30
#: most resampled profiles, which limits the memory
MOST_SAMPLES = 100_000
#: run length, in relaxation times, below which averaging does not reduce the variance
_SHORT = 1e-4
_NAN = float("nan")


@dataclass(frozen=True)
class BarrierSamples:
    """Bootstrap samples, each (samples,): barrier, K; curvature of the well, K/Å²; slope, K/Å."""

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
        K, one-sided; -inf without information. With few visits it is the only statement.
    visits, counts
        Independent visits of the window around the top, and counts in it.
    top_z, well_z
        Positions of the maximum and the minimum of F, Å.
    well_curvature, well_curvature_interval
        k in F = k (z − z₀)², without a factor ½, K/Å².
    slope, slope_interval
        |dF/dz| halfway between top and well, K/Å.
    raw
        K, highest bin minus lowest bin, for comparison only; infinite where a bin of the top is empty.
    samples
        The bootstrap.
    blocks
        Number of resampled blocks; None if each count was treated as an independent visit.
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
class ExchangeStatistics:
    """The extent to which ions were exchanged over the barrier while the counts were taken.

    Attributes
    ----------
    events
        Entries and exits together.
    outside, inside
        Mean numbers (above zero) of ions that can cross, in the electrolyte and in the ceramic.
    """

    events: float
    outside: float
    inside: float

    def __post_init__(self) -> None:
        arguments.number("events", self.events, least=0)
        arguments.number("outside", self.outside, above=0)
        arguments.number("inside", self.inside, above=0)

    def relative_error(self, blocks: int | None = None) -> float:
        """Return the part of the standard error of ln(top / well) that is not visible as scatter over blocks.

        The numbers of ions on the two sides differ from their means as long as few ions cross. For n independent
        ions, the variance of the number on one side is outside × inside / n. An excess δ outside changes ln(well)
        by δ / outside. It changes ln(top), which both sides feed, by ½ (δ / outside − δ / inside). Over u
        relaxation times, u = ½ events (1 / outside + 1 / inside), the variance of the mean is reduced by a(u) =
        (2 / u)(1 − (1 − e⁻ᵘ) / u), as for any exponential relaxation (Allen and Tildesley, Computer Simulation of
        Liquids, 2017, section 8.4). The scatter over B blocks shows (a(u / B) − a(u)) / (B − 1) of it.
        """
        inverse = 1 / self.outside + 1 / self.inside
        relaxations = self.events * inverse / 2
        unseen = _averaging(relaxations)
        if blocks is not None:
            unseen -= (_averaging(relaxations / blocks) - unseen) / (blocks - 1)
        return float(np.sqrt(inverse * max(unseen, 0.0)) / 2)


def _averaging(relaxations: float) -> float:
    if relaxations < _SHORT:
        return 1.0
    return float(2 / relaxations * (1 + np.expm1(-relaxations) / relaxations))


@dataclass(frozen=True)
class _Data:
    """The counts (bins,), those of groups of blocks (G, bins), and the extent of the exchange of ions."""

    counts: Floats
    blocks: Floats | None
    exchange: ExchangeStatistics | None

    @property
    def unseen(self) -> float:
        """Standard error of ln(top / well) that is not visible in the blocks."""
        if self.exchange is None:
            return 0.0
        return self.exchange.relative_error(None if self.blocks is None else len(self.blocks))

    def visits(self, window: NDArray[np.bool_]) -> float:
        """Return the independent visits of a window: counts over their index of dispersion between blocks."""
        worth = 1.0
        if self.blocks is not None:
            counts = self.blocks[:, window].sum(axis=1)
            mean = counts.mean() if len(counts) > 1 else 0.0
            worth = max(float(counts.var(ddof=1) / mean), 1.0) if mean > 0 else 1.0
        return float(self.counts[window].sum() / worth)

    def resample(self, samples: int, seed: int) -> tuple[Floats, Floats]:
        """Return resampled counts (samples, bins) and draws (samples,) of the error that they do not show."""
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
    exchange: ExchangeStatistics | None = None,
    plateau: bool = False,
    top_half_width: float = 1.0,
    well_half_width: float = 1.5,
    groups: int = 20,
    level: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> Barrier:
    """Return the barrier between the well of a layer and the top beside it, from counts per bin.

    The uncertainty is from a bootstrap over blocks of time that repeats all fits. Without blocks each count is
    treated as an independent visit; counts of a trajectory are correlated and need blocks. With fewer than
    :data:`FEWEST_VISITS` visits of the top there is only a lower bound.

    Parameters
    ----------
    z
        (bins,) ascending, equally spaced centres of the bins, Å.
    counts
        (bins,) counts summed over the frames.
    temperature
        K.
    top, well
        Ranges of the search for the maximum and the minimum of F, Å, lower end first.
    block_counts
        (B, bins) counts of at least :data:`FEWEST_BLOCKS` consecutive blocks of equal time.
    exchange
        Extent of the exchange of ions over the barrier; without it the uncertainty is conditional on the numbers
        of ions on each side in this run.
    plateau
        Whether the well is flat, as a bulk phase. F of the well is then that of the mean density over the whole
        window ``well``, and the barrier has no ``well_z``, curvature or slope (NaN).
    top_half_width, well_half_width
        Half widths of the fitted windows, Å.
    groups
        Adjacent blocks are merged into about this many groups, so that groups are independent; fewer blocks are
        not merged.
    level
        Level of the intervals and of the bound.
    samples, seed
        Number of resampled profiles, and the seed of the resampling. The same seed and blocks select the same
        resamples, so that the sides of a slab can be averaged sample by sample.

    Raises
    ------
    ValueError
        An argument is out of range, the windows do not lie on the grid, the well was never visited, or F has no
        maximum within ``top`` or no minimum within ``well`` although there are enough visits to decide.
    """
    grid = arguments.centres("z", z, length=3)
    table = arguments.array("counts", counts, ndim=1, length=1, least=0)
    kelvin = arguments.number("temperature", temperature, above=0)
    confidence = arguments.probability("level", level)
    if len(grid) != len(table):
        raise ValueError(f"counts has {len(table)} values, z has {len(grid)}")
    number = arguments.count("samples", samples, 2, MOST_SAMPLES)
    search_top, search_well = _search("top", top, grid), _search("well", well, grid)
    if not table[search_well].any():
        raise ValueError(f"counts: all bins of the well, {well[0]:g} to {well[1]:g} Å, are empty")
    top_reach = arguments.number("top_half_width", top_half_width, above=0)
    well_reach = arguments.number("well_half_width", well_half_width, above=0)
    windows = BarrierWindows(
        z=grid,
        temperature=kelvin,
        top=place_window("top", grid, table, search_top, top_reach, maximum=True),
        well=search_well if plateau else place_window("well", grid, table, search_well, well_reach, maximum=False),
        plateau=plateau,
    )
    data = _Data(table, None if block_counts is None else _grouped(block_counts, len(table), groups), exchange)
    drawn = data.resample(number, arguments.count("seed", seed))
    return _summarize(windows, data, drawn, confidence, (top, well))


def _search(name: str, limits: Range, z: Floats) -> NDArray[np.bool_]:
    ends = arguments.array(name, limits, ndim=1, length=2)
    if len(ends) != 2 or ends[0] >= ends[1]:
        raise ValueError(f"{name} = {limits}: must be two finite numbers, the lower one first")
    low, high = ends
    width = z[1] - z[0]
    if low < z[0] - width / 2 or high > z[-1] + width / 2:
        raise ValueError(
            f"{name} = {low:g} to {high:g} Å: reaches out of the profile, {z[0] - width / 2:g} to "
            f"{z[-1] + width / 2:g} Å"
        )
    inside = np.asarray(np.logical_and(z >= low, z <= high), dtype=np.bool_)
    if not inside.any():
        raise ValueError(f"{name} = {low:g} to {high:g} Å: no bin has its centre there")
    return inside


def _grouped(block_counts: ArrayLike, bins: int, groups: int) -> Floats:
    blocks = arguments.array("block_counts", block_counts, ndim=2, length=FEWEST_BLOCKS, least=0)
    if blocks.shape[1] != bins:
        raise ValueError(f"block_counts has {blocks.shape[1]} bins, counts has {bins}")
    return group_blocks(blocks, arguments.count("groups", groups, 2, MOST_SAMPLES))


def _summarize(
    windows: BarrierWindows,
    data: _Data,
    drawn: tuple[Floats, Floats],
    level: float,
    searched: tuple[Range, Range],
) -> Barrier:
    found, resampled = windows.fit(data.counts[None]), windows.fit(drawn[0])
    barriers = resampled.barrier + windows.temperature * drawn[1]
    visits = data.visits(windows.top)
    well_known = data.visits(windows.well) >= FEWEST_VISITS
    known = well_known and visits >= FEWEST_VISITS
    for name, what, place, limits, decided in (
        ("well", "minimum", found.well_z[0], searched[1], well_known and not windows.plateau),
        ("top", "maximum", found.top_z[0], searched[0], known),
    ):
        if decided and not limits[0] < place < limits[1]:
            raise ValueError(
                f"{name} = {limits[0]:g} to {limits[1]:g} Å: F has its {what} at the end; must have it inside"
            )
    blocks = None if data.blocks is None else len(data.blocks)
    lowest, well = data.counts[windows.top].min(), data.counts[windows.well]
    highest = well.mean() if windows.plateau else well.max()
    return Barrier(
        barrier=float(found.barrier[0]),
        interval=_interval(barriers, level, blocks, known),
        standard_error=float(np.nanstd(barriers, ddof=1)) if known else _NAN,
        lower_bound=_lower_bound(windows, float(found.well_log_density[0]), data, level),
        visits=visits,
        counts=int(data.counts[windows.top].sum()),
        top_z=float(found.top_z[0]),
        well_z=float(found.well_z[0]),
        well_curvature=float(found.well_curvature[0]),
        well_curvature_interval=_interval(resampled.well_curvature, level, blocks, well_known),
        slope=float(found.slope[0]),
        slope_interval=_interval(resampled.slope, level, blocks, known),
        raw=float(windows.temperature * np.log(highest / lowest)) if lowest > 0 else float("inf"),
        samples=BarrierSamples(barriers, resampled.well_curvature, resampled.slope),
        blocks=blocks,
    )


def _interval(values: Floats, level: float, blocks: int | None, known: bool) -> Range:
    finite = values[np.isfinite(values)]
    return expanded_interval(finite, level, blocks) if known and len(finite) else (_NAN, _NAN)


def _lower_bound(windows: BarrierWindows, well_log_density: float, data: _Data, level: float) -> float:
    """Return the lower bound: F of the upper bound of the mean density in the top window, minus F of the well.

    The density at the top is a minimum and cannot exceed that mean. Half of the error probability goes to each
    end: an upper bound of the visits of the top, a lower bound of those of the well.
    """
    top_counts, well_counts = data.counts[windows.top].sum(), data.counts[windows.well].sum()
    top_visits, well_visits = data.visits(windows.top), data.visits(windows.well)
    # if the top was never visited, the counts per visit of the well are used
    worth = top_counts / top_visits if top_visits else well_counts / well_visits
    densest_top = worth * visits_interval(top_visits, level)[1] / windows.top.sum()
    part = visits_interval(well_visits, level)[0] / well_visits
    if part == 0:
        return -float("inf")
    slow = data.unseen * stats.norm.isf((1 - level) / 2)
    return float(windows.temperature * (well_log_density + np.log(part / densest_top) - slow))


# -- the sides of a slab -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JoinedBarrier:
    """The barrier of several sides; attributes as :class:`Barrier`.

    ``barrier`` is the Boltzmann average, ``well_curvature`` and ``slope`` are means, as in Kozdra et al., and
    ``visits`` are those of the side with fewest.
    """

    barrier: float
    interval: Range
    standard_error: float
    lower_bound: float
    visits: float
    well_curvature: float
    well_curvature_interval: Range
    slope: float
    slope_interval: Range
    samples: BarrierSamples


def boltzmann_average(barriers: ArrayLike, temperature: float) -> Floats:
    """Return −T ln⟨exp(−ΔF/T)⟩, the Boltzmann average over sides.

    Derived from Kozdra et al., PCCP 27, 24918 (2025), section 3.3: 8000 K and 7500 K give 7706 K at 700 K.

    Parameters
    ----------
    barriers
        (sides,) or (sides, samples), K.
    temperature
        K.

    Raises
    ------
    ValueError
        There is no barrier, one is not finite, or the temperature is not above zero.
    """
    kelvin = arguments.number("temperature", temperature, above=0)
    sides = arguments.array("barriers", barriers)
    if sides.ndim == 0 or not len(sides):
        raise ValueError(f"barriers has shape {sides.shape}: must have at least one side")
    return _boltzmann(sides, kelvin)


def average_sides(sides: Sequence[Barrier], temperature: float, level: float = 0.95) -> JoinedBarrier:
    """Return the average of the barriers of the sides of a slab, sample by sample.

    Parameters
    ----------
    sides
        Barriers computed with the same blocks, samples and seed.
    temperature
        K.
    level
        Level of the intervals; the bound keeps that of the sides.

    Raises
    ------
    ValueError
        There is no side, their samples differ in number, or a number is out of range.
    """
    confidence = arguments.probability("level", level)
    kelvin = arguments.number("temperature", temperature, above=0)
    if not sides or len({len(side.samples.barrier) for side in sides}) > 1:
        raise ValueError("sides: must be at least one, all with the same number of samples")
    samples = BarrierSamples(
        barrier=_boltzmann(np.array([side.samples.barrier for side in sides]), kelvin),
        well_curvature=np.mean([side.samples.well_curvature for side in sides], axis=0),
        slope=np.mean([side.samples.slope for side in sides], axis=0),
    )

    def interval(values: Floats, of_sides: list[Range]) -> Range:
        return _interval(values, confidence, sides[0].blocks, bool(np.isfinite(of_sides).all()))

    barrier_interval = interval(samples.barrier, [side.interval for side in sides])
    known = np.isfinite(barrier_interval[0])
    return JoinedBarrier(
        barrier=float(_boltzmann(np.array([side.barrier for side in sides]), kelvin)),
        interval=barrier_interval,
        standard_error=float(np.nanstd(samples.barrier, ddof=1)) if known else _NAN,
        lower_bound=float(_boltzmann(np.array([side.lower_bound for side in sides]), kelvin)),
        visits=min(side.visits for side in sides),
        well_curvature=float(np.mean([side.well_curvature for side in sides])),
        well_curvature_interval=interval(samples.well_curvature, [side.well_curvature_interval for side in sides]),
        slope=float(np.mean([side.slope for side in sides])),
        slope_interval=interval(samples.slope, [side.slope_interval for side in sides]),
        samples=samples,
    )


def _boltzmann(sides: Floats, temperature: float) -> Floats:
    """Join (sides, ...); a side of -inf gives -inf, one of NaN gives NaN."""
    lowest = sides.min(axis=0)
    with np.errstate(invalid="ignore", over="ignore"):
        weights = np.exp(-(sides - lowest) / temperature)
    joined: Floats = np.where(
        np.isneginf(lowest), -np.inf, lowest - temperature * np.log(np.mean(weights, axis=0))
    )
    return joined
