"""Rows of the table of coverage: the share of intervals that contain the true value, and its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["HEADER", "Case", "Row", "coverage_row"]

#: standard errors of a measured coverage by which it may miss its limits
_ALLOWANCE = 2.0
_NAME = 60
HEADER = f"{'row':<{_NAME}} {'experiments':>11} {'coverage':>15} {'nominal':>8} {'required':>13} {'margin':>7}"


@dataclass(frozen=True)
class Row:
    """Coverage in one kind of experiment.

    Attributes
    ----------
    name
        The quantity and the experiment.
    experiments, covered
        The number of experiments, and the number in which the interval contained the true value.
    nominal
        The nominal level.
    low, high
        Limits of the coverage, with an allowance for the finite number of experiments; 0 and 1 without a promise.
    note
        Additional information for the reader.
    """

    name: str
    experiments: int
    covered: int
    nominal: float
    low: float
    high: float
    note: str = ""

    @property
    def coverage(self) -> float:
        """Share of experiments whose interval contained the true value."""
        return self.covered / self.experiments

    @property
    def margin(self) -> float:
        """Distance of the coverage from its limits, including the allowance; negative outside."""
        below = self.coverage - self.low + self._noise(self.low) if self.low > 0 else np.inf
        above = self.high + self._noise(self.high) - self.coverage if self.high < 1 else np.inf
        return min(below, above)

    @property
    def promised(self) -> bool:
        """Whether there is a limit."""
        return self.low > 0 or self.high < 1

    @property
    def holds(self) -> bool:
        """Whether the coverage lies within its limits."""
        return not self.promised or self.margin >= 0

    def __str__(self) -> str:
        error = self._noise(self.coverage) / _ALLOWANCE
        measured = f"{100 * self.coverage:.2f} ± {100 * error:.2f}"
        margin = f"{100 * self.margin:+.2f}" if self.promised else ""
        verdict = "" if self.holds else "  FAILS"
        return (
            f"{self.name:<{_NAME}} {self.experiments:>11,} {measured:>15} {100 * self.nominal:>8g} "
            f"{self._limits:>13} {margin:>7}{verdict}"
        )

    @property
    def _limits(self) -> str:
        if not self.promised:
            return "no promise"
        if self.high == 1:
            return f"at least {100 * self.low:g}"
        return f"{100 * self.low:g} to {100 * self.high:g}" if self.low else f"at most {100 * self.high:g}"

    def _noise(self, coverage: float) -> float:
        return _ALLOWANCE * float(np.sqrt(coverage * (1 - coverage) / self.experiments))


@dataclass(frozen=True)
class Case:
    """A row to be measured: ``measure`` takes the number of experiments and a seed."""

    name: str
    measure: Callable[[int, np.random.SeedSequence], Row]


def coverage_row(
    name: str,
    held: list[bool],
    *,
    nominal: float,
    low: float,
    high: float = 1.0,
    note: str = "",
) -> Row:
    """Make a row from one truth value per experiment."""
    return Row(name, len(held), sum(held), nominal, low, high, note)
