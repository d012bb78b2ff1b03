"""When one looks at a production, and whether it may end there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from aiida_cse.physics.exchange.stopping import Decision, decide
from aiida_cse.schema import Number, StrictModel, Whole

__all__ = ["Stop"]


class Stop(StrictModel):
    """When a production ends, and when one looks at it before that.

    With the rule ``fixed`` it ends at its length, whatever the looks say. With ``equilibrated`` its length is a
    budget: it ends at the look where the verdict has said "equilibrated" so many times in a row as
    ``confirmations`` asks for, or, not equilibrated, at its length. The first look is at ``first_look_ns``, each
    other ``growth`` × as late as the one before, all at ends of segments, and the last at the length. Without a
    first look that is the only one.
    """

    rule: Literal["fixed", "equilibrated"] = "fixed"
    first_look_ns: Annotated[Number, Field(gt=0, le=1e6)] | None = None
    growth: Number = Field(default=1.25, ge=1, le=100)
    confirmations: Whole = Field(default=1, ge=1, le=100)

    @model_validator(mode="after")
    def _has_looks(self) -> Stop:
        if self.rule == "equilibrated" and self.first_look_ns is None:
            raise ValueError("rule: equilibrated needs first_look_ns, when to look for the first time")
        return self

    def decide(self, verdicts: Sequence[bool], looks: int) -> Decision:
        """Return what follows from the verdicts so far, of ``looks`` planned.

        See :func:`~aiida_cse.physics.exchange.stopping.decide`.
        """
        if self.rule == "equilibrated":
            return decide(verdicts, looks, self.confirmations)
        return Decision.BUDGET_SPENT if len(verdicts) == looks else Decision.GO_ON
