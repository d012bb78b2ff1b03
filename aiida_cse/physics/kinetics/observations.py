"""Observations of single runs: entries with their exposure, and the condition for a fit of equilibrium rates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from aiida_cse.physics.kinetics.measured import MeasuredRate, over_faces
from aiida_cse.physics.kinetics.posterior import CountData
from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.dispersion import pooled_dispersion

__all__ = [
    "HotBarrier",
    "Observation",
    "count_data",
    "hot_barrier",
    "used_dispersions",
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


def used_dispersions(runs: Sequence[Observation]) -> list[float]:
    """Return φ of each run for a joint fit: the larger of its own and that of all runs together.

    In a run with few entries, or none, the dispersion is not seen. There that of the others is the best guess.
    """
    pooled = pooled_dispersion([run.events for run in runs], [run.dispersion for run in runs])
    return [max(run.dispersion, pooled) for run in runs]


def count_data(runs: Sequence[Observation], measured: Sequence[MeasuredRate] = ()) -> CountData:
    """Return the counts of the runs in units of independent events, and then the measured rates as such.

    Counts and exposures of a run are divided by its φ; measured rates are averaged over the faces.
    """
    dispersions = np.array(used_dispersions(runs)) if runs else np.empty(0)
    means = [one.rate for one in over_faces(measured)]
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
