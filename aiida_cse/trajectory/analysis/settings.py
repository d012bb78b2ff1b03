"""What an analysis is told: what to leave out, how to count, and the criteria of the verdict."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aiida_cse.physics.transitions import Rule
from aiida_cse.validation import Number, StrictModel, Whole

__all__ = ["AnalysisSettings"]

Fraction = Annotated[Number, Field(gt=0, lt=1)]


class AnalysisSettings(StrictModel):
    """How a state is analysed.

    Attributes
    ----------
    start_ns
        Time from the first frame of the state that is left out, rounded up to a whole block.
    rule
        The rule whose transitions the verdict is about.
    minimum_excess
        Entries also count under a condition: that at the look before, the ceramic held at least this many more
        ions than the slab started with. None for no condition.
    lam
        λ of the equilibration coefficient.
    minimum_coefficient, minimum_lower_bound, bound_level, significance
        The criteria of the verdict; see :func:`~aiida_cse.physics.equilibration.equilibration_verdict`.
    level
        Level of the intervals and bounds of populations, rates and free energies.
    """

    start_ns: Number = Field(default=0.0, ge=0)
    rule: Rule = "snapshot"
    minimum_excess: Annotated[Whole, Field(ge=-1_000_000, le=1_000_000)] | None = None
    lam: Number = Field(default=10.0, gt=0)
    minimum_coefficient: Number = Field(default=0.5, ge=0, lt=1)
    minimum_lower_bound: Number = Field(default=0.25, ge=0, lt=1)
    bound_level: Fraction = 0.975
    significance: Fraction = 0.05
    level: Fraction = 0.95
