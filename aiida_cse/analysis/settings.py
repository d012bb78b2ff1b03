"""What an analysis is told: what to leave out, how to count, and the criteria of the verdict."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from aiida_cse.physics.exchange.transitions import Rule
from aiida_cse.physics.exchange.verdict import Criteria, Fraction
from aiida_cse.schema import Name, Number, Whole

__all__ = ["BOTH_SIDES", "AnalysisSettings"]

Duration = Annotated[Number, Field(gt=0, le=1e9)]
#: two distances from the mid-plane, or four places from LEFT to RIGHT, Å
Boundaries = Annotated[tuple[Number, ...], Field(min_length=2, max_length=4)]
#: how many numbers they are
BOTH_SIDES, EACH_SIDE = 2, 4


class AnalysisSettings(Criteria):
    """How a state is analysed, and the criteria of its verdict.

    Ranges, bins and boundaries may differ from those of the reduction where the state resolves them.

    Attributes
    ----------
    start_ns
        Time from the first frame of the state that is left out, rounded up to a whole block.
    end_ns
        Time from the first frame of the state from which on frames are left out, rounded down to a whole block.
        None for all frames. Displacements count where they begin.
    bins
        Number of bins along z, of which each is a whole number of the bins of the reduction. None for those.
    block_ps
        Length of the blocks of time, a multiple of that of the reduction. None for that.
    snapshot_ps
        Time between the snapshots, a multiple of that of the reduction. None for that.
    lags_ps
        The lags of the displacements, of those of the reduction. None for all of them.
    boundaries
        Other boundaries of the regions, by the name of the ion, in Å from the mid-plane of the slab: two
        distances, of the ceramic's boundary and of the outer one of the first layers, or the four places from
        LEFT to RIGHT. They must lie on edges of the bins of the reduction, to 0.005 Å. Such ions are counted in
        the snapshots, under the rule ``snapshot``. Without an entry they are those of the reduction.
    rule
        The rule whose transitions the verdict is about.
    minimum_excess
        Entries also count under a condition: that at the look before, the ceramic held at least this many more
        ions than the slab started with. None for no condition.
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
    def _check_lags(self) -> Self:
        if self.lags_ps is not None and list(self.lags_ps) != sorted(set(self.lags_ps)):
            msg = f"lags_ps are {', '.join(f'{lag:g}' for lag in self.lags_ps)}, they must ascend"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _check_boundaries(self) -> Self:
        for name, places in self.boundaries.items():
            given = ", ".join(f"{place:g}" for place in places)
            if len(places) not in (BOTH_SIDES, EACH_SIDE):
                msg = f"boundaries of {name} are {given}: give two distances for both sides or four places"
                raise ValueError(msg)
            if list(places) != sorted(set(places)):
                msg = f"boundaries of {name} are {given}, they must ascend"
                raise ValueError(msg)
            if len(places) == BOTH_SIDES and places[0] <= 0:
                msg = f"boundaries of {name} are {given}: distances from the mid-plane must be above 0"
                raise ValueError(msg)
        return self
