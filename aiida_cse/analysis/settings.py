"""Settings of an analysis: time range, resolution, regions, counting rule, and criteria of the verdict."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from aiida_cse.physics.exchange.transitions import Rule
from aiida_cse.physics.exchange.verdict import Criteria, Fraction
from aiida_cse.schema import Name, Number, Whole

__all__ = ["BOTH_SIDES", "AnalysisSettings"]

Duration = Annotated[Number, Field(gt=0, le=1e9)]
#: two distances from the mid-plane, or four positions from LEFT to RIGHT, Å
Boundaries = Annotated[tuple[Number, ...], Field(min_length=2, max_length=4)]
#: number of values in either form
BOTH_SIDES, EACH_SIDE = 2, 4


class AnalysisSettings(Criteria):
    """Analysis of a reduction: time range, resolution, regions and counting rule, and criteria of its verdict.

    Range, resolution and boundaries may differ from those of the reduction as far as the state resolves them.

    Attributes
    ----------
    start_ns
        Start of the analysis, from the first frame of the state, rounded up to a whole block.
    end_ns
        End of the analysis, from the first frame of the state, rounded down to a whole block. None for all frames.
        Displacements belong to the time at which they begin.
    bins
        Number of bins along z, each a whole number of bins of the reduction. None keeps the bins of the reduction,
        and a stream of the atom types with bins of its own always keeps them.
    block_ps
        Length of the blocks of time, a multiple of that of the reduction. None keeps that of the reduction.
    snapshot_ps
        Time between the snapshots, a multiple of that of the reduction. None keeps that of the reduction.
    lags_ps
        Lags of the displacements, chosen from those of the reduction. None for all of them.
    boundaries
        Other boundaries of the regions, by the name of the ion, in Å from the mid-plane of the slab: two
        distances, of the ceramic's boundary and of the outer boundary of the first layers, or the four positions
        from LEFT to RIGHT. They must lie on edges of the bins of the reduction, to 0.005 Å. Such ions are counted
        in the snapshots, under the rule ``snapshot``. An ion without an entry keeps the boundaries of the
        reduction.
    rule
        Counting rule of the transitions on which the verdict rests.
    minimum_excess
        Condition under which entries are counted separately: at the look before, the number of ions in the ceramic
        must exceed the number that the slab started with by at least this. None for no condition.
    level
        Level of the intervals and bounds of populations, rates and free energies.
    """

    start_ns: Number = Field(default=0.0, ge=0)
    end_ns: Duration | None = None
    bins: Annotated[Whole, Field(ge=1)] | None = None
    block_ps: Duration | None = None
    snapshot_ps: Duration | None = None
    lags_ps: Annotated[tuple[Duration, ...], Field(min_length=1)] | None = None
    boundaries: dict[Name, Boundaries] = Field(default_factory=dict)
    rule: Rule = "snapshot"
    minimum_excess: Annotated[Whole, Field(ge=-1_000_000, le=1_000_000)] | None = None
    level: Fraction = 0.95

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.lags_ps is not None and list(self.lags_ps) != sorted(set(self.lags_ps)):
            raise ValueError(f"lags_ps = {', '.join(f'{lag:g}' for lag in self.lags_ps)}: they must ascend")
        for name, places in self.boundaries.items():
            given = f"boundaries.{name} = {', '.join(f'{place:g}' for place in places)}"
            if len(places) not in (BOTH_SIDES, EACH_SIDE):
                raise ValueError(f"{given}: give two distances for both sides, or four positions")
            if list(places) != sorted(set(places)):
                raise ValueError(f"{given}: they must ascend")
            if len(places) == BOTH_SIDES and places[0] <= 0:
                raise ValueError(f"{given}: distances from the mid-plane must be above 0")
        return self
