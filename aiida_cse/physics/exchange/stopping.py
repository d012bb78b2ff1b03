"""When to look at a run that goes on until its ions have equilibrated, and when to stop it.

Who looks often stops at a chance: each look is one more opportunity for a verdict that is wrong. So the looks
are fixed before the run starts, they are few, for they lie ever farther apart, and a verdict may have to be
confirmed at the looks after it. How often such a rule stops a run too early, and what it saves, is measured by
``python -m benchmarks.statistics.stopping``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from aiida_cse.physics.statistics import arguments as checks

__all__ = ["Decision", "StopRule", "decide", "look_times"]

#: share of a step by which a time may miss a multiple of it: rounding of floats
_ROUNDING = 1e-6
#: looks of one run at most; more are no plan but a mistake in the unit of a time
_MOST_LOOKS = 10_000


class Decision(Enum):
    """What follows from the verdicts so far."""

    EQUILIBRATED = "equilibrated"
    GO_ON = "go on"
    BUDGET_SPENT = "budget spent"


@dataclass(frozen=True)
class StopRule:
    """When one looks, and how many verdicts in a row stop the run.

    Attributes
    ----------
    first
        Time of the first look, in any unit.
    growth
        Ratio of the times of successive looks, at least 1; 1 looks after each segment.
    confirmations
        Verdicts in a row that must say "equilibrated", at least 1; 1 stops at the first.

    Raises
    ------
    ValueError
        One of them is out of its range.
    """

    first: float
    growth: float = 1.25
    confirmations: int = 1

    def __post_init__(self) -> None:
        checks.positive("first", self.first)
        checks.at_least("growth", self.growth, 1)
        checks.count("confirmations", self.confirmations, least=1)

    def look_times(self, budget: float, step: float) -> tuple[float, ...]:
        """Return the times of all looks; see :func:`look_times`."""
        return look_times(self.first, self.growth, budget, step)

    def decide(self, verdicts: Sequence[bool], looks: int) -> Decision:
        """Return what follows from the verdicts so far, of ``looks`` planned; see :func:`decide`."""
        return decide(verdicts, looks, self.confirmations)


def look_times(first: float, growth: float, budget: float, step: float) -> tuple[float, ...]:
    """Return when to look: ascending multiples of ``step``, the last of them the budget itself.

    Parameters
    ----------
    first
        Time of the first look, rounded up to a whole number of steps.
    growth
        Each look comes so many times later than the one before, rounded to whole steps, by one step at least.
    budget
        Time of the last look, whether it is a multiple of ``step`` or not; the only one if ``first`` is later.
    step
        Length of a segment. All times are in the same unit.

    Raises
    ------
    ValueError
        A time is not above zero, ``growth`` is below 1, or there would be more than 10,000 looks.
    """
    segment = checks.positive("step", step)
    end = checks.positive("budget", budget)
    factor = checks.at_least("growth", growth, 1)
    number = _segments(checks.positive("first", first), segment)
    looks: list[float] = []
    while number * segment < end - _ROUNDING * segment:
        looks.append(number * segment)
        if len(looks) >= _MOST_LOOKS:
            raise ValueError(
                f"step is {step!r}, with first {first!r}, growth {growth!r} and budget {budget!r} it must be so "
                f"long that there are at most {_MOST_LOOKS} looks"
            )
        number = max(number + 1, round(number * factor))
    return (*looks, end)


def decide(verdicts: Sequence[bool], looks: int, confirmations: int = 1) -> Decision:
    """Return what follows from the verdicts so far.

    Parameters
    ----------
    verdicts
        Whether each look so far said "equilibrated", in the order of time.
    looks
        How many looks are planned in all.
    confirmations
        How many verdicts in a row, up to the last, must say so; all of them where fewer looks are planned.

    Raises
    ------
    ValueError
        A verdict is neither true nor false, there are more verdicts than looks, or a number is no whole number of
        at least 1.
    """
    planned = checks.count("looks", looks, least=1)
    needed = min(checks.count("confirmations", confirmations, least=1), planned)
    for place, verdict in enumerate(verdicts):
        if verdict not in (True, False):
            raise ValueError(f"verdicts[{place}] is {verdict!r}, it must be true or false")
    if len(verdicts) > planned:
        raise ValueError(f"verdicts has {len(verdicts)} values, with {planned} looks there are at most as many")
    if len(verdicts) >= needed and all(verdicts[-needed:]):
        return Decision.EQUILIBRATED
    return Decision.BUDGET_SPENT if len(verdicts) == planned else Decision.GO_ON


def _segments(time: float, segment: float) -> int:
    """Return the smallest number of segments that takes up ``time``, but for rounding."""
    return max(1, math.ceil(time / segment - _ROUNDING))
