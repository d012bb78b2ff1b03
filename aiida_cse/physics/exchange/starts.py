"""Judgement of several runs of one system that started with different numbers of ions in the slab.

A single run cannot show a process that is slower than itself and that no ion has undergone. Runs that start from
both sides of equilibrium can: where a process is slow, their numbers of ions stay apart. The slab is therefore
divided into layers of depth, and in each of them the runs must have started apart and must have met.

D is the difference between the mean numbers of the two runs that started farthest apart in a layer, after the
first third of each run. They have met if |D| is at most two standard errors, if |D| plus two standard errors is
below a third of the difference at the start, and if the potential scale reduction R̂ (Gelman and Rubin, Statist.
Sci. 7, 457 (1992)) of all runs is below 1.5. The usual limits of R̂, 1.1 or 1.2, reject most runs of a few
relaxation times.

The standard error is that between ions: of n exchangeable ions that spend the shares m_i of the time in a layer,
the mean number has the variance n Var(m_i), slow exchange included. Ions that move together make it too small. The
variance of the slowest cosines of N(t) (Lazarus et al., J. Bus. Econ. Stat. 36, 541 (2018)) replaces it where it
is significantly larger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy import stats

from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.timeseries import covariance_between_ions, slow_variance
from aiida_cse.schema import Number, StrictModel

__all__ = [
    "BOTH_SIDES",
    "NOT_EQUILIBRATED",
    "ONE_START",
    "LayerOutcome",
    "StartCriteria",
    "StartedRun",
    "StartsVerdict",
    "judge_starts",
    "one_start",
    "slowest_time",
]

Floats = NDArray[np.float64]
Status = Literal["met", "apart", "not tested"]

#: outcomes, which are stored
BOTH_SIDES: Final = "equilibrated from both sides"
ONE_START: Final = "equilibrated as far as one start can tell"
NOT_EQUILIBRATED: Final = "not equilibrated"

#: part of the time at the beginning of a run that is not judged
UNJUDGED: Final = 1 / 3
#: slow cosines of N(t) in each run, and level at which their variance counts as larger than that between ions
_COSINES, _LARGER = 4, 0.05
#: fewest times that are judged: a cosine needs a few times per period
_FEWEST_TIMES = 3 * _COSINES
#: level to which two standard errors belong
_TWO_SIDED = 0.975
#: relaxation times in which a deviation decays to 5 %
_DECAYED = 3.0
_MARKS: Final[Mapping[Status, str]] = {"met": "✓", "apart": "✗", "not tested": "–"}


class StartCriteria(StrictModel):
    """Thresholds of the judgement of runs with different starts.

    Attributes
    ----------
    minimum_gap
        Least difference at the start of the numbers of ions in the slab, in standard deviations of that number.
    minimum_layer_gap
        The same of the number in a layer.
    standard_errors
        Largest difference of the means, and the allowance for it, in standard errors.
    largest_share
        Largest share of the difference at the start that may remain.
    maximum_scale_reduction
        Largest potential scale reduction R̂.
    """

    minimum_gap: Annotated[Number, Field(gt=0, le=1000)] = 6.0
    minimum_layer_gap: Annotated[Number, Field(gt=0, le=1000)] = 3.0
    standard_errors: Annotated[Number, Field(gt=0, le=100)] = 2.0
    largest_share: Annotated[Number, Field(gt=0, lt=1)] = 1 / 3
    maximum_scale_reduction: Annotated[Number, Field(gt=1, le=100)] = 1.5


@dataclass(frozen=True)
class StartedRun:
    """One run, with its ions by layer of depth.

    Attributes
    ----------
    at_start
        (L,) number of ions in each layer when production begins.
    series
        (F, L) the same at equally spaced times of the part that is judged.
    covariance
        (L, L) covariance of the mean numbers in the layers, from the differences between the ions; see
        :func:`~aiida_cse.physics.statistics.timeseries.covariance_between_ions`.
    equilibrated
        The verdict of the run on its own; None if there is none.

    Raises
    ------
    ValueError
        The numbers of layers differ, there are fewer than 12 times, or a value is no number of ions or no
        variance.
    """

    at_start: ArrayLike
    series: ArrayLike
    covariance: ArrayLike
    equilibrated: bool | None = None

    def __post_init__(self) -> None:
        begun = arguments.array("at_start", self.at_start, ndim=1, least=0, most=arguments.LARGEST_COUNT)
        series = arguments.array("series", self.series, ndim=2, least=0, most=arguments.LARGEST_COUNT)
        most = arguments.LARGEST_COUNT
        covariance = arguments.array("covariance", self.covariance, ndim=2, least=-most, most=most)
        if not (len(begun), len(begun)) == (series.shape[1], len(covariance)) == covariance.shape:
            raise ValueError(
                f"at_start, series and covariance have the shapes {begun.shape}, {series.shape} and "
                f"{covariance.shape}; they must have one number of layers"
            )
        if (np.diag(covariance) < 0).any():
            raise ValueError("covariance has a negative variance; it must be at least 0")
        if len(series) < _FEWEST_TIMES:
            raise ValueError(f"series has {len(series)} times: at least {_FEWEST_TIMES} are needed")
        for name, value in (("at_start", begun), ("series", series), ("covariance", covariance)):
            object.__setattr__(self, name, value)

    @classmethod
    def from_layers(
        cls, places: ArrayLike, layers: int, *, judged_from: int | None = None, equilibrated: bool | None = None
    ) -> StartedRun:
        """Return a run from the layer of each ion at equally spaced times.

        Parameters
        ----------
        places
            (F, I) number of the layer, −1 for an ion outside of the slab; the first time is the start.
        layers
            Number of layers.
        judged_from
            First time that is judged; a third of the times are left out by default.
        equilibrated
            The verdict of the run on its own.
        """
        table = np.asarray(places)
        first = int(np.ceil(len(table) * UNJUDGED)) if judged_from is None else judged_from
        inside = np.stack([table == layer for layer in range(layers)], axis=2)
        return cls(
            at_start=inside[0].sum(axis=0),
            series=inside[first:].sum(axis=1),
            covariance=covariance_between_ions(inside[first:].mean(axis=0)),
            equilibrated=equilibrated,
        )

    def joined(self, groups: Sequence[Sequence[int]]) -> StartedRun:
        """Return the run with layers that each join a group of the layers of this one."""
        member = np.zeros((len(groups), np.shape(self.at_start)[0]))
        for row, group in enumerate(groups):
            member[row, list(group)] = 1
        covariance = member @ np.asarray(self.covariance) @ member.T
        # the variance of a constant sum of shares is 0, but for its rounding
        np.fill_diagonal(covariance, np.maximum(np.diag(covariance), 0.0))
        series = np.asarray(self.series) @ member.T
        return StartedRun(member @ np.asarray(self.at_start), series, covariance, self.equilibrated)


@dataclass(frozen=True)
class LayerOutcome:
    """Comparison of the runs in one layer, or in the whole slab.

    Attributes
    ----------
    name
        Of the layer.
    status
        Whether the runs have ``met``, are ``apart``, or did not start apart (``not tested``).
    between
        The two runs that started farthest apart, that with more ions first.
    gap, gap_deviations
        Their difference at the start, in ions and in standard deviations of the number at equilibrium.
    difference, standard_error
        Difference D of their mean numbers, and its standard error.
    scale_reduction
        R̂ of all runs, infinite if no number changes within a run.
    remaining
        (|D| + 2 standard errors) / gap: upper bound of the share of the gap that remains.
    sentence
        The outcome with its numbers and thresholds.
    """

    name: str
    status: Status
    between: tuple[str, str]
    gap: float
    gap_deviations: float
    difference: float
    standard_error: float
    scale_reduction: float
    remaining: float
    sentence: str


@dataclass(frozen=True)
class StartsVerdict:
    """Judgement of all runs: the outcome, its reason, that of the whole slab and those of the layers."""

    kind: str
    reason: str
    slab: LayerOutcome
    layers: tuple[LayerOutcome, ...]

    @property
    def equilibrated(self) -> bool:
        """Whether the runs are equilibrated, from both sides or as far as one start can tell."""
        return self.kind != NOT_EQUILIBRATED


def one_start(equilibrated: bool) -> str:
    """Return the outcome of a single run, which never excludes processes that are slower than itself."""
    return ONE_START if equilibrated else NOT_EQUILIBRATED


def slowest_time(time: float) -> float:
    """Return the slowest relaxation time that a run of this length could have seen to its end.

    It is a third of the time since the start, after which e⁻³ = 5 % of a deviation remain.
    """
    return time / _DECAYED


def judge_starts(
    runs: Mapping[str, StartedRun], names: Sequence[str], criteria: StartCriteria | None = None
) -> StartsVerdict:
    """Judge whether runs that started with different numbers of ions have met in every layer.

    Parameters
    ----------
    runs
        At least two runs of one system at one temperature, by name.
    names
        Names of the layers, from the surface to the middle of the slab.
    criteria
        The thresholds.

    Raises
    ------
    ValueError
        There are fewer than two runs, or a run has another number of layers than there are names.
    """
    chosen = criteria or StartCriteria()
    if len(runs) < 2:
        raise ValueError(f"runs = {', '.join(runs) or 'none'}: at least two runs are needed")
    for label, run in runs.items():
        if (found := np.shape(run.at_start)[0]) != len(names):
            raise ValueError(f"runs.{label} has {found} layers, but names has {len(names)}: they must agree")
    whole = {label: run.joined([range(len(names))]) for label, run in runs.items()}
    slab = _outcome("slab", whole, 0, chosen, chosen.minimum_gap)
    layers = [_outcome(name, runs, place, chosen, chosen.minimum_layer_gap) for place, name in enumerate(names)]
    if any(one.status == "apart" for one in (slab, *layers)):
        kind, reason = NOT_EQUILIBRATED, "the starts have not met in every layer"
    elif slab.status != "not tested" and all(layer.status == "met" for layer in layers):
        kind, reason = BOTH_SIDES, f"{len(runs)} starts have met in every layer"
    else:
        untested = sum(one.status == "not tested" for one in layers)
        what = f"{untested} of {len(layers)} layers" if untested else "the slab as a whole"
        kind = one_start(all(run.equilibrated is True for run in runs.values()))
        alone = "" if kind == ONE_START else ", nor is each run equilibrated alone"
        reason = f"the starts do not test {what}{alone}"
    return StartsVerdict(kind, reason, slab, tuple(layers))


def _outcome(
    name: str, runs: Mapping[str, StartedRun], place: int, criteria: StartCriteria, least_gap: float
) -> LayerOutcome:
    """Compare the runs in one layer, of which ``least_gap`` standard deviations must separate two at the start."""
    begun = {label: float(np.asarray(run.at_start)[place]) for label, run in runs.items()}
    low, high = min(begun, key=begun.__getitem__), max(reversed(begun), key=begun.__getitem__)
    series = {label: np.asarray(run.series, dtype=np.float64)[:, place] for label, run in runs.items()}
    between = {label: float(np.asarray(run.covariance)[place, place]) for label, run in runs.items()}
    within = float(np.mean([one.var(ddof=1) for one in series.values()]))
    # what fluctuates within the runs, and what they are too short to see
    deviation = float(np.sqrt(within + np.mean(list(between.values()))))
    gap, difference = begun[high] - begun[low], float(series[high].mean() - series[low].mean())
    error = _standard_error([series[high], series[low]], [between[high], between[low]])
    compared = _Compared(
        gap=gap,
        deviations=gap / deviation if deviation > 0 else (np.inf if gap else 0.0),
        difference=difference,
        error=error,
        reduction=_scale_reduction(list(series.values()), within),
    )
    status, numbers = compared.judged(criteria, least_gap)
    return LayerOutcome(
        name=name,
        status=status,
        between=(high, low),
        gap=gap,
        gap_deviations=compared.deviations,
        difference=difference,
        standard_error=error,
        scale_reduction=compared.reduction,
        remaining=(abs(difference) + criteria.standard_errors * error) / gap if gap else np.inf,
        sentence=f"{_MARKS[status]} {name}: {numbers}",
    )


@dataclass(frozen=True)
class _Compared:
    """Numbers of a layer: gap at the start, also in standard deviations, D with its standard error, and R̂."""

    gap: float
    deviations: float
    difference: float
    error: float
    reduction: float

    def judged(self, criteria: StartCriteria, least_gap: float) -> tuple[Status, str]:
        """Return the status and a statement with the numbers and the threshold that was missed."""
        start = f"{self.gap:.3g} apart at start"
        if self.deviations < least_gap:
            return "not tested", f"{start} ({self.deviations:.2g} σ, needs ≥ {least_gap:g}), not tested"
        allowed = criteria.standard_errors * self.error
        spare = criteria.largest_share * self.gap - allowed
        met, needs = True, ""
        if spare <= 0:
            met, needs = False, f" (± < {criteria.largest_share * self.gap / criteria.standard_errors:.2g})"
        elif abs(self.difference) > allowed or abs(self.difference) >= spare:
            met, needs = False, f" (|D| < {min(allowed, spare):.2g})"
        scale = f"R̂ {self.reduction:.3g}"
        if self.reduction >= criteria.maximum_scale_reduction:
            met, scale = False, f"{scale} (< {criteria.maximum_scale_reduction:g})"
        now = f"{self.difference:+.2g} ± {self.error:.2g}{needs}, {scale}"
        return ("met" if met else "apart"), f"{start} ({self.deviations:.2g} σ), D {now}"


def _standard_error(series: Sequence[Floats], between_ions: Sequence[float]) -> float:
    """Return the standard error of the difference of two means, from ions or from time.

    The variance in time is that of the slowest four cosines of each series. It is taken only where it is larger
    than that between ions at the level of 5 %, and with Student's t, scaled to the normal distribution.
    """
    ions = float(sum(between_ions))
    time, terms = sum(slow_variance(one, _COSINES) for one in series), len(series) * _COSINES
    if time <= ions * float(stats.chi2.isf(_LARGER, terms)) / terms:
        return float(np.sqrt(ions))
    scale = float(stats.t.ppf(_TWO_SIDED, terms) / stats.norm.ppf(_TWO_SIDED))
    return float(np.sqrt(time)) * scale


def _scale_reduction(series: Sequence[Floats], within: float) -> float:
    """Return the potential scale reduction R̂ of the series of all runs, whose mean variance is ``within``."""
    length = min(len(one) for one in series)
    means = float(np.var([one.mean() for one in series], ddof=1))
    if within == 0:
        return 1.0 if means == 0 else np.inf
    return float(np.sqrt((length - 1) / length + means / within))
