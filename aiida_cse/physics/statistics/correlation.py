"""The correlation of anions with cations: one autocorrelated series of counts regressed on another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.timeseries import statistical_inefficiency

__all__ = ["Correlation", "anion_cation_correlation"]

Floats = NDArray[np.float64]

_NAN = float("nan")
#: residuals below this share of the series are rounding
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Correlation:
    """Straight line through two series, and the strength of their correlation.

    Attributes
    ----------
    slope
        Additional anions in the first layers per additional cation in the ceramic.
    slope_error
        Standard error of the slope; Student's t with ``slope_samples`` − 2 degrees of freedom.
    pearson
        Pearson's r.
    pearson_interval
        Two-sided interval of r.
    slope_samples, samples
        Effective numbers of independent samples, for the slope and for r.

    All but the samples are NaN for a constant series. Errors and intervals are NaN where the points lie on the
    line, because their scatter is then unknown.
    """

    slope: float
    slope_error: float
    pearson: float
    pearson_interval: tuple[float, float]
    slope_samples: float
    samples: float


def anion_cation_correlation(cations: ArrayLike, anions: ArrayLike, level: float = 0.95) -> Correlation:
    """Correlate the number of anions in the first layers with the number of cations in the ceramic.

    Least squares of anions on cations; Kozdra et al., PCCP 27, 24918 (2025), section 3.2, find about one TFSI
    more per additional Li. Successive frames are not independent, so N frames count as N / g samples.

    For the slope, g is the larger one of two. The variance of a slope is that of the mean of x e, the deviation
    of the cations times the residual, so that g of this product is correct for long series (Bartlett, J. R. Stat.
    Soc. 98, 536, 1935; Newey and West, Econometrica 55, 703, 1987). In short series it is too small, and g of the
    residuals replaces it, which is the limit for cations that change slowly. At least 95 % of the intervals at 95
    % then hold the true slope in autoregressive series with some 15 samples and more, and 90 % with 8.

    For r, g is also at least that of either series: a slow series shows only a part of its range, and r depends on
    the range. The interval is Fisher's (Metron 1, 3, 1921), tanh(artanh r ± z / √(N / g − 3)), from −1 to 1 for no
    more than 3 samples. It is conservative.

    Parameters
    ----------
    cations, anions
        (N,) numbers of ions in the same frames.
    level
        Confidence level of the interval of r.

    Raises
    ------
    ValueError
        A series has fewer than 4 values, is not finite or too large, the two differ in length, or ``level`` is not
        between 0 and 1.
    """
    x, y = _deviations("cations", cations), _deviations("anions", anions)
    quantile = float(stats.norm.ppf((1 + arguments.probability("level", level)) / 2))
    if len(x) != len(y):
        raise ValueError(f"anions has {len(y)} values, cations has {len(x)}: both need one per frame")
    size_x, size_y = float(np.sqrt(x @ x)), float(np.sqrt(y @ y))
    if size_x == 0 or size_y == 0:
        return Correlation(_NAN, _NAN, _NAN, (_NAN, _NAN), 1.0, 1.0)
    x, y = x / size_x, y / size_y
    pearson = float(np.clip(x @ y, -1, 1))
    residuals = y - pearson * x
    of_slope = max(statistical_inefficiency(residuals), statistical_inefficiency(x * residuals))
    of_both = max(statistical_inefficiency(x), statistical_inefficiency(y), of_slope)
    slope_samples, samples = len(x) / of_slope, len(x) / of_both
    scatter = float(residuals @ residuals)
    if scatter <= _ROUNDING**2:
        return Correlation(pearson * size_y / size_x, _NAN, pearson, (_NAN, _NAN), slope_samples, samples)
    interval = (-1.0, 1.0)
    if samples > 3:
        centre, reach = np.arctanh(pearson), quantile / np.sqrt(samples - 3)
        interval = (float(np.tanh(centre - reach)), float(np.tanh(centre + reach)))
    error = np.sqrt(scatter / (len(x) - 2) * len(x) / slope_samples)
    return Correlation(
        slope=pearson * size_y / size_x,
        slope_error=float(error) * size_y / size_x,
        pearson=pearson,
        pearson_interval=interval,
        slope_samples=slope_samples,
        samples=samples,
    )


def _deviations(name: str, series: ArrayLike) -> Floats:
    """Return a series minus its mean, exactly zero for a constant series."""
    values = arguments.array(name, series, ndim=1, length=4)
    if (values == values[0]).all():
        return np.zeros(len(values))
    with np.errstate(over="ignore", invalid="ignore"):
        deviations: Floats = values - values.mean()
        arguments.representable(f"squares of {name}", deviations**2 * len(values))
    return deviations
