"""Averages of correlated series: statistical inefficiency, standard error, interval, drift, equilibration time.

Statistical inefficiency g and equilibration time are those of pymbar (Chodera et al., J. Chem. Theory Comput. 3,
26 (2007); Chodera, ibid. 12, 1799 (2016)): of N samples N / g are independent, and the standard error of the mean
is σ √(g / N). In series of few correlation times the estimate of g is too small, so that ±1.96 standard errors
miss too often. The interval of an average therefore takes the variance of the mean from the slowest K cosines of
the series, and Student's t with K degrees of freedom (Lazarus et al., J. Bus. Econ. Stat. 36, 541 (2018), the
equal-weighted cosine estimator). The test for a trend does the same with the polynomials beyond the straight
line.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, stats

from aiida_cse.physics.statistics import arguments

__all__ = [
    "Drift",
    "EquilibrationTime",
    "Population",
    "detect_equilibration",
    "drift_test",
    "populations",
    "statistical_inefficiency",
]

#: fewest frames for a search of the equilibration time; a shorter series is taken as a whole
_FEWEST_TO_SEARCH = 8
#: time origins tried in that search
_ORIGINS = 100
#: blocks, up to twice as many, whose means show the slow correlation; shorter blocks keep noise that hides it
_BLOCKS = 128
#: fewest independent samples for which the two slowest terms have the same power
_SAMPLES_FOR_TWO = 8
#: terms for n samples, _TERMS n^(2/3): the exponent of Lazarus et al., and a smaller factor than theirs (0.4),
#: because n is estimated from the same series
_TERMS = 0.3
#: residuals below this share of the values, and correlations below this value, are rounding
_ROUNDING = 1e-12
#: lags that are always summed, as in pymbar
_SHORTEST_SUM = 3


@dataclass(frozen=True)
class Population:
    """Average of a count over time.

    Attributes
    ----------
    mean
        Average number.
    standard_error
        Of the mean; NaN for a constant series, which contains no information on its error.
    inefficiency, samples
        Statistical inefficiency g in frames, and N / g.
    block_means
        Averages over consecutive blocks of equal length.
    interval
        Two-sided interval of the mean; NaN for a constant series.
    degrees_of_freedom
        Of the t of the interval. 1 or 2, which make the interval wide, where the series has few correlation times.
    """

    mean: float
    standard_error: float
    inefficiency: float
    samples: float
    block_means: tuple[float, ...]
    interval: tuple[float, float]
    degrees_of_freedom: int


@dataclass(frozen=True)
class EquilibrationTime:
    """First frame of the part of a series that has most independent samples, its inefficiency and its samples."""

    start: int
    inefficiency: float
    samples: float


@dataclass(frozen=True)
class Drift:
    """Linear trend of a series per frame, and the probability of one as large in a stationary series."""

    slope: float
    standard_error: float
    p_value: float
    samples: float
    degrees_of_freedom: int


def statistical_inefficiency(series: ArrayLike) -> float:
    """Return the number of frames of ``series`` (N,) per independent sample, between 1 and N.

    It is pymbar's g = 1 + 2 Σ_t (1 − t/N) C(t), with C(t) the normalised autocorrelation and the sum up to its
    first zero. The Fourier transform takes milliseconds where pymbar takes seconds, in long series with a long
    correlation. A constant series counts as one sample.

    Raises
    ------
    ValueError
        The series is empty or not finite.
    """
    values = _series(series)
    if np.ptp(values) == 0 or len(values) < 4:
        return float(len(values))
    lags = np.arange(1, len(values) - 1)
    correlation = _autocorrelation(values)[lags]
    ended = np.flatnonzero((correlation <= _ROUNDING) & (lags > _SHORTEST_SUM))
    end = int(ended[0]) if len(ended) else len(lags)
    found = 1 + 2 * float(np.sum((1 - lags[:end] / len(values)) * correlation[:end]))
    return min(max(found, 1.0), float(len(values)))


def populations(
    counts: ArrayLike, names: tuple[str, ...] = ("count",), *, blocks: int = 10, level: float = 0.95
) -> dict[str, Population]:
    """Average counts over time.

    For stationary series of about 20 correlation times and more, the interval holds its level within 2 %
    (measured: see ``benchmarks``). Shorter series get a wider interval, which holds nearly as well down to about
    5 correlation times. The correlation time of a series that is shorter than it cannot be estimated, and its
    interval is too narrow.

    Parameters
    ----------
    counts
        (N,) or (N, columns), the number of ions in each frame.
    names
        One name per column.
    blocks
        Number of block means; fewer where there are fewer frames.
    level
        Confidence level of the interval.

    Raises
    ------
    ValueError
        The counts are empty or not finite, the names are not one per column and all different, ``blocks`` is
        no whole number of at least 1, or ``level`` is not between 0 and 1.
    """
    table = arguments.array("counts", counts, least=-arguments.SUMMABLE, most=arguments.SUMMABLE)
    table = arguments.array("counts", table[:, None] if table.ndim == 1 else table, ndim=2, length=1)
    columns = arguments.distinct_names("names", names)
    if table.shape[1] != len(columns):
        raise ValueError(f"names has {len(columns)} entries, counts has {table.shape[1]} columns")
    parts = arguments.count("blocks", blocks, least=1)
    arguments.probability("level", level)
    found = {}
    for name, series in zip(columns, table.T, strict=True):
        inefficiency = statistical_inefficiency(series)
        samples = len(series) / inefficiency
        constant = np.ptp(series) == 0
        cosines = 0 if constant else _slow_terms(_block_means(series, _BLOCKS), len(series) - 1)
        half_width = _half_width(series, cosines, level)
        mean = float(series.mean())
        found[name] = Population(
            mean=mean,
            standard_error=float("nan") if constant else float(series.std(ddof=1) / np.sqrt(samples)),
            inefficiency=inefficiency,
            samples=samples,
            block_means=tuple(float(block) for block in _block_means(series, parts)[:parts]),
            interval=(mean - half_width, mean + half_width),
            degrees_of_freedom=cosines,
        )
    return found


def detect_equilibration(series: ArrayLike) -> EquilibrationTime:
    """Find the start of the stationary part of a series (N,): the one that leaves most independent samples.

    Raises
    ------
    ValueError
        The series is empty or not finite.
    """
    values = _series(series)
    if np.ptp(values) == 0 or len(values) < _FEWEST_TO_SEARCH:
        inefficiency = statistical_inefficiency(values)
        return EquilibrationTime(0, inefficiency, len(values) / inefficiency)
    logger = logging.getLogger("pymbar")
    level = logger.level
    # pymbar prints messages about optional packages when it is imported
    logger.setLevel(logging.ERROR)
    try:
        from pymbar import timeseries

        start, inefficiency, samples = timeseries.detect_equilibration(
            values, nskip=max(1, len(values) // _ORIGINS)
        )
    finally:
        logger.setLevel(level)
    return EquilibrationTime(int(start), float(inefficiency), float(samples))


def drift_test(series: ArrayLike) -> Drift:
    """Test a series (N,) for a linear trend.

    The slope is that of least squares. Its standard error comes from the amplitudes of the K next Legendre
    polynomials in the series, which are nearly as slow as the trend and no part of it. The p-value is Student's
    with K degrees of freedom. Stationary series of 20 correlation times or more show p < 0.05 in 5 % of the cases
    (measured: see ``benchmarks``), those of 5 in about 9 %, and those of one correlation time in up to 18 %.

    Raises
    ------
    ValueError
        The series has fewer than 4 values or is not finite.
    """
    values = _series(series, length=4)
    size = float(np.abs(values).max()) or 1.0
    values = values / size
    frames = np.arange(len(values)) - (len(values) - 1) / 2
    spread = float(frames @ frames)
    slope = float(frames @ values) / spread
    residuals = values - values.mean() - slope * frames
    samples = len(values) / statistical_inefficiency(residuals)
    if np.ptp(residuals) <= _ROUNDING:
        return Drift(slope * size, 0.0, 1.0 if slope == 0 else 0.0, samples, len(values) - 2)
    blocks = _block_means(residuals, _BLOCKS)
    freedom = _slow_terms(blocks, len(blocks) - 2)
    independent = float(np.sqrt(residuals @ residuals / (len(values) - 2) / spread))
    # the standard error of the slope per block, from the polynomials beyond the line
    place = np.arange(len(blocks)) - (len(blocks) - 1) / 2
    polynomials, _ = np.linalg.qr(np.polynomial.legendre.legvander(place / place[-1], freedom + 1))
    power = np.mean((polynomials[:, 2:].T @ blocks) ** 2)
    error = max(float(np.sqrt(power / (place @ place))) * len(blocks) / len(values), independent)
    p_value = 2 * float(stats.t.sf(abs(slope) / error, freedom))
    return Drift(slope * size, error * size, p_value, samples, freedom)


def _series(series: ArrayLike, length: int = 1) -> NDArray[np.float64]:
    return arguments.array(
        "series", series, ndim=1, length=length, least=-arguments.SUMMABLE, most=arguments.SUMMABLE
    )


def _autocorrelation(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normalised autocorrelation C(t) of a series that changes, for t = 0 … N − 1."""
    size, deviations = len(series), series - series.mean()
    # padded with as many zeros as values, because the transform is periodic
    padded = fft.next_fast_len(2 * size, real=True)
    # in units of the largest deviation, so that squares do not underflow
    transform = fft.rfft(deviations / np.abs(deviations).max(), n=padded)
    products = fft.irfft(np.abs(transform) ** 2, n=padded)[:size]
    covariance = products / np.arange(size, 0, -1)
    return np.asarray(covariance / covariance[0], dtype=np.float64)


