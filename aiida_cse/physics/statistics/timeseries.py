"""Averages of correlated series: statistical inefficiency, standard error, interval, drift, equilibration time.

Statistical inefficiency g and equilibration time are those of pymbar (Chodera et al., J. Chem. Theory Comput. 3,
26 (2007); Chodera, ibid. 12, 1799 (2016)): of N samples N / g are independent, and the standard error of the mean
is σ √(g / N). In series of few correlation times the estimate of g is too small, so that ±1.96 standard errors
miss too often. The interval of an average therefore takes the variance of the mean from the slowest K cosines of
the series, and Student's t with K degrees of freedom (Lazarus et al., J. Bus. Econ. Stat. 36, 541 (2018), the
equal-weighted cosine estimator). The test for a trend does the same with the polynomials beyond the straight
line.

No series shows a process that is slower than itself. Of a number of ions, the ions themselves do: ions that are
exchangeable and independent of each other spend shares m_i of the time in a region, and the mean number Σ m_i has
the variance n var(m_i), whatever their dynamics. Ions that attract each other have a larger variance, which only
the series shows. The error of a population is the larger of the two estimates.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, stats

from aiida_cse.physics.statistics import arguments

__all__ = [
    "Drift",
    "EquilibrationTime",
    "ErrorSource",
    "Population",
    "covariance_between_ions",
    "detect_equilibration",
    "drift_test",
    "populations",
    "slow_variance",
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
#: slowest cosines for the error of ions whose variance between ions is known; fixed, because a number estimated
#: from the series is 1 or 2 wherever the series is short, and its interval is then two to four times as wide
_COSINES_OF_IONS = 4
#: fewest ions that were both inside and outside of a region for an interval of their number
_FEWEST_MOVED = 5
#: residuals below this share of the values, and correlations below this value, are rounding
_ROUNDING = 1e-12
#: lags that are always summed, as in pymbar
_SHORTEST_SUM = 3


#: estimate of the error of a population: the variance between ions, or the slow fluctuations of their number
ErrorSource = Literal["ions", "time"]


@dataclass(frozen=True)
class Population:
    """Average of a count over time.

    Attributes
    ----------
    mean
        Average number.
    standard_error
        Of the mean; NaN without an interval.
    inefficiency, samples
        Statistical inefficiency g in frames, and N / g.
    block_means
        Averages over consecutive blocks of equal length.
    interval
        Two-sided interval of the mean; NaN for a constant series, which contains no information on its error, and
        where too few ions moved.
    degrees_of_freedom
        Of the t of the interval. 1 or 2, which make the interval wide, where the series has few correlation times.
    error_from
        Estimate on which error and interval rest: the one with the wider interval. None without an interval.
    reason
        Why there is no interval; empty if there is one.
    """

    mean: float
    standard_error: float
    inefficiency: float
    samples: float
    block_means: tuple[float, ...]
    interval: tuple[float, float]
    degrees_of_freedom: float
    error_from: ErrorSource | None = None
    reason: str = ""


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
    size, deviations = len(values), values - values.mean()
    # padded with as many zeros as values, because the transform is periodic
    padded = fft.next_fast_len(2 * size, real=True)
    # in units of the largest deviation, so that squares do not underflow
    transform = fft.rfft(deviations / np.abs(deviations).max(), n=padded)
    products = fft.irfft(np.abs(transform) ** 2, n=padded)[:size]
    covariance = products / np.arange(size, 0, -1)
    autocorrelation = np.asarray(covariance / covariance[0], dtype=np.float64)
    correlation = autocorrelation[lags]
    ended = np.flatnonzero((correlation <= _ROUNDING) & (lags > _SHORTEST_SUM))
    end = int(ended[0]) if len(ended) else len(lags)
    found = 1 + 2 * float(np.sum((1 - lags[:end] / len(values)) * correlation[:end]))
    return min(max(found, 1.0), float(len(values)))


def populations(
    counts: ArrayLike,
    names: tuple[str, ...] = ("count",),
    *,
    shares: ArrayLike | None = None,
    blocks: int = 10,
    level: float = 0.95,
) -> dict[str, Population]:
    """Average counts over time.

    Without ``shares`` error and interval rest on the series alone. For stationary series of about 20 correlation
    times and more, the interval then holds its level within 2 % (measured: see ``benchmarks``). Shorter series get
    a wider interval, which holds nearly as well down to about 5 correlation times. The correlation time of a
    series that is shorter than it cannot be estimated, and its interval is too narrow.

    With ``shares`` they are the larger of two: that of the variance between ions, n var(m_i), with Student's t and
    the degrees of freedom of a sample variance with the kurtosis of the m_i; and that of the four slowest cosines
    of the series, with t of 4 degrees of freedom. The first holds at any length for ions that are exchangeable,
    independent of each other, and started at random; the second for ions that attract each other, from about 20
    relaxation times on. For ions that repel each other the interval is too wide.

    Parameters
    ----------
    counts
        (N,) or (N, columns), the number of ions in each frame.
    names
        One name per column.
    shares
        (ions,) or (ions, columns), the share of the time that each ion spent in the region of a column.
    blocks
        Number of block means; fewer where there are fewer frames.
    level
        Confidence level of the interval.

    Raises
    ------
    ValueError
        The counts are empty or not finite, the names are not one per column and all different, the shares are
        not between 0 and 1 in as many columns, ``blocks`` is no whole number of at least 1, or ``level`` is not
        between 0 and 1.
    """
    table = arguments.array("counts", counts, least=-arguments.SUMMABLE, most=arguments.SUMMABLE)
    table = arguments.array("counts", table[:, None] if table.ndim == 1 else table, ndim=2, length=1)
    columns = arguments.distinct_names("names", names)
    if table.shape[1] != len(columns):
        raise ValueError(f"names has {len(columns)} entries, counts has {table.shape[1]} columns")
    parts = arguments.count("blocks", blocks, least=1)
    arguments.probability("level", level)
    of_ions: list[NDArray[np.float64] | None] = [None] * len(columns)
    if shares is not None:
        spent = arguments.array("shares", shares, least=0, most=1)
        spent = arguments.array("shares", spent[:, None] if spent.ndim == 1 else spent, ndim=2, length=1)
        if spent.shape[1] != len(columns):
            raise ValueError(f"shares has {spent.shape[1]} columns, counts has {len(columns)}")
        of_ions = list(spent.T)
    return {
        name: _average(series, own, parts, level)
        for name, series, own in zip(columns, table.T, of_ions, strict=True)
    }


def _average(
    series: NDArray[np.float64], shares: NDArray[np.float64] | None, parts: int, level: float
) -> Population:
    """Return the average of one count; see :func:`populations`."""
    inefficiency = statistical_inefficiency(series)
    samples, mean = len(series) / inefficiency, float(series.mean())
    error, half_width, freedom = float("nan"), float("nan"), 0.0
    source: ErrorSource | None = None
    reason = ""
    if np.ptp(series) == 0:
        reason = "the number never changed"
    elif shares is not None:
        moved, needed = int(np.count_nonzero((shares > 0) & (shares < 1))), min(_FEWEST_MOVED, len(shares))
        if moved < needed:
            reason = f"{moved} of {len(shares)} ions were seen to enter or leave; an error needs at least {needed}"
    if not reason and shares is None:
        source, freedom = "time", float(_slow_terms(_block_means(series, _BLOCKS), len(series) - 1))
        error = float(series.std(ddof=1) / np.sqrt(samples))
        half_width = _half_width(series, int(freedom), level)[1]
    elif not reason and shares is not None:
        source, freedom = "time", float(min(_COSINES_OF_IONS, len(series) - 1))
        error, half_width = _half_width(series, int(freedom), level)
        between, freedom_between = _error_between_ions(shares)
        half_width_between = between * float(stats.t.ppf((1 + level) / 2, freedom_between))
        if half_width_between > half_width:
            source, error, half_width, freedom = "ions", between, half_width_between, freedom_between
    return Population(
        mean=mean,
        standard_error=error,
        inefficiency=inefficiency,
        samples=samples,
        block_means=tuple(float(block) for block in _block_means(series, parts)[:parts]),
        interval=(mean - half_width, mean + half_width),
        degrees_of_freedom=freedom,
        error_from=source,
        reason=reason,
    )


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


def slow_variance(series: NDArray[np.float64], cosines: int) -> float:
    """Return the variance of the mean of a series (N,) from its slowest K cosines.

    With c_j = √(2/N) Σ_t x_t cos(π j (t + ½) / N), the mean of c_j² over j = 1 … K is N times the variance of
    the mean (Lazarus et al. 2018).
    """
    transform = fft.dct(series - series.mean(), type=2, norm="ortho")[1 : cosines + 1]
    return float(np.mean(transform**2)) / len(series)


def covariance_between_ions(shares: ArrayLike) -> NDArray[np.float64]:
    """Return the covariance (L, L) of the mean numbers of ions in L regions, from the differences between ions.

    ``shares`` (I, L) is the share of the time that each ion of the species spends in each region. The ions are
    exchangeable: a priori each could have had the share of any other. With fewer than two ions it is zero.
    """
    table = np.asarray(shares, dtype=np.float64)
    if len(table) < 2:
        return np.zeros((table.shape[1], table.shape[1]))
    return len(table) * np.atleast_2d(np.cov(table, rowvar=False))


def _half_width(series: NDArray[np.float64], cosines: int, level: float) -> tuple[float, float]:
    """Return the standard error of the mean and half the width of its interval, from the slowest cosines.

    A series that happens to be symmetric has little of the slowest cosine, so that both are at least the standard
    error of N independent samples.
    """
    error = float(np.sqrt(slow_variance(series, cosines)))
    independent = float(series.std(ddof=1) / np.sqrt(len(series)))
    half_width = error * float(stats.t.ppf((1 + level) / 2, cosines))
    return max(error, independent), max(half_width, independent)


def _error_between_ions(shares: NDArray[np.float64]) -> tuple[float, float]:
    """Return the standard error √(n var(m_i)) of the mean number, and the degrees of freedom of its square.

    They are 2 / (relative variance of the sample variance), with Var(s²) = (μ₄ − μ₂² (n − 3) / (n − 1)) / n
    (Cramér, Mathematical Methods of Statistics, 1946, 27.4), and between 1 and n − 1. Where few of many ions
    visit a region, their shares are skewed and the degrees of freedom few.
    """
    ions, deviations = len(shares), shares - shares.mean()
    second, fourth = float(np.mean(deviations**2)), float(np.mean(deviations**4))
    if second <= _ROUNDING**2:
        return 0.0, max(ions - 1.0, 1.0)
    relative = (fourth / second**2 - (ions - 3) / (ions - 1)) / ions * ((ions - 1) / ions) ** 2
    freedom = 2 / max(relative, 2 / (ions - 1))
    return float(np.sqrt(covariance_between_ions(shares[:, None])[0, 0])), max(freedom, 1.0)
