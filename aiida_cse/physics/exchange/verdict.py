"""The verdict on an exchange of ions: the data, the criteria, and the decision with its reasons.

Each criterion is one function of :class:`ExchangeData` and :class:`Criteria`, listed in :data:`CRITERIA`. To add a
criterion, write its function, list it, and give its threshold a field of :class:`Criteria`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from aiida_cse.physics.exchange.equilibration import (
    equilibration_coefficient,
    equilibration_lower_bound,
    net_flux_test,
)
from aiida_cse.physics.exchange.relaxation import FEWEST_TIMES, RemainingDeviation, remaining_deviation
from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.arguments import LARGEST_COUNT, SUMMABLE
from aiida_cse.physics.statistics.dispersion import dispersion
from aiida_cse.physics.statistics.timeseries import drift_test
from aiida_cse.schema import Number, StrictModel

__all__ = [
    "CRITERIA",
    "Criteria",
    "CriterionResult",
    "EquilibrationVerdict",
    "ExchangeData",
    "equilibration_verdict",
]

Fraction = Annotated[Number, Field(gt=0, lt=1)]
#: blocks of the test of the net flux, and frames of the test of the drift
_FEWEST_BLOCKS, _FEWEST_FRAMES = 2, 4


class Criteria(StrictModel):
    """The thresholds of the verdict.

    Attributes
    ----------
    lam
        λ of the equilibration coefficient.
    minimum_coefficient
        Smallest equilibration coefficient.
    minimum_lower_bound
        Smallest one-sided lower bound of the equilibration coefficient.
    bound_level
        Level of this lower bound.
    significance
        Smallest p-value at which a net flux or a drift is compatible with zero.
    tested_share
        Share of the blocks and frames, at the end, in which net flux and drift are tested. The approach to
        equilibrium before it is left out.
    maximum_remaining
        Largest upper bound of the deviation that remains from the start, in standard deviations. None leaves the
        criterion out, as in the published study.
    remaining_level
        Level of this upper bound.
    """

    lam: Number = Field(default=10.0, gt=0)
    minimum_coefficient: Number = Field(default=0.5, ge=0, lt=1)
    minimum_lower_bound: Number = Field(default=0.25, ge=0, lt=1)
    bound_level: Fraction = 0.975
    significance: Fraction = 0.05
    tested_share: Annotated[Number, Field(gt=0, le=1)] = 0.5
    maximum_remaining: Annotated[Number, Field(gt=0, le=1000)] | None = 1.0
    remaining_level: Fraction = 0.9975


@dataclass(frozen=True)
class ExchangeData:
    """Exchange of one species with a region over the time that is judged.

    Attributes
    ----------
    entries, exits
        Numbers of events, S_AB and S_BA.
    net_fluxes
        (B,) entries minus exits per block of time; without them the net flux is not judged.
    population
        (N,) number of ions in the region over time; without it the drift is not judged.
    block_counts, ion_counts
        (B, 2) and (I, 2) entries and exits per block of equal length and per ion. They show bursts; without them
        events count as independent. Blocks show times at which many ions cross. Ions show bursts of any length of
        single ions, and should include those that never crossed; permanent differences between ions look like
        bursts too and lower the bound.
    members
        (F, I) whether each ion is in the region at equally spaced times; without it the deviation that remains
        from the start is not judged.

    Raises
    ------
    ValueError
        A count is no whole number of at least zero, an array has the wrong shape or a value that is not finite,
        or the counts per block or ion do not sum to ``entries`` and ``exits``.
    """

    entries: int
    exits: int
    net_fluxes: ArrayLike | None = None
    population: ArrayLike | None = None
    block_counts: ArrayLike | None = None
    ion_counts: ArrayLike | None = None
    members: ArrayLike | None = None

    def __post_init__(self) -> None:
        totals = arguments.count("entries", self.entries), arguments.count("exits", self.exits)
        checked: dict[str, object] = {"entries": totals[0], "exits": totals[1]}
        for name in ("net_fluxes", "population"):
            if (series := getattr(self, name)) is not None:
                checked[name] = arguments.array(name, series, ndim=1, least=-SUMMABLE, most=SUMMABLE)
        for name in ("block_counts", "ion_counts"):
            if (counts := getattr(self, name)) is None:
                continue
            table = arguments.array(name, counts, ndim=2, length=1, least=0, most=LARGEST_COUNT, whole=True)
            if table.shape[1] != 2:
                raise ValueError(f"{name} has {table.shape[1]} columns: must have 2, entries and exits")
            entries, exits = table.sum(axis=0).astype(int).tolist()
            if (entries, exits) != totals:
                raise ValueError(
                    f"{name} sums to {entries} entries and {exits} exits: must sum to {totals[0]} and {totals[1]}"
                )
            checked[name] = table
        if self.members is not None:
            checked["members"] = arguments.array("members", self.members, ndim=2, least=0, most=1, whole=True)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @cached_property
    def burst_index(self) -> float:
        """Number of events that carry the information of one, at least 1: the larger one of entries and exits."""
        ions, blocks = (
            (None, None) if table is None else np.asarray(table).T
            for table in (self.ion_counts, self.block_counts)
        )
        return max(dispersion(*counts) for counts in zip(ions, blocks, strict=True))

    def coefficient(self, criteria: Criteria) -> float:
        """Return the equilibration coefficient."""
        return equilibration_coefficient(self.entries, self.exits, criteria.lam)

    def lower_bound(self, criteria: Criteria) -> float:
        """Return the one-sided lower bound of the equilibration coefficient."""
        return equilibration_lower_bound(
            self.entries, self.exits, criteria.bound_level, criteria.lam, burst_index=self.burst_index
        )

    def remaining(self, criteria: Criteria) -> RemainingDeviation | None:
        """Return the deviation that remains from the start; None if its criterion is left out or lacks data."""
        if criteria.maximum_remaining is None or self.members is None:
            return None
        times, ions = np.shape(self.members)
        if times < FEWEST_TIMES or not ions:
            return None
        return remaining_deviation(self.members, criteria.remaining_level)


@dataclass(frozen=True)
class CriterionResult:
    """Outcome of one criterion: the decision, and the statement of its numbers and its threshold."""

    passed: bool
    reason: str


@dataclass(frozen=True)
class EquilibrationVerdict:
    """A decision, and for each criterion a statement with its numbers.

    Attributes
    ----------
    equilibrated
        Whether all criteria hold.
    coefficient, lower_bound
        The equilibration coefficient and its one-sided lower bound.
    burst_index
        Number of events that counted as one in the bound, 1 for independent events.
    reasons
        One statement per criterion.
    remaining
        The deviation that remains from the start; None where it was not judged.
    """

    equilibrated: bool
    coefficient: float
    lower_bound: float
    burst_index: float
    reasons: tuple[str, ...]
    remaining: RemainingDeviation | None = None


def equilibration_verdict(data: ExchangeData, criteria: Criteria) -> EquilibrationVerdict:
    """Decide whether the exchange of ions shows that their distribution has equilibrated.

    Criteria without data are left out.
    """
    results = [result for criterion in CRITERIA if (result := criterion(data, criteria)) is not None]
    return EquilibrationVerdict(
        equilibrated=all(result.passed for result in results),
        coefficient=data.coefficient(criteria),
        lower_bound=data.lower_bound(criteria),
        burst_index=data.burst_index,
        reasons=tuple(result.reason for result in results),
        remaining=data.remaining(criteria),
    )


# -- criteria ------------------------------------------------------------------------------------------------


def _coefficient(data: ExchangeData, criteria: Criteria) -> CriterionResult:
    """Require the minimum of EC."""
    coefficient, least = data.coefficient(criteria), criteria.minimum_coefficient
    result = _result(coefficient >= least, f"EC {coefficient:.3f}", f"≥ {least:g}")
    return CriterionResult(result.passed, f"{result.reason}: {data.entries} in, {data.exits} out")


def _lower_bound(data: ExchangeData, criteria: Criteria) -> CriterionResult:
    """Require the minimum of the lower bound of EC."""
    bound, least = data.lower_bound(criteria), criteria.minimum_lower_bound
    result = _result(
        bound >= least, f"lower {100 * criteria.bound_level:g} % bound of EC {bound:.3f}", f"≥ {least:g}"
    )
    bursts = f": bursts of about {data.burst_index:.2g} events" if data.burst_index > 1 else ""
    return CriterionResult(result.passed, result.reason + bursts)


def _net_flux(data: ExchangeData, criteria: Criteria) -> CriterionResult | None:
    """Require a net flux per block that is compatible with zero."""
    if data.net_fluxes is None:
        return None
    flux = _end_of(data.net_fluxes, criteria.tested_share)
    if len(flux) < _FEWEST_BLOCKS:
        return _result(False, f"net flux of {len(flux)} block(s)", f"≥ {_FEWEST_BLOCKS} blocks")
    if data.entries == data.exits == 0:
        return _nothing_to_test("net flux: no events")
    test = net_flux_test(flux)
    what = f"net flux {test.mean:+.3g} ± {test.standard_error:.2g} ions per block over {test.blocks} blocks"
    return _compatible(what, test.p_value, criteria)


def _drift(data: ExchangeData, criteria: Criteria) -> CriterionResult | None:
    """Require a number of ions in the region without a trend."""
    if data.population is None:
        return None
    series = _end_of(data.population, criteria.tested_share)
    if len(series) < _FEWEST_FRAMES:
        return _result(False, f"drift of {len(series)} frame(s)", f"≥ {_FEWEST_FRAMES} frames")
    if np.ptp(series) == 0:
        return _nothing_to_test("drift: the number of ions never changed")
    test = drift_test(series)
    change, error = test.slope * len(series), test.standard_error * len(series)
    return _compatible(f"drift {change:+.3g} ± {error:.2g} ions over the time tested", test.p_value, criteria)


def _remaining(data: ExchangeData, criteria: Criteria) -> CriterionResult | None:
    """Require that little remains of the deviation at the start."""
    if data.members is None or criteria.maximum_remaining is None:
        return None
    found = data.remaining(criteria)
    if found is None:
        times, ions = np.shape(data.members)
        what = f"deviation remaining from the start, of {times} time(s) and {ions} ion(s)"
        return _result(False, what, f"≥ {FEWEST_TIMES} times and 1 ion")
    result = _result(
        found.upper_bound <= criteria.maximum_remaining,
        f"deviation remaining from the start {found.median:.2g} σ, upper "
        f"{100 * criteria.remaining_level:g} % bound {float(format(found.upper_bound, '.2g')):g} σ",
        f"≤ {criteria.maximum_remaining:g}",
    )
    return CriterionResult(result.passed, f"{result.reason}: {found.relaxation_times:.2g} relaxation times")


#: the criteria in the order of their statements
CRITERIA: Final[tuple[Callable[[ExchangeData, Criteria], CriterionResult | None], ...]] = (
    _coefficient,
    _lower_bound,
    _net_flux,
    _drift,
    _remaining,
)


def _result(passed: bool, what: str, threshold: str) -> CriterionResult:
    mark, needs = ("✓", "") if passed else ("✗", "needs ")
    return CriterionResult(passed, f"{mark} {what} ({needs}{threshold})")


def _nothing_to_test(what: str) -> CriterionResult:
    return CriterionResult(passed=True, reason=f"– {what}, nothing to test")


def _compatible(what: str, p_value: float, criteria: Criteria) -> CriterionResult:
    return _result(p_value >= criteria.significance, f"{what}, p = {p_value:.2g}", f"≥ {criteria.significance:g}")


def _end_of(values: ArrayLike, share: float) -> NDArray[np.float64]:
    """Return the last part of a series, rounded up to whole values."""
    series = np.asarray(values, dtype=np.float64)
    return series[int(len(series) * (1 - share)) :]
