"""What a run says about the rate of entries, and whether it may take part in a fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from aiida_cse.physics.kinetics.posterior import CountData
from aiida_cse.physics.statistics import arguments as checks

__all__ = ["HotBarrier", "Observation", "by_label", "count_data", "hot_barrier"]


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
        Whether ``events`` and ``exposure`` count only while the run is as in equilibrium: while N(Li excess) is
        at least a threshold.
    lowering
        δ = Δz(T) × slope, K: by how much the barrier is lower because the first layer sits closer to the slab.
    barrier, barrier_error
        ΔF / k_B from the free-energy profile of this run and its standard error, K; None if it is not known.
    label
        What the run is called in the results.
    """

    temperature: float
    events: int
    exposure: float
    equilibrated: bool = True
    conditioned: bool = False
    lowering: float = 0.0
    barrier: float | None = None
    barrier_error: float | None = None
    label: str = ""

    def __post_init__(self) -> None:
        checks.positive("temperature", self.temperature)
        checks.count("events", self.events)
        if checks.nonnegative("exposure", self.exposure) == 0 and self.events:
            raise ValueError(f"exposure is 0, but events is {self.events}: events need time to happen")
        checks.finite("lowering", self.lowering)
        for name in ("equilibrated", "conditioned"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {getattr(self, name)!r}, it must be true or false")
        if (self.barrier is None) != (self.barrier_error is None):
            raise ValueError("barrier and barrier_error must be given together or not at all")
        if self.barrier is not None and self.barrier_error is not None:
            checks.finite("barrier", self.barrier)
            checks.positive("barrier_error", self.barrier_error)

    def objection(self) -> str | None:
        """Return why the run does not belong into a fit of equilibrium rates, None if it does."""
        if self.exposure == 0:
            return "no time in which an entry would have counted"
        if self.conditioned:
            return None
        if self.events == 0:
            return "no entry, and no condition that says when one would have counted"
        return None if self.equilibrated else "not equilibrated"


def by_label(observations: Sequence[Observation]) -> dict[str, Observation]:
    """Return the observations by label, "run 1" and so on for those without one.

    Raises
    ------
    ValueError
        There is none, or two have the same label.
    """
    if not observations:
        raise ValueError("observations is empty, there must be at least one")
    labels = [run.label or f"run {number}" for number, run in enumerate(observations, start=1)]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"observations: label {twice[0]!r} is there more than once, each must have its own")
    return dict(zip(labels, observations, strict=True))


def count_data(runs: Iterable[Observation]) -> CountData:
    """Return the counts of the runs."""
    rows = np.array([(run.temperature, run.events, run.exposure, run.lowering) for run in runs], dtype=np.float64)
    return CountData(*rows.T)


@dataclass(frozen=True)
class HotBarrier:
    """ΔE − T ΔS, a barrier without δ, K, at one temperature, K, with its standard error."""

    temperature: float
    barrier: float
    error: float


def hot_barrier(runs: Iterable[Observation]) -> HotBarrier | None:
    """Return the barrier at the highest temperature that has one, as eq 10 wants it; None without any.

    Those of several runs are averaged with the inverse squares of their errors as weights.
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
