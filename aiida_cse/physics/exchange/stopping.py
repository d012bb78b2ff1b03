"""The stop rule of a production: the schedule of its looks and the decision after each.

Repeated testing inflates the false-positive rate. Looks are therefore few, scheduled before the run, and
increasingly spaced, and a verdict may have to be confirmed at later looks. How often a rule stops a run too early,
and the time that it saves, is measured by ``python -m benchmarks.statistics.stopping``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from aiida_cse.physics.statistics import arguments
from aiida_cse.schema import Number, StrictModel, Whole

__all__ = ["Decision", "StopRule", "verdicts_under"]

#: share of a segment by which a time may miss a multiple of it: rounding of floats
_ROUNDING = 1e-6
#: most looks of one run; more indicate a mistake in the unit of a time
_MOST_LOOKS = 10_000


class Decision(Enum):
    """Consequence of the verdicts so far; the values are stored in checkpoints."""

    EQUILIBRATED = "equilibrated"
    CONTINUE = "go on"
    BUDGET_SPENT = "budget spent"


class StopRule(StrictModel):
    """Rule for the end of a production, with the times of its looks.

    The length of a production with the rule ``equilibrated`` is a budget: the run ends after ``confirmations``
    consecutive positive verdicts, or not equilibrated at its length. With ``fixed`` it always runs to its length.
    A look is a scheduled time at which the exchange is judged. All looks but the last are ends of segments. The
    last is at the length of the production; without ``first_look_ns`` it is the only one.

    Attributes
    ----------
    rule
        ``fixed`` or ``equilibrated``, which needs ``first_look_ns``.
    first_look_ns
        Time of the first look.
    growth
        Ratio of the times of successive looks. The number of looks then grows only logarithmically with the run
        length; 1 looks after each segment.
    confirmations
        Number of consecutive positive verdicts that end a run. If fewer looks are planned, all must be positive.
    """

    rule: Literal["fixed", "equilibrated"] = "fixed"
    first_look_ns: Annotated[Number, Field(gt=0, le=1e6)] | None = None
    growth: Number = Field(default=1.25, ge=1, le=100)
    confirmations: Whole = Field(default=1, ge=1, le=100)

    @model_validator(mode="after")
    def _has_looks(self) -> StopRule:
        if self.rule == "equilibrated" and self.first_look_ns is None:
            raise ValueError("rule = equilibrated: needs first_look_ns, the time of the first look")
        return self

    def look_times(self, budget: float, segment: float) -> tuple[float, ...]:
        """Return the times of the looks, ns: ascending multiples of ``segment``, then ``budget``.

        Parameters
        ----------
        budget
            Length of the run, ns.
        segment
            Length of a segment, ns. The first look is rounded up to whole segments. Each further look is rounded
            to whole segments, at least one after the look before.

        Raises
        ------
        ValueError
            The budget or the segment is not a finite number above zero, or there would be more than 10,000 looks.
        """
        arguments.number("budget", budget, above=0)
        arguments.number("segment", segment, above=0)
        if self.first_look_ns is None:
            return (budget,)
        number = max(1, math.ceil(self.first_look_ns / segment - _ROUNDING))
        looks: list[float] = []
        while number * segment < budget - _ROUNDING * segment:
            looks.append(number * segment)
            if len(looks) >= _MOST_LOOKS:
                raise ValueError(
                    f"growth = {self.growth:g}: more than {_MOST_LOOKS} looks at segments of {segment:g} ns until "
                    f"{budget:g} ns; a larger growth or longer segments"
                )
            number = max(number + 1, round(number * self.growth))
        return (*looks, budget)

    def decide(self, verdicts: Sequence[bool], looks: int) -> Decision:
        """Return the decision after the verdicts so far, of ``looks`` planned.

        Raises
        ------
        ValueError
            A verdict is neither true nor false, ``looks`` is not a whole number of at least 1, or there are more
            verdicts than looks.
        """
        arguments.count("looks", looks, least=1)
        for place, verdict in enumerate(verdicts):
            if verdict not in (True, False):
                raise ValueError(f"verdicts[{place}] = {verdict!r}: neither true nor false")
        if len(verdicts) > looks:
            raise ValueError(f"verdicts has {len(verdicts)} values, with {looks} looks there are at most as many")
        needed = min(self.confirmations, looks)
        if self.rule == "equilibrated" and len(verdicts) >= needed and all(verdicts[-needed:]):
            return Decision.EQUILIBRATED
        return Decision.BUDGET_SPENT if len(verdicts) == looks else Decision.CONTINUE


def verdicts_under(criteria: Mapping[str, Any], looks: Iterable[Mapping[str, Any]]) -> list[bool]:
    """Return the verdicts of those recorded looks that were judged by these criteria."""
    return [bool(look["equilibrated"]) for look in looks if look["criteria"] == criteria]
