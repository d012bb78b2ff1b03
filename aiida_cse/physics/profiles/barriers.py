"""The free-energy barrier between the first layer of an ion and the ceramic, per side and averaged over the sides.

Three barriers are estimated. The *maximum* is F at its maximum (the top, at the surface of the slab) minus F at
the minimum of the first layer (the well), as in Kozdra et al., PCCP 27, 24918 (2025), section 3.3. The *TST
barrier* is F(top) + T ln ∫ e^(−F/T) dz over the first layer, by which transition-state theory gives the rate of
the ions in it (Hänggi, Talkner and Borkovec, Rev. Mod. Phys. 62, 251 (1990), section III). The *resistance
barrier* is T ln(∫ e^(F/T) dz ∫ e^(−F/T) dz), over the top and the first layer, which determines a diffusive rate
(Zwanzig, Proc. Natl. Acad. Sci. 85, 2029 (1988)). Integrals are in Å.

The difference between the highest and the lowest bin of F is biased upward: counts on the top are few, and the
maximum selects a downward fluctuation of them (+281 K for 10 expected counts at 700 K). A parabola underestimates
the top of a rough landscape instead. The density around both is therefore drawn from its posterior
(:mod:`aiida_cse.physics.profiles.local_density`), which is smooth, rough or has one local feature, as the counts
decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from aiida_cse.physics.profiles.extrema import BarrierFit, BarrierWindows, place_window
from aiida_cse.physics.profiles.local_density import draw_log_density
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
    "ExchangeStatistics",
    "Height",
    "JoinedBarrier",
    "average_sides",
    "boltzmann_average",
    "find_barrier",
]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Range = tuple[float, float]

#: fewest blocks from which the number of counts per independent visit is estimated
FEWEST_BLOCKS = 5
#: fewest visits of the top for an interval; below it only a lower bound is given
FEWEST_VISITS = 30
#: fewest bins of a search for an extremum, one of them inside
_FEWEST_BINS = 3
#: least part of the counts that whole blocks contain, and largest factor by which their scaling raises a bin
_LEAST_IN_BLOCKS, _MOST_SCALED = 0.5, 1.25
#: most resampled profiles, which limits the memory
MOST_SAMPLES = 100_000
#: run length, in relaxation times, below which averaging does not reduce the variance
_SHORT = 1e-4
_NAN = float("nan")


@dataclass(frozen=True)
class Height:
    """One estimate of a barrier, F / k_B.

    Attributes
    ----------
    value
        K; NaN where the top was never visited.
    interval, standard_error
        K; NaN below :data:`FEWEST_VISITS` visits.
    lower_bound
        K, one-sided; -inf without information. With few visits it is the only statement.
    samples
        (samples,) draws, K.
    """

    value: float
    interval: Range
    standard_error: float
    lower_bound: float
    samples: Floats = field(repr=False)


@dataclass(frozen=True)
class Barrier:
    """The barrier of one side.

    Attributes
    ----------
    maximum
        Maximum of F on the top minus its minimum in the well, at the resolution of the bins.
    tst, resistance
        TST barrier and resistance barrier; None from a plateau, whose integral depends on the size of the box.
    parabola, parabola_p_value
        Barrier of the local fits (a parabola on the top), K, and the p-value of χ² of the parabola: small on a
        rough top, which the parabola underestimates.
    visits, counts
        Independent visits of the window around the top, and counts in it.
    top_z, well_z
        Positions of the extremes of the local fits, Å.
    well_curvature, well_curvature_interval
        k in F = k (z − z₀)², without a factor ½, K/Å².
    slope, slope_interval
        |dF/dz| halfway between top and well, K/Å.
    raw
        K, highest bin minus lowest bin, for comparison only; infinite where a bin of the top is empty.
    blocks
        Number of resampled blocks; None if each count was treated as an independent visit.
    """

    maximum: Height
    tst: Height | None
    resistance: Height | None
    parabola: float
    parabola_p_value: float
    visits: float
    counts: int
    top_z: float
    well_z: float
    well_curvature: float
    well_curvature_interval: Range
    slope: float
    slope_interval: Range
    raw: float
    blocks: int | None
    fits: BarrierFit = field(repr=False)


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

    def visits(self, window: Mask) -> float:
        """Return the independent visits of a window: counts over their index of dispersion between blocks."""
        worth = 1.0
        if self.blocks is not None:
            counts = self.blocks[:, window].sum(axis=1)
            mean = counts.mean() if len(counts) > 1 else 0.0
            worth = max(float(counts.var(ddof=1) / mean), 1.0) if mean > 0 else 1.0
        return float(self.counts[window].sum() / worth)

    def worth_of_shape(self, window: Mask) -> float:
        """Return how many counts are worth one for the shape: χ² of the shares per block over its freedom.

        A visit that is counted in several bins raises the dispersion of their sum more than that of their shares.
        """
        if self.blocks is None:
            return 1.0
        table = self.blocks[:, window]
        table = table[np.ix_(table.any(axis=1), table.any(axis=0))]
        freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
        if freedom < 1:
            return 1.0
        expected = table.sum(axis=1)[:, None] * table.sum(axis=0) / table.sum()
        return max(float(((table - expected) ** 2 / expected).sum() / freedom), 1.0)

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
    layer: Range | None = None,
    block_counts: ArrayLike | None = None,
    exchange: ExchangeStatistics | None = None,
    plateau: bool = False,
    equilibrated: bool = True,
    top_half_width: float = 1.0,
    well_half_width: float = 1.5,
    groups: int = 20,
    level: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> Barrier:
    """Return the barrier between the well of a layer and the top beside it, from counts per bin.

    The densities around top and well are drawn from their posterior, in which the shares of the bins scatter by
    their own dispersion over the blocks. To the scatter of their sums contributes a bootstrap over the blocks,
    which also repeats the local fits. Without blocks each count is treated as an independent visit; counts of a
    trajectory are correlated and need blocks. With fewer than :data:`FEWEST_VISITS` visits of the top there is
    only a lower bound.

    Parameters
    ----------
    z
        (bins,) ascending, equally spaced centres of the bins, Å.
    counts
        (bins,) counts summed over the frames.
    temperature
        K.
    top, well
        Ranges of the search for the maximum and the minimum of F, Å, lower end first. The resistance of the top
        is that of the whole range.
    layer
        Range of the ions to which TST and resistance barrier refer, Å: the whole first layer. By default that of
        ``well``.
    block_counts
        (B, bins) counts of at least :data:`FEWEST_BLOCKS` consecutive blocks of equal time, which contain at least
        half of ``counts``.
    exchange
        Extent of the exchange of ions over the barrier; without it the uncertainty is conditional on the numbers
        of ions on each side in this run.
    plateau
        Whether the well is flat, as a bulk phase. F of the well is then that of the mean density over the whole
        window ``well``, and the barrier has no ``well_z``, curvature or slope (NaN).
    equilibrated
        Whether the ions have equilibrated over the barrier. Without it there are lower bounds only: the top is fed
        from both sides, and beside an empty ceramic its density is about half of that in equilibrium. The bounds
        allow for it.
    top_half_width, well_half_width
        Half widths of the windows of the local fits, Å.
    groups
        Adjacent blocks are merged into about this many groups, so that groups are independent; fewer blocks are
        not merged.
    level
        Level of the intervals and of the bound.
    samples, seed
        Number of draws, and their seed. The same seed and blocks select the same resamples, so that the sides of a
        slab can be averaged sample by sample.

    Raises
    ------
    ValueError
        An argument is out of range, the windows do not lie on the grid or have too few bins, the blocks are not
        those of the counts, the well was never visited, or F has no
        maximum within ``top`` or no minimum within ``well`` although there are enough visits to decide.
    """
    grid = arguments.centres("z", z, length=3)
    table = arguments.array("counts", counts, ndim=1, length=1, least=0)
    kelvin = arguments.number("temperature", temperature, above=0)
    confidence = arguments.probability("level", level)
    if len(grid) != len(table):
        raise ValueError(f"counts has {len(table)} values, z has {len(grid)}")
    number = arguments.count("samples", samples, 2, MOST_SAMPLES)
    search_top = _search("top", top, grid, _FEWEST_BINS)
    search_well = _search("well", well, grid, 1 if plateau else _FEWEST_BINS)
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
    data = _Data(table, None if block_counts is None else _grouped(block_counts, grid, table, groups), exchange)
    whole = search_well if layer is None else _search("layer", layer, grid)
    bounding = windows.top
    if not equilibrated:
        outwards = np.sign(sum(well) - sum(top)) * (grid - sum(top) / 2)
        bounding = np.asarray((outwards > -1e-9) & (outwards <= max(top_reach, grid[1] - grid[0])), dtype=np.bool_)
    search = _Search(windows, search_top, search_well, whole, bounding, equilibrated, (top, well))
    return _summarize(search, data, number, arguments.count("seed", seed), confidence)


@dataclass(frozen=True)
class _Search:
    """Windows of a barrier.

    Attributes
    ----------
    windows
        Of the local fits.
    top, well, layer
        (bins,) bins of the search for top and well, and of the first layer.
    bounding
        (bins,) bins whose mean density bounds that of the top: the window of its fit or, off equilibrium, that
        from the middle of the search towards the well, where at least half of the density is fed from the well.
    equilibrated
        Whether the ions have equilibrated.
    ranges
        Of the search for top and well, Å.
    """

    windows: BarrierWindows
    top: Mask
    well: Mask
    layer: Mask
    bounding: Mask
    equilibrated: bool
    ranges: tuple[Range, Range]


def _search(name: str, limits: Range, z: Floats, fewest: int = 1) -> NDArray[np.bool_]:
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
    if inside.sum() < fewest:
        raise ValueError(
            f"{name} = {low:g} to {high:g} Å: {inside.sum()} bin(s) of {width:g} Å; must have at least {fewest}"
        )
    return inside


def _grouped(block_counts: ArrayLike, z: Floats, counts: Floats, groups: int) -> Floats:
    """Return the counts of groups of blocks (G, bins); blocks may omit some time and be scaled a little."""
    blocks = arguments.array("block_counts", block_counts, ndim=2, length=FEWEST_BLOCKS, least=0)
    if blocks.shape[1] != len(counts):
        raise ValueError(f"block_counts has {blocks.shape[1]} bins, counts has {len(counts)}")
    added = blocks.sum(axis=0)
    excess = added - _MOST_SCALED * counts
    if excess[worst := int(excess.argmax())] > 0:
        raise ValueError(
            f"block_counts: add up to {added[worst]:g} at z = {z[worst]:g} Å, where counts has {counts[worst]:g}; "
            f"must be the counts of blocks of the same run"
        )
    if added.sum() < _LEAST_IN_BLOCKS * counts.sum():
        raise ValueError(
            f"block_counts: add up to {added.sum():g} of {counts.sum():g} counts; must be at least half of them"
        )
    return group_blocks(blocks, arguments.count("groups", groups, 2, MOST_SAMPLES))


def _summarize(search: _Search, data: _Data, samples: int, seed: int, level: float) -> Barrier:
    windows, kelvin = search.windows, search.windows.temperature
    resampled, slow = data.resample(samples, seed)
    found, fits = windows.fit(data.counts[None]), windows.fit(resampled)
    visits = data.visits(windows.top)
    well_known = data.visits(windows.well) >= FEWEST_VISITS
    known = well_known and visits >= FEWEST_VISITS and search.equilibrated
    blocks = None if data.blocks is None else len(data.blocks)
    drawn = _draw_barriers(search, data, resampled, seed, (known, well_known))
    bounds = _lower_bounds(search, data, float(found.well_log_density[0]), level)

    def height(name: str) -> Height:
        draws = drawn[name] + kelvin * slow
        return Height(
            value=float(np.median(drawn[name])) if data.counts[windows.top].any() else _NAN,
            interval=_interval(draws, level, blocks, known),
            standard_error=float(np.nanstd(draws, ddof=1)) if known else _NAN,
            lower_bound=bounds[name],
            samples=draws,
        )

    p_value = _NAN
    if known:
        # of χ² of the parabola on the top; its counts are worth those of the shape
        fitted, worth = windows.parabola(data.counts), data.worth_of_shape(windows.top)
        squares = ((data.counts[windows.top] - fitted) ** 2 / fitted).sum() / worth
        p_value = float(stats.chi2.sf(squares, len(fitted) - 3)) if len(fitted) > 3 else _NAN
    lowest, well = data.counts[windows.top].min(), data.counts[windows.well]
    highest = well.mean() if windows.plateau else well.max()
    return Barrier(
        maximum=height("maximum"),
        tst=None if windows.plateau else height("tst"),
        resistance=None if windows.plateau else height("resistance"),
        parabola=float(found.barrier[0]),
        parabola_p_value=p_value,
        visits=visits,
        counts=int(data.counts[windows.top].sum()),
        top_z=float(found.top_z[0]),
        well_z=float(found.well_z[0]),
        well_curvature=float(found.well_curvature[0]),
        well_curvature_interval=_interval(fits.well_curvature, level, blocks, well_known),
        slope=float(found.slope[0]),
        slope_interval=_interval(fits.slope, level, blocks, known),
        raw=float(kelvin * np.log(highest / lowest)) if lowest > 0 else float("inf"),
        blocks=blocks,
        fits=fits,
    )


def _interval(values: Floats, level: float, blocks: int | None, known: bool) -> Range:
    finite = values[np.isfinite(values)]
    return expanded_interval(finite, level, blocks) if known and len(finite) else (_NAN, _NAN)


def _draw_barriers(
    search: _Search, data: _Data, resampled: Floats, seed: int, known: tuple[bool, bool]
) -> dict[str, Floats]:
    """Return draws (samples,) of each barrier, K.

    ``known`` says whether top and well have visits enough to decide that their extremes lie inside the search.
    """
    windows, width = search.windows, float(search.windows.z[1] - search.windows.z[0])

    def logs(name: str, bins: Mask, core: Mask, limits: Range, decided: bool) -> Floats:
        # the sides of a slab share the resamples and not the draws of their shapes
        rng = np.random.default_rng([seed, int(np.flatnonzero(bins)[0])])
        worth = data.worth_of_shape(bins)
        shape = draw_log_density(windows.z[bins], data.counts[bins], worth, len(resampled), rng)
        mean = shape.mean(axis=0)
        at = int(mean.argmin() if name == "top" else mean.argmax())
        if decided and at in (0, len(mean) - 1):
            what = "maximum" if name == "top" else "minimum"
            raise ValueError(
                f"{name} = {limits[0]:g} to {limits[1]:g} Å: F has its {what} at the end; must have it inside"
            )
        total = data.counts[core].sum()
        common = np.log(np.maximum(resampled[:, core].sum(axis=1), 0.5) / max(total, 0.5))
        unseen = 1 - worth * data.visits(core) / total if total else 0.0
        return np.asarray(shape + (np.sqrt(max(unseen, 0.0)) * common)[:, None])

    top = logs("top", search.top, windows.top, search.ranges[0], all(known) and search.equilibrated)
    if windows.plateau:
        bottom = np.log(np.maximum(resampled[:, search.well].mean(axis=1), 0.5 / len(data.counts)))
        return {"maximum": windows.temperature * (bottom - top.min(axis=1))}
    well = logs("well", search.well, windows.well, search.ranges[1], known[1] and search.equilibrated)
    layer = np.log(np.maximum(resampled[:, search.layer].sum(axis=1), 0.5) * width)
    resistance = np.log(np.exp(top.min(axis=1)[:, None] - top).sum(axis=1) * width) - top.min(axis=1)
    return {
        "maximum": windows.temperature * (well.max(axis=1) - top.min(axis=1)),
        "tst": windows.temperature * (layer - top.min(axis=1)),
        "resistance": windows.temperature * (layer + resistance),
    }


def _lower_bounds(search: _Search, data: _Data, well_log_density: float, level: float) -> dict[str, float]:
    """Return the lower bounds, K, from the upper bound of the mean density in the window of the top.

    The density at the top is a minimum and cannot exceed that mean, and ∫ dz / ρ over a window of the length L is
    at least L² / ∫ ρ dz. Half of the error probability goes to each end: an upper bound of the visits of the top,
    a lower bound of those of the well.
    """
    windows, width = search.windows, float(search.windows.z[1] - search.windows.z[0])
    top_counts, well_counts = data.counts[search.bounding].sum(), data.counts[windows.well].sum()
    top_visits, well_visits = data.visits(search.bounding), data.visits(windows.well)
    part = visits_interval(well_visits, level)[0] / well_visits
    bins = search.bounding.sum()
    if part == 0 or not bins:
        return dict.fromkeys(("maximum", "tst", "resistance"), -float("inf"))
    # if the top was never visited, the counts per visit of the well are used
    worth = top_counts / top_visits if top_visits else well_counts / well_visits
    densest = np.log(worth * visits_interval(top_visits, level)[1] / bins)
    missing = 0.0 if search.equilibrated else np.log(2)
    sure = np.log(part) - data.unseen * stats.norm.isf((1 - level) / 2) - densest - missing
    layer = np.log(data.counts[search.layer].sum() * width) + sure
    found = {"maximum": well_log_density + sure, "tst": layer, "resistance": layer + np.log(bins * width)}
    return {name: float(windows.temperature * bound) for name, bound in found.items()}


# -- the sides of a slab -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JoinedBarrier:
    """The barrier of several sides; attributes as :class:`Barrier`.

    The heights are Boltzmann averages, ``parabola`` as well; ``well_curvature`` and ``slope`` are means, as in
    Kozdra et al., ``parabola_p_value`` and ``visits`` are those of the side with the smallest.
    """

    maximum: Height
    tst: Height | None
    resistance: Height | None
    parabola: float
    parabola_p_value: float
    visits: float
    well_curvature: float
    well_curvature_interval: Range
    well_curvatures: Floats = field(repr=False)
    slope: float
    slope_interval: Range


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
    if not sides or len({len(side.maximum.samples) for side in sides}) > 1:
        raise ValueError("sides: must be at least one, all with the same number of samples")
    blocks = sides[0].blocks

    def mean(values: Sequence[Floats], of_sides: Sequence[Range]) -> tuple[Floats, Range]:
        samples = np.asarray(np.mean(values, axis=0))
        return samples, _interval(samples, confidence, blocks, bool(np.isfinite(of_sides).all()))

    curvatures = mean(
        [side.fits.well_curvature for side in sides], [side.well_curvature_interval for side in sides]
    )
    slopes = mean([side.fits.slope for side in sides], [side.slope_interval for side in sides])
    tst = [side.tst for side in sides if side.tst is not None]
    resistance = [side.resistance for side in sides if side.resistance is not None]
    return JoinedBarrier(
        maximum=_average([side.maximum for side in sides], kelvin, confidence, blocks),
        tst=_average(tst, kelvin, confidence, blocks) if tst else None,
        resistance=_average(resistance, kelvin, confidence, blocks) if resistance else None,
        parabola=float(_boltzmann(np.array([side.parabola for side in sides]), kelvin)),
        parabola_p_value=float(np.min([side.parabola_p_value for side in sides])),
        visits=min(side.visits for side in sides),
        well_curvature=float(np.mean([side.well_curvature for side in sides])),
        well_curvature_interval=curvatures[1],
        well_curvatures=curvatures[0],
        slope=float(np.mean([side.slope for side in sides])),
        slope_interval=slopes[1],
    )


def _average(heights: Sequence[Height], temperature: float, level: float, blocks: int | None) -> Height:
    """Return the height of all sides together, K.

    Where the interval of one side is unknown, so are the interval and the standard error.
    """
    samples = _boltzmann(np.array([height.samples for height in heights]), temperature)
    interval = _interval(samples, level, blocks, bool(np.isfinite([height.interval for height in heights]).all()))
    return Height(
        value=float(_boltzmann(np.array([height.value for height in heights]), temperature)),
        interval=interval,
        standard_error=float(np.nanstd(samples, ddof=1)) if np.isfinite(interval[0]) else _NAN,
        lower_bound=float(_boltzmann(np.array([height.lower_bound for height in heights]), temperature)),
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
