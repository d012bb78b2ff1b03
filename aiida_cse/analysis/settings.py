"""Settings of an analysis: time range, resolution, regions, counting rule, and criteria of the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Discriminator, Field, Tag, model_validator
from typing_extensions import Self

from aiida_cse.physics.exchange.transitions import Rule
from aiida_cse.physics.exchange.verdict import Criteria, Fraction
from aiida_cse.schema import Name, Number, StrictModel, Whole

__all__ = ["BOTH_SIDES", "AnalysisSettings", "DisplacementRanges", "single", "with_complete_criteria"]

Kelvin = Annotated[Number, Field(gt=0, le=5000)]
Duration = Annotated[Number, Field(gt=0, le=1e9)]
Time = Annotated[Number, Field(ge=0, le=1e9)]
Ions = Annotated[Whole, Field(ge=-1_000_000, le=1_000_000)]
#: two distances from the mid-plane, or four positions from LEFT to RIGHT, Å
Boundaries = Annotated[tuple[Number, ...], Field(min_length=2, max_length=4)]
#: number of values in either form
BOTH_SIDES, EACH_SIDE = 2, 4
#: settings that may differ by temperature
_PER_TEMPERATURE = ("last_ns", "minimum_excess", "condition_last_ns")

Value = TypeVar("Value")


_FORM = Discriminator(lambda value: "pairs" if isinstance(value, (list, tuple)) else "value")
#: one value, or pairs of a temperature (K) and the value there; the tag restricts messages to the given form
PerTemperature = Annotated[
    Annotated[Value | None, Tag("value")] | Annotated[tuple[tuple[Kelvin, Value], ...], Tag("pairs")],
    _FORM,
]
#: the last so many ns, or from one time to another, ns
Range = Annotated[Annotated[Duration | None, Tag("value")] | Annotated[tuple[Time, Duration], Tag("pairs")], _FORM]


class DisplacementRanges(StrictModel):
    """Ranges of time in which the displacements of the cation and the anion begin.

    Each is a number, the last so many ns before the end of the analysis, or two times from the first frame, ns;
    ``start_ns`` and ``last_ns`` of the analysis do not limit them. None for the time that is analysed.
    """

    cation: Range = None
    anion: Range = None

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        for name in type(self).model_fields:
            given = getattr(self, name)
            if isinstance(given, tuple) and given[0] >= given[1]:
                raise ValueError(f"{name} = {given[0]:g}, {given[1]:g}: the first time must be below the second")
        return self


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
    last_ns
        The analysis begins at most this long before its end, and not before ``start_ns``. None for no such limit.
        This, ``minimum_excess`` and ``condition_last_ns`` are one value, or pairs of a temperature (K) and the
        value there, with None at other temperatures.
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
        must exceed the number that the slab started with by at least this. None for no condition. It changes no
        verdict.
    condition_last_ns
        These entries count only in the last so many ns of the analysis. None for all of it.
    displacement_ns
        Ranges of the displacements, by ``cation`` and ``anion``, see :class:`DisplacementRanges`.
    charge_direction
        Sense of the charge integral of RIGHT. ``along-z``: both sides integrate towards larger z, so that RIGHT is
        minus the charge between z and its end of the box. ``inward``: both integrate from their end of the box
        towards the slab, so that RIGHT can be laid over LEFT.
    level
        Level of the intervals and bounds of populations, rates and free energies.
    """

    start_ns: Number = Field(default=0.0, ge=0)
    end_ns: Duration | None = None
    last_ns: PerTemperature[Duration] = None
    bins: Annotated[Whole, Field(ge=1)] | None = None
    block_ps: Duration | None = None
    snapshot_ps: Duration | None = None
    lags_ps: Annotated[tuple[Duration, ...], Field(min_length=1)] | None = None
    boundaries: dict[Name, Boundaries] = Field(default_factory=dict)
    rule: Rule = "snapshot"
    minimum_excess: PerTemperature[Ions] = None
    condition_last_ns: PerTemperature[Duration] = None
    displacement_ns: DisplacementRanges = DisplacementRanges()
    charge_direction: Literal["along-z", "inward"] = "along-z"
    level: Fraction = 0.95

    def at(self, temperature: float) -> Self:
        """Return the settings of a run at a temperature (K), with one value in the place of each list of pairs."""
        changes = {}
        for name in _PER_TEMPERATURE:
            given = getattr(self, name)
            if isinstance(given, tuple):
                changes[name] = {round(kelvin): value for kelvin, value in given}.get(round(temperature))
        return self.model_copy(update=changes)

    @model_validator(mode="after")
    def _check_lists(self) -> Self:
        for name in _PER_TEMPERATURE:
            given = getattr(self, name)
            kelvins = [round(kelvin) for kelvin, _ in given] if isinstance(given, tuple) else []
            if len(set(kelvins)) < len(kelvins):
                listed = ", ".join(map(str, kelvins))
                raise ValueError(f"{name} = {listed}: each temperature may occur once; they must differ by 1 K")
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


def single(given: Value | tuple[tuple[float, Value], ...] | None) -> Value | None:
    """Return a setting that may differ by temperature, of the settings of one run (:meth:`AnalysisSettings.at`).

    Raises
    ------
    ValueError
        The setting is still a list of pairs.
    """
    if isinstance(given, tuple):
        raise ValueError(f"{given}: are values at several temperatures; take the settings at one temperature")
    return given


def with_complete_criteria(verdicts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return stored verdicts with the defaults of those criteria that their version did not have."""
    return [
        {**verdict, "criteria": AnalysisSettings.model_validate(verdict["criteria"]).model_dump(mode="json")}
        for verdict in verdicts
    ]
