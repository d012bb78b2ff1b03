"""Do the anions follow the cations? One correlated series of counts regressed on another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from aiida_cse.physics.statistics import arguments as checks
from aiida_cse.physics.statistics.timeseries import statistical_inefficiency

__all__ = ["Correlation", "tfsi_lithium_correlation"]

Floats = NDArray[np.float64]

_NAN = float("nan")
#: residuals that are smaller than this share of the series are rounding
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Correlation:
    """Straight line through two series, and how closely they follow it.

    Attributes
    ----------
    slope
        More TFSI in the first layers per additional Li in the ceramic.
    slope_error
        Standard error of the slope; Student's t with ``slope_samples`` − 2 degrees of freedom.
    pearson
        Pearson's r.
    pearson_interval
        Two-sided interval of r.
    slope_samples, samples
        Effective numbers of independent samples, for the slope and for r.

    Everything but the samples is NaN where a series never changes; errors and intervals are NaN where the points
    lie on the line, because then they say nothing about their own scatter.
    """

    slope: float
    slope_error: float
    pearson: float
    pearson_interval: tuple[float, float]
    slope_samples: float
    samples: float


def tfsi_lithium_correlation(lithium: ArrayLike, tfsi: ArrayLike, level: float = 0.95) -> Correlation:
    """Correlate the number of TFSI in the first layers with the number of Li in the ceramic.

    Least squares of TFSI on Li; Kozdra et al., PCCP 27, 24918 (2025), section 3.2, find about one more TFSI per
    additional Li. Successive frames are not independent, so N frames count as N / g samples.

    For the slope, g is the larger one of two. The variance of a slope is that of the mean of x e, deviation of Li
    times residual, so that g of this product is right for long series (Bartlett, J. R. Stat. Soc. 98, 536,
    1935; Newey and West, Econometrica 55, 703, 1987). In short ones it comes out too small, and g of the residuals
    takes its place, which is the limit for a Li that changes slowly. Then at least 95 % of the intervals at 95 %
    hold the true slope in autoregressive series with some 15 samples and more, and 90 % with 8.

    For r, g is at least that of either series besides: a slow series shows a part of its range only, and r
    depends on the range. The interval is Fisher's (Metron 1, 3, 1921), tanh(artanh r ± z / √(N / g − 3)), from −1
    to 1 where there are not more than 3 samples; it is a cautious one.

    Parameters
    ----------
    lithium, tfsi
        (N,) numbers of ions in the same frames.
    level
        Confidence level of the interval of r.

    Raises
    ------
    ValueError
        A series has fewer than 4 values, is not finite or too large, the two differ in length, or ``level`` is
        not between 0 and 1.
    """
    x, y = _deviations("lithium", lithium), _deviations("tfsi", tfsi)
    quantile = float(stats.norm.ppf((1 + checks.probability("level", level)) / 2))
    if len(x) != len(y):
        raise ValueError(f"tfsi has {len(y)} values, lithium has {len(x)}; both need one per frame")
    size_x, size_y = float(np.sqrt(x @ x)), float(np.sqrt(y @ y))
    if size_x == 0 or size_y == 0:
        return Correlation(_NAN, _NAN, _NAN, (_NAN, _NAN), 1.0, 1.0)
    x, y = x / size_x, y / size_y
    pearson = float(np.clip(x @ y, -1, 1))
    residuals = y - pearson * x
    slope_samples, samples = _samples(x, y, residuals)
    scatter = float(residuals @ residuals)
    if scatter <= _ROUNDING**2:
        return Correlation(pearson * size_y / size_x, _NAN, pearson, (_NAN, _NAN), slope_samples, samples)
    error = np.sqrt(scatter / (len(x) - 2) * len(x) / slope_samples)
    return Correlation(
        slope=pearson * size_y / size_x,
        slope_error=float(error) * size_y / size_x,
        pearson=pearson,
        pearson_interval=_fisher_interval(pearson, samples, quantile),
        slope_samples=slope_samples,
        samples=samples,
    )


def _deviations(name: str, series: ArrayLike) -> Floats:
    """Return a series minus its mean, exactly zero where it never changes."""
    values = checks.finite_array(name, series, ndim=1, minimum=4)
    if (values == values[0]).all():
        return np.zeros(len(values))
    with np.errstate(over="ignore", invalid="ignore"):
        deviations: Floats = values - values.mean()
        checks.representable(f"squares of {name}", deviations**2 * len(values))
    return deviations


def _samples(x: Floats, y: Floats, residuals: Floats) -> tuple[float, float]:
    """Return the effective numbers of samples for the slope and for r."""
    of_slope = max(statistical_inefficiency(residuals), statistical_inefficiency(x * residuals))
    of_both = max(statistical_inefficiency(x), statistical_inefficiency(y), of_slope)
    return len(x) / of_slope, len(x) / of_both


def _fisher_interval(pearson: float, samples: float, quantile: float) -> tuple[float, float]:
    if samples <= 3:
        return -1.0, 1.0
    centre, reach = np.arctanh(pearson), quantile / np.sqrt(samples - 3)
    return float(np.tanh(centre - reach)), float(np.tanh(centre + reach))
