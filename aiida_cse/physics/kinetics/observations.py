"""Observations of single runs: entries with their exposure, and the condition for a fit of equilibrium rates.

A rate that was measured without counting, from umbrella windows and short trajectories
(:mod:`aiida_cse.physics.crossing`), enters the same likelihood: with a standard error σ of its logarithm it tells
as much as 1 / σ² independent entries. Jeffreys' posterior of a Poisson rate from k entries has the mean
ψ(k + ½) ≈ ln k of ln(rate × exposure) and the variance ψ′(k + ½) ≈ 1 / k, which are those of the measured rate.

Entries are counted at both faces of the slab, over the ions in both first layers. Their rate is therefore the mean
of the rates of the faces, weighted by these ions. A measured rate is that of one face; both are averaged in
the same way before they enter the likelihood.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from aiida_cse.physics.kinetics.posterior import CountData
from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.dispersion import pooled_dispersion

__all__ = [
    "HotBarrier",
    "MeasuredRate",
    "Observation",
    "count_data",
    "hot_barrier",
    "over_faces",
    "used_dispersions",
    "used_log_errors",
]

Floats = NDArray[np.float64]
#: draws of the mean over the faces; its error is then known to 0.5 %
_DRAWS = 20_000


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
    face
        Face of the slab, as ``left``.
    ions, counted
        Number of ions in the first layer of this face, in any unit, and the number of independent ions that
        scatters as much, the inverse square of its relative error; None if unknown.

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
    face: str = ""
    ions: float | None = None
    counted: float | None = None

    def __post_init__(self) -> None:
        arguments.number("temperature", self.temperature, above=0)
        arguments.number("rate", self.rate, above=0)
        for name in ("ions", "counted"):
            if (value := getattr(self, name)) is not None:
                arguments.number(name, value, above=0)
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


def over_faces(measured: Sequence[MeasuredRate]) -> list[MeasuredRate]:
    """Return one rate for each temperature (of whole K): the mean over the faces that were measured there.

    Faces are weighted by their ions; several rates of a face share its weight. The number of ions is drawn from a
    Gamma distribution with its error. Where that of one face is unknown, all weights are equally likely.
    Errors are those of :func:`used_log_errors`; ln Γ of each rate is taken as normal. The mean and the standard
    deviation of the logarithm of the average follow from draws.
    """
    errors = used_log_errors(measured)
    found = []
    for kelvin in dict.fromkeys(round(one.temperature) for one in measured):
        there = [place for place, one in enumerate(measured) if round(one.temperature) == kelvin]
        rates, sigma = [measured[place] for place in there], np.array([errors[place] for place in there])
        if len(rates) == 1:
            found.append(replace(rates[0], log_error=float(sigma[0])))
            continue
        generator = np.random.default_rng(0)
        drawn = generator.standard_normal((_DRAWS, len(rates))) * sigma
        weights = _drawn_weights(rates, generator)
        logs = special.logsumexp(drawn + np.log([one.rate for one in rates]), b=weights, axis=1)
        error = float(np.clip(logs.std(), *MeasuredRate.LOG_ERRORS))
        label = ", ".join(one.label for one in rates)
        found.append(replace(rates[0], rate=float(np.exp(logs.mean())), log_error=error, label=label))
    return found


def _drawn_weights(rates: Sequence[MeasuredRate], generator: np.random.Generator) -> Floats:
    """Return draws (D, rates) of the shares that rates of one temperature have in the mean over their faces."""
    faces = list(dict.fromkeys(one.face for one in rates))
    owners = [[one for one in rates if one.face == face] for face in faces]
    known = all(one.ions is not None for one in rates)
    ions = np.array([np.mean([one.ions or 1.0 for one in own]) if known else 1.0 for own in owners])
    # several crossings of a face begin with the same systems
    counted = np.array([max(one.counted or 1.0 for one in own) if known else 1.0 for own in owners])
    weights = generator.gamma(counted, ions / counted, (_DRAWS, len(faces)))
    own = [faces.index(one.face) for one in rates]
    shared = weights[:, own] / [len(owners[place]) for place in own]
    drawn: Floats = shared / shared.sum(axis=1, keepdims=True)
    return drawn


def count_data(runs: Sequence[Observation], measured: Sequence[MeasuredRate] = ()) -> CountData:
    """Return the counts of the runs in units of independent events, and then the measured rates as such.

    Counts and exposures of a run are divided by its φ; measured rates are averaged over the faces.
    """
    dispersions = np.array(used_dispersions(runs)) if runs else np.empty(0)
    means = over_faces(measured)
    equivalent = np.array([one.log_error for one in means]) ** -2.0
    everything: list[Observation | MeasuredRate] = [*runs, *means]
    return CountData(
        temperature=np.array([one.temperature for one in everything], dtype=np.float64),
        events=np.concatenate([np.array([run.events for run in runs]) / dispersions, equivalent]),
        exposure=np.concatenate(
            [
                np.array([run.exposure for run in runs]) / dispersions,
                equivalent / np.array([one.rate for one in means]),
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
