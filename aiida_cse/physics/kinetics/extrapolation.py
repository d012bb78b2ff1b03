"""The published extrapolation of rates, from a barrier and a ratio of rates at two temperatures.

Equations are those of Kozdra et al., PCCP 27, 24918 (2025), section 3.4. Energies are E / k_B in kelvin,
entropies are in units of k_B. Scalars give a numpy scalar, arrays broadcast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.kinetics.observations import Observation, hot_barrier, used_dispersions
from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.dispersion import pooled_dispersion
from aiida_cse.physics.statistics.poisson import rate_ratio_interval

__all__ = ["BarrierComponents", "TwoTemperatures", "decompose_barrier", "extrapolate_rate", "two_temperatures"]

Floats = NDArray[np.float64]
_NAN = float("nan")


@dataclass(frozen=True)
class BarrierComponents:
    """ΔF(T) = ΔE − T ΔS: ``energy`` ΔE / k_B in K, ``entropy`` ΔS / k_B; scalars, or arrays of one shape."""

    energy: Floats
    entropy: Floats


def decompose_barrier(
    barrier: ArrayLike, gamma: ArrayLike, t_hot: ArrayLike, t_cold: ArrayLike, delta: ArrayLike = 0.0
) -> BarrierComponents:
    """Split a barrier into energy and entropy with the ratio of the rates at two temperatures.

    exp(−ΔE / T₁) / exp(−(ΔE − δ) / T₂) = γ (eq 9) gives ΔE = T₁ (T₂ ln γ + δ) / (T₁ − T₂), and
    ΔE − T₁ ΔS = ΔF(T₁) (eq 10) gives ΔS.

    Parameters
    ----------
    barrier
        ΔF / k_B at ``t_hot``, K.
    gamma
        γ, the rate at ``t_hot`` over that at ``t_cold``.
    t_hot, t_cold
        T₁ and T₂, K.
    delta
        δ, lowering of the energy at ``t_cold``, K, where the first layer is closer to the slab.

    Raises
    ------
    ValueError
        ``gamma`` or a temperature is not above zero, ``t_hot`` is not above ``t_cold``, a value is not
        finite, the arguments do not broadcast, or the result is too large for a number.
    """
    free_energy, lowered, ratio, hot, cold = arguments.elementwise(
        finite={"barrier": barrier, "delta": delta},
        positive={"gamma": gamma, "t_hot": t_hot, "t_cold": t_cold},
    )
    if not (hot > cold).all():
        raise ValueError(f"t_hot = {t_hot!r}: must be above t_cold = {t_cold!r}, both in K")
    with np.errstate(over="ignore", invalid="ignore"):
        energy = hot * (cold * np.log(ratio) + lowered) / (hot - cold)
        entropy = (energy - free_energy) / hot
    energy, entropy = np.broadcast_arrays(energy, entropy)
    return BarrierComponents(
        arguments.representable("energy from gamma, t_hot, t_cold and delta", energy),
        arguments.representable("entropy from barrier, gamma, t_hot, t_cold and delta", entropy),
    )


def extrapolate_rate(
    temperature: ArrayLike,
    energy: ArrayLike,
    entropy: ArrayLike,
    frequency: ArrayLike,
    kappa: ArrayLike = 1.0,
    *,
    lowering: ArrayLike = 0.0,
) -> Floats:
    """Return Γ(T) = κ ν exp(ΔS) exp(−(ΔE − δ(T)) / T), s⁻¹ per ion: eq 11, there for 400 K.

    Parameters
    ----------
    temperature
        K.
    energy, entropy
        ΔE / k_B in K and ΔS / k_B, as :func:`decompose_barrier` gives them.
    frequency
        ν, s⁻¹.
    kappa
        Transmission coefficient.
    lowering
        δ(T) = Δz(T) × slope of the barrier, K: lowering of the barrier below ΔE by a first layer that is Δz
        closer to the slab than at the temperature of the decomposition.

    Raises
    ------
    ValueError
        ``temperature`` or ``frequency`` is not above zero, ``kappa`` is negative, a value is not finite, the
        arguments do not broadcast, or Γ is too large for a number.
    """
    heat, disorder, lowered, kelvin, attempts, passing = arguments.elementwise(
        finite={"energy": energy, "entropy": entropy, "lowering": lowering},
        positive={"temperature": temperature, "frequency": frequency},
        nonnegative={"kappa": kappa},
    )
    with np.errstate(over="ignore", invalid="ignore"):
        rate = passing * attempts * np.exp(disorder - (heat - lowered) / kelvin)
    return arguments.representable("rate from temperature, energy, entropy, frequency, kappa and lowering", rate)


# -- the estimate from two temperatures ----------------------------------------------------------------------


@dataclass(frozen=True)
class TwoTemperatures:
    """The published estimate: γ of the two highest temperatures with its interval, and what follows."""

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
    """Return the published estimate from the two highest temperatures with an entry at both; None without them.

    γ is the ratio of the entries per ion and time; ΔE follows from eq 9, ΔS from eq 10 and the barrier at the
    higher temperature, and Γ(T) from eq 11, in which κ ν exp(ΔS) is such that the rate at the higher temperature
    is the observed one. Counts are those observed; the interval of γ allows for their dispersion.

    Parameters
    ----------
    runs
        The runs to use.
    temperatures, lowerings
        Temperatures of the rates, and δ there, K.
    level
        Level of the interval of γ.
    """
    present = sorted({run.temperature for run in runs}, reverse=True)[:2]
    if len(present) < 2:
        return None
    dispersions = used_dispersions(runs)
    hot, cold = (_Pool.of(runs, dispersions, temperature) for temperature in present)
    if not (hot.events and cold.events):
        return None
    gamma = hot.rate / cold.rate
    # without a barrier ΔS is unknown, and ΔE does not depend on it
    barrier = 0.0 if hot.barrier is None else hot.barrier - hot.lowering
    parts = decompose_barrier(barrier, gamma, hot.temperature, cold.temperature, cold.lowering - hot.lowering)
    # eqs 9 and 10 have no δ at the higher temperature: their energy is ΔE minus that δ
    energy = float(parts.energy)
    return TwoTemperatures(
        t_hot=hot.temperature,
        t_cold=cold.temperature,
        gamma=gamma,
        gamma_interval=rate_ratio_interval(
            hot.events,
            hot.exposure,
            cold.events,
            cold.exposure,
            level,
            dispersion1=hot.dispersion,
            dispersion2=cold.dispersion,
        ),
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
    dispersion: float

    @property
    def rate(self) -> float:
        return self.events / self.exposure

    @classmethod
    def of(cls, runs: Sequence[Observation], dispersions: Sequence[float], temperature: float) -> _Pool:
        chosen = [run for run in runs if run.temperature == temperature]
        found = [index for run, index in zip(runs, dispersions, strict=True) if run.temperature == temperature]
        exposure = sum(run.exposure for run in chosen)
        known = hot_barrier(chosen)
        return cls(
            temperature=temperature,
            events=sum(run.events for run in chosen),
            exposure=exposure,
            lowering=sum(run.lowering * run.exposure for run in chosen) / exposure,
            barrier=None if known is None else known.barrier,
            dispersion=pooled_dispersion([run.events for run in chosen], found),
        )
