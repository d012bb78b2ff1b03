"""Observations of single runs: entries with their exposure, and the condition for a fit of equilibrium rates.

A rate that was measured without counting, from umbrella windows and short trajectories
(:mod:`aiida_cse.physics.crossing`), enters the same likelihood: with a standard error σ of its logarithm it tells
as much as 1 / σ² independent entries. Jeffreys' posterior of a Poisson rate from k entries has the mean
ψ(k + ½) ≈ ln k of ln(rate × exposure) and the variance ψ′(k + ½) ≈ 1 / k, which are those of the measured rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import stats

from aiida_cse.physics.kinetics.posterior import CountData
from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.dispersion import pooled_dispersion

__all__ = [
    "HotBarrier",
    "MeasuredRate",
    "Observation",
    "count_data",
    "hot_barrier",
    "used_dispersions",
    "used_log_errors",
]


@dataclass(frozen=True)
class Observation:
    """Entries that were counted in one run.

    Attributes
    ----------
    temperature
        K.
    events
        Number of entries.
    exposure
        Ions that could have entered × time, in s, over exactly the time in which an entry would have counted.
    equilibrated
        Whether the verdict on the run is that its ions have equilibrated.
    conditioned
        Whether ``events`` and ``exposure`` count only while N(Li excess) is at least a threshold, as in
        equilibrium.
    lowering
        δ = Δz(T) × slope, K: the lowering of the barrier by a first layer that is closer to the slab.
    barrier, barrier_error
        ΔF / k_B from the free-energy profile of this run and its standard error, K; None if unknown.
    admitted
        Whether a conditioned run takes part although it is off equilibrium, as in the published study.
    dispersion
        φ, number of entries that carry the information of one (:mod:`~aiida_cse.physics.statistics.dispersion`);
        1 for independent entries.
    label
        Name of the run in the results.

    Raises
    ------
    ValueError
        A value is out of its range, or only one of ``barrier`` and ``barrier_error`` is given.
    """

    temperature: float
    events: int
    exposure: float
    equilibrated: bool = True
    conditioned: bool = False
    lowering: float = 0.0
    barrier: float | None = None
    barrier_error: float | None = None
    admitted: bool = False
    label: str = ""
    dispersion: float = 1.0

    def __post_init__(self) -> None:
        arguments.number("temperature", self.temperature, above=0)
        arguments.count("events", self.events)
        if arguments.number("exposure", self.exposure, least=0) == 0 and self.events:
            raise ValueError(f"exposure = 0: must be above zero for events = {self.events}")
        arguments.number("lowering", self.lowering)
        arguments.number("dispersion", self.dispersion, least=1)
        for name in ("equilibrated", "conditioned", "admitted"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} = {getattr(self, name)!r}: must be true or false")
        if (self.barrier is None) != (self.barrier_error is None):
            raise ValueError("barrier and barrier_error must be given together or not at all")
        if self.barrier is not None and self.barrier_error is not None:
            arguments.number("barrier", self.barrier)
            arguments.number("barrier_error", self.barrier_error, above=0)

    def objection(self) -> str | None:
        """Return the reason to leave the run out of a fit of equilibrium rates, None if there is none."""
        if self.exposure == 0:
            return "no time in which an entry would have counted"
        if self.events == 0 and not self.conditioned:
            return "no entry, and no condition that says when one would have counted"
        return None if self.equilibrated or self.admitted_off_equilibrium else "not equilibrated"

    @property
    def admitted_off_equilibrium(self) -> bool:
        """True for a run off equilibrium that takes part because its entries have a condition."""
        return self.admitted and self.conditioned and not self.equilibrated


@dataclass(frozen=True)
class MeasuredRate:
    """A rate per ion that was measured without counting entries.

    Attributes
    ----------
    temperature
        K.
    rate
        Γ per ion in a first layer, s⁻¹.
    log_error
        Standard error of ln Γ, from 0.001 to 4.5. That of an interval of Student's t is half of its width in ln Γ
        over the normal quantile, so that few degrees of freedom are not forgotten.
    lowering
        δ as in :class:`Observation`, K.
    label
        Name in the results.

    Raises
    ------
    ValueError
        A value is out of its range.
    """

    #: smallest and largest ``log_error``; that of the largest tells as much as a twentieth of an entry
    LOG_ERRORS: ClassVar[tuple[float, float]] = (1e-3, 4.5)

    temperature: float
    rate: float
    log_error: float
    lowering: float = 0.0
    label: str = ""

    def __post_init__(self) -> None:
        arguments.number("temperature", self.temperature, above=0)
        arguments.number("rate", self.rate, above=0)
        least, most = self.LOG_ERRORS
        arguments.number("log_error", self.log_error, least=least, most=most)
        arguments.number("lowering", self.lowering)


def used_dispersions(runs: Sequence[Observation]) -> list[float]:
    """Return φ of each run for a joint fit: the larger of its own and that of all runs together.

    In a run with few entries, or none, the dispersion is not seen. There that of the others is the best guess.
    """
    pooled = pooled_dispersion([run.events for run in runs], [run.dispersion for run in runs])
    return [max(run.dispersion, pooled) for run in runs]


def used_log_errors(measured: Sequence[MeasuredRate]) -> list[float]:
    """Return the standard error of ln Γ of each measured rate for a joint fit: at least the geometric mean of all.

    Errors between a few ladders scatter, and the rate whose error came out smallest by chance would weigh most. Of
    two rates from four ladders an interval of 95 % then holds in 91 to 93 %; with the mean it holds in 95 %.
    """
    errors = [one.log_error for one in measured]
    return [max(error, float(stats.gmean(errors))) for error in errors]


def count_data(runs: Sequence[Observation], measured: Sequence[MeasuredRate] = ()) -> CountData:
    """Return the counts of the runs in units of independent events, and then the measured rates as such.

    Counts and exposures of a run are divided by its φ.
    """
    dispersions = np.array(used_dispersions(runs)) if runs else np.empty(0)
    equivalent = np.array(used_log_errors(measured)) ** -2.0
    everything: list[Observation | MeasuredRate] = [*runs, *measured]
    return CountData(
        temperature=np.array([one.temperature for one in everything], dtype=np.float64),
        events=np.concatenate([np.array([run.events for run in runs]) / dispersions, equivalent]),
        exposure=np.concatenate(
            [
                np.array([run.exposure for run in runs]) / dispersions,
                equivalent / np.array([one.rate for one in measured]),
            ]
        ),
        lowering=np.array([one.lowering for one in everything], dtype=np.float64),
    )


@dataclass(frozen=True)
class HotBarrier:
    """ΔE − T ΔS, a barrier without δ, K, at one temperature, K, with its standard error."""

    temperature: float
    barrier: float
    error: float


def hot_barrier(runs: Iterable[Observation]) -> HotBarrier | None:
    """Return the barrier at the highest temperature that has one, as in eq 10; None without any.

    Barriers of several runs are averaged with the inverse squares of their errors as weights.
    """
    known = np.array(
        [
            (run.temperature, run.barrier + run.lowering, run.barrier_error)
            for run in runs
            if run.barrier is not None and run.barrier_error is not None
        ]
    )
    if not len(known):
        return None
    temperature, barrier, error = known[known[:, 0] == known[:, 0].max()].T
    precision = error**-2
    return HotBarrier(
        temperature=float(temperature[0]),
        barrier=float(np.average(barrier, weights=precision)),
        error=float(precision.sum() ** -0.5),
    )
