"""Rows of the table: a number, its interval and its target range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from aiida_cse.physics.statistics.timeseries import populations

__all__ = ["HEADER", "LEVEL", "Estimate", "Row", "block_average", "time_average"]

#: level of all intervals
LEVEL = 0.95
_NAME = 66
HEADER = (
    f"{'quantity':<{_NAME}} {'atoms':>6} {'length':>8} {'seed':>5} {'value':>11} "
    f"{'interval (95 %)':>21} {'target':>17} unit"
)


@dataclass(frozen=True)
class Estimate:
    """A number with its two-sided interval; without one if the number is not an average."""

    value: float
    interval: tuple[float, float] | None = None

    @property
    def error(self) -> float:
        """Half the width of the interval, 0 without one."""
        return 0.0 if self.interval is None else (self.interval[1] - self.interval[0]) / 2


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes
    ----------
    quantity
        The quantity and its system.
    atoms, length_ps, seed
        The size of the system, the time averaged, and the seed of the run, None for several.
    estimate
        The number, in ``unit``.
    target
        The range that it must lie in; None without a requirement.
    """

    quantity: str
    atoms: int
    length_ps: float
    seed: int | None
    estimate: Estimate
    target: tuple[float, float] | None
    unit: str

    @property
    def holds(self) -> bool:
        """Whether the number lies in its target range."""
        return self.target is None or self.target[0] <= self.estimate.value <= self.target[1]

    def __str__(self) -> str:
        limits = self.estimate.interval
        interval = "" if limits is None else " to ".join(f"{limit:.5g}" for limit in limits)
        target = "" if self.target is None else " to ".join(f"{limit:.4g}" for limit in self.target)
        seed = "" if self.seed is None else str(self.seed)
        verdict = "" if self.target is None else "  holds" if self.holds else "  FAILS"
        return (
            f"{self.quantity:<{_NAME}} {self.atoms:>6} {self.length_ps:>5g} ps {seed:>5} "
            f"{self.estimate.value:>11.5g} {interval:>21} {target:>17} {self.unit}{verdict}"
        )


def time_average(series: ArrayLike) -> Estimate:
    """Return the mean of a stationary series with an interval from its slowest fluctuations."""
    found = populations(series, level=LEVEL)["count"]
    return Estimate(found.mean, None if np.isnan(found.interval[0]) else found.interval)


def block_average(values: ArrayLike) -> Estimate:
    """Return the mean of independent values (blocks, seeds) with Student's interval."""
    numbers = np.asarray(values, dtype=np.float64)
    mean = float(numbers.mean())
    if len(numbers) < 2:
        return Estimate(mean)
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(numbers) - 1) * stats.sem(numbers))
    return Estimate(mean, (mean - half, mean + half))
