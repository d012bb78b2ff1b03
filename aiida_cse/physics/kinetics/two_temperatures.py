"""The published estimate of kinetics from two temperatures, Kozdra et al., PCCP 27, 24918 (2025), section 3.4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiida_cse.physics.kinetics.extrapolation import decompose_barrier
from aiida_cse.physics.kinetics.observations import Observation, hot_barrier
from aiida_cse.physics.statistics.poisson import rate_ratio_interval

__all__ = ["TwoTemperatures", "two_temperatures"]

_NAN = float("nan")


@dataclass(frozen=True)
class TwoTemperatures:
    """The published estimate: γ of the two highest temperatures with its exact interval, and what follows."""

    t_hot: float
    t_cold: float
    gamma: float
    gamma_interval: tuple[float, float]
    energy: float
    entropy: float
    rates: dict[float, float]


def two_temperatures(
    runs: Sequence[Observation], temperatures: Sequence[float], lowerings: Sequence[float], level: float
) -> TwoTemperatures | None:
    """Return the estimate from the two highest temperatures with an entry at both; None if there are none.

    γ is the ratio of the entries per ion and time; ΔE follows from eq 9, ΔS from eq 10 and the barrier at the
    higher temperature, and Γ(T) from eq 11, in which κ ν exp(ΔS) is such that the rate at the higher temperature
    is the observed one.

    Parameters
    ----------
    runs
        The runs to be used.
    temperatures, lowerings
        Where the rate is wanted, and δ there, K.
    level
        Level of the interval of γ.
    """
    present = sorted({run.temperature for run in runs}, reverse=True)[:2]
    if len(present) < 2:
        return None
    hot, cold = (_Pool.of(runs, temperature) for temperature in present)
    if not (hot.events and cold.events):
        return None
    gamma = hot.rate / cold.rate
    # without a barrier ΔS is not known, and ΔE does not depend on it
    barrier = 0.0 if hot.barrier is None else hot.barrier - hot.lowering
    parts = decompose_barrier(barrier, gamma, hot.temperature, cold.temperature, cold.lowering - hot.lowering)
    # eqs 9 and 10 have no δ at the higher temperature: there the energy is ΔE less that of ours
    energy = float(parts.energy)
    return TwoTemperatures(
        t_hot=hot.temperature,
        t_cold=cold.temperature,
        gamma=gamma,
        gamma_interval=rate_ratio_interval(hot.events, hot.exposure, cold.events, cold.exposure, level),
        energy=energy + hot.lowering,
        entropy=_NAN if hot.barrier is None else float(parts.entropy),
        rates={
            temperature: hot.rate
            * float(np.exp(energy / hot.temperature - (energy + hot.lowering - lowering) / temperature))
            for temperature, lowering in zip(temperatures, lowerings, strict=True)
        },
    )


@dataclass(frozen=True)
class _Pool:
    """The runs at one temperature together."""

    temperature: float
    events: int
    exposure: float
    lowering: float
    barrier: float | None

    @property
    def rate(self) -> float:
        return self.events / self.exposure

    @classmethod
    def of(cls, runs: Sequence[Observation], temperature: float) -> _Pool:
        chosen = [run for run in runs if run.temperature == temperature]
        exposure = sum(run.exposure for run in chosen)
        known = hot_barrier(chosen)
        return cls(
            temperature=temperature,
            events=sum(run.events for run in chosen),
            exposure=exposure,
            lowering=sum(run.lowering * run.exposure for run in chosen) / exposure,
            barrier=None if known is None else known.barrier,
        )
