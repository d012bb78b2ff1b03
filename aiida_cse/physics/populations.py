"""Averages of correlated series: statistical inefficiency, standard error, drift, equilibration.

The statistical inefficiency g and the equilibration time are pymbar's (Chodera et al., J. Chem. Theory
Comput. 3, 26 (2007); Chodera, ibid. 12, 1799 (2016)): of N samples N / g are independent, and the standard
error of the mean is σ √(g / N).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from aiida_cse.physics import checks

__all__ = [
    "Drift",
    "EquilibrationTime",
    "Population",
    "detect_equilibration",
    "drift_test",
    "populations",
    "statistical_inefficiency",
]

#: origins that the search for the equilibration time tries
_ORIGINS = 100


@dataclass(frozen=True)
class Population:
    """Average of a count over time.

    Attributes
    ----------
    mean
        Average number.
    standard_error
        Of the mean; NaN where the series never changes, because then it says nothing about its own error.
    inefficiency, samples
        Statistical inefficiency g in frames, and N / g.
    block_means
        Averages over consecutive blocks of equal length.
    """

    mean: float
    standard_error: float
    inefficiency: float
    samples: float
    block_means: tuple[float, ...]


@dataclass(frozen=True)
class EquilibrationTime:
    """From ``start`` (a frame) on the series is as long and as stationary as it gets."""

    start: int
    inefficiency: float
    samples: float


@dataclass(frozen=True)
class Drift:
    """Linear trend of a series, per frame, and how likely a stationary series shows one as large."""

    slope: float
    standard_error: float
    p_value: float
    samples: float


def statistical_inefficiency(series: ArrayLike) -> float:
    """Return how many frames of ``series`` (N,) make one independent sample, between 1 and N.

    A series that never changes counts as one sample.

    Raises
    ------
    ValueError
        The series is empty or not finite.
    """
    values = checks.finite_array("series", series, ndim=1)
    if np.ptp(values) == 0 or len(values) < 4:
        return float(len(values))
    with _timeseries() as timeseries:
        found = float(timeseries.statistical_inefficiency(values, fast=len(values) > 2000))
    return min(max(found, 1.0), float(len(values)))


def populations(
    counts: ArrayLike, names: tuple[str, ...] = ("count",), *, blocks: int = 10
) -> dict[str, Population]:
    """Average counts over time.

    Parameters
    ----------
    counts
        (N,) or (N, columns), the number of ions in each frame.
    names
        One name per column.
    blocks
        How many block means to give; fewer where there are fewer frames.

    Raises
    ------
    ValueError
        The counts are empty or not finite, the names are not one per column, or ``blocks`` is below 1.
    """
    table = np.asarray(counts, dtype=np.float64)
    table = checks.finite_array("counts", table[:, None] if table.ndim == 1 else table, ndim=2)
    if table.shape[1] != len(names):
        raise ValueError(f"names has {len(names)} entries, counts has {table.shape[1]} columns")
    if blocks < 1:
        raise ValueError(f"blocks is {blocks}, it must be at least 1")
    return {name: _population(column, blocks) for name, column in zip(names, table.T, strict=True)}


def detect_equilibration(series: ArrayLike) -> EquilibrationTime:
    """Find where a series (N,) becomes stationary: the start that leaves most independent samples.

    Raises
    ------
    ValueError
        The series is empty or not finite.
    """
    values = checks.finite_array("series", series, ndim=1)
    if np.ptp(values) == 0 or len(values) < 8:
        return EquilibrationTime(0, statistical_inefficiency(values), len(values) / max(len(values), 1))
    with _timeseries() as timeseries:
        start, inefficiency, samples = timeseries.detect_equilibration(
            values, nskip=max(1, len(values) // _ORIGINS)
        )
    return EquilibrationTime(int(start), float(inefficiency), float(samples))


def drift_test(series: ArrayLike) -> Drift:
    """Test a series (N,) for a linear trend.

    The standard error of the slope is that of independent samples times √g, g of the residuals, and the
    p-value is Student's with N / g − 2 degrees of freedom (at least 1).

    Raises
    ------
    ValueError
        The series has fewer than 4 values or is not finite.
    """
    values = checks.finite_array("series", series, ndim=1, minimum=4)
    frames = np.arange(len(values)) - (len(values) - 1) / 2
    slope = float(frames @ values / (frames @ frames))
    residuals = values - values.mean() - slope * frames
    variance = float(residuals @ residuals) / (len(values) - 2)
    inefficiency = statistical_inefficiency(residuals)
    samples = len(values) / inefficiency
    error = float(np.sqrt(variance * inefficiency / (frames @ frames)))
    if error == 0:
        return Drift(slope, error, 1.0 if slope == 0 else 0.0, samples)
    p_value = 2 * float(stats.t.sf(abs(slope) / error, max(samples - 2, 1)))
    return Drift(slope, error, p_value, samples)


def _population(series: NDArray[np.float64], blocks: int) -> Population:
    inefficiency = statistical_inefficiency(series)
    samples = len(series) / inefficiency
    constant = np.ptp(series) == 0 or len(series) < 2
    error = float("nan") if constant else float(series.std(ddof=1) / np.sqrt(samples))
    length = max(len(series) // blocks, 1)
    whole = series[: len(series) // length * length].reshape(-1, length)
    return Population(
        mean=float(series.mean()),
        standard_error=error,
        inefficiency=inefficiency,
        samples=samples,
        block_means=tuple(float(mean) for mean in whole.mean(axis=1)[:blocks]),
    )


@contextmanager
def _timeseries() -> Iterator[Any]:
    """Give pymbar's time series module without its advice on import and on optional packages."""
    logger = logging.getLogger("pymbar")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        from pymbar import timeseries

        yield timeseries
    finally:
        logger.setLevel(level)