def _block_means(series: NDArray[np.float64], blocks: int) -> NDArray[np.float64]:
    """Return the means of at least ``blocks`` whole blocks of equal length."""
    length = max(len(series) // blocks, 1)
    means: NDArray[np.float64] = series[: len(series) // length * length].reshape(-1, length).mean(axis=1)
    return means


def _slow_terms(blocks: NDArray[np.float64], most: int) -> int:
    """Return the number of terms, cosines or polynomials, up to which the spectrum is flat."""
    samples = len(blocks) / statistical_inefficiency(blocks)
    least = 1 if samples < _SAMPLES_FOR_TWO else 2
    return min(max(int(_TERMS * samples ** (2 / 3)), least), most)


def _half_width(series: NDArray[np.float64], cosines: int, level: float) -> float:
    """Return half the width of the interval of the mean, from the slowest cosines; NaN for none.

    With c_j = √(2/N) Σ_t x_t cos(π j (t + ½) / N), the mean of c_j² over j = 1 … K is N times the variance of
    the mean (Lazarus et al. 2018). A series that happens to be symmetric has little of the slowest cosine, so that
    the half width is at least the standard error of N independent samples.
    """
    if cosines == 0:
        return float("nan")
    transform = fft.dct(series - series.mean(), type=2)[1 : cosines + 1]
    error = float(np.sqrt(np.mean(transform**2) / 2)) / len(series)
    independent = float(series.std(ddof=1) / np.sqrt(len(series)))
    return max(error * float(stats.t.ppf((1 + level) / 2, cosines)), independent)
