"""Judgement of several runs of one system that started with different numbers of ions in the slab.

A single run cannot show a process that is slower than itself and that no ion has undergone. Runs that start from
both sides of equilibrium can: where a process is slow, their numbers of ions stay apart. The slab is therefore
divided into layers of depth, and in each of them the runs must have started apart and must have met.

D is the difference between the mean numbers of the two runs that started farthest apart in a layer, after the
first third of each run. They have met if |D| is at most two standard errors, if |D| plus two standard errors is
below a third of the difference at the start, and if the potential scale reduction R̂ (Gelman and Rubin, Statist.
Sci. 7, 457 (1992)) of all runs is below 1.5. The usual limits of R̂, 1.1 or 1.2, reject most runs of a few
relaxation times.

Runs that meet can still drift together, for instance if ions are captured for good outside of the slab. The linear
trends of the numbers of all runs must therefore add up to a change that is compatible with zero. And if the runs
have verdicts of their own, at least one must be positive.

The standard error is that between ions: of n exchangeable ions that spend the shares m_i of the time in a layer,
the mean number has the variance n Var(m_i), slow exchange included. That of the summed trends follows in the same
way from the trends of the ions. Ions that move together make both too small. The variance of the slowest cosines
of N(t) (Lazarus et al., J. Bus. Econ. Stat. 36, 541 (2018)), for the trend that of the Legendre polynomials beyond
the line, replaces it where it is significantly larger.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy import stats

from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.timeseries import covariance_between_ions, drift_test, slow_variance
from aiida_cse.schema import Number, StrictModel

__all__ = [
    "BOTH_SIDES",
    "NOT_EQUILIBRATED",
    "ONE_START",
    "LayerOutcome",
    "StartCriteria",
    "StartedRun",
    "StartsVerdict",
    "ion_trends",
    "judge_starts",
    "one_start",
    "slowest_time",
]

Floats = NDArray[np.float64]
Status = Literal["met", "apart", "drifting", "not tested"]

#: outcomes, which are stored
BOTH_SIDES: Final = "equilibrated from both sides"
ONE_START: Final = "equilibrated as far as one start can tell"
NOT_EQUILIBRATED: Final = "not equilibrated"

#: part of the time at the beginning of a run that is not judged
UNJUDGED: Final = 1 / 3
#: slow terms of N(t) in each run, and level at which their variance counts as larger than that between ions
_TERMS, _LARGER = 4, 0.05
#: fewest times that are judged: a cosine needs a few times per period
_FEWEST_TIMES = 3 * _TERMS
#: level to which two standard errors belong
_TWO_SIDED = 0.975
#: relaxation times in which a deviation decays to 5 %
_DECAYED = 3.0
_MARKS: Final[Mapping[Status, str]] = {
    "met": "✓",
    "apart": "✗",
    "drifting": "✗",
    "not tested": "–",
}


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
    significance
        Smallest p-value at which a drift of all runs together is compatible with zero.
    """

    minimum_gap: Annotated[Number, Field(gt=0, le=1000)] = 6.0
    minimum_layer_gap: Annotated[Number, Field(gt=0, le=1000)] = 3.0
    standard_errors: Annotated[Number, Field(gt=0, le=100)] = 2.0
    largest_share: Annotated[Number, Field(gt=0, lt=1)] = 1 / 3
    maximum_scale_reduction: Annotated[Number, Field(gt=1, le=100)] = 1.5
    significance: Annotated[Number, Field(gt=0, lt=1)] = 0.02


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
    trend_covariance
        (L, L) covariance of the changes of the numbers along their linear trends, from the differences between the
        ions; see :func:`ion_trends`. Without it the trends are judged by the series alone, less sharply.

    Raises
    ------
    ValueError
        The numbers of layers differ, there are fewer than 12 times, or a value is no number of ions or no
        covariance.
    """

    at_start: ArrayLike
    series: ArrayLike
    covariance: ArrayLike
    equilibrated: bool | None = None
    trend_covariance: ArrayLike | None = None

    def __post_init__(self) -> None:
        begun = arguments.array("at_start", self.at_start, ndim=1, least=0, most=arguments.LARGEST_COUNT)
        series = arguments.array("series", self.series, ndim=2, least=0, most=arguments.LARGEST_COUNT)
        shape = (len(begun), len(begun))
        if series.shape[1] != len(begun):
            raise ValueError(
                f"at_start and series have the shapes {begun.shape} and {series.shape}; they must have one number "
                "of layers"
            )
        if len(series) < _FEWEST_TIMES:
            raise ValueError(
                f"series has {len(series)} times: at least {_FEWEST_TIMES} are needed; "
                "choose a longer run or snapshots that are closer in time"
            )
        object.__setattr__(self, "at_start", begun)
        object.__setattr__(self, "series", series)
        object.__setattr__(self, "covariance", _covariance("covariance", self.covariance, shape))
        if self.trend_covariance is not None:
            trends = _covariance("trend_covariance", self.trend_covariance, shape)
            object.__setattr__(self, "trend_covariance", trends)

    @classmethod
    def from_layers(
        cls, places: ArrayLike, layers: int, *, judged_from: int | None = None, equilibrated: bool | None = None
    ) -> StartedRun:
        """Return a run from the layer of each ion at equally spaced times.

        Parameters
        ----------
        places
            (F, I) number of the layer, below 0 for an ion outside of the slab; the first time is the start.
        layers
            Number of layers.
        judged_from
            First time that is judged; a third of the times are left out by default.
        equilibrated
            The verdict of the run on its own.

        Raises
        ------
        ValueError
            There are fewer than 12 judged times, no layers, or places that are no layer.
        """
        number = arguments.count("layers", layers, least=1)
        table = arguments.array("places", places, ndim=2, length=_FEWEST_TIMES, most=number - 1, whole=True)
        latest = len(table) - _FEWEST_TIMES
        third = math.ceil(len(table) * UNJUDGED) if judged_from is None else judged_from
        first = arguments.count("judged_from", third, most=latest)
        inside = np.stack([table == layer for layer in range(number)], axis=2)
        return cls(
            at_start=inside[0].sum(axis=0),
            series=inside[first:].sum(axis=1),
            covariance=covariance_between_ions(inside[first:].mean(axis=0)),
            equilibrated=equilibrated,
            trend_covariance=covariance_between_ions(ion_trends(inside[first:])),
        )

    def joined(self, groups: Sequence[Sequence[int]]) -> StartedRun:
        """Return the run with layers that each join a group of the layers of this one.

        Raises
        ------
        ValueError
            A group is empty or has a number that is no layer.
        """
        layers = np.shape(self.at_start)[0]
        member = np.zeros((len(groups), layers))
        for row, group in enumerate(groups):
            numbers = list(group)
            if not numbers or any(number not in range(layers) for number in numbers):
                raise ValueError(f"groups[{row}] = {numbers}: give numbers of layers from 0 to {layers - 1}")
            member[row, numbers] = 1
        covariance, trends = (
            None if one is None else member @ np.asarray(one) @ member.T
            for one in (self.covariance, self.trend_covariance)
        )
        for one in (covariance, trends):
            if one is not None:
                # the variance of a constant sum of shares is 0, but for its rounding
                np.fill_diagonal(one, np.maximum(np.diag(one), 0.0))
        assert covariance is not None
        series, begun = np.asarray(self.series) @ member.T, member @ np.asarray(self.at_start)
        return StartedRun(begun, series, covariance, self.equilibrated, trends)


@dataclass(frozen=True)
class LayerOutcome:
    """Comparison of the runs in one layer, or in the whole slab.

    Attributes
    ----------
    name
        Of the layer.
    status
        Whether the runs have ``met``, are ``apart``, are ``drifting`` together, or did not start apart or never
        changed (``not tested``).
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
    drift, drift_error, drift_p_value
        Change of the numbers of all runs together along their linear trends over the judged parts, its standard
        error, and the p-value of no drift.
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
    drift: float
    drift_error: float
    drift_p_value: float
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
        """True if the runs are equilibrated, from both sides or as far as one start can tell."""
        return self.kind != NOT_EQUILIBRATED


