"""The barriers of the sides of a slab together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.profiles.barriers import Barrier, BarrierSamples
from aiida_cse.physics.statistics import arguments as checks
from aiida_cse.physics.statistics.resampling import expanded_interval

__all__ = ["JoinedBarrier", "join_barriers", "join_sides"]

Floats = NDArray[np.float64]
Range = tuple[float, float]

_NAN = float("nan")


@dataclass(frozen=True)
class JoinedBarrier:
    """The barrier of several sides; attributes as :class:`~aiida_cse.physics.profiles.barriers.Barrier`.

    ``barrier`` is the Boltzmann average, ``well_curvature`` and ``slope`` are means, as Kozdra et al. take them,
    and ``visits`` are those of the side with fewest.
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


def join_barriers(barriers: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Return the Boltzmann average over sides: exp(−ΔF/T) is the mean of that of the sides.

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
    kelvin = checks.positive("temperature", temperature)
    sides = checks.finite_values("barriers", barriers)
    if sides.ndim == 0 or not len(sides):
        raise ValueError(f"barriers has shape {sides.shape}, it must have at least one side")
    return _boltzmann(sides, kelvin)


def join_sides(sides: Sequence[Barrier], temperature: float, level: float = 0.95) -> JoinedBarrier:
    """Join the barriers of the sides of a slab, sample by sample.

    Parameters
    ----------
    sides
        Found with the same blocks, samples and seed.
    temperature
        K.
    level
        Level of the intervals; the bound keeps that of the sides.

    Raises
    ------
    ValueError
        There is no side, their samples differ in number, or a number is out of range.
    """
    confidence = checks.probability("level", level)
    kelvin = checks.positive("temperature", temperature)
    if not sides or len({len(side.samples.barrier) for side in sides}) > 1:
        raise ValueError("sides: there must be at least one, all with the same number of samples")
    samples = BarrierSamples(
        barrier=_boltzmann(np.array([side.samples.barrier for side in sides]), kelvin),
        well_curvature=np.mean([side.samples.well_curvature for side in sides], axis=0),
        slope=np.mean([side.samples.slope for side in sides], axis=0),
    )

    def interval(values: Floats, of_sides: list[Range]) -> Range:
        known = bool(np.isfinite(of_sides).all())
        return (
            expanded_interval(values[np.isfinite(values)], confidence, sides[0].blocks) if known else (_NAN, _NAN)
        )

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