def ion_trends(inside: ArrayLike) -> Floats:
    """Return the change (I, L) along the line through the presence (F, I, L) of each ion in each layer.

    The lines are those of least squares, from the first to the last of the F equally spaced times.
    """
    table = np.asarray(inside)
    weights = _trend_weights(len(table))
    return np.stack([weights @ table[:, :, layer] for layer in range(table.shape[2])], axis=1)


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
        There are fewer than two runs, no layers, or a run has another number of layers than there are names.

    Notes
    -----
    One positive verdict of a run alone suffices, because a single run can lack the events or the length for its
    own criteria where both together show more. None at all does not: what keeps every run from equilibrium need
    not show in their difference.
    """
    chosen = criteria or StartCriteria()
    if len(runs) < 2:
        raise ValueError(f"runs = {', '.join(runs) or 'none'}: at least two runs are needed")
    if not len(names):
        raise ValueError("names = []: at least one layer is needed")
    for label, run in runs.items():
        if (found := np.shape(run.at_start)[0]) != len(names):
            raise ValueError(f"runs.{label} has {found} layers, but names has {len(names)}: they must agree")
    whole = {label: run.joined([range(len(names))]) for label, run in runs.items()}
    slab = _outcome("slab", whole, 0, chosen, chosen.minimum_gap)
    layers = [_outcome(name, runs, place, chosen, chosen.minimum_layer_gap) for place, name in enumerate(names)]
    alone = [run.equilibrated for run in runs.values()]
    if any(one.status == "apart" for one in (slab, *layers)):
        kind, reason = NOT_EQUILIBRATED, "the starts have not met in every layer"
    elif drifting := [one.name for one in (slab, *layers) if one.status == "drifting"]:
        kind, reason = NOT_EQUILIBRATED, f"the runs drift together in {drifting[0]}"
        reason += f" and {len(drifting) - 1} more" if drifting[1:] else ""
    elif slab.status != "not tested" and all(layer.status == "met" for layer in layers):
        kind, reason = BOTH_SIDES, f"{len(runs)} starts have met in every layer"
        if False in alone and True not in alone:
            kind, reason = NOT_EQUILIBRATED, f"{reason}, but no run is equilibrated alone"
    else:
        untested = sum(one.status == "not tested" for one in layers)
        what = f"{untested} of {len(layers)} layers" if untested else "the slab as a whole"
        kind = one_start(all(verdict is True for verdict in alone))
        nor = "" if kind == ONE_START else ", nor is each run equilibrated alone"
        reason = f"the starts do not test {what}{nor}"
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
    # from time, by the slowest four cosines of each series, or from ions
    variance = slow_variance(series[high], _TERMS) + slow_variance(series[low], _TERMS)
    error = _larger_error(variance, 2 * _TERMS, between[high] + between[low])
    # the potential scale reduction R̂ of the series of all runs
    length, means = min(len(one) for one in series.values()), [one.mean() for one in series.values()]
    spread = float(np.var(means, ddof=1))
    reduction = 1.0 if spread == 0 else np.inf
    if within != 0:
        reduction = float(np.sqrt((length - 1) / length + spread / within))
    compared = _Compared(
        gap=gap,
        deviations=gap / deviation if deviation > 0 else (np.inf if gap else 0.0),
        difference=difference,
        error=error,
        reduction=reduction,
        fluctuate=within > 0,
    )
    status, numbers = compared.judged(criteria, least_gap)
    trends = None
    if all(run.trend_covariance is not None for run in runs.values()):
        trends = [float(np.asarray(run.trend_covariance)[place, place]) for run in runs.values()]
    drift, drift_error, p_value = _common_drift(list(series.values()), trends)
    if status != "apart" and p_value < criteria.significance:
        status = "drifting"
        numbers = (
            f"the runs drift together, {drift:+.2g} ± {drift_error:.2g} in sum "
            f"(p {p_value:.2g}, needs ≥ {criteria.significance:g})"
        )
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
        drift=drift,
        drift_error=drift_error,
        drift_p_value=p_value,
        sentence=f"{_MARKS[status]} {name}: {numbers}",
    )


@dataclass(frozen=True)
class _Compared:
    """Numbers of a layer: gap at the start, also in standard deviations, D with its standard error, R̂.

    ``fluctuate`` is whether a number changed within any run.
    """

    gap: float
    deviations: float
    difference: float
    error: float
    reduction: float
    fluctuate: bool

    def judged(self, criteria: StartCriteria, least_gap: float) -> tuple[Status, str]:
        """Return the status and a statement with the numbers and the threshold that was missed."""
        start = f"{self.gap:.3g} apart at start"
        if self.error == 0 and self.difference == 0 and not self.fluctuate:
            return "not tested", f"{start}, but no number changed since, not tested"
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


def _covariance(name: str, values: ArrayLike, shape: tuple[int, int]) -> Floats:
    """Return a covariance of this shape, checked."""
    most = arguments.LARGEST_COUNT
    found = arguments.array(name, values, ndim=2, least=-most, most=most)
    if found.shape != shape:
        raise ValueError(
            f"{name} has the shape {found.shape}: it must have one number of layers with at_start, {shape}"
        )
    if (np.diag(found) < 0).any():
        raise ValueError(f"{name} has a negative variance; it must be at least 0")
    if np.abs(found - found.T).max(initial=0) > 1e-6 * np.abs(found).max(initial=0):
        raise ValueError(f"{name} is not symmetric; give a covariance matrix")
    return found


def _common_drift(series: Sequence[Floats], between_ions: Sequence[float] | None) -> tuple[float, float, float]:
    """Return the change of all series together along their linear trends, its standard error, and its p-value.

    The variance in time is that of the four Legendre polynomials beyond the line. Where the variance between ions
    is unknown, the error is that of the test for a drift of each series.
    """
    if not any(np.ptp(one) for one in series):
        return 0.0, 0.0, 1.0
    change = sum(float(_trend_weights(len(one)) @ one) for one in series)
    if between_ions is None:
        tests = [(drift_test(one), len(one)) for one in series]
        error = float(np.sqrt(sum((test.standard_error * length) ** 2 for test, length in tests)))
        freedom = float(sum(test.degrees_of_freedom for test, _ in tests))
    else:
        variance = 0.0
        for one in series:
            place = np.linspace(-1, 1, len(one))
            polynomials, _ = np.linalg.qr(np.polynomial.legendre.legvander(place, _TERMS + 1))
            variance += 4 * float(np.mean((polynomials[:, 2:].T @ one) ** 2)) / float(place @ place)
        error, freedom = _larger_error(variance, len(series) * _TERMS, float(sum(between_ions))), np.inf
    if error == 0:
        return change, error, 1.0 if change == 0 else 0.0
    return change, error, 2 * float(stats.t.sf(abs(change) / error, freedom))


def _larger_error(time: float, terms: int, ions: float) -> float:
    """Return the standard error from a variance of slow terms in time, or from that between ions.

    That in time is taken only where it is larger than that between ions at the level of 5 %, and with Student's t,
    scaled to the normal distribution.
    """
    if time <= ions * float(stats.chi2.isf(_LARGER, terms)) / terms:
        return float(np.sqrt(ions))
    scale = float(stats.t.ppf(_TWO_SIDED, terms) / stats.norm.ppf(_TWO_SIDED))
    return float(np.sqrt(time)) * scale


def _trend_weights(times: int) -> Floats:
    """Return the weights (F,) whose product with a series is its change along the line of least squares."""
    place = np.linspace(-1, 1, times)
    return 2 * place / max(float(place @ place), 1.0)
